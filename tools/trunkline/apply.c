/*
 * apply: makes the platform as a file says. Each document, or each member of a list, is one resource:
 *
 *	kind: queue
 *	id: sales
 *	display_name: Sales
 *	skills: [{skill_id: german, level: 5}]
 *
 * `tenant:` says whose it is (default: the tenant that the file itself makes, --tenant, the token's). A prompt names its
 * audio by `file:`, from the file's own directory. The order does not matter: what others refer to comes first.
 */
#include "apply.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static const char *const order[] = { "operator-role", "operator", "pool",  "tenant", "role",  "skill", "calendar",
				     "prompt",	      "queue",	  "agent", "flow",   "trunk", "number" };

static err_t add(struct apply_list *p, json_t *json, struct err_detail *detail)
{
	const char *kind = json_string_value(json_object_get(json, "kind"));
	struct apply_item *it;
	size_t rank = 0;

	if (!kind && p->only)
		kind = p->only;
	if (!kind || !json_is_object(json))
		return err_set(detail, ERR_INVALID, p->file, "item %zu has no 'kind: queue' or the like", p->n + 1);
	while (rank < ARRAY_SIZE(order) && strcmp(order[rank], kind) != 0)
		rank++;
	if (rank == ARRAY_SIZE(order))
		return err_set(detail, ERR_INVALID, p->file, "item %zu: there is no kind '%s'", p->n + 1, kind);
	if (p->only && strcmp(kind, p->only) != 0)
		return ERR_OK;
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		it = mem_realloc(p->items, p->cap * sizeof(*it));
		if (!it)
			return ERR_EXHAUSTED;
		p->items = it;
	}
	p->items[p->n] = (struct apply_item){ json, rank, p->n, catalog_resource(kind) };
	p->n++;
	return ERR_OK;
}

static int by_rank(const void *a, const void *b)
{
	const struct apply_item *x = a, *y = b;

	return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : (x->at < y->at ? -1 : 1);
}

err_t apply_collect(struct apply_list *p, json_t *documents, struct err_detail *detail)
{
	json_t *doc, *each;
	size_t i, k;
	err_t e = ERR_OK;

	json_array_foreach(documents, i, doc)
	{
		if (!json_is_array(doc)) {
			e = json_is_null(doc) ? ERR_OK : add(p, doc, detail);
		} else {
			json_array_foreach(doc, k, each) if (!e) e = add(p, each, detail);
		}
		if (e)
			break;
	}
	if (p->n)
		qsort(p->items, p->n, sizeof(*p->items), by_rank);
	return e;
}

/* ---- one resource ---- */
/* Keys as the file has them (display_name, display-name, displayName) → the fields' names. */
static err_t fields_of(json_t **ret, const struct apply_item *it, struct err_detail *detail)
{
	const ProtobufCMessageDescriptor *desc = catalog_message_of(it->resource);
	static const char *const ours[] = { "kind", "id", "tenant", "file", "name", "etag" };
	json_t *fields = json_object(), *v;
	const char *key;

	json_object_foreach(it->json, key, v)
	{
		const ProtobufCFieldDescriptor *fd;
		struct str snake = STR_INIT;
		bool skip = false;

		for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
			skip = skip || strcmp(ours[i], key) == 0;
		for (const char *p = key; !skip && *p; p++)
			str_printf(&snake, *p >= 'A' && *p <= 'Z' ? "_%c" : "%c",
				   *p >= 'A' && *p <= 'Z' ? *p + 32 : *p);
		fd = skip ? NULL : fields_find(desc, str_text(&snake));
		str_done(&snake);
		if (!skip && !fd) {
			json_decref(fields);
			return err_set(detail, ERR_INVALID, key, "is no field of a %s", it->resource->noun);
		}
		if (!skip)
			json_object_set(fields, fd->name, v);
	}
	*ret = fields;
	return ERR_OK;
}

static err_t upload(struct remote *rm, const struct cli *cli, const struct apply_item *it, const char *id,
		    const char *file, json_t **ret, struct err_detail *detail)
{
	const char *audio = json_string_value(json_object_get(it->json, "file"));
	const char *name = json_string_value(json_object_get(it->json, "display_name"));
	char *copy = mem_strdup(file);
	struct str path = STR_INIT;
	err_t e;

	if (!copy)
		return ERR_EXHAUSTED;
	if (*audio == '/' || strcmp(file, "-") == 0)
		str_append(&path, audio);
	else
		str_printf(&path, "%s/%s", dirname(copy), audio);
	e = resource_upload(rm, cli, id, name, str_text(&path), ret, detail);
	mem_free(copy);
	str_done(&path);
	return e;
}

/* Of a tenant, and the number of a number: fixed after creation. */
static void drop_fixed(json_t *fields)
{
	json_object_del(fields, "sip_domain");
	json_object_del(fields, "number");
}

static err_t upsert(struct remote *rm, const struct cli *cli, const struct apply_item *it, const char *id,
		    const char **did, json_t **ret, struct err_detail *detail)
{
	json_t *fields = NULL, *now = NULL;
	err_t e = fields_of(&fields, it, detail);

	if (e)
		return e;
	e = resource_get(rm, cli, it->resource, id, &now, detail);
	json_decref(now);
	if (e == ERR_NOT_FOUND) {
		*did = ERR_TEXT("created");
		return resource_create(rm, cli, it->resource, id, fields, ret, detail);
	}
	*did = ERR_TEXT("updated");
	drop_fixed(fields);
	if (!e)
		return resource_update(rm, cli, it->resource, id, fields, ret, detail);
	json_decref(fields);
	return e;
}

const char *apply_id(const struct apply_item *it)
{
	const char *id = json_string_value(json_object_get(it->json, "id"));
	const char *number = json_string_value(json_object_get(it->json, "number"));
	static char text[32];
	json_t *n = json_object_get(it->json, "id");

	n = n ? n : json_object_get(it->json, "number");
	if (json_is_integer(n)) { /* 1001 without quotes */
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(n));
		return text;
	}
	return id ? id : number;
}

static err_t no_id(const struct apply_item *it, struct err_detail *detail)
{
	return err_set(detail, ERR_INVALID, "id", "item %zu (%s) has none", it->at + 1, it->resource->noun);
}

/* Says in which item the field is that detail names. */
static err_t in_item(const struct apply_item *it, err_t e, struct err_detail *detail)
{
	char field[sizeof(detail->field)];

	if (!apply_id(it) || !detail)
		return e;
	snprintf(field, sizeof(field), *detail->field ? "%s %s: %.60s" : "%s %s", it->resource->noun, apply_id(it),
		 detail->field);
	memcpy(detail->field, field, sizeof(field));
	return e;
}

/* ---- what would become of it ---- */
err_t apply_check(const struct apply_item *it, struct err_detail *detail)
{
	json_t *fields = NULL;
	err_t e = apply_id(it) ? fields_of(&fields, it, detail) : no_id(it, detail);

	if (!e)
		e = remote_check(catalog_message_of(it->resource), fields, detail);
	json_decref(fields);
	return e ? in_item(it, e, detail) : ERR_OK;
}

/* now: as it is; then: as it would be, both as the service says it. What cannot be read, such as a password, is not compared. */
static bool differs(const json_t *fields, const json_t *now, const json_t *then)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)fields, key, v)
	{
		const json_t *a = json_object_get(now, key), *b = json_object_get(then, key);

		if ((a || b) && !json_equal(a, b))
			return true;
	}
	return false;
}

err_t apply_compare(struct remote *rm, const struct cli *cli, const struct apply_item *it, const char *file, bool ask,
		    enum apply_change *ret, struct err_detail *detail)
{
	const struct cli_flag dry = { "dry-run", NULL };
	json_t *fields = NULL, *now = NULL, *then = NULL;
	struct cli mine = *cli;
	const char *id = apply_id(it);
	bool audio = json_object_get(it->json, "file") != NULL;
	err_t e = fields_of(&fields, it, detail);

	mine.flags = (struct cli_flag *)&dry;
	mine.n_flags = 1;
	if (!e)
		e = resource_get(rm, &mine, it->resource, id, &now, detail);
	*ret = e == ERR_NOT_FOUND ? APPLY_NEW : APPLY_SAME;
	if (e == ERR_NOT_FOUND)
		e = ERR_OK;
	if (!e && *ret == APPLY_SAME)
		drop_fixed(fields);
	if (e || (*ret == APPLY_NEW && !ask))
		goto out;
	if (audio)
		e = upload(rm, &mine, it, id, file, &then, detail);
	else
		e = (*ret == APPLY_NEW ? resource_create : resource_update)(rm, &mine, it->resource, id,
									    json_incref(fields), &then, detail);
	if (audio)
		json_object_set_new(fields, "sha256", json_null());
	if (!e && *ret == APPLY_SAME && differs(fields, now, then))
		*ret = APPLY_CHANGED;
out:
	json_decref(fields);
	json_decref(now);
	json_decref(then);
	return e ? in_item(it, e, detail) : ERR_OK;
}

/* ---- all of them ---- */
err_t apply_write(struct remote *rm, const struct cli *cli, const struct apply_item *it, const char *file,
		  const char **did, json_t **ret, struct err_detail *detail)
{
	const char *id = apply_id(it);
	err_t e;

	if (!id)
		return no_id(it, detail);
	*did = ERR_TEXT("uploaded");
	if (json_string_value(json_object_get(it->json, "file")))
		e = upload(rm, cli, it, id, file, ret, detail);
	else
		e = upsert(rm, cli, it, id, did, ret, detail);
	return e ? in_item(it, e, detail) : ERR_OK;
}

static err_t apply_one(struct remote *rm, struct cli *cli, const struct apply_item *it, const char *file,
		       json_t *results, struct err_detail *detail)
{
	const char *tenant = json_string_value(json_object_get(it->json, "tenant"));
	const char *did = "", *before = cli->tenant;
	json_t *result = NULL;
	err_t e;

	if (tenant)
		cli->tenant = tenant;
	e = apply_write(rm, cli, it, file, &did, &result, detail);
	if (!e && !cli->json)
		text_print(stdout, cli->language,
			   cli_flag(cli, "dry-run") ? "%s %s %s (not really: --dry-run)" : "%s %s %s",
			   it->resource->noun, apply_id(it), did);
	else if (!e)
		json_array_append(results, result);
	json_decref(result);
	cli->tenant = !e && strcmp(it->resource->noun, "tenant") == 0 && str_empty(before) ? apply_id(it) : before;
	return e;
}

static err_t apply_all(const struct cli *cli, struct apply_list *p, struct err_detail *detail)
{
	json_t *results = json_array();
	struct cli mine = *cli;
	struct remote *rm = NULL;
	err_t e = remote_open(&rm, cli, SERVER_ADMIN, detail);

	for (size_t i = 0; !e && i < p->n; i++)
		e = apply_one(rm, &mine, &p->items[i], p->file, results, detail);
	if (!e && cli->json)
		show_json(results, false);
	remote_close(&rm);
	json_decref(results);
	return e;
}

err_t run_apply(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const char *file = cli_value(cli, "file", "must name a file, or - for standard input", detail);
	struct apply_list p = { .only = strcmp(v->noun, "apply") == 0 ? NULL : v->noun, .file = file };
	json_t *documents = NULL;
	err_t e = cli_only(cli, (const char *const[]){ "file", "dry-run", NULL }, detail);

	if (e || !file)
		return ERR_INVALID;
	e = yaml_load(&documents, file, detail);
	if (!e)
		e = apply_collect(&p, documents, detail);
	if (!e)
		e = apply_all(cli, &p, detail);
	json_decref(documents);
	mem_free(p.items);
	return e;
}
