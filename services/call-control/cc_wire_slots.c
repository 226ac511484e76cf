/* cc_wire_slots: what is in KV `quota` of a tenant: its slots, its recordings. */
#include "cc_wire.h"

#include <string.h>
#include "base/mem.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/call/v1/quota.pb-c.h"

void cc_wire_put_slots(struct str *out, const struct slot_book *book)
{
	Trunkline__Call__V1__SlotBook m = TRUNKLINE__CALL__V1__SLOT_BOOK__INIT;
	Trunkline__Call__V1__SlotRow rows[SLOT_ROWS_MAX], *list[SLOT_ROWS_MAX];
	uint8_t bytes[SLOT_ROWS_MAX * (SLOT_NAME + 32)];

	for (size_t i = 0; i < book->n; i++) {
		trunkline__call__v1__slot_row__init(&rows[i]);
		rows[i].instance = (char *)(uintptr_t)book->rows[i].instance;
		rows[i].incarnation = book->rows[i].incarnation;
		rows[i].held = book->rows[i].held;
		list[i] = &rows[i];
	}
	m.n_rows = book->n;
	m.rows = list;
	str_append_n(out, bytes, trunkline__call__v1__slot_book__pack(&m, bytes));
}

err_t cc_wire_slots(const void *data, size_t size, struct slot_book *ret, struct err_detail *d)
{
	Trunkline__Call__V1__SlotBook *m;
	ProtobufCMessage *view;
	err_t e = pbcheck_view(&view, &trunkline__call__v1__slot_book__descriptor, data, size, d);

	if (e)
		return e;
	m = (Trunkline__Call__V1__SlotBook *)view;
	*ret = (struct slot_book){ .n = m->n_rows };
	if (m->n_rows > SLOT_ROWS_MAX)
		e = err_set(d, ERR_INVALID, "rows", "at most %d are wanted", SLOT_ROWS_MAX);
	for (size_t i = 0; !e && i < m->n_rows; i++) {
		struct slot_row *row = &ret->rows[i];

		row->incarnation = m->rows[i]->incarnation;
		row->held = m->rows[i]->held;
		if (!str_is_id(m->rows[i]->instance) ||
		    !str_copy(row->instance, sizeof(row->instance), m->rows[i]->instance))
			e = err_set(d, ERR_INVALID, "rows.instance", "an id is wanted");
	}
	pbcheck_view_done(view);
	return e;
}

err_t cc_wire_recording_use(const void *data, size_t size, uint64_t *ret_bytes, struct err_detail *d)
{
	ProtobufCMessage *view;
	err_t e = pbcheck_view(&view, &trunkline__call__v1__recording_use__descriptor, data, size, d);

	if (e)
		return e;
	*ret_bytes = ((const Trunkline__Call__V1__RecordingUse *)view)->bytes;
	pbcheck_view_done(view);
	return ERR_OK;
}
