#include "confkit/confkit.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "pbjson/pbjson.h"
#include "sealed/sealed.h"
#include "testkit/testkit.h"
#include "trunkline/config/v1/config.pb-c.h"

static void pack(struct str *out, const ProtobufCMessageDescriptor *desc, const char *json)
{
	struct str text = STR_INIT;
	struct err_detail d = { 0 };
	ProtobufCMessage *msg;
	uint8_t *bytes;

	for (const char *p = json; *p; p++) {
		if (p[0] == '\\' && p[1] == '\'')
			str_append_c(&text, *++p);
		else
			str_append_c(&text, *p == '\'' ? '"' : *p);
	}
	if (pbjson_parse(&msg, desc, str_text(&text), text.len, 0, &d))
		testkit_die("confkit: %s: %s in %s", d.field, d.message, json);
	size_t size = protobuf_c_message_get_packed_size(msg);
	bytes = mem_alloc(size + 1);
	if (!bytes)
		testkit_die("confkit: no memory");
	protobuf_c_message_pack(msg, bytes);
	str_append_n(out, bytes, size);
	mem_free(bytes);
	protobuf_c_message_free_unpacked(msg, NULL);
	str_done(&text);
}

void confkit_pack_tenant(struct str *out, const char *json)
{
	pack(out, &trunkline__config__v1__tenant_config__descriptor, json);
}

void confkit_pack_agent(struct str *out, const char *json)
{
	pack(out, &trunkline__config__v1__agent__descriptor, json);
}

void confkit_add_key(struct str *json, const char *tenant, uint32_t version, uint8_t first)
{
	uint8_t master[SEALED_KEY], key[SEALED_KEY], wrapped[SEALED_WRAPPED], text[2 * SEALED_WRAPPED];

	for (unsigned i = 0; i < SEALED_KEY; i++) {
		master[i] = (uint8_t)i;
		key[i] = (uint8_t)(first + i);
	}
	if (sealed_wrap(master, tenant, version, key, wrapped))
		testkit_die("confkit: sealed_wrap");
	EVP_EncodeBlock(text, wrapped, SEALED_WRAPPED);
	str_printf(json, "{'version':%u,'wrapped':'%s'}", version, (const char *)text);
}

const struct tenant *confkit_tenant(const char *json)
{
	struct str bytes = STR_INIT;
	struct err_detail d = { 0 };
	const struct tenant *t;

	confkit_pack_tenant(&bytes, json);
	if (tenantconf_tenant_from_pb(&t, str_text(&bytes), bytes.len, &d))
		testkit_die("confkit: %s: %s", d.field, d.message);
	str_done(&bytes);
	return t;
}

const struct tenant_agent *confkit_agent(const char *json)
{
	struct str bytes = STR_INIT;
	struct err_detail d = { 0 };
	const struct tenant_agent *a;

	confkit_pack_agent(&bytes, json);
	if (tenantconf_agent_from_pb(&a, str_text(&bytes), bytes.len, &d))
		testkit_die("confkit: %s: %s", d.field, d.message);
	str_done(&bytes);
	return a;
}

/* ---- KV ---- */

struct write {
	bool done;
	err_t e;
};

static void on_written(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	*(struct write *)arg = (struct write){ true, e };
}

struct opening {
	struct bus *bus;
	struct bus_kv *kv;
	struct err_detail detail;
};

/* NATS may be just restarting. */
static bool try_open(void *arg)
{
	struct opening *o = arg;

	return bus_connected(o->bus) &&
	       !bus_kv_open(&o->kv, o->bus, &(struct bus_kv_params){ .bucket = TENANTCONF_BUCKET, .history = 1 },
			    &o->detail);
}

static struct bus_kv *open_bucket(struct loop *loop, struct bus *bus)
{
	struct opening o = { .bus = bus };

	if (!testkit_wait_loop(loop, try_open, &o, 30000))
		testkit_die("confkit: %s %s", o.detail.field, o.detail.message);
	return o.kv;
}

static void wait_written(struct loop *loop, struct write *w, err_t sent, const char *key)
{
	if (sent || !testkit_wait_flag(loop, &w->done, 30000) || w->e)
		testkit_die("confkit: %s was not written: %s", key, err_name(sent ? sent : w->e));
}

void confkit_publish_bytes(struct loop *loop, struct bus *bus, const char *key, const void *bytes, size_t size)
{
	struct bus_kv *kv = open_bucket(loop, bus);
	struct write w = { 0 };

	wait_written(loop, &w, bus_kv_put(kv, key, bytes, size, BUS_KV_ANY, on_written, &w), key);
	bus_kv_close(&kv);
}

void confkit_delete(struct loop *loop, struct bus *bus, const char *key)
{
	struct bus_kv *kv = open_bucket(loop, bus);
	struct write w = { 0 };

	wait_written(loop, &w, bus_kv_delete(kv, key, BUS_KV_ANY, on_written, &w), key);
	bus_kv_close(&kv);
}

void confkit_publish(struct loop *loop, struct bus *bus, const char *json)
{
	const struct tenant *t = confkit_tenant(json);
	struct str bytes = STR_INIT;
	char key[TENANTCONF_KEY];

	confkit_pack_tenant(&bytes, json);
	confkit_publish_bytes(loop, bus, tenantconf_key_main(t->id, key), str_text(&bytes), bytes.len);
	str_done(&bytes);
	tenant_unref(&t);
}

void confkit_publish_agent(struct loop *loop, struct bus *bus, const char *json)
{
	const struct tenant_agent *a = confkit_agent(json);
	struct str bytes = STR_INIT;
	char key[TENANTCONF_KEY];

	confkit_pack_agent(&bytes, json);
	confkit_publish_bytes(loop, bus, tenantconf_key_agent(a->tenant, a->id, key), str_text(&bytes), bytes.len);
	str_done(&bytes);
	tenant_agent_unref(&a);
}
