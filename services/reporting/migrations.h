/* migrations: the tables of reporting, part of the program. */
#ifndef REPORTING_MIGRATIONS_H
#define REPORTING_MIGRATIONS_H

#include "db/db.h"

extern const struct db_migration migrations[];
extern const size_t n_migrations;

#endif
