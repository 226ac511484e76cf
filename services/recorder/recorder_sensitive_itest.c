/* GT-16: the caller's number in the index of recordings, of a tenant that has marked it as sensitive. */
#include "confkit/confkit.h"
#include "itest_world.h"
#include "vault/vault.h"

#define CANARY "+4930918273645"

static void publish(const char *tenant, const char *fields)
{
	struct str json = STR_INIT;

	str_printf(
	    &json,
	    "{'tenant':'%s','version':%lld,'timeZone':'UTC','sipDomain':'%s.test','sensitiveFields':[%s],'keys':[",
	    tenant, (long long)clock_wall_ms(), tenant, fields);
	confkit_add_key(&json, tenant, 1, 7);
	str_append(&json, "]}");
	confkit_publish(loop, bus, str_text(&json));
	str_done(&json);
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
	publish("acme", "'SENSITIVE_FIELD_CALLER_NUMBER'");
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
	};

	return cmocka_run_group_tests_name("recorder_sensitive", tests, setup_with_master, teardown_all);
}
