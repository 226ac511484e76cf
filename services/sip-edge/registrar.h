/*
 * registrar: where the agents' phones are: bindings per address of record, by the rules of RFC 3261 §10.3. No I/O; time is
 * an argument (wall, because bindings outlive the process in KV `bindings`). One thread.
 *
 *	struct reg_request rq = { .n_contacts = 1, … };
 *	unsigned status = registrar_update(r, "acme", "1001", &rq, now_ms, &aor);
 */
#ifndef SIP_EDGE_REGISTRAR_H
#define SIP_EDGE_REGISTRAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

#define REG_CONTACTS 8
#define REG_KEY	     160

struct binding {
	char *contact; /* URI */
	char *route;   /* behind NAT: URI of where the REGISTER came from, requests go there; else "" */
	char *path;    /* value of a Route header, or "" */
	char *call_id;
	char *instance_id; /* or "" */
	char *user_agent;
	char *edge; /* instance that took it */
	uint32_t cseq;
	unsigned q; /* 0…1000 */
	int64_t expires_ms;
};
struct aor {
	char key[REG_KEY]; /* "<tenant>.<agent>" */
	size_t n;
	struct binding b[REG_CONTACTS];
};

struct reg_contact {
	const char *uri;
	const char *instance_id; /* "" */
	int64_t expires_s;	 /* -1: not said */
	unsigned q;
};
struct reg_request {
	size_t n_contacts; /* 0: only asks */
	struct reg_contact contacts[REG_CONTACTS];
	bool star;
	int64_t expires_s; /* header; -1: absent */
	const char *call_id, *route, *path, *user_agent, *edge;
	uint32_t cseq;
};
struct registrar_limits {
	int64_t min_s, max_s, default_s;
	size_t max_contacts;
};

struct registrar;
err_t registrar_new(struct registrar **ret, const struct registrar_limits *limits) MUST;
void registrar_free(struct registrar **r);

/* 200, or why not: 400, 423 (too brief), 500 (older CSeq, no memory). All or nothing. *ret: the bindings after it, NULL
 * if there are none. */
unsigned registrar_update(struct registrar *r, const char *tenant, const char *agent, const struct reg_request *rq,
			  int64_t now_ms, const struct aor **ret);
/* Live bindings; NULL if there are none. */
const struct aor *registrar_find(struct registrar *r, const char *tenant, const char *agent, int64_t now_ms);
/* What another edge or an earlier life stored. Takes over the strings of a (also on failure) and leaves it empty. */
err_t registrar_put(struct registrar *r, struct aor *a) MUST;
void registrar_remove(struct registrar *r, const char *key);
/* Forgets what has expired; now and then, so that phones that never come back take no memory. */
void registrar_sweep(struct registrar *r, int64_t now_ms);
size_t registrar_count(const struct registrar *r);
void registrar_key(char key[REG_KEY], const char *tenant, const char *agent);
void binding_done(struct binding *b);

#endif
