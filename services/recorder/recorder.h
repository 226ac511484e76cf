/*
 * recorder: joins everything: events in (intake), files by the pool, index in PostgreSQL, RecordingService (api). Loop thread.
 *
 *	struct recorder *r;
 *	err_t e = recorder_new(&r, svc, &cfg, &detail);
 *	service_run(svc);
 *	recorder_free(&r);
 */
#ifndef RECORDER_RECORDER_H
#define RECORDER_RECORDER_H

#include "apirate/apirate.h"
#include "auth/auth.h"
#include "bus/bus.h"
#include "db/db.h"
#include "events/events.h"
#include "metrics/metrics.h"
#include "pool.h"
#include "recorder_config.h"
#include "revoked/revoked.h"
#include "rpc/rpc.h"
#include "service/service.h"
#include "vault/vault.h"

struct intake;
struct purge;
struct usage;

struct recorder {
	struct service *svc;
	struct loop *loop;
	const struct recorder_config *cfg;
	char source[128];
	struct auth_verifier *verifier;
	struct revoked *revoked;
	struct apirate *apirate;
	struct bus *bus;
	struct vault *vault;
	struct reseal *reseal;
	struct events *events;
	struct db *db;
	struct pool *pool;
	struct intake *intake;
	struct purge *purge;
	struct usage *usage;
	struct rpc_server *server;
	bool migrated;
	err_t migration; /* how the last try ended */
	struct err_detail migration_detail;
	struct loop_timer migrate_timer;
};

err_t recorder_new(struct recorder **ret, struct service *svc, const struct recorder_config *cfg,
		   struct err_detail *detail) MUST;
void recorder_free(struct recorder **r);

/* api.c: RecordingService. */
err_t api_start(struct recorder *r, struct err_detail *detail) MUST;

extern struct metric recorder_metric_stored, recorder_metric_lost, recorder_metric_orphans, recorder_metric_retries,
    recorder_metric_bad_events, recorder_metric_jobs, recorder_metric_audio_seconds, recorder_metric_downloads,
    recorder_metric_refused, recorder_metric_lag, recorder_metric_behind;
void recorder_metrics_register(void);

#endif
