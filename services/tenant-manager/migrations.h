/*
 * migrations: the SQL files of migrations/, which are part of the program. Applied by db_migrate() at the start.
 */
#ifndef TM_MIGRATIONS_H
#define TM_MIGRATIONS_H

#include "db/db.h"

extern const struct db_migration migrations[];
extern const size_t n_migrations;

#endif
