/*
 * vault: what a service that keeps data of tenants stores of their sensitive fields, and shows of them (GT-16). Follows the tenants'
 * configuration (KV `config`), opens their keys with the platform's master key, and answers for single texts without asking anybody.
 *
 *	struct vault *v;
 *	err_t e = vault_new(&v, &(struct vault_params){ .bus = bus, .master_file = cfg->master_file, .columns = columns, .n = 2 }, &detail);
 *	const struct vault_view *view = vault_look_to_write(v);            // on the loop; then on any thread:
 *	const struct vault_tenant *t = vault_find(view, "acme", 4);
 *	e = vault_keep(t, CALLER, call_id, text, n, &column);              // appends what is to be stored; nothing: store none
 *	e = vault_show(t, CALLER, call_id, stored, auth_has(user, RIGHT_CALLS_SENSITIVE), &shown);
 *	vault_view_unref(&view);
 *
 * What is not certain is kept back: where there is a master key, a tenant that is not known (any more) has everything sensitive and no key, and a
 * tenant whose key does not open has no key: such texts are stored as nothing, counted (trunkline_withheld_total), and what was stored
 * is shown to nobody. Who is cut off from the bus cannot know that a field was marked, or a key is about to be destroyed: he may show what he
 * knows how to open, but writes nothing until he hears again (what was to be written stays where it comes from, in Kafka or a stream: nothing
 * is lost, as it would be if it were withheld). Without a master key there are no sensitive fields but of tenants who have them from elsewhere.
 */
#ifndef VAULT_VAULT_H
#define VAULT_VAULT_H

#include "bus/bus.h"
#include "sealed/sealed.h"
#include "tenantconf/tenantconf.h"

#define VAULT_MASK "••••"

struct vault;
struct vault_view;
struct vault_tenant;

struct vault_column {
	struct sealed_column column;
	enum tenant_sensitive field;
};
struct vault_params {
	struct bus *bus;
	const char *master_file;	    /* NULL or "": there is none; setting keys.master_file */
	const struct vault_column *columns; /* live as long as the vault and its views; at most 4 */
	size_t n;
	/* keys.settle_ms: so long after a new version of a key nobody writes with the former one. A view to write by is half as old at most, the
	 * other half is the writing's own. 0: of any age (tests). */
	int64_t settle_ms;
	/* A configuration that is not valid, or a key that does not open; for the log. May be NULL. */
	void (*on_error)(const char *what, const struct err_detail *detail, void *arg);
	void *arg;
};
/* For start-up. */
err_t vault_new(struct vault **ret, const struct vault_params *p, struct err_detail *detail) MUST;
/* Before the bus; views stay good. */
void vault_free(struct vault **v);
/* What was configured at the start is known: for readiness. Until then vault_look() has nothing. */
bool vault_synced(const struct vault *v);
/* What it follows: the tenants, without their agents. */
const struct tenantconf *vault_conf(const struct vault *v);

/* The tenants as they are now: a reference. NULL: not synced yet, or no memory; try again. */
const struct vault_view *vault_look(struct vault *v);
/* The same for who is going to store something by it, at once; NULL also when it may be out of date. */
const struct vault_view *vault_look_to_write(struct vault *v);
void vault_view_unref(const struct vault_view **view);
/* Never NULL; lives as long as the view. id: n bytes. view NULL (tests of what has no vault): nothing is sensitive. */
const struct vault_tenant *vault_find(const struct vault_view *view, const char *id, size_t n);

/* New texts of the column are encrypted, or withheld. */
bool vault_sensitive(const struct vault_tenant *t, size_t column);
/* Appends what is to be stored of a text: its envelope; itself; nothing. Only ERR_EXHAUSTED and ERR_UNAVAILABLE (no random numbers). */
err_t vault_keep(const struct vault_tenant *t, size_t column, const char *row, const char *text, size_t n,
		 struct str *out) MUST;
/* Appends what is to be shown of what was stored; clear: to who may see it, else the mask, of a column that is looked up with the last four
 * characters of a number of eight or more. Nothing of what does not open. ERR_EXHAUSTED only. */
err_t vault_show(const struct vault_tenant *t, size_t column, const char *row, const char *stored, bool clear,
		 struct str *out) MUST;
/* Appends what is to be stored in place of what is: of an envelope of a former version of the key, or of a text in clear that is sensitive, an
 * envelope of the newest one. Nothing: it stays. Errors as of vault_keep(). */
err_t vault_renew(const struct vault_tenant *t, size_t column, const char *row, const char *stored,
		  struct str *out) MUST;
/* The version of the key that encrypts; 0: there is none. */
uint32_t vault_version(const struct vault_tenant *t);
/* The next tenant, by id, whose key has more than one version: it is being rotated. NULL: none behind that one ("": of all). */
const struct vault_tenant *vault_next_rotating(const struct vault_view *view, const char *after);
const char *vault_id(const struct vault_tenant *t);
/* How a text is looked up by who asks: what stored envelopes of it begin with; *ret_n 0: there are none. ERR_DENIED, ERR_INVALID with the field
 * for a column that is sensitive: without the permission, or prefix: only the beginning of the text is known. */
err_t vault_seek(const struct vault_tenant *t, size_t column, const char *text, bool prefix, bool clear,
		 const char *field, char found[][SEALED_PREFIX], size_t *ret_n, struct err_detail *detail) MUST;

#endif
