/* The real program against a real NATS server and a real PostgreSQL: from segment to search and download. */
#include "itest_world.h"

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
	assert_true(testkit_wait(segment_gone, (void *)"rec1", 20000)); /* once it is told */
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

static void each_method_counts_in_the_tenants_requests_of_a_second_GT_3_1_2(void **state)
{
	(void)state;
	rightskit_check_limited(SERVICE, address, signer, "1001", nats.url);
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

static bool is_refused(void *arg)
{
	recording_t r = TRUNKLINE__RECORDING__V1__RECORDING__INIT;

	return get(arg, "long1", &r, NULL) == ERR_UNAUTHENTICATED;
}

struct listener {
	const struct auth_user *user;
	uint64_t got;
};

static bool take_and_lose_the_token(const ProtobufCMessage *msg, void *arg)
{
	struct listener *l = arg;

	if (!l->got) {
		struct rpc_client *other = client_of(l->user);

		announced = ((const Trunkline__Recording__V1__DownloadResponse *)(const void *)msg)->total_bytes;
		rightskit_revoke(nats.url, l->user->token_id);
		assert_true(testkit_wait(is_refused, other, 1000));
		rpc_client_free(&other);
	}
	l->got += ((const Trunkline__Recording__V1__DownloadResponse *)(const void *)msg)->data.len;
	return true;
}

/* Longer than what is on its way when the token goes. */
static void a_download_ends_when_its_token_is_withdrawn_GT_3(void **state)
{
	const struct auth_user user = {
		.subject = "test", .tenant = "acme", .scopes = AUTH_SUPERVISOR, .token_id = "0d0e"
	};
	Trunkline__Recording__V1__DownloadRequest req = TRUNKLINE__RECORDING__V1__DOWNLOAD_REQUEST__INIT;
	struct rpc_client *c = client_of(&user), *neighbour = client("acme", "", AUTH_SUPERVISOR);
	struct listener l = { .user = &user };
	struct err_detail d = { "", "" };

	(void)state;
	store("acme", "long1", "1001", "138", 90000);
	req.recording_id = (char *)"long1";
	req.format = TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_WAV;
	assert_int_equal(rpc_client_stream(c, SERVICE, "Download", &req.base, 30000, take_and_lose_the_token, &l, &d),
			 ERR_UNAUTHENTICATED);
	assert_non_null(strstr(d.message, "the token was withdrawn"));
	assert_true(l.got < announced);
	assert_int_equal(download(neighbour, "long1", req.format, NULL), ERR_OK);
	assert_int_equal(file.len, announced);
	rpc_client_free(&neighbour);
	rpc_client_free(&c);
}

static void what_is_being_recorded_is_shown_and_what_is_lost_is_told(void **state)
{
	struct until u = { client("acme", "", AUTH_SUPERVISOR), "rec3",
			   TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_RECORDING };

	(void)state;
	emit("acme", "rec3", "1001", "", true);
	assert_true(testkit_wait(has_state, &u, 20000));
	assert_int_equal(download(u.c, "rec3", 0, NULL), ERR_PRECONDITION);
	emit("acme", "rec3", "1001", "138", false); /* stopped, but there is no segment: it may still turn up … */
	(void)testkit_wait_loop(loop, is_stored, &(unsigned){ stored + 1 }, 1000);
	assert_true(has_state(&u));
	emitted_ms = clock_wall_ms() - 11 * 60000; /* … for ten minutes, however often the event has come since */
	emit("acme", "rec3", "1001", "138", false);
	emitted_ms = 0;
	u.state = TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_LOST;
	assert_true(testkit_wait(has_state, &u, 20000));
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
	assert_true(testkit_wait(has_state, &late, 20000));
	testkit_postgres_kill(&pg);
	emit_missing();
	write_segment("acme", "there2", 1000, true);
	emit("acme", "there2", "1001", "138", false);
	assert_true(testkit_wait(file_is_made, (void *)"there2", 20000));
	assert_int_equal(testkit_proc_stop(&recorder, SIGKILL, 5000), 128 + SIGKILL);
	write_segment("acme", "missing7", 1000, true); /* it came after all */
	testkit_postgres_restart(&pg);
	start_recorder();
	await_stored(before + 3);
	assert_true(testkit_wait(segment_gone, (void *)"missing7", 20000));
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
	assert_true(testkit_wait(segment_gone, (void *)"rec4", 20000));
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
	(void)testkit_proc_stop(&recorder, SIGTERM, 20000);
	write_segment("acme", "orphan", 2000, false);
	snprintf(path, sizeof(path), "%s/rec/acme/orphan.seg", dir);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	start_recorder();
	u.c = client("acme", "", AUTH_SUPERVISOR);
	assert_true(testkit_wait(has_state, &u, 20000));
	assert_int_equal(get(u.c, "orphan", &r, NULL), ERR_OK);
	assert_int_equal(r.duration_ms, 2000);
	assert_false(r.complete);
	rpc_client_free(&u.c);
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
	assert_true(testkit_wait(is_unknown, &old, 20000));
	assert_int_equal(get(neighbour, "stays-1", &r, NULL), ERR_OK);
	assert_int_equal(download(neighbour, "stays-1", 0, NULL), ERR_OK);
	rpc_client_free(&old.c);
	rpc_client_free(&neighbour);
}

/* A recorder that finds 200 of one tenant before another's: that one is made when its event is reached, not when all of them are. */
static void a_recording_does_not_wait_for_another_tenants_hundred_GT_3_1_2d(void **state)
{
	unsigned before = stored;
	char id[32];

	(void)state;
	(void)testkit_proc_stop(&recorder, SIGTERM, 20000);
	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "many-%d", i);
		write_segment("acme", id, 4000, true);
		emit("acme", id, "1001", "138", false);
	}
	write_segment("rival", "lone", 1000, true);
	emit("rival", "lone", "1001", "138", false);
	(void)str_copy(watched_id, sizeof(watched_id), "lone");
	start_recorder();
	for (unsigned i = 10; i < 201; i += 10)
		await_stored(before + i);
	await_stored(before + 201);
	print_message("[   of 201 recordings the other tenant's was the last to end, and the %u. to be stored\n",
		      watched_turn - before);
	assert_in_range(watched_turn - before, 1, 120);
}

static bool log_has(void *arg)
{
	char path[TESTKIT_PATH + 64];
	struct str text = STR_INIT;

	snprintf(path, sizeof(path), "%s/recorder.log", dir);
	testkit_read(path, &text);
	bool has = strstr(str_text(&text), arg) != NULL;
	str_done(&text);
	return has;
}

/* One was put aside before the purge, the word of another comes behind it. */
static void a_recording_of_a_tenant_that_is_gone_does_not_come_back_GT_3_1_2(void **state)
{
	struct until aside = { client("left", "", AUTH_SUPERVISOR), "aside-1",
			       TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_RECORDING };
	struct until late = { aside.c, "late-1", 0 }, begun = { aside.c, "begun-1", 0 };
	char path[TESTKIT_PATH + 64], mp3[TESTKIT_PATH + 128];

	(void)state;
	emit("left", "aside-1", "1001", "138", false);
	assert_true(testkit_wait(has_state, &aside, 20000));
	write_segment("left", "left-1", 1000, true);
	snprintf(path, sizeof(path), "%s/rec/left", dir);
	emit_purged("left", clock_wall_ms());
	assert_true(testkit_wait_loop(loop, dir_gone, path, 40000));
	write_segment("left", "late-1", 1000, true);
	emit("left", "late-1", "1001", "138", false);
	emitted_ms = START_MS;
	emit("left", "begun-1", "1001", "", true);
	emitted_ms = 0;
	assert_true(testkit_wait(log_has, (void *)"recording=late-1 why=", 20000));
	assert_true(testkit_wait(log_has, (void *)"recording=aside-1 why=", 40000));
	assert_true(is_unknown(&aside) && is_unknown(&late) && is_unknown(&begun));
	assert_false(segment_exists("left", "late-1"));
	snprintf(mp3, sizeof(mp3), "%s/2026/09/21/late-1.mp3", path);
	assert_true(dir_gone(mp3));
	/* The id is another tenant's now. */
	emit("left", "new-1", "1001", "138", true);
	late.id = "new-1";
	late.state = aside.state;
	assert_true(testkit_wait(has_state, &late, 20000));
	rpc_client_free(&aside.c);
}

static void postgresql_away_at_the_start_is_waited_for(void **state)
{
	unsigned before = stored;

	(void)state;
	(void)testkit_proc_stop(&recorder, SIGTERM, 20000);
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
		cmocka_unit_test(each_method_counts_in_the_tenants_requests_of_a_second_GT_3_1_2),
		cmocka_unit_test(an_agent_finds_its_own_recordings_only),
		cmocka_unit_test(search_by_time_number_agent_queue_and_length),
		cmocka_unit_test(the_same_event_again_changes_nothing),
		cmocka_unit_test(a_download_ends_when_its_token_is_withdrawn_GT_3),
		cmocka_unit_test(recordings_of_a_tenant_that_is_gone_are_erased_and_no_others_GT_3_1_2),
		cmocka_unit_test(a_recording_of_a_tenant_that_is_gone_does_not_come_back_GT_3_1_2),
		cmocka_unit_test(what_is_being_recorded_is_shown_and_what_is_lost_is_told),
		cmocka_unit_test(recordings_without_a_segment_do_not_hold_up_the_others),
		cmocka_unit_test(postgresql_away_delays_but_loses_nothing),
		cmocka_unit_test(kill_9_in_the_middle_and_each_recording_is_stored),
		cmocka_unit_test(a_segment_whose_event_never_came_is_taken_in),
		cmocka_unit_test(a_recording_does_not_wait_for_another_tenants_hundred_GT_3_1_2d),
		cmocka_unit_test(postgresql_away_at_the_start_is_waited_for),
	};

	return cmocka_run_group_tests_name("recorder", tests, setup_all, teardown_all);
}
