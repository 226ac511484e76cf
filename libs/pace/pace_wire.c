#include "pace/pace_book.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/call/v1/quota.pb-c.h"

#define RATE_MAX 100000 /* Quotas.calls_per_s, Quotas.api_requests_per_s */

void pace_to_pb(struct str *out, const struct bucket *book)
{
	Trunkline__Call__V1__RateBook m = TRUNKLINE__CALL__V1__RATE_BOOK__INIT;
	uint8_t bytes[64];

	m.per_s = book->per_s;
	m.level = book->level;
	m.at_ms = book->at_ms;
	str_append_n(out, bytes, trunkline__call__v1__rate_book__pack(&m, bytes));
}

err_t pace_from_pb(struct bucket *ret, const void *data, size_t size, struct err_detail *d)
{
	const Trunkline__Call__V1__RateBook *m;
	ProtobufCMessage *view;
	err_t e = pbcheck_view(&view, &trunkline__call__v1__rate_book__descriptor, data, size, d);

	if (e)
		return e;
	m = (const Trunkline__Call__V1__RateBook *)view;
	if (m->per_s > RATE_MAX)
		e = err_set(d, ERR_INVALID, "per_s", "at most %d are wanted", RATE_MAX);
	else if (m->level < 0 || m->level > BUCKET_ONE * m->per_s)
		e = err_set(d, ERR_INVALID, "level", "0 to 1000 * per_s is wanted");
	else if (m->at_ms < 0)
		e = err_set(d, ERR_INVALID, "at_ms", "a wall time in ms is wanted");
	else
		*ret = (struct bucket){ .per_s = m->per_s, .level = m->level, .at_ms = m->at_ms };
	pbcheck_view_done(view);
	return e;
}
