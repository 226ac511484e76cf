#ifndef TM_PUBLISHER_INTERNAL_H
#define TM_PUBLISHER_INTERNAL_H

#include "base/arena.h"
#include "publisher.h"

#define BATCH_MAX 64
#define ITEM_MAX  128

enum item_kind { ITEM_PROMPT, ITEM_MAIN, ITEM_AGENT, ITEM_GONE, ITEM_AUDIT, ITEM_PURGED };

/* One row of the outbox on its way: load → publish → clear. */
struct task {
	struct publisher *p;
	char tenant[64], item[ITEM_MAX];
	uint64_t row_version;
	enum item_kind kind;
	const char *key; /* in item: what stands after the dot, "" for main */
	/* loaded on a worker */
	struct arena arena;
	const void *bytes; /* NULL: there is none (any more) */
	size_t size;
	uint64_t version; /* of the bytes */
	bool postponed;	  /* something else of the tenant has to go first; the row stays */
	/* publishing */
	unsigned attempts;
	err_t error;
	struct err_detail detail;
};

struct publisher {
	struct manager *tm;
	struct bus_kv *config;
	struct loop_timer timer;
	struct reconcile *reconcile; /* running */
	bool connected, compared, busy, again, idle;
	int64_t pause_ms;
	int64_t told_ms; /* monotonic: when purges that nobody was told of were looked for; 0: never */
	size_t n_tasks, n_running;
	struct task tasks[BATCH_MAX];
};

/* publish_load.c: fills bytes and version from PostgreSQL; on a worker. */
err_t task_load(struct db_tx *tx, void *task);
/* publish_task.c: publishes what is loaded, then calls task_published exactly once. */
void task_publish(struct task *t);
void task_published(struct task *t, err_t e);

/* reconcile.c: compares KV with PostgreSQL, fills the outbox; fn once, not from within _start; free ends it. */
err_t reconcile_start(struct reconcile **ret, struct manager *tm, struct bus_kv *config, void (*fn)(err_t e, void *arg),
		      void *arg) MUST;
void reconcile_free(struct reconcile **r);

/* `version` of TenantConfig or Agent bytes without unpacking; 0: none. */
uint64_t publish_version(const void *bytes, size_t size, bool agent);

#endif
