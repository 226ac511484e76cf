/* reporting: set-up, readiness, drain. */
#include "reporting.h"

#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "migrations.h"

#define GRACE_MS 2500 /* a summary may wait for PostgreSQL; below the time that the service has to drain (3 s) */

const struct config_item reporting_items[] = {
	CONFIG_STR(struct reporting_config, brokers, "kafka.brokers", "127.0.0.1:9092",
		   "Kafka brokers: host:port,host:port"),
	CONFIG_STR(struct reporting_config, group, "kafka.group", "trunkline-reporting",
		   "consumer group: instances of one group share the partitions"),
	CONFIG_INT(struct reporting_config, batch, "kafka.batch", 5000, 1, 100000, "most events of one transaction"),
	CONFIG_INT(struct reporting_config, gather_ms, "kafka.gather_ms", 1000, 1, 60000,
		   "so long a transaction waits to be full; what happened is counted about that much later"),
	CONFIG_STR_REQUIRED(struct reporting_config, db_conninfo, "db.conninfo",
			    "PostgreSQL of the service's role (libpq); the password by passfile or certificate"),
	CONFIG_STR(struct reporting_config, db_migrate_conninfo, "db.migrate_conninfo", "",
		   "PostgreSQL of the owner, for migrations at start; empty: none are run"),
	CONFIG_STR(struct reporting_config, grpc_address, "grpc.address", "127.0.0.1:9093",
		   "address of ReportService: host:port"),
	CONFIG_STR(struct reporting_config, tls_ca_file, "tls.ca_file", "",
		   "CA of client certificates, which are optional (PEM)"),
	CONFIG_STR(struct reporting_config, tls_cert_file, "tls.cert_file", "",
		   "certificate of the server (PEM); empty: no TLS, for loopback only"),
	CONFIG_STR(struct reporting_config, tls_key_file, "tls.key_file", "", "its key (PEM)"),
	CONFIG_STR_REQUIRED(struct reporting_config, public_key_file, "auth.public_key_file",
			    "public key that tokens are verified with (PEM, P-256)"),
	CONFIG_STR(struct reporting_config, master_file, "keys.master_file", "",
		   "the platform's master key, 64 hex digits, that of tenant-manager; empty: there is none"),
	CONFIG_INT(
	    struct reporting_config, settle_ms, "keys.settle_ms", 60000, 0, 3600000,
	    "so long after a new version of a tenant's key nothing is written with the former one any more, by any "
	    "instance: one that has not heard from NATS for half of it writes nothing until it does; 0: for tests"),
	CONFIG_END,
};

static bool db_is_ready(void *arg)
{
	return db_ready(((struct reporting *)arg)->db);
}

static bool in_group(void *arg)
{
	enum stream_consumer_state s = ingest_state(arg);

	return s == STREAM_READING || s == STREAM_CUT_OFF;
}

static bool kafka_answers(void *arg)
{
	return ingest_state(arg) != STREAM_CUT_OFF;
}

static bool revoked_is_known(void *arg)
{
	return revoked_synced(((struct reporting *)arg)->revoked);
}

static void on_server_stopped(void *arg)
{
	service_drained(((struct reporting *)arg)->svc);
}

static void on_drain(void *arg)
{
	struct reporting *r = arg;

	ingest_stop(r);
	reseal_stop(r->reseal);
	rpc_server_stop(r->server, GRACE_MS, on_server_stopped, r);
}

static bool tenants_are_known(void *arg)
{
	return vault_synced(((struct reporting *)arg)->vault);
}

static void on_vault_error(const char *what, const struct err_detail *detail, void *arg)
{
	(void)arg;
	LOG_ERROR(NULL, "vault.refused", "what=%s field=%s why=%s", what, LOG_Q(detail->field), LOG_Q(detail->message));
}

static err_t open_vault(struct reporting *r, const struct reporting_config *cfg, struct err_detail *d)
{
	struct vault_params p = { .bus = r->bus,
				  .master_file = cfg->master_file,
				  .columns = books_columns,
				  .n = BOOKS_COLUMNS,
				  .settle_ms = cfg->settle_ms,
				  .on_error = on_vault_error };

	err_t e = vault_new(&r->vault, &p, d);

	return e ? e
		 : reseal_new(&r->reseal,
			      &(struct reseal_params){ .loop = r->loop,
						       .bus = r->bus,
						       .db = r->db,
						       .vault = r->vault,
						       .table = &books_reseal,
						       .settle_ms = cfg->settle_ms },
			      d);
}

/* Facts come by Kafka: NATS only tells which tokens are withdrawn, what is sensitive, and how many a second may ask. */
static err_t open_bus(struct reporting *r, struct err_detail *d)
{
	const struct service_common *sc = service_common(r->svc);
	struct str name = STR_INIT;

	str_printf(&name, "reporting/%s", sc->instance);
	struct bus_params p = { .loop = r->loop,
				.url = sc->nats_url,
				.name = str_text(&name),
				.ca_file = sc->nats_ca_file,
				.cert_file = sc->nats_cert_file,
				.replicas = (int)sc->nats_replicas,
				.key_file = sc->nats_key_file };
	err_t e = name.failed ? ERR_EXHAUSTED : bus_new(&r->bus, &p, d);
	if (!e)
		e = events_ensure_stream(r->bus, d);
	if (!e)
		e = events_new(&r->events, r->bus, sc->site, str_text(&name));
	str_done(&name);
	return e ? e : revoked_new(&r->revoked, &(struct revoked_params){ .bus = r->bus }, d);
}

err_t reporting_new(struct reporting **ret, struct service *svc, const struct reporting_config *cfg,
		    struct err_detail *d)
{
	struct reporting *r = mem_zalloc(sizeof(*r));
	struct db_params dp = { .loop = service_loop(svc), .conninfo = cfg->db_conninfo, .connections = 3 };
	err_t e = ERR_OK;

	if (!r)
		return ERR_EXHAUSTED;
	r->svc = svc;
	r->loop = service_loop(svc);
	if (!str_empty(cfg->db_migrate_conninfo))
		e = db_migrate(cfg->db_migrate_conninfo, "reporting", migrations, n_migrations, d);
	if (!e)
		e = db_new(&r->db, &dp);
	dp.connections = 1;
	if (!e)
		e = db_new(&r->offsets, &dp);
	if (!e)
		e = open_bus(r, d);
	if (!e)
		e = open_vault(r, cfg, d);
	if (!e)
		e = apirate_new(&r->apirate,
				&(struct apirate_params){
				    .bus = r->bus, .events = r->events, .conf = vault_conf(r->vault) },
				d);
	if (!e)
		e = query_start(r, cfg, d);
	if (!e)
		e = ingest_start(r, cfg, d);
	if (e) {
		reporting_free(&r);
		return e;
	}
	service_add_ready(svc, "postgresql", db_is_ready, r);
	service_add_ready(svc, "withdrawn tokens", revoked_is_known, r);
	service_add_ready(svc, "tenants", tenants_are_known, r);
	service_add_bus(svc, r->bus, false); /* what is known stays */
	service_add_ready(svc, "kafka group", in_group, r);
	service_add_wanted(svc, "kafka", kafka_answers, r);
	service_end_on_step_back(svc);
	service_on_drain(svc, on_drain, r);
	*ret = r;
	return ERR_OK;
}

void reporting_free(struct reporting **pr)
{
	struct reporting *r = *pr;

	if (!r)
		return;
	*pr = NULL;
	if (r->retry.loop)
		ingest_stop(r);
	reseal_stop(r->reseal);
	db_free(&r->db); /* the batch under way still reads the consumer's records */
	stream_consumer_free(&r->consumer);
	db_free(&r->offsets);
	books_free(&r->books);
	rpc_server_free(&r->server);
	reseal_free(&r->reseal);
	vault_view_unref(&r->job.view);
	apirate_stop(r->apirate);
	events_free(&r->events);
	revoked_free(&r->revoked);
	vault_free(&r->vault);
	bus_free(&r->bus);
	apirate_free(&r->apirate);
	auth_verifier_free(&r->verifier);
	mem_free(r);
}
