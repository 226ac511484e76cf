#include "migrations.h"

/* The bytes of the file and a NUL, as a symbol. The compiler runs in the root of the project. */
#define FILE_SYMBOL(symbol, file)                                                                  \
	__asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"services/recorder/migrations/" file \
		"\"\n.byte 0\n.popsection\n");                                                     \
	extern const char symbol[] __attribute__((visibility("hidden")))

FILE_SYMBOL(migration_0001, "0001_recordings.sql");
FILE_SYMBOL(migration_0002, "0002_usage.sql");
FILE_SYMBOL(migration_0003, "0003_purged.sql");
FILE_SYMBOL(migration_0004, "0004_plans.sql");
FILE_SYMBOL(migration_0005, "0005_data_key.sql");

/* In the order of their numbers; never change one that has been released, write the next. */
const struct db_migration recorder_migrations[] = {
	{ "0001_recordings.sql", migration_0001 }, { "0002_usage.sql", migration_0002 },
	{ "0003_purged.sql", migration_0003 },	   { "0004_plans.sql", migration_0004 },
	{ "0005_data_key.sql", migration_0005 },
};
const size_t recorder_n_migrations = ARRAY_SIZE(recorder_migrations);
