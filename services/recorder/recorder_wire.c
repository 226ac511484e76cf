#include "recorder_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "pbcheck/pbcheck.h"
#include "trunkline/call/v1/quota.pb-c.h"
#include "trunkline/event/v1/event.pb-c.h"
#include "trunkline/recording/v1/recording.pb-c.h"

typedef Trunkline__Event__V1__Event pb_event;
typedef Trunkline__Recording__V1__Recording pb_recording;

static bool token(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");

	return n > 0 && n < RECORDING_ID && s[n] == '\0';
}

static err_t take_token(char dst[RECORDING_ID], const char *s, const char *field, struct err_detail *d)
{
	if (!token(s))
		return err_set(d, ERR_INVALID, field, "1-63 characters of A-Z a-z 0-9 _ - expected");
	memcpy(dst, s, strlen(s) + 1);
	return ERR_OK;
}

static err_t take_optional(char dst[RECORDING_ID], const char *s, const char *field, struct err_detail *d)
{
	return *s ? take_token(dst, s, field, d) : ERR_OK;
}

/* Numbers are shown and searched for, never used for anything else: any text that fits. */
static err_t take_text(char dst[RECORDING_ID], const char *s, const char *field, struct err_detail *d)
{
	if (str_copy(dst, RECORDING_ID, s))
		return ERR_OK;
	return err_set(d, ERR_INVALID, field, "at most 63 bytes expected");
}

/* ---- events ---- */
static err_t take_envelope(struct recording *r, const pb_event *ev, struct err_detail *d)
{
	err_t e = take_token(r->tenant, ev->tenant, "tenant", d);

	if (!e && !str_is_id(r->tenant))
		e = err_set(d, ERR_INVALID, "tenant", "[a-z0-9][a-z0-9-]{0,62} expected");
	if (!e)
		e = take_optional(r->call_id, ev->call_id, "call_id", d);
	if (!e)
		e = take_optional(r->leg_id, ev->leg_id, "leg_id", d);
	if (!e)
		e = take_optional(r->agent_id, ev->agent_id, "agent_id", d);
	return e ? e : take_optional(r->queue_id, ev->queue_id, "queue_id", d);
}

static err_t take_stopped(struct fact *f, const Trunkline__Event__V1__RecordingStopped *pb, struct err_detail *d)
{
	err_t e = take_token(f->r.id, pb->recording_id, "recording_stopped.recording_id", d);

	f->kind = FACT_STOPPED;
	f->r.started_ms = pb->started_ms > 0 ? pb->started_ms : f->time_ms;
	/* A number too long for us is cut, not a reason to lose a recording. */
	(void)str_copy(f->r.caller, sizeof(f->r.caller), pb->caller);
	(void)str_copy(f->r.called, sizeof(f->r.called), pb->called);
	return e;
}

static err_t take_fact(struct fact *f, const pb_event *ev, struct err_detail *d)
{
	err_t e;

	f->time_ms = ev->time_ms;
	if (ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_TENANT_PURGED) {
		f->kind = FACT_PURGED;
		return take_envelope(&f->r, ev, d);
	}
	if (ev->body_case != TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STARTED &&
	    ev->body_case != TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STOPPED)
		return ERR_OK;
	e = take_envelope(&f->r, ev, d);
	if (e)
		return e;
	if (ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STOPPED)
		return take_stopped(f, ev->recording_stopped, d);
	f->kind = FACT_STARTED;
	f->r.started_ms = ev->time_ms;
	return take_token(f->r.id, ev->recording_started->recording_id, "recording_started.recording_id", d);
}

err_t fact_from_pb(struct fact *ret, const void *bytes, size_t size, struct err_detail *detail)
{
	ProtobufCMessage *msg;
	err_t e = pbcheck_view(&msg, &trunkline__event__v1__event__descriptor, bytes, size, detail);

	if (e)
		return e;
	*ret = (struct fact){ 0 };
	e = take_fact(ret, (const pb_event *)msg, detail);
	pbcheck_view_done(msg);
	return e;
}

err_t stored_emit(struct events *events, const struct recording *r, bus_ack_fn *fn, void *arg)
{
	Trunkline__Event__V1__RecordingStored body = TRUNKLINE__EVENT__V1__RECORDING_STORED__INIT;
	pb_event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
	char id[RECORDING_ID + 16];

	snprintf(id, sizeof(id), "%s.stored", r->id);
	ev.id = id;
	ev.tenant = (char *)r->tenant;
	ev.time_ms = r->stored_ms;
	ev.call_id = (char *)r->call_id;
	ev.leg_id = (char *)r->leg_id;
	ev.agent_id = (char *)r->agent_id;
	ev.queue_id = (char *)r->queue_id;
	ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STORED;
	ev.recording_stored = &body;
	body.recording_id = (char *)r->id;
	body.duration_ms = (int64_t)r->samples / 8;
	body.size_bytes = r->stereo_bytes;
	body.format = (char *)"mp3-stereo";
	return events_emit(events, "recording", *r->call_id ? r->call_id : r->id, &ev, fn, arg);
}

err_t use_to_pb(struct str *out, uint64_t bytes)
{
	Trunkline__Call__V1__RecordingUse m = TRUNKLINE__CALL__V1__RECORDING_USE__INIT;
	uint8_t packed[16];

	m.bytes = bytes;
	str_append_n(out, packed, trunkline__call__v1__recording_use__pack(&m, packed));
	return out->failed ? ERR_EXHAUSTED : ERR_OK;
}

err_t use_from_pb(uint64_t *ret_bytes, const void *data, size_t size, struct err_detail *detail)
{
	ProtobufCMessage *msg;
	err_t e = pbcheck_view(&msg, &trunkline__call__v1__recording_use__descriptor, data, size, detail);

	if (e)
		return e;
	*ret_bytes = ((const Trunkline__Call__V1__RecordingUse *)msg)->bytes;
	pbcheck_view_done(msg);
	return ERR_OK;
}

/* ---- requests ---- */
/* "<started_ms>.<id>" of the last one seen. */
static err_t take_page_token(struct store_filter *f, const char *text, struct err_detail *d)
{
	char *end;

	if (!*text)
		return ERR_OK;
	f->after_ms = strtoll(text, &end, 10);
	if (end == text || *end != '.' || !token(end + 1))
		return err_set(d, ERR_INVALID, "page_token", "the next_page_token of an earlier answer expected");
	(void)str_copy(f->after_id, sizeof(f->after_id), end + 1);
	return ERR_OK;
}

static err_t check_ranges(const struct store_filter *f, struct err_detail *d)
{
	if (f->from_ms < 0 || f->to_ms < 0)
		return err_set(d, ERR_INVALID, f->from_ms < 0 ? "from_ms" : "to_ms",
			       "milliseconds since 1970 expected");
	if (f->to_ms && f->to_ms <= f->from_ms)
		return err_set(d, ERR_INVALID, "to_ms", "a time after from_ms expected");
	if (f->min_ms < 0 || f->max_ms < 0 || f->min_ms > 86400000 || f->max_ms > 86400000)
		return err_set(d, ERR_INVALID, "min_duration_ms", "durations of 0-86,400,000 ms expected");
	return ERR_OK;
}

err_t list_from_pb(struct store_filter *ret, const ProtobufCMessage *req, struct err_detail *d)
{
	const Trunkline__Recording__V1__ListRecordingsRequest *pb = (const void *)req;
	err_t e;

	*ret = (struct store_filter){
		.from_ms = pb->from_ms,
		.to_ms = pb->to_ms,
		.min_ms = pb->min_duration_ms,
		.max_ms = pb->max_duration_ms,
		.include_unstored = pb->include_unstored,
		.limit = pb->page_size ? pb->page_size : 50,
	};
	if (ret->limit > STORE_PAGE_MAX)
		return err_set(d, ERR_INVALID, "page_size", "1-%d expected, or 0 for 50", STORE_PAGE_MAX);
	e = take_text(ret->caller, pb->caller, "caller", d);
	if (!e)
		e = take_text(ret->called, pb->called, "called", d);
	if (!e)
		e = take_optional(ret->agent_id, pb->agent_id, "agent_id", d);
	if (!e)
		e = take_optional(ret->queue_id, pb->queue_id, "queue_id", d);
	if (!e)
		e = take_optional(ret->call_id, pb->call_id, "call_id", d);
	if (!e)
		e = take_page_token(ret, pb->page_token, d);
	return e ? e : check_ranges(ret, d);
}

err_t get_from_pb(char id[RECORDING_ID], const ProtobufCMessage *req, struct err_detail *d)
{
	const Trunkline__Recording__V1__GetRecordingRequest *pb = (const void *)req;

	return take_token(id, pb->recording_id, "recording_id", d);
}

err_t download_from_pb(char id[RECORDING_ID], enum recording_format *format, const ProtobufCMessage *req,
		       struct err_detail *d)
{
	const Trunkline__Recording__V1__DownloadRequest *pb = (const void *)req;

	switch (pb->format) {
	case TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_UNSPECIFIED:
	case TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_MP3_STEREO:
		*format = FORMAT_STEREO;
		break;
	case TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_MP3_MONO:
		*format = FORMAT_MONO;
		break;
	case TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_WAV:
		*format = FORMAT_WAV;
		break;
	default:
		return err_set(d, ERR_INVALID, "format", "%d is no format", (int)pb->format);
	}
	return take_token(id, pb->recording_id, "recording_id", d);
}

/* ---- answers ---- */
static void to_pb(pb_recording *pb, const struct recording *r)
{
	static const Trunkline__Recording__V1__RecordingState states[] = {
		TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_RECORDING,
		TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED,
		TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_LOST,
	};

	trunkline__recording__v1__recording__init(pb);
	pb->recording_id = (char *)r->id;
	pb->call_id = (char *)r->call_id;
	pb->leg_id = (char *)r->leg_id;
	pb->agent_id = (char *)r->agent_id;
	pb->queue_id = (char *)r->queue_id;
	pb->caller = (char *)r->caller;
	pb->called = (char *)r->called;
	pb->started_ms = r->started_ms;
	pb->duration_ms = (int64_t)(r->samples / 8);
	pb->state = states[r->state];
	pb->size_bytes = r->stereo_bytes;
	pb->complete = r->complete;
	pb->stored_ms = r->stored_ms;
}

void list_reply(struct rpc_call *call, const struct recording *list, unsigned n, bool more)
{
	Trunkline__Recording__V1__ListRecordingsResponse res = TRUNKLINE__RECORDING__V1__LIST_RECORDINGS_RESPONSE__INIT;
	pb_recording *all = mem_array(n ? n : 1, sizeof(*all));
	pb_recording **ptrs = mem_array(n ? n : 1, sizeof(*ptrs));
	char next[RECORDING_ID + 32] = "";

	if (!all || !ptrs) {
		rpc_fail(call, ERR_EXHAUSTED, NULL);
		goto out;
	}
	for (unsigned i = 0; i < n; i++) {
		to_pb(&all[i], &list[i]);
		ptrs[i] = &all[i];
	}
	if (more && n)
		snprintf(next, sizeof(next), "%lld.%s", (long long)list[n - 1].started_ms, list[n - 1].id);
	res.n_recordings = n;
	res.recordings = ptrs;
	res.next_page_token = next;
	rpc_reply(call, &res.base);
out:
	mem_free(all);
	mem_free(ptrs);
}

void get_reply(struct rpc_call *call, const struct recording *r)
{
	Trunkline__Recording__V1__GetRecordingResponse res = TRUNKLINE__RECORDING__V1__GET_RECORDING_RESPONSE__INIT;
	pb_recording pb;

	to_pb(&pb, r);
	res.recording = &pb;
	rpc_reply(call, &res.base);
}

err_t download_send(struct rpc_call *call, const void *bytes, size_t size, uint64_t total, const char *file_name)
{
	Trunkline__Recording__V1__DownloadResponse res = TRUNKLINE__RECORDING__V1__DOWNLOAD_RESPONSE__INIT;

	res.data = (ProtobufCBinaryData){ size, (uint8_t *)bytes };
	if (file_name) {
		res.total_bytes = total;
		res.file_name = (char *)file_name;
	}
	return rpc_send(call, &res.base);
}
