/* The tenants with their keys: a view is made anew when somebody looks and something has changed, and keeps what has not. */
#include "vault_internal.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "tenantconf/tenantconf.h"

#define ASKS 4 /* of the bus, in the time for which a view is good */

struct vault_view {
	atomic_uint refs;
	struct vault_tenant unknown;
	size_t n, room;
	struct vault_tenant **tenants; /* by id */
};

struct vault {
	struct vault_params params;
	struct vault_common common;
	struct tenantconf *conf;
	const struct vault_view *view; /* NULL: none yet */
	bool changed;
	struct loop_timer ask;
};

/* ---- a view ---- */

static void view_free(struct vault_view *view)
{
	for (size_t i = 0; i < view->n; i++)
		vault_tenant_unref(&view->tenants[i]);
	mem_free(view->tenants);
	mem_free(view);
}

void vault_view_unref(const struct vault_view **ref)
{
	struct vault_view *view = (struct vault_view *)(uintptr_t)*ref;

	*ref = NULL;
	if (view && atomic_fetch_sub(&view->refs, 1) == 1)
		view_free(view);
}

struct sought {
	const char *id;
	size_t n;
};

static int by_id(const void *key, const void *item)
{
	const struct sought *s = key;
	const char *id = (*(struct vault_tenant *const *)item)->conf->id;
	int order = strncmp(s->id, id, s->n);

	return order ? order : id[s->n] ? -1 : 0;
}

static struct vault_tenant *view_find(const struct vault_view *view, const char *id, size_t n)
{
	struct sought s = { id, n };
	struct vault_tenant **t =
	    view && view->n ? bsearch(&s, view->tenants, view->n, sizeof(struct vault_tenant *), by_id) : NULL;

	return t ? *t : NULL;
}

const struct vault_tenant *vault_find(const struct vault_view *view, const char *id, size_t n)
{
	static const struct vault_tenant open = { 0 };
	const struct vault_tenant *t = view_find(view, id, n);

	return t ? t : view ? &view->unknown : &open;
}

const struct vault_tenant *vault_next_rotating(const struct vault_view *view, const char *after)
{
	for (size_t i = 0; i < view->n; i++) {
		const struct vault_tenant *t = view->tenants[i];

		if (t->keys && t->conf->n_keys > 1 && strcmp(t->conf->id, after) > 0)
			return t;
	}
	return NULL;
}

/* ---- made anew ---- */

struct making {
	struct vault *v;
	struct vault_view *view;
	err_t e;
};

static void tell(struct vault *v, const char *tenant, err_t e, uint32_t version)
{
	struct err_detail d;

	(void)err_set(&d, e, tenant, "version %u of its key does not open: another keys.master_file?", version);
	if (v->params.on_error)
		v->params.on_error(tenant, &d, v->params.arg);
}

static err_t take_tenant(struct vault *v, const struct tenant *conf, struct vault_tenant **ret)
{
	struct vault_tenant *old = view_find(v->view, conf->id, strlen(conf->id));
	uint32_t version = 0;
	err_t key = ERR_OK, e = ERR_OK;

	if (old && old->conf == conf) {
		atomic_fetch_add(&old->refs, 1);
		*ret = old;
	} else {
		e = vault_tenant_new(ret, &v->common, conf, &key, &version);
	}
	if (!e && key)
		tell(v, conf->id, key, version);
	return e;
}

static bool add_tenant(const struct tenant *conf, void *arg)
{
	struct making *m = arg;
	struct vault_view *view = m->view;

	if (view->n == view->room) {
		size_t room = view->room ? 2 * view->room : 16;
		void *grown = mem_realloc(view->tenants, room * sizeof(struct vault_tenant *));

		m->e = grown ? ERR_OK : ERR_EXHAUSTED;
		if (m->e)
			return false;
		view->tenants = grown;
		view->room = room;
	}
	m->e = take_tenant(m->v, conf, &view->tenants[view->n]);
	view->n += !m->e;
	return !m->e;
}

static int by_order(const void *a, const void *b)
{
	return strcmp((*(struct vault_tenant *const *)a)->conf->id, (*(struct vault_tenant *const *)b)->conf->id);
}

static void renew(struct vault *v)
{
	struct making m = { .v = v, .view = mem_zalloc(sizeof(*m.view)) };
	struct vault_view *view = m.view;

	if (!view)
		return;
	atomic_init(&view->refs, 1);
	view->unknown.columns = v->common.columns;
	view->unknown.sensitive = v->common.has_master ? ~0u : 0;
	tenantconf_each_tenant(v->conf, add_tenant, &m);
	if (m.e) {
		vault_view_unref((const struct vault_view **)&view);
		return;
	}
	if (view->n)
		qsort(view->tenants, view->n, sizeof(struct vault_tenant *), by_order);
	vault_view_unref(&v->view);
	v->view = view;
	v->changed = false;
}

const struct vault_view *vault_look(struct vault *v)
{
	if (!tenantconf_synced(v->conf))
		return NULL;
	if (v->changed)
		renew(v);
	if (v->changed)
		return NULL;
	atomic_fetch_add(&((struct vault_view *)(uintptr_t)v->view)->refs, 1);
	return v->view;
}

/* Half of what nobody may write with any more; the writing may take the other half. */
static int64_t good_ms(const struct vault *v)
{
	return v->params.settle_ms / 2;
}

const struct vault_view *vault_look_to_write(struct vault *v)
{
	bool old = good_ms(v) && clock_mono_ms() - tenantconf_known_ms(v->conf) > good_ms(v);

	return old ? NULL : vault_look(v);
}

static void on_ask(void *arg)
{
	struct vault *v = arg;

	(void)tenantconf_known_ms(v->conf); /* what it asks for is there when somebody writes */
	loop_timer_start(&v->ask, good_ms(v) / ASKS + 1);
}

/* ---- the vault ---- */

static void on_change(enum tenantconf_change what, const char *tenant, const char *agent_id, void *arg)
{
	struct vault *v = arg;

	(void)what;
	(void)tenant;
	(void)agent_id;
	v->changed = true;
}

static void on_bad(const char *key, const struct err_detail *detail, void *arg)
{
	struct vault *v = arg;

	if (v->params.on_error)
		v->params.on_error(key, detail, v->params.arg);
}

bool vault_synced(const struct vault *v)
{
	return tenantconf_synced(v->conf);
}

const struct tenantconf *vault_conf(const struct vault *v)
{
	return v->conf;
}

err_t vault_new(struct vault **ret, const struct vault_params *p, struct err_detail *detail)
{
	struct vault *v = p->n <= VAULT_COLUMNS_MAX ? mem_zalloc(sizeof(*v)) : NULL;
	err_t e = ERR_OK;

	if (!v)
		return ERR_EXHAUSTED;
	v->params = *p;
	v->changed = true;
	loop_timer_init(&v->ask, bus_loop(p->bus), on_ask, v);
	v->common.columns = p->columns;
	v->common.n = p->n;
	for (size_t i = 0; i < p->n; i++)
		v->common.sealed[i] = p->columns[i].column;
	v->common.has_master = !str_empty(p->master_file);
	if (v->common.has_master)
		e = sealed_master_read(v->common.master, p->master_file, "keys.master_file", detail);
	if (!e)
		e = tenantconf_new(
		    &v->conf,
		    &(struct tenantconf_params){
			.bus = p->bus, .on_change = on_change, .on_error = on_bad, .arg = v, .no_agents = true },
		    detail);
	if (e) {
		vault_free(&v);
		return e;
	}
	vault_register_metrics();
	if (good_ms(v))
		on_ask(v);
	*ret = v;
	return ERR_OK;
}

void vault_free(struct vault **pv)
{
	struct vault *v = *pv;

	if (!v)
		return;
	*pv = NULL;
	loop_timer_done(&v->ask);
	tenantconf_free(&v->conf);
	vault_view_unref(&v->view);
	explicit_bzero(v->common.master, sizeof(v->common.master));
	mem_free(v);
}
