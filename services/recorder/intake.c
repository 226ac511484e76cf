#include "intake.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/table.h"
#include "log/log.h"
#include "missing.h"
#include "purge.h"
#include "recorder_wire.h"
#include "sweep.h"
#include "usage.h"

#define DURABLE	    "recorder"
#define FILTER	    "ev.*.recording.>"
#define MAX_UNACKED 64
#define TENANT_JOBS        \
	(MAX_UNACKED * 3 / \
	 4) /* one tenant's recordings that are under way; its others wait with their events at the server */
#define RETRY_MS    2000
#define BUSY_MS	    5000 /* redelivery of what cannot be done now */
#define LAG_MS	    2000
#define PURGE_MS    10000 /* after a tenant is gone, until its recordings go: what was under way is done by then */
#define SWEEP_TURNS 30	  /* of LAG_MS */

enum step { STEP_ENCODE, STEP_INDEX, STEP_TELL };

/* One recording on its way. */
struct job {
	UT_hash_handle hh;
	char key[2 * RECORDING_ID]; /* tenant/id */
	struct intake *in;
	struct recording r;
	struct encode_result result;
	struct audiofile_key data_key; /* of the files that are being made */
	bool sealed;
	err_t encoded; /* ERR_PRECONDITION: not, the tenant's key is missing */
	enum step step;
	uint64_t seq;	    /* of its event; 0: found by the sweep */
	int64_t stopped_ms; /* wall time, as the event says: it outlives this job and this process */
	struct loop_timer retry;
};

/* The row of a recording that has begun. */
struct note {
	struct intake *in;
	uint64_t seq;
};

struct intake {
	struct recorder *r;
	struct bus_consumer *consumer;
	struct job *jobs;
	struct sweep *sweep;
	struct loop_timer timer;
	unsigned turn;
	bool stopped;
};

static int64_t lost_ms(const struct intake *in)
{
	return in->r->cfg->lost_minutes * 60000;
}

static struct log_ctx ctx_of(const struct job *j)
{
	return (struct log_ctx){ .tenant = j->r.tenant, .call = j->r.call_id, .leg = j->r.leg_id };
}

static void nak(struct intake *in, uint64_t seq, int64_t delay_ms)
{
	metric_add(&recorder_metric_retries, 1);
	if (seq && bus_nak(in->consumer, seq, delay_ms))
		LOG_DEBUG(NULL, "intake.nak_lost", "seq=%llu", (unsigned long long)seq);
}

/* A lost acknowledgement: the event comes again and finds its work done. */
static void ack(struct intake *in, uint64_t seq)
{
	if (seq && bus_ack(in->consumer, seq))
		LOG_DEBUG(NULL, "intake.ack_lost", "seq=%llu", (unsigned long long)seq);
}

/* ---- jobs ---- */
static void job_run(void *arg);

static void unlock(struct job *j)
{
	if (j->result.lock >= 0)
		close(j->result.lock);
	j->result.lock = -1;
}

static void job_free(struct job *j)
{
	unlock(j);
	loop_timer_stop(&j->retry);
	HASH_DEL(j->in->jobs, j);
	mem_free(j);
}

static void job_end(struct job *j)
{
	struct intake *in = j->in;

	job_free(j);
	metric_set(&recorder_metric_jobs, HASH_COUNT(in->jobs));
	if (in->stopped && !in->jobs)
		service_drained(in->r->svc);
}

static struct job *job_find(const struct intake *in, const char *tenant, const char *id)
{
	char key[2 * RECORDING_ID];
	struct job *j;

	snprintf(key, sizeof(key), "%s/%s", tenant, id);
	HASH_FIND_STR(in->jobs, key, j);
	return j;
}

static unsigned under_way(const struct intake *in, const char *tenant)
{
	unsigned n = 0;

	for (const struct job *j = in->jobs; j; j = j->hh.next)
		n += str_eq(j->r.tenant, tenant);
	return n;
}

static err_t job_start(struct intake *in, const struct recording *r, uint64_t seq, int64_t stopped_ms)
{
	struct job *j = mem_zalloc(sizeof(*j));

	if (!j)
		return ERR_EXHAUSTED;
	j->in = in;
	j->r = *r;
	j->result.lock = -1;
	j->seq = seq;
	j->stopped_ms = stopped_ms;
	snprintf(j->key, sizeof(j->key), "%s/%s", r->tenant, r->id);
	loop_timer_init(&j->retry, in->r->loop, job_run, j);
	HASH_ADD_STR(in->jobs, key, j);
	if (!TABLE_HAS(j)) {
		loop_timer_done(&j->retry);
		mem_free(j);
		return ERR_EXHAUSTED;
	}
	metric_set(&recorder_metric_jobs, HASH_COUNT(in->jobs));
	job_run(j);
	return ERR_OK;
}

/* Gives up for now: the event comes again later. */
static void job_postpone(struct job *j, int64_t delay_ms)
{
	nak(j->in, j->seq, delay_ms);
	job_end(j);
}

/* No segment yet, or no key: waits with its event at the server, which outlives us, and holds no slot here. */
static void job_put_aside(struct job *j)
{
	int64_t lost = j->encoded == ERR_PRECONDITION ? INT64_MAX / 2 : lost_ms(j->in);

	job_postpone(j, missing_wait_ms(clock_wall_ms() - j->stopped_ms, lost, bus_consumer_lag(j->in->consumer)));
}

/* The step again in a moment; what is done stays done. */
static void job_again(struct job *j, const char *what, err_t e)
{
	struct log_ctx ctx = ctx_of(j);

	LOG_WARN(&ctx, "recording.retry", "recording=%s what=%s error=%s", j->r.id, what, err_name(e));
	if (j->seq && j->step == STEP_INDEX &&
	    (j->encoded == ERR_NOT_FOUND || j->encoded == ERR_PRECONDITION)) { /* nothing is done */
		job_put_aside(j);
		return;
	}
	metric_add(&recorder_metric_retries, 1);
	loop_timer_start(&j->retry, RETRY_MS);
}

/* ---- step 1: files ---- */
static void encode_work(void *arg)
{
	struct job *j = arg;
	const struct recorder_config *cfg = j->in->r->cfg;
	struct encode_params p = { .dir = cfg->data_dir,
				   .tenant = j->r.tenant,
				   .recording_id = j->r.id,
				   .stereo_kbps = (unsigned)cfg->stereo_kbps,
				   .mono_kbps = (unsigned)cfg->mono_kbps,
				   .key = j->sealed ? &j->data_key : NULL };

	j->encoded = encode_segment(&p, &j->result);
}

static void fill_text(char dst[RECORDING_ID], const char *src)
{
	if (!*dst)
		(void)str_copy(dst, RECORDING_ID, src);
}

static void take_result(struct job *j)
{
	const struct encode_result *res = &j->result;

	j->r.state = RECORDING_STORED;
	j->r.started_ms = res->info.start_ms;
	j->r.samples = res->samples;
	j->r.complete = res->complete;
	j->r.stereo_bytes = res->stereo_bytes;
	j->r.mono_bytes = res->mono_bytes;
	j->r.stored_ms = clock_wall_ms();
	(void)str_copy(j->r.path, sizeof(j->r.path), res->path);
	(void)str_copy(j->r.data_key, sizeof(j->r.data_key), j->sealed ? j->data_key.envelope : "");
	fill_text(j->r.call_id, res->info.call_id);
	fill_text(j->r.leg_id, res->info.leg_id);
}

/* No segment: an event that comes again after the work was done, or audio that is lost. The index knows which, because a
 * state only goes forward there. */
static void take_missing(struct job *j)
{
	if (clock_wall_ms() - j->stopped_ms < lost_ms(j->in))
		j->r.state = RECORDING_RUNNING; /* it may still turn up; until then only what the event says is noted */
	else
		j->r.state = RECORDING_LOST;
}

static void encode_done(void *arg)
{
	struct job *j = arg;
	struct log_ctx ctx = ctx_of(j);

	explicit_bzero(j->data_key.key, sizeof(j->data_key.key));
	switch (j->encoded) {
	case ERR_OK:
		take_result(j);
		break;
	case ERR_EXISTS: /* its writer is about to close it */
		job_postpone(j, BUSY_MS);
		return;
	case ERR_NOT_FOUND:
		if (!db_ready(j->in->r->db)) {
			job_put_aside(j);
			return;
		}
		take_missing(j);
		break;
	case ERR_DATA_LOSS:
		LOG_ERROR(&ctx, "recording.damaged", "recording=%s", j->r.id);
		j->r.state = RECORDING_LOST;
		break;
	default:
		LOG_ERROR(&ctx, "recording.encode_failed", "recording=%s error=%s", j->r.id, err_name(j->encoded));
		job_postpone(j, BUSY_MS);
		return;
	}
	j->step = STEP_INDEX;
	job_run(j);
}

static err_t make_key(struct job *j)
{
	const struct vault_view *view = vault_look_to_write(j->in->r->vault);
	err_t e = ERR_UNAVAILABLE;

	if (view)
		e = audiofile_make_key(&j->data_key, &j->sealed, vault_find(view, j->r.tenant, strlen(j->r.tenant)),
				       j->r.id);
	vault_view_unref(&view);
	return e;
}

/* Its files are to be encrypted, and there is no key: the segment waits, and what the event says is noted; so a tenant that was purged is found. */
static void without_key(struct job *j)
{
	struct log_ctx ctx = ctx_of(j);

	LOG_ERROR(&ctx, "recording.no_key", "recording=%s why=%s", j->r.id,
		  LOG_Q("recordings of its tenant are encrypted, and no key of it opens: another keys.master_file?"));
	j->encoded = ERR_PRECONDITION;
	j->r.state = RECORDING_RUNNING;
	j->r.data_key[0] = '\0';
	j->step = STEP_INDEX;
	job_run(j);
}

static err_t encode_start(struct job *j)
{
	err_t e = make_key(j);

	unlock(j); /* of a former time, made anew */
	if (e == ERR_PRECONDITION) {
		without_key(j);
		return ERR_OK;
	}
	return e ? e : pool_run(j->in->r->pool, j->r.tenant, encode_work, encode_done, j);
}

/* ---- a tenant that is gone meanwhile ---- */
static void remove_file(const struct job *j, const char *name, const char *suffix)
{
	char path[SEGMENT_PATH + ENCODE_PATH + 16];
	struct log_ctx ctx = ctx_of(j);

	snprintf(path, sizeof(path), "%s/%s%s", j->in->r->cfg->data_dir, name, suffix);
	if (unlink(path) && errno != ENOENT)
		LOG_WARN(&ctx, "recording.file_stays", "path=%s errno=%d", path, errno);
}

static void remove_segment(const struct job *j)
{
	char name[SEGMENT_PATH];

	if (segment_path(name, j->r.tenant, j->r.id) == ERR_OK)
		remove_file(j, name, "");
}

/* It was put aside, or came late: nothing of it stays. */
static void job_drop(struct job *j)
{
	struct log_ctx ctx = ctx_of(j);

	LOG_INFO(&ctx, "recording.dropped", "recording=%s why=%s", j->r.id, LOG_Q("the tenant was purged"));
	for (size_t i = 0; *j->r.path && i < AUDIOFILE_NAMES; i++)
		remove_file(j, j->r.path, audiofile_suffixes[i]);
	remove_segment(j);
	ack(j->in, j->seq);
	job_end(j);
}

/* ---- step 2: index ---- */
/* A recording without a segment: was it stored before? */
static void on_looked_up(err_t e, const struct recording *r, void *arg)
{
	struct job *j = arg;
	struct log_ctx ctx = ctx_of(j);

	if (e == ERR_NOT_FOUND) { /* purged since it was written */
		job_drop(j);
		return;
	}
	if (e) {
		job_again(j, "index", e);
		return;
	}
	if (r->state == RECORDING_RUNNING) {
		job_put_aside(j);
		return;
	}
	if (r->state == RECORDING_LOST) {
		metric_add(&recorder_metric_lost, 1);
		LOG_ERROR(&ctx, "recording.lost", "recording=%s", j->r.id);
	}
	ack(j->in, j->seq);
	job_end(j);
}

static void on_indexed(err_t e, void *arg)
{
	struct job *j = arg;
	struct recorder *r = j->in->r;

	if (e == ERR_NOT_FOUND) {
		job_drop(j);
		return;
	}
	if (!e && j->r.state != RECORDING_STORED)
		e = store_find(r->db, &(struct store_eye){ 0 }, j->r.tenant, "", j->r.id, on_looked_up, j);
	else if (!e) {
		j->step = STEP_TELL;
		job_run(j);
		return;
	}
	if (e == ERR_INVALID || e == ERR_DENIED) { /* will never succeed: kept out of the way, for people to look at */
		struct log_ctx ctx = ctx_of(j);

		LOG_ERROR(&ctx, "recording.index_refused", "recording=%s error=%s", j->r.id, err_name(e));
		job_postpone(j, 60000);
	} else if (e) {
		job_again(j, "index", e);
	}
}

/* ---- step 3: tell ---- */
static void finish(struct job *j)
{
	struct log_ctx ctx = ctx_of(j);

	usage_changed(j->in->r->usage, j->r.tenant);
	metric_add(&recorder_metric_stored, 1);
	metric_add(&recorder_metric_audio_seconds, (int64_t)j->r.samples / 8000);
	LOG_INFO(&ctx, "recording.stored",
		 "recording=%s duration_ms=%llu complete=%s late_packets=%llu bytes=%llu file=%s.mp3", j->r.id,
		 (unsigned long long)j->r.samples / 8, j->r.complete ? "yes" : "no",
		 (unsigned long long)j->result.dropped, (unsigned long long)j->r.stereo_bytes, j->r.path);
	remove_segment(j);
	ack(j->in, j->seq);
	job_end(j);
}

static void on_told(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	if (e)
		job_again(arg, "tell", e);
	else
		finish(arg);
}

/* ---- the steps ---- */
static void job_run(void *arg)
{
	struct job *j = arg;
	struct recorder *r = j->in->r;
	err_t e = ERR_OK;

	switch (j->step) {
	case STEP_ENCODE:
		e = encode_start(j);
		break;
	case STEP_INDEX:
		e = store_put(r->db, r->vault, &j->r, on_indexed, j);
		if (e ==
		    ERR_PRECONDITION) /* the key has been rotated twice, or recordings marked, while the index was away */
			j->step = STEP_ENCODE;
		break;
	case STEP_TELL:
		e = stored_emit(r->events, &j->r, on_told, j);
		break;
	}
	if (e)
		job_again(j, "start", e);
}

/* ---- events ---- */
static void on_noted(err_t e, void *arg)
{
	struct note *n = arg;

	if (e && e != ERR_NOT_FOUND) /* the tenant was purged */
		nak(n->in, n->seq, BUSY_MS);
	else
		ack(n->in, n->seq);
	mem_free(n);
}

static void take_started(struct intake *in, const struct recording *r, uint64_t seq)
{
	struct note *n = mem_zalloc(sizeof(*n));
	err_t e = ERR_EXHAUSTED;

	if (n) {
		*n = (struct note){ in, seq };
		e = store_put(in->r->db, in->r->vault, r, on_noted, n);
	}
	if (e) {
		mem_free(n);
		nak(in, seq, BUSY_MS);
	}
}

/* The tenant has its share of the places: what comes behind this event, of others, must not wait for it (GT-3.1.2d). */
static void put_behind(struct intake *in, uint64_t seq, unsigned deliveries)
{
	metric_add(&recorder_metric_behind, 1);
	if (bus_nak(in->consumer, seq, behind_wait_ms(deliveries, seq)))
		LOG_DEBUG(NULL, "intake.nak_lost", "seq=%llu", (unsigned long long)seq);
}

static void take_stopped(struct intake *in, const struct fact *f, uint64_t seq, unsigned deliveries)
{
	struct job *j = job_find(in, f->r.tenant, f->r.id);

	if (j && j->seq == seq)
		return; /* delivered again while it is being done */
	if (!j && under_way(in, f->r.tenant) >= TENANT_JOBS)
		put_behind(in, seq, deliveries);
	else if (j || job_start(in, &f->r, seq, f->time_ms))
		nak(in, seq, BUSY_MS);
}

/* ---- tenants that are gone ---- */
static void on_purged(err_t e, uint64_t seq, void *arg)
{
	struct intake *in = arg;

	if (e)
		nak(in, seq, BUSY_MS);
	else
		ack(in, seq);
}

static void take_purged(struct intake *in, const struct fact *f, uint64_t seq)
{
	int64_t wait_ms = f->time_ms + PURGE_MS - clock_wall_ms();

	if (purge_seq(in->r->purge) == seq)
		return; /* delivered again while it is being done */
	if (wait_ms > 0 || under_way(in, f->r.tenant))
		nak(in, seq, wait_ms > 0 && wait_ms < PURGE_MS ? wait_ms : BUSY_MS);
	else if (purge_start(in->r->purge, f->r.tenant, f->time_ms, seq, on_purged, in))
		nak(in, seq, BUSY_MS);
}

static void on_message(const struct bus_msg *msg, void *arg)
{
	struct err_detail d = { "", "" };
	struct intake *in = arg;
	struct fact f;

	if (in->stopped)
		return; /* comes again, to whoever is there then */
	if (fact_from_pb(&f, msg->data, msg->size, &d)) {
		metric_add(&recorder_metric_bad_events, 1);
		LOG_WARN(NULL, "event.ignored", "subject=%s seq=%llu field=%s why=%s", LOG_Q(msg->subject),
			 (unsigned long long)msg->seq, d.field, LOG_Q(d.message));
		ack(in, msg->seq);
	} else if (f.kind == FACT_STOPPED) {
		take_stopped(in, &f, msg->seq, msg->deliveries);
	} else if (f.kind == FACT_STARTED) {
		usage_seen(in->r->usage, f.r.tenant);
		take_started(in, &f.r, msg->seq);
	} else if (f.kind == FACT_PURGED) {
		take_purged(in, &f, msg->seq);
	} else {
		ack(in, msg->seq);
	}
}

/* ---- orphans ---- */
static void on_orphan(const char *tenant, const char *id, void *arg)
{
	struct intake *in = arg;
	struct recording r = { .started_ms = clock_wall_ms() };

	if (in->stopped || job_find(in, tenant, id))
		return;
	(void)str_copy(r.tenant, sizeof(r.tenant), tenant);
	(void)str_copy(r.id, sizeof(r.id), id);
	LOG_WARN(&(struct log_ctx){ .tenant = tenant }, "recording.orphan", "recording=%s", id);
	metric_add(&recorder_metric_orphans, 1);
	if (job_start(in, &r, 0, clock_wall_ms()))
		metric_add(&recorder_metric_retries, 1); /* the next sweep finds it again */
}

static void on_timer(void *arg)
{
	struct intake *in = arg;

	loop_timer_start(&in->timer, LAG_MS);
	metric_set(&recorder_metric_lag, bus_consumer_lag(in->consumer));
	if (in->turn++ % SWEEP_TURNS == 0)
		sweep_run(in->sweep);
}

err_t intake_new(struct intake **ret, struct recorder *r, struct err_detail *detail)
{
	struct bus_consumer_params p = { .stream = EVENTS_STREAM,
					 .durable = DURABLE,
					 .filter = FILTER,
					 .max_unacked = MAX_UNACKED,
					 .ack_wait_ms = r->cfg->ack_wait_ms,
					 .fn = on_message };
	struct sweep_params sp = {
		.pool = r->pool, .dir = r->cfg->data_dir, .older_ms = r->cfg->orphan_minutes * 60000, .fn = on_orphan
	};
	struct intake *in = mem_zalloc(sizeof(*in));
	err_t e;

	if (!in)
		return ERR_EXHAUSTED;
	in->r = r;
	loop_timer_init(&in->timer, r->loop, on_timer, in);
	sp.arg = in;
	e = sweep_new(&in->sweep, &sp);
	p.arg = in;
	if (!e)
		e = bus_consume(&in->consumer, r->bus, &p, detail);
	if (e) {
		intake_free(&in);
		return e;
	}
	loop_timer_start(&in->timer, 1000);
	*ret = in;
	return ERR_OK;
}

void intake_stop(struct intake *in)
{
	in->stopped = true;
	loop_timer_stop(&in->timer);
	if (!in->jobs)
		service_drained(in->r->svc);
}

size_t intake_jobs(const struct intake *in)
{
	return HASH_COUNT(in->jobs);
}

void intake_free(struct intake **ref)
{
	struct intake *in = *ref;
	struct job *j, *tmp;

	if (!in)
		return;
	bus_consumer_free(&in->consumer);
	loop_timer_stop(&in->timer);
	HASH_ITER (hh, in->jobs, j, tmp)
		job_free(j);
	sweep_free(&in->sweep);
	mem_free(in);
	*ref = NULL;
}
