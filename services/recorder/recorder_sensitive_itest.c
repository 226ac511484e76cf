/* GT-16: the caller's number in the index of recordings, and their audio, of a tenant that has marked them as sensitive. */
#include "confkit/confkit.h"
#include "itest_world.h"
#include "sealed/sealedfile.h"
#include "trunkline/config/v1/config.pb-c.h"
#include "vault/vault.h"

#define CANARY "+4930918273645"

#define CALLER_FIELD "'SENSITIVE_FIELD_CALLER_NUMBER'"
#define AUDIO_FIELD  CALLER_FIELD ",'SENSITIVE_FIELD_RECORDINGS'" /* the former shows when it is known */
#define LONG_MS	     30000					  /* of more than one chunk */

/* With its keys of the versions `first` to `last`. */
static void publish_keys(const char *tenant, const char *fields, uint32_t first, uint32_t last)
{
	struct str json = STR_INIT;

	str_printf(
	    &json,
	    "{'tenant':'%s','version':%lld,'timeZone':'UTC','sipDomain':'%s.test','sensitiveFields':[%s],'keys':[",
	    tenant, (long long)clock_wall_ms(), tenant, fields);
	for (uint32_t version = first; version <= last; version++) {
		if (version > first)
			str_append(&json, ",");
		confkit_add_key(&json, tenant, version, (uint8_t)(6 + version));
	}
	str_append(&json, "]}");
	confkit_publish(loop, bus, str_text(&json));
	str_done(&json);
}

static void publish(const char *tenant, const char *fields)
{
	publish_keys(tenant, fields, 1, 1);
}

static struct rpc_client *client_with(const char *tenant, uint64_t rights)
{
	struct auth_user u = { .subject = "test",
			       .rights =
				   rights | rights_bit(RIGHT_RECORDINGS_LISTEN) | rights_bit(RIGHT_RECORDINGS_ALL) };

	(void)str_copy(u.tenant, sizeof(u.tenant), tenant);
	return client_of(&u);
}

static void sees(struct rpc_client *c, const char *asked, unsigned want, const char *caller)
{
	list_request req = TRUNKLINE__RECORDING__V1__LIST_RECORDINGS_REQUEST__INIT;

	req.caller = (char *)asked;
	list_response *res = list(c, &req);
	assert_int_equal(res->n_recordings, want);
	if (want)
		assert_string_equal(res->recordings[0]->caller, caller);
	protobuf_c_message_free_unpacked(&res->base, NULL);
}

static void refused(struct rpc_client *c, const char *asked, err_t want)
{
	list_request req = TRUNKLINE__RECORDING__V1__LIST_RECORDINGS_REQUEST__INIT;
	struct err_detail d = { "", "" };
	ProtobufCMessage *res;

	req.caller = (char *)asked;
	assert_int_equal(rpc_client_call(c, SERVICE, "ListRecordings", &req.base, &res, &d), want);
	assert_string_equal(d.field, "caller");
}

struct asked {
	struct rpc_client *c;
	const char *caller;
};

static bool is_shown(void *arg)
{
	const struct asked *a = arg;
	list_request req = TRUNKLINE__RECORDING__V1__LIST_RECORDINGS_REQUEST__INIT;
	list_response *res = list(a->c, &req);
	bool yes = res->n_recordings && strcmp(res->recordings[0]->caller, a->caller) == 0;

	protobuf_c_message_free_unpacked(&res->base, NULL);
	return yes;
}

static void a_caller_is_stored_encrypted_and_shown_and_found_by_who_may_GT_16(void **state)
{
	struct rpc_client *may = client_with("acme", rights_bit(RIGHT_CALLS_SENSITIVE)),
			  *may_not = client_with("acme", 0);
	struct asked marked = { may_not, VAULT_MASK "1222" };
	struct str dump = STR_INIT;

	(void)state;
	publish("acme", "");
	store("acme", "before", "1001", "+4930000111222", 1000);
	sees(may_not, "", 1, "+4930000111222");
	publish("acme", CALLER_FIELD);
	assert_true(testkit_wait(is_shown, &marked, 20000)); /* what was stored before is masked */
	store("acme", "secret", "1001", CANARY, 1000);
	assert_int_equal(testkit_run((const char *[]){ "pg_dump", "--data-only", "-d", pg.dsn, NULL }, &dump, 20000),
			 0);
	assert_non_null(strstr(str_text(&dump), "sealed:1:"));
	assert_null(strstr(str_text(&dump), CANARY + 1));
	str_done(&dump);
	sees(may, CANARY, 1, CANARY);
	sees(may, "4930 918273645", 1, CANARY);
	sees(may, "+4930918273640", 0, "");
	sees(may, "+4930000111222", 1, "+4930000111222");
	refused(may, "+4930*", ERR_INVALID);
	refused(may_not, CANARY, ERR_DENIED);
	rpc_client_free(&may);
	rpc_client_free(&may_not);
}

static void one_recording_is_shown_like_the_list_GT_16(void **state)
{
	struct rpc_client *may = client_with("acme", rights_bit(RIGHT_CALLS_SENSITIVE)),
			  *may_not = client_with("acme", 0);
	Trunkline__Recording__V1__GetRecordingRequest req = TRUNKLINE__RECORDING__V1__GET_RECORDING_REQUEST__INIT;
	ProtobufCMessage *res;

	(void)state;
	req.recording_id = (char *)"secret";
	assert_int_equal(rpc_client_call(may, SERVICE, "GetRecording", &req.base, &res, NULL), ERR_OK);
	assert_string_equal(((Trunkline__Recording__V1__GetRecordingResponse *)res)->recording->caller, CANARY);
	protobuf_c_message_free_unpacked(res, NULL);
	assert_int_equal(rpc_client_call(may_not, SERVICE, "GetRecording", &req.base, &res, NULL), ERR_OK);
	assert_string_equal(((Trunkline__Recording__V1__GetRecordingResponse *)res)->recording->caller,
			    VAULT_MASK "3645");
	protobuf_c_message_free_unpacked(res, NULL);
	assert_int_equal(download(may_not, "secret", 0, NULL), ERR_OK); /* its audio is another permission's */
	rpc_client_free(&may);
	rpc_client_free(&may_not);
}

/* ---- audio ---- */

static char clear_mp3[400000]; /* the same audio of a tenant that has marked nothing */
static size_t clear_size;

static const char *path_of(const char *tenant, const char *id, const char *suffix)
{
	static char path[TESTKIT_PATH + 128];

	snprintf(path, sizeof(path), "%s/rec/%s/2026/09/21/%s%s", dir, tenant, id, suffix);
	return path;
}

static bool file_exists(const char *id, const char *suffix)
{
	return access(path_of("acme", id, suffix), F_OK) == 0;
}

static void sql(const char *statement)
{
	assert_int_equal(testkit_run((const char *[]){ "psql", "-Xq", pg.dsn, "-c", statement, NULL }, NULL, 20000), 0);
}

static int count(const char *tenant, const char *condition)
{
	char statement[256];
	struct str out = STR_INIT;

	snprintf(statement, sizeof(statement), "SELECT count(*) FROM rec.recording WHERE tenant = '%s' AND %s", tenant,
		 condition);
	assert_int_equal(testkit_run((const char *[]){ "psql", "-XAtq", pg.dsn, "-c", statement, NULL }, &out, 20000),
			 0);
	int n = atoi(str_text(&out));
	str_done(&out);
	return n;
}

static void gives_the_audio(struct rpc_client *c, const char *id)
{
	struct err_detail d = { "", "" };
	err_t e = download(c, id, 0, &d);

	if (e)
		fail_msg("Download of %s: %s %s", id, err_name(e), d.message);
	assert_int_equal(file.len, clear_size);
	assert_int_equal(announced, clear_size);
	assert_memory_equal(file.data, clear_mp3, clear_size);
}

static void fails(struct rpc_client *c, const char *id, err_t want, const char *why)
{
	struct err_detail d = { "", "" };

	assert_int_equal(download(c, id, 0, &d), want);
	assert_string_equal(d.field, "recording_id");
	assert_non_null(strstr(d.message, why));
}

static void same_in_every_format(struct rpc_client *c, const char *clear, const char *sealed)
{
	for (int format = 1; format <= 3; format++) {
		struct str first = STR_INIT;

		assert_int_equal(download(c, clear, (Trunkline__Recording__V1__RecordingFormat)format, NULL), ERR_OK);
		str_append_n(&first, file.data, file.len);
		assert_int_equal(download(c, sealed, (Trunkline__Recording__V1__RecordingFormat)format, NULL), ERR_OK);
		assert_int_equal(file.len, first.len);
		assert_memory_equal(file.data, first.data, first.len);
		str_done(&first);
	}
}

/* Neither LAME's head nor any 16 bytes of the audio. */
static void shows_nothing(const char *id, const char *suffix)
{
	struct str disk = STR_INIT;

	testkit_read(path_of("acme", id, suffix), &disk);
	assert_true(disk.len > 1000);
	assert_null(memmem(disk.data, disk.len, "Info", 4));
	assert_null(memmem(disk.data, disk.len, "LAME", 4));
	for (size_t at = 0; at + 16 <= clear_size; at += 80)
		assert_null(memmem(disk.data, disk.len, clear_mp3 + at, 16));
	str_done(&disk);
}

static void files_are_encrypted_and_downloads_are_the_same_GT_16(void **state)
{
	struct rpc_client *c = client_with("acme", 0), *stranger = client_with("beta", 0);
	struct asked marked = { c, VAULT_MASK "0001" };

	(void)state;
	publish("beta", "");
	publish("acme", "");
	store("acme", "zero", "1001", "+49301110001", LONG_MS); /* the first in the list */
	assert_int_equal(download(c, "zero", 0, NULL), ERR_OK);
	clear_size = file.len;
	assert_in_range(clear_size, SEALEDFILE_CHUNK + 1, sizeof(clear_mp3));
	memcpy(clear_mp3, file.data, clear_size);
	publish("acme", AUDIO_FIELD);
	assert_true(testkit_wait(is_shown, &marked, 5000));
	store("acme", "sealed", "1001", "", LONG_MS);
	assert_false(file_exists("sealed", ".mp3"));
	assert_false(file_exists("sealed", ".mono.mp3"));
	shows_nothing("sealed", ".mp3.sealed");
	shows_nothing("sealed", ".mono.mp3.sealed");
	assert_int_equal(count("acme", "id = 'sealed' AND data_key LIKE 'sealed:1::%'"), 1);
	gives_the_audio(c, "sealed");
	same_in_every_format(c, "zero", "sealed");
	assert_true(file_exists("zero", ".mp3")); /* what was there before stays */
	fails(stranger, "sealed", ERR_NOT_FOUND, "no such recording");
	store("beta", "open", "1001", "", 1000);
	assert_int_equal(access(path_of("beta", "open", ".mp3"), F_OK), 0);
	rpc_client_free(&c);
	rpc_client_free(&stranger);
}

static void change_byte(const char *id, off_t at)
{
	int fd = open(path_of("acme", id, ".mp3.sealed"), O_RDWR | O_CLOEXEC);
	uint8_t c;

	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static void a_file_that_was_changed_cut_off_or_exchanged_is_not_given_out_GT_16(void **state)
{
	struct rpc_client *c = client_with("acme", 0);
	char from[TESTKIT_PATH + 128];

	(void)state;
	store("acme", "victim", "1001", "", LONG_MS);
	store("acme", "other", "1001", "", LONG_MS);
	change_byte("victim", 1000); /* within the first chunk: noticed when it is read */
	fails(c, "victim", ERR_DATA_LOSS, "damaged");
	assert_int_equal(file.len, 0);
	assert_int_equal(download(c, "victim", TRUNKLINE__RECORDING__V1__RECORDING_FORMAT__RECORDING_FORMAT_WAV, NULL),
			 ERR_DATA_LOSS);
	change_byte("victim", 1000);
	gives_the_audio(c, "victim");
	assert_int_equal(truncate(path_of("acme", "victim", ".mp3.sealed"), 70000), 0);
	fails(c, "victim", ERR_DATA_LOSS, "damaged");
	(void)str_copy(from, sizeof(from), path_of("acme", "other", ".mp3.sealed"));
	assert_int_equal(rename(from, path_of("acme", "victim", ".mp3.sealed")), 0);
	fails(c, "victim", ERR_DATA_LOSS, "damaged");
	rpc_client_free(&c);
}

static bool sealed_is_made(void *arg)
{
	return file_exists(arg, ".mp3.sealed");
}

/* With the index away the files are there and nobody knows their key but themselves; they are made again, with another one. */
static void kill_9_between_files_and_index_leaves_files_that_open_GT_16(void **state)
{
	struct rpc_client *c = client_with("acme", 0);
	unsigned before = stored;

	(void)state;
	testkit_postgres_kill(&pg);
	write_segment("acme", "killed", LONG_MS, true);
	emit("acme", "killed", "1001", "", false);
	assert_true(testkit_wait(sealed_is_made, (void *)(uintptr_t) "killed", 20000));
	assert_int_equal(testkit_proc_stop(&recorder, SIGKILL, 5000), 128 + SIGKILL);
	testkit_postgres_restart(&pg);
	start_recorder();
	await_stored(before + 1);
	gives_the_audio(c, "killed");
	sql("UPDATE rec.recording SET data_key = '' WHERE id = 'killed'"); /* as if it had been killed again before the index */
	gives_the_audio(c, "killed");
	rpc_client_free(&c);
}

static bool late_is(const char *suffix)
{
	return access(path_of("late", "waits", suffix), F_OK) == 0;
}

static bool late_is_clear(void *arg)
{
	(void)arg;
	return late_is(".mp3");
}

static bool late_is_made(void *arg)
{
	return access(path_of("late", arg, ".mp3"), F_OK) == 0 ||
	       access(path_of("late", arg, ".mp3.sealed"), F_OK) == 0;
}

/* Recordings are made until one is encrypted: the recorder has heard. */
static bool late_is_marked(void *arg)
{
	static int n;
	char id[16];

	(void)arg;
	snprintf(id, sizeof(id), "probe%d", n++);
	write_segment("late", id, 1000, true);
	emit("late", id, "1001", "", false);
	assert_true(testkit_wait(late_is_made, id, 20000));
	return access(path_of("late", id, ".mp3.sealed"), F_OK) == 0;
}

static bool late_is_sealed(void *arg)
{
	(void)arg;
	return late_is(".mp3.sealed") && !late_is(".mp3") && !late_is(".mono.mp3");
}

static bool late_is_indexed(void *arg)
{
	(void)arg;
	return count("late", "id = 'waits' AND data_key LIKE 'sealed:1::%'") == 1 && !segment_exists("late", "waits");
}

/* Made in clear, and its tenant marks recordings before the index comes back; nobody else may make the files meanwhile, with another key. */
static void what_was_made_before_its_tenant_marked_it_is_made_again_GT_16(void **state)
{
	char segment[TESTKIT_PATH + 64];
	int lock;

	(void)state;
	publish("late", "");
	store("late", "first", "1001", "", 1000);
	testkit_postgres_kill(&pg);
	write_segment("late", "waits", 1000, true);
	emit("late", "waits", "1001", "", false);
	assert_true(testkit_wait(late_is_clear, NULL, 20000));
	snprintf(segment, sizeof(segment), "%s/rec/late/waits.seg", dir);
	assert_int_equal(segment_lock(&lock, segment), ERR_EXISTS);
	publish("late", AUDIO_FIELD);
	assert_true(testkit_wait(late_is_marked, NULL, 20000));
	assert_true(testkit_wait(late_is_sealed, NULL, 60000)); /* when the index has been asked once more */
	testkit_postgres_restart(&pg);
	assert_true(testkit_wait_loop(loop, late_is_indexed, NULL, 30000));
}

static void kill_9_while_they_are_made_and_each_is_whole_GT_16(void **state)
{
	struct rpc_client *c = client_with("acme", 0);
	char id[16];

	(void)state;
	for (int i = 0; i < 4; i++) {
		snprintf(id, sizeof(id), "torn%d", i);
		write_segment("acme", id, LONG_MS, true);
		emit("acme", id, "1001", "", false);
	}
	for (int i = 0; i < 3; i++) {
		usleep(150000);
		(void)testkit_proc_stop(&recorder, SIGKILL, 1000);
		start_recorder();
	}
	for (int i = 0; i < 4; i++) {
		snprintf(id, sizeof(id), "torn%d", i);
		struct until u = { c, id, TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED };

		assert_true(testkit_wait(has_state, &u, 60000));
		gives_the_audio(c, id);
	}
	rpc_client_free(&c);
}

static bool is_logged(void *arg)
{
	char path[TESTKIT_PATH + 64];
	struct str text = STR_INIT;

	snprintf(path, sizeof(path), "%s/recorder.log", dir);
	testkit_read(path, &text);
	bool yes = strstr(str_text(&text), arg);
	str_done(&text);
	return yes;
}

static void restart_with_master(const char *hex)
{
	char path[TESTKIT_PATH + 64];

	assert_int_equal(testkit_proc_stop(&recorder, SIGTERM, 10000), 0);
	testkit_file(dir, "master.key", hex, path);
	start_recorder();
}

static void with_another_master_key_nothing_is_given_out_made_or_lost_GT_16(void **state)
{
	struct rpc_client *c = client_with("acme", 0);
	struct until made = { c, "waits", TRUNKLINE__RECORDING__V1__RECORDING_STATE__RECORDING_STATE_STORED };

	(void)state;
	restart_with_master("ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
	fails(c, "sealed", ERR_PRECONDITION, "keys.master_file");
	write_segment("acme", "waits", LONG_MS, true);
	emit("acme", "waits", "1001", "", false);
	assert_true(testkit_wait_loop(loop, is_logged, (void *)(uintptr_t) "recording.no_key", 10000));
	assert_true(segment_exists("acme", "waits"));
	assert_false(file_exists("waits", ".mp3"));
	assert_false(file_exists("waits", ".mp3.tmp"));
	restart_with_master(CONFKIT_MASTER);
	gives_the_audio(c, "sealed");
	assert_true(testkit_wait_loop(loop, has_state, &made, 30000));
	gives_the_audio(c, "waits");
	rpc_client_free(&c);
}

struct progress {
	uint32_t version;
	bool finished;
};

static void on_progress(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	Trunkline__Config__V1__KeyProgress *m =
	    op == BUS_KV_PUT ? trunkline__config__v1__key_progress__unpack(NULL, msg->size, msg->data) : NULL;
	struct progress *p = arg;

	(void)key;
	if (!m)
		return;
	p->version = m->version;
	p->finished = m->finished;
	trunkline__config__v1__key_progress__free_unpacked(m, NULL);
}

static bool has_finished(void *arg)
{
	const struct progress *p = arg;

	return p->version == 2 && p->finished;
}

struct shut {
	struct rpc_client *c;
	const char *id;
};

static bool does_not_open(void *arg)
{
	const struct shut *s = arg;

	return download(s->c, s->id, 0, NULL) == ERR_PRECONDITION;
}

static void a_rotation_renews_keys_and_encrypts_what_was_in_clear_GT_16(void **state)
{
	static const char *const former[] = { "before", "secret", "zero" };
	struct rpc_client *c = client_with("acme", 0);
	struct shut shut = { c, "torn1" };
	struct progress p = { 0 };
	struct str before = STR_INIT, after = STR_INIT;
	struct bus_kv_watch *watch = NULL;
	struct bus_kv *kv = NULL;

	(void)state;
	testkit_read(path_of("acme", "sealed", ".mp3.sealed"), &before);
	assert_int_equal(bus_kv_open(&kv, bus, &(struct bus_kv_params){ .bucket = "rotation", .history = 1 }, NULL),
			 ERR_OK);
	assert_int_equal(bus_kv_watch(&watch, kv, "acme.recorder", on_progress, &p), ERR_OK);
	publish_keys("acme", AUDIO_FIELD, 1, 2);
	assert_int_equal(testkit_proc_stop(&recorder, SIGKILL, 5000), 128 + SIGKILL);
	start_recorder();
	store("acme", "meanwhile", "1001", "", LONG_MS);
	assert_true(testkit_wait_loop(loop, has_finished, &p, 60000));
	assert_int_equal(count("acme", "data_key LIKE 'sealed:1:%'"), 0);
	assert_int_equal(count("acme", "data_key NOT LIKE 'sealed:2:%'"), 0); /* what was in clear before, too */
	for (size_t i = 0; i < ARRAY_SIZE(former); i++) {
		assert_false(file_exists(former[i], ".mp3"));
		assert_false(file_exists(former[i], ".mono.mp3"));
		assert_true(file_exists(former[i], ".mono.mp3.sealed"));
	}
	shows_nothing("zero", ".mp3.sealed");
	sql("UPDATE rec.recording SET data_key = '' WHERE id = 'torn1'");
	publish_keys("acme", AUDIO_FIELD, 2, 2);			   /* the former version is destroyed */
	assert_true(testkit_wait_loop(loop, does_not_open, &shut, 10000)); /* of the file's head alone */
	gives_the_audio(c, "sealed");
	gives_the_audio(c, "torn0");
	gives_the_audio(c, "killed"); /* only its head had its key before */
	gives_the_audio(c, "zero");
	gives_the_audio(c, "meanwhile");
	testkit_read(path_of("acme", "sealed", ".mp3.sealed"), &after);
	assert_int_equal(after.len, before.len);
	assert_memory_equal(after.data, before.data, before.len);
	bus_kv_unwatch(&watch);
	bus_kv_close(&kv);
	str_done(&before);
	str_done(&after);
	rpc_client_free(&c);
}

static bool dir_gone(void *arg)
{
	return access(arg, F_OK) != 0;
}

static void with_the_tenant_its_files_go_and_no_copy_opens_GT_16_GT_3_1_2(void **state)
{
	struct rpc_client *c = client_with("acme", 0);
	struct shut shut = { c, "sealed" };
	char path[TESTKIT_PATH + 64];

	(void)state;
	confkit_delete(loop, bus, "acme.main"); /* as the purge of a tenant does: its key is gone first */
	assert_true(testkit_wait_loop(loop, does_not_open, &shut, 10000));
	emit_purged("acme", clock_wall_ms());
	snprintf(path, sizeof(path), "%s/rec/acme", dir);
	assert_true(testkit_wait_loop(loop, dir_gone, path, 40000));
	assert_int_equal(access(path_of("beta", "open", ".mp3"), F_OK), 0);
	rpc_client_free(&c);
}

static int setup_with_master(void **state)
{
	testkit_dir(dir);
	testkit_file(dir, "master.key", CONFKIT_MASTER, master_file);
	assert_int_equal(chmod(master_file, 0600), 0);
	return setup_all(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_caller_is_stored_encrypted_and_shown_and_found_by_who_may_GT_16),
		cmocka_unit_test(one_recording_is_shown_like_the_list_GT_16),
		cmocka_unit_test(files_are_encrypted_and_downloads_are_the_same_GT_16),
		cmocka_unit_test(a_file_that_was_changed_cut_off_or_exchanged_is_not_given_out_GT_16),
		cmocka_unit_test(kill_9_between_files_and_index_leaves_files_that_open_GT_16),
		cmocka_unit_test(what_was_made_before_its_tenant_marked_it_is_made_again_GT_16),
		cmocka_unit_test(kill_9_while_they_are_made_and_each_is_whole_GT_16),
		cmocka_unit_test(with_another_master_key_nothing_is_given_out_made_or_lost_GT_16),
		cmocka_unit_test(a_rotation_renews_keys_and_encrypts_what_was_in_clear_GT_16),
		cmocka_unit_test(with_the_tenant_its_files_go_and_no_copy_opens_GT_16_GT_3_1_2),
	};

	return cmocka_run_group_tests_name("recorder_sensitive", tests, setup_with_master, teardown_all);
}
