/* Making the topics blocks and Kafka may be away: in a thread, until it worked. */
#include "bridge_internal.h"
#include "bridge_wire.h"

#include "base/str.h"
#include "log/log.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TOPICS_MAX 32
#define AGAIN_S	   2

struct names {
	char text[TOPICS_MAX][160];
	const char *list[TOPICS_MAX + 1];
};

static void collect(struct names *n, const char *domains)
{
	size_t count = 0;

	for (const char *at = domains; *at && count < TOPICS_MAX - 1;) {
		size_t len = strcspn(at, ", ");

		if (len > 0 && len < 64) {
			(void)snprintf(n->text[count], sizeof(n->text[count]), "trunkline.%.*s.v1", (int)len, at);
			count++;
		}
		at += len;
		at += strspn(at, ", ");
	}
	(void)str_copy(n->text[count], sizeof(n->text[count]), BRIDGE_DEAD_LETTER);
	count++;
	for (size_t i = 0; i < count; i++)
		n->list[i] = n->text[i];
	n->list[count] = NULL;
}

static void *run(void *arg)
{
	struct bridge_topics *t = arg;
	struct names names;
	bool told = false;

	collect(&names, t->cfg->domains);
	while (!t->stop) {
		struct err_detail d = { "", "" };
		err_t e = stream_ensure_topics(t->cfg->brokers, names.list, (int)t->cfg->partitions,
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
