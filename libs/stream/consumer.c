/*
 * Consumer: one thread fetches a batch, hands it to the loop and waits until the loop wants the next. The same thread
 * answers assignments, asking the owner where each partition goes on.
 */
#include "offsets.h"
#include "stream_internal.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define GATHER_MS      200
#define OFFSET_WAIT_MS 500
#define LAG_MS	       1000
#define STALL_MS       10000 /* there is something to read, and for so long nothing came: ask again */
#define SEEK_MS	       5000

enum turn { FETCH, HANDED_OVER, STOP };

struct stream_consumer {
	struct loop *loop;
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum turn turn;	      /* under lock */
	bool stopping;	      /* under lock */
	_Atomic bool in_post; /* deliver() is on its way */
	bool freed;
	_Atomic int64_t lag;
	int64_t lag_at_ms; /* measured last */
	int64_t came_ms;   /* the last record, or the last time that we asked again */
	struct offsets offsets;
	int gather_ms; /* a batch is what came within this time, or full */
	size_t batch, n, posted;
	rd_kafka_message_t **messages;
	struct stream_record *records;
	int64_t (*start_offset)(const char *topic, int32_t partition, void *arg);
	void (*on_batch)(const struct stream_record *records, size_t n, void *arg);
	void *arg;
};

static bool stopping(struct stream_consumer *c)
{
	bool s;

	pthread_mutex_lock(&c->lock);
	s = c->stopping;
	pthread_mutex_unlock(&c->lock);
	return s;
}

static void sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 }, NULL);
}

/* ---- assignment --------------------------------------------------------------------------------------------------- */

static void position(struct stream_consumer *c, rd_kafka_topic_partition_t *p)
{
	int64_t at = STREAM_OFFSET_UNKNOWN;

	while (!stopping(c) && (at = c->start_offset(p->topic, p->partition, c->arg)) == STREAM_OFFSET_UNKNOWN)
		sleep_ms(OFFSET_WAIT_MS);
	p->offset = at >= 0 ? at : RD_KAFKA_OFFSET_BEGINNING;
}

static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t e, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct stream_consumer *c = opaque;

	offsets_reset(&c->offsets);
	c->came_ms = clock_mono_ms();
	if (e != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		(void)rd_kafka_assign(rk, NULL);
		return;
	}
	for (int i = 0; i < list->cnt; i++)
		position(c, &list->elems[i]);
	(void)rd_kafka_assign(rk, stopping(c) ? NULL : list);
}

/* ---- the fetching thread ------------------------------------------------------------------------------------------ */

/* From the next record on that we have not got: what librdkafka holds of the partitions is thrown away and fetched anew. */
static void ask_again(struct stream_consumer *c, rd_kafka_topic_partition_list_t *list)
{
	rd_kafka_error_t *e;

	for (int i = 0; i < list->cnt; i++) {
		rd_kafka_topic_partition_t *p = &list->elems[i];

		p->offset = offsets_expected(&c->offsets, p->topic, p->partition);
		if (p->offset < 0)
			position(c, p);
	}
	e = rd_kafka_seek_partitions(c->rk, list, SEEK_MS);
	if (e)
		rd_kafka_error_destroy(e); /* the next gap or stall tries again */
	c->came_ms = clock_mono_ms();
}

static void ask_again_for(struct stream_consumer *c, const rd_kafka_message_t *m)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(m->rkt), m->partition);
	ask_again(c, list);
	rd_kafka_topic_partition_list_destroy(list);
}

/* Not with each batch: librdkafka's main thread is asked and woken for it. */
static void measure_lag(struct stream_consumer *c)
{
	rd_kafka_topic_partition_list_t *list = NULL;
	int64_t lag = 0, low, high, now = clock_mono_ms();

	if (now < c->lag_at_ms + LAG_MS)
		return;
	c->lag_at_ms = now;
	if (rd_kafka_assignment(c->rk, &list) || !list)
		return;
	if (list->cnt == 0 || rd_kafka_position(c->rk, list))
		lag = -1;
	for (int i = 0; lag >= 0 && i < list->cnt; i++) {
		const rd_kafka_topic_partition_t *p = &list->elems[i];

		if (rd_kafka_get_watermark_offsets(c->rk, p->topic, p->partition, &low, &high) || high < 0)
			lag = -1;
		else if (p->offset >= 0)
			lag += high > p->offset ? high - p->offset : 0;
		else
			lag += high > low ? high - low : 0;
	}
	if (lag > 0 && now - c->came_ms > STALL_MS)
		ask_again(c, list);
	rd_kafka_topic_partition_list_destroy(list);
	atomic_store(&c->lag, lag);
}

/* On the loop. The consumer may have been freed since this was posted: then the shell is left to us. */
static void deliver(void *arg)
{
	struct stream_consumer *c = arg;

	c->in_post = false;
	if (c->freed)
		mem_free(c);
	else
		c->on_batch(c->records, c->n, c->arg);
}

static void drop_messages(struct stream_consumer *c)
{
	for (size_t i = 0; i < c->posted; i++)
		rd_kafka_message_destroy(c->messages[i]);
	c->posted = c->n = 0;
}

static bool fetch(struct stream_consumer *c)
{
	ssize_t got = rd_kafka_consume_batch_queue(c->queue, c->gather_ms, c->messages, c->batch);

	c->posted = got > 0 ? (size_t)got : 0;
	c->n = 0;
	offsets_begin_batch(&c->offsets);
	for (size_t i = 0; i < c->posted; i++) {
		const rd_kafka_message_t *m = c->messages[i];
		enum offsets_verdict v;

		if (m->err)
			continue;
		v = offsets_see(&c->offsets, rd_kafka_topic_name(m->rkt), m->partition, m->offset);
		if (v == OFFSETS_GAP)
			ask_again_for(c, m);
		if (v != OFFSETS_TAKE)
			continue;
		c->records[c->n++] = (struct stream_record){ .topic = rd_kafka_topic_name(m->rkt),
							     .partition = m->partition,
							     .offset = m->offset,
							     .time_ms = rd_kafka_message_timestamp(m, NULL),
							     .key = m->key,
							     .key_size = m->key_len,
							     .value = m->payload,
							     .size = m->len };
	}
	if (c->n == 0)
		drop_messages(c);
	else
		c->came_ms = clock_mono_ms();
	return c->n > 0;
}

/* Waits up to a second for the loop to want the next batch. */
static enum turn wait_turn(struct stream_consumer *c)
{
	struct timespec until;
	enum turn turn;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec++;
	pthread_mutex_lock(&c->lock);
	if (c->turn == HANDED_OVER && !c->stopping)
		(void)pthread_cond_timedwait(&c->changed, &c->lock, &until);
	turn = c->stopping ? STOP : c->turn;
	pthread_mutex_unlock(&c->lock);
	return turn;
}

static void hand_over(struct stream_consumer *c)
{
	pthread_mutex_lock(&c->lock);
	c->turn = HANDED_OVER;
	pthread_mutex_unlock(&c->lock);
	c->in_post = true;
	while (loop_post(c->loop, deliver, c)) {
		if (stopping(c)) {
			c->in_post = false;
			break;
		}
		sleep_ms(OFFSET_WAIT_MS);
	}
}

static void *run(void *arg)
{
	struct stream_consumer *c = arg;

	enum turn turn;

	while ((turn = wait_turn(c)) != STOP) {
		bool any = turn == FETCH && fetch(c);

		if (turn != FETCH)
			c->came_ms = clock_mono_ms(); /* the owner is busy: nothing can come */

		measure_lag(c);
		if (any)
			hand_over(c);
	}
	return NULL;
}

void stream_consumer_next(struct stream_consumer *c)
{
	drop_messages(c);
	pthread_mutex_lock(&c->lock);
	c->turn = FETCH;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

int64_t stream_consumer_lag(const struct stream_consumer *c)
{
	return atomic_load(&((struct stream_consumer *)c)->lag);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static err_t create(struct stream_consumer *c, const struct stream_consumer_params *p, struct err_detail *detail)
{
	char group[200], why[200];
	const char *const defaults[] = { group,
					 "enable.auto.commit=false",
					 "auto.offset.reset=earliest",
					 "max.poll.interval.ms=86400000",
					 "session.timeout.ms=10000",
					 "queued.max.messages.kbytes=16384",
					 /* Ten fetches a second instead of one for each batch that comes: the broker's time. */
					 "fetch.min.bytes=65536",
					 "fetch.wait.max.ms=100",
					 "reconnect.backoff.max.ms=2000",
					 NULL };
	rd_kafka_conf_t *conf = NULL;
	err_t e;

	(void)snprintf(group, sizeof(group), "group.id=%s", p->group);
	e = stream_conf_new(&conf, p->brokers, p->group, defaults, p->options, detail);
	if (e)
		return e;
	rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
	rd_kafka_conf_set_opaque(conf, c);
	c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why));
	if (!c->rk) {
		rd_kafka_conf_destroy(conf);
		return err_set(detail, ERR_INVALID, "kafka", "%s", why);
	}
	(void)rd_kafka_poll_set_consumer(c->rk);
	c->queue = rd_kafka_queue_get_consumer(c->rk);
	return ERR_OK;
}

static err_t subscribe(struct stream_consumer *c, const char *const *topics, struct err_detail *detail)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
	rd_kafka_resp_err_t code;

	for (; *topics; topics++)
		rd_kafka_topic_partition_list_add(list, *topics, RD_KAFKA_PARTITION_UA);
	code = rd_kafka_subscribe(c->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	return code ? err_set(detail, stream_map_error(code), "kafka.topics", "%s", rd_kafka_err2str(code)) : ERR_OK;
}

err_t stream_consumer_new(struct stream_consumer **ret, const struct stream_consumer_params *p,
			  struct err_detail *detail)
{
	struct stream_consumer *c = mem_zalloc(sizeof(*c));
	err_t e;

	if (!c)
		return ERR_EXHAUSTED;
	c->loop = p->loop;
	c->start_offset = p->start_offset;
	c->on_batch = p->on_batch;
	c->arg = p->arg;
	c->batch = p->batch ? p->batch : 1000;
	c->gather_ms = p->gather_ms > 0 ? (int)p->gather_ms : GATHER_MS;
	c->lag_at_ms = -LAG_MS;
	atomic_store(&c->lag, -1);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->messages = mem_array(c->batch, sizeof(*c->messages));
	c->records = mem_array(c->batch, sizeof(*c->records));
	e = c->messages && c->records ? ERR_OK : ERR_EXHAUSTED;
	e = e ? e : create(c, p, detail);
	e = e ? e : subscribe(c, p->topics, detail);
	if (!e) {
		c->started = pthread_create(&c->thread, NULL, run, c) == 0;
		e = c->started ? ERR_OK : ERR_EXHAUSTED;
	}
	if (e) {
		stream_consumer_free(&c);
		return e;
	}
	*ret = c;
	return ERR_OK;
}

void stream_consumer_free(struct stream_consumer **ref)
{
	struct stream_consumer *c = *ref;

	if (!c)
		return;
	*ref = NULL;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
	if (c->started)
		pthread_join(c->thread, NULL);
	drop_messages(c);
	if (c->queue)
		rd_kafka_queue_destroy(c->queue);
	if (c->rk) {
		(void)rd_kafka_consumer_close(c->rk);
		rd_kafka_destroy(c->rk);
	}
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	offsets_done(&c->offsets);
	mem_free(c->messages);
	mem_free(c->records);
	c->freed = true;
	if (!c->in_post)
		mem_free(c);
}
