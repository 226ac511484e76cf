/*
 * rotation: how far the services are with a new version of a tenant's key (KV `rotation`, which they write), into PostgreSQL; when all have
 * finished the former versions are destroyed, and the services told. Any instance does it; twice does no harm. Loop thread.
 */
#ifndef TM_ROTATION_H
#define TM_ROTATION_H

#include "manager.h"

struct rotation;
err_t rotation_new(struct rotation **ret, struct manager *tm, struct err_detail *detail) MUST;
/* Takes nothing any more; before the database. NULL-safe. */
void rotation_stop(struct rotation *r);
void rotation_free(struct rotation **r);

#endif
