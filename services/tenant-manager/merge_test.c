/* Names, masks, secrets: what becomes of a request before it meets the database. */
#include "merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "login.h"
#include "pbjson/pbjson.h"
#include "pbr.h"
#include "secret.h"
#include "testkit/testkit.h"
#include "trunkline/admin/v1/admin.pb-c.h"
#include "trunkline/config/v1/config.pb-c.h"

static ProtobufCMessage *parse(const ProtobufCMessageDescriptor *desc, const char *json)
{
	ProtobufCMessage *m;
	struct err_detail d = { 0 };

	if (pbjson_parse(&m, desc, json, strlen(json), 0, &d))
		testkit_die("%s: %s %s", json, d.field, d.message);
	return m;
}

static void resource_names_have_exactly_their_parts(void **state)
{
	static const struct {
		const char *text, *kind;
		bool ok;
		const char *tenant, *id;
	} rows[] = {
		{ "tenants/acme", NULL, true, "acme", "" },
		{ "tenants/acme/queues/sales", "queue", true, "acme", "sales" },
		{ "tenants/acme/numbers/+4930*#1", "number", true, "acme", "+4930*#1" },
		{ "tenants/acme", "queue", false, NULL, NULL },
		{ "tenants/acme/queues/sales", NULL, false, NULL, NULL },
		{ "tenants/acme/queues/", "queue", false, NULL, NULL },
		{ "tenants/acme/queues/sales/", "queue", false, NULL, NULL },
		{ "tenants//queues/sales", "queue", false, NULL, NULL },
		{ "tenants/acme/flows/sales", "queue", false, NULL, NULL },
		{ "tenants/acme/queues/-", "queue", false, NULL, NULL },
		{ "tenants/../queues/sales", "queue", false, NULL, NULL },
		{ "/tenants/acme", NULL, false, NULL, NULL },
		{ "", NULL, false, NULL, NULL },
		{ "tenants/a234567890123456789012345678901234567890123456789012345678901234", NULL, false, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct name n;
		struct err_detail d = { 0 };
		err_t e = name_parse(&n, rows[i].text, rows[i].kind ? kind_find(rows[i].kind) : NULL, "name", &d);

		assert_int_equal(e, rows[i].ok ? ERR_OK : ERR_INVALID);
		if (e) {
			assert_string_equal(d.field, "name");
			continue;
		}
		assert_string_equal(n.tenant, rows[i].tenant);
		assert_string_equal(n.id, rows[i].id);
	}
}

static void every_kind_has_its_messages_and_its_place_in_the_configuration(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_kinds; i++) {
		const struct kind *k = &kinds[i];
		char method[64];

		assert_ptr_equal(kind_find(k->name), k);
		assert_ptr_equal(kind_find_plural(k->plural), k);
		assert_non_null(protobuf_c_message_descriptor_get_field_by_name(k->desc, k->own_id));
		snprintf(method, sizeof(method), "Update%s", k->title);
		const ProtobufCMethodDescriptor *m =
		    protobuf_c_service_descriptor_get_method_by_name(&trunkline__admin__v1__admin_service__descriptor,
								     method);
		assert_non_null(m);
		assert_ptr_equal(m->output, k->desc);
		assert_non_null(protobuf_c_message_descriptor_get_field_by_name(m->input, k->name));
		if (k->config_field <= 0)
			continue;
		const ProtobufCFieldDescriptor *f =
		    protobuf_c_message_descriptor_get_field(&trunkline__config__v1__tenant_config__descriptor,
							    (unsigned)k->config_field);
		assert_ptr_equal(f->descriptor, k->desc);
	}
}

/* RFC 7616, 3.9.1: Mufasa, http-auth@example.org, Circle of Life. */
static void hashes_are_those_of_the_standard(void **state)
{
	char md5[HA1_MD5_TEXT], sha256[HA1_SHA256_TEXT];

	(void)state;
	assert_int_equal(secret_ha1("Mufasa", "http-auth@example.org", "Circle of Life", md5, sha256), ERR_OK);
	assert_string_equal(md5, "3d78807defe7de2157e2b0b6573a855f");
	assert_string_equal(sha256, "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232");
	assert_int_equal(secret_check("1234567", "password", NULL), ERR_INVALID);
	assert_int_equal(secret_check("12345678", "password", NULL), ERR_OK);
	assert_int_equal(secret_check("1234567\n", "password", NULL), ERR_INVALID);
}

/* ---- merge ---- */

struct fixture {
	struct job job;
	struct method method;
	ProtobufCMessage *current, *patch;
	char *paths[4];
};

static err_t merge(struct fixture *f, const char *kind, const char *current, const char *patch, const char *mask,
		   struct merged *ret)
{
	*f = (struct fixture){ .method = { .kind = kind_find(kind), .verb = VERB_UPDATE } };
	f->job.method = &f->method;
	f->current = current ? parse(f->method.kind->desc, current) : NULL;
	f->patch = parse(f->method.kind->desc, patch);
	f->job.rq = (struct request){ .resource = f->patch, .resource_field = kind, .tenant = "acme", .id = "x" };
	f->paths[0] = (char *)(uintptr_t)mask;
	f->job.rq.paths = f->paths;
	f->job.rq.n_paths = mask ? 1 : 0;
	arena_init(&f->job.arena, 0);
	return merge_resource(ret, &f->job, f->current, "acme.test", 42);
}

static void done(struct fixture *f)
{
	arena_done(&f->job.arena);
	if (f->current)
		protobuf_c_message_free_unpacked(f->current, NULL);
	protobuf_c_message_free_unpacked(f->patch, NULL);
}

static void a_mask_says_what_changes_and_without_one_what_is_set_does(void **state)
{
	static const struct {
		const char *mask, *display_name;
		uint32_t priority;
		bool record;
	} rows[] = {
		{ NULL, "new", 3, true },      { "display_name", "new", 3, true }, { "priority", "old", 0, true },
		{ "record", "old", 3, false }, { "*", "new", 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;
		struct merged m;

		assert_int_equal(
		    merge(
			&f, "queue", "{\"id\":\"x\",\"displayName\":\"old\",\"priority\":3,\"record\":true}",
			"{\"name\":\"tenants/acme/queues/x\",\"displayName\":\"new\",\"id\":\"other\",\"etag\":\"7\"}",
			rows[i].mask, &m),
		    ERR_OK);
		const Trunkline__Config__V1__Queue *q = (void *)m.msg;
		assert_string_equal(q->display_name, rows[i].display_name);
		assert_int_equal(q->priority, rows[i].priority);
		assert_int_equal(q->record, rows[i].record);
		assert_string_equal(q->id, "x");
		assert_string_equal(q->name, "");
		assert_string_equal(q->etag, "");
		done(&f);
	}
}

static void a_mask_names_fields_that_exist_and_may_change(void **state)
{
	static const char *const masks[] = { "colour", "id", "name", "etag", "skills.level" };
	struct fixture f;
	struct merged m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		assert_int_equal(merge(&f, "queue", "{\"id\":\"x\"}", "{\"displayName\":\"new\"}", masks[i], &m),
				 ERR_INVALID);
		assert_string_equal(f.job.detail.field, "update_mask");
		done(&f);
	}
}

#define OLD_TRUNK "{\"id\":\"x\",\"username\":\"u\",\"ha1Md5\":\"oldmd5\",\"ha1Sha256\":\"oldsha\"}"

static void a_password_becomes_hashes_and_stays_when_none_is_given(void **state)
{
	struct fixture f;
	struct merged m;
	char md5[HA1_MD5_TEXT], sha256[HA1_SHA256_TEXT];

	(void)state;
	assert_int_equal(merge(&f, "trunk", OLD_TRUNK, "{\"displayName\":\"n\"}", "*", &m), ERR_OK);
	assert_string_equal(pbr_string(m.msg, "username"), "");
	assert_string_equal(pbr_string(m.msg, "ha1_md5"), ""); /* without a user no hash */
	done(&f);
	assert_int_equal(merge(&f, "trunk", OLD_TRUNK, "{\"displayName\":\"n\"}", NULL, &m), ERR_OK);
	assert_string_equal(pbr_string(m.msg, "ha1_md5"), "oldmd5");
	done(&f);
	assert_int_equal(merge(&f, "trunk", OLD_TRUNK, "{\"password\":\"long enough\"}", NULL, &m), ERR_OK);
	assert_int_equal(secret_ha1("u", "acme.test", "long enough", md5, sha256), ERR_OK);
	assert_string_equal(pbr_string(m.msg, "ha1_md5"), md5);
	assert_string_equal(pbr_string(m.msg, "ha1_sha256"), sha256);
	assert_string_equal(pbr_string(m.msg, "password"), "");
	done(&f);
	assert_int_equal(merge(&f, "trunk", OLD_TRUNK, "{\"username\":\"v\"}", NULL, &m), ERR_INVALID);
	assert_string_equal(f.job.detail.field, "trunk.password");
	done(&f);
	assert_int_equal(merge(&f, "agent", "{\"id\":\"x\"}", "{\"password\":\"short\"}", NULL, &m), ERR_INVALID);
	assert_string_equal(f.job.detail.field, "agent.password");
	done(&f);
}

static void a_new_agent_gets_its_tenant_id_and_version_whatever_the_request_says(void **state)
{
	struct fixture f;
	struct merged m;

	(void)state;
	assert_int_equal(merge(&f, "agent", NULL,
			       "{\"tenant\":\"globex\",\"id\":\"y\",\"version\":\"9\",\"enabled\":true}", NULL, &m),
			 ERR_OK);
	const Trunkline__Config__V1__Agent *a = (void *)m.msg;
	assert_string_equal(a->tenant, "acme");
	assert_string_equal(a->id, "x");
	assert_int_equal(a->version, 42);
	ProtobufCMessage *out = merge_public(&f.job.arena, "acme", f.method.kind, "x", m.msg, 42);
	assert_string_equal(pbr_string(out, "name"), "tenants/acme/agents/x");
	assert_string_equal(pbr_string(out, "etag"), "42");
	assert_string_equal(pbr_string(out, "ha1_md5"), "");
	done(&f);
}

static void who_guesses_waits_a_minute_after_five_failures(void **state)
{
	struct throttle *t;

	(void)state;
	assert_int_equal(throttle_new(&t), ERR_OK);
	for (int i = 0; i < 5; i++) {
		assert_false(throttle_refuses(t, "acme", "1001", 100000 + i));
		throttle_failed(t, "acme", "1001", 100000 + i);
	}
	assert_true(throttle_refuses(t, "acme", "1001", 100010));
	assert_false(throttle_refuses(t, "acme", "1002", 100010));
	assert_true(throttle_refuses(t, "acme", "1001", 159000));
	assert_false(throttle_refuses(t, "acme", "1001", 160010));
	throttle_failed(t, "acme", "1001", 160010);
	assert_false(throttle_refuses(t, "acme", "1001", 160011));
	throttle_succeeded(t, "acme", "1001");
	throttle_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resource_names_have_exactly_their_parts),
		cmocka_unit_test(every_kind_has_its_messages_and_its_place_in_the_configuration),
		cmocka_unit_test(hashes_are_those_of_the_standard),
		cmocka_unit_test(a_mask_says_what_changes_and_without_one_what_is_set_does),
		cmocka_unit_test(a_mask_names_fields_that_exist_and_may_change),
		cmocka_unit_test(a_password_becomes_hashes_and_stays_when_none_is_given),
		cmocka_unit_test(a_new_agent_gets_its_tenant_id_and_version_whatever_the_request_says),
		cmocka_unit_test(who_guesses_waits_a_minute_after_five_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
