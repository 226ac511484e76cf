/*
 * A lease is a key in a bucket whose entries live 2 s. Who writes it over nothing (or over the marker of its end) holds
 * it; the revision of that write is the epoch. The holder renews by compare-and-set and trusts only renewals by the time
 * it sent them, so it gives up (1.5 s) before the server lets go (2 s).
 */
#include "bus_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define LEASE_TTL_MS   2000
#define LEASE_RENEW_MS 500
#define LEASE_TRUST_MS 1500
#define LEASE_RETRY_MS 1000 /* the watch tells sooner */

struct bus_lease {
	struct bus *bus;
	struct bus_kv_watch *watch;
	struct loop_timer tick;	  /* renew, or try */
	struct loop_timer expiry; /* no renewal for LEASE_TRUST_MS */
	void (*on_acquired)(uint64_t epoch, void *arg);
	void (*on_lost)(void *arg);
	void *arg;
	bool held, putting, stopping;
	bool ours;		     /* the entry at revision is our own */
	uint64_t revision;	     /* what the entry has, as far as we know; 0: no entry */
	int64_t sent_ms, trusted_ms; /* of the write under way; of the last one acknowledged */
	int64_t seen_ms;	     /* another's renewal */
	bool *freed;
	char key[128], holder[128];
	char subject[256];
};

static void try_or_renew(void *arg);

bool bus_lease_held(const struct bus_lease *l)
{
	return l->held && clock_mono_ms() < l->trusted_ms + LEASE_TRUST_MS;
}

/* All leases of a process renew in the same turn: one write, one wake-up at the server. */
static int64_t until_renewal(void)
{
	return LEASE_RENEW_MS - clock_mono_ms() % LEASE_RENEW_MS;
}

static void lose(struct bus_lease *l)
{
	loop_timer_stop(&l->expiry);
	if (!l->held)
		return;
	l->held = false;
	l->on_lost(l->arg);
}

static void on_expiry(void *arg)
{
	lose(arg);
}

/* false: the owner stopped the lease inside its callback. */
static bool acquire(struct bus_lease *l, uint64_t epoch)
{
	bool freed = false;

	l->held = true;
	l->freed = &freed;
	l->on_acquired(epoch, l->arg);
	if (!freed)
		l->freed = NULL;
	return !freed;
}

/* The write was stored, at the earliest when we sent it first: that is what we count from. */
static void on_written(struct bus_lease *l, uint64_t seq)
{
	int64_t left = l->sent_ms + LEASE_TRUST_MS - clock_mono_ms();

	l->revision = seq;
	l->ours = true;
	l->trusted_ms = l->sent_ms;
	if (left <= 0) { /* too late to be trusted: renew first */
		loop_timer_start(&l->tick, 0);
		lose(l);
		return;
	}
	loop_timer_start(&l->expiry, left);
	loop_timer_start(&l->tick, until_renewal());
	if (!l->held)
		(void)acquire(l, seq);
}

/* The entry is not what we thought: somebody else's, gone, or the marker of its end is gone by now. */
static void on_refused(struct bus_lease *l)
{
	bool retry = l->revision != 0 && !l->ours;

	l->ours = false;
	l->revision = 0;
	loop_timer_start(&l->tick, retry ? 0 : LEASE_RETRY_MS);
	lose(l);
}

/* The last act of a lease that was stopped. */
static void release(struct bus_lease *l, uint64_t revision)
{
	if (revision && bus_kv_delete(l->bus->leases, l->key, revision, NULL, NULL))
		l->ours = false; /* then the entry ends by its age */
	mem_free(l);
}

static void on_put(err_t e, uint64_t seq, void *arg)
{
	struct bus_lease *l = arg;

	l->putting = false;
	if (l->stopping)
		release(l, e ? 0 : seq);
	else if (!e)
		on_written(l, seq);
	else if (e == ERR_ABORTED)
		on_refused(l);
	else
		loop_timer_start(&l->tick, until_renewal());
}

static void try_or_renew(void *arg)
{
	struct bus_lease *l = arg;
	struct pub_params p = { .subject = l->subject,
				.data = l->holder,
				.size = strlen(l->holder),
				.expected = l->revision,
				.fn = on_put,
				.arg = l };

	if (l->putting)
		return;
	if (!l->ours && l->seen_ms && clock_mono_ms() < l->seen_ms + LEASE_TTL_MS + 500) {
		loop_timer_start(&l->tick, LEASE_RETRY_MS); /* held by somebody alive */
		return;
	}
	l->sent_ms = clock_mono_ms();
	if (pubs_submit(l->bus, &p))
		loop_timer_start(&l->tick, until_renewal());
	else
		l->putting = true;
}

static void on_watch(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct bus_lease *l = arg;

	(void)key;
	if (op == BUS_KV_SYNCED) {
		try_or_renew(l);
		return;
	}
	if (l->ours && msg->seq <= l->revision)
		return; /* our own writes, seen later than their acknowledgement */
	if (op == BUS_KV_PUT && !l->ours && !l->putting) {
		l->seen_ms = clock_mono_ms();
		l->revision = 0;
	}
	if (op == BUS_KV_DELETE && !l->ours) {
		l->seen_ms = 0;
		l->revision = msg->seq;
		try_or_renew(l);
	}
}

err_t bus_lease_prepare(struct bus *bus, struct err_detail *detail)
{
	struct bus_kv_params kp = { .bucket = "leases", .ttl_ms = LEASE_TTL_MS };

	return bus->leases ? ERR_OK : bus_kv_open(&bus->leases, bus, &kp, detail);
}

err_t bus_lease_start(struct bus_lease **ret, struct bus *bus, const struct bus_lease_params *p)
{
	struct bus_lease *l;
	err_t e;

	if (!bus_subject_valid(p->key, false) || strlen(p->key) >= sizeof(l->key) ||
	    strlen(p->holder) >= sizeof(l->holder))
		return ERR_INVALID;
	e = bus_lease_prepare(bus, NULL);
	if (e)
		return e;
	l = mem_zalloc(sizeof(*l));
	if (!l)
		return ERR_EXHAUSTED;
	l->bus = bus;
	l->on_acquired = p->on_acquired;
	l->on_lost = p->on_lost;
	l->arg = p->arg;
	(void)snprintf(l->key, sizeof(l->key), "%s", p->key);
	(void)snprintf(l->holder, sizeof(l->holder), "%s", p->holder);
	(void)snprintf(l->subject, sizeof(l->subject), "%s%s", bus->leases->prefix, p->key);
	loop_timer_init(&l->tick, bus->loop, try_or_renew, l);
	loop_timer_init(&l->expiry, bus->loop, on_expiry, l);
	e = bus_kv_watch(&l->watch, bus->leases, p->key, on_watch, l);
	if (e) {
		mem_free(l);
		return e;
	}
	*ret = l;
	return ERR_OK;
}

void bus_lease_stop(struct bus_lease **ref)
{
	struct bus_lease *l = *ref;

	if (!l)
		return;
	if (l->freed)
		*l->freed = true;
	bus_kv_unwatch(&l->watch);
	loop_timer_done(&l->tick);
	loop_timer_done(&l->expiry);
	*ref = NULL;
	l->stopping = true;
	if (l->putting)
		pubs_own_arg(l->bus, l); /* the entry's revision is known only after this write */
	else
		release(l, l->ours ? l->revision : 0);
}
