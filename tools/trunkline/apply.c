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
#include "resource.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static const char *const order[] = { "tenant", "role",	"skill", "calendar", "prompt",
				     "queue",  "agent", "flow",	 "trunk",    "number" };

struct item {
	json_t *json;
	size_t rank, at;
	const struct catalog_resource *resource;
};
struct plan {
	struct item *items;
	size_t n, cap;
	const char *file, *only; /* kind; NULL: all */
};

static err_t add(struct plan *p, json_t *json, struct err_detail *detail)
{
	const char *kind = json_string_value(json_object_get(json, "kind"));
	struct item *it;
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
	p->items[p->n] = (struct item){ json, rank, p->n, catalog_resource(kind) };
	p->n++;
	return ERR_OK;
}

static err_t collect(struct plan *p, json_t *documents, struct err_detail *detail)
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
	return e;
}

static int by_rank(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->rank != y->rank ? (x->rank < y->rank ? -1 : 1) : (x->at < y->at ? -1 : 1);
}

/* ---- one resource ---- */
/* Keys as the file has them (display_name, display-name, displayName) → the fields' names. */
static err_t fields_of(json_t **ret, const struct item *it, struct err_detail *detail)
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

static err_t upload(struct remote *rm, const struct cli *cli, const struct item *it, const char *id, const char *file,
		    json_t **ret, struct err_detail *detail)
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

static err_t upsert(struct remote *rm, const struct cli *cli, const struct item *it, const char *id, const char **did,
		    json_t **ret, struct err_detail *detail)
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
	json_object_del(fields, "sip_domain"); /* of a tenant, and the number of a number: fixed after creation */
	json_object_del(fields, "number");
	if (!e)
		return resource_update(rm, cli, it->resource, id, fields, ret, detail);
	json_decref(fields);
	return e;
}

static const char *id_of(const struct item *it)
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

static err_t apply_one(struct remote *rm, struct cli *cli, const struct item *it, const char *file, json_t *results,
		       struct err_detail *detail)
{
	const char *tenant = json_string_value(json_object_get(it->json, "tenant"));
	const char *id = id_of(it), *did = "uploaded", *before = cli->tenant;
	json_t *result = NULL;
	err_t e;

	if (!id)
		return err_set(detail, ERR_INVALID, "id", "item %zu (%s) has none", it->at + 1, it->resource->noun);
	if (tenant)
		cli->tenant = tenant;
	if (json_string_value(json_object_get(it->json, "file")))
		e = upload(rm, cli, it, id, file, &result, detail);
	else
		e = upsert(rm, cli, it, id, &did, &result, detail);
	if (!e && !cli->json)
		text_print(stdout, cli->language,
			   cli_flag(cli, "dry-run") ? "%s %s %s (not really: --dry-run)" : "%s %s %s",
			   it->resource->noun, id, did);
	else if (!e)
		json_array_append(results, result);
	if (e && detail && !*detail->field)
		snprintf(detail->field, sizeof(detail->field), "%s %s", it->resource->noun, id);
	else if (e && detail) {
		char field[sizeof(detail->field)];

		snprintf(field, sizeof(field), "%s %s: %.60s", it->resource->noun, id, detail->field);
		memcpy(detail->field, field, sizeof(field));
	}
	json_decref(result);
	cli->tenant = !e && strcmp(it->resource->noun, "tenant") == 0 && str_empty(before) ? id : before;
	return e;
}

static err_t apply_all(const struct cli *cli, struct plan *p, struct err_detail *detail)
{
	json_t *results = json_array();
	struct cli mine = *cli;
	struct remote *rm = NULL;
	err_t e = remote_open(&rm, cli, SERVER_ADMIN, detail);

	if (p->n)
		qsort(p->items, p->n, sizeof(*p->items), by_rank);
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
	struct plan p = { .only = strcmp(v->noun, "apply") == 0 ? NULL : v->noun, .file = file };
	json_t *documents = NULL;
	err_t e = cli_only(cli, (const char *const[]){ "file", "dry-run", NULL }, detail);

	if (e || !file)
		return ERR_INVALID;
	e = yaml_load(&documents, file, detail);
	if (!e)
		e = collect(&p, documents, detail);
	if (!e)
		e = apply_all(cli, &p, detail);
	json_decref(documents);
	mem_free(p.items);
	return e;
}
