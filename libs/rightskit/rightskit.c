#include "rightskit.h"

#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "testkit/testkit.h"

#define STREAM_MS 500

static bool enough(const ProtobufCMessage *msg, void *arg)
{
	(void)msg;
	*(bool *)arg = true;
	return false;
}

static struct rpc_client *client(const char *target, const struct auth_signer *signer, const char *agent,
				 uint64_t rights)
{
	struct auth_user u = { .subject = "test", .tenant = "acme", .rights = rights };
	struct rpc_client *c = NULL;
	char *token = NULL;

	(void)str_copy(u.agent, sizeof(u.agent), agent);
	if (auth_sign(signer, &u, clock_wall_ms() / 1000, 600, &token) ||
	    rpc_client_new(&c, &(struct rpc_client_params){ .target = target, .token = token }))
		testkit_die("no client of %s", target);
	mem_free(token);
	return c;
}

err_t rightskit_call(const ProtobufCMethodDescriptor *method, const ProtobufCServiceDescriptor *service,
		     const char *target, const struct auth_signer *signer, const char *agent, uint64_t rights,
		     const ProtobufCMessage *req, struct err_detail *detail)
{
	struct rpc_client *c = client(target, signer, agent, rights);
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
