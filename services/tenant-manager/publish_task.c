/* Publishing of one loaded item. */
#include <string.h>
#include "base/str.h"
#include "publisher_internal.h"
#include "tenantconf/tenantconf.h"
#include "trunkline/event/v1/event.pb-c.h"
#include "pbr.h"

#define ATTEMPTS 8

static void get_current(struct task *t);

static const char *config_key(const struct task *t, char buf[TENANTCONF_KEY])
{
	return t->kind == ITEM_AGENT ? tenantconf_key_agent(t->lot->tenant, t->key, buf)
				     : tenantconf_key_main(t->lot->tenant, buf);
}

/* ---- configuration: compare-and-set by the version inside ---- */

static void on_written(err_t e, uint64_t seq, void *arg)
{
	struct task *t = arg;

	(void)seq;
	/* Another instance was quicker: look at what it wrote. */
	if (e == ERR_ABORTED && ++t->attempts < ATTEMPTS)
		get_current(t);
	else
		task_published(t, e, NULL);
}

static void write_over(struct task *t, uint64_t revision)
{
	char key[TENANTCONF_KEY];
	err_t e;

	if (t->bytes)
		e = bus_kv_put(t->lot->p->config, config_key(t, key), t->bytes, t->size, revision, on_written, t);
	else
		e = bus_kv_delete(t->lot->p->config, config_key(t, key), revision, on_written, t);
	if (e)
		task_published(t, e, NULL);
}

/* It is there, or something newer; but what a version before sensitive fields wrote has no keys, and stands for nothing. */
static bool is_there(const struct task *t, const struct bus_msg *there)
{
	uint64_t version = publish_version(there->data, there->size, t->kind == ITEM_AGENT);

	if (version == t->version && t->kind == ITEM_MAIN && publish_has_keys(t->bytes, t->size))
		return publish_has_keys(there->data, there->size);
	return version >= t->version;
}

static void on_current(err_t e, const struct bus_msg *msg, void *arg)
{
	struct task *t = arg;

	if (e == ERR_NOT_FOUND) {
		if (t->bytes)
			write_over(t, 0);
		else
			task_published(t, ERR_OK, NULL);
	} else if (e) {
		task_published(t, e, NULL);
	} else if (t->bytes && is_there(t, msg)) {
		task_published(t, ERR_OK, NULL);
	} else if (!t->bytes && t->kind == ITEM_AGENT && publish_version(msg->data, msg->size, true) > t->row_version) {
		task_published(t, ERR_OK, NULL); /* created anew by now, and published by another instance */
	} else {
		write_over(t, msg->seq);
	}
}

static void get_current(struct task *t)
{
	char key[TENANTCONF_KEY];
	err_t e = bus_kv_get(t->lot->p->config, config_key(t, key), on_current, t);

	if (e)
		task_published(t, e, NULL);
}

/* What the readers would refuse must not go out: they would keep the old one, and nobody here would know. */
static err_t check(const struct task *t, struct err_detail *detail)
{
	const struct tenant *conf = NULL;
	const struct tenant_agent *agent = NULL;
	err_t e = t->kind == ITEM_MAIN ? tenantconf_tenant_from_pb(&conf, t->bytes, t->size, detail)
				       : tenantconf_agent_from_pb(&agent, t->bytes, t->size, detail);

	tenant_unref(&conf);
	tenant_agent_unref(&agent);
	return e;
}

static void publish_config(struct task *t)
{
	struct err_detail detail = { 0 };
	err_t e = t->bytes ? check(t, &detail) : ERR_OK;

	if (e)
		task_published(t, e, &detail);
	else if (t->bytes && t->unchanged)
		write_over(t, 0);
	else
		get_current(t);
}

/* ---- audio, events ---- */

static void on_done(err_t e, void *arg)
{
	task_published(arg, e, NULL);
}

static err_t publish_audio(struct task *t)
{
	struct promptstore *ps = t->lot->p->tm->prompts;

	if (t->bytes)
		return promptstore_put(ps, t->lot->tenant, t->bytes, t->size, on_done, t);
	return promptstore_delete(ps, t->lot->tenant, t->key, on_done, t);
}

static void on_event(err_t e, uint64_t seq, void *arg)
{
	(void)seq;
	task_published(arg, e, NULL);
}

static err_t publish_event(struct task *t)
{
	const Trunkline__Event__V1__Event *ev =
	    (const void *)pbr_unpack(&t->lot->arena, &trunkline__event__v1__event__descriptor, t->bytes, t->size);

	if (!ev)
		return ERR_EXHAUSTED;
	return t->kind == ITEM_PURGED ? events_emit(t->lot->p->tm->events, "recording", "tenant", ev, on_event, t)
				      : events_emit(t->lot->p->tm->events, "system", "audit", ev, on_event, t);
}

void task_publish(struct task *t)
{
	err_t e = ERR_OK;

	switch (t->kind) {
	case ITEM_MAIN:
	case ITEM_AGENT:
		publish_config(t);
		return;
	case ITEM_AUDIT:
	case ITEM_PURGED:
		if (t->bytes) {
			e = publish_event(t);
			if (!e)
				return;
		}
		break;
	case ITEM_PROMPT:
	case ITEM_GONE:
		/* A prompt that has gone again has nothing to put; one that is needed again must not be removed. */
		if ((t->kind == ITEM_PROMPT) != (t->bytes != NULL))
			break;
		e = publish_audio(t);
		if (!e)
			return;
		break;
	}
	task_published(t, e, NULL);
}
