/* api: RecordingService: who may see what, lists, downloads. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "download.h"
#include "log/log.h"
#include "recorder.h"
#include "recorder_wire.h"
#include "trunkline/recording/v1/recording.pb-c.h"

static const struct auth_user *user_of(const struct rpc_call *call)
{
	return rpc_call_user(call);
}

/* "" for who may see all of the tenant. */
static const char *own_agent(const struct rpc_call *call)
{
	const struct auth_user *u = user_of(call);

	return auth_has(u, RIGHT_RECORDINGS_ALL) ? "" : u->agent;
}

static struct store_eye eye_of(const struct recorder *r, const struct rpc_call *call)
{
	return (struct store_eye){ r->vault, auth_has(user_of(call), RIGHT_CALLS_SENSITIVE) };
}

static err_t authorize(struct rpc_call *call, const char *method, struct err_detail *detail, void *arg)
{
	struct recorder *r = arg;
	struct auth_user u, *kept;
	err_t e = auth_verify(r->verifier, rpc_metadata(call, "authorization"), clock_wall_ms() / 1000, &u, detail);

	if (!e)
		e = revoked_check(r->revoked, &u, detail);
	if (!e) {
		rpc_call_set_languages(call, u.language, u.tenant_language);
		e = auth_check(method, &u, detail);
	}
	if (!e && !*u.tenant)
		e = err_set(detail, ERR_DENIED, "", "a tenant's token is needed here");
	if (!e && !*u.agent) /* has no recordings of its own */
		e = auth_require(&u, RIGHT_RECORDINGS_ALL, detail);
	kept = e ? NULL : mem_dup(&u, sizeof(u)); /* who is held is not refused afterwards */
	if (!e)
		e = kept ? apirate_take(r->apirate, call, &u, detail) : ERR_EXHAUSTED;
	if (e) {
		mem_free(kept);
		metric_add(&recorder_metric_refused, 1);
		return e;
	}
	rpc_call_set_user(call, kept, mem_free);
	return ERR_OK;
}

static err_t recheck(struct rpc_call *call, struct err_detail *detail, void *arg)
{
	const struct recorder *r = arg;

	return revoked_recheck(r->revoked, user_of(call), clock_wall_ms() / 1000, detail);
}

static void refuse(struct rpc_call *call, err_t e, struct err_detail *d)
{
	metric_add(&recorder_metric_refused, 1);
	if (e == ERR_NOT_FOUND)
		(void)err_set(d, e, "recording_id", "no such recording");
	else if (e == ERR_UNAVAILABLE)
		(void)err_set(d, e, "", "the index cannot be reached now: try again");
	rpc_fail(call, e, d);
}

/* ---- list ---- */
static void on_listed(err_t e, const struct recording *list, unsigned n, bool more, void *arg)
{
	struct err_detail d = { "", "" };

	if (e)
		refuse(arg, e, &d);
	else
		list_reply(arg, list, n, more);
}

static void on_list(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct err_detail d = { "", "" };
	struct recorder *r = arg;
	struct store_eye eye = eye_of(r, call);
	struct store_filter f;
	err_t e = list_from_pb(&f, req, &d);

	if (!e && *own_agent(call)) {
		if (*f.agent_id && !str_eq(f.agent_id, own_agent(call))) { /* nothing of others, and no sign of them */
			list_reply(call, NULL, 0, false);
			return;
		}
		(void)str_copy(f.agent_id, sizeof(f.agent_id), own_agent(call));
	}
	(void)str_copy(f.tenant, sizeof(f.tenant), user_of(call)->tenant);
	if (!e)
		e = store_list(r->db, &eye, &f, on_listed, call, &d);
	if (e)
		refuse(call, e, &d);
}

/* ---- get ---- */
static void on_found(err_t e, const struct recording *rec, void *arg)
{
	struct err_detail d = { "", "" };

	if (e)
		refuse(arg, e, &d);
	else
		get_reply(arg, rec);
}

static void on_get(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct err_detail d = { "", "" };
	struct recorder *r = arg;
	struct store_eye eye = eye_of(r, call);
	char id[RECORDING_ID];
	err_t e = get_from_pb(id, req, &d);

	if (!e)
		e = store_find(r->db, &eye, user_of(call)->tenant, own_agent(call), id, on_found, call);
	if (e)
		refuse(call, e, &d);
}

/* ---- download ---- */
struct wanted {
	struct recorder *r;
	struct rpc_call *call;
	enum recording_format format;
};

static err_t check_state(const struct recording *rec, struct err_detail *d)
{
	if (rec->state == RECORDING_RUNNING)
		return err_set(d, ERR_PRECONDITION, "recording_id",
			       "the file is not made yet: try again after the call");
	if (rec->state == RECORDING_LOST)
		return err_set(d, ERR_DATA_LOSS, "recording_id", "the audio of this recording was lost");
	return ERR_OK;
}

static void on_download_found(err_t e, const struct recording *rec, void *arg)
{
	struct wanted w = *(struct wanted *)arg;
	struct log_ctx ctx = { .tenant = rec->tenant, .call = rec->call_id };
	struct err_detail d = { "", "" };

	mem_free(arg);
	if (!e)
		e = check_state(rec, &d);
	/* Who listened to what is on record (GT-8.2: listening rights). Before the start: the call may end within it. */
	if (!e)
		LOG_INFO(&ctx, "recording.download", "recording=%s by=%s", rec->id, LOG_Q(user_of(w.call)->subject));
	if (!e) {
		e = download_start(w.call, w.r->cfg->data_dir, w.r->vault, rec, w.format, &d);
		if (e)
			LOG_ERROR(&ctx, "recording.unreadable", "recording=%s file=%s error=%s", rec->id, rec->path,
				  err_name(e));
		if (e == ERR_NOT_FOUND)
			e = err_set(&d, ERR_DATA_LOSS, "recording_id", "the file of this recording is gone");
	}
	if (e)
		refuse(w.call, e, &d);
	else
		metric_add(&recorder_metric_downloads, 1);
}

static void on_download(struct rpc_call *call, const ProtobufCMessage *req, void *arg)
{
	struct err_detail d = { "", "" };
	struct recorder *r = arg;
	struct wanted *w = mem_zalloc(sizeof(*w));
	char id[RECORDING_ID];
	err_t e = ERR_EXHAUSTED;

	if (w) {
		*w = (struct wanted){ .r = r, .call = call };
		e = download_from_pb(id, &w->format, req, &d);
	}
	if (!e)
		e = store_find(r->db, &(struct store_eye){ 0 }, user_of(call)->tenant, own_agent(call), id,
			       on_download_found, w);
	if (e) {
		mem_free(w);
		refuse(call, e, &d);
	}
}

err_t api_start(struct recorder *r, struct err_detail *detail)
{
	const ProtobufCServiceDescriptor *service = &trunkline__recording__v1__recording_service__descriptor;
	const struct recorder_config *cfg = r->cfg;
	struct rpc_server_params p = { .loop = r->loop,
				       .address = cfg->grpc_address,
				       .authorize = authorize,
				       .recheck = recheck,
				       .arg = r,
				       .max_request_bytes = 65536 };
	err_t e;

	p.tls = (struct rpc_tls){ cfg->tls_ca_file, cfg->tls_cert_file, cfg->tls_key_file, false };
	e = rpc_server_new(&r->server, &p, detail);
	if (!e)
		e = rpc_server_add(r->server, service, "ListRecordings", RPC_UNARY, on_list, r);
	if (!e)
		e = rpc_server_add(r->server, service, "GetRecording", RPC_UNARY, on_get, r);
	if (!e)
		e = rpc_server_add(r->server, service, "Download", RPC_SERVER_STREAM, on_download, r);
	return e ? e : rpc_server_start(r->server);
}
