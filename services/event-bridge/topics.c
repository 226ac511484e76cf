/* Making the topics blocks and Kafka may be away: in a thread, until it worked. */
#include "bridge_internal.h"
#include "bridge_wire.h"

#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DOMAINS_MAX 31
#define TENANTS_MAX 200
#define AGAIN_S	    2

struct names {
	size_t n;
	char (*text)[160];
	const char **list;
};

/* The words of a list, each an id: topics are named by them. */
static err_t check_words(const char *list, const char *field, size_t max, size_t *ret, struct err_detail *detail)
{
	size_t n;

	*ret = 0;
	for (const char *at = list, *word; (word = bridge_word(&at, &n)) != NULL; ++*ret) {
		char id[64];

		(void)snprintf(id, sizeof(id), "%.*s", (int)(n < sizeof(id) ? n : 0), word);
		if (!str_is_id(id))
			return err_set(detail, ERR_INVALID, field,
				       "'%.*s' is none: 1 to 63 of a-z, 0-9 and -, not beginning with -",
				       (int)(n < 80 ? n : 80), word);
		if (*ret == max)
			return err_set(detail, ERR_INVALID, field, "has more than %zu", max);
	}
	return ERR_OK;
}

err_t topics_check(const struct bridge_config *cfg, struct err_detail *detail)
{
	size_t domains, tenants;
	err_t e = check_words(cfg->domains, "kafka.domains", DOMAINS_MAX, &domains, detail);

	if (!e && !domains)
		e = err_set(detail, ERR_INVALID, "kafka.domains", "must name at least one domain");
	return e ? e : check_words(cfg->tenants, "kafka.tenant_topics", TENANTS_MAX, &tenants, detail);
}

static void names_done(struct names *n)
{
	mem_free(n->text);
	mem_free(n->list);
}

static void add_own(struct names *n, const char *domain, size_t len, const char *tenants)
{
	size_t size;

	for (const char *at = tenants, *tenant; (tenant = bridge_word(&at, &size)) != NULL;)
		(void)snprintf(n->text[n->n++], sizeof(*n->text), BRIDGE_OWN_TOPIC, (int)size, tenant, (int)len,
			       domain);
}

static err_t collect(struct names *n, const struct bridge_config *cfg)
{
	size_t max = (DOMAINS_MAX * (TENANTS_MAX + 1)) + 1, size;

	*n = (struct names){ .text = mem_array(max, sizeof(*n->text)), .list = mem_array(max + 1, sizeof(*n->list)) };
	if (!n->text || !n->list)
		return ERR_EXHAUSTED;
	for (const char *at = cfg->domains, *domain; (domain = bridge_word(&at, &size)) != NULL;) {
		(void)snprintf(n->text[n->n++], sizeof(*n->text), BRIDGE_TOPIC, (int)size, domain);
		add_own(n, domain, size, cfg->tenants);
	}
	(void)str_copy(n->text[n->n++], sizeof(*n->text), BRIDGE_DEAD_LETTER);
	for (size_t i = 0; i < n->n; i++)
		n->list[i] = n->text[i];
	return ERR_OK;
}

static void *run(void *arg)
{
	struct bridge_topics *t = arg;
	struct names names;
	bool told = false;
	err_t whole = collect(&names, t->cfg);

	while (!t->stop) {
		struct err_detail d = { "", "" };
		err_t e = whole ? whole
				: stream_ensure_topics(t->cfg->brokers, names.list, (int)t->cfg->partitions,
					       (int)t->cfg->replication, &d);

		if (!e)
			e = loop_post(t->loop, t->done, t->arg);
		if (!e)
			break;
		if (!told)
			LOG_WARN(NULL, "kafka.topics_wait", "error=%s message=%s", err_name(e), LOG_Q(d.message));
		told = true;
		for (int i = 0; i < AGAIN_S * 10 && !t->stop; i++)
			nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	}
	names_done(&names);
	return NULL;
}

err_t topics_start(struct bridge_topics *t, struct loop *loop, const struct bridge_config *cfg, void (*done)(void *arg),
		   void *arg)
{
	*t = (struct bridge_topics){ .loop = loop, .cfg = cfg, .done = done, .arg = arg };
	t->running = pthread_create(&t->thread, NULL, run, t) == 0;
	return t->running ? ERR_OK : ERR_EXHAUSTED;
}

void topics_stop(struct bridge_topics *t)
{
	t->stop = true;
	if (t->running)
		pthread_join(t->thread, NULL);
	t->running = false;
}
