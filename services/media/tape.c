#include "tape.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "media_metrics.h"

#define DRAIN_MS    100
#define FLUSH_TURNS 4
#define NICE	    10
#define HELD_US	    3000000

enum entry_kind { ENTRY_FRAME, ENTRY_CLOSE, ENTRY_PAD };

struct entry {
	uint32_t size; /* with payload, multiple of 8 */
	uint8_t what, kind, codec, marker;
	struct tape *tape;
	int64_t at_us;
	uint32_t ts;
	uint16_t seq, len;
};

/* One producer, one consumer; positions only grow. */
struct tape_ring {
	uint8_t *bytes;
	size_t size;
	_Alignas(64) _Atomic size_t head; /* written by the worker */
	_Alignas(64) _Atomic size_t tail; /* written by the writer */
};

struct tape {
	struct tape *next, *prev; /* of the writer's open ones */
	struct tapes *all;
	void *user;
	struct segment_info info;
	int64_t start_us;
	struct segment_writer *writer;
	bool listed;
	err_t failed;
	struct segment_done done;
};

struct tapes {
	struct tapes_params params;
	char *dir;
	struct tape_ring *rings;
	struct tape *open;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool stop, running;
};

/* ---- the worker's side ---- */
/* Room for one entry in a row, or NULL. */
static struct entry *reserve(struct tape_ring *r, size_t size, size_t *head)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	size_t at, to_end;

	*head = atomic_load_explicit(&r->head, memory_order_relaxed);
	at = *head & (r->size - 1);
	to_end = r->size - at;
	if (to_end < size) {
		if (*head + to_end + size - tail > r->size)
			return NULL;
		((struct entry *)(r->bytes + at))->size = (uint32_t)to_end;
		((struct entry *)(r->bytes + at))->what = ENTRY_PAD;
		*head += to_end;
		at = 0;
	}
	if (*head + size - tail > r->size)
		return NULL;
	return (struct entry *)(r->bytes + at);
}

static bool push(struct tape_ring *r, const struct entry *e, const void *payload)
{
	size_t size = (sizeof(*e) + e->len + 7u) & ~(size_t)7, head;
	struct entry *to = reserve(r, size, &head);

	if (!to)
		return false;
	*to = *e;
	to->size = (uint32_t)size;
	if (e->len)
		memcpy(to + 1, payload, e->len);
	atomic_store_explicit(&r->head, head + size, memory_order_release);
	return true;
}

bool tape_push(struct tape_ring *r, struct tape *tape, enum segment_kind kind, enum segment_codec codec,
	       const struct rtp_packet *p, int64_t now_us)
{
	struct entry e = { .what = ENTRY_FRAME,
			   .kind = (uint8_t)kind,
			   .codec = (uint8_t)codec,
			   .tape = tape,
			   .at_us = now_us,
			   .ts = p->ts,
			   .seq = p->seq,
			   .len = (uint16_t)p->size };

	return p->size <= SEGMENT_PAYLOAD_MAX && push(r, &e, p->payload);
}

bool tape_close(struct tape_ring *r, struct tape *tape, int64_t now_us)
{
	struct entry e = { .what = ENTRY_CLOSE, .tape = tape, .at_us = now_us };

	return push(r, &e, NULL);
}

/* ---- the writer's side ---- */
static void post_sure(struct tapes *t, void (*fn)(void *arg), void *arg)
{
	while (loop_post(t->params.control, fn, arg))
		usleep(10000); /* out of memory: what must be told waits */
}

static void tell_failed(void *arg)
{
	struct tape *tape = arg;

	tape->all->params.on_failed(tape->user, tape->failed, tape->all->params.arg);
}

static void tell_done(void *arg)
{
	struct tape *tape = arg;
	struct tapes *t = tape->all;

	t->params.on_done(tape->user, &tape->done, t->params.arg);
	mem_free(tape);
}

static void check(struct tape *tape, err_t e)
{
	if (!e || tape->failed)
		return;
	tape->failed = e;
	metric_add(&media_metrics.recording_errors, 1);
	post_sure(tape->all, tell_failed, tape);
}

/* A former engine of the call that drains, or has just died, holds the file for a moment: tried again at the next flush. */
static void open_writer(struct tape *tape)
{
	err_t e = segment_writer_open(&tape->writer, tape->all->dir, &tape->info, tape->start_us);

	if (e != ERR_EXISTS || clock_mono_us() - tape->start_us > HELD_US)
		check(tape, e);
}

static void list(struct tape *tape)
{
	struct tapes *t = tape->all;

	if (tape->listed)
		return;
	tape->listed = true;
	tape->prev = NULL;
	tape->next = t->open;
	if (t->open)
		t->open->prev = tape;
	t->open = tape;
	open_writer(tape);
}

static void unlist(struct tape *tape)
{
	if (tape->prev)
		tape->prev->next = tape->next;
	else
		tape->all->open = tape->next;
	if (tape->next)
		tape->next->prev = tape->prev;
}

static void write_frame(const struct entry *e)
{
	struct segment_frame f = { .kind = (enum segment_kind)e->kind,
				   .codec = (enum segment_codec)e->codec,
				   .seq = e->seq,
				   .ts = e->ts,
				   .payload = (const uint8_t *)(e + 1),
				   .size = e->len };

	list(e->tape);
	if (e->tape->writer)
		check(e->tape, segment_writer_frame(e->tape->writer, &f, e->at_us));
}

static void finish(struct tape *tape, int64_t at_us)
{
	list(tape);
	tape->done.duration_ms = (at_us - tape->start_us) / 1000;
	if (tape->writer)
		check(tape, segment_writer_close(&tape->writer, at_us, &tape->done));
	unlist(tape);
}

static void drain(struct tapes *t, struct tape_ring *r)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	size_t head = atomic_load_explicit(&r->head, memory_order_acquire);

	while (tail != head) {
		const struct entry *e = (const struct entry *)(r->bytes + (tail & (r->size - 1)));

		if (e->what == ENTRY_FRAME)
			write_frame(e);
		if (e->what == ENTRY_CLOSE) {
			struct tape *tape = e->tape;

			finish(tape, e->at_us);
			post_sure(t, tell_done, tape);
		}
		tail += e->size;
		atomic_store_explicit(&r->tail, tail, memory_order_release);
	}
}

static void flush(struct tapes *t)
{
	for (struct tape *tape = t->open; tape; tape = tape->next) {
		if (!tape->writer && !tape->failed)
			open_writer(tape);
		if (tape->writer)
			check(tape, segment_writer_flush(tape->writer));
	}
}

static bool pause_or_stop(struct tapes *t)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += DRAIN_MS * 1000000l;
	if (until.tv_nsec >= 1000000000l) {
		until.tv_nsec -= 1000000000l;
		until.tv_sec++;
	}
	pthread_mutex_lock(&t->mutex);
	if (!t->stop)
		pthread_cond_timedwait(&t->cond, &t->mutex, &until);
	stop = t->stop;
	pthread_mutex_unlock(&t->mutex);
	return stop;
}

static void *run(void *arg)
{
	struct tapes *t = arg;
	unsigned turn = 0;
	bool stop;

	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
	do {
		stop = pause_or_stop(t);
		for (unsigned i = 0; i < t->params.rings; i++)
			drain(t, &t->rings[i]);
		if (++turn % FLUSH_TURNS == 0)
			flush(t);
	} while (!stop);
	while (t->open) { /* the process ends in good order: so do the files */
		struct tape *tape = t->open;

		finish(tape, clock_mono_us());
		mem_free(tape);
	}
	return NULL;
}

static err_t rings_new(struct tapes *t)
{
	t->rings = mem_array(t->params.rings, sizeof(*t->rings));
	if (!t->rings)
		return ERR_EXHAUSTED;
	for (unsigned i = 0; i < t->params.rings; i++) {
		t->rings[i].size = t->params.ring_bytes;
		t->rings[i].bytes = mem_alloc(t->params.ring_bytes);
		if (!t->rings[i].bytes)
			return ERR_EXHAUSTED;
	}
	return ERR_OK;
}

err_t tapes_new(struct tapes **ret, const struct tapes_params *p)
{
	struct tapes *t = mem_zalloc(sizeof(*t));
	err_t e = ERR_EXHAUSTED;

	if (!t)
		return e;
	t->params = *p;
	pthread_mutex_init(&t->mutex, NULL);
	pthread_cond_init(&t->cond, NULL);
	t->dir = mem_strdup(p->dir);
	if (t->dir)
		e = rings_new(t);
	if (!e && pthread_create(&t->thread, NULL, run, t))
		e = ERR_EXHAUSTED;
	if (e) {
		tapes_free(&t);
		return e;
	}
	t->running = true;
	*ret = t;
	return ERR_OK;
}

void tapes_free(struct tapes **ref)
{
	struct tapes *t = *ref;

	if (!t)
		return;
	if (t->running) {
		pthread_mutex_lock(&t->mutex);
		t->stop = true;
		pthread_cond_signal(&t->cond);
		pthread_mutex_unlock(&t->mutex);
		pthread_join(t->thread, NULL);
	}
	for (unsigned i = 0; t->rings && i < t->params.rings; i++)
		mem_free(t->rings[i].bytes);
	mem_free(t->rings);
	pthread_mutex_destroy(&t->mutex);
	pthread_cond_destroy(&t->cond);
	mem_free(t->dir);
	mem_free(t);
	*ref = NULL;
}

struct tape_ring *tapes_ring(struct tapes *t, unsigned i)
{
	return &t->rings[i];
}

err_t tape_new(struct tape **ret, struct tapes *t, const struct segment_info *info, int64_t start_us, void *user)
{
	struct tape *tape = mem_zalloc(sizeof(*tape));

	if (!tape)
		return ERR_EXHAUSTED;
	tape->all = t;
	tape->info = *info;
	tape->start_us = start_us;
	tape->user = user;
	*ret = tape;
	return ERR_OK;
}

void tape_drop(struct tape **tape)
{
	mem_free(*tape);
	*tape = NULL;
}
