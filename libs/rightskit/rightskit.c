#include "rightskit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "confkit/confkit.h"
#include "loop/loop.h"
#include "revoked/revoked.h"
#include "testkit/testkit.h"

#define STREAM_MS  500	 /* for what may be a stream that says nothing */
#define ANSWER_MS  20000 /* for what must answer */
#define HEADERS_MS 300

static bool enough(const ProtobufCMessage *msg, void *arg)
{
	(void)msg;
	*(bool *)arg = true;
	return false;
}

/* token_id "": of a token that nobody can withdraw. */
static struct rpc_client *client(const char *target, const struct auth_signer *signer, const char *agent,
				 uint64_t rights, const char *token_id)
{
	struct auth_user u = { .subject = "test", .tenant = "acme", .rights = rights };
	struct rpc_client *c = NULL;
	char *token = NULL;

	(void)str_copy(u.agent, sizeof(u.agent), agent);
	(void)str_copy(u.token_id, sizeof(u.token_id), token_id);
	if (auth_sign(signer, &u, clock_wall_ms() / 1000, 600, &token) ||
	    rpc_client_new(&c, &(struct rpc_client_params){ .target = target, .token = token }))
		testkit_die("no client of %s", target);
	mem_free(token);
	return c;
}

static ProtobufCMessage *empty_request(const ProtobufCMethodDescriptor *method)
{
	ProtobufCMessage *empty = mem_zalloc(method->input->sizeof_message);

	if (!empty)
		testkit_die("out of memory");
	method->input->message_init(empty);
	return empty;
}

static err_t call(struct rpc_client *c, const ProtobufCMethodDescriptor *method,
		  const ProtobufCServiceDescriptor *service, const ProtobufCMessage *req, int64_t timeout_ms,
		  struct err_detail *detail)
{
	ProtobufCMessage *empty = empty_request(method);
	bool answered = false;

	*detail = (struct err_detail){ 0 };
	/* To the client a unary answer is a stream of one message. */
	err_t e = rpc_client_stream(c, service, method->name, req ? req : empty, timeout_ms, enough, &answered, detail);
	mem_free(empty);
	return answered || e == ERR_TIMEOUT ? ERR_OK : e;
}

err_t rightskit_call(const ProtobufCMethodDescriptor *method, const ProtobufCServiceDescriptor *service,
		     const char *target, const struct auth_signer *signer, const char *agent, uint64_t rights,
		     const ProtobufCMessage *req, struct err_detail *detail)
{
	struct rpc_client *c = client(target, signer, agent, rights, "");
	err_t e = call(c, method, service, req, ANSWER_MS, detail);

	rpc_client_free(&c);
	return e;
}

/* With one permission and no other: a stream need not say anything. */
static err_t call_alone(const ProtobufCMethodDescriptor *method, const ProtobufCServiceDescriptor *service,
			const char *target, const struct auth_signer *signer, const char *agent, enum right right,
			struct err_detail *detail)
{
	struct rpc_client *c = client(target, signer, agent, rights_bit(right), "");
	err_t e = call(c, method, service, NULL, STREAM_MS, detail);

	rpc_client_free(&c);
	return e;
}

void rightskit_check(const ProtobufCServiceDescriptor *service, const char *target, const struct auth_signer *signer,
		     const char *agent)
{
	for (unsigned i = 0; i < service->n_methods; i++) {
		const ProtobufCMethodDescriptor *m = &service->methods[i];
		struct err_detail d;
		char path[128];

		snprintf(path, sizeof(path), "/%s/%s", service->name, m->name);
		enum right needs = rights_of_method(path);
		if (!rights_name(needs))
			testkit_die("%s has no permission", path);
		err_t e =
		    rightskit_call(m, service, target, signer, agent, rights_all() & ~rights_bit(needs), NULL, &d);
		if (e != ERR_DENIED || !strstr(d.message, rights_name(needs)))
			testkit_die("%s without %s: %s: %s", path, rights_name(needs), err_name(e), d.message);
		e = call_alone(m, service, target, signer, agent, needs, &d);
		if (e == ERR_DENIED || e == ERR_UNAUTHENTICATED || e == ERR_UNAVAILABLE)
			testkit_die("%s with %s alone: %s: %s", path, rights_name(needs), err_name(e), d.message);
	}
}

/* ---- withdrawn tokens ---- */

static void on_put(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	if (e)
		testkit_die("KV revoked: %s", err_name(e));
	*(bool *)arg = true;
}

static bool is_true(void *arg)
{
	return *(bool *)arg;
}

/* token_id NULL: the mark. */
static void put(const char *nats_url, const char *token_id)
{
	struct err_detail d = { 0 };
	struct loop *loop = NULL;
	struct bus *bus = NULL;
	struct revoked *r = NULL;
	bool done = false;

	if (loop_new(&loop) ||
	    bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats_url, .name = "rightskit" }, &d) ||
	    revoked_new(&r, &(struct revoked_params){ .bus = bus }, &d) ||
	    (token_id ? revoked_put(r, "acme", token_id, on_put, &done)
		      : revoked_mark(r, true, BUS_KV_ANY, on_put, &done)) ||
	    !testkit_wait_loop(loop, is_true, &done, 20000))
		testkit_die("KV revoked: %s", d.message);
	revoked_free(&r);
	bus_free(&bus);
	loop_free(&loop);
}

void rightskit_revoke(const char *nats_url, const char *token_id)
{
	put(nats_url, token_id);
}

void rightskit_none_revoked(const char *nats_url)
{
	put(nats_url, NULL);
}

struct withdrawn {
	const ProtobufCServiceDescriptor *service;
	const char *target, *agent, *id, *nats_url;
	const struct auth_signer *signer;
	struct rpc_client *c;
	ProtobufCMessage *late; /* sent when the token is withdrawn */
	struct err_detail d;
};

static err_t first_method(struct withdrawn *w)
{
	return call(w->c, &w->service->methods[0], w->service, NULL, STREAM_MS, &w->d);
}

static bool is_refused(void *arg)
{
	struct withdrawn *w = arg;

	return first_method(w) == ERR_UNAUTHENTICATED && strcmp(w->d.message, "the token was withdrawn") == 0;
}

static err_t withdraw_and_go_on(const ProtobufCMessage **msg, void *arg)
{
	struct withdrawn *w = arg;

	*msg = w->late;
	if (!w->late)
		return ERR_OK;
	w->late = NULL;
	usleep(HEADERS_MS * 1000);
	rightskit_revoke(w->nats_url, w->id);
	if (!testkit_wait(is_refused, w, 1000))
		testkit_die("%s a second after its token was withdrawn: %s", w->service->methods[0].name, w->d.message);
	return ERR_OK;
}

/* To the client every method takes a stream of messages: the headers are let in, its message comes too late. */
static void check_held(struct withdrawn *w)
{
	const ProtobufCMethodDescriptor *m = &w->service->methods[0];
	struct rpc_client *c = client(w->target, w->signer, w->agent, rights_all(), w->id);
	ProtobufCMessage *empty = empty_request(m), *rep = NULL;
	struct err_detail d;

	(void)!call(c, m, w->service, NULL, STREAM_MS, &d); /* connects */
	w->late = empty;
	err_t e = rpc_client_upload(c, w->service, m->name, withdraw_and_go_on, w, &rep, &d);
	if (e != ERR_UNAUTHENTICATED || !strstr(d.message, "the token was withdrawn"))
		testkit_die("%s, its message after its token was withdrawn: %s %s", m->name, err_name(e), d.message);
	mem_free(empty);
	rpc_client_free(&c);
}

void rightskit_check_revoked(const ProtobufCServiceDescriptor *service, const char *target,
			     const struct auth_signer *signer, const char *agent, const char *nats_url)
{
	char id[AUTH_TOKEN_ID];
	struct withdrawn w = {
		.service = service, .target = target, .agent = agent, .id = id, .nats_url = nats_url, .signer = signer
	};

	if (auth_token_id(clock_wall_ms(), id))
		testkit_die("no id for a token");
	w.c = client(target, signer, agent, rights_all(), id);
	err_t e = first_method(&w);
	if (e == ERR_UNAUTHENTICATED || e == ERR_UNAVAILABLE)
		testkit_die("%s: %s: %s", service->methods[0].name, err_name(e), w.d.message);
	check_held(&w);
	rpc_client_free(&w.c);
}

struct auth_signer *rightskit_signer(const char *dir)
{
	char key[TESTKIT_PATH + 32], pub[TESTKIT_PATH + 32];
	struct auth_signer *signer = NULL;
	struct str out = STR_INIT;

	snprintf(key, sizeof(key), "%s/token.key", dir);
	snprintf(pub, sizeof(pub), "%s/token.pub", dir);
	if (testkit_run((const char *[]){ "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
					  "ec_paramgen_curve:P-256", "-out", key, NULL },
			&out, 20000) ||
	    testkit_run((const char *[]){ "openssl", "pkey", "-in", key, "-pubout", "-out", pub, NULL }, &out, 20000) ||
	    auth_signer_new(&signer, key, NULL))
		testkit_die("no key for tokens: %s", str_text(&out));
	str_done(&out);
	return signer;
}

/* ---- requests a second ---- */

#define LIMITED_MS 10000

static void limit(const char *nats_url, unsigned version, unsigned per_s)
{
	struct err_detail d = { 0 };
	struct loop *loop = NULL;
	struct bus *bus = NULL;
	char json[200];

	snprintf(
	    json, sizeof(json),
	    "{'tenant':'acme','version':%u,'timeZone':'UTC','sipDomain':'acme.test','quotas':{'apiRequestsPerS':%u}}",
	    version, per_s);
	if (loop_new(&loop) ||
	    bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats_url, .name = "rightskit" }, &d))
		testkit_die("no bus at %s: %s", nats_url, d.message);
	confkit_publish(loop, bus, json);
	bus_free(&bus);
	loop_free(&loop);
}

static bool is_limited(err_t e, const struct err_detail *d)
{
	return e == ERR_EXHAUSTED && str_eq(d->field, "quotas.api_requests_per_s") && d->retry_ms > 0 &&
	       d->retry_ms <= 1000;
}

/* Whether it becomes so soon. */
static bool becomes(bool limited, const ProtobufCServiceDescriptor *service, const ProtobufCMethodDescriptor *m,
		    const char *target, const struct auth_signer *signer, const char *agent)
{
	int64_t until_ms = clock_mono_ms() + LIMITED_MS;
	struct err_detail d;
	char path[128];
	err_t e;

	snprintf(path, sizeof(path), "/%s/%s", service->name, m->name);
	do
		e = rightskit_call(m, service, target, signer, agent, rights_bit(rights_of_method(path)), NULL, &d);
	while (is_limited(e, &d) != limited && clock_mono_ms() < until_ms);
	return is_limited(e, &d) == limited;
}

void rightskit_check_limited(const ProtobufCServiceDescriptor *service, const char *target,
			     const struct auth_signer *signer, const char *agent, const char *nats_url)
{
	limit(nats_url, 1000, 1);
	for (unsigned i = 0; i < service->n_methods; i++)
		if (!becomes(true, service, &service->methods[i], target, signer, agent))
			testkit_die("%s is not limited", service->methods[i].name);
	limit(nats_url, 1001, 0);
	for (unsigned i = 0; i < service->n_methods; i++)
		if (!becomes(false, service, &service->methods[i], target, signer, agent))
			testkit_die("%s is still limited", service->methods[i].name);
}
