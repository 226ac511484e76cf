#include "token_uses.h"

#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "metrics/metrics.h"
#include "revoked/uses.h"

#define UNDER_WAY_MAX 64 /* messages */

struct token_uses {
	struct manager *tm;
	struct bus_sub *sub;
};
/* Of one message, as arrays of PostgreSQL; ids and tenants have nothing that would need quotes, but for an operator's "". */
struct lot {
	struct str tenants, ids, times;
};

static unsigned under_way; /* outlives who subscribed: jobs end with the database */

static struct metric noted = METRIC_COUNTER("trunkline_token_uses_total", "uses of tokens that were heard of");
static struct metric lost =
    METRIC_COUNTER("trunkline_token_uses_lost_total",
		   "of those, that were not written down: PostgreSQL away, or too many at once");

static void lot_free(struct lot *l)
{
	str_done(&l->tenants);
	str_done(&l->ids);
	str_done(&l->times);
	mem_free(l);
}

static struct lot *lot_new(const struct token_use *list, size_t n)
{
	struct lot *l = mem_zalloc(sizeof(*l));

	if (!l)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		char c = i ? ',' : '{';

		str_printf(&l->tenants, "%c\"%s\"", c, list[i].tenant);
		str_printf(&l->ids, "%c%s", c, list[i].id);
		str_printf(&l->times, "%c%lld", c, (long long)list[i].at_ms);
	}
	str_append_c(&l->tenants, '}');
	str_append_c(&l->ids, '}');
	str_append_c(&l->times, '}');
	if (l->tenants.failed || l->ids.failed || l->times.failed) {
		lot_free(l);
		return NULL;
	}
	return l;
}

static err_t write_lot(struct db_tx *tx, void *arg)
{
	const struct lot *l = arg;
	const char *params[] = { str_text(&l->tenants), str_text(&l->ids), str_text(&l->times) };

	return db_exec(tx, NULL, "SELECT tm.tokens_used($1::text[], $2::text[], $3::bigint[])", 3, params);
}

static void on_written(err_t e, void *arg)
{
	under_way--;
	if (e)
		metric_add(&lost, 1);
	lot_free(arg);
}

static void on_message(const struct bus_msg *msg, void *arg)
{
	static struct token_use list[USES_MAX];
	struct token_uses *u = arg;
	struct err_detail d = { 0 };
	struct lot *l = NULL;
	size_t n = 0;
	err_t e = uses_from_pb(list, &n, msg->data, msg->size, &d);

	if (e) {
		LOG_WARN(NULL, "bus.bad_message", "subject=%s field=%s why=%s", msg->subject, LOG_Q(d.field),
			 LOG_Q(d.message));
		return;
	}
	metric_add(&noted, (int64_t)n);
	if (n && under_way < UNDER_WAY_MAX)
		l = lot_new(list, n);
	if (l && !db_run(u->tm->db, NULL, write_lot, l, on_written, l)) {
		under_way++;
		return;
	}
	metric_add(&lost, n > 0);
	if (l)
		lot_free(l);
}

err_t token_uses_new(struct token_uses **ret, struct manager *tm)
{
	struct token_uses *u = mem_zalloc(sizeof(*u));

	if (!u)
		return ERR_EXHAUSTED;
	u->tm = tm;
	metrics_register(&noted);
	metrics_register(&lost);
	err_t e = bus_subscribe(&u->sub, tm->bus, USES_SUBJECT, "tenant-manager", on_message, u);
	if (e)
		token_uses_free(&u);
	else
		*ret = u;
	return e;
}

void token_uses_free(struct token_uses **ref)
{
	struct token_uses *u = *ref;

	if (!u)
		return;
	bus_unsubscribe(&u->sub);
	mem_free(u);
	*ref = NULL;
}
