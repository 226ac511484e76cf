#include "media_wire.h"

#include <string.h>

#include "base/mem.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/media/v1/media.pb-c.h"

typedef Trunkline__Media__V1__MediaCommand pb_command;
typedef Trunkline__Media__V1__MediaEvent pb_event;

#define BATCH_MAX 4096
#define SDP_MAX	  16384

/* ---- commands ---- */
/* Stands in subjects and file names. */
static bool token(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && n < COMMAND_ID && s[n] == '\0';
}

static err_t take_token(char dst[COMMAND_ID], const char *s, const char *field, struct err_detail *d)
{
	if (!token(s))
		return err_set(d, ERR_INVALID, field, "1-63 characters of A-Z a-z 0-9 _ - expected");
	memcpy(dst, s, strlen(s) + 1);
	return ERR_OK;
}

static err_t take_sdp(struct command *c, const ProtobufCBinaryData *sdp, struct err_detail *d)
{
	if (sdp->len > SDP_MAX)
		return err_set(d, ERR_INVALID, "sdp", "at most %d bytes expected", SDP_MAX);
	c->sdp = sdp->data;
	c->sdp_size = sdp->len;
	return ERR_OK;
}

static err_t take_play(struct command_play *p, const Trunkline__Media__V1__Play *pb, struct err_detail *d)
{
	if (pb->n_sha256 > COMMAND_PROMPTS)
		return err_set(d, ERR_INVALID, "play.sha256", "at most %d prompts expected", COMMAND_PROMPTS);
	if (pb->tone > TRUNKLINE__MEDIA__V1__TONE__TONE_BUSY)
		return err_set(d, ERR_INVALID, "play.tone", "%d is no tone", (int)pb->tone);
	if ((pb->n_sha256 == 0) == (pb->tone == 0))
		return err_set(d, ERR_INVALID, "play", "either prompts or a tone expected");
	for (size_t i = 0; i < pb->n_sha256; i++) {
		if (strlen(pb->sha256[i]) != 64 || strspn(pb->sha256[i], "0123456789abcdef") != 64)
			return err_set(d, ERR_INVALID, "play.sha256", "64 lower-case hex digits expected");
		memcpy(p->sha256[i], pb->sha256[i], COMMAND_HASH);
	}
	p->n = (unsigned)pb->n_sha256;
	p->tone = (enum media_tone)pb->tone;
	p->loop = pb->loop;
	p->stop_on_digit = pb->stop_on_digit;
	p->play_id = pb->play_id;
	return ERR_OK;
}

static err_t take_record(struct command *c, const Trunkline__Media__V1__Record *pb, struct err_detail *d)
{
	c->on = pb->on;
	if (!pb->on && !*pb->recording_id)
		return ERR_OK;
	return take_token(c->other, pb->recording_id, "record.recording_id", d);
}

static err_t take_body(struct command *c, const pb_command *pb, struct err_detail *d)
{
	switch (pb->command_case) {
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CREATE:
		c->kind = COMMAND_CREATE;
		c->srtp = pb->create->srtp;
		c->reanchor = pb->create->reanchor;
		return take_sdp(c, &pb->create->remote_sdp, d);
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_REMOTE:
		c->kind = COMMAND_REMOTE;
		c->sdp_is_offer = pb->remote->is_offer;
		return take_sdp(c, &pb->remote->sdp, d);
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_FREE:
		c->kind = COMMAND_FREE;
		return ERR_OK;
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_PLAY:
		c->kind = COMMAND_PLAY;
		return take_play(&c->play, pb->play, d);
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_STOP_PLAY:
		c->kind = COMMAND_STOP_PLAY;
		return ERR_OK;
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_BRIDGE:
		c->kind = COMMAND_BRIDGE;
		return take_token(c->other, pb->bridge->other_leg_id, "bridge.other_leg_id", d);
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_UNBRIDGE:
		c->kind = COMMAND_UNBRIDGE;
		return ERR_OK;
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_RECORD:
		c->kind = COMMAND_RECORD;
		return take_record(c, pb->record, d);
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CALL_FREE:
		c->kind = COMMAND_CALL_FREE;
		return ERR_OK;
	case TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_ATTACH:
		c->kind = COMMAND_ATTACH;
		return ERR_OK;
	default:
		return err_set(d, ERR_INVALID, "command", "none that is known here");
	}
}

static err_t command_from_pb(struct command *c, const pb_command *pb, struct err_detail *d)
{
	err_t e = take_token(c->tenant, pb->tenant, "tenant", d);

	if (!e && !str_is_id(c->tenant))
		e = err_set(d, ERR_INVALID, "tenant", "[a-z0-9][a-z0-9-]{0,62} expected");
	if (!e)
		e = take_token(c->call_id, pb->call_id, "call_id", d);
	if (!e && (pb->command_case != TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CALL_FREE || *pb->leg_id))
		e = take_token(c->leg_id, pb->leg_id, "leg_id", d);
	if (!e && pb->epoch == 0)
		e = err_set(d, ERR_INVALID, "epoch", "at least 1 expected");
	c->epoch = pb->epoch;
	c->request = pb->request;
	c->quiet = pb->quiet;
	return e ? e : take_body(c, pb, d);
}

err_t commands_from_pb(const void *bytes, size_t size, void (*on_command)(const struct command *c, void *arg),
		       void (*on_bad)(const struct command *c, const struct err_detail *d, void *arg), void *arg,
		       struct err_detail *detail)
{
	Trunkline__Media__V1__MediaCommands *pb;
	ProtobufCMessage *msg;
	char owner[COMMAND_ID];
	struct command *c;
	err_t e;

	e = pbcheck_view(&msg, &trunkline__media__v1__media_commands__descriptor, bytes, size, detail);
	if (e)
		return e;
	pb = (Trunkline__Media__V1__MediaCommands *)msg;
	c = mem_alloc(sizeof(*c));
	e = c ? take_token(owner, pb->owner, "owner", detail) : ERR_EXHAUSTED;
	if (!e && pb->n_commands > BATCH_MAX)
		e = err_set(detail, ERR_INVALID, "commands", "at most %d expected", BATCH_MAX);
	for (size_t i = 0; !e && i < pb->n_commands; i++) {
		struct err_detail d = { "", "" };

		memset(c, 0, sizeof(*c));
		memcpy(c->owner, owner, sizeof(owner));
		if (command_from_pb(c, pb->commands[i], &d))
			on_bad(c, &d, arg);
		else
			on_command(c, arg);
	}
	mem_free(c);
	pbcheck_view_done(msg);
	return e;
}

/* ---- events ---- */
static void put_varint(struct str *out, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		str_append_c(out, (char)(v | 0x80));
	str_append_c(out, (char)v);
}

/* Field 2 of MediaEvents, appended: concatenation is how repeated fields grow. */
static void append_event(struct str *batch, const pb_event *pb)
{
	uint8_t small[1024], *bytes = small;
	size_t n = protobuf_c_message_get_packed_size(&pb->base);

	if (n > sizeof(small))
		bytes = mem_alloc(n);
	if (!bytes) {
		batch->failed = true;
		return;
	}
	protobuf_c_message_pack(&pb->base, bytes);
	str_append_c(batch, 0x12);
	put_varint(batch, n);
	str_append_n(batch, bytes, n);
	if (bytes != small)
		mem_free(bytes);
}

union body {
	Trunkline__Media__V1__EndpointReady ready;
	Trunkline__Media__V1__PlayDone play_done;
	Trunkline__Media__V1__Digit digit;
	Trunkline__Media__V1__RecordDone record_done;
	Trunkline__Media__V1__MediaFailed failed;
	Trunkline__Media__V1__MediaTimeout timeout;
	Trunkline__Media__V1__EndpointFreed freed;
};

static void fill_record_done(Trunkline__Media__V1__RecordDone *b, const struct event *ev)
{
	trunkline__media__v1__record_done__init(b);
	b->recording_id = (char *)ev->record_done.recording_id;
	b->path = (char *)ev->record_done.path;
	b->duration_ms = ev->record_done.duration_ms;
	b->size_bytes = ev->record_done.size_bytes;
}

static void fill_freed(Trunkline__Media__V1__EndpointFreed *b, const struct event_counts *c)
{
	trunkline__media__v1__endpoint_freed__init(b);
	b->packets_in = c->packets_in;
	b->packets_out = c->packets_out;
	b->packets_lost = c->packets_lost;
	b->jitter_us = c->jitter_us;
	b->round_trip_us = c->round_trip_us;
}

static void fill_failed(Trunkline__Media__V1__MediaFailed *b, const struct event *ev)
{
	trunkline__media__v1__media_failed__init(b);
	b->what = (char *)command_name(ev->failed.what);
	b->error = ev->failed.error;
	b->message = (char *)ev->failed.message;
}

static void fill_play_done(Trunkline__Media__V1__PlayDone *b, const struct event *ev)
{
	trunkline__media__v1__play_done__init(b);
	b->play_id = ev->play_done.play_id;
	b->interrupted = ev->play_done.interrupted;
	b->missing_sha256 = (char *)ev->play_done.missing;
}

/* digit: storage of two bytes. */
static void fill(pb_event *pb, union body *b, const struct event *ev, char *digit)
{
	switch (ev->kind) {
	case EVENT_READY:
		trunkline__media__v1__endpoint_ready__init(&b->ready);
		b->ready.sdp = (ProtobufCBinaryData){ ev->ready.size, (uint8_t *)ev->ready.sdp };
		pb->event_case = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_READY;
		break;
	case EVENT_PLAY_DONE:
		fill_play_done(&b->play_done, ev);
		pb->event_case = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_PLAY_DONE;
		break;
	case EVENT_DIGIT:
		trunkline__media__v1__digit__init(&b->digit);
		digit[0] = ev->digit.digit;
		b->digit.digit = digit;
		b->digit.duration_ms = ev->digit.duration_ms;
		pb->event_case = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_DIGIT;
		break;
	case EVENT_RECORD_DONE:
		fill_record_done(&b->record_done, ev);
		pb->event_case = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_RECORD_DONE;
		break;
	case EVENT_FAILED:
		fill_failed(&b->failed, ev);
		pb->event_case = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_FAILED;
		break;
	case EVENT_TIMEOUT:
		trunkline__media__v1__media_timeout__init(&b->timeout);
		b->timeout.silence_ms = ev->timeout.silence_ms;
		pb->event_case = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_TIMEOUT;
		break;
	case EVENT_FREED:
		fill_freed(&b->freed, &ev->freed);
		pb->event_case = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_FREED;
		break;
	}
}

void event_to_pb(const struct event *ev, const char *instance, struct str *batch)
{
	pb_event pb = TRUNKLINE__MEDIA__V1__MEDIA_EVENT__INIT;
	char digit[2] = "";
	union body b;

	if (batch->len == 0) {
		str_append_c(batch, 0x0a);
		put_varint(batch, strlen(instance));
		str_append(batch, instance);
	}
	pb.tenant = (char *)ev->tenant;
	pb.call_id = (char *)ev->call_id;
	pb.leg_id = (char *)ev->leg_id;
	pb.request = ev->request;
	pb.time_ms = ev->time_ms;
	pb.ready = (void *)&b; /* all members of the oneof share one pointer */
	fill(&pb, &b, ev, digit);
	append_event(batch, &pb);
}

void heartbeat_to_pb(const char *instance, const char *pool, unsigned load, unsigned capacity, bool draining,
		     uint64_t incarnation, struct str *out)
{
	Trunkline__Media__V1__Heartbeat pb = TRUNKLINE__MEDIA__V1__HEARTBEAT__INIT;
	uint8_t bytes[256];

	pb.instance = (char *)instance;
	pb.service = (char *)"media";
	pb.pool = (char *)pool;
	pb.load = load;
	pb.capacity = capacity;
	pb.draining = draining;
	pb.incarnation = incarnation;
	if (protobuf_c_message_get_packed_size(&pb.base) <= sizeof(bytes))
		str_append_n(out, bytes, protobuf_c_message_pack(&pb.base, bytes));
}
