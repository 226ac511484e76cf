/*
 * Statements that a connection has prepared: what is asked again is neither parsed nor analysed again, which was a third of the
 * server's work for a change by AdminService. Plans are made anew for each execution (conn.c): what is right for a tenant with 100
 * agents is not for one with 100,000. A statement without parameters is never prepared (tx.c): PostgreSQL would keep one plan of it for all.
 */
#include "db/db_internal.h"

#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/mem.h"

/* Where it is, or would be: there are always free ones. */
static char **slot_of(struct db_statements *s, const char *sql)
{
	uint32_t at = hash_fnv1a32(sql) % DB_STATEMENT_SLOTS;

	while (s->slots[at] && strcmp(s->slots[at], sql) != 0)
		at = (at + 1) % DB_STATEMENT_SLOTS;
	return &s->slots[at];
}

static void name_of(const struct db_statements *s, char *const *slot, char name[DB_STATEMENT_NAME])
{
	snprintf(name, DB_STATEMENT_NAME, "s%d", (int)(slot - s->slots));
}

bool db_statement_find(struct db_statements *s, const char *sql, char name[DB_STATEMENT_NAME])
{
	char **slot = slot_of(s, sql);

	if (*slot)
		name_of(s, slot, name);
	return *slot != NULL;
}

bool db_statement_add(struct db_statements *s, const char *sql, char name[DB_STATEMENT_NAME])
{
	char **slot = slot_of(s, sql);

	if (s->n == DB_STATEMENTS_MAX)
		return false;
	*slot = mem_strdup(sql);
	if (!*slot)
		return false;
	s->n++;
	name_of(s, slot, name);
	return true;
}

void db_statement_drop_last(struct db_statements *s, const char *sql)
{
	char **slot = slot_of(s, sql);

	mem_free(*slot);
	*slot = NULL;
	s->n--;
}

void db_statements_reset(struct db_statements *s)
{
	for (size_t i = 0; i < DB_STATEMENT_SLOTS; i++) {
		mem_free(s->slots[i]);
		s->slots[i] = NULL;
	}
	s->n = 0;
}
