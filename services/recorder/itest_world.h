/*
 * itest_world: what the integration tests of the recorder stand on: a real NATS server, a real PostgreSQL, the real program; segments
 * written and events sent as media and call-control do, and clients of its API.
 */
#ifndef RECORDER_ITEST_WORLD_H
#define RECORDER_ITEST_WORLD_H

#include <fcntl.h>
#include <libgen.h>
#include <math.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audio/g711.h"
#include "audio/tone.h"
#include "audio/wav.h"
#include "auth/auth.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "bus/bus.h"
#include "db/db.h"
#include "events/events.h"
#include "mp3.h"
#include "recording/segment.h"
#include "rpc/rpc.h"
#include "testkit/cmocka_all.h"
#include "rightskit/rightskit.h"
#include "testkit/testkit.h"
#include "trunkline/call/v1/quota.pb-c.h"
#include "trunkline/recording/v1/recording.pb-c.h"

#define SERVICE	  (&trunkline__recording__v1__recording_service__descriptor)
#define START_MS  1790000000000ll /* 2026-09-21 */
#define N_MISSING 200

typedef Trunkline__Recording__V1__ListRecordingsRequest list_request;
typedef Trunkline__Recording__V1__ListRecordingsResponse list_response;
typedef Trunkline__Recording__V1__Recording recording_t;

static struct testkit_nats nats;
static struct testkit_postgres pg;
static struct testkit_proc recorder;
static struct loop *loop;
static struct bus *bus;
static struct bus_sub *sub;
static struct events *events;
static struct auth_signer *signer;
static char dir[TESTKIT_PATH], conf[TESTKIT_PATH + 64], binary[512], address[32];
static char master_file[TESTKIT_PATH + 64]; /* "": the recorder has none */
static unsigned stored, event_no;
static char stored_id[64], watched_id[64];
static unsigned watched_turn; /* watched_id was stored as which of all, from 1; 0: it has not been */

/* ---- the world around the recorder ---- */
static __attribute__((unused)) void make_key(void)
{
	char path[TESTKIT_PATH + 32];
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *f;

	snprintf(path, sizeof(path), "%s/token.pub", dir);
	f = fopen(path, "w");
	PEM_write_PUBKEY(f, key);
	fclose(f);
	snprintf(path, sizeof(path), "%s/token.key", dir);
	f = fopen(path, "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	EVP_PKEY_free(key);
	assert_int_equal(auth_signer_new(&signer, path, NULL), ERR_OK);
}

static __attribute__((unused)) err_t make_roles(struct db_tx *tx, void *arg)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "CREATE ROLE recorder LOGIN NOSUPERUSER NOBYPASSRLS", 0, NULL);

	(void)arg;
	db_result_free(&res);
	return e;
}

static __attribute__((unused)) void prepare_postgres(void)
{
	struct db_params p = { .loop = loop, .conninfo = pg.dsn };
	struct db *db;

	assert_int_equal(db_new(&db, &p), ERR_OK);
	assert_int_equal(db_run_wait(db, NULL, make_roles, NULL), ERR_OK);
	db_free(&db);
}

static __attribute__((unused)) void on_event(const struct bus_msg *msg, void *arg)
{
	Trunkline__Event__V1__Event *ev = trunkline__event__v1__event__unpack(NULL, msg->size, msg->data);

	(void)arg;
	assert_non_null(ev);
	if (ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STORED) {
		stored++;
		(void)str_copy(stored_id, sizeof(stored_id), ev->recording_stored->recording_id);
		if (str_eq(stored_id, watched_id))
			watched_turn = stored;
	}
	trunkline__event__v1__event__free_unpacked(ev, NULL);
}

static __attribute__((unused)) void start_one(struct testkit_proc *proc, const char *yaml, const char *listens)
{
	const char *argv[] = { binary, "-c", yaml, NULL };
	char log[TESTKIT_PATH + 64];

	snprintf(log, sizeof(log), "%s/recorder.log", dir);
	testkit_spawn(proc, &(struct testkit_spawn){ .argv = argv, .log = log });
	assert_true(testkit_wait_tcp(atoi(strchr(listens, ':') + 1), 30000));
}

static __attribute__((unused)) void start_recorder(void)
{
	start_one(&recorder, conf, address);
}

static __attribute__((unused)) void find_binary(void)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-recorder", dirname(self));
}

static __attribute__((unused)) void configure(const char *instance, const char *listens, char path[TESTKIT_PATH + 64])
{
	char text[2048 + TESTKIT_PATH], name[32], user_dsn[2 * TESTKIT_PATH];

	(void)str_copy(user_dsn, sizeof(user_dsn), pg.dsn);
	assert_non_null(strstr(user_dsn, "user=postgres"));
	memcpy(strstr(user_dsn, "user=postgres"), "user=recorder", 13);
	snprintf(text, sizeof(text),
		 "instance: %s\nsite: centre\nhttp:\n  address: 127.0.0.1\n  port: %d\nnats:\n  url: %s\ndata:\n  "
		 "dir: %s/rec\n"
		 "db:\n  conninfo: \"%s\"\n  migrate_conninfo: \"%s\"\ngrpc:\n  address: \"%s\"\nauth:\n  "
		 "public_key_file: %s/token.pub\n"
		 "recorder:\n  orphan_minutes: 1\n  lost_minutes: 10\n  ack_wait_ms: 4000\ndrain:\n  timeout_ms: 3000\n"
		 "keys:\n  master_file: \"%s\"\n  settle_ms: 1000\n",
		 instance, testkit_tcp_port(), nats.url, dir, user_dsn, pg.dsn, listens, dir, master_file);
	snprintf(name, sizeof(name), "%s.yaml", instance);
	testkit_file(dir, name, text, path);
}

static __attribute__((unused)) int setup_all(void **state)
{
	struct bus_params p = { 0 };

	(void)state;
	find_binary();
	if (!*dir)
		testkit_dir(dir);
	testkit_nats_start(&nats, true);
	testkit_postgres_start(&pg);
	assert_int_equal(loop_new(&loop), ERR_OK);
	prepare_postgres();
	make_key();
	rightskit_none_revoked(nats.url);
	snprintf(address, sizeof(address), "127.0.0.1:%d", testkit_tcp_port());
	configure("rec-1", address, conf);
	p.loop = loop;
	p.url = nats.url;
	p.name = "test";
	assert_int_equal(bus_new(&bus, &p, NULL), ERR_OK);
	assert_int_equal(events_ensure_stream(bus, NULL), ERR_OK);
	assert_int_equal(events_new(&events, bus, "centre", "test"), ERR_OK);
	assert_int_equal(bus_subscribe(&sub, bus, "ev.*.recording.>", NULL, on_event, NULL), ERR_OK);
	start_recorder();
	return 0;
}

static __attribute__((unused)) int teardown_all(void **state)
{
	(void)state;
	assert_int_equal(testkit_proc_stop(&recorder, SIGTERM, 20000), 0);
	bus_unsubscribe(&sub);
	events_free(&events);
	bus_free(&bus);
	loop_free(&loop);
	auth_signer_free(&signer);
	testkit_postgres_stop(&pg);
	testkit_nats_stop(&nats);
	return 0;
}

/* ---- recordings ---- */
/* Left 440 Hz from the start, right 1,000 Hz after one second. */
static __attribute__((unused)) void write_segment(const char *tenant, const char *id, unsigned ms, bool ended)
{
	struct segment_info info = { .call_id = "call", .leg_id = "leg", .start_ms = START_MS };
	char root[TESTKIT_PATH + 8];
	struct segment_writer *w;
	struct tone tones[2];

	(void)str_copy(info.tenant, sizeof(info.tenant), tenant);
	(void)str_copy(info.recording_id, sizeof(info.recording_id), id);
	snprintf(root, sizeof(root), "%s/rec", dir);
	assert_int_equal(segment_writer_open(&w, root, &info, 0), ERR_OK);
	tone_init(&tones[0], 440, 8000, -10);
	tone_init(&tones[1], 1000, 8000, -10);
	for (unsigned t = 0; t < ms; t += 20)
		for (int k = 0; k < 2; k++) {
			int16_t pcm[160] = { 0 };
			uint8_t law[160];
			struct segment_frame f = { .kind = (enum segment_kind)k,
						   .codec = SEGMENT_PCMU,
						   .seq = (uint16_t)(t / 20),
						   .ts = t * 8,
						   .payload = law,
						   .size = 160 };

			if (k && t < 1000)
				continue;
			tone_add(&tones[k], pcm, 160);
			g711_u_encode_n(law, pcm, 160);
			assert_int_equal(segment_writer_frame(w, &f, t * 1000), ERR_OK);
		}
	if (ended) {
		assert_int_equal(segment_writer_close(&w, ms * 1000, NULL), ERR_OK);
	} else {
		assert_int_equal(segment_writer_flush(w), ERR_OK);
		segment_writer_free(&w);
	}
}

static __attribute__((unused)) bool segment_exists(const char *tenant, const char *id)
{
	char path[TESTKIT_PATH + 200];

	snprintf(path, sizeof(path), "%s/rec/%s/%s.seg", dir, tenant, id);
	return access(path, F_OK) == 0;
}

static __attribute__((unused)) bool segment_gone(void *arg)
{
	return !segment_exists("acme", arg);
}

static __attribute__((unused)) void on_ack(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	assert_int_equal(e, ERR_OK);
	*(bool *)arg = true;
}

static int64_t emitted_ms; /* when it happened; 0: now */

static __attribute__((unused)) void emit_to(bus_ack_fn *fn, void *arg, const char *tenant, const char *id,
					    const char *agent, const char *caller, bool started_only)
{
	Trunkline__Event__V1__RecordingStarted begun = TRUNKLINE__EVENT__V1__RECORDING_STARTED__INIT;
	Trunkline__Event__V1__RecordingStopped stopped = TRUNKLINE__EVENT__V1__RECORDING_STOPPED__INIT;
	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
	char event_id[80];

	snprintf(event_id, sizeof(event_id), "%s-%u", id, ++event_no);
	ev.id = event_id;
	ev.tenant = (char *)tenant;
	ev.call_id = (char *)"call1";
	ev.leg_id = (char *)"leg1";
	ev.agent_id = (char *)agent;
	ev.queue_id = (char *)"sales";
	ev.time_ms = emitted_ms;
	if (started_only) {
		ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STARTED;
		ev.recording_started = &begun;
		begun.recording_id = (char *)id;
	} else {
		ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STOPPED;
		ev.recording_stopped = &stopped;
		stopped.recording_id = (char *)id;
		stopped.path = (char *)"../../etc/passwd"; /* is not believed */
		stopped.started_ms = START_MS;
		stopped.caller = (char *)caller;
		stopped.called = (char *)"4000";
	}
	assert_int_equal(events_emit(events, "recording", "call1", &ev, fn, arg), ERR_OK);
}

static __attribute__((unused)) void emit(const char *tenant, const char *id, const char *agent, const char *caller,
					 bool started_only)
{
	bool done = false;

	emit_to(on_ack, &done, tenant, id, agent, caller, started_only);
	assert_true(testkit_wait_flag(loop, &done, 20000));
}

static __attribute__((unused)) bool is_stored(void *arg)
{
	return stored >= *(unsigned *)arg;
}

static __attribute__((unused)) void await_stored(unsigned n)
{
	if (!testkit_wait_loop(loop, is_stored, &n, 20000))
		fail_msg("%u recordings stored, %u expected", stored, n);
}

static __attribute__((unused)) void store(const char *tenant, const char *id, const char *agent, const char *caller,
					  unsigned ms)
{
	unsigned before = stored;

	write_segment(tenant, id, ms, true);
	emit(tenant, id, agent, caller, false);
	await_stored(before + 1);
	assert_string_equal(stored_id, id);
}

/* ---- clients ---- */
static __attribute__((unused)) struct rpc_client *client_of(const struct auth_user *u)
{
	struct rpc_client_params p = { .target = address, .timeout_ms = 60000 };
	struct rpc_client *c;
	char *token;

	assert_int_equal(auth_sign(signer, u, clock_wall_ms() / 1000, 600, &token), ERR_OK);
	p.token = token;
	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	mem_free(token);
	return c;
}

static __attribute__((unused)) struct rpc_client *client(const char *tenant, const char *agent, unsigned scopes)
{
	struct auth_user u = { .subject = "test", .scopes = scopes };

	(void)str_copy(u.tenant, sizeof(u.tenant), tenant);
	(void)str_copy(u.agent, sizeof(u.agent), agent);
	return client_of(&u);
}

static __attribute__((unused)) list_response *list(struct rpc_client *c, const list_request *req)
{
	struct err_detail d = { "", "" };
	ProtobufCMessage *res;
	err_t e = rpc_client_call(c, SERVICE, "ListRecordings", &req->base, &res, &d);

	if (e)
		fail_msg("ListRecordings: %s %s", err_name(e), d.message);
	return (list_response *)res;
}

static __attribute__((unused)) err_t get(struct rpc_client *c, const char *id, recording_t *copy, struct err_detail *d)
{
	Trunkline__Recording__V1__GetRecordingRequest req = TRUNKLINE__RECORDING__V1__GET_RECORDING_REQUEST__INIT;
	ProtobufCMessage *res;
	err_t e;

	req.recording_id = (char *)id;
	e = rpc_client_call(c, SERVICE, "GetRecording", &req.base, &res, d);
	if (e)
		return e;
	*copy = *((Trunkline__Recording__V1__GetRecordingResponse *)res)->recording;
	protobuf_c_message_free_unpacked(res, NULL);
	return ERR_OK;
}

static struct str file = STR_INIT;
static uint64_t announced;

static __attribute__((unused)) bool take_chunk(const ProtobufCMessage *msg, void *arg)
{
	const Trunkline__Recording__V1__DownloadResponse *res = (const void *)msg;

	(void)arg;
	if (res->total_bytes)
		announced = res->total_bytes;
	assert_true(res->data.len <= 150000);
	str_append_n(&file, res->data.data, res->data.len);
	return true;
}

static __attribute__((unused)) err_t download(struct rpc_client *c, const char *id,
					      Trunkline__Recording__V1__RecordingFormat format, struct err_detail *d)
{
	Trunkline__Recording__V1__DownloadRequest req = TRUNKLINE__RECORDING__V1__DOWNLOAD_REQUEST__INIT;

	str_reset(&file);
	announced = 0;
	req.recording_id = (char *)id;
	req.format = format;
	return rpc_client_stream(c, SERVICE, "Download", &req.base, 10000, take_chunk, NULL, d);
}

/* The downloaded MP3 as samples, one channel. */
static __attribute__((unused)) size_t decode(int16_t *left, int16_t *right, size_t max)
{
	static int16_t pcm[MP3_READ_SAMPLES * 2];
	char path[TESTKIT_PATH + 64];
	struct mp3_reader *r;
	size_t n, all = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/got.mp3", dir);
	f = fopen(path, "w");
	fwrite(file.data, 1, file.len, f);
	fclose(f);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(mp3_reader_open(&r, f), ERR_OK);
	while (mp3_reader_next(r, pcm, &n) == ERR_OK && n)
		for (size_t i = 0; i < n && all < max; i++, all++) {
			left[all] = pcm[2 * i];
			right[all] = pcm[2 * i + 1];
		}
	mp3_reader_close(&r);
	return all;
}

struct until {
	struct rpc_client *c;
	const char *id;
	int state;
};

static __attribute__((unused)) bool has_state(void *arg)
{
	struct until *u = arg;
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	return get(u->c, u->id, &r, NULL) == ERR_OK && (int)r.state == u->state;
}

static __attribute__((unused)) void emit_purged(const char *tenant, int64_t time_ms)
{
	Trunkline__Event__V1__TenantPurged purged = TRUNKLINE__EVENT__V1__TENANT_PURGED__INIT;
	Trunkline__Event__V1__Event ev = TRUNKLINE__EVENT__V1__EVENT__INIT;
	char event_id[80];
	bool done = false;

	snprintf(event_id, sizeof(event_id), "%s.purged.%u", tenant, ++event_no);
	ev.id = event_id;
	ev.tenant = (char *)tenant;
	ev.time_ms = time_ms;
	ev.body_case = TRUNKLINE__EVENT__V1__EVENT__BODY_TENANT_PURGED;
	ev.tenant_purged = &purged;
	assert_int_equal(events_emit(events, "recording", "tenant", &ev, on_ack, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 20000));
}

#endif
