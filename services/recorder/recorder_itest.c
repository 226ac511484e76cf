/* The real program against a real NATS server and a real PostgreSQL: from segment to search and download. */
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
static unsigned stored, event_no;
static char stored_id[64];

/* ---- the world around the recorder ---- */
static void make_key(void)
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

static err_t make_roles(struct db_tx *tx, void *arg)
{
	struct db_result *res = NULL;
	err_t e = db_exec(tx, &res, "CREATE ROLE recorder LOGIN NOSUPERUSER NOBYPASSRLS", 0, NULL);

	(void)arg;
	db_result_free(&res);
	return e;
}

static void prepare_postgres(void)
{
	struct db_params p = { .loop = loop, .conninfo = pg.dsn };
	struct db *db;

	assert_int_equal(db_new(&db, &p), ERR_OK);
	assert_int_equal(db_run_wait(db, NULL, make_roles, NULL), ERR_OK);
	db_free(&db);
}

static void on_event(const struct bus_msg *msg, void *arg)
{
	Trunkline__Event__V1__Event *ev = trunkline__event__v1__event__unpack(NULL, msg->size, msg->data);

	(void)arg;
	assert_non_null(ev);
	if (ev->body_case == TRUNKLINE__EVENT__V1__EVENT__BODY_RECORDING_STORED) {
		stored++;
		(void)str_copy(stored_id, sizeof(stored_id), ev->recording_stored->recording_id);
	}
	trunkline__event__v1__event__free_unpacked(ev, NULL);
}

static void start_one(struct testkit_proc *proc, const char *yaml, const char *listens)
{
	const char *argv[] = { binary, "-c", yaml, NULL };
	char log[TESTKIT_PATH + 64];

	snprintf(log, sizeof(log), "%s/recorder.log", dir);
	testkit_spawn(proc, &(struct testkit_spawn){ .argv = argv, .log = log });
	assert_true(testkit_wait_tcp(atoi(strchr(listens, ':') + 1), 10000));
}

static void start_recorder(void)
{
	start_one(&recorder, conf, address);
}

static void find_binary(void)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-recorder", dirname(self));
}

static void configure(const char *instance, const char *listens, char path[TESTKIT_PATH + 64])
{
	char text[2048], name[32], user_dsn[2 * TESTKIT_PATH];

	(void)str_copy(user_dsn, sizeof(user_dsn), pg.dsn);
	assert_non_null(strstr(user_dsn, "user=postgres"));
	memcpy(strstr(user_dsn, "user=postgres"), "user=recorder", 13);
	snprintf(
	    text, sizeof(text),
	    "instance: %s\nsite: centre\nhttp:\n  address: 127.0.0.1\n  port: %d\nnats:\n  url: %s\ndata:\n  "
	    "dir: %s/rec\n"
	    "db:\n  conninfo: \"%s\"\n  migrate_conninfo: \"%s\"\ngrpc:\n  address: \"%s\"\nauth:\n  "
	    "public_key_file: %s/token.pub\n"
	    "recorder:\n  orphan_minutes: 1\n  lost_minutes: 10\n  ack_wait_ms: 4000\ndrain:\n  timeout_ms: 3000\n",
	    instance, testkit_tcp_port(), nats.url, dir, user_dsn, pg.dsn, listens, dir);
	snprintf(name, sizeof(name), "%s.yaml", instance);
	testkit_file(dir, name, text, path);
}

static int setup_all(void **state)
{
	struct bus_params p = { 0 };

	(void)state;
	find_binary();
	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	testkit_postgres_start(&pg);
	assert_int_equal(loop_new(&loop), ERR_OK);
	prepare_postgres();
	make_key();
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

static int teardown_all(void **state)
{
	(void)state;
	assert_int_equal(testkit_proc_stop(&recorder, SIGTERM, 5000), 0);
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
static void write_segment(const char *tenant, const char *id, unsigned ms, bool ended)
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

static bool segment_exists(const char *tenant, const char *id)
{
	char path[TESTKIT_PATH + 200];

	snprintf(path, sizeof(path), "%s/rec/%s/%s.seg", dir, tenant, id);
	return access(path, F_OK) == 0;
}

static bool segment_gone(void *arg)
{
	return !segment_exists("acme", arg);
}

static void on_ack(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	assert_int_equal(e, ERR_OK);
	*(bool *)arg = true;
}

static int64_t emitted_ms; /* when it happened; 0: now */

static void emit_to(bus_ack_fn *fn, void *arg, const char *tenant, const char *id, const char *agent,
		    const char *caller, bool started_only)
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

static void emit(const char *tenant, const char *id, const char *agent, const char *caller, bool started_only)
{
	bool done = false;

	emit_to(on_ack, &done, tenant, id, agent, caller, started_only);
	assert_true(testkit_wait_flag(loop, &done, 5000));
}

static bool is_stored(void *arg)
{
	return stored >= *(unsigned *)arg;
}

static void await_stored(unsigned n)
{
	if (!testkit_wait_loop(loop, is_stored, &n, 15000))
		fail_msg("%u recordings stored, %u expected", stored, n);
}

static void store(const char *tenant, const char *id, const char *agent, const char *caller, unsigned ms)
{
	unsigned before = stored;

	write_segment(tenant, id, ms, true);
	emit(tenant, id, agent, caller, false);
	await_stored(before + 1);
	assert_string_equal(stored_id, id);
}

/* ---- clients ---- */
static struct rpc_client *client(const char *tenant, const char *agent, unsigned scopes)
{
	struct auth_user u = { .scopes = scopes };
	struct rpc_client_params p = { .target = address };
	struct rpc_client *c;
	char *token;

	(void)str_copy(u.tenant, sizeof(u.tenant), tenant);
	(void)str_copy(u.agent, sizeof(u.agent), agent);
	(void)str_copy(u.subject, sizeof(u.subject), "test");
	assert_int_equal(auth_sign(signer, &u, clock_wall_ms() / 1000, 600, &token), ERR_OK);
	p.token = token;
	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	mem_free(token);
	return c;
}

static list_response *list(struct rpc_client *c, const list_request *req)
{
	struct err_detail d = { "", "" };
	ProtobufCMessage *res;
	err_t e = rpc_client_call(c, SERVICE, "ListRecordings", &req->base, &res, &d);

	if (e)
		fail_msg("ListRecordings: %s %s", err_name(e), d.message);
	return (list_response *)res;
}

static err_t get(struct rpc_client *c, const char *id, recording_t *copy, struct err_detail *d)
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

static bool take_chunk(const ProtobufCMessage *msg, void *arg)
{
	const Trunkline__Recording__V1__DownloadResponse *res = (const void *)msg;

	(void)arg;
	if (res->total_bytes)
		announced = res->total_bytes;
	assert_true(res->data.len <= 150000);
	str_append_n(&file, res->data.data, res->data.len);
	return true;
}

static err_t download(struct rpc_client *c, const char *id, Trunkline__Recording__V1__RecordingFormat format,
		      struct err_detail *d)
{
	Trunkline__Recording__V1__DownloadRequest req = TRUNKLINE__RECORDING__V1__DOWNLOAD_REQUEST__INIT;

	str_reset(&file);
	announced = 0;
	req.recording_id = (char *)id;
	req.format = format;
	return rpc_client_stream(c, SERVICE, "Download", &req.base, 10000, take_chunk, NULL, d);
}

/* The downloaded MP3 as samples, one channel. */
static size_t decode(int16_t *left, int16_t *right, size_t max)
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
	assert_int_equal(mp3_reader_open(&r, path), ERR_OK);
	while (mp3_reader_next(r, pcm, &n) == ERR_OK && n)
		for (size_t i = 0; i < n && all < max; i++, all++) {
			left[all] = pcm[2 * i];
			right[all] = pcm[2 * i + 1];
		}
	mp3_reader_close(&r);
	return all;
}

/* ---- tests ---- */
static int16_t left[8000 * 20], right[8000 * 20];

static void a_segment_becomes_a_file_with_each_party_in_its_channel(void **state)
{
	struct rpc_client *c = client("acme", "", AUTH_SUPERVISOR);
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;
	struct wav w;
	size_t n;

	(void)state;
	store("acme", "rec1", "1001", "13800000001", 5000);
	assert_true(testkit_wait(segment_gone, (void *)"rec1", 3000)); /* once it is told */
	assert_int_equal(get(c, "rec1", &r, NULL), ERR_OK);
	assert_int_equal(r.duration_ms, 5000);
	assert_int_equal(r.started_ms, START_MS);
	assert_true(r.complete);
	assert_int_equal(r.state, TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED);

	assert_int_equal(download(c, "rec1", 0, NULL), ERR_OK);
	assert_int_equal(file.len, announced);
	assert_in_range(file.len, 15000, 30000); /* 32 kbit/s */
	n = decode(left, right, ARRAY_SIZE(left));
	assert_in_range(n, 40000, 42500);
	assert_true(tone_share(left + 800, 38000, 440, 8000) > 0.98);
	assert_true(tone_share(right + 8800, 30000, 1000, 8000) > 0.98);
	assert_true(audio_level_dbfs(right, 7600) < -50); /* nothing leaks from the other channel */

	assert_int_equal(download(c, "rec1", TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_MP3_MONO,
				  NULL),
			 ERR_OK);
	n = decode(left, right, ARRAY_SIZE(left));
	assert_in_range(n, 40000, 42500);
	assert_true(tone_share(left + 8800, 30000, 440, 8000) > 0.4 &&
		    tone_share(left + 8800, 30000, 1000, 8000) > 0.4);

	assert_int_equal(download(c, "rec1", TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_WAV, NULL),
			 ERR_OK);
	assert_int_equal(file.len, announced);
	assert_int_equal(wav_parse(&w, file.data, file.len, NULL), ERR_OK);
	assert_int_equal(w.size_bytes, 40000 * 4);
	assert_int_equal(w.channels, 2);
	/* In step with the segment: the right channel begins at one second, to the millisecond. */
	for (n = 0; n < 40000 && abs(((const int16_t *)w.data)[2 * n + 1]) < 2000; n++)
		;
	assert_in_range(n, 7960, 8060);
	rpc_client_free(&c);
}

static void another_tenants_recording_does_not_exist(void **state)
{
	struct rpc_client *rival = client("rival", "", AUTH_SUPERVISOR | AUTH_TENANT_ADMIN);
	list_request req = TRUNKLINE__RECORDING__V1__LIST_RECORDINGS_REQUEST__INIT;
	struct err_detail theirs = { "", "" }, nobodys = { "", "" };
	list_response *res;
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	(void)state;
	assert_int_equal(get(rival, "rec1", &r, &theirs), ERR_NOT_FOUND);
	assert_int_equal(get(rival, "no-such-thing", &r, &nobodys), ERR_NOT_FOUND);
	assert_string_equal(theirs.message, nobodys.message);
	assert_int_equal(download(rival, "rec1", 0, &theirs), ERR_NOT_FOUND);
	assert_int_equal(file.len, 0);
	req.include_unstored = 1;
	res = list(rival, &req);
	assert_int_equal(res->n_recordings, 0);
	protobuf_c_message_free_unpacked(&res->base, NULL);
	rpc_client_free(&rival);
}

static void who_may_not_is_refused(void **state)
{
	list_request req = TRUNKLINE__RECORDING__V1__LIST_RECORDINGS_REQUEST__INIT;
	struct rpc_client_params p = { .target = address };
	struct rpc_client *c;
	ProtobufCMessage *res;

	(void)state;
	assert_int_equal(rpc_client_new(&c, &p), ERR_OK);
	assert_int_equal(rpc_client_call(c, SERVICE, "ListRecordings", &req.base, &res, NULL), ERR_UNAUTHENTICATED);
	rpc_client_free(&c);
	c = client("", "", AUTH_OPERATOR); /* runs the platform, does not listen to its calls */
	assert_int_equal(rpc_client_call(c, SERVICE, "ListRecordings", &req.base, &res, NULL), ERR_DENIED);
	rpc_client_free(&c);
	c = client("acme", "", AUTH_SUPERVISOR);
	req.page_size = 501;
	assert_int_equal(rpc_client_call(c, SERVICE, "ListRecordings", &req.base, &res, NULL), ERR_INVALID);
	rpc_client_free(&c);
}

static void each_method_needs_its_permission_and_no_other_GT_3(void **state)
{
	const ProtobufCMethodDescriptor *m =
	    protobuf_c_service_descriptor_get_method_by_name(SERVICE, "ListRecordings");
	struct err_detail d;

	(void)state;
	rightskit_check(SERVICE, address, signer, "1001");
	/* Who is no agent has no recordings of its own to listen to. */
	assert_int_equal(rightskit_call(m, SERVICE, address, signer, "", rights_bit(RIGHT_RECORDINGS_LISTEN), NULL, &d),
			 ERR_DENIED);
	assert_non_null(strstr(d.message, "recordings.all"));
	assert_int_equal(rightskit_call(m, SERVICE, address, signer, "",
					rights_bit(RIGHT_RECORDINGS_LISTEN) | rights_bit(RIGHT_RECORDINGS_ALL), NULL,
					&d),
			 ERR_OK);
}

static void a_withdrawn_token_is_refused_within_a_second_GT_3(void **state)
{
	(void)state;
	rightskit_check_revoked(SERVICE, address, signer, "1001", nats.url);
}

static void an_agent_finds_its_own_recordings_only(void **state)
{
	list_request req = TRUNKLINE__RECORDING__V1__LIST_RECORDINGS_REQUEST__INIT;
	struct rpc_client *c = client("acme", "1002", AUTH_AGENT);
	list_response *res;
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	(void)state;
	store("acme", "rec2", "1002", "13800000002", 1200);
	assert_int_equal(get(c, "rec1", &r, NULL), ERR_NOT_FOUND);
	assert_int_equal(get(c, "rec2", &r, NULL), ERR_OK);
	res = list(c, &req);
	assert_int_equal(res->n_recordings, 1);
	assert_string_equal(res->recordings[0]->recording_id, "rec2");
	protobuf_c_message_free_unpacked(&res->base, NULL);
	req.agent_id = (char *)"1001";
	res = list(c, &req);
	assert_int_equal(res->n_recordings, 0);
	protobuf_c_message_free_unpacked(&res->base, NULL);
	rpc_client_free(&c);
}

static unsigned matches(struct rpc_client *c, const list_request *req)
{
	list_response *res = list(c, req);
	unsigned n = (unsigned)res->n_recordings;

	protobuf_c_message_free_unpacked(&res->base, NULL);
	return n;
}

/* A request of which some fields are set. */
#define FILTER(set)                                                          \
	({                                                                   \
		static list_request f;                                       \
		trunkline__recording__v1__list_recordings_request__init(&f); \
		set;                                                         \
		&f;                                                          \
	})

static void search_by_time_number_agent_queue_and_length(void **state)
{
	struct rpc_client *c = client("acme", "", AUTH_TENANT_ADMIN);
	list_response *res, *second;

	(void)state;
	assert_int_equal(matches(c, FILTER(f.caller = (char *)"13800000001")), 1);
	assert_int_equal(matches(c, FILTER(f.caller = (char *)"1380000*")), 2);
	assert_int_equal(matches(c, FILTER(f.caller = (char *)"1380%*")), 0);
	assert_int_equal(matches(c, FILTER(f.caller = (char *)"' OR true --")), 0);
	assert_int_equal(matches(c, FILTER(f.called = (char *)"4000")), 2);
	assert_int_equal(matches(c, FILTER(f.agent_id = (char *)"1001")), 1);
	assert_int_equal(matches(c, FILTER(f.queue_id = (char *)"sales")), 2);
	assert_int_equal(matches(c, FILTER(f.call_id = (char *)"call1")), 2);
	assert_int_equal(matches(c, FILTER(f.from_ms = START_MS; f.to_ms = START_MS + 1)), 2);
	assert_int_equal(matches(c, FILTER(f.from_ms = START_MS + 1)), 0);
	assert_int_equal(matches(c, FILTER(f.min_duration_ms = 2000)), 1);
	assert_int_equal(matches(c, FILTER(f.max_duration_ms = 2000)), 1);
	res = list(c, FILTER(f.page_size = 1));
	assert_int_equal(res->n_recordings, 1);
	assert_string_not_equal(res->next_page_token, "");
	second = list(c, FILTER(f.page_size = 1; f.page_token = res->next_page_token));
	assert_int_equal(second->n_recordings, 1);
	assert_string_not_equal(second->recordings[0]->recording_id, res->recordings[0]->recording_id);
	assert_string_equal(second->next_page_token, "");
	protobuf_c_message_free_unpacked(&res->base, NULL);
	protobuf_c_message_free_unpacked(&second->base, NULL);
	rpc_client_free(&c);
}

static void the_same_event_again_changes_nothing(void **state)
{
	struct rpc_client *c = client("acme", "", AUTH_SUPERVISOR);
	unsigned before = stored;
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	(void)state;
	emit("acme", "rec1", "1001", "13800000001", false);
	emit("acme", "rec1", "1001", "", true);
	(void)testkit_wait_loop(loop, is_stored, &(unsigned){ before + 1 }, 1500);
	assert_int_equal(stored, before);
	assert_int_equal(get(c, "rec1", &r, NULL), ERR_OK);
	assert_int_equal(r.duration_ms, 5000);
	assert_int_equal(r.state, TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED);
	rpc_client_free(&c);
}

struct until {
	struct rpc_client *c;
	const char *id;
	int state;
};

static bool has_state(void *arg)
{
	struct until *u = arg;
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	return get(u->c, u->id, &r, NULL) == ERR_OK && (int)r.state == u->state;
}

static void what_is_being_recorded_is_shown_and_what_is_lost_is_told(void **state)
{
	struct until u = { client("acme", "", AUTH_SUPERVISOR), "rec3",
			   TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_RECORDING };

	(void)state;
	emit("acme", "rec3", "1001", "", true);
	assert_true(testkit_wait(has_state, &u, 5000));
	assert_int_equal(download(u.c, "rec3", 0, NULL), ERR_PRECONDITION);
	emit("acme", "rec3", "1001", "138", false); /* stopped, but there is no segment: it may still turn up … */
	(void)testkit_wait_loop(loop, is_stored, &(unsigned){ stored + 1 }, 1000);
	assert_true(has_state(&u));
	emitted_ms = clock_wall_ms() - 11 * 60000; /* … for ten minutes, however often the event has come since */
	emit("acme", "rec3", "1001", "138", false);
	emitted_ms = 0;
	u.state = TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_LOST;
	assert_true(testkit_wait(has_state, &u, 8000));
	assert_int_equal(download(u.c, "rec3", 0, NULL), ERR_DATA_LOSS);
	rpc_client_free(&u.c);
}

static void on_count(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	assert_int_equal(e, ERR_OK);
	++*(unsigned *)arg;
}

static bool all_emitted(void *arg)
{
	return *(unsigned *)arg == N_MISSING;
}

static void emit_missing(void)
{
	unsigned acks = 0;
	char id[32];

	for (int i = 0; i < N_MISSING; i++) {
		snprintf(id, sizeof(id), "missing%d", i);
		emit_to(on_count, &acks, "acme", id, "1001", "138", false);
	}
	assert_true(testkit_wait_loop(loop, all_emitted, &acks, 30000));
}

static bool file_is_made(void *arg)
{
	char path[TESTKIT_PATH + 64];

	snprintf(path, sizeof(path), "%s/rec/acme/2026/09/21/%s.mp3", dir, (const char *)arg);
	return access(path, F_OK) == 0;
}

/* More than the recorder takes at a time. With PostgreSQL away each of them waits for it, too, and may not keep others from
 * becoming files meanwhile. */
static void recordings_without_a_segment_do_not_hold_up_the_others(void **state)
{
	unsigned before = stored;
	struct until late = { client("acme", "", AUTH_SUPERVISOR), "missing7",
			      TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_RECORDING };

	(void)state;
	emit_missing();
	store("acme", "there1", "1001", "138", 1000);
	assert_true(testkit_wait(has_state, &late, 5000));
	testkit_postgres_kill(&pg);
	emit_missing();
	write_segment("acme", "there2", 1000, true);
	emit("acme", "there2", "1001", "138", false);
	assert_true(testkit_wait(file_is_made, (void *)"there2", 8000));
	assert_int_equal(testkit_proc_stop(&recorder, SIGKILL, 5000), 128 + SIGKILL);
	write_segment("acme", "missing7", 1000, true); /* it came after all */
	testkit_postgres_restart(&pg);
	start_recorder();
	await_stored(before + 3);
	assert_true(testkit_wait(segment_gone, (void *)"missing7", 3000));
	rpc_client_free(&late.c);
}

static void postgresql_away_delays_but_loses_nothing(void **state)
{
	unsigned before = stored;

	(void)state;
	testkit_postgres_kill(&pg);
	write_segment("acme", "rec4", 1000, true);
	emit("acme", "rec4", "1001", "138", false);
	(void)testkit_wait_loop(loop, is_stored, &(unsigned){ before + 1 }, 3000);
	assert_int_equal(stored, before);
	assert_true(segment_exists("acme", "rec4"));
	testkit_postgres_restart(&pg);
	await_stored(before + 1);
	assert_true(testkit_wait(segment_gone, (void *)"rec4", 3000));
}

static void kill_9_in_the_middle_and_each_recording_is_stored(void **state)
{
	struct rpc_client *c;
	char id[16];
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	(void)state;
	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "kill%d", i);
		write_segment("acme", id, 60000, true);
		emit("acme", id, "1001", "138", false);
	}
	for (int i = 0; i < 3; i++) {
		usleep(100000);
		(void)testkit_proc_stop(&recorder, SIGKILL, 1000);
		start_recorder();
	}
	c = client("acme", "", AUTH_SUPERVISOR);
	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "kill%d", i);
		struct until u = { c, id, TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED };

		/* What was being done comes again after ack_wait at the latest. */
		assert_true(testkit_wait(has_state, &u, 140000));
		assert_int_equal(get(c, id, &r, NULL), ERR_OK);
		assert_int_equal(r.duration_ms, 60000);
	}
	rpc_client_free(&c);
}

static void a_segment_whose_event_never_came_is_taken_in(void **state)
{
	struct timespec old[2] = { { .tv_sec = time(NULL) - 120 }, { .tv_sec = time(NULL) - 120 } };
	struct until u = { NULL, "orphan", TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED };
	char path[TESTKIT_PATH + 64];
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	(void)state;
	(void)testkit_proc_stop(&recorder, SIGTERM, 5000);
	write_segment("acme", "orphan", 2000, false);
	snprintf(path, sizeof(path), "%s/rec/acme/orphan.seg", dir);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	start_recorder();
	u.c = client("acme", "", AUTH_SUPERVISOR);
	assert_true(testkit_wait(has_state, &u, 8000));
	assert_int_equal(get(u.c, "orphan", &r, NULL), ERR_OK);
	assert_int_equal(r.duration_ms, 2000);
	assert_false(r.complete);
	rpc_client_free(&u.c);
}

static void emit_purged(const char *tenant, int64_t time_ms)
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
	assert_true(testkit_wait_flag(loop, &done, 5000));
}

static bool dir_gone(void *arg)
{
	return access(arg, F_OK) != 0;
}

static bool is_unknown(void *arg)
{
	struct until *u = arg;
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	return get(u->c, u->id, &r, NULL) == ERR_NOT_FOUND;
}

static void recordings_of_a_tenant_that_is_gone_are_erased_and_no_others_GT_3_1_2(void **state)
{
	struct until old = { client("gone", "", AUTH_SUPERVISOR), "gone-1", 0 };
	struct rpc_client *neighbour = client("acme", "", AUTH_SUPERVISOR);
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;
	char path[TESTKIT_PATH + 64];

	(void)state;
	store("gone", "gone-1", "1001", "138", 1000);
	store("acme", "stays-1", "1001", "138", 1000);
	write_segment("gone", "never-told", 1000, false);
	snprintf(path, sizeof(path), "%s/rec/gone", dir);
	/* Of a deletion before these recordings: they are of a tenant that has the id now. */
	emit_purged("gone", START_MS - 1);
	(void)testkit_wait_loop(loop, is_unknown, &old, 4000);
	assert_int_equal(get(old.c, "gone-1", &r, NULL), ERR_OK);
	emit_purged("gone", clock_wall_ms());
	assert_int_equal(testkit_proc_stop(&recorder, SIGKILL, 5000), 128 + SIGKILL);
	start_recorder();
	assert_true(testkit_wait_loop(loop, dir_gone, path, 40000));
	assert_true(testkit_wait(is_unknown, &old, 5000));
	assert_int_equal(get(neighbour, "stays-1", &r, NULL), ERR_OK);
	assert_int_equal(download(neighbour, "stays-1", 0, NULL), ERR_OK);
	rpc_client_free(&old.c);
	rpc_client_free(&neighbour);
}

/* ---- what a tenant keeps ---- */
struct question {
	const char *sql;
	long long answer;
};

/* Statements with ; between them, in one transaction; the answer is that of the last one. */
static err_t run_question(struct db_tx *tx, void *arg)
{
	struct question *q = arg;
	char text[800], *rest = text;
	err_t e = ERR_OK;

	assert_true(str_copy(text, sizeof(text), q->sql));
	for (char *one = strtok_r(text, ";", &rest); one && !e; one = strtok_r(NULL, ";", &rest)) {
		struct db_result *res = NULL;

		e = db_exec(tx, &res, one, 0, NULL);
		q->answer = !e && db_rows(res) && !db_null(res, 0, 0) ? db_int(res, 0, 0) : -1;
		db_result_free(&res);
	}
	return e;
}

/* As the owner of everything; -1: no row. */
static long long sql(const char *statements)
{
	struct db_params p = { .loop = loop, .conninfo = pg.dsn };
	struct question q = { .sql = statements };
	struct db *db;

	assert_int_equal(db_new(&db, &p), ERR_OK);
	assert_int_equal(db_run_wait(db, NULL, run_question, &q), ERR_OK);
	db_free(&db);
	return q.answer;
}

static struct {
	unsigned told;
	long long bytes; /* of the tenant "full", as the call-controls hear it; -1: nothing was told */
} heard;

static void on_use(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	Trunkline__Call__V1__RecordingUse *m;

	(void)arg;
	if (op != BUS_KV_PUT)
		return;
	assert_string_equal(key, "full.recordings");
	m = trunkline__call__v1__recording_use__unpack(NULL, msg->size, msg->data);
	assert_non_null(m);
	heard.told++;
	heard.bytes = (long long)m->bytes;
	trunkline__call__v1__recording_use__free_unpacked(m, NULL);
}

static bool is_heard(void *arg)
{
	return heard.bytes == *(long long *)arg;
}

#define KEPT "SELECT sum(stereo_bytes + mono_bytes)::bigint FROM rec.recording WHERE tenant = 'full'"
#define USE  "SELECT bytes FROM rec.usage WHERE tenant = 'full'"

static void must_hear(long long bytes)
{
	if (!testkit_wait_loop(loop, is_heard, &bytes, 45000))
		fail_msg("%lld bytes are told, %lld are kept", heard.bytes, bytes);
}

/* Two recorders store at the same time, one of them is killed: what is told is what is kept, to the byte. */
static void what_a_tenant_keeps_is_counted_exactly_and_told_to_the_call_services_GT_3_1_2(void **state)
{
	struct testkit_proc second;
	char other[32], other_conf[TESTKIT_PATH + 64], id[16];
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	unsigned before = stored;

	(void)state;
	heard.bytes = -1;
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "quota" }, NULL), ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, kv, "full.>", on_use, NULL), ERR_OK);
	snprintf(other, sizeof(other), "127.0.0.1:%d", testkit_tcp_port());
	configure("rec-2", other, other_conf);
	start_one(&second, other_conf, other);
	store("full", "full0", "1001", "138", 1000);
	must_hear(sql(KEPT));
	assert_true(heard.bytes > 1000);
	for (int i = 1; i < 12; i++) {
		snprintf(id, sizeof(id), "full%d", i);
		write_segment("full", id, 1000 + 500 * (unsigned)i, true);
		emit("full", id, "1001", "138", false);
	}
	await_stored(before + 5);
	(void)testkit_proc_stop(&second, SIGKILL, 5000);
	for (int i = 0; i < 12; i++) {
		snprintf(id, sizeof(id), "full%d", i);
		struct until u = { client("full", "", AUTH_SUPERVISOR), id,
				   TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED };

		assert_true(testkit_wait(has_state, &u, 20000));
		rpc_client_free(&u.c);
	}
	must_hear(sql(KEPT));
	assert_int_equal(sql(USE), sql(KEPT));
	emit("full", "full3", "1001", "138", false); /* again: it is there */
	store("full", "full12", "1001", "138", 1000);
	must_hear(sql(KEPT));
	assert_int_equal(sql("SET LOCAL ROLE recorder; SET LOCAL trunkline.tenant = 'acme'; "
			     "SELECT count(*) FROM rec.usage WHERE tenant <> 'acme'"),
			 0);
	emit_purged("full", clock_wall_ms());
	must_hear(0);
	assert_int_equal(sql(USE), -1);
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
}

/* What a previous version has left: the migration counts it, and the first recording of the tenant has it told. */
static void what_was_kept_before_it_was_counted_is_counted_GT_3_1_2(void **state)
{
	struct bus_kv *kv;
	struct bus_kv_watch *watch;
	bool done = false;
	long long kept;

	(void)state;
	store("full", "full20", "1001", "138", 3000);
	assert_int_equal(testkit_proc_stop(&recorder, SIGTERM, 5000), 0);
	assert_int_equal(sql("DROP TABLE rec.usage; DROP FUNCTION rec.count_added() CASCADE; "
			     "DROP FUNCTION rec.count_changed() CASCADE; DROP FUNCTION rec.count_gone() CASCADE; "
			     "DELETE FROM schema_migrations WHERE service = 'recorder' AND name >= '0002'"),
			 -1);
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "quota" }, NULL), ERR_OK);
	assert_int_equal(bus_kv_delete(kv, "full.recordings", BUS_KV_ANY, on_ack, &done), ERR_OK);
	assert_true(testkit_wait_flag(loop, &done, 5000));
	start_recorder();
	kept = sql(KEPT);
	assert_true(kept > 0);
	assert_int_equal(sql(USE), kept);
	heard.bytes = -1;
	assert_int_equal(bus_kv_watch(&watch, kv, "full.>", on_use, NULL), ERR_OK);
	emit("full", "full21", "1001", "", true);
	must_hear(kept);
	/* Removed by hand: told at the next look, and by a process that begins. */
	assert_int_equal(sql("DELETE FROM rec.recording WHERE tenant = 'full' AND id = 'full20'; " USE), -1);
	must_hear(0);
	store("full", "full22", "1001", "138", 3000);
	must_hear(sql(KEPT));
	assert_int_equal(testkit_proc_stop(&recorder, SIGKILL, 5000), 128 + SIGKILL);
	assert_int_equal(sql("DELETE FROM rec.recording WHERE tenant = 'full' AND id = 'full22'; " USE), -1);
	start_recorder();
	must_hear(0);
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
}

static void postgresql_away_at_the_start_is_waited_for(void **state)
{
	unsigned before = stored;

	(void)state;
	(void)testkit_proc_stop(&recorder, SIGTERM, 5000);
	testkit_postgres_kill(&pg);
	start_recorder();
	write_segment("acme", "rec5", 1000, true);
	emit("acme", "rec5", "1001", "138", false);
	testkit_postgres_restart(&pg);
	await_stored(before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_becomes_a_file_with_each_party_in_its_channel),
		cmocka_unit_test(another_tenants_recording_does_not_exist),
		cmocka_unit_test(who_may_not_is_refused),
		cmocka_unit_test(each_method_needs_its_permission_and_no_other_GT_3),
		cmocka_unit_test(a_withdrawn_token_is_refused_within_a_second_GT_3),
		cmocka_unit_test(an_agent_finds_its_own_recordings_only),
		cmocka_unit_test(search_by_time_number_agent_queue_and_length),
		cmocka_unit_test(the_same_event_again_changes_nothing),
		cmocka_unit_test(recordings_of_a_tenant_that_is_gone_are_erased_and_no_others_GT_3_1_2),
		cmocka_unit_test(what_is_being_recorded_is_shown_and_what_is_lost_is_told),
		cmocka_unit_test(recordings_without_a_segment_do_not_hold_up_the_others),
		cmocka_unit_test(postgresql_away_delays_but_loses_nothing),
		cmocka_unit_test(kill_9_in_the_middle_and_each_recording_is_stored),
		cmocka_unit_test(a_segment_whose_event_never_came_is_taken_in),
		cmocka_unit_test(what_a_tenant_keeps_is_counted_exactly_and_told_to_the_call_services_GT_3_1_2),
		cmocka_unit_test(what_was_kept_before_it_was_counted_is_counted_GT_3_1_2),
		cmocka_unit_test(postgresql_away_at_the_start_is_waited_for),
	};

	return cmocka_run_group_tests_name("recorder", tests, setup_all, teardown_all);
}
