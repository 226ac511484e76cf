#include "stream.h"

#include <string.h>
#include <unistd.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "media_metrics.h"

/* Of one leg; lives from open to closed. */
struct stream {
	struct stream *prev, *next;
	struct streams *all;
	struct leg *leg;
	struct endpoint *ep;
	uint16_t port;
	struct play_job *job; /* prompts on their way */
	bool taping;	      /* on_record_done is to come */
	bool closed;	      /* the endpoint is gone; only the tape is waited for */
	struct event_counts counts;
};

struct play_slot {
	struct play_job *job;
	unsigned i;
};

/* Prompts of one Play that are being loaded. */
struct play_job {
	struct stream *stream; /* NULL: not wanted any more */
	struct playlist *list;
	unsigned waiting;
	struct play_slot slots[COMMAND_PROMPTS];
	char sha256[COMMAND_PROMPTS][COMMAND_HASH];
};

static unsigned worker_of(const struct leg *leg)
{
	unsigned h = 5381;

	/* All legs of a call share a worker, so that bridging crosses no thread. */
	for (const char *s = leg_call(leg); *s; s++)
		h = h * 33 + (unsigned char)*s;
	return h ^ h >> 15;
}

static void problem(const struct stream *s, const char *what, err_t e)
{
	if (e)
		s->all->on_problem(s->leg, what, e, s->all->arg);
}

/* ---- open and close ---- */
static void count_ports(struct streams *all)
{
	metric_set(&media_metrics.endpoints, all->ports.used);
	metric_set(&media_metrics.ports_free, (int64_t)all->ports.n - all->ports.used);
}

static err_t op_open(struct leg *leg, uint16_t *port, void *arg)
{
	struct streams *all = arg;
	struct stream *s;
	int fd[2];
	err_t e;

	if (all->draining)
		return ERR_UNAVAILABLE;
	s = mem_zalloc(sizeof(*s));
	if (!s)
		return ERR_EXHAUSTED;
	*s = (struct stream){ .all = all, .leg = leg };
	e = ports_open(&all->ports, fd, &s->port);
	if (e)
		goto out;
	e = engine_open(all->engine, worker_of(leg), fd, s, &s->ep);
	if (e) {
		close(fd[0]);
		close(fd[1]);
		ports_release(&all->ports, s->port);
		goto out;
	}
	DL_APPEND(all->list, s);
	leg_set_user(leg, s);
	*port = s->port;
	count_ports(all);
out:
	if (e)
		mem_free(s);
	return e;
}

static void drop_job(struct stream *s)
{
	if (s->job)
		s->job->stream = NULL;
	s->job = NULL;
}

static void op_close(struct leg *leg, void *arg)
{
	struct stream *s = leg_user(leg);

	(void)arg;
	drop_job(s);
	engine_close(s->ep);
	s->ep = NULL;
}

static void finish(struct stream *s)
{
	struct leg *leg = s->leg;
	struct event_counts counts = s->counts;

	DL_DELETE(s->all->list, s);
	mem_free(s);
	legs_on_closed(leg, &counts);
}

void streams_done(struct streams *all)
{
	struct stream *s, *next;

	DL_FOREACH_SAFE (all->list, s, next) {
		drop_job(s);
		mem_free(s);
	}
	all->list = NULL;
}

static void on_closed(void *user, const struct event_counts *counts, void *arg)
{
	struct stream *s = user;

	(void)arg;
	ports_release(&s->all->ports, s->port);
	count_ports(s->all);
	s->counts = *counts;
	s->closed = true;
	if (!s->taping)
		finish(s);
}

static void op_remote(struct leg *leg, const struct sdp_agreed *agreed, void *arg)
{
	struct stream *s = leg_user(leg);

	(void)arg;
	problem(s, "remote", engine_remote(s->ep, agreed));
}

/* ---- playing ---- */
static void start(struct stream *s, struct playlist *list)
{
	uint32_t serial = list->serial;
	char missing[COMMAND_HASH];

	memcpy(missing, list->missing, sizeof(missing));
	metric_add(&media_metrics.plays, 1);
	if (list->n == 0) { /* nothing of it could be had */
		playlist_free(&list);
		legs_on_play_done(s->leg, serial, false, missing);
		return;
	}
	problem(s, "play", engine_play(s->ep, list));
}

/* All are there or known to be missing: those that are close ranks. */
static void job_ready(struct play_job *job)
{
	struct stream *s = job->stream;
	struct playlist *list = job->list;
	unsigned n = 0;

	job->list = NULL;
	if (s)
		s->job = NULL;
	mem_free(job);
	for (unsigned i = 0; i < list->n; i++)
		if (list->prompts[i])
			list->prompts[n++] = list->prompts[i];
	list->n = n;
	if (s)
		start(s, list);
	else
		playlist_free(&list);
}

static void on_prompt(struct prompt *prompt, void *arg)
{
	const struct play_slot *slot = arg;
	struct play_job *job = slot->job;

	job->list->prompts[slot->i] = prompt;
	if (!prompt && !*job->list->missing)
		memcpy(job->list->missing, job->sha256[slot->i], COMMAND_HASH);
	if (--job->waiting == 0)
		job_ready(job);
}

static void op_play(struct leg *leg, uint32_t serial, const struct command_play *play, void *arg)
{
	struct stream *s = leg_user(leg);
	struct streams *all = arg;
	struct play_job *job = mem_zalloc(sizeof(*job));

	drop_job(s);
	if (job)
		job->list = mem_zalloc(sizeof(*job->list));
	if (!job || !job->list) {
		mem_free(job);
		problem(s, "play", ERR_EXHAUSTED);
		return;
	}
	*job->list = (struct playlist){
		.serial = serial, .loop = play->loop, .stop_on_digit = play->stop_on_digit, .n = play->n
	};
	job->stream = s;
	s->job = job;
	if (play->tone) {
		job->list->n = 1;
		job->list->prompts[0] = prompts_tone(all->prompts, play->tone);
		job_ready(job);
		return;
	}
	memcpy(job->sha256, play->sha256, sizeof(job->sha256));
	job->waiting = play->n;
	/* Counts down to 0 at the last one at the earliest: until then the job is there. */
	for (unsigned i = 0; i < play->n; i++) {
		job->slots[i] = (struct play_slot){ job, i };
		prompts_load(all->prompts, leg_tenant(leg), play->sha256[i], on_prompt, &job->slots[i]);
	}
}

static void op_stop(struct leg *leg, void *arg)
{
	struct stream *s = leg_user(leg);

	(void)arg;
	drop_job(s);
	problem(s, "stop-play", engine_stop(s->ep));
}

static void on_play_done(void *user, uint32_t serial, bool interrupted, const char *missing, void *arg)
{
	(void)arg;
	legs_on_play_done(((struct stream *)user)->leg, serial, interrupted, missing);
}

/* ---- bridging ---- */
static err_t op_bridge(struct leg *a, struct leg *b, void *arg)
{
	struct stream *x = leg_user(a), *y = leg_user(b);

	(void)arg;
	return engine_bridge(x->ep, y->ep);
}

static void op_unbridge(struct leg *a, struct leg *b, void *arg)
{
	struct stream *x = leg_user(a), *y = leg_user(b);

	(void)arg;
	problem(x, "unbridge", engine_unbridge(x->ep, y->ep));
}

/* ---- recording ---- */
static err_t op_record(struct leg *leg, const char *recording_id, void *arg)
{
	struct streams *all = arg;
	struct stream *s = leg_user(leg);
	struct segment_info info = { .start_ms = clock_steady_ms() };
	struct tape *tape;
	err_t e;

	(void)str_copy(info.tenant, sizeof(info.tenant), leg_tenant(leg));
	(void)str_copy(info.call_id, sizeof(info.call_id), leg_call(leg));
	(void)str_copy(info.leg_id, sizeof(info.leg_id), leg_id(leg));
	(void)str_copy(info.recording_id, sizeof(info.recording_id), recording_id);
	e = tape_new(&tape, all->tapes, &info, clock_mono_us(), s);
	if (e)
		return e;
	e = engine_record(s->ep, tape);
	if (e) {
		tape_drop(&tape);
		return e;
	}
	s->taping = true;
	metric_add(&media_metrics.recordings, 1);
	return ERR_OK;
}

static void op_record_off(struct leg *leg, void *arg)
{
	struct stream *s = leg_user(leg);

	(void)arg;
	problem(s, "record", engine_record_off(s->ep));
}

static void on_tape_done(void *user, const struct segment_done *done, void *arg)
{
	struct stream *s = user;

	(void)arg;
	metric_add(&media_metrics.recordings, -1);
	s->taping = false;
	legs_on_record_done(s->leg, done->duration_ms, done->size_bytes);
	if (s->closed)
		finish(s);
}

static void on_tape_failed(void *user, err_t e, void *arg)
{
	struct stream *s = user;

	(void)arg;
	problem(s, "record", e);
	legs_on_record_failed(s->leg, e, "the segment file cannot be written; the call goes on");
}

/* ---- what else is heard ---- */
static void on_digit(void *user, char digit, uint32_t duration_ms, void *arg)
{
	(void)arg;
	legs_on_digit(((struct stream *)user)->leg, digit, duration_ms);
}

static void on_timeout(void *user, int64_t silence_ms, bool abandoned, void *arg)
{
	struct stream *s = user;

	(void)arg;
	metric_add(&media_metrics.timeouts, 1);
	legs_on_timeout(s->leg, silence_ms);
	if (abandoned) {
		problem(s, "abandoned", ERR_TIMEOUT);
		legs_abandon(s->leg);
	}
}

void streams_reports(struct engine_params *p)
{
	p->on_closed = on_closed;
	p->on_play_done = on_play_done;
	p->on_digit = on_digit;
	p->on_timeout = on_timeout;
}

void streams_tape_reports(struct tapes_params *p)
{
	p->on_done = on_tape_done;
	p->on_failed = on_tape_failed;
}

void streams_ops(struct legs_ops *ops)
{
	ops->open = op_open;
	ops->close = op_close;
	ops->remote = op_remote;
	ops->play = op_play;
	ops->stop = op_stop;
	ops->bridge = op_bridge;
	ops->unbridge = op_unbridge;
	ops->record = op_record;
	ops->record_off = op_record_off;
}
