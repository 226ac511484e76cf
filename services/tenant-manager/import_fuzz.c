/* Tables of agents and numbers: any bytes; the first says of which. What is accepted is what check_resource accepts. */
#include <stdint.h>
#include "base/mem.h"
#include "import_table.h"
#include "trunkline/config/v1/config.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_row(const struct import_row *row, enum import_kind kind)
{
	const ProtobufCMessageDescriptor *desc = kind == IMPORT_AGENTS ? &trunkline__config__v1__agent__descriptor
								       : &trunkline__config__v1__number__descriptor;
	ProtobufCMessage *m = protobuf_c_message_unpack(desc, NULL, row->size, row->body);
	struct err_detail d = { 0 };

	if (!m || (!row->bad && check_resource(m, &d)))
		__builtin_trap();
	protobuf_c_message_free_unpacked(m, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct import_wanted wanted = { "Nr", "display_name" };
	struct import_table_params p = { .tenant = "acme", .realm = "acme.example", .wanted = &wanted };
	struct import_table *t = mem_zalloc(sizeof(*t));
	struct err_detail d = { 0 };

	if (!size || !t) {
		mem_free(t);
		return 0;
	}
	p.kind = data[0] & 1 ? IMPORT_NUMBERS : IMPORT_AGENTS;
	p.n_wanted = data[0] >> 1 & 1;
	p.bytes = data + 1;
	p.size = size - 1;
	err_t e = import_table_read(t, &p, &d);
	if (!!e != !!d.message[0] && e != ERR_EXHAUSTED)
		__builtin_trap();
	for (size_t i = 0; !e && i < t->n_rows; i++)
		check_row(&t->rows[i], p.kind);
	import_table_done(t);
	mem_free(t);
	return 0;
}
