#include "resource.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* In no tenant. */
static bool of_platform(const struct catalog_resource *r)
{
	static const char *const nouns[] = { "tenant", "pool", "operator", "operator-role" };

	for (size_t i = 0; i < ARRAY_SIZE(nouns); i++) {
		if (strcmp(r->noun, nouns[i]) == 0)
			return true;
	}
	return false;
}

/* The field of requests that has it: "operator-role" is a role. */
static const char *field_of(const struct catalog_resource *r)
{
	const char *dash = strrchr(r->noun, '-');

	return dash ? dash + 1 : r->noun;
}

err_t resource_parent(struct str *out, const struct cli *cli, struct err_detail *detail)
{
	const char *tenant;
	err_t e = cli_tenant(cli, &tenant, detail);

	if (!e)
		str_printf(out, "tenants/%s", tenant);
	return e;
}

err_t resource_name(struct str *out, const struct cli *cli, const struct catalog_resource *r, const char *id,
		    struct err_detail *detail)
{
	err_t e;

	if (strchr(id, '/') || !*id)
		return err_set(detail, ERR_INVALID, r->noun, "must be an id, not '%s'", id);
	if (of_platform(r)) {
		str_printf(out, "%s/%s", r->plural, id);
		return ERR_OK;
	}
	e = resource_parent(out, cli, detail);
	if (!e)
		str_printf(out, "/%s/%s", r->plural, id);
	return e;
}

static err_t call(struct remote *rm, const struct catalog_resource *r, const char *prefix, json_t *request,
		  json_t **ret, struct err_detail *detail)
{
	char method[64];
	err_t e;

	snprintf(method, sizeof(method), "%s%s%s", prefix, r->camel, strcmp(prefix, "List") == 0 ? "s" : "");
	e = remote_call(rm, service_admin(), method, request, ret, detail);
	json_decref(request);
	return e;
}

/* Of flows; others' requests know no such field. */
static void set_draft(json_t *req, const struct cli *cli)
{
	if (cli_flag(cli, "draft-only"))
		json_object_set_new(req, "draft_only", json_true());
}

static bool dry_run(const struct cli *cli)
{
	return cli_flag(cli, "dry-run") != NULL;
}

err_t resource_create(struct remote *rm, const struct cli *cli, const struct catalog_resource *r, const char *id,
		      json_t *fields, json_t **ret, struct err_detail *detail)
{
	struct str parent = STR_INIT;
	json_t *req = json_object();
	char key[64];
	err_t e = of_platform(r) ? ERR_OK : resource_parent(&parent, cli, detail);

	if (!e) {
		if (!of_platform(r))
			json_object_set_new(req, "parent", json_string(str_text(&parent)));
		snprintf(key, sizeof(key), "%s_id", field_of(r));
		json_object_set_new(req, key, json_string(id));
		json_object_set(req, field_of(r), fields);
		json_object_set_new(req, "validate_only", json_boolean(dry_run(cli)));
		set_draft(req, cli);
		e = call(rm, r, "Create", req, ret, detail);
	} else {
		json_decref(req);
	}
	json_decref(fields);
	str_done(&parent);
	return e;
}

/* A field mask in JSON is lowerCamelCase. */
static void mask_append(struct str *mask, const char *field)
{
	if (mask->len)
		str_append_c(mask, ',');
	for (; *field; field++) {
		bool up = *field == '_' && field[1];

		field += up;
		str_append_c(mask, up ? (char)(*field - 'a' + 'A') : *field);
	}
}

/* Exactly what was named is changed, also to nothing: the mask is the keys. */
err_t resource_update(struct remote *rm, const struct cli *cli, const struct catalog_resource *r, const char *id,
		      json_t *fields, json_t **ret, struct err_detail *detail)
{
	struct str name = STR_INIT, mask = STR_INIT;
	json_t *req, *v;
	const char *key;
	err_t e = resource_name(&name, cli, r, id, detail);

	if (!e) {
		json_object_foreach(fields, key, v) mask_append(&mask, key);
		json_object_set_new(fields, "name", json_string(str_text(&name)));
		req = json_object();
		json_object_set(req, field_of(r), fields);
		json_object_set_new(req, "update_mask", json_string(str_text(&mask)));
		json_object_set_new(req, "validate_only", json_boolean(dry_run(cli)));
		set_draft(req, cli);
		e = call(rm, r, "Update", req, ret, detail);
	}
	json_decref(fields);
	str_done(&name);
	str_done(&mask);
	return e;
}

static err_t by_name(struct remote *rm, const struct cli *cli, const struct catalog_resource *r, const char *prefix,
		     const char *id, json_t **ret, struct err_detail *detail)
{
	struct str name = STR_INIT;
	json_t *req;
	err_t e = resource_name(&name, cli, r, id, detail);

	if (!e) {
		req = json_pack("{s:s}", "name", str_text(&name));
		if (strcmp(prefix, "Delete") == 0)
			json_object_set_new(req, "validate_only", json_boolean(dry_run(cli)));
		e = call(rm, r, prefix, req, ret, detail);
	}
	str_done(&name);
	return e;
}

err_t resource_get(struct remote *rm, const struct cli *cli, const struct catalog_resource *r, const char *id,
		   json_t **ret, struct err_detail *detail)
{
	return by_name(rm, cli, r, "Get", id, ret, detail);
}

/* ---- uploads ---- */
struct upload {
	FILE *file;
	json_t *header;
};

static err_t next_chunk(json_t **message, void *arg)
{
	static unsigned char chunk[192 * 1024];
	struct upload *u = arg;
	size_t n;

	*message = NULL;
	if (u->header) {
		*message = json_pack("{s:o}", "header", u->header);
		u->header = NULL;
		return ERR_OK;
	}
	n = fread(chunk, 1, sizeof(chunk), u->file);
	if (ferror(u->file))
		return ERR_DATA_LOSS;
	if (!n)
		return ERR_OK;
	*message = json_object();
	json_object_set_new(*message, "chunk", fields_base64(chunk, n));
	return ERR_OK;
}

err_t resource_send_file(struct remote *rm, const char *method, json_t *header, const char *file, json_t **ret,
			 struct err_detail *detail)
{
	struct upload u = { .file = fopen(file, "re") };

	if (!u.file)
		return err_set(detail, ERR_NOT_FOUND, "file", "%s cannot be read", file);
	u.header = json_incref(header);
	err_t e = remote_upload(rm, service_admin(), method, next_chunk, &u, ret, detail);
	json_decref(u.header);
	fclose(u.file);
	return e;
}

err_t resource_upload(struct remote *rm, const struct cli *cli, const char *id, const char *display_name,
		      const char *file, json_t **ret, struct err_detail *detail)
{
	struct str parent = STR_INIT;
	json_t *header = NULL;
	err_t e = resource_parent(&parent, cli, detail);

	if (!e) {
		header = json_pack("{s:s,s:s,s:s,s:b}", "parent", str_text(&parent), "prompt_id", id, "display_name",
				   display_name ? display_name : "", "validate_only", dry_run(cli));
		e = resource_send_file(rm, "UploadPrompt", header, file, ret, detail);
	}
	json_decref(header);
	str_done(&parent);
	return e;
}

/* ---- passwords: never in the list of processes ---- */
err_t resource_password(const struct cli *cli, char *buf, size_t size, struct err_detail *detail)
{
	struct termios before, quiet;
	bool tty = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;
	bool ok;

	if (tty) {
		fprintf(stderr, "%s: ", text_get(cli->language, "Password"));
		quiet = before;
		quiet.c_lflag &= ~(tcflag_t)ECHO;
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	}
	ok = fgets(buf, (int)size, stdin) != NULL;
	if (tty) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		fputc('\n', stderr);
	}
	if (ok)
		buf[strcspn(buf, "\r\n")] = '\0';
	return ok && *buf ? ERR_OK : err_set(detail, ERR_INVALID, "password", "must be on standard input");
}

/* ---- verbs ---- */
static bool own_flag(const char *name)
{
	static const char *const own[] = { "password-stdin", "dry-run", "file", "draft-only" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		if (strcmp(own[i], name) == 0)
			return true;
	}
	return false;
}

static err_t fields_of(json_t **ret, const struct cli *cli, const struct catalog_resource *r, struct err_detail *detail)
{
	const ProtobufCMessageDescriptor *desc = catalog_message_of(r);
	json_t *fields = json_object();
	char password[256];
	err_t e = ERR_OK;

	for (int i = 0; !e && i < cli->n_flags; i++)
		if (!own_flag(cli->flags[i].name))
			e = fields_set(fields, desc, cli->flags[i].name, cli->flags[i].value, detail);
	if (!e && cli_flag(cli, "password-stdin")) {
		e = resource_password(cli, password, sizeof(password), detail);
		if (!e)
			e = fields_set(fields, desc, "password", password, detail);
		explicit_bzero(password, sizeof(password));
	}
	if (e)
		json_decref(fields);
	else
		*ret = fields;
	return e;
}

static void show(const struct cli *cli, json_t *v)
{
	if (cli->json)
		show_json(v, false);
	else
		show_message(v);
	json_decref(v);
}

static err_t change(const struct cli *cli, const struct catalog_verb *v, bool create, struct err_detail *detail)
{
	const struct catalog_resource *r = catalog_resource(v->noun);
	struct remote *rm = NULL;
	json_t *fields = NULL, *result = NULL;
	err_t e = fields_of(&fields, cli, r, detail);

	if (e)
		return e;
	if (!create && !json_object_size(fields)) {
		json_decref(fields);
		return err_set(detail, ERR_INVALID, "", "nothing to change: name fields as options, see --help");
	}
	e = remote_open(&rm, cli, v->server, detail);
	if (e)
		json_decref(fields);
	else
		e = (create ? resource_create : resource_update)(rm, cli, r, cli->words[2], fields, &result, detail);
	if (!e)
		show(cli, result);
	remote_close(&rm);
	return e;
}

err_t run_create(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	return change(cli, v, true, detail);
}

err_t run_update(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	return change(cli, v, false, detail);
}

err_t run_get(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	struct remote *rm = NULL;
	json_t *result = NULL;
	err_t e = cli_only(cli, (const char *const[]){ NULL }, detail);

	if (!e)
		e = remote_open(&rm, cli, v->server, detail);
	if (!e)
		e = resource_get(rm, cli, catalog_resource(v->noun), cli->words[2], &result, detail);
	if (!e)
		show(cli, result);
	remote_close(&rm);
	return e;
}

err_t run_delete(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	struct remote *rm = NULL;
	json_t *result = NULL;
	err_t e = cli_only(cli, (const char *const[]){ "dry-run", NULL }, detail);

	if (!e)
		e = remote_open(&rm, cli, v->server, detail);
	if (!e)
		e = by_name(rm, cli, catalog_resource(v->noun), "Delete", cli->words[2], &result, detail);
	if (!e && cli->json)
		show_json(result, false);
	else if (!e)
		text_print(stdout, cli->language, "%s %s %s", v->noun, cli->words[2],
			   dry_run(cli) ? "can be deleted" : "deleted");
	json_decref(result);
	remote_close(&rm);
	return e;
}

/* A method of a tenant as a whole: its id is the word, the other fields of the request are flags. */
err_t run_tenant(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const ProtobufCMessageDescriptor *desc = catalog_flags_of(v);
	struct str name = STR_INIT;
	struct remote *rm = NULL;
	json_t *req = json_object(), *result = NULL;
	err_t e = resource_name(&name, cli, catalog_resource(v->noun), cli->words[2], detail);

	for (int i = 0; !e && i < cli->n_flags; i++)
		if (!own_flag(cli->flags[i].name))
			e = fields_set(req, desc, cli->flags[i].name, cli->flags[i].value, detail);
	if (!e) {
		json_object_set_new(req, "name", json_string(str_text(&name)));
		if (dry_run(cli))
			json_object_set_new(req, "validate_only", json_true());
		e = remote_open(&rm, cli, v->server, detail);
	}
	if (!e)
		e = remote_call(rm, v->service, v->method, req, &result, detail);
	if (!e)
		show(cli, result);
	json_decref(req);
	str_done(&name);
	remote_close(&rm);
	return e;
}

err_t run_upload_prompt(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const char *file = cli_value(cli, "file", "must name the audio file", detail);
	const struct cli_flag *name = cli_flag(cli, "display-name");
	struct remote *rm = NULL;
	json_t *result = NULL;
	err_t e = cli_only(cli, (const char *const[]){ "file", "display-name", "dry-run", NULL }, detail);

	if (e || !file)
		return ERR_INVALID;
	e = remote_open(&rm, cli, v->server, detail);
	if (!e)
		e = resource_upload(rm, cli, cli->words[2], name ? name->value : NULL, file, &result, detail);
	if (!e)
		show(cli, result);
	remote_close(&rm);
	return e;
}
