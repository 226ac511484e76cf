#include "recorder.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "intake.h"
#include "log/log.h"
#include "migrations.h"
#include "purge.h"
#include "store.h"
#include "usage.h"

#define GRACE_MS   2000
#define MIGRATE_MS 5000

static bool index_ready(void *arg)
{
	const struct recorder *r = arg;

	return r->migrated && db_ready(r->db);
}

static void on_server_stopped(void *arg)
{
	intake_stop(((struct recorder *)arg)->intake);
}

static void on_drain(void *arg)
{
	struct recorder *r = arg;

	reseal_stop(r->reseal);
	rpc_server_stop(r->server, GRACE_MS, on_server_stopped, r);
}

static void on_state(bool connected, void *arg)
{
	(void)arg;
	LOG_INFO(NULL, connected ? "bus.connected" : "bus.lost", "site=local");
}

static void migrate(void *arg)
{
	struct recorder *r = arg;

	r->migration = db_migrate(r->cfg->db_migrate_conninfo, "recorder", recorder_migrations, recorder_n_migrations,
				  &r->migration_detail);
}

/* PostgreSQL may be away when we start: tried again until it is there; what comes meanwhile waits. */
static void on_migrated(void *arg)
{
	struct recorder *r = arg;

	if (r->migration) {
		LOG_WARN(NULL, "db.not_migrated", "error=%s why=%s", err_name(r->migration),
			 LOG_Q(r->migration_detail.message));
		loop_timer_start(&r->migrate_timer, MIGRATE_MS);
		return;
	}
	r->migrated = true;
	if (*r->cfg->db_migrate_conninfo)
		LOG_INFO(NULL, "db.migrated", "files=%zu", recorder_n_migrations);
}

static void on_migrate_timer(void *arg)
{
	struct recorder *r = arg;

	if (pool_run(r->pool, "", migrate, on_migrated, r))
		loop_timer_start(&r->migrate_timer, MIGRATE_MS);
}

static err_t open_books(struct recorder *r, struct err_detail *detail)
{
	struct db_params p = { .loop = r->loop,
			       .conninfo = r->cfg->db_conninfo,
			       .connections = (int)r->cfg->db_connections };
	err_t e;

	if (*r->cfg->db_migrate_conninfo)
		migrate(r);
	if (r->migration && r->migration != ERR_UNAVAILABLE) {
		*detail = r->migration_detail;
		return r->migration;
	}
	on_migrated(r);
	e = db_new(&r->db, &p);
	return e ? err_set(detail, e, "db.conninfo", "no worker can be started") : ERR_OK;
}

static void on_vault_error(const char *what, const struct err_detail *detail, void *arg)
{
	(void)arg;
	LOG_ERROR(NULL, "vault.refused", "what=%s field=%s why=%s", what, LOG_Q(detail->field), LOG_Q(detail->message));
}

static bool tenants_are_known(void *arg)
{
	return vault_synced(((struct recorder *)arg)->vault);
}

/* A file that cannot be read must not keep the keys of all others from being renewed. */
static err_t seal_file(const struct vault_tenant *t, const char *id, const char *path, struct str *out, void *arg)
{
	err_t e = audiofile_seal(((struct recorder *)arg)->cfg->data_dir, path, t, id, out);

	if (!e || e == ERR_EXHAUSTED || e == ERR_UNAVAILABLE)
		return e;
	LOG_ERROR(&(struct log_ctx){ .tenant = vault_id(t) }, "recording.stays_clear", "recording=%s file=%s error=%s",
		  id, path, err_name(e));
	return ERR_OK;
}

static err_t open_vault(struct recorder *r, struct err_detail *detail)
{
	struct vault_params p = { .bus = r->bus,
				  .master_file = r->cfg->master_file,
				  .columns = store_columns,
				  .n = STORE_COLUMNS,
				  .settle_ms = r->cfg->settle_ms,
				  .on_error = on_vault_error };

	err_t e = vault_new(&r->vault, &p, detail);

	return e ? e
		 : reseal_new(&r->reseal,
			      &(struct reseal_params){ .loop = r->loop,
						       .bus = r->bus,
						       .db = r->db,
						       .vault = r->vault,
						       .table = &store_reseal,
						       .settle_ms = r->cfg->settle_ms,
						       .seal_file = seal_file,
						       .arg = r },
			      detail);
}

static err_t open_bus(struct recorder *r, struct err_detail *detail)
{
	const struct service_common *c = service_common(r->svc);
	struct bus_params p = { .loop = r->loop,
				.url = c->nats_url,
				.name = r->source,
				.ca_file = c->nats_ca_file,
				.cert_file = c->nats_cert_file,
				.replicas = (int)c->nats_replicas,
				.key_file = c->nats_key_file,
				.on_state = on_state };
	err_t e = bus_new(&r->bus, &p, detail);

	if (!e)
		e = events_ensure_stream(r->bus, detail);
	if (!e)
		e = revoked_new(&r->revoked, &(struct revoked_params){ .bus = r->bus }, detail);
	if (!e)
		e = open_vault(r, detail);
	if (!e)
		e = events_new(&r->events, r->bus, c->site, r->source);
	return e ? e
		 : apirate_new(&r->apirate,
			       &(struct apirate_params){
				   .bus = r->bus, .events = r->events, .conf = vault_conf(r->vault) },
			       detail);
}

static err_t check_dir(const char *dir, struct err_detail *detail)
{
	(void)mkdir(dir, 0750);
	if (access(dir, R_OK | W_OK | X_OK))
		return err_set(detail, ERR_DENIED, "data.dir", "%s cannot be written", dir);
	return ERR_OK;
}

static err_t open_all(struct recorder *r, struct err_detail *detail)
{
	err_t e = auth_verifier_new(&r->verifier, r->cfg->public_key_file, detail);

	if (!e)
		e = check_dir(r->cfg->data_dir, detail);
	if (!e)
		e = open_books(r, detail);
	if (!e)
		e = open_bus(r, detail);
	if (!e)
		e = pool_new(&r->pool, r->loop, (unsigned)r->cfg->workers);
	if (!e)
		e = usage_new(&r->usage, r, detail);
	if (!e)
		e = purge_new(&r->purge, r);
	if (!e)
		e = intake_new(&r->intake, r, detail);
	return e ? e : api_start(r, detail);
}

err_t recorder_new(struct recorder **ret, struct service *svc, const struct recorder_config *cfg,
		   struct err_detail *detail)
{
	struct recorder *r = mem_zalloc(sizeof(*r));
	err_t e;

	if (!r)
		return err_set(detail, ERR_EXHAUSTED, "memory", "exhausted");
	r->svc = svc;
	r->loop = service_loop(svc);
	r->cfg = cfg;
	snprintf(r->source, sizeof(r->source), "recorder/%s", service_common(svc)->instance);
	recorder_metrics_register();
	loop_timer_init(&r->migrate_timer, r->loop, on_migrate_timer, r);
	e = open_all(r, detail);
	if (e) {
		recorder_free(&r);
		return e;
	}
	service_add_bus(svc, r->bus, true);
	service_add_ready(svc, "tenants", tenants_are_known, r);
	service_add_wanted(svc, "postgresql", index_ready, r); /* files are made, the index waits */
	service_on_drain(svc, on_drain, r);
	*ret = r;
	return ERR_OK;
}

void recorder_free(struct recorder **ref)
{
	struct recorder *r = *ref;

	if (!r)
		return;
	loop_timer_stop(&r->migrate_timer);
	rpc_server_free(&r->server);
	reseal_stop(r->reseal);
	if (r->purge)
		purge_stop(r->purge);
	usage_stop(r->usage);
	pool_free(&r->pool);
	intake_free(&r->intake);
	db_free(&r->db);
	reseal_free(&r->reseal);
	purge_free(&r->purge);
	apirate_stop(r->apirate);
	events_free(&r->events);
	revoked_free(&r->revoked);
	vault_free(&r->vault);
	bus_free(&r->bus);
	apirate_free(&r->apirate);
	usage_free(&r->usage);
	auth_verifier_free(&r->verifier);
	mem_free(r);
	*ref = NULL;
}
