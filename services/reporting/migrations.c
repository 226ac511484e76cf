#include "migrations.h"

/* The bytes of the file and a NUL, as a symbol. The compiler runs in the root of the project. */
#define FILE_SYMBOL(symbol, file)                                                                   \
	__asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"services/reporting/migrations/" file \
		"\"\n.byte 0\n.popsection\n");                                                      \
	extern const char symbol[] __attribute__((visibility("hidden")))

FILE_SYMBOL(migration_0001, "0001_reporting.sql");
FILE_SYMBOL(migration_0002, "0002_batches.sql");
FILE_SYMBOL(migration_0003, "0003_plans.sql");

/* In the order of their numbers; never change one that has been released, write the next. */
const struct db_migration migrations[] = {
	{ "0001_reporting.sql", migration_0001 },
	{ "0002_batches.sql", migration_0002 },
	{ "0003_plans.sql", migration_0003 },
};
const size_t n_migrations = ARRAY_SIZE(migrations);
