#include "import_upload.h"

#include <string.h>
#include "admin.h"
#include "base/mem.h"
#include "base/str.h"
#include "import_run.h"
#include "ops.h"
#include "pbr.h"
#include "sheet/sheet.h"
#include "upload.h"

#define FILE_NAME_MAX  200
#define REQUEST_ID_MAX 36

static const struct method method = {
	.kind = &import_kind, .verb = VERB_CREATE, .action = "imports.create", .op = ops_import_create
};
static struct upload_slots slots = { .max = 4 };

void import_upload_free(struct import_upload *up)
{
	if (!up)
		return;
	upload_slot_done(&up->slot);
	arena_done(&up->arena);
	str_done(&up->file);
	mem_free(up);
}

static err_t check_header(struct import_upload *up, struct err_detail *detail)
{
	const Trunkline__Admin__V1__CreateImportHeader *h = up->header;
	const struct import_wanted *wanted = import_wanted_from_pb(&up->arena, h);
	enum import_kind kind;

	if (!wanted)
		return ERR_EXHAUSTED;
	if (h->n_columns > SHEET_COLUMNS_MAX)
		return err_set(detail, ERR_INVALID, "header.columns", "%zu of them; at most %d", h->n_columns,
			       SHEET_COLUMNS_MAX);
	if (!sheet_charset_ok(h->charset))
		return err_set(detail, ERR_INVALID, "header.charset", "'%.40s' is not UTF-8 or GB18030", h->charset);
	if (strlen(h->request_id) > REQUEST_ID_MAX)
		return err_set(detail, ERR_INVALID, "header.request_id", "not a UUID");
	err_t e = check_display_name(h->file_name, "header.file_name", detail);
	if (!e)
		e = import_kind_from_pb(h->kind, &kind, detail);
	if (e)
		return e;
	e = import_wanted_check(kind, wanted, h->n_columns, detail);
	if (e == ERR_INVALID)
		check_prefix(detail, "header.");
	return e;
}

static err_t take_header(struct import_upload *up, const Trunkline__Admin__V1__CreateImportHeader *h,
			 struct err_detail *detail)
{
	struct name parent;
	size_t size;
	err_t e = name_parse(&parent, h->parent, NULL, "header.parent", detail);

	if (e)
		return e;
	/* The message lives during this call only. */
	const void *bytes = pbr_pack(&up->arena, &h->base, &size);
	up->header = bytes ? (void *)pbr_unpack(&up->arena, h->base.descriptor, bytes, size) : NULL;
	if (!up->header)
		return ERR_EXHAUSTED;
	up->rq = (struct request){ .etag = "", .request_id = up->header->request_id, .resource_field = "header" };
	(void)str_copy(up->rq.tenant, sizeof(up->rq.tenant), parent.tenant);
	return check_header(up, detail);
}

static err_t begin(struct manager *tm, struct rpc_call *call, struct session *s,
		   const Trunkline__Admin__V1__CreateImportRequest *req, struct err_detail *detail)
{
	struct name parent;
	const char *tenant;

	if (req->content_case != TRUNKLINE__ADMIN__V1__CREATE_IMPORT_REQUEST__CONTENT_HEADER)
		return err_set(detail, ERR_INVALID, "header", "missing: the first message has it");
	err_t e = name_parse(&parent, req->header->parent, NULL, "header.parent", detail);
	if (!e)
		e = auth_tenant(&s->user, parent.tenant, &tenant, detail);
	if (!e && req->header->kind == TRUNKLINE__ADMIN__V1__IMPORT_KIND__IMPORT_KIND_NUMBERS)
		e = auth_require(&s->user, RIGHT_NUMBERS_WRITE, detail); /* besides the method's own, agents.write */
	if (e)
		return e;
	struct import_upload *up = mem_zalloc(sizeof(*up));
	if (!up)
		return ERR_EXHAUSTED;
	arena_init(&up->arena, 0);
	s->import = up;
	const struct upload_slot_params p = {
		.loop = tm->loop, .call = call, .tenant = parent.tenant, .config = tm->config
	};
	e = upload_slot_take(&up->slot, &slots, &p, detail);
	return e ? e : take_header(up, req->header, detail);
}

static err_t add_chunk(struct import_upload *up, const Trunkline__Admin__V1__CreateImportRequest *req,
		       struct err_detail *detail)
{
	if (req->content_case != TRUNKLINE__ADMIN__V1__CREATE_IMPORT_REQUEST__CONTENT_CHUNK)
		return err_set(detail, ERR_INVALID, "chunk", "missing: after the header come pieces of the file");
	if (req->chunk.len > SHEET_CSV_BYTES_MAX - up->file.len)
		return err_set(detail, ERR_EXHAUSTED, "chunk", "the file is larger than 32 MiB");
	str_append_n(&up->file, req->chunk.data, req->chunk.len);
	return up->file.failed ? ERR_EXHAUSTED : ERR_OK;
}

static void store(struct manager *tm, struct rpc_call *call, struct session *s)
{
	struct err_detail detail = { 0 };
	struct job *j = NULL;
	err_t e = err_set(&detail, ERR_INVALID, "header", "missing: nothing was sent");

	if (s->import)
		e = job_new(&j, tm, &method, call);
	if (e || !j) {
		rpc_fail(call, e, &detail);
		return;
	}
	j->import = s->import;
	j->rq = s->import->rq;
	s->import = NULL;
	job_start(j);
}

static void on_message(struct rpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const Trunkline__Admin__V1__CreateImportRequest *req = (const void *)msg;
	struct session *s = rpc_call_user(call);
	struct err_detail detail = { 0 };
	err_t e;

	if (s->import)
		upload_slot_stop(&s->import->slot);
	if (!req) {
		store(arg, call, s);
		return;
	}
	e = s->import ? add_chunk(s->import, req, &detail) : begin(arg, call, s, req, &detail);
	if (!e && s->import)
		e = upload_slot_wait(&s->import->slot, s->import->file.len, &detail);
	if (e)
		rpc_fail(call, e, &detail);
}

err_t import_upload_register(struct manager *tm)
{
	return rpc_server_add(tm->server, &trunkline__admin__v1__admin_service__descriptor, "CreateImport",
			      RPC_CLIENT_STREAM, on_message, tm);
}
