/*
 * Producer. librdkafka's threads wake the loop by an eventfd when delivery reports wait; they are served on the loop.
 * A message is tried for ever (the owner's outbox is what bounds it), in order and once per session (idempotence).
 */
#include "stream_internal.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FREE_FLUSH_MS 5000
#define HEADERS_MAX   32

struct stream_producer {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct loop_io io;
	int wake_fd;
	bool lost;
};

struct delivery {
	stream_delivered_fn *fn;
	void *arg;
};

static void on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *msg, void *opaque)
{
	struct delivery *d = msg->_private;

	(void)rk;
	(void)opaque;
	if (!d)
		return;
	if (d->fn)
		d->fn(stream_map_error(msg->err), d->arg);
	mem_free(d);
}

/* librdkafka mends it by itself; who asks may want to say so. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
	struct stream_producer *p = opaque;

	(void)rk;
	(void)reason;
	p->lost = p->lost || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

bool stream_producer_lost(struct stream_producer *p)
{
	bool lost = p->lost;

	p->lost = false;
	return lost;
}

static void on_wake(uint32_t events, void *arg)
{
	struct stream_producer *p = arg;
	eventfd_t n;

	(void)events;
	(void)eventfd_read(p->wake_fd, &n);
	(void)rd_kafka_poll(p->rk, 0);
}

static err_t watch_queue(struct stream_producer *p, struct loop *loop)
{
	static const uint64_t one = 1;

	p->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (p->wake_fd < 0)
		return err_from_errno(errno);
	p->queue = rd_kafka_queue_get_main(p->rk);
	rd_kafka_queue_io_event_enable(p->queue, p->wake_fd, &one, sizeof(one));
	return loop_io_start(&p->io, loop, p->wake_fd, EPOLLIN, on_wake, p);
}

static err_t create(struct stream_producer *p, const struct stream_producer_params *params, struct err_detail *detail)
{
	char queued[64], why[200];
	const char *const defaults[] = { "acks=all",
					 "enable.idempotence=true",
					 "linger.ms=5",
					 "message.timeout.ms=0",
					 "reconnect.backoff.max.ms=2000",
					 "queue.buffering.max.kbytes=262144",
					 queued,
					 NULL };
	rd_kafka_conf_t *conf = NULL;
	err_t e;

	(void)snprintf(queued, sizeof(queued), "queue.buffering.max.messages=%zu",
		       params->max_queued ? params->max_queued : 100000);
	e = stream_conf_new(&conf, params->brokers, params->client_id, defaults, params->options, detail);
	if (e)
		return e;
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	rd_kafka_conf_set_error_cb(conf, on_error);
	rd_kafka_conf_set_opaque(conf, p);
	p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof(why));
	if (!p->rk) {
		rd_kafka_conf_destroy(conf);
		return err_set(detail, ERR_INVALID, "kafka", "%s", why);
	}
	return ERR_OK;
}

err_t stream_producer_new(struct stream_producer **ret, const struct stream_producer_params *params,
			  struct err_detail *detail)
{
	struct stream_producer *p = mem_zalloc(sizeof(*p));
	err_t e;

	if (!p)
		return ERR_EXHAUSTED;
	p->wake_fd = -1;
	e = create(p, params, detail);
	e = e ? e : watch_queue(p, params->loop);
	if (e) {
		stream_producer_free(&p);
		return e;
	}
	*ret = p;
	return ERR_OK;
}

void stream_producer_free(struct stream_producer **p)
{
	if (*p && (*p)->rk)
		(void)rd_kafka_flush((*p)->rk, FREE_FLUSH_MS);
	stream_producer_drop(p);
}

void stream_producer_drop(struct stream_producer **ref)
{
	struct stream_producer *p = *ref;

	if (!p)
		return;
	loop_io_stop(&p->io);
	if (p->rk && rd_kafka_outq_len(p->rk) > 0) {
		(void)rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
		(void)rd_kafka_flush(p->rk, 1000);
	}
	if (p->queue)
		rd_kafka_queue_destroy(p->queue);
	if (p->rk)
		rd_kafka_destroy(p->rk);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	mem_free(p);
	*ref = NULL;
}

static size_t fill(rd_kafka_vu_t *v, const char *topic, const void *key, size_t key_size, const void *value,
		   size_t size, int64_t time_ms, struct delivery *d)
{
	size_t n = 0;

	v[n].vtype = RD_KAFKA_VTYPE_TOPIC;
	v[n++].u.cstr = topic;
	v[n].vtype = RD_KAFKA_VTYPE_KEY;
	v[n].u.mem.ptr = (void *)key;
	v[n++].u.mem.size = key_size;
	v[n].vtype = RD_KAFKA_VTYPE_VALUE;
	v[n].u.mem.ptr = (void *)value;
	v[n++].u.mem.size = size;
	v[n].vtype = RD_KAFKA_VTYPE_MSGFLAGS;
	v[n++].u.i = RD_KAFKA_MSG_F_COPY;
	v[n].vtype = RD_KAFKA_VTYPE_TIMESTAMP;
	v[n++].u.i64 = time_ms;
	v[n].vtype = RD_KAFKA_VTYPE_OPAQUE;
	v[n++].u.ptr = d;
	return n;
}

err_t stream_produce(struct stream_producer *p, const char *topic, const void *key, size_t key_size, const void *value,
		     size_t size, const struct stream_header *headers, size_t n_headers, int64_t time_ms,
		     stream_delivered_fn *fn, void *arg)
{
	rd_kafka_vu_t v[6 + HEADERS_MAX];
	rd_kafka_resp_err_t code;
	rd_kafka_error_t *error;
	struct delivery *d;
	size_t n;

	if (n_headers > HEADERS_MAX)
		return ERR_INVALID;
	d = mem_alloc(sizeof(*d));
	if (!d)
		return ERR_EXHAUSTED;
	*d = (struct delivery){ .fn = fn, .arg = arg };
	n = fill(v, topic, key, key_size, value, size, time_ms, d);
	for (size_t i = 0; i < n_headers; i++, n++) {
		v[n].vtype = RD_KAFKA_VTYPE_HEADER;
		v[n].u.header.name = headers[i].name;
		v[n].u.header.val = headers[i].value;
		v[n].u.header.size = (ssize_t)strlen(headers[i].value);
	}
	error = rd_kafka_produceva(p->rk, v, n);
	if (!error)
		return ERR_OK;
	mem_free(d);
	code = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	return stream_map_error(code);
}
