#include "manager_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "pbjson/pbjson.h"
#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/admin/v1/auth.pb-c.h"

#define BINARY_SUFFIX "/bin/trunkline-tenant-manager"

/* build/release/test/… of this program says where the service is. */
static const char *binary(char buf[512])
{
	ssize_t n = readlink("/proc/self/exe", buf, 400);

	if (n <= 0)
		testkit_die("readlink /proc/self/exe");
	buf[n] = '\0';
	for (int i = 0; i < 2; i++)
		*strrchr(buf, '/') = '\0';
	strcat(buf, BINARY_SUFFIX);
	if (access(buf, X_OK) != 0)
		testkit_die("no %s: run `make` first", buf);
	return buf;
}

static void run(const char *const *argv)
{
	struct str out = STR_INIT;

	if (testkit_run(argv, &out, 20000))
		testkit_die("%s: %s", argv[0], str_text(&out));
	str_done(&out);
}

static void make_roles(struct fixture *f)
{
	run((const char *[]){
	    "psql", "-Xq", "-v", "ON_ERROR_STOP=1", f->pg.dsn, "-c",
	    "CREATE ROLE trunkline_owner LOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS; "
	    "CREATE ROLE tenant_manager LOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS; "
	    "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE, CREATE ON SCHEMA public TO trunkline_owner; "
	    "GRANT CREATE ON DATABASE postgres TO trunkline_owner",
	    NULL });
	/* The last user= of a connection string wins. */
	snprintf(f->owner_dsn, sizeof(f->owner_dsn), "%s user=trunkline_owner", f->pg.dsn);
	snprintf(f->dsn, sizeof(f->dsn), "%s user=tenant_manager", f->pg.dsn);
}

static void make_keys(struct fixture *f)
{
	char key[TESTKIT_PATH + 64], pub[TESTKIT_PATH + 64];

	snprintf(key, sizeof(key), "%s/token.key", f->dir);
	snprintf(pub, sizeof(pub), "%s/token.pub", f->dir);
	run((const char *[]){ "openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
			      key, NULL });
	run((const char *[]){ "openssl", "pkey", "-in", key, "-pubout", "-out", pub, NULL });
	testkit_certificate(f->dir, "tenant-manager");
}

static void write_config(struct fixture *f)
{
	struct str s = STR_INIT;
	char path[TESTKIT_PATH + 64], name[32];

	str_printf(&s, "instance: %s\nsite: centre\nhttp:\n  address: 127.0.0.1\n  port: %d\n", f->instance,
		   f->http_port);
	str_printf(&s, "nats:\n  url: %s\n", f->nats.url);
	str_printf(&s, "grpc:\n  address: 127.0.0.1:%d\n", f->grpc_port);
	str_printf(
	    &s, "tls:\n  ca_file: %s/ca.pem\n  cert_file: %s/tenant-manager.pem\n  key_file: %s/tenant-manager.key\n",
	    f->dir, f->dir, f->dir);
	str_printf(&s, "db:\n  conninfo: \"%s\"\n  migrate_conninfo: \"%s\"\n", f->dsn, f->owner_dsn);
	if (f->db_connections)
		str_printf(&s, "  connections: %d\n", f->db_connections);
	str_printf(&s,
		   "auth:\n  private_key_file: %s/token.key\n  public_key_file: %s/token.pub\n  bootstrap_token_file: "
		   "%s/operator.token\n",
		   f->dir, f->dir, f->dir);
	str_append(&s, f->more_config ? f->more_config : "");
	snprintf(name, sizeof(name), "%s.yaml", f->instance);
	testkit_file(f->dir, name, str_text(&s), path);
	str_done(&s);
}

static bool is_ready(void *arg)
{
	struct fixture *f = arg;
	struct str out = STR_INIT;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/readyz", f->http_port);
	int code = testkit_run((const char *[]){ "curl", "-sf", "-m", "10", url, NULL }, &out, 20000);
	str_done(&out);
	return code == 0;
}

void fixture_service_start(struct fixture *f)
{
	char path[512], conf[TESTKIT_PATH + 64], log[TESTKIT_PATH + 64], token[TESTKIT_PATH + 64];
	const char *argv[] = { binary(path), "-c", conf, NULL };
	struct str text = STR_INIT;

	snprintf(conf, sizeof(conf), "%s/%s.yaml", f->dir, f->instance);
	snprintf(log, sizeof(log), "%s/%s.log", f->dir, f->instance);
	snprintf(token, sizeof(token), "%s/operator.token", f->dir);
	testkit_spawn(&f->proc, &(struct testkit_spawn){ .argv = argv, .log = log });
	if (!testkit_wait(is_ready, f, 60000)) {
		testkit_read(log, &text);
		testkit_die("the service does not become ready:\n%s", str_text(&text));
	}
	testkit_read(token, &text);
	(void)str_copy(f->operator_token, sizeof(f->operator_token), str_text(&text));
	f->operator_token[strcspn(f->operator_token, "\n")] = '\0';
	str_done(&text);
}

void fixture_service_stop(struct fixture *f, int signo)
{
	struct str text = STR_INIT;
	bool running = testkit_proc_running(&f->proc);
	int code = testkit_proc_stop(&f->proc, signo, 30000);

	if (running && signo == SIGTERM && code) {
		testkit_read(f->proc.log, &text);
		testkit_die("the service ended with %d:\n%s", code, str_text(&text));
	}
}

void fixture_start(struct fixture *f)
{
	*f = (struct fixture){ .instance = "tm-1",
			       .grpc_port = testkit_tcp_port(),
			       .http_port = testkit_tcp_port(),
			       .more_config = f->more_config,
			       .db_connections = f->db_connections };
	testkit_dir(f->dir);
	testkit_postgres_start(&f->pg);
	testkit_nats_start(&f->nats, true);
	make_roles(f);
	make_keys(f);
	write_config(f);
	if (loop_new(&f->loop))
		testkit_die("loop_new");
	fixture_service_start(f);
}

void fixture_stop(struct fixture *f)
{
	fixture_service_stop(f, SIGTERM);
	loop_free(&f->loop);
	testkit_nats_stop(&f->nats);
	testkit_postgres_stop(&f->pg);
}

int fixture_tear_down(void **state)
{
	fixture_stop(*state);
	return 0;
}

void fixture_second(struct fixture *second, const struct fixture *f)
{
	*second = *f;
	second->proc = (struct testkit_proc){ 0 };
	(void)str_copy(second->instance, sizeof(second->instance), "tm-2");
	second->grpc_port = testkit_tcp_port();
	second->http_port = testkit_tcp_port();
	write_config(second);
	fixture_service_start(second);
}

/* ---- calls ---- */

struct rpc_client *fixture_client(const struct fixture *f, const char *token)
{
	char target[32], ca[TESTKIT_PATH + 64];
	struct rpc_client *c;

	snprintf(target, sizeof(target), "127.0.0.1:%d", f->grpc_port);
	snprintf(ca, sizeof(ca), "%s/ca.pem", f->dir);
	if (rpc_client_new(&c, &(struct rpc_client_params){
				   .target = target,
				   .tls = { .ca_file = ca },
				   .token = token,
				   .language = f->language,
				   .timeout_ms = 60000, /* of a busy machine */
			       }))
		testkit_die("rpc_client_new");
	return c;
}

err_t fixture_call(struct fixture *f, const char *token, const char *method, const char *json, struct str *answer,
		   struct err_detail *detail)
{
	const ProtobufCServiceDescriptor *service = &trunkline__admin__v1__admin_service__descriptor;
	const ProtobufCMethodDescriptor *m = protobuf_c_service_descriptor_get_method_by_name(service, method);
	ProtobufCMessage *req, *rep = NULL;
	struct err_detail own = { 0 };

	if (!m) {
		service = &trunkline__admin__v1__auth_service__descriptor;
		m = protobuf_c_service_descriptor_get_method_by_name(service, method);
	}
	if (!m)
		testkit_die("no method %s", method);
	if (pbjson_parse(&req, m->input, json, strlen(json), 0, &own))
		testkit_die("%s: %s %s in %s", method, own.field, own.message, json);
	struct rpc_client *c = fixture_client(f, token);
	err_t e = rpc_client_call(c, service, method, req, &rep, detail ? detail : &own);
	if (!e && answer && pbjson_print(answer, rep, 0, NULL))
		testkit_die("pbjson_print");
	if (rep)
		protobuf_c_message_free_unpacked(rep, NULL);
	protobuf_c_message_free_unpacked(req, NULL);
	rpc_client_free(&c);
	return e;
}

const char *fixture_must(struct fixture *f, const char *token, const char *method, const char *json)
{
	static struct str answer = STR_INIT;
	struct err_detail d = { 0 };

	str_reset(&answer);
	err_t e = fixture_call(f, token, method, json, &answer, &d);
	if (e)
		testkit_die("%s %s: %s %s: %s", method, json, err_name(e), d.field, d.message);
	return str_text(&answer);
}

/* A stream of messages of one type: the header, then pieces of the file. Both types have the same fields. */
struct source {
	ProtobufCMessage *msg;
	const ProtobufCMessage *header;
	const unsigned char *file;
	size_t size, at;
	bool begun;
	size_t piece;		     /* bytes a message at most; 0: 100,000 */
	err_t (*between)(void *arg); /* after the header, with piece before each; may be NULL */
	void *arg;
};

static void *member(const struct source *s, const char *field)
{
	return (char *)s->msg + protobuf_c_message_descriptor_get_field_by_name(s->msg->descriptor, field)->offset;
}

static void set_case(const struct source *s, const char *field)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field_by_name(s->msg->descriptor, field);

	*(uint32_t *)(void *)((char *)s->msg + f->quantifier_offset) = f->id;
}

static err_t next_piece(const ProtobufCMessage **msg, void *arg)
{
	struct source *s = arg;
	size_t n = s->size - s->at, most = s->piece ? s->piece : 100000;

	if (n > most)
		n = most;
	*msg = NULL;
	if (s->begun && s->between) {
		err_t e = s->between(s->arg);

		if (!s->piece)
			s->between = NULL;
		if (e)
			return e;
	}
	if (s->begun && !n)
		return ERR_OK;
	if (s->begun) {
		set_case(s, "chunk");
		*(ProtobufCBinaryData *)member(s, "chunk") = (ProtobufCBinaryData){ n, (uint8_t *)s->file + s->at };
		s->at += n;
	} else {
		set_case(s, "header");
		*(const ProtobufCMessage **)member(s, "header") = s->header;
	}
	s->begun = true;
	*msg = s->msg;
	return ERR_OK;
}

static err_t send_stream(struct fixture *f, const char *token, const char *method, struct source *s, struct str *answer,
			 struct err_detail *detail)
{
	ProtobufCMessage *rep = NULL;
	struct rpc_client *c = fixture_client(f, token);
	err_t e =
	    rpc_client_upload(c, &trunkline__admin__v1__admin_service__descriptor, method, next_piece, s, &rep, detail);

	if (!e && answer && pbjson_print(answer, rep, 0, NULL))
		testkit_die("pbjson_print");
	if (rep)
		protobuf_c_message_free_unpacked(rep, NULL);
	rpc_client_free(&c);
	return e;
}

void fixture_upload_silence(struct fixture *f, const char *parent, const char *id)
{
	static const unsigned char wav[44 + 8000] =
	    "RIFF\x64\x1f\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0"
	    "data\x40\x1f\0";
	struct err_detail d = { 0 };

	if (fixture_upload(f, f->operator_token, parent, id, wav, sizeof(wav), NULL, &d))
		testkit_die("upload: %s %s", d.field, d.message);
}

err_t fixture_upload(struct fixture *f, const char *token, const char *parent, const char *id, const void *file,
		     size_t size, struct str *answer, struct err_detail *detail)
{
	Trunkline__Admin__V1__UploadPromptRequest msg = TRUNKLINE__ADMIN__V1__UPLOAD_PROMPT_REQUEST__INIT;
	Trunkline__Admin__V1__UploadPromptHeader header = TRUNKLINE__ADMIN__V1__UPLOAD_PROMPT_HEADER__INIT;
	struct source s = { .msg = &msg.base, .header = &header.base, .file = file, .size = size };

	header.parent = (char *)parent;
	header.prompt_id = (char *)id;
	return send_stream(f, token, "UploadPrompt", &s, answer, detail);
}

static err_t import(struct fixture *f, const char *token, const char *header, struct source *s, struct str *answer,
		    struct err_detail *detail)
{
	Trunkline__Admin__V1__CreateImportRequest msg = TRUNKLINE__ADMIN__V1__CREATE_IMPORT_REQUEST__INIT;
	ProtobufCMessage *parsed;

	if (pbjson_parse(&parsed, &trunkline__admin__v1__create_import_header__descriptor, header, strlen(header), 0,
			 detail))
		testkit_die("%s: %s %s", header, detail->field, detail->message);
	s->msg = &msg.base;
	s->header = parsed;
	err_t e = send_stream(f, token, "CreateImport", s, answer, detail);
	protobuf_c_message_free_unpacked(parsed, NULL);
	return e;
}

err_t fixture_import(struct fixture *f, const char *token, const char *header, const void *file, size_t size,
		     struct str *answer, struct err_detail *detail)
{
	struct source s = { .file = file, .size = size };

	return import(f, token, header, &s, answer, detail);
}

err_t fixture_import_slowly(struct fixture *f, const char *token, const char *header, const void *file, size_t size,
			    err_t (*between)(void *arg), void *arg, struct str *answer, struct err_detail *detail)
{
	struct source s = { .file = file, .size = size, .between = between, .arg = arg };

	return import(f, token, header, &s, answer, detail);
}

static err_t rest(void *arg)
{
	usleep(*(unsigned *)arg * 1000);
	return ERR_OK;
}

err_t fixture_import_pieces(struct fixture *f, const char *token, const char *header, const void *file, size_t size,
			    size_t piece, unsigned each_ms, struct err_detail *detail)
{
	struct source s = { .file = file, .size = size, .piece = piece, .between = rest, .arg = &each_ms };

	return import(f, token, header, &s, NULL, detail);
}

const char *fixture_field(const char *json, const char *field)
{
	static char ring[8][2048];
	static int at;
	char *buf = ring[at++ % 8], want[80];

	buf[0] = '\0';
	snprintf(want, sizeof(want), "\"%s\":", field);
	const char *p = strstr(json, want);
	if (!p)
		return buf;
	p += strlen(want);
	p += strspn(p, " ");
	if (*p == '"')
		snprintf(buf, sizeof(ring[0]), "%.*s", (int)strcspn(p + 1, "\""), p + 1);
	else
		snprintf(buf, sizeof(ring[0]), "%.*s", (int)strcspn(p, ",}"), p);
	return buf;
}

const char *fixture_token(struct fixture *f, const char *tenant, const char *scope)
{
	static char tokens[16][2048];
	static int n;
	struct str json = STR_INIT;
	char *buf = tokens[n++ % 16];

	str_printf(&json, "{\"tenant\":\"%s\",\"scopes\":[\"%s\"]}", tenant, scope);
	(void)str_copy(buf, sizeof(tokens[0]),
		       fixture_field(fixture_must(f, f->operator_token, "CreateToken", str_text(&json)),
				     "accessToken"));
	str_done(&json);
	return buf;
}

struct purged {
	struct fixture *f;
	char json[96];
};

static bool is_gone(void *arg)
{
	struct purged *p = arg;

	return fixture_call(p->f, p->f->operator_token, "GetTenant", p->json, NULL, NULL) == ERR_NOT_FOUND;
}

void fixture_purge(struct fixture *f, const char *tenant)
{
	struct purged p = { .f = f };
	char json[128];

	snprintf(json, sizeof(json), "{\"name\":\"tenants/%s\",\"graceMs\":\"0\"}", tenant);
	(void)fixture_must(f, f->operator_token, "DeleteTenant", json);
	snprintf(p.json, sizeof(p.json), "{\"name\":\"tenants/%s\"}", tenant);
	if (!testkit_wait(is_gone, &p, 60000))
		testkit_die("tenant %s is not purged", tenant);
}

long long fixture_metric(const struct fixture *f, const char *name)
{
	struct str out = STR_INIT, want = STR_INIT;
	char url[64];

	snprintf(url, sizeof(url), "http://127.0.0.1:%d/metrics", f->http_port);
	if (testkit_run((const char *[]){ "curl", "-sf", "-m", "20", url, NULL }, &out, 30000))
		testkit_die("no answer of %s", url);
	str_printf(&want, "\n%s ", name);
	const char *at = strstr(str_text(&out), str_text(&want));
	long long n = 0;
	if (at)
		n = strtoll(at + want.len, NULL, 10);
	else
		testkit_die("no metric %s", name);
	str_done(&out);
	str_done(&want);
	return n;
}

const char *fixture_sql(struct fixture *f, const char *sql)
{
	static struct str out = STR_INIT;

	str_reset(&out);
	if (testkit_run((const char *[]){ "psql", "-XAtq", f->pg.dsn, "-c", sql, NULL }, &out, 20000))
		testkit_die("psql: %s", str_text(&out));
	if (out.len && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return str_text(&out);
}

int64_t fixture_cpu_ms(pid_t pid)
{
	static const char script[] =
	    "cat /proc/[0-9]*/stat 2>/dev/null | sed 's/([^)]*)/x/' | "
	    "awk -v p=\"$0\" '$1 == p {s += $14 + $15 + $16 + $17} $4 == p {s += $14 + $15} END {print s}'";
	struct str out = STR_INIT;
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)pid);
	if (testkit_run((const char *[]){ "sh", "-c", script, text, NULL }, &out, 10000))
		testkit_die("%s", str_text(&out));
	int64_t ticks = strtoll(str_text(&out), NULL, 10);
	str_done(&out);
	return ticks * 1000 / sysconf(_SC_CLK_TCK);
}
