#include "migrations.h"

/* The bytes of the file and a NUL, as a symbol. The compiler runs in the root of the project. */
#define FILE_SYMBOL(symbol, file)                                                                        \
	__asm__(".pushsection .rodata\n" #symbol ":\n.incbin \"services/tenant-manager/migrations/" file \
		"\"\n.byte 0\n.popsection\n");                                                           \
	extern const char symbol[] __attribute__((visibility("hidden")))

FILE_SYMBOL(migration_0001, "0001_tenancy.sql");
FILE_SYMBOL(migration_0002, "0002_audit_chain.sql");
FILE_SYMBOL(migration_0003, "0003_quotas.sql");
FILE_SYMBOL(migration_0004, "0004_suspension.sql");
FILE_SYMBOL(migration_0005, "0005_deletion.sql");
FILE_SYMBOL(migration_0006, "0006_flow_versions.sql");
FILE_SYMBOL(migration_0007, "0007_imports.sql");
FILE_SYMBOL(migration_0008, "0008_languages.sql");
FILE_SYMBOL(migration_0009, "0009_tokens.sql");
FILE_SYMBOL(migration_0010, "0010_due.sql");
FILE_SYMBOL(migration_0011, "0011_revoked.sql");
FILE_SYMBOL(migration_0012, "0012_sensitive.sql");
FILE_SYMBOL(migration_0013, "0013_pools.sql");
FILE_SYMBOL(migration_0014, "0014_token_use.sql");
FILE_SYMBOL(migration_0015, "0015_plans.sql");
FILE_SYMBOL(migration_0016, "0016_turns.sql");
FILE_SYMBOL(migration_0017, "0017_operators.sql");

/* In the order of their numbers; never change one that has been released, write the next. */
const struct db_migration migrations[] = {
	{ "0001_tenancy.sql", migration_0001 },	 { "0002_audit_chain.sql", migration_0002 },
	{ "0003_quotas.sql", migration_0003 },	 { "0004_suspension.sql", migration_0004 },
	{ "0005_deletion.sql", migration_0005 }, { "0006_flow_versions.sql", migration_0006 },
	{ "0007_imports.sql", migration_0007 },	 { "0008_languages.sql", migration_0008 },
	{ "0009_tokens.sql", migration_0009 },	 { "0010_due.sql", migration_0010 },
	{ "0011_revoked.sql", migration_0011 },	 { "0012_sensitive.sql", migration_0012 },
	{ "0013_pools.sql", migration_0013 },	 { "0014_token_use.sql", migration_0014 },
	{ "0015_plans.sql", migration_0015 },	 { "0016_turns.sql", migration_0016 },
	{ "0017_operators.sql", migration_0017 },
};
const size_t n_migrations = ARRAY_SIZE(migrations);
