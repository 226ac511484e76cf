#include "worker.h"

#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/mem.h"

/* After the start phones still send to ports of a former life, until they are told of others. */
#define YOUNG_US    10000000
#define NO_GUESS_US 1000000

err_t engine_new(struct engine **ret, const struct engine_params *p)
{
	struct engine *e = mem_zalloc(sizeof(*e));
	err_t err = ERR_OK;

	if (!e)
		return ERR_EXHAUSTED;
	err = rtpsec_init();
	e->params = *p;
	e->started_us = clock_mono_us();
	e->workers = mem_array(p->workers, sizeof(*e->workers));
	if (!e->workers)
		err = ERR_EXHAUSTED;
	for (unsigned i = 0; !err && i < p->workers; i++) {
		err = worker_start(&e->workers[i], e, i);
		e->n_workers = i + 1;
	}
	if (err) {
		engine_free(&e);
		return err;
	}
	*ret = e;
	return ERR_OK;
}

void engine_free(struct engine **ref)
{
	struct engine *e = *ref;

	if (!e)
		return;
	for (unsigned i = 0; i < e->n_workers; i++)
		worker_stop(&e->workers[i]);
	mem_free(e->workers);
	mem_free(e);
	*ref = NULL;
}

static struct order *order_new(enum order_kind kind, struct endpoint *ep)
{
	struct order *o = mem_zalloc(sizeof(*o));

	if (o) {
		o->kind = kind;
		o->ep = ep;
	}
	return o;
}

static void give(struct order *o)
{
	worker_order(o->ep->worker, o);
}

err_t engine_open(struct engine *e, unsigned worker, const int fd[2], void *user, struct endpoint **ret)
{
	struct endpoint *ep = mem_zalloc(sizeof(*ep));
	struct {
		uint32_t ssrc, ts;
		uint16_t seq;
	} r;

	if (!ep)
		return ERR_EXHAUSTED;
	if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r)) {
		mem_free(ep);
		return ERR_UNAVAILABLE;
	}
	ep->worker = &e->workers[worker % e->n_workers];
	ep->user = user;
	ep->rtp = (struct sock){ .ep = ep, .fd = fd[0] };
	ep->rtcp = (struct sock){ .ep = ep, .rtcp = true, .fd = fd[1] };
	ep->latch = (struct latch){ .nat = e->params.nat, .window_us = e->params.latch_window_us };
	if (clock_mono_us() - e->started_us < YOUNG_US)
		ep->latch.guess_from_us = clock_mono_us() + NO_GUESS_US;
	/* Below 2^15: a receiver of SRTP who misses the first packets must not miss a wrap with them (RFC 3711, 3.3.1). */
	outstream_init(&ep->out, r.ssrc, r.seq & 0x7fff, r.ts);
	ep->open_order = (struct order){ .kind = ORDER_OPEN, .embedded = true, .ep = ep };
	ep->close_order = (struct order){ .kind = ORDER_CLOSE, .embedded = true, .ep = ep };
	ep->closed_report = (struct report){ .kind = REPORT_CLOSED, .ep = ep };
	*ret = ep;
	give(&ep->open_order);
	return ERR_OK;
}

void engine_close(struct endpoint *ep)
{
	give(&ep->close_order);
}

err_t engine_remote(struct endpoint *ep, const struct sdp_agreed *agreed)
{
	struct order *o = order_new(ORDER_REMOTE, ep);
	err_t e = ERR_OK;

	if (!o)
		return ERR_EXHAUSTED;
	/* Here, not at the worker: a leg whose keys cannot be had keeps what it had, and never falls back to plain RTP. */
	if (agreed->srtp)
		e = rtpsec_new(&o->sec, &agreed->ours, &agreed->theirs);
	if (e) {
		mem_free(o);
		return e;
	}
	o->agreed = *agreed;
	explicit_bzero(&o->agreed.ours, sizeof(o->agreed.ours));
	explicit_bzero(&o->agreed.theirs, sizeof(o->agreed.theirs));
	give(o);
	return ERR_OK;
}

err_t engine_play(struct endpoint *ep, struct playlist *list)
{
	struct order *o = order_new(ORDER_PLAY, ep);

	if (!o) {
		playlist_free(&list);
		return ERR_EXHAUSTED;
	}
	o->list = list;
	give(o);
	return ERR_OK;
}

static err_t simple(enum order_kind kind, struct endpoint *ep, struct endpoint *other)
{
	struct order *o = order_new(kind, ep);

	if (!o)
		return ERR_EXHAUSTED;
	o->other = other;
	give(o);
	return ERR_OK;
}

err_t engine_stop(struct endpoint *ep)
{
	return simple(ORDER_STOP, ep, NULL);
}

err_t engine_bridge(struct endpoint *a, struct endpoint *b)
{
	return a->worker == b->worker ? simple(ORDER_BRIDGE, a, b) : ERR_UNIMPLEMENTED;
}

err_t engine_unbridge(struct endpoint *a, struct endpoint *b)
{
	return simple(ORDER_UNBRIDGE, a, b);
}

err_t engine_record(struct endpoint *ep, struct tape *tape)
{
	struct order *o = order_new(ORDER_RECORD, ep);

	if (!o)
		return ERR_EXHAUSTED;
	o->tape = tape;
	give(o);
	return ERR_OK;
}

err_t engine_record_off(struct endpoint *ep)
{
	return simple(ORDER_RECORD_OFF, ep, NULL);
}
