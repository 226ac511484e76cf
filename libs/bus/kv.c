/* Key-value over raw JetStream subjects: a bucket is the stream KV_<bucket> with one subject a key (NATS ADR-8). */
#include "bus_internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS	 1000000LL
#define KV_DUPLICATES_MS 60000 /* longer than all repeats of one publish take */
#define KV_MARKER_MS	 1000

static json_t *bucket_config(const struct bus_kv *kv, const struct bus_kv_params *p)
{
	int64_t duplicates = KV_DUPLICATES_MS;
	char subjects[96];
	json_t *c;

	if (p->ttl_ms && p->ttl_ms < duplicates)
		duplicates = p->ttl_ms < 100 ? 100 : p->ttl_ms;
	(void)snprintf(subjects, sizeof(subjects), "%s>", kv->prefix);
	c = json_pack("{s:s, s:[s], s:s, s:s, s:s, s:i, s:I, s:I, s:I, s:i, s:b, s:b, s:b}", "name", kv->stream,
		      "subjects", subjects, "retention", "limits", "storage", "file", "discard", "new",
		      "max_msgs_per_subject", p->history ? p->history : 1, "max_age",
		      (json_int_t)(p->ttl_ms * NS_PER_MS), "max_bytes", (json_int_t)(p->max_bytes ? p->max_bytes : -1),
		      "duplicate_window", (json_int_t)(duplicates * NS_PER_MS), "num_replicas",
		      p->replicas ? p->replicas : kv->bus->replicas, "allow_direct", 1, "allow_rollup_hdrs", 1,
		      "deny_delete", 1);
	if (c)
		json_object_set_new(c, "allow_msg_ttl", json_true());
	if (c && p->ttl_ms) /* watchers are told of what expires */
		json_object_set_new(c, "subject_delete_marker_ttl", json_integer(KV_MARKER_MS * NS_PER_MS));
	return c;
}

err_t bus_kv_open(struct bus_kv **ret, struct bus *bus, const struct bus_kv_params *p, struct err_detail *detail)
{
	struct bus_kv *kv;
	err_t e;

	if (str_empty(p->bucket) || strlen(p->bucket) >= sizeof(kv->bucket) || strpbrk(p->bucket, ". *>\r\n\t"))
		return err_set(detail, ERR_INVALID, "bucket", "must be one token of at most 63 characters");
	if (p->history < 0 || p->history > 64)
		return err_set(detail, ERR_INVALID, "history", "must be 1…64");
	kv = mem_zalloc(sizeof(*kv));
	if (!kv)
		return ERR_EXHAUSTED;
	kv->bus = bus;
	kv->marker_ttl_s = (unsigned)((p->marker_ttl_ms + 999) / 1000);
	(void)str_copy(kv->bucket, sizeof(kv->bucket), p->bucket);
	(void)snprintf(kv->stream, sizeof(kv->stream), "KV_%s", kv->bucket);
	(void)snprintf(kv->prefix, sizeof(kv->prefix), "$KV.%s.", kv->bucket);
	e = api_stream_ensure(bus, kv->stream, bucket_config(kv, p), detail);
	if (e)
		mem_free(kv);
	else
		*ret = kv;
	return e;
}

void bus_kv_close(struct bus_kv **kv)
{
	mem_free(*kv);
	*kv = NULL;
}

bool kv_is_marker(const struct bus_raw *raw)
{
	size_t len;
	const char *op;

	if (!raw->headers)
		return false;
	if (nats_headers_find(raw->headers, raw->headers_size, "Nats-Marker-Reason", &len))
		return true;
	op = nats_headers_find(raw->headers, raw->headers_size, "KV-Operation", &len);
	return op && ((len == 3 && memcmp(op, "DEL", 3) == 0) || (len == 5 && memcmp(op, "PURGE", 5) == 0));
}

static err_t key_subject(const struct bus_kv *kv, const char *key, char subject[BUS_SUBJECT_MAX])
{
	int n = snprintf(subject, BUS_SUBJECT_MAX, "%s%s", kv->prefix, key);

	return n > 0 && n < BUS_SUBJECT_MAX ? ERR_OK : ERR_INVALID;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static err_t last(struct bus *bus, const char *stream, const char *subject, bus_raw_fn *fn, void *arg)
{
	return api_last(NULL, bus, stream, subject, strlen(subject), fn, arg, true);
}

struct kv_get {
	bus_reply_fn *fn;
	void *arg;
	size_t prefix_len;
};

/* "2026-11-23T18:07:05.123456789Z" */
static int64_t parse_time_ms(const char *text, size_t len)
{
	struct tm tm = { 0 };
	int ms = 0;

	if (len < 20 || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
			       &tm.tm_min, &tm.tm_sec, &ms) < 6)
		return 0;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000 + ms;
}

static void deliver_get(const struct kv_get *g, const struct bus_raw *raw)
{
	struct bus_msg msg = raw->msg;
	char key[BUS_SUBJECT_MAX] = "";
	const char *value;
	size_t len;

	value = nats_headers_find(raw->headers, raw->headers_size, "Nats-Subject", &len);
	if (value && len >= g->prefix_len && len - g->prefix_len < sizeof(key))
		memcpy(key, value + g->prefix_len, len - g->prefix_len);
	value = nats_headers_find(raw->headers, raw->headers_size, "Nats-Time-Stamp", &len);
	msg.time_ms = value ? parse_time_ms(value, len) : 0;
	msg.seq = nats_headers_u64(raw->headers, raw->headers_size, "Nats-Sequence");
	msg.subject = key;
	msg.reply = NULL;
	g->fn(ERR_OK, &msg, g->arg);
}

static void on_get(const struct bus_raw *raw, void *arg)
{
	const struct kv_get *g = arg;

	if (!raw)
		g->fn(ERR_TIMEOUT, NULL, g->arg);
	else if (raw->status == 404 || (raw->status == 0 && kv_is_marker(raw)))
		g->fn(ERR_NOT_FOUND, NULL, g->arg);
	else if (raw->status != 0 || !raw->headers)
		g->fn(ERR_UNAVAILABLE, NULL, g->arg);
	else
		deliver_get(g, raw);
}

err_t bus_kv_get(struct bus_kv *kv, const char *key, bus_reply_fn *fn, void *arg)
{
	char subject[BUS_SUBJECT_MAX];
	struct kv_get *g;
	err_t e = key_subject(kv, key, subject);

	if (e)
		return e;
	g = mem_alloc(sizeof(*g));
	if (!g)
		return ERR_EXHAUSTED;
	*g = (struct kv_get){ .fn = fn, .arg = arg, .prefix_len = strlen(kv->prefix) };
	e = last(kv->bus, kv->stream, subject, on_get, g);
	if (e)
		mem_free(g);
	return e;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* A create: expected 0. When the server says that something is there, it may be only the marker of a deletion: then the
 * value is put over the marker, by its revision. The bucket may be closed meanwhile. */
struct kv_create {
	struct bus *bus;
	char stream[sizeof(((struct bus_kv *)NULL)->stream)];
	bus_ack_fn *fn;
	void *arg;
	void *data; /* inside the same block */
	size_t size;
	char subject[];
};

static void on_last(const struct bus_raw *raw, void *arg)
{
	struct kv_create *c = arg;
	struct pub_params p = { .subject = c->subject, .data = c->data, .size = c->size, .fn = c->fn, .arg = c->arg };
	err_t e;

	if (!raw || (raw->status != 0 && raw->status != 404)) {
		c->fn(ERR_UNAVAILABLE, 0, c->arg);
		return;
	}
	if (raw->status != 404 && !kv_is_marker(raw)) {
		c->fn(ERR_ABORTED, 0, c->arg);
		return;
	}
	p.expected = raw->status == 404 ? 0 : nats_headers_u64(raw->headers, raw->headers_size, "Nats-Sequence");
	e = pubs_submit(c->bus, &p);
	if (e)
		c->fn(e, 0, c->arg);
}

static void on_created(err_t e, uint64_t seq, void *arg)
{
	struct kv_create *c = arg;

	if (e == ERR_ABORTED && !last(c->bus, c->stream, c->subject, on_last, c))
		return; /* the request owns c now */
	c->fn(e, seq, c->arg);
	mem_free(c);
}

static err_t kv_create(struct bus_kv *kv, const char *subject, struct pub_params *p)
{
	size_t n = strlen(subject) + 1;
	struct kv_create *c = mem_alloc(sizeof(*c) + n + p->size);
	err_t e;

	if (!c)
		return ERR_EXHAUSTED;
	*c = (struct kv_create){ .bus = kv->bus, .fn = p->fn, .arg = p->arg, .size = p->size };
	(void)str_copy(c->stream, sizeof(c->stream), kv->stream);
	memcpy(c->subject, subject, n);
	c->data = c->subject + n;
	if (p->size)
		memcpy(c->data, p->data, p->size);
	p->fn = on_created;
	p->arg = c;
	p->own_arg = true;
	e = pubs_submit(kv->bus, p);
	if (e)
		mem_free(c);
	return e;
}

static err_t put(struct bus_kv *kv, const char *key, const void *data, size_t size, uint64_t expected, bool lazy,
		 bus_ack_fn *fn, void *arg)
{
	char subject[BUS_SUBJECT_MAX];
	struct pub_params p = {
		.subject = subject, .data = data, .size = size, .expected = expected, .lazy = lazy, .fn = fn, .arg = arg
	};
	err_t e = key_subject(kv, key, subject);

	if (e)
		return e;
	if (expected == 0 && fn)
		return kv_create(kv, subject, &p);
	return pubs_submit(kv->bus, &p);
}

err_t bus_kv_put(struct bus_kv *kv, const char *key, const void *data, size_t size, uint64_t expected, bus_ack_fn *fn,
		 void *arg)
{
	return put(kv, key, data, size, expected, false, fn, arg);
}

err_t bus_kv_put_lazy(struct bus_kv *kv, const char *key, const void *data, size_t size, uint64_t expected,
		      bus_ack_fn *fn, void *arg)
{
	return put(kv, key, data, size, expected, true, fn, arg);
}

err_t bus_kv_delete(struct bus_kv *kv, const char *key, uint64_t expected, bus_ack_fn *fn, void *arg)
{
	char subject[BUS_SUBJECT_MAX];
	struct pub_params p = { .subject = subject,
				.operation = "DEL",
				.ttl_s = kv->marker_ttl_s,
				.expected = expected,
				.lazy = true,
				.fn = fn,
				.arg = arg };
	err_t e = key_subject(kv, key, subject);

	return e ? e : pubs_submit(kv->bus, &p);
}
