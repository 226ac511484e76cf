#include "rightskit.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "revoked/revoked.h"
#include "testkit/testkit.h"

#define STREAM_MS 500

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

/* The client is freed. */
static err_t call(struct rpc_client *c, const ProtobufCMethodDescriptor *method,
		  const ProtobufCServiceDescriptor *service, const ProtobufCMessage *req, struct err_detail *detail)
{
	ProtobufCMessage *empty = mem_zalloc(method->input->sizeof_message);
	bool answered = false;

	if (!empty)
		testkit_die("out of memory");
	method->input->message_init(empty);
	*detail = (struct err_detail){ 0 };
	/* To the client a unary answer is a stream of one message. */
	err_t e = rpc_client_stream(c, service, method->name, req ? req : empty, STREAM_MS, enough, &answered, detail);
	mem_free(empty);
	rpc_client_free(&c);
	return answered || e == ERR_TIMEOUT ? ERR_OK : e;
}

err_t rightskit_call(const ProtobufCMethodDescriptor *method, const ProtobufCServiceDescriptor *service,
		     const char *target, const struct auth_signer *signer, const char *agent, uint64_t rights,
		     const ProtobufCMessage *req, struct err_detail *detail)
{
	return call(client(target, signer, agent, rights, ""), method, service, req, detail);
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
		e = rightskit_call(m, service, target, signer, agent, rights_bit(needs), NULL, &d);
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

void rightskit_revoke(const char *nats_url, const char *token_id)
{
	struct err_detail d = { 0 };
	struct loop *loop = NULL;
	struct bus *bus = NULL;
	struct revoked *r = NULL;
	bool done = false;

	if (loop_new(&loop) ||
	    bus_new(&bus, &(struct bus_params){ .loop = loop, .url = nats_url, .name = "rightskit" }, &d) ||
	    revoked_new(&r, &(struct revoked_params){ .bus = bus }, &d) ||
	    revoked_put(r, "acme", token_id, on_put, &done) || !testkit_wait_loop(loop, is_true, &done, 5000))
		testkit_die("a token cannot be withdrawn: %s", d.message);
	revoked_free(&r);
	bus_free(&bus);
	loop_free(&loop);
}

struct withdrawn {
	const ProtobufCServiceDescriptor *service;
	const char *target, *agent, *id;
	const struct auth_signer *signer;
	struct err_detail d;
};

static err_t first_method(struct withdrawn *w)
{
	w->d = (struct err_detail){ 0 };
	return call(client(w->target, w->signer, w->agent, rights_all(), w->id), &w->service->methods[0], w->service,
		    NULL, &w->d);
}

static bool is_refused(void *arg)
{
	struct withdrawn *w = arg;

	return first_method(w) == ERR_UNAUTHENTICATED && strcmp(w->d.message, "the token was withdrawn") == 0;
}

void rightskit_check_revoked(const ProtobufCServiceDescriptor *service, const char *target,
			     const struct auth_signer *signer, const char *agent, const char *nats_url)
{
	char id[AUTH_TOKEN_ID];
	struct withdrawn w = { .service = service, .target = target, .agent = agent, .id = id, .signer = signer };

	if (auth_token_id(clock_wall_ms(), id))
		testkit_die("no id for a token");
	err_t e = first_method(&w);
	if (e == ERR_UNAUTHENTICATED || e == ERR_UNAVAILABLE)
		testkit_die("%s: %s: %s", service->methods[0].name, err_name(e), w.d.message);
	rightskit_revoke(nats_url, id);
	if (!testkit_wait(is_refused, &w, 1000))
		testkit_die("%s a second after its token was withdrawn: %s", service->methods[0].name, w.d.message);
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
