/*
 * import_row: one row of a table as an agent or a number, by the rules that AdminService has for them. Pure but for hashing.
 *
 * Cells: text as it is, without spaces around it; yes and no as "yes", "true", "1", "x", "是" and "no", "false", "0", "否", ""; skills as
 * "english:5; sales:3"; targets as "flow:main", "queue:sales", "agent:1001", "reject:404". An agent is enabled unless the cell says no.
 */
#ifndef TM_IMPORT_ROW_H
#define TM_IMPORT_ROW_H

#include <protobuf-c/protobuf-c.h>
#include "base/arena.h"
#include "import_columns.h"

struct import_record {
	ProtobufCMessage *msg; /* in the arena, as it is stored; an agent without its version */
	const char *id;
	const char *key;   /* what may be there only once: the id, or the digits of a number */
	bool has_password; /* an agent may sign in */
};
/* ERR_INVALID: detail.field is a path in the message ("skills[0].level"). realm: the tenant's SIP domain. */
err_t import_record_make(struct import_record *ret, struct arena *a, const struct import_columns *columns,
			 const struct sheet_row *row, const char *tenant, const char *realm,
			 struct err_detail *detail) MUST;
/* The column that a path of the message comes from, -1: none. */
int import_column_of(const struct import_columns *columns, const char *path);

#endif
