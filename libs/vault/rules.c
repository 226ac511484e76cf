/* What is stored of a text, and shown. Pure but for random numbers. */
#include "vault_internal.h"

#include <string.h>
#include "base/mem.h"
#include "metrics/metrics.h"
#include "rights/rights.h"

#define SHOWN	  4 /* characters of a masked number */
#define SHOWN_MIN 8 /* of a shorter one none */

static struct metric withheld =
    METRIC_COUNTER("trunkline_withheld_total",
		   "sensitive texts that were not stored, because there was no key for them");

void vault_register_metrics(void)
{
	metrics_register(&withheld);
}

/* ---- a tenant ---- */

static err_t add_keys(struct vault_tenant *t, const struct vault_common *c, err_t *ret_key, uint32_t *ret_version)
{
	uint8_t key[SEALED_KEY];
	err_t e = sealed_keys_new(&t->keys, t->conf->id, c->sealed, c->n);

	for (size_t i = 0; !e && i < t->conf->n_keys; i++) {
		const struct tenant_key *k = &t->conf->keys[i];

		*ret_key = sealed_unwrap(c->master, t->conf->id, k->version, k->wrapped, k->size, key);
		if (!*ret_key)
			*ret_key = sealed_keys_add(t->keys, k->version, key);
		if (*ret_key) { /* not with an older one than the tenant wants */
			*ret_version = k->version;
			sealed_keys_free(&t->keys);
			break;
		}
	}
	explicit_bzero(key, sizeof(key));
	return e;
}

err_t vault_tenant_new(struct vault_tenant **ret, const struct vault_common *c, const struct tenant *conf,
		       err_t *ret_key, uint32_t *ret_version)
{
	struct vault_tenant *t = mem_zalloc(sizeof(*t));
	err_t e = ERR_OK;

	*ret_key = ERR_OK;
	if (!t)
		return ERR_EXHAUSTED;
	atomic_init(&t->refs, 1);
	t->columns = c->columns;
	t->conf = tenant_ref(conf);
	for (size_t i = 0; i < c->n; i++)
		if (conf->sensitive & 1u << c->columns[i].field)
			t->sensitive |= 1u << i;
	if (c->has_master && conf->n_keys)
		e = add_keys(t, c, ret_key, ret_version);
	if (e)
		vault_tenant_unref(&t);
	else
		*ret = t;
	return e;
}

void vault_tenant_unref(struct vault_tenant **pt)
{
	struct vault_tenant *t = *pt;

	*pt = NULL;
	if (!t || atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	sealed_keys_free(&t->keys);
	tenant_unref(&t->conf);
	mem_free(t);
}

/* ---- its texts ---- */

bool vault_sensitive(const struct vault_tenant *t, size_t column)
{
	return t->sensitive & 1u << column;
}

err_t vault_keep(const struct vault_tenant *t, size_t column, const char *row, const char *text, size_t n,
		 struct str *out)
{
	err_t e = ERR_PRECONDITION;

	if (!vault_sensitive(t, column)) {
		if (!sealed_is(text, n)) {
			str_append_n(out, text, n);
			return out->failed ? ERR_EXHAUSTED : ERR_OK;
		}
		e = ERR_INVALID; /* a caller who calls himself like an envelope */
	} else if (t->keys) {
		e = sealed_seal(t->keys, column, row, text, n, out);
	}
	if (e == ERR_OK || e == ERR_EXHAUSTED || e == ERR_UNAVAILABLE)
		return e;
	metric_add(&withheld, 1);
	return ERR_OK;
}

err_t vault_renew(const struct vault_tenant *t, size_t column, const char *row, const char *stored, struct str *out)
{
	size_t n = strlen(stored);
	struct sealed_parts parts;
	struct str text = STR_INIT;
	err_t e;

	if (!n || !t->keys)
		return ERR_OK;
	if (!sealed_is(stored, n))
		return vault_sensitive(t, column) ? vault_keep(t, column, row, stored, n, out) : ERR_OK;
	if (sealed_parse(&parts, stored, n) || parts.version == sealed_newest(t->keys))
		return ERR_OK;
	e = sealed_open(t->keys, column, row, stored, &text);
	if (!e)
		e = sealed_seal(t->keys, column, row, str_text(&text), text.len, out);
	if (text.data)
		explicit_bzero(text.data, text.cap);
	str_done(&text);
	return e == ERR_EXHAUSTED || e == ERR_UNAVAILABLE ? e : ERR_OK; /* what does not open stays as it is */
}

uint32_t vault_version(const struct vault_tenant *t)
{
	return t->keys ? sealed_newest(t->keys) : 0;
}

const char *vault_id(const struct vault_tenant *t)
{
	return t->conf ? t->conf->id : "";
}

static void put_mask(const struct vault_tenant *t, size_t column, const char *text, size_t n, struct str *out)
{
	size_t digits = 0;

	for (size_t i = 0; i < n; i++)
		digits += text[i] >= '0' && text[i] <= '9';
	if (!n)
		return;
	str_append(out, VAULT_MASK);
	if (t->columns[column].column.looked_up && digits >= SHOWN_MIN && strspn(text, "+0123456789") == n)
		str_append_n(out, text + n - SHOWN, SHOWN);
}

err_t vault_show(const struct vault_tenant *t, size_t column, const char *row, const char *stored, bool clear,
		 struct str *out)
{
	size_t n = strlen(stored);
	struct str text = STR_INIT;
	err_t e = ERR_NOT_FOUND;

	if (!sealed_is(stored, n)) {
		if (clear || !vault_sensitive(t, column))
			str_append_n(out, stored, n);
		else
			put_mask(t, column, stored, n, out);
		return out->failed ? ERR_EXHAUSTED : ERR_OK;
	}
	if (t->keys)
		e = sealed_open(t->keys, column, row, stored, &text);
	if (!e && clear)
		str_append_n(out, text.data, text.len);
	else if (!e)
		put_mask(t, column, str_text(&text), text.len, out);
	if (text.data)
		explicit_bzero(text.data, text.cap);
	str_done(&text);
	return e == ERR_EXHAUSTED || out->failed ? ERR_EXHAUSTED : ERR_OK;
}

err_t vault_seek(const struct vault_tenant *t, size_t column, const char *text, bool prefix, bool clear,
		 const char *field, char found[][SEALED_PREFIX], size_t *ret_n, struct err_detail *detail)
{
	*ret_n = 0;
	if (vault_sensitive(t, column) && !clear)
		return err_set(detail, ERR_DENIED, field, "is sensitive: looking for it needs %s",
			       rights_name(RIGHT_CALLS_SENSITIVE));
	if (vault_sensitive(t, column) && prefix)
		return err_set(detail, ERR_INVALID, field,
			       "is stored encrypted: only the whole number can be looked for, without '*'");
	if (!t->keys || prefix || !clear)
		return ERR_OK;
	return sealed_find(t->keys, column, text, found, ret_n);
}
