#include "agents/agents_store.h"
#include "agents/agents_emit.h"
#include "agents/agents_wire.h"
#include "base/clock.h"
#include "base/str.h"
#include "base/table.h"

#include <stdio.h>
#include <utlist.h>

#define BUCKET	  "agents"
#define TRIES_MAX 32
#define KEY_TEXT  (2 * AGENT_ID_TEXT)

struct op {		 /* one event on its way into a record */
	struct op *next; /* waiting behind it for the same agent */
	struct op *all_prev, *all_next;
	struct agents_store *store; /* NULL: freed meanwhile, only the memory is left */
	struct entry *entry;
	struct agent_event ev; /* texts point below */
	char cause[AGENT_REASON_TEXT], reason[AGENT_REASON_TEXT], call[AGENT_CALL_TEXT], queue[AGENT_ID_TEXT];
	char leg[AGENT_CALL_TEXT], site[AGENT_ID_TEXT];
	bool refresh;  /* no event: only read */
	bool at;       /* only on `revision` */
	bool on_wire;  /* the bus holds it as a callback's argument */
	bool read;     /* the record was read for it: a refusal stands */
	bool finished; /* waits in store->finished */
	uint64_t revision;
	unsigned tries;
	err_t error;
	struct err_detail detail;
	struct agent_record next_rec;
	agents_done_fn *fn;
	void *arg;
};

struct entry {
	UT_hash_handle hh;
	struct agent_record rec; /* SIGNED_OUT, seq 0 when not present */
	bool present;
	uint64_t revision; /* newest seen, also of a deletion */
	struct op *ops;	   /* the first one is at work */
	char key[KEY_TEXT];
};

struct agents_store {
	struct agents_store_params p;
	char instance[AGENT_ID_TEXT], tenant[AGENT_ID_TEXT];
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	struct agents_emit *emit;
	struct entry *entries;
	size_t n_present;
	struct op *all;		/* every op alive */
	struct loop_timer soon; /* ops that ended without a write: their callbacks come later all the same */
	bool synced;
};

static void start_op(struct op *op);

/* ---- entries ------------------------------------------------------------------------------------------------------- */

static struct entry *find_entry(const struct agents_store *s, const char *key)
{
	struct entry *en;

	HASH_FIND_STR(s->entries, key, en);
	return en;
}

static bool make_key(const char *tenant, const char *agent_id, char key[KEY_TEXT])
{
	int n = snprintf(key, KEY_TEXT, "%s.%s", tenant, agent_id);

	return n > 0 && n < KEY_TEXT && str_is_id(tenant) && str_is_id(agent_id);
}

static struct entry *get_entry(struct agents_store *s, const char *tenant, const char *agent_id, const char *key)
{
	struct entry *en = find_entry(s, key);

	if (en)
		return en;
	en = mem_zalloc(sizeof(*en));
	if (!en)
		return NULL;
	agent_record_init(&en->rec, tenant, agent_id);
	(void)str_copy(en->key, sizeof(en->key), key);
	HASH_ADD_STR(s->entries, key, en);
	if (TABLE_HAS(en))
		return en;
	mem_free(en);
	return NULL;
}

static void set_entry(struct agents_store *s, struct entry *en, const struct agent_record *rec, uint64_t revision)
{
	if (revision <= en->revision)
		return;
	en->revision = revision;
	s->n_present += (rec != NULL) - en->present;
	en->present = rec;
	if (rec)
		en->rec = *rec;
	else
		agent_record_init(&en->rec, en->rec.tenant, en->rec.agent_id);
	if (s->p.on_change)
		s->p.on_change(en->rec.tenant, en->rec.agent_id, rec ? &en->rec : NULL, revision, s->p.arg);
}

/* A record must stand under its own name. */
static err_t decode(struct agent_record *rec, const char *key, const struct bus_msg *msg, struct err_detail *d)
{
	char own[KEY_TEXT];
	err_t e = agent_record_from_pb(rec, msg->data, msg->size, d);

	if (e)
		return e;
	if (!make_key(rec->tenant, rec->agent_id, own) || strcmp(own, key) != 0)
		return err_set(d, ERR_INVALID, "agent_id", "the record of %s.%s stands under another key", rec->tenant,
			       rec->agent_id);
	return ERR_OK;
}

static void take(struct agents_store *s, const char *key, const struct bus_msg *msg)
{
	struct err_detail d = { "", "" };
	struct agent_record rec;
	struct entry *en;
	err_t e = decode(&rec, key, msg, &d);

	if (!e) {
		en = get_entry(s, rec.tenant, rec.agent_id, key);
		if (en) {
			set_entry(s, en, &rec, msg->seq);
			return;
		}
		err_set(&d, ERR_EXHAUSTED, "", "no memory");
	}
	if (s->p.on_bad)
		s->p.on_bad(key, &d, s->p.arg);
}

static void on_watch(enum bus_kv_op what, const char *key, const struct bus_msg *msg, void *arg)
{
	struct agents_store *s = arg;
	struct entry *en;

	if (what == BUS_KV_SYNCED) {
		s->synced = true;
		if (s->p.on_synced)
			s->p.on_synced(s->p.arg);
	} else if (what == BUS_KV_PUT) {
		take(s, key, msg);
	} else {
		en = find_entry(s, key);
		if (en)
			set_entry(s, en, NULL, msg->seq);
	}
}

/* ---- one event ------------------------------------------------------------------------------------------------------ */

static void free_op(struct op *op)
{
	if (op->store)
		DL_DELETE2(op->store->all, op, all_prev, all_next);
	mem_free(op);
}

static bool has_call(const struct entry *en)
{
	return en->present && (en->rec.state == AGENT_RESERVED || en->rec.state == AGENT_ON_CALL);
}

static void drop_entry(struct agents_store *s, struct entry *en)
{
	s->n_present -= en->present;
	HASH_DEL(s->entries, en);
	mem_free(en);
}

/* Answers, then lets the next event of the same agent begin. */
static void finish(struct op *op)
{
	struct agents_store *s = op->store;
	struct entry *en = op->entry;
	agents_done_fn *fn = op->fn;

	LL_DELETE(en->ops, op);
	if (en->ops)
		start_op(en->ops);
	if (fn)
		fn(op->error, en->present || !op->error ? &en->rec : NULL, en->revision, op->error ? &op->detail : NULL,
		   op->arg);
	if (s->p.no_watch && !en->ops && !has_call(en))
		drop_entry(s, en);
	free_op(op);
}

static void on_soon(void *arg)
{
	struct agents_store *s = arg;
	struct op *op;

	/* From the start each time: a callback may have changed the list. */
	do {
		DL_FOREACH2(s->all, op, all_next)
		if (op->finished)
			break;
		if (op)
			finish(op);
	} while (op);
}

static void finish_soon(struct op *op, err_t e)
{
	op->error = e;
	op->finished = true;
	loop_timer_start(&op->store->soon, 0);
}

static void on_read(err_t e, const struct bus_msg *msg, void *arg)
{
	struct op *op = arg;
	struct agents_store *s = op->store;
	struct agent_record rec;

	op->on_wire = false;
	op->read = true;
	if (!s) {
		mem_free(op);
		return;
	}
	if (e == ERR_OK)
		e = decode(&rec, op->entry->key, msg, &op->detail);
	else if (e == ERR_NOT_FOUND)
		e = ERR_OK, msg = NULL;
	else
		e = ERR_UNAVAILABLE;
	if (e) {
		op->error = e;
		finish(op);
		return;
	}
	if (msg)
		set_entry(s, op->entry, &rec, msg->seq);
	else
		op->entry->present = false;
	if (!op->refresh) {
		start_op(op);
		return;
	}
	op->error = msg ? ERR_OK : ERR_NOT_FOUND;
	finish(op);
}

static bool read_again(struct op *op)
{
	op->on_wire = !bus_kv_get(op->store->kv, op->entry->key, on_read, op);
	return op->on_wire;
}

static void on_written(err_t e, uint64_t seq, void *arg)
{
	struct op *op = arg;
	struct agents_store *s = op->store;

	op->on_wire = false;
	if (!s) {
		mem_free(op);
		return;
	}
	if (e == ERR_ABORTED && !op->at && ++op->tries < TRIES_MAX) {
		if (read_again(op))
			return;
		e = ERR_UNAVAILABLE;
	}
	if (e)
		err_set(&op->detail, e, "",
			e == ERR_ABORTED ? "somebody else changed the agent meanwhile" : "the write got no answer");
	op->error = e;
	if (!e) {
		/* Memory for the fact was there when the write began or the bus had refused it; whoever doubts republishes. */
		(void)!agents_emit(s->emit, &op->next_rec, &op->next_rec.last);
		set_entry(s, op->entry, &op->next_rec, seq);
	}
	finish(op);
}

static void start_op(struct op *op)
{
	struct agents_store *s = op->store;
	struct entry *en = op->entry;
	uint64_t expected = en->present ? en->revision : 0;
	void *bytes = NULL;
	size_t size = 0;
	err_t e;

	if (op->refresh) {
		if (!read_again(op))
			finish_soon(op, ERR_UNAVAILABLE);
		return;
	}
	if (op->at && expected != op->revision) {
		err_set(&op->detail, ERR_ABORTED, "", "somebody else changed the agent meanwhile");
		finish_soon(op, ERR_ABORTED);
		return;
	}
	if (op->ev.kind == AGENT_EV_ANSWERED && en->present && en->rec.state == AGENT_ON_CALL &&
	    str_eq(en->rec.call_id, op->ev.call_id)) {
		finish_soon(op, ERR_OK); /* an adopter asserts what the owner had done */
		return;
	}
	e = agent_step(&en->rec, &op->ev, clock_steady_ms(), &op->next_rec, &op->detail);
	/* What led to the event may be known sooner than the record that shows it. */
	if (e == ERR_PRECONDITION && !op->at && !op->read && read_again(op))
		return;
	if (!e) {
		agent_sign(&op->next_rec, &en->rec, s->instance);
		e = agent_record_to_pb(&op->next_rec, &bytes, &size);
	}
	if (!e) {
		op->on_wire = true;
		/* For who answers nobody waits: the router has reserved the agent, and the call goes on. */
		e = op->ev.kind == AGENT_EV_ANSWERED
			? bus_kv_put_lazy(s->kv, en->key, bytes, size, expected, on_written, op)
			: bus_kv_put(s->kv, en->key, bytes, size, expected, on_written, op);
		if (e)
			op->on_wire = false;
	}
	mem_free(bytes);
	if (e)
		finish_soon(op, e);
}

static const char *keep(char *dst, size_t size, const char *src, bool *fits)
{
	if (!src)
		return NULL;
	*fits &= str_copy(dst, size, src);
	return dst;
}

static bool copy_event(struct op *op, const struct agent_event *ev)
{
	bool fits = true;

	op->ev = *ev;
	op->ev.cause = keep(op->cause, sizeof(op->cause), ev->cause, &fits);
	op->ev.reason = keep(op->reason, sizeof(op->reason), ev->reason, &fits);
	op->ev.call_id = keep(op->call, sizeof(op->call), ev->call_id, &fits);
	op->ev.queue_id = keep(op->queue, sizeof(op->queue), ev->queue_id, &fits);
	op->ev.leg_id = keep(op->leg, sizeof(op->leg), ev->leg_id, &fits);
	op->ev.site = keep(op->site, sizeof(op->site), ev->site, &fits);
	return fits;
}

static err_t new_op(struct op **ret, struct agents_store *s, const char *tenant, const char *agent_id,
		    agents_done_fn *fn, void *arg)
{
	char key[KEY_TEXT];
	struct entry *en;
	struct op *op;

	if (!make_key(tenant, agent_id, key))
		return ERR_INVALID;
	en = get_entry(s, tenant, agent_id, key);
	op = en ? mem_zalloc(sizeof(*op)) : NULL;
	if (!op)
		return ERR_EXHAUSTED;
	op->store = s;
	op->entry = en;
	op->fn = fn;
	op->arg = arg;
	*ret = op;
	return ERR_OK;
}

static void enter_op(struct op *op)
{
	DL_APPEND2(op->store->all, op, all_prev, all_next);
	LL_APPEND(op->entry->ops, op);
	if (op->entry->ops == op)
		start_op(op);
}

static err_t apply(struct agents_store *s, const char *tenant, const char *agent_id, const struct agent_event *ev,
		   bool at, uint64_t revision, agents_done_fn *fn, void *arg)
{
	struct op *op;
	err_t e = new_op(&op, s, tenant, agent_id, fn, arg);

	if (e)
		return e;
	if (!copy_event(op, ev)) {
		mem_free(op);
		return ERR_INVALID;
	}
	op->at = at;
	op->revision = revision;
	enter_op(op);
	return ERR_OK;
}

err_t agents_refresh(struct agents_store *store, const char *tenant, const char *agent_id, agents_done_fn *fn,
		     void *arg)
{
	struct op *op;
	err_t e = new_op(&op, store, tenant, agent_id, fn, arg);

	if (e)
		return e;
	op->refresh = true;
	enter_op(op);
	return ERR_OK;
}

err_t agents_apply(struct agents_store *store, const char *tenant, const char *agent_id, const struct agent_event *ev,
		   agents_done_fn *fn, void *arg)
{
	return apply(store, tenant, agent_id, ev, false, 0, fn, arg);
}

err_t agents_apply_at(struct agents_store *store, const char *tenant, const char *agent_id,
		      const struct agent_event *ev, uint64_t revision, agents_done_fn *fn, void *arg)
{
	return apply(store, tenant, agent_id, ev, true, revision, fn, arg);
}

err_t agents_seed(struct agents_store *s, const void *record, size_t size, uint64_t revision)
{
	struct agent_record rec;
	char key[KEY_TEXT];
	struct entry *en;
	err_t e = agent_record_from_pb(&rec, record, size, NULL);

	if (e)
		return e;
	if (!make_key(rec.tenant, rec.agent_id, key))
		return ERR_INVALID;
	en = get_entry(s, rec.tenant, rec.agent_id, key);
	if (!en)
		return ERR_EXHAUSTED;
	set_entry(s, en, &rec, revision);
	return ERR_OK;
}

void agents_forget(struct agents_store *s, const char *tenant, const char *agent_id, const char *call_id)
{
	char key[KEY_TEXT];
	struct entry *en = make_key(tenant, agent_id, key) ? find_entry(s, key) : NULL;

	if (en && s->p.no_watch && !en->ops && (!en->present || str_eq(en->rec.call_id, call_id)))
		drop_entry(s, en);
}

/* ---- the rest ------------------------------------------------------------------------------------------------------ */

err_t agents_store_new(struct agents_store **ret, const struct agents_store_params *p, struct err_detail *detail)
{
	struct agents_store *s = mem_zalloc(sizeof(*s));
	char pattern[AGENT_ID_TEXT + 4] = ">";
	err_t e;

	if (!s)
		return ERR_EXHAUSTED;
	s->p = *p;
	(void)str_copy(s->instance, sizeof(s->instance), p->instance);
	if (p->tenant)
		(void)snprintf(pattern, sizeof(pattern), "%s.>", p->tenant);
	loop_timer_init(&s->soon, bus_loop(p->bus), on_soon, s);
	e = agents_emit_new(&s->emit, p->bus, p->events);
	if (!e)
		e = bus_kv_open(&s->kv, p->bus, &(struct bus_kv_params){ .bucket = BUCKET, .history = 1 }, detail);
	s->synced = p->no_watch;
	if (!e && !p->no_watch)
		e = p->poll_ms ? bus_kv_watch_polled(&s->watch, s->kv, pattern, p->poll_ms, on_watch, s)
			       : bus_kv_watch(&s->watch, s->kv, pattern, on_watch, s);
	if (e)
		agents_store_free(&s);
	else
		*ret = s;
	return e;
}

void agents_store_free(struct agents_store **ref)
{
	struct agents_store *s = *ref;
	struct entry *en, *en_next;
	struct op *op, *op_next;

	if (!s)
		return;
	DL_FOREACH_SAFE2(s->all, op, op_next, all_next)
	{
		op->store = NULL;
		if (!op->on_wire)
			mem_free(op);
	}
	HASH_ITER (hh, s->entries, en, en_next) {
		HASH_DEL(s->entries, en);
		mem_free(en);
	}
	if (s->watch)
		bus_kv_unwatch(&s->watch);
	if (s->kv)
		bus_kv_close(&s->kv);
	agents_emit_free(&s->emit);
	loop_timer_done(&s->soon);
	mem_free(s);
	*ref = NULL;
}

void agents_poll(struct agents_store *store, int64_t poll_ms)
{
	if (store->watch)
		bus_kv_watch_poll(store->watch, poll_ms);
}

bool agents_synced(const struct agents_store *store)
{
	return store->synced;
}

size_t agents_count(const struct agents_store *store)
{
	return store->n_present;
}

const struct agent_record *agents_find(const struct agents_store *store, const char *tenant, const char *agent_id,
				       uint64_t *ret_revision)
{
	char key[KEY_TEXT];
	const struct entry *en = make_key(tenant, agent_id, key) ? find_entry(store, key) : NULL;

	if (!en || !en->present)
		return NULL;
	if (ret_revision)
		*ret_revision = en->revision;
	return &en->rec;
}

void agents_each(const struct agents_store *store, agents_change_fn *fn, void *arg)
{
	for (const struct entry *en = store->entries; en; en = en->hh.next)
		if (en->present)
			fn(en->rec.tenant, en->rec.agent_id, &en->rec, en->revision, arg);
}

static bool may_be_untold(const struct agent_transition *t, const char *by, const char *writer, int64_t since_ms)
{
	return t->seq && t->at_ms >= since_ms && (!writer || str_eq(by, writer));
}

unsigned agents_republish(struct agents_store *store, const struct agent_record *rec, const char *writer,
			  int64_t since_ms)
{
	unsigned n = 0;

	for (unsigned i = rec->n_before; i-- > 0;)
		if (may_be_untold(&rec->before[i], rec->before[i].writer, writer, since_ms))
			n += agents_emit(store->emit, rec, &rec->before[i]) == ERR_OK;
	if (may_be_untold(&rec->last, rec->writer, writer, since_ms))
		n += agents_emit(store->emit, rec, &rec->last) == ERR_OK;
	return n;
}
