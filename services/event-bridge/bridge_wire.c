#include "bridge_wire.h"

#include "base/clock.h"
#include "base/str.h"
#include "events/events_batch.h"
#include "pbcheck/pbcheck.h"
#include "pbjson/pbjson.h"
#include "trunkline/event/v1/event.pb-c.h"

#include <stdio.h>
#include <string.h>

#define EVENT_DESC trunkline__event__v1__event__descriptor
#define EVENT_TYPE "trunkline.event.v1.Event"

struct subject {
	char tenant[64], domain[64], key[130];
};

static bool next_token(const char **at, char *to, size_t size)
{
	size_t n = strcspn(*at, ".");

	if (n == 0 || n >= size)
		return false;
	memcpy(to, *at, n);
	to[n] = '\0';
	*at += n + ((*at)[n] == '.');
	return true;
}

/* ev.<tenant>.<domain>.<key> */
static bool parse_subject(struct subject *s, const char *subject)
{
	const char *at = subject;
	char ev[4];

	return next_token(&at, ev, sizeof(ev)) && strcmp(ev, "ev") == 0 &&
	       next_token(&at, s->tenant, sizeof(s->tenant)) && next_token(&at, s->domain, sizeof(s->domain)) &&
	       next_token(&at, s->key, sizeof(s->key)) && *at == '\0';
}

const char *bridge_word(const char **at, size_t *n)
{
	const char *word = *at + strspn(*at, ", ");

	*n = strcspn(word, ", ");
	*at = word + *n;
	return *n ? word : NULL;
}

static bool listed(const char *list, const char *word)
{
	size_t n, len = strlen(word);

	for (const char *at = list, *w; (w = bridge_word(&at, &n)) != NULL;) {
		if (n == len && memcmp(w, word, n) == 0)
			return true;
	}
	return false;
}

/* The name of the message in the oneof: "trunkline.event.v1.CallOffered". A newer kind than we know is just an Event. */
static const char *type_name(const Trunkline__Event__V1__Event *ev)
{
	const ProtobufCFieldDescriptor *fd = NULL;

	if (ev->body_case != TRUNKLINE__EVENT__V1__EVENT__BODY__NOT_SET)
		fd = protobuf_c_message_descriptor_get_field(&EVENT_DESC, (unsigned)ev->body_case);
	return fd && fd->type == PROTOBUF_C_TYPE_MESSAGE ? ((const ProtobufCMessageDescriptor *)fd->descriptor)->name
							 : EVENT_TYPE;
}

/* A header value: visible, of bounded length; who reads the topic may print it. */
static err_t header_text(const char *field, const char *text, size_t max, struct err_detail *detail)
{
	size_t n = 0;

	for (; text[n]; n++)
		if ((unsigned char)text[n] < ' ' || text[n] == 127)
			return err_set(detail, ERR_INVALID, field, "must have no control characters");
	return n < max ? ERR_OK : err_set(detail, ERR_INVALID, field, "must be shorter than %zu bytes", max);
}

static err_t check(const Trunkline__Event__V1__Event *ev, const struct subject *s, const struct bridge_record *r,
		   struct err_detail *detail)
{
	err_t e;

	if (!ev->id[0])
		return err_set(detail, ERR_INVALID, "id", "must not be empty");
	if (strcmp(ev->tenant, s->tenant) != 0)
		return err_set(detail, ERR_INVALID, "tenant", "must be the tenant of the subject");
	if (ev->time_ms <= 0 || ev->time_ms > 253402300799999LL)
		return err_set(detail, ERR_INVALID, "time_ms", "must be a time in milliseconds since 1970");
	e = header_text("id", ev->id, sizeof(r->id), detail);
	return e ? e : header_text("source", ev->source, sizeof(r->instance), detail);
}

/* In a batch each event has its own domain and key: its call's or agent's. */
static err_t place_of_event(struct subject *s, const Trunkline__Event__V1__Event *ev, struct err_detail *detail)
{
	bool agent = ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_AGENT_STATE_CHANGED;
	const char *key = agent ? ev->agent_id : ev->call_id;

	if (!key[0] || strlen(key) >= sizeof(s->key) || strpbrk(key, " .*>"))
		return err_set(detail, ERR_INVALID, agent ? "agent_id" : "call_id",
			       "must be the id that the event is of");
	(void)strcpy(s->key, key);
	(void)strcpy(s->domain, agent ? "agent" : "call");
	return ERR_OK;
}

static void header(struct bridge_record *r, const char *name, const char *value)
{
	if (r->n_headers < BRIDGE_HEADERS)
		r->headers[r->n_headers++] = (struct stream_header){ name, value };
}

/* The texts one after the other; cut where they do not fit, which the checks before exclude. */
static void join(char *to, size_t size, const char *const *texts, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(texts[i]);

		len = len < size - 1 - used ? len : size - 1 - used;
		memcpy(to + used, texts[i], len);
		used += len;
	}
	to[used] = '\0';
}

#define JOIN(to, ...) \
	join(to, sizeof(to), (const char *const[]){ __VA_ARGS__ }, ARRAY_SIZE(((const char *[]){ __VA_ARGS__ })))

/* source and id together identify an event for consumers, so the source must not change when another instance adopts a
 * call and publishes its last events again: it names the tenant and domain, and the instance is an extension. */
static void describe(struct bridge_record *r, const Trunkline__Event__V1__Event *ev, const struct subject *s,
		     const struct bridge_topics_wanted *wanted)
{
	JOIN(r->topic, "trunkline.", s->domain, ".v1");
	r->own_topic[0] = '\0';
	if (wanted->tenants && listed(wanted->tenants, s->tenant))
		JOIN(r->own_topic, "trunkline.tenant.", s->tenant, ".", s->domain, ".v1");
	JOIN(r->key, s->tenant, ":", s->key);
	JOIN(r->id, ev->id);
	JOIN(r->type, type_name(ev));
	JOIN(r->source, "/trunkline/tenants/", s->tenant, "/", s->domain);
	JOIN(r->subject, s->key);
	JOIN(r->instance, ev->source);
	(void)clock_text(ev->time_ms, r->time);
	r->time_ms = ev->time_ms;
	r->n_headers = 0;
	header(r, "ce_specversion", "1.0");
	header(r, "ce_id", r->id);
	header(r, "ce_type", r->type);
	header(r, "ce_source", r->source);
	header(r, "ce_time", r->time);
	header(r, "ce_subject", r->subject);
	header(r, "ce_instance", r->instance);
	header(r, "content-type", wanted->json ? "application/json" : "application/protobuf");
}

err_t bridge_record_from(struct bridge_record *r, const char *subject, const void *bytes, size_t size,
			 const struct bridge_topics_wanted *wanted, struct err_detail *detail)
{
	ProtobufCMessage *msg = NULL;
	struct subject s;
	err_t e;

	r->n_headers = 0;
	r->json = (struct str)STR_INIT;
	if (!parse_subject(&s, subject))
		return err_set(detail, ERR_INVALID, "subject", "must be ev.<tenant>.<domain>.<key>");
	if (!listed(wanted->domains, s.domain))
		return err_set(detail, ERR_INVALID, "subject", "domain %s has no topic (kafka.domains)", s.domain);
	e = pbcheck_view(&msg, &EVENT_DESC, bytes, size, detail);
	if (e)
		return e;
	e = check((const Trunkline__Event__V1__Event *)msg, &s, r, detail);
	if (!e && events_is_batch(subject))
		e = place_of_event(&s, (const Trunkline__Event__V1__Event *)msg, detail);
	if (!e)
		describe(r, (const Trunkline__Event__V1__Event *)msg, &s, wanted);
	r->value = bytes;
	r->size = size;
	if (!e && wanted->json) {
		e = pbjson_print(&r->json, msg, 0, detail);
		r->value = r->json.data;
		r->size = r->json.len;
	}
	pbcheck_view_done(msg);
	return e;
}

void bridge_record_dead(struct bridge_record *r, const char *subject, const void *bytes, size_t size, int64_t time_ms,
			const struct err_detail *why)
{
	*r = (struct bridge_record){ .json = STR_INIT, .value = bytes, .size = size, .time_ms = time_ms };
	(void)snprintf(r->topic, sizeof(r->topic), "%s", BRIDGE_DEAD_LETTER);
	(void)snprintf(r->key, sizeof(r->key), "%.200s", subject);
	(void)snprintf(r->subject, sizeof(r->subject), "%.200s", subject);
	(void)snprintf(r->source, sizeof(r->source), "%.90s: %.100s", why->field, why->message);
	header(r, "subject", r->subject);
	header(r, "reason", r->source);
}

void bridge_record_done(struct bridge_record *r)
{
	str_done(&r->json);
}
