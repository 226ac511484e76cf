#include "purge_keys.h"

#include <stdio.h>
#include <string.h>
#include "base/mem.h"
#include "base/str.h"
#include "tenantconf/tenantconf.h"

#define WINDOW 500 /* deletes under way */

struct purge_keys {
	struct bus_kv *config;
	struct bus_kv_watch *watch;
	char main[TENANTCONF_KEY];
	struct str keys; /* without main, each with its NUL */
	size_t n, at, running;
	bool has_main, stopped;
	err_t error;
	void (*fn)(err_t e, size_t n, void *arg);
	void *arg;
};

static void go_on(struct purge_keys *k);

static void on_deleted(err_t e, uint64_t seq, void *arg)
{
	struct purge_keys *k = arg;

	(void)seq;
	k->running--;
	if (e && !k->error)
		k->error = e;
	if (!k->stopped)
		go_on(k);
}

static err_t delete_key(struct purge_keys *k, const char *key)
{
	err_t e = bus_kv_delete(k->config, key, BUS_KV_ANY, on_deleted, k);

	if (!e)
		k->running++;
	return e;
}

static void go_on(struct purge_keys *k)
{
	while (!k->error && k->at < k->keys.len && k->running < WINDOW) {
		const char *key = k->keys.data + k->at;

		k->error = delete_key(k, key);
		k->at += strlen(key) + 1;
	}
	if (!k->running)
		k->fn(k->error, k->n, k->arg);
}

static void on_entry(enum bus_kv_op op, const char *key, const struct bus_msg *msg, void *arg)
{
	struct purge_keys *k = arg;

	(void)msg;
	if (op == BUS_KV_SYNCED) {
		bus_kv_unwatch(&k->watch);
		k->error = k->keys.failed ? ERR_EXHAUSTED : ERR_OK;
		if (!k->error && k->has_main)
			k->error = delete_key(k, k->main);
		go_on(k);
	} else if (op == BUS_KV_PUT) {
		k->n++;
		if (strcmp(key, k->main) == 0)
			k->has_main = true;
		else
			str_append_n(&k->keys, key, strlen(key) + 1);
	}
}

err_t purge_keys_start(struct purge_keys **ret, struct bus_kv *config, const char *tenant,
		       void (*fn)(err_t e, size_t n, void *arg), void *arg)
{
	struct purge_keys *k = mem_zalloc(sizeof(*k));
	char pattern[TENANTCONF_KEY];

	if (!k)
		return ERR_EXHAUSTED;
	*k = (struct purge_keys){ .config = config, .fn = fn, .arg = arg };
	tenantconf_key_main(tenant, k->main);
	snprintf(pattern, sizeof(pattern), "%s.>", tenant);
	err_t e = bus_kv_watch(&k->watch, config, pattern, on_entry, k);
	if (e)
		mem_free(k);
	else
		*ret = k;
	return e;
}

void purge_keys_stop(struct purge_keys *k)
{
	k->stopped = true;
	bus_kv_unwatch(&k->watch);
}

void purge_keys_free(struct purge_keys **ref)
{
	struct purge_keys *k = *ref;

	if (!k)
		return;
	bus_kv_unwatch(&k->watch);
	str_done(&k->keys);
	mem_free(k);
	*ref = NULL;
}
