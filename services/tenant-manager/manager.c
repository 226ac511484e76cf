#include "manager.h"

#include <string.h>
#include "admin.h"
#include "base/mem.h"
#include "base/str.h"
#include "bootstrap.h"
#include "importer.h"
#include "log/log.h"
#include "login.h"
#include "migrations.h"
#include "publisher.h"
#include "purge.h"
#include "revoker.h"
#include "rotation.h"
#include "sealed/sealed.h"
#include "token_uses.h"

/* ---- health ---- */

static bool db_is_ready(void *arg)
{
	return db_ready(((struct manager *)arg)->db);
}

static void on_bus_state(bool connected, void *arg)
{
	struct manager *tm = arg;

	if (connected)
		LOG_INFO(NULL, "nats.connected", "name=%s", "tenant-manager");
	else
		LOG_WARN(NULL, "nats.lost", "changes=%s", "accepted, published later");
	if (tm->publisher)
		publisher_connected(tm->publisher, connected);
	if (tm->revoker)
		revoker_connected(tm->revoker, connected);
}

/* The first operator's token may be the one. */
static void on_revoked(void *arg)
{
	struct manager *tm = arg;

	if (tm->bootstrap)
		bootstrap_kick(tm->bootstrap);
}

static bool revoked_is_ready(void *arg)
{
	return revoked_synced(((struct manager *)arg)->revoked);
}

static bool tenants_are_known(void *arg)
{
	return tenantconf_synced(((struct manager *)arg)->conf);
}

/* ---- drain ---- */

static void on_stopped(void *arg)
{
	service_drained(((struct manager *)arg)->service);
}

static void on_drain(void *arg)
{
	struct manager *tm = arg;

	rpc_server_set_serving(tm->server, false);
	rpc_server_stop(tm->server, 2000, on_stopped, tm);
}

/* ---- start ---- */

#define IMPORT_STATEMENT_MS 60000 /* a large one checks 100,000 references at its end */

static err_t open_db(struct manager *tm, struct err_detail *detail)
{
	const struct manager_config *c = tm->config;
	struct db_params p = { .loop = tm->loop, .conninfo = c->db_conninfo, .connections = (int)c->db_connections };
	err_t e = ERR_OK;

	if (!str_empty(c->db_migrate_conninfo))
		e = db_migrate(c->db_migrate_conninfo, "tenant-manager", migrations, n_migrations, detail);
	if (!e)
		e = db_new(&tm->db, &p);
	p.connections = (int)c->login_connections;
	if (!e)
		e = db_new(&tm->login_db, &p);
	p.connections = 1;
	p.statement_timeout_ms = IMPORT_STATEMENT_MS;
	return e ? e : db_new(&tm->import_db, &p);
}

/* What was published is what the other services go by, too: an entry that is not valid they tell. */
static err_t open_rate(struct manager *tm, struct err_detail *detail)
{
	err_t e = tenantconf_new(&tm->conf, &(struct tenantconf_params){ .bus = tm->bus, .no_agents = true }, detail);

	return e ? e
		 : apirate_new(&tm->apirate,
			       &(struct apirate_params){ .bus = tm->bus, .events = tm->events, .conf = tm->conf },
			       detail);
}

static err_t open_bus(struct manager *tm, struct err_detail *detail)
{
	const struct service_common *sc = service_common(tm->service);
	struct str name = STR_INIT;

	str_printf(&name, "tenant-manager/%s", sc->instance);
	struct bus_params p = { .loop = tm->loop,
				.url = sc->nats_url,
				.name = str_text(&name),
				.ca_file = sc->nats_ca_file,
				.cert_file = sc->nats_cert_file,
				.replicas = (int)sc->nats_replicas,
				.key_file = sc->nats_key_file,
				.on_state = on_bus_state,
				.arg = tm };
	err_t e = name.failed ? ERR_EXHAUSTED : bus_new(&tm->bus, &p, detail);
	if (!e)
		e = events_ensure_stream(tm->bus, detail);
	if (!e)
		e = events_new(&tm->events, tm->bus, sc->site, str_text(&name));
	if (!e)
		e = revoked_new(&tm->revoked,
				&(struct revoked_params){ .bus = tm->bus, .on_revoked = on_revoked, .arg = tm },
				detail);
	if (!e)
		e = revoker_new(&tm->revoker, tm);
	if (!e)
		e = token_uses_new(&tm->token_uses, tm);
	if (!e)
		e = promptstore_new(&tm->prompts, tm->bus, detail);
	if (!e)
		e = publisher_new(&tm->publisher, tm, detail);
	if (!e)
		e = purge_new(&tm->purge, tm, detail);
	if (!e)
		e = rotation_new(&tm->rotation, tm, detail);
	str_done(&name);
	return e ? e : open_rate(tm, detail);
}

static err_t open_auth(struct manager *tm, struct err_detail *detail)
{
	err_t e = auth_verifier_new(&tm->verifier, tm->config->public_key_file, detail);

	if (!e)
		e = auth_signer_new(&tm->signer, tm->config->private_key_file, detail);
	if (!e)
		e = throttle_new(&tm->throttle);
	return e ? e : bootstrap_new(&tm->bootstrap, tm, detail);
}

static err_t open_keys(struct manager *tm, struct err_detail *detail)
{
	if (str_empty(tm->config->master_file))
		return ERR_OK;
	tm->master_key = mem_alloc(SEALED_KEY);
	return tm->master_key ? sealed_master_read(tm->master_key, tm->config->master_file, "keys.master_file", detail)
			      : ERR_EXHAUSTED;
}

static const char *or_null(const char *s)
{
	return str_empty(s) ? NULL : s;
}

static err_t open_server(struct manager *tm, struct err_detail *detail)
{
	const struct manager_config *c = tm->config;
	struct rpc_server_params p = { .loop = tm->loop,
				       .address = c->grpc_address,
				       .tls = { or_null(c->tls_ca_file), or_null(c->tls_cert_file),
						or_null(c->tls_key_file), false },
				       .authorize = admin_authorize,
				       .recheck = admin_recheck };
	err_t e = admin_new(&tm->admin, tm);

	p.arg = tm->admin;
	if (str_empty(c->tls_cert_file))
		p.tls.ca_file = NULL;
	if (!e)
		e = rpc_server_new(&tm->server, &p, detail);
	if (!e)
		e = admin_start(tm->admin);
	if (!e)
		e = login_register(tm);
	if (!e)
		e = rpc_server_start(tm->server);
	if (!e)
		rpc_server_set_serving(tm->server, true);
	return e;
}

err_t manager_new(struct manager **ret, struct service *svc, const struct manager_config *config,
		  struct err_detail *detail)
{
	struct manager *tm = mem_zalloc(sizeof(*tm));
	err_t e;

	if (!tm)
		return ERR_EXHAUSTED;
	tm->config = config;
	tm->service = svc;
	tm->loop = service_loop(svc);
	e = open_auth(tm, detail);
	if (!e)
		e = open_keys(tm, detail);
	if (!e)
		e = open_db(tm, detail);
	if (!e)
		e = open_bus(tm, detail);
	if (!e)
		e = open_server(tm, detail);
	if (e) {
		manager_free(&tm);
		return e;
	}
	e = importer_new(&tm->importer, tm);
	if (e) {
		manager_free(&tm);
		return e;
	}
	service_add_ready(svc, "postgresql", db_is_ready, tm);
	service_add_ready(svc, "withdrawn tokens", revoked_is_ready, tm);
	service_add_ready(svc, "tenants", tenants_are_known, tm);
	service_add_bus(svc, tm->bus, false); /* changes are taken, and published later */
	service_on_drain(svc, on_drain, tm);
	*ret = tm;
	return ERR_OK;
}

/* Backwards by who calls whom: after the databases and the bus are gone nothing calls back any more. */
void manager_free(struct manager **ref)
{
	struct manager *tm = *ref;

	if (!tm)
		return;
	if (tm->publisher)
		publisher_connected(tm->publisher, false);
	if (tm->purge)
		purge_stop(tm->purge);
	if (tm->revoker)
		revoker_stop(tm->revoker);
	rotation_stop(tm->rotation);
	token_uses_free(&tm->token_uses);
	db_free(&tm->import_db);
	db_free(&tm->login_db);
	db_free(&tm->db);
	rpc_server_free(&tm->server);
	promptstore_free(&tm->prompts);
	apirate_stop(tm->apirate);
	events_free(&tm->events);
	revoked_free(&tm->revoked);
	tenantconf_free(&tm->conf);
	bus_free(&tm->bus);
	apirate_free(&tm->apirate);
	revoker_free(&tm->revoker);
	publisher_free(&tm->publisher);
	purge_free(&tm->purge);
	rotation_free(&tm->rotation);
	importer_free(&tm->importer);
	admin_free(&tm->admin);
	bootstrap_free(&tm->bootstrap);
	throttle_free(&tm->throttle);
	auth_signer_free(&tm->signer);
	auth_verifier_free(&tm->verifier);
	if (tm->master_key)
		explicit_bzero(tm->master_key, SEALED_KEY);
	mem_free(tm->master_key);
	mem_free(tm);
	*ref = NULL;
}
