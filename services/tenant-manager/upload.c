#include "upload.h"

#include <string.h>
#include "admin.h"
#include "audio.h"
#include "base/mem.h"
#include "base/str.h"
#include "merge.h"
#include "ops.h"
#include "pbr.h"
#include "quota.h"
#include "tenantconf/check.h"
#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "upload_slot.h"

#define FILE_MAX ((size_t)64 << 20)

struct upload {
	struct upload_slot slot;
	struct request rq;
	char *display_name, *request_id, *etag;
	struct str file;
	struct str pcm; /* converted, by the first attempt */
	char sha256[PROMPTSTORE_HEX];
};

static struct method method = { .verb = VERB_CREATE, .action = "prompts.upload", .op = ops_prompt_upload };
static struct upload_slots slots = { .max = 8 };

void upload_free(struct upload *up)
{
	if (!up)
		return;
	upload_slot_done(&up->slot);
	mem_free(up->display_name);
	mem_free(up->request_id);
	mem_free(up->etag);
	str_done(&up->file);
	str_done(&up->pcm);
	mem_free(up);
}

/* ---- gathering ---- */

static err_t take_header(struct upload *up, const Trunkline__Admin__V1__UploadPromptHeader *h,
			 struct err_detail *detail)
{
	struct name parent;
	err_t e = name_parse(&parent, h->parent, NULL, "header.parent", detail);

	if (!e)
		e = check_id(h->prompt_id, "header.prompt_id", detail);
	if (!e)
		e = check_display_name(h->display_name, "header.display_name", detail);
	if (!e && strlen(h->request_id) > 36)
		e = err_set(detail, ERR_INVALID, "header.request_id", "not a UUID");
	if (e)
		return e;
	up->display_name = mem_strdup(h->display_name);
	up->request_id = mem_strdup(h->request_id);
	up->etag = mem_strdup(h->etag);
	if (!up->display_name || !up->request_id || !up->etag)
		return ERR_EXHAUSTED;
	up->rq = (struct request){ .validate_only = h->validate_only,
				   .request_id = up->request_id,
				   .etag = up->etag,
				   .resource_field = "prompt" };
	(void)str_copy(up->rq.tenant, sizeof(up->rq.tenant), parent.tenant);
	(void)str_copy(up->rq.id, sizeof(up->rq.id), h->prompt_id);
	return ERR_OK;
}

static err_t begin(struct manager *tm, struct rpc_call *call, struct session *s,
		   const Trunkline__Admin__V1__UploadPromptRequest *req, struct err_detail *detail)
{
	const char *tenant;

	if (req->content_case != TRUNKLINE__ADMIN__V1__UPLOAD_PROMPT_REQUEST__CONTENT_HEADER)
		return err_set(detail, ERR_INVALID, "header", "missing: the first message has it");
	struct upload *up = mem_zalloc(sizeof(*up));
	if (!up)
		return ERR_EXHAUSTED;
	s->upload = up;
	err_t e = take_header(up, req->header, detail);
	if (!e)
		e = auth_tenant(&s->user, up->rq.tenant, &tenant, detail);
	if (e)
		return e;
	const struct upload_slot_params p = {
		.loop = tm->loop, .call = call, .tenant = up->rq.tenant, .config = tm->config
	};
	return upload_slot_take(&up->slot, &slots, &p, detail);
}

static err_t add_chunk(struct upload *up, const Trunkline__Admin__V1__UploadPromptRequest *req,
		       struct err_detail *detail)
{
	if (req->content_case != TRUNKLINE__ADMIN__V1__UPLOAD_PROMPT_REQUEST__CONTENT_CHUNK)
		return err_set(detail, ERR_INVALID, "chunk", "missing: after the header come pieces of the file");
	if (req->chunk.len > FILE_MAX - up->file.len)
		return err_set(detail, ERR_EXHAUSTED, "chunk", "the file is larger than 64 MiB");
	str_append_n(&up->file, req->chunk.data, req->chunk.len);
	return up->file.failed ? ERR_EXHAUSTED : ERR_OK;
}

static void store(struct manager *tm, struct rpc_call *call, struct session *s)
{
	struct err_detail detail = { 0 };
	struct job *j = NULL;
	err_t e = err_set(&detail, ERR_INVALID, "header", "missing: nothing was sent");

	if (s->upload)
		e = job_new(&j, tm, &method, call);
	if (e || !j) {
		rpc_fail(call, e, &detail);
		return;
	}
	j->upload = s->upload;
	j->rq = s->upload->rq;
	s->upload = NULL;
	job_start(j);
}

static void on_message(struct rpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Trunkline__Admin__V1__UploadPromptRequest *req = (const void *)msg;
	struct session *s = rpc_call_user(call);
	struct err_detail detail = { 0 };
	err_t e;

	if (s->upload)
		upload_slot_stop(&s->upload->slot);
	if (!req) {
		store(arg, call, s);
		return;
	}
	e = s->upload ? add_chunk(s->upload, req, &detail) : begin(arg, call, s, req, &detail);
	if (!e && s->upload)
		e = upload_slot_wait(&s->upload->slot, s->upload->file.len, &detail);
	if (e)
		rpc_fail(call, e, &detail);
}

err_t upload_register(struct manager *tm)
{
	method.kind = kind_find("prompt");
	return rpc_server_add(tm->server, &trunkline__admin__v1__admin_service__descriptor, "UploadPrompt",
			      RPC_CLIENT_STREAM, on_message, tm);
}

/* ---- storing, on a worker ---- */

/* Once, and before the transaction begins: it takes its time. */
static err_t convert(struct job *j)
{
	struct upload *up = j->upload;

	if (up->pcm.len)
		return ERR_OK;
	err_t e = audio_convert(&up->pcm, up->file.data ? up->file.data : "", up->file.len, PROMPTSTORE_MAX_BYTES,
				&j->detail);
	if (e)
		return e;
	promptstore_hash(up->pcm.data, up->pcm.len, up->sha256);
	(void)str_copy(j->fingerprint, sizeof(j->fingerprint), up->sha256);
	return strlen(up->sha256) == PROMPTSTORE_HEX - 1 ? ERR_OK : ERR_EXHAUSTED;
}

static err_t write_audio(struct change *c, const struct upload *up)
{
	const char *params[] = { up->sha256, NULL };

	db_bind_bytes(c->tx, 1, up->pcm.data, up->pcm.len);
	err_t e = db_exec(
	    c->tx, NULL,
	    "INSERT INTO tm.prompt_audio (tenant, sha256, pcm) VALUES (tm.tenant(), $1, $2) ON CONFLICT DO NOTHING", 2,
	    params);
	if (!e)
		e = db_exec(c->tx, NULL,
			    "DELETE FROM tm.outbox WHERE tenant = tm.tenant() AND item = 'gone.' || $1::text", 1,
			    params);
	return e ? e : change_outbox(c, STAGE_PROMPT, "prompt.%s", up->sha256);
}

/* An etag is of one that is there. */
static err_t find_old(struct change *c, struct stored *old, bool *ret_found)
{
	err_t e = ops_load(c->tx, c->job, old);

	*ret_found = !e;
	if (!e)
		return ops_check_etag(c->job, old->revision);
	if (!str_empty(c->job->rq.etag))
		return e;
	c->job->detail = e == ERR_NOT_FOUND ? (struct err_detail){ 0 } : c->job->detail;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static Trunkline__Config__V1__Prompt *make_prompt(struct job *j, const struct stored *old)
{
	const struct upload *up = j->upload;
	Trunkline__Config__V1__Prompt *p = (void *)pbr_new(&j->arena, &trunkline__config__v1__prompt__descriptor);

	if (!p)
		return NULL;
	p->id = j->rq.id;
	p->display_name =
	    old && str_empty(up->display_name) ? (char *)pbr_string(old->msg, "display_name") : up->display_name;
	p->sha256 = (char *)up->sha256;
	p->size_bytes = up->pcm.len;
	p->duration_ms = (int64_t)(up->pcm.len / 2 * 1000 / AUDIO_RATE);
	return p;
}

/* Within the tenant's quotas: audio that takes the place of other audio needs only what it is longer. */
static err_t write_all(struct change *c, const Trunkline__Config__V1__Prompt *p, const struct stored *old)
{
	uint64_t audio_bytes;
	err_t e = quota_audio(c, &audio_bytes);

	if (!e)
		e = write_audio(c, c->job->upload);
	if (!e)
		e = ops_store(c, &p->base, old);
	if (!e && old && strcmp(pbr_string(old->msg, "sha256"), p->sha256) != 0)
		e = ops_drop_audio(c, pbr_string(old->msg, "sha256"));
	if (!e && !old)
		e = quota_check_new(c);
	return e ? e : quota_check_audio(c, audio_bytes);
}

static err_t replace(struct change *c, const struct stored *old)
{
	struct job *j = c->job;
	const Trunkline__Config__V1__Prompt *p = make_prompt(j, old);
	const ProtobufCMessage *before = NULL;
	err_t e = p ? write_all(c, p, old) : ERR_EXHAUSTED;

	if (e)
		return e;
	j->reply = merge_public(&j->arena, j->rq.tenant, j->method->kind, j->rq.id, &p->base, c->version);
	if (old)
		before = merge_public(&j->arena, j->rq.tenant, j->method->kind, j->rq.id, old->msg, old->revision);
	return j->reply && (before || !old) ? change_end(c, before, j->reply) : ERR_EXHAUSTED;
}

err_t ops_prompt_upload(struct db_tx *tx, void *arg)
{
	struct job *j = arg;
	struct change c;
	struct stored old;
	bool found = false;
	err_t e = convert(j);

	if (!e)
		e = change_begin(&c, tx, j, j->method->kind->desc);
	if (e || c.repeated)
		return e;
	e = find_old(&c, &old, &found);
	return e ? e : replace(&c, found ? &old : NULL);
}
