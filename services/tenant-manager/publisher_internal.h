#ifndef TM_PUBLISHER_INTERNAL_H
#define TM_PUBLISHER_INTERNAL_H

#include "base/arena.h"
#include "keyless.h"
#include "publisher.h"

#define BATCH_MAX 2048 /* rows of one batch */
#define LOTS_MAX  64   /* … and transactions: the workers are everybody's */
#define LOOKS	  8    /* … of both, that the outbox leaves to what was published without keys */
#define ITEM_MAX  128

enum item_kind { ITEM_PROMPT, ITEM_MAIN, ITEM_AGENT, ITEM_GONE, ITEM_AUDIT, ITEM_PURGED };

/* One row of the outbox on its way. */
struct task {
	struct lot *lot;
	char item[ITEM_MAX];
	uint64_t row_version;
	enum item_kind kind;
	const char *key; /* in item: what stands after the dot, "" for main */
	/* loaded on a worker */
	const void *bytes; /* in the lot's arena; NULL: there is none (any more) */
	size_t size;
	uint64_t version; /* of the bytes */
	bool unchanged;	  /* since it was created: KV hardly knows it */
	bool postponed;	  /* something else of the tenant has to go first, the row stays; or there is nothing to do */
	bool look;	  /* no row: what stands in KV has no key (keyless.h) */
	/* publishing */
	unsigned attempts;
	err_t error;
};

/* Rows of one tenant that are loaded in one transaction, published at the same time, and cleared in one transaction: the agents that
 * follow each other; anything else alone. */
struct lot {
	struct publisher *p;
	char tenant[64];
	struct task *tasks;
	size_t n, n_running;
	struct arena arena;
	err_t error; /* the first */
};

struct publisher {
	struct manager *tm;
	struct bus_kv *config;
	struct loop_timer timer;
	struct reconcile *reconcile; /* running */
	struct keyless *keyless; /* NULL: NATS is away, or the platform has no master key: nobody has marked anything */
	bool connected, compared, busy, again, idle;
	int64_t pause_ms;
	int64_t told_ms; /* monotonic: when purges that nobody was told of were looked for; 0: never */
	char turn[64];	 /* the tenant that had the last part of a batch: the next one begins behind it */
	size_t n_tasks, n_lots, n_running;
	struct task tasks[BATCH_MAX];
	struct lot lots[LOTS_MAX];
};

/* publish_load.c: fills bytes and version of the tasks from PostgreSQL; on a worker. */
err_t lot_load(struct db_tx *tx, void *lot);
/* publish_clear.c: takes what was published out of the outbox, and lets what failed by itself wait; on a worker. */
err_t lot_clear(struct db_tx *tx, void *lot);
/* It failed by itself, not because somebody is away. */
bool task_own_fault(err_t e);
/* publish_task.c: publishes what is loaded, then calls task_published exactly once. */
void task_publish(struct task *t);
/* detail: of a refusal; may be NULL. */
void task_published(struct task *t, err_t e, const struct err_detail *detail);

/* reconcile.c: compares KV with PostgreSQL, fills the outbox; fn once, not from within _start; free ends it. */
err_t reconcile_start(struct reconcile **ret, struct manager *tm, struct bus_kv *config, void (*fn)(err_t e, void *arg),
		      void *arg) MUST;
void reconcile_free(struct reconcile **r);

/* `version` of TenantConfig or Agent bytes without unpacking; 0: none. */
uint64_t publish_version(const void *bytes, size_t size, bool agent);
/* TenantConfig bytes with any of `keys`. */
bool publish_has_keys(const void *bytes, size_t size);

#endif
