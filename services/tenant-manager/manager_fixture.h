/*
 * manager_fixture: for the tests: the service as a process, with a private PostgreSQL and NATS, and calls to it in JSON.
 * What cannot be set up ends the test program.
 */
#ifndef TM_MANAGER_FIXTURE_H
#define TM_MANAGER_FIXTURE_H

#include "base/err.h"
#include "base/str.h"
#include "rpc/rpc.h"
#include "testkit/testkit.h"

struct fixture {
	struct testkit_postgres pg;
	struct testkit_nats nats;
	struct testkit_proc proc;
	char dir[TESTKIT_PATH];
	char instance[16];
	int grpc_port, http_port;
	char dsn[TESTKIT_PATH + 128]; /* of role tenant_manager */
	char owner_dsn[TESTKIT_PATH + 128];
	char operator_token[2048];
	const char *language; /* accept-language of the calls; NULL: none */
	struct loop *loop;
	const char *more_config; /* YAML, set before fixture_start; NULL: none */
	int db_connections;	 /* set before fixture_start; 0: as many as without a setting */
};

void fixture_start(struct fixture *f);
void fixture_stop(struct fixture *f);
/* Of a group whose set-up put its fixture into *state. */
int fixture_tear_down(void **state);
/* The service alone; start waits until it is ready. */
void fixture_service_start(struct fixture *f);
void fixture_service_stop(struct fixture *f, int signo);

/* Another instance beside f's, with the same PostgreSQL and NATS; stop it by fixture_service_stop, before f. */
void fixture_second(struct fixture *second, const struct fixture *f);

/* Owned by the caller. token NULL: none. */
struct rpc_client *fixture_client(const struct fixture *f, const char *token);
/* A unary method of AdminService or AuthService ("Login", "CreateToken"); request and answer in JSON. token NULL: none. */
err_t fixture_call(struct fixture *f, const char *token, const char *method, const char *json, struct str *answer,
		   struct err_detail *detail) MUST;
/* The same, which must succeed; returns the answer, valid until the next call. */
const char *fixture_must(struct fixture *f, const char *token, const char *method, const char *json);
err_t fixture_upload(struct fixture *f, const char *token, const char *parent, const char *id, const void *file,
		     size_t size, struct str *answer, struct err_detail *detail) MUST;
/* Half a second of silence as a prompt, by the operator; 8,000 bytes of audio. */
void fixture_upload_silence(struct fixture *f, const char *parent, const char *id);
/* CreateImport; the header in JSON. */
err_t fixture_import(struct fixture *f, const char *token, const char *header, const void *file, size_t size,
		     struct str *answer, struct err_detail *detail) MUST;
/* between is called after the header was sent; its error cancels the call and is returned. */
err_t fixture_import_slowly(struct fixture *f, const char *token, const char *header, const void *file, size_t size,
			    err_t (*between)(void *arg), void *arg, struct str *answer, struct err_detail *detail) MUST;
/* So many bytes each so many milliseconds. */
err_t fixture_import_pieces(struct fixture *f, const char *token, const char *header, const void *file, size_t size,
			    size_t piece, unsigned each_ms, struct err_detail *detail) MUST;
/* A token made by the operator; scopes: "SCOPE_TENANT_ADMIN". Valid until the program ends. */
const char *fixture_token(struct fixture *f, const char *tenant, const char *scope);
/* Value of a string field in the answer's JSON ("etag"), "" if there is none; a ring of 8 buffers. */
const char *fixture_field(const char *json, const char *field);
/* Deletes the tenant without grace and waits until it is gone. */
void fixture_purge(struct fixture *f, const char *tenant);
/* Value of a metric, with its labels ("x_total{quota=\"a\"}"). */
long long fixture_metric(const struct fixture *f, const char *name);
/* CPU of a process and its children, those that ended among them, so far. */
int64_t fixture_cpu_ms(pid_t pid);
/* One value by psql as the superuser. */
const char *fixture_sql(struct fixture *f, const char *sql);

#endif
