#include "ghosts.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "dialog.h"
#include "edge_metrics.h"
#include "store.h"

#define AT_ONCE 64 /* looks a second */

struct look {
	struct edge *edge;
	char leg_id[64];
	int64_t heard_ms;
};

static void on_looked(err_t e, const struct bus_msg *msg, void *arg)
{
	struct look *look = arg;
	struct dialog *d = e == ERR_NOT_FOUND ? dialog_find(look->edge, look->leg_id) : NULL;

	(void)msg;
	if (d && d->heard_ms == look->heard_ms && !d->told_ended) {
		struct log_ctx log = dialog_log(d);

		metric_add(&edge_metric_ghosts, 1);
		LOG_WARN(&log, "leg.without_call", "owner=%s state=%s", d->owner, leg_state_name(d->state));
		dialog_event(d, LEG_EV_DO_HANG_UP, &(struct dialog_input){ .reason = "the call exists no more" });
	}
	mem_free(look);
}

static void ask(struct edge *e, const struct dialog *d)
{
	struct look *look = mem_zalloc(sizeof(*look));

	if (!look)
		return;
	look->edge = e;
	look->heard_ms = d->heard_ms;
	str_copy(look->leg_id, sizeof(look->leg_id), d->leg_id);
	if (store_call(e->store, d->tenant, d->call_id, on_looked, look))
		mem_free(look); /* the bus is away: later */
}

void ghosts_look(struct edge *e, int64_t now_ms)
{
	struct dialog *d;

	for (int i = 0; i < AT_ONCE && (d = TAILQ_FIRST(&e->heard)) && now_ms - d->heard_ms >= e->cfg.orphan_ms; i++) {
		dialog_heard_of(d); /* to the end of the line; asked again in as long */
		if (d->claimed && !d->told_ended)
			ask(e, d);
	}
}
