#include "events/events.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>
#include "base/clock.h"
#include "base/id.h"
#include "base/str.h"
#include "base/table.h"
#include "events/events_batch.h"

#define NAME_MAX_TEXT 130
#define MAX_AGE_MS    (7 * 86400 * INT64_C(1000))
#define MAX_BYTES     (INT64_C(8) << 30)
#define DUPLICATES_MS 60000 /* what an adopter publishes again comes within seconds; each id costs the server memory */

#define GATHER_MS   10
#define BATCH_BYTES 32768

struct waiter {
	bus_ack_fn *fn;
	void *arg;
};
/* What is gathered of one tenant: facts of calls and of agents. */
struct gathering {
	UT_hash_handle hh;
	struct str bytes;
	bool agents;	     /* there is one of an agent in it */
	size_t n, single_at; /* where the first event's own bytes begin: sent alone it needs no frame */
	struct waiter waiters[EVENTS_BATCH_MAX];
	char id[NAME_MAX_TEXT];	 /* of the first event, */
	char key[NAME_MAX_TEXT]; /* and its key: for one that goes alone */
	char subject[300];	 /* "ev.<tenant>.<domain of the first>." */
	char tenant[NAME_MAX_TEXT];
};
/* A message on its way. */
struct sent {
	struct sent *prev, *next;
	struct events *ev; /* NULL: the owner is gone, only the memory is left */
	size_t n;
	struct waiter waiters[];
};

struct events {
	struct bus *bus;
	struct loop_timer timer;
	struct gathering *gatherings;
	struct sent *sent;
	uint64_t next_batch;
	char batch_id[ID_TEXT];
	char site[NAME_MAX_TEXT];
	char source[NAME_MAX_TEXT];
};

static void on_timer(void *arg);

err_t events_ensure_stream(struct bus *bus, struct err_detail *detail)
{
	static const char *const subjects[] = { "ev.>", NULL };
	struct bus_stream_params p = { .name = EVENTS_STREAM,
				       .subjects = subjects,
				       .max_age_ms = MAX_AGE_MS,
				       .max_bytes = MAX_BYTES,
				       .duplicates_ms = DUPLICATES_MS,
				       .discard_new = true };

	return bus_stream_ensure(bus, &p, detail);
}

err_t events_new(struct events **ret, struct bus *bus, const char *site, const char *source)
{
	struct events *ev = mem_zalloc(sizeof(*ev));

	if (!ev)
		return ERR_EXHAUSTED;
	ev->bus = bus;
	loop_timer_init(&ev->timer, bus_loop(bus), on_timer, ev);
	id_new(clock_wall_ms(), ev->batch_id);
	str_copy(ev->site, sizeof(ev->site), site);
	str_copy(ev->source, sizeof(ev->source), source);
	*ret = ev;
	return ERR_OK;
}

/* ---- messages on their way ------------------------------------------------------------------------------------------- */

static void tell(const struct waiter *waiters, size_t n, err_t e, uint64_t seq)
{
	for (size_t i = 0; i < n; i++)
		if (waiters[i].fn)
			waiters[i].fn(e, seq, waiters[i].arg);
}

static void on_stored(err_t e, uint64_t seq, void *arg)
{
	struct sent *s = arg;

	if (s->ev) {
		DL_DELETE(s->ev->sent, s);
		tell(s->waiters, s->n, e, seq);
	}
	mem_free(s);
}

static err_t send(struct events *ev, const struct gathering *g, struct sent *s)
{
	err_t (*publish)(struct bus *, const char *, const void *, size_t, const char *, bus_ack_fn *, void *) =
	    g->agents ? bus_js_publish_now : bus_js_publish;
	char subject[480], id[ID_TEXT + 32];

	if (g->n == 1) {
		(void)snprintf(subject, sizeof(subject), "%s%s", g->subject, g->key);
		return publish(ev->bus, subject, g->bytes.data + g->single_at, g->bytes.len - g->single_at, g->id,
			       on_stored, s);
	}
	(void)snprintf(subject, sizeof(subject), "%s%s", g->subject, EVENTS_BATCH_KEY);
	(void)snprintf(id, sizeof(id), "%s.%llu", ev->batch_id, (unsigned long long)++ev->next_batch);
	return publish(ev->bus, subject, g->bytes.data, g->bytes.len, id, on_stored, s);
}

static void flush(struct events *ev, struct gathering *g)
{
	struct sent *s = mem_alloc(sizeof(*s) + g->n * sizeof(s->waiters[0]));
	err_t e = !s || g->bytes.failed ? ERR_EXHAUSTED : ERR_OK;

	HASH_DEL(ev->gatherings, g);
	if (s) {
		s->ev = ev;
		s->n = g->n;
		memcpy(s->waiters, g->waiters, g->n * sizeof(s->waiters[0]));
		DL_APPEND(ev->sent, s);
	}
	if (!e)
		e = send(ev, g, s);
	if (e && s) {
		DL_DELETE(ev->sent, s); // NOLINT(clang-analyzer-core.NullDereference): utlist
		mem_free(s);
	}
	if (e)
		tell(g->waiters, g->n, e, 0); /* may put again: that is another gathering */
	str_done(&g->bytes);
	mem_free(g);
}

static void on_timer(void *arg)
{
	struct events *ev = arg;
	struct gathering *g, *last = NULL, *next;

	if (ev->gatherings)
		last = ELMT_FROM_HH(ev->gatherings->hh.tbl, ev->gatherings->hh.tbl->tail);
	for (g = ev->gatherings; g; g = next) {
		next = g == last ? NULL : g->hh.next;
		flush(ev, g);
	}
	if (ev->gatherings && !loop_timer_running(&ev->timer))
		loop_timer_start(&ev->timer, GATHER_MS);
}

void events_free(struct events **ref)
{
	struct events *ev = *ref;
	struct gathering *g, *next;

	if (!ev)
		return;
	HASH_ITER (hh, ev->gatherings, g, next) {
		memset(g->waiters, 0, sizeof(g->waiters));
		flush(ev, g);
	}
	for (struct sent *s = ev->sent; s; s = s->next) {
		s->ev = NULL;
		bus_own_arg(ev->bus, s);
	}
	loop_timer_done(&ev->timer);
	mem_free(ev);
	*ref = NULL;
}

/* ---- gathering --------------------------------------------------------------------------------------------------------- */

/* A token of a subject: what a wildcard or a dot would break. */
static bool token_ok(const char *s)
{
	return !str_empty(s) && strlen(s) < 128 && !strpbrk(s, " \t\r\n.*>");
}

/* The one that is open, with room for one more of size; NULL: no memory. */
static struct gathering *gathering_get(struct events *ev, const char *tenant, const char *domain, size_t size)
{
	struct gathering *g;

	HASH_FIND_STR(ev->gatherings, tenant, g);
	if (g && (g->n == EVENTS_BATCH_MAX || g->bytes.len + size > BATCH_BYTES)) {
		flush(ev, g);
		HASH_FIND_STR(ev->gatherings, tenant, g); /* a waiter that was refused may have begun a new one */
	}
	if (g)
		return g;
	g = mem_zalloc(sizeof(*g));
	if (!g)
		return NULL;
	(void)snprintf(g->subject, sizeof(g->subject), "ev.%s.%s.", tenant, domain);
	(void)str_copy(g->tenant, sizeof(g->tenant), tenant);
	HASH_ADD_STR(ev->gatherings, tenant, g);
	if (TABLE_HAS(g))
		return g;
	mem_free(g);
	return NULL;
}

err_t events_put(struct events *ev, const char *tenant, const char *domain, const char *key, const char *id,
		 const void *bytes, size_t size, bus_ack_fn *fn, void *arg)
{
	struct gathering *g;
	char subject[480];

	if (!token_ok(tenant) || !token_ok(key) || !token_ok(domain) || str_empty(id) || strlen(id) >= sizeof(g->id))
		return ERR_INVALID;
	if (strcmp(domain, "call") != 0 && strcmp(domain, "agent") != 0) {
		(void)snprintf(subject, sizeof(subject), "ev.%s.%s.%s", tenant, domain, key);
		return bus_js_publish(ev->bus, subject, bytes, size, id, fn, arg);
	}
	g = gathering_get(ev, tenant, domain, size);
	if (!g || g->n == EVENTS_BATCH_MAX)
		return ERR_EXHAUSTED;
	if (g->n == 0) {
		(void)str_copy(g->id, sizeof(g->id), id);
		(void)str_copy(g->key, sizeof(g->key), key);
	}
	events_batch_add(&g->bytes, bytes, size);
	if (g->n == 0)
		g->single_at = g->bytes.len - size;
	g->waiters[g->n++] = (struct waiter){ fn, arg };
	/* The next change of an agent is another process's: what is gathered leaves now, so that it is the earlier one. */
	g->agents = g->agents || strcmp(domain, "agent") == 0;
	if (g->agents || !loop_timer_running(&ev->timer))
		loop_timer_start(&ev->timer, g->agents ? 0 : GATHER_MS);
	return ERR_OK;
}

err_t events_emit(struct events *ev, const char *domain, const char *key, const Trunkline__Event__V1__Event *event,
		  bus_ack_fn *fn, void *arg)
{
	Trunkline__Event__V1__Event e = *event;
	uint8_t small[2048], *bytes = small;
	size_t size;
	err_t err;

	if (str_empty(event->tenant) || str_empty(event->id))
		return ERR_INVALID;
	if (str_empty(e.site))
		e.site = ev->site;
	if (str_empty(e.source))
		e.source = ev->source;
	if (!e.time_ms)
		e.time_ms = clock_steady_ms();
	size = trunkline__event__v1__event__get_packed_size(&e);
	if (size > sizeof(small)) {
		bytes = mem_alloc(size);
		if (!bytes)
			return ERR_EXHAUSTED;
	}
	trunkline__event__v1__event__pack(&e, bytes);
	err = events_put(ev, event->tenant, domain, key, event->id, bytes, size, fn, arg);
	if (bytes != small)
		mem_free(bytes);
	return err;
}
