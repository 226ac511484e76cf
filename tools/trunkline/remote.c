#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "pbjson/pbjson.h"
#include "rpc/rpc.h"

static const struct {
	const char *what, *fallback;
} servers[SERVERS] = {
	[SERVER_ADMIN] = { "--admin", "127.0.0.1:9090" },
	[SERVER_DESK] = { "--desk", "127.0.0.1:9091" },
	[SERVER_RECORDER] = { "--recorder", "127.0.0.1:9092" },
	[SERVER_REPORTING] = { "--reporting", "127.0.0.1:9093" },
};

struct remote {
	struct rpc_client *client;
};

err_t remote_open(struct remote **ret, const struct cli *cli, enum cli_server server, struct err_detail *detail)
{
	struct rpc_client_params p = { .target = cli->server[server],
				       .server_name = cli->server_name,
				       .language = cli->accept,
				       .timeout_ms = cli->timeout_ms };
	struct remote *r;
	err_t e;

	if (str_empty(p.target))
		p.target = servers[server].fallback;
	if (!str_empty(cli->ca_file) && access(cli->ca_file, R_OK) < 0)
		return err_set(detail, ERR_NOT_FOUND, "--ca-file", "%s cannot be read", cli->ca_file);
	p.tls.ca_file = cli->ca_file;
	p.token = cli_token(cli);
	if (!str_empty(cli->token_file) && !*p.token && str_empty(cli->token))
		return err_set(detail, ERR_NOT_FOUND, "--token-file", "%s cannot be read or is empty", cli->token_file);
	r = mem_zalloc(sizeof(*r));
	if (!r)
		return ERR_EXHAUSTED;
	e = rpc_client_new(&r->client, &p);
	if (e) {
		mem_free(r);
		return err_set(detail, e, servers[server].what,
			       "cannot be used: is the CA file PEM, the token one word?");
	}
	*ret = r;
	return ERR_OK;
}

void remote_close(struct remote **r)
{
	if (!*r)
		return;
	rpc_client_free(&(*r)->client);
	mem_free(*r);
	*r = NULL;
}

/* ---- JSON ↔ protobuf ---- */
static err_t to_pb(ProtobufCMessage **ret, const ProtobufCMessageDescriptor *desc, const json_t *json,
		   struct err_detail *detail)
{
	char *text = json_dumps(json, JSON_COMPACT);
	err_t e;

	if (!text)
		return ERR_EXHAUSTED;
	e = pbjson_parse(ret, desc, text, strlen(text), 0, detail);
	free(text);
	return e;
}

static err_t to_json(json_t **ret, const ProtobufCMessage *msg, struct err_detail *detail)
{
	struct str s = STR_INIT;
	err_t e = pbjson_print(&s, msg, PBJSON_PROTO_NAMES | PBJSON_DEFAULTS, detail);

	if (!e) {
		*ret = json_loadb(str_text(&s), s.len, 0, NULL);
		e = *ret ? ERR_OK : err_set(detail, ERR_DATA_LOSS, "", "the answer is not JSON");
	}
	str_done(&s);
	return e;
}

err_t remote_check(const ProtobufCMessageDescriptor *desc, const json_t *json, struct err_detail *detail)
{
	ProtobufCMessage *msg = NULL;
	err_t e = to_pb(&msg, desc, json, detail);

	if (!e)
		protobuf_c_message_free_unpacked(msg, NULL);
	return e;
}

err_t remote_unpack(json_t **ret, const ProtobufCMessageDescriptor *desc, const char *base64, struct err_detail *detail)
{
	ProtobufCMessage *msg;
	unsigned char *bytes;
	size_t n;
	err_t e = fields_base64_decode(base64, &bytes, &n);

	if (e)
		return e;
	msg = protobuf_c_message_unpack(desc, NULL, n, bytes);
	mem_free(bytes);
	if (!msg)
		return ERR_DATA_LOSS;
	e = to_json(ret, msg, detail);
	protobuf_c_message_free_unpacked(msg, NULL);
	return e;
}

static const ProtobufCMethodDescriptor *method_of(const ProtobufCServiceDescriptor *service, const char *method)
{
	return protobuf_c_service_descriptor_get_method_by_name(service, method);
}

/* ---- calls ---- */
err_t remote_call(struct remote *r, const ProtobufCServiceDescriptor *service, const char *method,
		  const json_t *request, json_t **ret, struct err_detail *detail)
{
	ProtobufCMessage *req = NULL, *resp = NULL;
	err_t e = to_pb(&req, method_of(service, method)->input, request, detail);

	if (!e) {
		e = rpc_client_call(r->client, service, method, req, &resp, detail);
		protobuf_c_message_free_unpacked(req, NULL);
	}
	if (e)
		return e;
	e = to_json(ret, resp, detail);
	protobuf_c_message_free_unpacked(resp, NULL);
	return e;
}

struct each {
	bool (*fn)(json_t *message, void *arg);
	void *arg;
	struct err_detail *detail;
	err_t e;
};

static bool on_message(const ProtobufCMessage *msg, void *arg)
{
	struct each *each = arg;
	json_t *json = NULL;
	bool more;

	each->e = to_json(&json, msg, each->detail);
	if (each->e)
		return false;
	more = each->fn(json, each->arg);
	json_decref(json);
	return more;
}

err_t remote_stream(struct remote *r, const ProtobufCServiceDescriptor *service, const char *method,
		    const json_t *request, bool (*fn)(json_t *message, void *arg), void *arg, struct err_detail *detail)
{
	struct each each = { fn, arg, detail, ERR_OK };
	ProtobufCMessage *req = NULL;
	err_t e = to_pb(&req, method_of(service, method)->input, request, detail);

	if (e)
		return e;
	e = rpc_client_stream(r->client, service, method, req, 0, on_message, &each, detail);
	protobuf_c_message_free_unpacked(req, NULL);
	return e ? e : each.e;
}

struct upload {
	err_t (*next)(json_t **message, void *arg);
	void *arg;
	const ProtobufCMessageDescriptor *desc;
	ProtobufCMessage *current;
	struct err_detail *detail;
};

static err_t next_message(const ProtobufCMessage **msg, void *arg)
{
	struct upload *u = arg;
	json_t *json = NULL;
	err_t e = u->next(&json, u->arg);

	if (u->current)
		protobuf_c_message_free_unpacked(u->current, NULL);
	u->current = NULL;
	if (!e && json)
		e = to_pb(&u->current, u->desc, json, u->detail);
	json_decref(json);
	*msg = u->current;
	return e;
}

err_t remote_upload(struct remote *r, const ProtobufCServiceDescriptor *service, const char *method,
		    err_t (*next)(json_t **message, void *arg), void *arg, json_t **ret, struct err_detail *detail)
{
	struct upload u = { next, arg, method_of(service, method)->input, NULL, detail };
	ProtobufCMessage *resp = NULL;
	err_t e = rpc_client_upload(r->client, service, method, next_message, &u, &resp, detail);

	if (u.current)
		protobuf_c_message_free_unpacked(u.current, NULL);
	if (e)
		return e;
	e = to_json(ret, resp, detail);
	protobuf_c_message_free_unpacked(resp, NULL);
	return e;
}
