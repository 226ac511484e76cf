/* The service from outside: its API, what it publishes, what it survives. */
#include "manager_fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>
#include "promptstore/promptstore.h"
#include "tenantconf/tenantconf.h"

static struct fixture fx;

/* ---- what the call services see ---- */

struct reader {
	struct bus *bus;
	struct tenantconf *conf;
	struct promptstore *prompts;
	unsigned errors;
};

static void on_bad_entry(const char *key, const struct err_detail *d, void *arg)
{
	struct reader *r = arg;

	r->errors++;
	print_error("%s: %s: %s\n", key, d->field, d->message);
}

static void reader_start(struct reader *r)
{
	struct err_detail d = { 0 };

	*r = (struct reader){ 0 };
	if (bus_new(&r->bus, &(struct bus_params){ .loop = fx.loop, .url = fx.nats.url, .name = "reader" }, &d) ||
	    tenantconf_new(&r->conf, &(struct tenantconf_params){ .bus = r->bus, .on_error = on_bad_entry, .arg = r },
			   &d) ||
	    promptstore_new(&r->prompts, r->bus, &d))
		testkit_die("reader: %s %s", d.field, d.message);
}

static void reader_stop(struct reader *r)
{
	assert_int_equal(r->errors, 0);
	tenantconf_free(&r->conf);
	promptstore_free(&r->prompts);
	bus_free(&r->bus);
}

struct want {
	struct reader *r;
	const char *tenant, *number, *agent;
	uint64_t version;
	bool gone;
};

static bool seen(void *arg)
{
	struct want *w = arg;
	const struct tenant *t = tenantconf_find_tenant(w->r->conf, w->tenant), *owner;

	if (w->gone)
		return !t && !tenantconf_n_agents(w->r->conf, w->tenant);
	if (!t || t->version < w->version)
		return false;
	if (w->number && (!tenantconf_find_number(w->r->conf, w->number, &owner) || owner != t))
		return false;
	return !w->agent || tenantconf_find_agent(w->r->conf, w->tenant, w->agent);
}

static void wait_seen(struct want w)
{
	assert_true(testkit_wait_loop(fx.loop, seen, &w, 20000));
}

/* ---- building blocks ---- */

static const char *op(void)
{
	return fx.operator_token;
}

static const char *must(const char *method, const char *json)
{
	return fixture_must(&fx, op(), method, json);
}

static void refused(const char *token, const char *method, const char *json, err_t code, const char *field,
		    const char *text)
{
	struct err_detail d = { 0 };
	err_t e = fixture_call(&fx, token, method, json, NULL, &d);

	if (e != code || (field && strcmp(d.field, field) != 0) || (text && !strstr(d.message, text)))
		fail_msg("%s %s: %s field '%s' message '%s'", method, json, err_name(e), d.field, d.message);
}

static void make_tenant(const char *id)
{
	char json[256];

	snprintf(json, sizeof(json),
		 "{\"tenantId\":\"%s\",\"tenant\":{\"displayName\":\"%s Ltd\",\"timeZone\":\"Asia/Shanghai\"}}", id,
		 id);
	(void)must("CreateTenant", json);
}

/* A second of a tone as WAV, 16 kHz stereo. */
static size_t make_wav(unsigned char **ret, unsigned step)
{
	static const unsigned char head[] = { 'R', 'I', 'F',  'F',  0,	 0,   0,   0,	 'W',  'A', 'V',
					      'E', 'f', 'm',  't',  ' ', 16,  0,   0,	 0,    1,   0,
					      2,   0,	0x80, 0x3e, 0,	 0,   0,   0xfa, 0,    0,   4,
					      0,   16,	0,    'd',  'a', 't', 'a', 0,	 0xfa, 0,   0 };
	size_t size = sizeof(head) + 64000;
	unsigned char *wav = calloc(1, size);

	memcpy(wav, head, sizeof(head));
	wav[4] = (unsigned char)((size - 8) & 0xff);
	wav[5] = (unsigned char)((size - 8) >> 8 & 0xff);
	for (size_t i = 0; i < 16000; i++) {
		short v = (short)((i * step) % 8000);

		memcpy(wav + sizeof(head) + 4 * i, &v, 2);
		memcpy(wav + sizeof(head) + 4 * i + 2, &v, 2);
	}
	*ret = wav;
	return size;
}

static void upload(const char *token, const char *tenant, const char *id, unsigned step, struct str *answer)
{
	unsigned char *wav;
	size_t size = make_wav(&wav, step);
	char parent[96];
	struct err_detail d = { 0 };

	snprintf(parent, sizeof(parent), "tenants/%s", tenant);
	err_t e = fixture_upload(&fx, token, parent, id, wav, size, answer, &d);
	if (e)
		fail_msg("upload: %s %s %s", err_name(e), d.field, d.message);
	free(wav);
}

/* Everything that a call centre needs. */
static void furnish(const char *t, const char *number)
{
	char j[1024];

	upload(op(), t, "hello", 7, NULL);
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/%s\",\"skillId\":\"english\",\"skill\":{\"displayName\":\"English\"}}", t);
	(void)must("CreateSkill", j);
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/"
		 "%s\",\"queueId\":\"sales\",\"queue\":{\"skills\":[{\"skillId\":\"english\",\"level\":3}],"
		 "\"musicPromptId\":\"hello\",\"record\":true}}",
		 t);
	(void)must("CreateQueue", j);
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/"
		 "%s\",\"flowId\":\"main\",\"flow\":{\"steps\":[{\"id\":\"a\",\"next\":\"p\",\"answer\":{}},"
		 "{\"id\":\"p\",\"next\":\"q\",\"play\":{\"promptIds\":[\"hello\"]}},{\"id\":\"q\",\"queue\":{"
		 "\"queueId\":\"sales\"}}]}}",
		 t);
	(void)must("CreateFlow", j);
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/"
		 "%s\",\"calendarId\":\"office\",\"calendar\":{\"hours\":[{\"weekday\":1,\"fromMinute\":540,"
		 "\"toMinute\":1080}]}}",
		 t);
	(void)must("CreateCalendar", j);
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/%s\",\"agentId\":\"1001\",\"agent\":{\"displayName\":\"Mei\",\"enabled\":true,"
		 "\"password\":\"correct horse\",\"skills\":[{\"skillId\":\"english\",\"level\":5}]}}",
		 t);
	(void)must("CreateAgent", j);
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/%s\",\"trunkId\":\"carrier\",\"trunk\":{\"addresses\":[\"127.0.0.0/8\"],"
		 "\"username\":\"carrier\",\"password\":\"trunk password\"}}",
		 t);
	(void)must("CreateTrunk", j);
	snprintf(j, sizeof(j),
		 "{\"parent\":\"tenants/"
		 "%s\",\"number\":{\"number\":\"%s\",\"calendarId\":\"office\",\"working\":{\"flowId\":\"main\"},"
		 "\"other\":{\"rejectStatus\":480}}}",
		 t, number);
	(void)must("CreateNumber", j);
}

static bool announces(void *arg)
{
	const struct tenant *t = tenantconf_find_tenant(((struct reader *)arg)->conf, "acme");

	return t && t->suspended && t->suspension_ends_calls && t->announcement;
}

/* ---- tests ---- */

static void a_tenant_lives_from_creation_to_deletion_and_the_call_services_follow(void **state)
{
	struct reader r;
	struct err_detail d = { 0 };

	(void)state;
	reader_start(&r);
	make_tenant("acme");
	furnish("acme", "+862012345678");
	wait_seen((struct want){ &r, "acme", "862012345678", "1001", 0, false });
	const struct tenant *t = tenantconf_find_tenant(r.conf, "acme");
	assert_string_equal(t->sip_domain, "acme.trunkline.local");
	const struct tenant_queue *q = tenant_find_queue(t, "sales");
	assert_true(q->record);
	assert_int_equal(q->music->size_bytes, 16000);
	assert_int_equal(q->music->duration_ms, 1000);
	assert_true(tenant_agent_fits(tenantconf_find_agent(r.conf, "acme", "1001"), q));
	assert_int_equal(tenant_find_flow(t, "main")->n_steps, 3);
	assert_string_equal(tenant_find_trunk(t, "carrier")->username, "carrier");

	const char *queue = must("GetQueue", "{\"name\":\"tenants/acme/queues/sales\"}");
	assert_string_equal(fixture_field(queue, "name"), "tenants/acme/queues/sales");
	(void)must("UpdateQueue",
		   "{\"queue\":{\"name\":\"tenants/acme/queues/sales\",\"priority\":7},\"updateMask\":\"priority\"}");
	queue = must("GetQueue", "{\"name\":\"tenants/acme/queues/sales\"}");
	assert_string_equal(fixture_field(queue, "priority"), "7");
	assert_string_equal(fixture_field(queue, "record"), "true");

	refused(op(), "DeleteQueue", "{\"name\":\"tenants/acme/queues/sales\"}", ERR_PRECONDITION, "name",
		"flows/main");
	(void)must("DeleteNumber", "{\"name\":\"tenants/acme/numbers/+862012345678\"}");
	(void)must("DeleteFlow", "{\"name\":\"tenants/acme/flows/main\"}");
	(void)must("DeleteQueue", "{\"name\":\"tenants/acme/queues/sales\"}");
	refused(op(), "GetQueue", "{\"name\":\"tenants/acme/queues/sales\"}", ERR_NOT_FOUND, "name", "no such queue");
	fixture_purge(&fx, "acme");
	wait_seen((struct want){ &r, "acme", NULL, NULL, 0, true });
	refused(op(), "GetTenant", "{\"name\":\"tenants/acme\"}", ERR_NOT_FOUND, "tenant", "no such tenant");
	assert_int_equal(fixture_call(&fx, op(), "ListQueues", "{\"parent\":\"tenants/acme\"}", NULL, &d),
			 ERR_NOT_FOUND);

	/* Again, under the same id: the readers take it although its versions began anew. */
	make_tenant("acme");
	furnish("acme", "+862012345678");
	wait_seen((struct want){ &r, "acme", "+862012345678", "1001", 0, false });
	fixture_purge(&fx, "acme");
	wait_seen((struct want){ &r, "acme", NULL, NULL, 0, true });
	reader_stop(&r);
}

/* GT-3 */
static void what_a_suspension_does_to_calls_is_chosen_published_and_keeps_its_prompt(void **state)
{
	struct reader r;

	(void)state;
	reader_start(&r);
	make_tenant("acme");
	upload(op(), "acme", "closed", 9, NULL);
	refused(op(), "UpdateTenant",
		"{\"tenant\":{\"name\":\"tenants/acme\",\"suspension\":{\"announcementPromptId\":\"none\"}},"
		"\"updateMask\":\"suspension\"}",
		ERR_INVALID, "tenant.suspension.announcement_prompt_id", "no prompt 'none'");
	(void)must("UpdateTenant",
		   "{\"tenant\":{\"name\":\"tenants/acme\",\"suspended\":true,\"suspension\":"
		   "{\"announcementPromptId\":\"closed\",\"endCalls\":true}},\"updateMask\":\"suspended,suspension\"}");
	assert_true(testkit_wait_loop(fx.loop, announces, &r, 20000));
	const char *t = must("GetTenant", "{\"name\":\"tenants/acme\"}");
	assert_non_null(strstr(t, "\"announcementPromptId\":\"closed\""));
	refused(op(), "DeletePrompt", "{\"name\":\"tenants/acme/prompts/closed\"}", ERR_PRECONDITION, "name",
		"suspension");
	(void)must("UpdateTenant", "{\"tenant\":{\"name\":\"tenants/acme\"},\"updateMask\":\"suspended,suspension\"}");
	(void)must("DeletePrompt", "{\"name\":\"tenants/acme/prompts/closed\"}");
	fixture_purge(&fx, "acme");
	wait_seen((struct want){ &r, "acme", NULL, NULL, 0, true });
	reader_stop(&r);
}

static int count_of(const char *text, const char *word)
{
	int n = 0;

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word))
		n++;
	return n;
}

static void lists_hold_what_the_filter_says_page_by_page(void **state)
{
	char j[256], token[80] = "";
	int found = 0, pages = 0;

	(void)state;
	make_tenant("acme");
	for (int i = 0; i < 25; i++) {
		snprintf(j, sizeof(j),
			 "{\"parent\":\"tenants/acme\",\"agentId\":\"%d\",\"agent\":{\"displayName\":\"Agent "
			 "%d\",\"enabled\":%s}}",
			 2000 + i, i, i % 2 ? "true" : "false");
		(void)must("CreateAgent", j);
	}
	do {
		snprintf(j, sizeof(j),
			 "{\"parent\":\"tenants/acme\",\"pageSize\":5,\"pageToken\":\"%s\",\"filter\":\"enabled = true "
			 "AND id != 2001\"}",
			 token);
		const char *page = must("ListAgents", j);
		int n = count_of(page, "\"name\":");
		assert_true(n <= 5);
		found += n;
		snprintf(token, sizeof(token), "%s", fixture_field(page, "nextPageToken"));
	} while (token[0] && ++pages < 20);
	assert_int_equal(found, 11);
	assert_int_equal(count_of(must("ListAgents",
				       "{\"parent\":\"tenants/acme\",\"filter\":\"display_name = \\\"agent 1*\\\"\"}"),
				  "\"name\":"),
			 11);
	assert_int_equal(count_of(must("ListTenants", "{\"filter\":\"display_name : ACME AND suspended = false\"}"),
				  "\"name\":"),
			 1);
	assert_int_equal(count_of(must("ListTenants", "{\"filter\":\"suspended = true\"}"), "\"name\":"), 0);
	refused(op(), "ListAgents", "{\"parent\":\"tenants/acme\",\"filter\":\"colour = red\"}", ERR_INVALID, "filter",
		"no field of Agent");
	/* What is never answered cannot be asked for either. */
	assert_int_equal(count_of(must("ListAgents", "{\"parent\":\"tenants/acme\",\"filter\":\"ha1_md5:*\"}"),
				  "\"name\":"),
			 0);
	fixture_purge(&fx, "acme");
}

struct fetched {
	bool done;
	err_t e;
	size_t size;
};

static void on_fetched(err_t e, const void *pcm, size_t size, void *arg)
{
	(void)pcm;
	*(struct fetched *)arg = (struct fetched){ true, e, size };
}

static err_t fetch(struct reader *r, const char *sha256, size_t *size)
{
	struct fetched f = { 0 };

	assert_int_equal(promptstore_fetch(r->prompts, "sound", sha256, on_fetched, &f), ERR_OK);
	assert_true(testkit_wait_flag(fx.loop, &f.done, 20000));
	*size = f.size;
	return f.e;
}

static void an_uploaded_prompt_is_8_khz_mono_in_the_store_and_goes_when_nobody_names_it(void **state)
{
	struct str answer = STR_INIT;
	struct reader r;
	char first[65], second[65];
	struct err_detail d = { 0 };
	size_t size;

	(void)state;
	reader_start(&r);
	make_tenant("sound");
	upload(op(), "sound", "hello", 11, &answer);
	(void)str_copy(first, sizeof(first), fixture_field(str_text(&answer), "sha256"));
	wait_seen((struct want){ &r, "sound", NULL, NULL, strtoull(fixture_field(str_text(&answer), "etag"), NULL, 10),
				 false });
	assert_int_equal(fetch(&r, first, &size), ERR_OK);
	assert_int_equal(size, 16000);
	str_reset(&answer);
	upload(op(), "sound", "hello", 13, &answer);
	(void)str_copy(second, sizeof(second), fixture_field(str_text(&answer), "sha256"));
	assert_string_not_equal(first, second);
	for (int i = 0; i < 100 && fetch(&r, first, &size) == ERR_OK; i++)
		loop_turn(fx.loop, 50);
	assert_int_equal(fetch(&r, first, &size), ERR_NOT_FOUND);
	assert_int_equal(fetch(&r, second, &size), ERR_OK);
	assert_int_equal(fixture_upload(&fx, op(), "tenants/sound", "bad", "this is text", 12, NULL, &d), ERR_INVALID);
	assert_non_null(strstr(d.message, "not a sound file"));
	refused(op(), "GetPrompt", "{\"name\":\"tenants/sound/prompts/bad\"}", ERR_NOT_FOUND, "name", "no such prompt");
	str_done(&answer);
	reader_stop(&r);
}

static void malformed_input_names_the_field_and_what_would_be_right(void **state)
{
	static const struct {
		const char *method, *json;
		err_t code;
		const char *field, *text;
	} rows[] = {
		{ "CreateTenant", "{\"tenantId\":\"Bad Id\",\"tenant\":{}}", ERR_INVALID, "tenant_id", "is no id" },
		{ "CreateTenant", "{\"tenantId\":\"x\"}", ERR_INVALID, "tenant", "missing" },
		{ "CreateTenant", "{\"tenantId\":\"x\",\"tenant\":{\"timeZone\":\"Mars/Olympus\"}}", ERR_INVALID,
		  "tenant.time_zone", "no such time zone" },
		{ "CreateTenant", "{\"tenantId\":\"x\",\"tenant\":{\"timeZone\":\"../../etc/passwd\"}}", ERR_INVALID,
		  "tenant.time_zone", "no such time zone" },
		{ "CreateTenant", "{\"tenantId\":\"x\",\"tenant\":{\"sipDomain\":\"-bad-\"}}", ERR_INVALID,
		  "tenant.sip_domain", "no domain" },
		{ "GetTenant", "{\"name\":\"tenant/x\"}", ERR_INVALID, "name", "is not tenants/{tenant}" },
		{ "GetQueue", "{\"name\":\"tenants/mal/queue/x\"}", ERR_INVALID, "name",
		  "is not tenants/{tenant}/queues/{queue}" },
		{ "GetQueue", "{\"name\":\"tenants/mal/queues/x/y\"}", ERR_INVALID, "name", "is not" },
		{ "CreateQueue", "{\"parent\":\"tenants/mal\",\"queueId\":\"q\"}", ERR_INVALID, "queue", "missing" },
		{ "CreateQueue", "{\"parent\":\"tenants/mal\",\"queueId\":\"q\",\"queue\":{\"priority\":11}}",
		  ERR_INVALID, "queue.priority", "not within 0 and 10" },
		{ "CreateQueue",
		  "{\"parent\":\"tenants/"
		  "mal\",\"queueId\":\"q\",\"queue\":{\"skills\":[{\"skillId\":\"none\",\"level\":1}]}}",
		  ERR_INVALID, "queue.skills[0].skill_id", "there is no skill 'none'" },
		{ "CreateQueue", "{\"parent\":\"tenants/mal\",\"queueId\":\"q\",\"queue\":{\"id\":\"p\"}}", ERR_INVALID,
		  "queue_id", "but the resource says" },
		{ "CreateQueue",
		  "{\"parent\":\"tenants/mal\",\"queueId\":\"q\",\"queue\":{},\"requestId\":\"drop table\"}",
		  ERR_INVALID, "request_id", "UUID" },
		{ "CreateFlow", "{\"parent\":\"tenants/mal\",\"flowId\":\"f\",\"flow\":{}}", ERR_INVALID, "flow.steps",
		  "1 to 1000" },
		{ "CreateFlow",
		  "{\"parent\":\"tenants/"
		  "mal\",\"flowId\":\"f\",\"flow\":{\"steps\":[{\"id\":\"a\",\"next\":\"b\",\"answer\":{}}]}}",
		  ERR_INVALID, "flow.steps[0].next", "no step 'b'" },
		{ "CreateFlow",
		  "{\"parent\":\"tenants/"
		  "mal\",\"flowId\":\"f\",\"flow\":{\"steps\":[{\"id\":\"a\",\"next\":\"a\",\"answer\":{}}]}}",
		  ERR_INVALID, "flow.steps[0]", "for ever" },
		{ "CreateFlow",
		  "{\"parent\":\"tenants/"
		  "mal\",\"flowId\":\"f\",\"flow\":{\"steps\":[{\"id\":\"a\",\"play\":{\"promptIds\":[\"nix\"]}}]}}",
		  ERR_INVALID, "flow.steps[0].play.prompt_ids[0]", "there is no prompt" },
		{ "CreateNumber", "{\"parent\":\"tenants/mal\",\"number\":{\"number\":\"12a\"}}", ERR_INVALID,
		  "number_id", "is no number" },
		{ "CreateNumber", "{\"parent\":\"tenants/mal\",\"number\":{\"number\":\"12\"}}", ERR_INVALID,
		  "number.working", "missing" },
		{ "CreateTrunk", "{\"parent\":\"tenants/mal\",\"trunkId\":\"t\",\"trunk\":{}}", ERR_INVALID,
		  "trunk.addresses", "username" },
		{ "CreateTrunk",
		  "{\"parent\":\"tenants/mal\",\"trunkId\":\"t\",\"trunk\":{\"addresses\":[\"0.0.0.0/0\"]}}",
		  ERR_INVALID, "trunk.addresses[0]", "too wide" },
		{ "CreateTrunk", "{\"parent\":\"tenants/mal\",\"trunkId\":\"t\",\"trunk\":{\"username\":\"u\"}}",
		  ERR_INVALID, "trunk.password", "missing" },
		{ "CreateAgent", "{\"parent\":\"tenants/mal\",\"agentId\":\"1\",\"agent\":{\"password\":\"short\"}}",
		  ERR_INVALID, "agent.password", "8 to 128" },
		{ "CreateCalendar",
		  "{\"parent\":\"tenants/mal\",\"calendarId\":\"c\",\"calendar\":{\"holidays\":[\"2026-02-30\"]}}",
		  ERR_INVALID, "calendar.holidays[0]", "a date" },
		{ "UpdateTenant",
		  "{\"tenant\":{\"name\":\"tenants/mal\",\"sipDomain\":\"x.y\"},\"updateMask\":\"sipDomain\"}",
		  ERR_INVALID, "update_mask", "cannot be changed" },
		{ "UpdateTenant", "{\"tenant\":{\"name\":\"tenants/mal\"},\"updateMask\":\"colour\"}", ERR_INVALID,
		  "update_mask", "no field" },
		{ "ListQueues", "{\"parent\":\"tenants/mal\",\"pageSize\":-1}", ERR_INVALID, "page_size", "negative" },
		{ "CreateToken", "{\"tenant\":\"mal\"}", ERR_INVALID, "scopes", "missing" },
		{ "CreateToken", "{\"tenant\":\"mal\",\"scopes\":[\"SCOPE_AGENT\"],\"agentId\":\"77\"}", ERR_NOT_FOUND,
		  "agent_id", "no such agent" },
	};

	(void)state;
	make_tenant("mal");
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		refused(op(), rows[i].method, rows[i].json, rows[i].code, rows[i].field, rows[i].text);
}

static void an_edit_of_what_somebody_else_has_changed_is_refused_by_its_etag(void **state)
{
	char j[300], etag[32];

	(void)state;
	make_tenant("edit");
	(void)must("CreateSkill",
		   "{\"parent\":\"tenants/edit\",\"skillId\":\"s\",\"skill\":{\"displayName\":\"one\"}}");
	(void)str_copy(etag, sizeof(etag),
		       fixture_field(must("GetSkill", "{\"name\":\"tenants/edit/skills/s\"}"), "etag"));
	snprintf(j, sizeof(j),
		 "{\"skill\":{\"name\":\"tenants/edit/skills/s\",\"displayName\":\"two\",\"etag\":\"%s\"}}", etag);
	(void)must("UpdateSkill", j);
	snprintf(j, sizeof(j),
		 "{\"skill\":{\"name\":\"tenants/edit/skills/s\",\"displayName\":\"three\",\"etag\":\"%s\"}}", etag);
	refused(op(), "UpdateSkill", j, ERR_ABORTED, "etag", "read it again");
	snprintf(j, sizeof(j), "{\"name\":\"tenants/edit/skills/s\",\"etag\":\"%s\"}", etag);
	refused(op(), "DeleteSkill", j, ERR_ABORTED, "etag", NULL);
	assert_string_equal(fixture_field(must("GetSkill", "{\"name\":\"tenants/edit/skills/s\"}"), "displayName"),
			    "two");
}

static void a_repeated_request_has_one_effect_and_validation_alone_has_none(void **state)
{
	static const char create[] =
	    "{\"parent\":\"tenants/once\",\"skillId\":\"s\",\"skill\":{\"displayName\":\"one\"},"
	    "\"requestId\":\"0190a9c2-0000-7000-8000-000000000001\"}";
	char etag[32];

	(void)state;
	make_tenant("once");
	(void)must("CreateSkill", "{\"parent\":\"tenants/once\",\"skillId\":\"s\",\"skill\":{},\"validateOnly\":true}");
	refused(op(), "GetSkill", "{\"name\":\"tenants/once/skills/s\"}", ERR_NOT_FOUND, NULL, NULL);
	(void)str_copy(etag, sizeof(etag), fixture_field(must("CreateSkill", create), "etag"));
	assert_string_equal(fixture_field(must("CreateSkill", create), "etag"), etag);
	refused(op(), "CreateSkill",
		"{\"parent\":\"tenants/once\",\"skillId\":\"s2\",\"skill\":{},"
		"\"requestId\":\"0190a9c2-0000-7000-8000-000000000001\"}",
		ERR_INVALID, "request_id", "another request");
	refused(op(), "CreateSkill", "{\"parent\":\"tenants/once\",\"skillId\":\"s\",\"skill\":{}}", ERR_EXISTS,
		"skill_id", "already");
}

static void lists_come_in_pages(void **state)
{
	char j[200], token[80] = "", seen_ids[400] = "";
	int pages = 0;

	(void)state;
	make_tenant("pages");
	for (int i = 0; i < 7; i++) {
		snprintf(j, sizeof(j), "{\"parent\":\"tenants/pages\",\"skillId\":\"s%d\",\"skill\":{}}", i);
		(void)must("CreateSkill", j);
	}
	do {
		snprintf(j, sizeof(j), "{\"parent\":\"tenants/pages\",\"pageSize\":3,\"pageToken\":\"%s\"}", token);
		const char *answer = must("ListSkills", j);
		for (const char *p = answer; (p = strstr(p, "\"id\":\"s")); p += 6)
			strncat(seen_ids, p + 6, 2);
		(void)str_copy(token, sizeof(token), fixture_field(answer, "nextPageToken"));
		pages++;
	} while (*token && pages < 10);
	assert_int_equal(pages, 3);
	assert_string_equal(seen_ids, "s0s1s2s3s4s5s6");
}

static void passwords_go_in_as_hashes_never_come_out_and_open_the_door(void **state)
{
	const char *login = "{\"tenant\":\"door\",\"agentId\":\"1001\",\"password\":\"correct horse\"}";

	(void)state;
	make_tenant("door");
	furnish("door", "555001");
	const char *agent = must("GetAgent", "{\"name\":\"tenants/door/agents/1001\"}");
	assert_null(strstr(agent, "ha1"));
	assert_null(strstr(agent, "assword"));
	agent = must("ListAgents", "{\"parent\":\"tenants/door\"}");
	assert_null(strstr(agent, "ha1"));
	assert_string_equal(
	    fixture_sql(&fx, "SELECT count(*) FROM tm.audit WHERE encode(after, 'escape') LIKE '%correct horse%' OR "
			     "encode(after, 'escape') LIKE '%trunk password%'"),
	    "0");
	assert_string_equal(
	    fixture_sql(&fx, "SELECT count(*) FROM tm.resource WHERE encode(body, 'escape') LIKE '%correct horse%'"),
	    "0");
	assert_true(strlen(fixture_field(fixture_must(&fx, NULL, "Login", login), "accessToken")) > 100);
	refused(NULL, "Login", "{\"tenant\":\"door\",\"agentId\":\"1001\",\"password\":\"wrong horse\"}",
		ERR_UNAUTHENTICATED, "", "is wrong");
	refused(NULL, "Login", "{\"tenant\":\"door\",\"agentId\":\"1002\",\"password\":\"wrong horse\"}",
		ERR_UNAUTHENTICATED, "", "is wrong");
	refused(NULL, "Login", "{\"tenant\":\"nowhere\",\"agentId\":\"1001\",\"password\":\"wrong horse\"}",
		ERR_UNAUTHENTICATED, "", "is wrong");
	(void)must("UpdateAgent",
		   "{\"agent\":{\"name\":\"tenants/door/agents/1001\",\"enabled\":false},\"updateMask\":\"enabled\"}");
	refused(NULL, "Login", login, ERR_UNAUTHENTICATED, "", "is wrong");
	(void)must("UpdateAgent",
		   "{\"agent\":{\"name\":\"tenants/door/agents/1001\",\"enabled\":true},\"updateMask\":\"enabled\"}");
	for (int i = 0; i < 3; i++)
		refused(NULL, "Login", "{\"tenant\":\"door\",\"agentId\":\"1001\",\"password\":\"guess number\"}",
			ERR_UNAUTHENTICATED, "", NULL);
	refused(NULL, "Login", login, ERR_EXHAUSTED, "", "try again in a minute");
}

static void a_change_that_was_committed_but_not_published_is_published_after_kill_9(void **state)
{
	struct reader r;

	(void)state;
	make_tenant("crash");
	/* NATS away: accepted all the same. Then the service dies with what it knew. */
	testkit_nats_kill(&fx.nats);
	(void)must("CreateSkill", "{\"parent\":\"tenants/crash\",\"skillId\":\"late\",\"skill\":{}}");
	(void)must("CreateAgent", "{\"parent\":\"tenants/crash\",\"agentId\":\"2001\",\"agent\":{\"enabled\":true}}");
	assert_string_not_equal(fixture_sql(&fx, "SELECT count(*) FROM tm.outbox WHERE tenant = 'crash'"), "0");
	fixture_service_stop(&fx, SIGKILL);
	testkit_nats_restart(&fx.nats);
	fixture_service_start(&fx);
	reader_start(&r);
	wait_seen((struct want){ &r, "crash", NULL, "2001", 0, false });
	const struct tenant *t = tenantconf_find_tenant(r.conf, "crash");
	assert_non_null(tenant_find_skill(t, "late"));
	reader_stop(&r);
}

static void changes_made_while_nats_was_away_are_published_when_it_returns(void **state)
{
	struct reader r;

	(void)state;
	make_tenant("away");
	testkit_nats_kill(&fx.nats);
	(void)must("CreateSkill", "{\"parent\":\"tenants/away\",\"skillId\":\"late\",\"skill\":{}}");
	testkit_nats_restart(&fx.nats);
	reader_start(&r);
	struct want w = { &r,
			  "away",
			  NULL,
			  NULL,
			  strtoull(fixture_field(must("GetTenant", "{\"name\":\"tenants/away\"}"), "configVersion"),
				   NULL, 10),
			  false };
	wait_seen(w);
	assert_non_null(tenant_find_skill(tenantconf_find_tenant(r.conf, "away"), "late"));
	reader_stop(&r);
}

static void a_configuration_lost_in_nats_is_written_again_at_the_next_start(void **state)
{
	struct reader r;
	struct err_detail d = { 0 };

	(void)state;
	make_tenant("lost");
	furnish("lost", "555002");
	reader_start(&r);
	wait_seen((struct want){ &r, "lost", "555002", "1001", 0, false });
	reader_stop(&r);
	fixture_service_stop(&fx, SIGTERM);
	/* A new NATS without any data, on the same port. */
	testkit_nats_kill(&fx.nats);
	char path[TESTKIT_PATH + 64];
	snprintf(path, sizeof(path), "%s/jetstream", fx.nats.dir);
	struct str out = STR_INIT;
	assert_int_equal(testkit_run((const char *[]){ "sh", "-c",
						       "find \"$0\" -type d -name 'KV_*' -prune -exec rm -rf {} +",
						       fx.nats.dir, NULL },
				     &out, 5000),
			 0);
	str_done(&out);
	testkit_nats_restart(&fx.nats);
	fixture_service_start(&fx);
	reader_start(&r);
	wait_seen((struct want){ &r, "lost", "555002", "1001", 0, false });
	const char *sha256 = tenant_find_prompt(tenantconf_find_tenant(r.conf, "lost"), "hello")->sha256;
	struct fetched f = { 0 };
	assert_int_equal(promptstore_fetch(r.prompts, "lost", sha256, on_fetched, &f), ERR_OK);
	assert_true(testkit_wait_flag(fx.loop, &f.done, 20000));
	assert_int_equal(f.e, ERR_OK);
	reader_stop(&r);
	(void)d;
}

static bool agent_is_older_than(void *arg)
{
	struct want *w = arg;
	const struct tenant *t = tenantconf_find_tenant(w->r->conf, w->tenant), *owner;
	const struct tenant_agent *a = tenantconf_find_agent(w->r->conf, w->tenant, w->agent);

	return t && t->version > w->version && !tenantconf_find_number(w->r->conf, w->number, &owner) && a &&
	       strcmp(a->display_name, "Mei") == 0 && !tenantconf_find_agent(w->r->conf, w->tenant, "1002");
}

static void a_database_restored_from_a_backup_is_what_counts(void **state)
{
	struct reader r;

	(void)state;
	make_tenant("restored");
	furnish("restored", "555003");
	(void)must("UpdateAgent",
		   "{\"agent\":{\"name\":\"tenants/restored/agents/1001\",\"displayName\":\"after the backup\"}}");
	(void)must("CreateAgent", "{\"parent\":\"tenants/restored\",\"agentId\":\"1002\",\"agent\":{}}");
	reader_start(&r);
	wait_seen((struct want){ &r, "restored", "555003", "1002", 0, false });
	uint64_t version = tenantconf_find_tenant(r.conf, "restored")->version;
	fixture_service_stop(&fx, SIGTERM);
	/* As it was before the number, before Mei's other name and before agent 1002. */
	(void)fixture_sql(
	    &fx, "BEGIN; DELETE FROM tm.resource WHERE tenant = 'restored' AND (kind = 'number' OR id = '1002'); "
		 "UPDATE tm.resource SET revision = 10, body = decode(replace(encode(body, 'hex'), "
		 "'1a10' || encode('after the backup', 'hex'), '1a03' || encode('Mei', 'hex')), 'hex') WHERE tenant = "
		 "'restored' AND kind = 'agent'; "
		 "UPDATE tm.tenant SET version = 11, revision = 5, published_version = 11 WHERE tenant = 'restored'; "
		 "DELETE FROM tm.outbox WHERE tenant = 'restored'; COMMIT");
	fixture_service_start(&fx);
	struct want w = { &r, "restored", "555003", "1001", version, false };
	assert_true(testkit_wait_loop(fx.loop, agent_is_older_than, &w, 20000));
	reader_stop(&r);
}

static void the_operators_token_is_private_and_there_is_no_other_way_in(void **state)
{
	char path[TESTKIT_PATH + 64];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/operator.token", fx.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	refused(NULL, "ListTenants", "{}", ERR_UNAUTHENTICATED, NULL, NULL);
	refused("nonsense", "ListTenants", "{}", ERR_UNAUTHENTICATED, NULL, NULL);
	refused(NULL, "CreateToken", "{\"scopes\":[\"SCOPE_OPERATOR\"]}", ERR_UNAUTHENTICATED, NULL, NULL);
}

static int set_up(void **state)
{
	*state = &fx;
	fx.more_config = "tenants:\n  id_rest_s: 0\n"; /* ids are given again at once */
	fixture_start(&fx);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenant_lives_from_creation_to_deletion_and_the_call_services_follow),
		cmocka_unit_test(what_a_suspension_does_to_calls_is_chosen_published_and_keeps_its_prompt),
		cmocka_unit_test(lists_hold_what_the_filter_says_page_by_page),
		cmocka_unit_test(an_uploaded_prompt_is_8_khz_mono_in_the_store_and_goes_when_nobody_names_it),
		cmocka_unit_test(malformed_input_names_the_field_and_what_would_be_right),
		cmocka_unit_test(an_edit_of_what_somebody_else_has_changed_is_refused_by_its_etag),
		cmocka_unit_test(a_repeated_request_has_one_effect_and_validation_alone_has_none),
		cmocka_unit_test(lists_come_in_pages),
		cmocka_unit_test(passwords_go_in_as_hashes_never_come_out_and_open_the_door),
		cmocka_unit_test(a_change_that_was_committed_but_not_published_is_published_after_kill_9),
		cmocka_unit_test(changes_made_while_nats_was_away_are_published_when_it_returns),
		cmocka_unit_test(a_configuration_lost_in_nats_is_written_again_at_the_next_start),
		cmocka_unit_test(a_database_restored_from_a_backup_is_what_counts),
		cmocka_unit_test(the_operators_token_is_private_and_there_is_no_other_way_in),
	};

	return cmocka_run_group_tests(tests, set_up, fixture_tear_down);
}
