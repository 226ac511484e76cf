/*
 * The events of Kafka, read from their bytes in one pass, as this is what reporting does most. protobuf-c would allocate each
 * text and each message; here the texts stay where they are and nothing is allocated. What is let through and what comes out is
 * the same as with pbcheck and protobuf-c: event_wire_test.c compares both on random messages, made from the generated
 * descriptors, so that a member that is missing in the tables below is noticed.
 */
#include "event_wire.h"

#include <stdio.h>
#include "base/str.h"
#include "pbcheck/pbcheck.h"

enum type {
	UNKNOWN, /* passed over */
	TEXT,
	NUMBER,
	ENUM, /* 32 bits */
	BODY,
};
struct message;
struct member {
	const char *name;
	enum type type;
	size_t to; /* offset in struct kpi_event; 0: checked, not kept */
	const struct message *body;
};
struct message {
	enum kpi_kind kind;
	size_t n;
	const struct member *members; /* by field number */
};

#define INTO(member) offsetof(struct kpi_event, member)
#define MESSAGE(k, fields)                                                \
	{                                                                 \
		.kind = (k), .n = ARRAY_SIZE(fields), .members = (fields) \
	}

static const struct member call_offered[] = {
	[1] = { "caller", TEXT, INTO(caller) },
	[2] = { "called", TEXT, INTO(called) },
	[3] = { "trunk_id", TEXT, INTO(trunk_id) },
	[4] = { "direction", TEXT },
	[5] = { "sip_call_id", TEXT },
};
static const struct member flow_step_entered[] = {
	[1] = { "flow_id", TEXT },
	[2] = { "step_id", TEXT },
	[3] = { "kind", TEXT },
};
static const struct member digits_collected[] = {
	[1] = { "step_id", TEXT },
	[2] = { "variable", TEXT },
	[3] = { "digits", TEXT, INTO(digits) },
	[4] = { "end", TEXT },
};
static const struct member enqueued[] = {
	[1] = { "arrival_ms", NUMBER, INTO(arrival_ms) },
	[2] = { "priority", NUMBER },
	[3] = { "service_level_ms", NUMBER, INTO(service_level_ms) },
};
static const struct member reserved[] = {
	[1] = { "router_epoch", NUMBER },
	[2] = { "attempt", NUMBER },
	[3] = { "waited_ms", NUMBER },
};
static const struct member agent_no_answer[] = {
	[1] = { "cause", TEXT, INTO(cause) },
	[2] = { "status", NUMBER },
	[3] = { "rang_ms", NUMBER },
};
static const struct member agent_answered[] = {
	[1] = { "waited_ms", NUMBER, INTO(waited_ms) },
	[2] = { "rang_ms", NUMBER },
	[3] = { "service_level_ms", NUMBER, INTO(service_level_ms) },
};
static const struct member held[] = {
	[1] = { "by", TEXT },
};
static const struct member retrieved[] = {
	[1] = { "held_ms", NUMBER },
};
static const struct member leg_finished[] = {
	[1] = { "kind", TEXT },		  [2] = { "cause", TEXT },	   [3] = { "status", NUMBER },
	[4] = { "packets_in", NUMBER },	  [5] = { "packets_out", NUMBER }, [6] = { "packets_lost", NUMBER },
	[7] = { "jitter_us", NUMBER },
};
static const struct member dequeued[] = {
	[1] = { "cause", TEXT, INTO(cause) },
	[2] = { "waited_ms", NUMBER, INTO(waited_ms) },
	[3] = { "service_level_ms", NUMBER, INTO(service_level_ms) },
};
static const struct member variable[] = {
	[1] = { "name", TEXT },
	[2] = { "value", TEXT },
};
static const struct message variable_message = MESSAGE(KPI_OTHER, variable);
static const struct member call_ended[] = {
	[1] = { "cause", TEXT, INTO(cause) },
	[2] = { "offered_ms", NUMBER, INTO(offered_ms) },
	[3] = { "answered_ms", NUMBER, INTO(answered_ms) },
	[4] = { "queued_ms", NUMBER },
	[5] = { "agent_answered_ms", NUMBER, INTO(agent_answered_ms) },
	[6] = { "ended_ms", NUMBER, INTO(ended_ms) },
	[7] = { "wait_ms", NUMBER, INTO(wait_ms) },
	[8] = { "talk_ms", NUMBER, INTO(talk_ms) },
	[9] = { "hold_ms", NUMBER, INTO(hold_ms) },
	[10] = { "disposition", TEXT, INTO(disposition) },
	[11] = { "recording_id", TEXT, INTO(recording_id) },
	[12] = { "caller", TEXT },
	[13] = { "called", TEXT },
	[14] = { "variables", BODY, 0, &variable_message },
	[15] = { "last_seq", NUMBER },
};
static const struct member recording_started[] = {
	[1] = { "recording_id", TEXT },
};
static const struct member recording_stopped[] = {
	[1] = { "recording_id", TEXT },	 [2] = { "path", TEXT },   [3] = { "started_ms", NUMBER },
	[4] = { "duration_ms", NUMBER }, [5] = { "caller", TEXT }, [6] = { "called", TEXT },
	[7] = { "media_instance", TEXT },
};
static const struct member recording_stored[] = {
	[1] = { "recording_id", TEXT },
	[2] = { "duration_ms", NUMBER },
	[3] = { "size_bytes", NUMBER },
	[4] = { "format", TEXT },
};
static const struct member call_adopted[] = {
	[1] = { "from_instance", TEXT },
	[2] = { "epoch", NUMBER },
};
static const struct member media_reanchored[] = {
	[1] = { "from_instance", TEXT },
	[2] = { "to_instance", TEXT },
};
static const struct member recording_refused[] = {
	[1] = { "cause", TEXT },
};
static const struct member agent_state_changed[] = {
	[1] = { "from", ENUM, INTO(state) },
	[2] = { "to", NUMBER },
	[3] = { "duration_ms", NUMBER, INTO(duration_ms) },
	[4] = { "cause", TEXT },
	[5] = { "reason", TEXT },
};
static const struct member audit_entry[] = {
	[1] = { "actor", TEXT },       [2] = { "action", TEXT },     [3] = { "resource", TEXT },
	[4] = { "before_json", TEXT }, [5] = { "after_json", TEXT }, [6] = { "peer", TEXT },
};
static const struct member tenant_purged[] = {
	[1] = { "delete_time_ms", NUMBER },
};
static const struct member quota_refused[] = {
	[1] = { "quota", TEXT },
	[2] = { "limit", NUMBER },
};

/* Of an Event; a body's kind is that of its message. */
static const struct message empty = { .kind = KPI_OTHER }, answered_message = { .kind = KPI_CALL_ANSWERED };
static const struct message call_offered_message = MESSAGE(KPI_OFFERED, call_offered),
			    flow_step_entered_message = MESSAGE(KPI_OTHER, flow_step_entered),
			    digits_collected_message = MESSAGE(KPI_DIGITS, digits_collected),
			    enqueued_message = MESSAGE(KPI_ENQUEUED, enqueued),
			    reserved_message = MESSAGE(KPI_RESERVED, reserved),
			    agent_no_answer_message = MESSAGE(KPI_NO_ANSWER, agent_no_answer),
			    agent_answered_message = MESSAGE(KPI_AGENT_ANSWERED, agent_answered),
			    held_message = MESSAGE(KPI_OTHER, held), retrieved_message = MESSAGE(KPI_OTHER, retrieved),
			    leg_finished_message = MESSAGE(KPI_OTHER, leg_finished),
			    dequeued_message = MESSAGE(KPI_DEQUEUED, dequeued),
			    call_ended_message = MESSAGE(KPI_ENDED, call_ended),
			    recording_started_message = MESSAGE(KPI_OTHER, recording_started),
			    recording_stopped_message = MESSAGE(KPI_OTHER, recording_stopped),
			    recording_stored_message = MESSAGE(KPI_OTHER, recording_stored),
			    call_adopted_message = MESSAGE(KPI_OTHER, call_adopted),
			    media_reanchored_message = MESSAGE(KPI_OTHER, media_reanchored),
			    recording_refused_message = MESSAGE(KPI_OTHER, recording_refused),
			    agent_state_changed_message = MESSAGE(KPI_AGENT_STATE, agent_state_changed),
			    audit_entry_message = MESSAGE(KPI_OTHER, audit_entry),
			    tenant_purged_message = MESSAGE(KPI_OTHER, tenant_purged),
			    quota_refused_message = MESSAGE(KPI_OTHER, quota_refused);

static const struct member event[] = {
	[1] = { "id", TEXT },
	[2] = { "tenant", TEXT, INTO(tenant) },
	[3] = { "site", TEXT },
	[4] = { "time_ms", NUMBER, INTO(time_ms) },
	[5] = { "seq", NUMBER, INTO(seq) },
	[6] = { "source", TEXT },
	[7] = { "call_id", TEXT, INTO(call_id) },
	[8] = { "leg_id", TEXT },
	[9] = { "agent_id", TEXT, INTO(agent_id) },
	[10] = { "queue_id", TEXT, INTO(queue_id) },
	[20] = { "call_offered", BODY, 0, &call_offered_message },
	[21] = { "call_answered", BODY, 0, &answered_message },
	[22] = { "flow_step_entered", BODY, 0, &flow_step_entered_message },
	[23] = { "digits_collected", BODY, 0, &digits_collected_message },
	[24] = { "enqueued", BODY, 0, &enqueued_message },
	[25] = { "reserved", BODY, 0, &reserved_message },
	[26] = { "agent_ringing", BODY, 0, &empty },
	[27] = { "agent_no_answer", BODY, 0, &agent_no_answer_message },
	[28] = { "agent_answered", BODY, 0, &agent_answered_message },
	[29] = { "bridged", BODY, 0, &empty },
	[30] = { "held", BODY, 0, &held_message },
	[31] = { "retrieved", BODY, 0, &retrieved_message },
	[32] = { "leg_finished", BODY, 0, &leg_finished_message },
	[33] = { "dequeued", BODY, 0, &dequeued_message },
	[34] = { "call_ended", BODY, 0, &call_ended_message },
	[35] = { "recording_started", BODY, 0, &recording_started_message },
	[36] = { "recording_stopped", BODY, 0, &recording_stopped_message },
	[37] = { "call_adopted", BODY, 0, &call_adopted_message },
	[38] = { "media_reanchored", BODY, 0, &media_reanchored_message },
	[39] = { "recording_refused", BODY, 0, &recording_refused_message },
	[50] = { "agent_state_changed", BODY, 0, &agent_state_changed_message },
	[60] = { "recording_stored", BODY, 0, &recording_stored_message },
	[70] = { "audit_entry", BODY, 0, &audit_entry_message },
	[71] = { "tenant_purged", BODY, 0, &tenant_purged_message },
	[72] = { "quota_refused", BODY, 0, &quota_refused_message },
};
static const struct message event_message = MESSAGE(KPI_OTHER, event);

/* ---- wire ---------------------------------------------------------------------------------------------------------------- */

enum wire { VARINT = 0, I64 = 1, LEN = 2, I32 = 5 };

struct reader {
	struct kpi_event *ev;
	bool body; /* one of the oneof has been read */
	unsigned fields;
	struct err_detail *detail;
};

/* At most max_bytes of them; NULL: cut off or too long. Bits beyond 64 are dropped. */
static const uint8_t *long_varint(const uint8_t *p, const uint8_t *end, unsigned max_bytes, uint64_t *ret)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < max_bytes && p < end; i++) {
		uint8_t b = *p++;

		v |= (uint64_t)(b & 0x7f) << (7 * i);
		if (b < 0x80) {
			*ret = v;
			return p;
		}
	}
	return NULL;
}

static inline const uint8_t *varint(const uint8_t *p, const uint8_t *end, unsigned max_bytes, uint64_t *ret)
{
	if (p == end || *p >= 0x80)
		return long_varint(p, end, max_bytes, ret);
	*ret = *p;
	return p + 1;
}

static const uint8_t *skip(const uint8_t *p, const uint8_t *end, size_t n)
{
	return (size_t)(end - p) < n ? NULL : p + n;
}

#define ONES UINT64_C(0x0101010101010101)
#define HIGH UINT64_C(0x8080808080808080)

/* Eight bytes of a text of n > 0 bytes from i on, or its last ones: words overlap, a short text is filled up with its own. */
static inline uint64_t word_at(const uint8_t *p, size_t n, size_t i)
{
	uint64_t v = 0;
	uint32_t a, b;

	if (n >= 8) {
		memcpy(&v, p + (i + 8 <= n ? i : n - 8), 8);
		return v;
	}
	if (n >= 4) {
		memcpy(&a, p, 4);
		memcpy(&b, p + n - 4, 4);
		return a | (uint64_t)b << 32;
	}
	return p[0] * ONES ^ (uint64_t)(p[0] ^ p[n / 2]) << 8 ^ (uint64_t)(p[0] ^ p[n - 1]) << 16;
}

/* Text of ASCII without NUL is what nearly all is: eight bytes at once. */
static inline bool text_ok(const uint8_t *p, size_t n)
{
	uint64_t odd = 0;

	for (size_t i = 0; i < n; i += 8) {
		uint64_t v = word_at(p, n, i);

		odd |= v | (v - ONES);
	}
	return !(odd & HIGH) || str_utf8_valid(p, n);
}

static err_t refuse(const struct reader *r, const struct member *of, const struct member *m, const char *why)
{
	char path[sizeof(r->detail->field)];

	(void)snprintf(path, sizeof(path), "%s%s%s", of ? of->name : "", of && m ? "." : "", m ? m->name : "");
	return err_set(r->detail, ERR_INVALID, path, "%s", why);
}

static void keep_text(const struct reader *r, const struct member *m, const uint8_t *p, size_t n)
{
	struct kpi_text t = { (const char *)p, n };

	if (m->to)
		memcpy((char *)r->ev + m->to, &t, sizeof(t));
}

static void keep_number(const struct reader *r, const struct member *m, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	if (m->to && m->type == ENUM)
		memcpy((char *)r->ev + m->to, &low, sizeof(low));
	else if (m->to)
		memcpy((char *)r->ev + m->to, &v, sizeof(v));
}

/* What each kind has of the struct, and what only some have (kpi.h). Apart, as most events are spared the second. */
#define HEAD_BYTES offsetof(struct kpi_event, cause)
#define TAIL_BYTES (sizeof(struct kpi_event) - HEAD_BYTES)

static inline bool has_tail(enum kpi_kind kind)
{
	return kind == KPI_OFFERED || kind == KPI_DIGITS || kind == KPI_NO_ANSWER || kind == KPI_DEQUEUED ||
	       kind == KPI_ENDED;
}

static inline char *tail_of(struct kpi_event *ev)
{
	return (char *)ev + HEAD_BYTES;
}

/* A later body of the oneof takes the place of the one before it. */
static void begin_body(struct reader *r, enum kpi_kind kind)
{
	struct kpi_event *ev = r->ev;

	if (r->body)
		*ev = (struct kpi_event){ .seq = ev->seq,
					  .time_ms = ev->time_ms,
					  .tenant = ev->tenant,
					  .call_id = ev->call_id,
					  .agent_id = ev->agent_id,
					  .queue_id = ev->queue_id };
	else if (has_tail(kind))
		memset(tail_of(ev), 0, TAIL_BYTES);
	r->body = true;
	ev->kind = kind;
}

/* One member: its tag, its number or, of texts and messages, their bytes; NULL: the bytes are no protobuf. */
struct field {
	uint64_t tag;
	uint64_t v; /* the number, or how many bytes */
};
static inline const uint8_t *read_field(struct field *f, const uint8_t *p, const uint8_t *end)
{
	p = varint(p, end, 5, &f->tag);
	if (!p || f->tag >> 3 == 0 || f->tag > UINT32_MAX)
		return NULL;
	f->v = 0;
	switch (f->tag & 7) {
	case VARINT:
		return varint(p, end, 10, &f->v);
	case I64:
		return skip(p, end, 8);
	case LEN:
		p = varint(p, end, 5, &f->v);
		return p && f->v <= (uint64_t)(end - p) ? p : NULL;
	case I32:
		return skip(p, end, 4);
	default: /* groups */
		return NULL;
	}
}

static err_t read_message(struct reader *r, const struct message *msg, const struct member *of, const uint8_t *p,
			  const uint8_t *end);

/* What a known member says; p: behind the tag and the length. */
static inline err_t read_member(struct reader *r, const struct member *of, const struct member *m,
				const struct field *f, const uint8_t *p)
{
	bool bytes = m->type == TEXT || m->type == BODY;

	if ((f->tag & 7) != (bytes ? LEN : VARINT))
		return refuse(r, of, m, "has the wrong type on the wire");
	if (!bytes) {
		keep_number(r, m, f->v);
		return ERR_OK;
	}
	if (m->type == TEXT) {
		if (!text_ok(p, f->v))
			return refuse(r, of, m, "must be valid UTF-8 without NUL");
		keep_text(r, m, p, f->v);
		return ERR_OK;
	}
	if (!of)
		begin_body(r, m->body->kind);
	return read_message(r, m->body, m, p, p + f->v);
}

/* Reads one message; `of`: the member that it is, NULL for the event itself. Nested at most twice, by the tables. */
static err_t read_message(struct reader *r, const struct message *msg, const struct member *of, const uint8_t *p,
			  const uint8_t *end)
{
	struct field f;
	err_t e = ERR_OK;

	while (p < end && !e) {
		p = read_field(&f, p, end);
		if (!p)
			return refuse(r, of, NULL, "is not a protobuf message");
		if (++r->fields > PBCHECK_FIELDS_MAX)
			return refuse(r, of, NULL, "has too many fields");
		if (f.tag >> 3 < msg->n && msg->members[f.tag >> 3].type)
			e = read_member(r, of, &msg->members[f.tag >> 3], &f, p);
		if ((f.tag & 7) == LEN)
			p += f.v;
	}
	return e;
}

/* ---- what can be counted ------------------------------------------------------------------------------------------------ */

/* The high bit of each byte that is ASCII and between the two. */
static inline uint64_t between(uint64_t v, uint8_t low, uint8_t high)
{
	return ((v | HIGH) - low * ONES) & ~(v + (0x7f - high) * ONES) & ~v & HIGH;
}

/* str_is_id() */
static inline bool is_id(struct kpi_text t)
{
	const uint8_t *p = (const uint8_t *)t.at;
	uint64_t good = HIGH;

	if (t.size == 0 || t.size > 63 || *p == '-')
		return false;
	for (size_t i = 0; i < t.size; i += 8) {
		uint64_t v = word_at(p, t.size, i);

		good &= between(v, 'a', 'z') | between(v, '0', '9') | between(v, '-', '-');
	}
	return good == HIGH;
}

/* id_valid() */
static inline bool is_call_id(struct kpi_text t)
{
	uint64_t good = HIGH;

	if (t.size != 32)
		return false;
	for (size_t i = 0; i < 32; i += 8) {
		uint64_t v = word_at((const uint8_t *)t.at, 32, i);

		good &= between(v, 'a', 'f') | between(v, '0', '9');
	}
	return good == HIGH;
}

/* Sums of these never overflow: 2^50 ms are 35,000 years. */
static bool small(const int64_t *ms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ms[i] > EVENT_MS_MAX || ms[i] < -EVENT_MS_MAX)
			return false;
	return true;
}

static bool times_small(const struct kpi_event *ev)
{
	const int64_t head[] = { ev->time_ms, ev->waited_ms, ev->service_level_ms, ev->arrival_ms, ev->duration_ms };

	if (!small(head, ARRAY_SIZE(head)))
		return false;
	if (has_tail(ev->kind)) {
		const int64_t tail[] = { ev->offered_ms, ev->answered_ms, ev->agent_answered_ms,
					 ev->ended_ms,	 ev->wait_ms,	  ev->talk_ms,
					 ev->hold_ms };

		return small(tail, ARRAY_SIZE(tail));
	}
	return true;
}

static err_t check(const struct kpi_event *ev, struct err_detail *d)
{
	bool agent = ev->kind == KPI_AGENT_STATE;

	if (!is_id(ev->tenant))
		return err_set(d, ERR_INVALID, "tenant", "an id is wanted");
	if (!ev->seq || ev->seq > INT64_MAX)
		return err_set(d, ERR_INVALID, "seq", "1 or more is wanted");
	if (agent ? !is_id(ev->agent_id) : !is_call_id(ev->call_id))
		return err_set(d, ERR_INVALID, agent ? "agent_id" : "call_id", "an id is wanted");
	if ((ev->agent_id.size && !is_id(ev->agent_id)) || (ev->queue_id.size && !is_id(ev->queue_id)))
		return err_set(d, ERR_INVALID, "agent_id, queue_id", "ids are wanted");
	if (ev->time_ms <= 0)
		return err_set(d, ERR_INVALID, "time_ms", "milliseconds since 1970 are wanted");
	if (!times_small(ev))
		return err_set(d, ERR_INVALID, "…_ms", "times and spans below 2^50 ms are wanted");
	return ERR_OK;
}

err_t event_from_pb(struct kpi_event *ret, const void *data, size_t size, struct err_detail *detail)
{
	struct kpi_event ev;
	struct reader r = { .ev = &ev, .detail = detail };
	err_t e = ERR_OK;

	memset(&ev, 0, HEAD_BYTES);
	if (size)
		e = read_message(&r, &event_message, NULL, data, (const uint8_t *)data + size);
	e = e ? e : check(&ev, detail);
	if (e)
		return e;
	memcpy(ret, &ev, HEAD_BYTES);
	if (has_tail(ev.kind))
		memcpy(tail_of(ret), tail_of(&ev), TAIL_BYTES);
	return ERR_OK;
}
