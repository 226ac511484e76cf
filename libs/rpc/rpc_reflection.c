/*
 * grpc.reflection.v1alpha.ServerReflection over a FileDescriptorSet. The set is indexed at the first question: files by
 * name, symbols (messages, enums, services, methods) by full name. proto3 has no extensions: asked for, none is found.
 */
#include "rpc_internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "grpc/reflection/v1alpha/reflection.pb-c.h"
#include "pbcheck/pbwire.h"

#define NEST_MAX 16

typedef Grpc__Reflection__V1alpha__ServerReflectionRequest request_t;
typedef Grpc__Reflection__V1alpha__ServerReflectionResponse response_t;

struct file {
	const char *name;
	const uint8_t *bytes;
	size_t size;
	bool wanted; /* by the answer being made */
};
struct symbol {
	const char *name;
	size_t file;
};
struct rpc_reflection {
	struct arena arena;
	struct file *files;
	size_t n_files;
	struct symbol *symbols;
	size_t n_symbols, cap_symbols;
	bool failed;
};

/* ---- index ---- */
/* Fields of the descriptors of descriptor.proto that hold named things; a row per message kind. */
enum kind { FILE_KIND, MESSAGE_KIND, ENUM_KIND, SERVICE_KIND, METHOD_KIND };
static const struct {
	enum kind in;
	uint32_t field;
	enum kind is;
} children[] = {
	{ FILE_KIND, 4, MESSAGE_KIND },	   { FILE_KIND, 5, ENUM_KIND },	   { FILE_KIND, 6, SERVICE_KIND },
	{ MESSAGE_KIND, 3, MESSAGE_KIND }, { MESSAGE_KIND, 4, ENUM_KIND }, { SERVICE_KIND, 2, METHOD_KIND },
};

static const char *text(struct rpc_reflection *r, const uint8_t *bytes, size_t size, uint32_t id)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;

	while (pbwire_next(&w, &f))
		if (f.id == id && f.type == PBWIRE_LEN)
			return arena_strndup(&r->arena, (const char *)f.data, f.size);
	return "";
}

static void add_symbol(struct rpc_reflection *r, const char *name, size_t file)
{
	if (r->n_symbols == r->cap_symbols) {
		size_t cap = r->cap_symbols ? 2 * r->cap_symbols : 256;
		struct symbol *list = mem_realloc(r->symbols, cap * sizeof(*list));

		if (!list) {
			r->failed = true;
			return;
		}
		r->symbols = list;
		r->cap_symbols = cap;
	}
	r->symbols[r->n_symbols++] = (struct symbol){ name, file };
}

static void index_children(struct rpc_reflection *r, enum kind kind, const char *scope, const uint8_t *bytes,
			   size_t size, size_t file, unsigned depth);

static void index_one(struct rpc_reflection *r, enum kind kind, const char *scope, const struct pbwire_field *f,
		      size_t file, unsigned depth)
{
	const char *name = text(r, f->data, f->size, 1);
	const char *full = name ? arena_printf(&r->arena, "%s%s%s", scope, *scope ? "." : "", name) : NULL;

	if (!full) {
		r->failed = true;
		return;
	}
	add_symbol(r, full, file);
	index_children(r, kind, full, f->data, f->size, file, depth + 1);
}

static void index_children(struct rpc_reflection *r, enum kind kind, const char *scope, const uint8_t *bytes,
			   size_t size, size_t file, unsigned depth)
{
	struct pbwire w = pbwire_over(bytes, size);
	struct pbwire_field f;

	while (depth < NEST_MAX && pbwire_next(&w, &f))
		for (size_t i = 0; i < ARRAY_SIZE(children); i++)
			if (children[i].in == kind && children[i].field == f.id && f.type == PBWIRE_LEN)
				index_one(r, children[i].is, scope, &f, file, depth);
}

static void index_file(struct rpc_reflection *r, const struct pbwire_field *f)
{
	const char *package = text(r, f->data, f->size, 2);
	struct file *list = mem_realloc(r->files, (r->n_files + 1) * sizeof(*list));

	if (!list || !package) {
		r->failed = true;
		r->files = list ? list : r->files;
		return;
	}
	r->files = list;
	list[r->n_files] = (struct file){ text(r, f->data, f->size, 1), f->data, f->size, false };
	if (!list[r->n_files].name)
		r->failed = true;
	else
		index_children(r, FILE_KIND, package, f->data, f->size, r->n_files++, 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct symbol *)a)->name, ((const struct symbol *)b)->name);
}

static struct rpc_reflection *index_of(struct rpc_server *s)
{
	struct pbwire w = pbwire_over(s->descriptors, s->descriptors_size);
	struct rpc_reflection *r = s->reflection;
	struct pbwire_field f;

	if (r)
		return r;
	r = mem_zalloc(sizeof(*r));
	if (!r)
		return NULL;
	s->reflection = r;
	arena_init(&r->arena, 16384);
	while (pbwire_next(&w, &f))
		if (f.id == 1 && f.type == PBWIRE_LEN)
			index_file(r, &f);
	if (r->n_symbols)
		qsort(r->symbols, r->n_symbols, sizeof(*r->symbols), by_name);
	if (r->failed)
		rpc_reflection_free(s);
	return s->reflection;
}

void rpc_reflection_free(struct rpc_server *s)
{
	struct rpc_reflection *r = s->reflection;

	if (!r)
		return;
	s->reflection = NULL;
	arena_done(&r->arena);
	mem_free(r->files);
	mem_free(r->symbols);
	mem_free(r);
}

/* ---- answers ---- */
static void send_error(struct rpc_call *call, response_t *resp, err_t code, const char *what)
{
	Grpc__Reflection__V1alpha__ErrorResponse error = GRPC__REFLECTION__V1ALPHA__ERROR_RESPONSE__INIT;

	error.error_code = (int32_t)code;
	error.error_message = (char *)what;
	resp->message_response_case =
	    GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
	resp->error_response = &error;
	if (rpc_send(call, &resp->base))
		rpc_fail(call, ERR_EXHAUSTED, NULL);
}

static struct file *find_file(struct rpc_reflection *r, const void *name, size_t len)
{
	for (size_t i = 0; i < r->n_files; i++)
		if (strlen(r->files[i].name) == len && memcmp(r->files[i].name, name, len) == 0)
			return &r->files[i];
	return NULL;
}

static void want(struct rpc_reflection *r, struct file *file)
{
	struct pbwire w = pbwire_over(file->bytes, file->size);
	struct pbwire_field f;

	file->wanted = true;
	while (pbwire_next(&w, &f)) {
		struct file *dep = f.id == 3 && f.type == PBWIRE_LEN ? find_file(r, f.data, f.size) : NULL;

		if (dep && !dep->wanted)
			want(r, dep); /* imports have no cycles and this comes from our own build */
	}
}

/* The file itself first, then all that it imports. */
static void send_file(struct rpc_call *call, response_t *resp, struct rpc_reflection *r, size_t file)
{
	Grpc__Reflection__V1alpha__FileDescriptorResponse fdr =
	    GRPC__REFLECTION__V1ALPHA__FILE_DESCRIPTOR_RESPONSE__INIT;
	ProtobufCBinaryData *list = mem_array(r->n_files, sizeof(*list));

	if (!list) {
		rpc_fail(call, ERR_EXHAUSTED, NULL);
		return;
	}
	want(r, &r->files[file]);
	list[fdr.n_file_descriptor_proto++] =
	    (ProtobufCBinaryData){ r->files[file].size, (uint8_t *)r->files[file].bytes };
	r->files[file].wanted = false;
	for (size_t i = 0; i < r->n_files; i++) {
		if (r->files[i].wanted)
			list[fdr.n_file_descriptor_proto++] =
			    (ProtobufCBinaryData){ r->files[i].size, (uint8_t *)r->files[i].bytes };
		r->files[i].wanted = false;
	}
	fdr.file_descriptor_proto = list;
	resp->message_response_case =
	    GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
	resp->file_descriptor_response = &fdr;
	if (rpc_send(call, &resp->base))
		rpc_fail(call, ERR_EXHAUSTED, NULL);
	mem_free(list);
}

static void by_filename(struct rpc_call *call, response_t *resp, struct rpc_reflection *r, const char *name)
{
	const struct file *found = find_file(r, name, strlen(name));

	if (found)
		send_file(call, resp, r, (size_t)(found - r->files));
	else
		send_error(call, resp, ERR_NOT_FOUND, "no such file");
}

static void by_symbol(struct rpc_call *call, response_t *resp, struct rpc_reflection *r, const char *name)
{
	struct symbol key = { .name = name };
	const struct symbol *found = NULL;

	if (r->n_symbols)
		found = bsearch(&key, r->symbols, r->n_symbols, sizeof(key), by_name);
	if (found)
		send_file(call, resp, r, found->file);
	else
		send_error(call, resp, ERR_NOT_FOUND, "no such symbol");
}

/* The methods are sorted by path, so each service is a run of them. */
static size_t services(const struct rpc_server *s, struct arena *a, Grpc__Reflection__V1alpha__ServiceResponse *list,
		       Grpc__Reflection__V1alpha__ServiceResponse **refs)
{
	const char *last = "";
	size_t n = 0;

	for (size_t i = 0; i < s->n_methods; i++) {
		const char *name = s->methods[i].path + 1;
		size_t len = strcspn(name, "/");

		if (strlen(last) == len && strncmp(last, name, len) == 0)
			continue;
		last = arena_strndup(a, name, len);
		if (!last)
			return n;
		grpc__reflection__v1alpha__service_response__init(&list[n]);
		list[n].name = (char *)last;
		refs[n] = &list[n];
		n++;
	}
	return n;
}

static void list_services(struct rpc_call *call, response_t *resp, struct rpc_server *s)
{
	Grpc__Reflection__V1alpha__ListServiceResponse lsr = GRPC__REFLECTION__V1ALPHA__LIST_SERVICE_RESPONSE__INIT;
	struct arena a;

	arena_init(&a, 0);
	Grpc__Reflection__V1alpha__ServiceResponse *list = arena_alloc(&a, s->n_methods * sizeof(*list));
	lsr.service = arena_alloc(&a, s->n_methods * sizeof(*lsr.service));
	if (list && lsr.service)
		lsr.n_service = services(s, &a, list, lsr.service);
	resp->message_response_case =
	    GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
	resp->list_services_response = &lsr;
	if (rpc_send(call, &resp->base))
		rpc_fail(call, ERR_EXHAUSTED, NULL);
	arena_done(&a);
}

static void answer(struct rpc_call *call, response_t *resp, const request_t *req, struct rpc_server *s)
{
	struct rpc_reflection *r = index_of(s);

	if (!r) {
		rpc_fail(call, ERR_EXHAUSTED, NULL);
		return;
	}
	switch (req->message_request_case) {
	case GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
		by_filename(call, resp, r, req->file_by_filename);
		break;
	case GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
		by_symbol(call, resp, r, req->file_containing_symbol);
		break;
	case GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
		list_services(call, resp, s);
		break;
	default:
		send_error(call, resp, ERR_NOT_FOUND, "there are no extensions");
	}
}

static void on_message(struct rpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	const request_t *req = (const void *)msg;
	response_t resp = GRPC__REFLECTION__V1ALPHA__SERVER_REFLECTION_RESPONSE__INIT;

	if (!msg) {
		rpc_finish(call);
		return;
	}
	resp.valid_host = req->host;
	resp.original_request = (request_t *)req;
	answer(call, &resp, req, arg);
}

static void on_cancel(struct rpc_call *call, void *arg)
{
	(void)arg;
	rpc_finish(call);
}

static void on_info(struct rpc_call *call, const ProtobufCMessage *msg, void *arg)
{
	rpc_on_cancel(call, on_cancel, NULL);
	on_message(call, msg, arg);
}

err_t rpc_reflection_add(struct rpc_server *s)
{
	s->descriptors = rpc_descriptors(&s->descriptors_size);
	return rpc_server_add_builtin(s, &grpc__reflection__v1alpha__server_reflection__descriptor,
				      "ServerReflectionInfo", RPC_BIDI_STREAM, on_info);
}
