/*
 * reporting: Kafka → intervals and calls in PostgreSQL, and questions about them over gRPC (GT-10). One loop; the database
 * works on its own threads. ingest.c counts, query.c answers, reporting.c sets up.
 */
#ifndef REPORTING_REPORTING_H
#define REPORTING_REPORTING_H

#include "apirate/apirate.h"
#include "auth/auth.h"
#include "base/err.h"
#include "books.h"
#include "db/db.h"
#include "metrics/metrics.h"
#include "revoked/revoked.h"
#include "rpc/rpc.h"
#include "service/service.h"
#include "stream/stream.h"
#include "vault/vault.h"

struct reporting_config {
	char *brokers, *group;
	char *db_conninfo, *db_migrate_conninfo;
	char *grpc_address, *tls_ca_file, *tls_cert_file, *tls_key_file, *public_key_file, *master_file;
	int64_t batch, gather_ms, settle_ms;
};
extern const struct config_item reporting_items[];

struct reporting {
	struct service *svc;
	struct loop *loop;
	struct db *db;
	struct db *offsets; /* asked by the consumer's thread; outlives the consumer */
	struct stream_consumer *consumer;
	struct rpc_server *server;
	struct auth_verifier *verifier;
	struct bus *bus; /* for revoked, vault and apirate */
	struct vault *vault;
	struct reseal *reseal;
	struct revoked *revoked;
	struct events *events; /* of refusals */
	struct apirate *apirate;
	struct books *books;
	struct books_job job; /* the batch being written */
	bool writing, stopping;
	enum stream_consumer_state told; /* logged last */
	struct loop_timer retry;
	struct loop_timer lag_tick;
};

err_t reporting_new(struct reporting **ret, struct service *svc, const struct reporting_config *cfg,
		    struct err_detail *d) MUST;
void reporting_free(struct reporting **r);

/* ingest.c */
err_t ingest_start(struct reporting *r, const struct reporting_config *cfg, struct err_detail *d) MUST;
void ingest_stop(struct reporting *r);
int64_t ingest_lag(const struct reporting *r);
enum stream_consumer_state ingest_state(const struct reporting *r);

/* query.c */
err_t query_start(struct reporting *r, const struct reporting_config *cfg, struct err_detail *d) MUST;

#endif
