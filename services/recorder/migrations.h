/* migrations: the SQL files of migrations/, which are part of the program. Applied by db_migrate() at the start. */
#ifndef RECORDER_MIGRATIONS_H
#define RECORDER_MIGRATIONS_H

#include "db/db.h"

extern const struct db_migration recorder_migrations[];
extern const size_t recorder_n_migrations;

#endif
