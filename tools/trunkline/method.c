/* Any method: flags and words become the request, the answer is shown as a message or, page by page, as a table. */
#include "resource.h"

#include <stdio.h>
#include <string.h>

#define PAGES_MAX 10000

/* Words after noun and verb, for the fields that args names. */
static err_t positional(json_t *req, const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const ProtobufCMessageDescriptor *desc = catalog_flags_of(v);
	const char *args = v->args;
	char name[64];
	err_t e = ERR_OK;

	for (int i = 2; !e && i < cli->n_words; i++) {
		size_t n = strcspn(args, " ?");

		snprintf(name, sizeof(name), "%.*s", (int)n, args);
		e = fields_set(req, desc, name, cli->words[i], detail);
		args += n + strspn(args + n, " ?");
	}
	return e;
}

/* Fields that say for whom: filled in where the request has them. */
static err_t context(json_t *req, const struct cli *cli, const ProtobufCMessageDescriptor *desc,
		     struct err_detail *detail)
{
	struct str parent = STR_INIT;
	const char *tenant;
	/* Operators have some of their own, without a tenant. */
	bool own = cli_flag(cli, "platform") ||
		   (strcmp(desc->short_name, "ListTokensRequest") == 0 && cli_tenant(cli, &tenant, NULL));
	err_t e = ERR_OK;

	if (protobuf_c_message_descriptor_get_field_by_name(desc, "parent") && !json_object_get(req, "parent") &&
	    !own) {
		e = resource_parent(&parent, cli, detail);
		if (!e)
			json_object_set_new(req, "parent", json_string(str_text(&parent)));
		str_done(&parent);
	}
	if (protobuf_c_message_descriptor_get_field_by_name(desc, "tenant") && !json_object_get(req, "tenant") &&
	    !cli_tenant(cli, &tenant, NULL))
		json_object_set_new(req, "tenant", json_string(tenant));
	return e;
}

/* Flags that the command itself reads, not the request. */
static bool own_flag(const char *name)
{
	return strcmp(name, "output") == 0 || strcmp(name, "platform") == 0;
}

err_t method_request(json_t **ret, const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const ProtobufCMessageDescriptor *desc = catalog_flags_of(v);
	json_t *req = json_object();
	err_t e = positional(req, cli, v, detail);

	for (int i = 0; !e && i < cli->n_flags; i++)
		if (!own_flag(cli->flags[i].name))
			e = fields_set(req, desc, cli->flags[i].name, cli->flags[i].value, detail);
	if (!e)
		e = context(req, cli, desc, detail);
	if (e)
		json_decref(req);
	else
		*ret = req;
	return e;
}

err_t run_method(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	struct remote *rm = NULL;
	json_t *req = NULL, *resp = NULL;
	err_t e = method_request(&req, cli, v, detail);

	if (!e)
		e = remote_open(&rm, cli, v->server, detail);
	if (!e)
		e = remote_call(rm, v->service, v->method, req, &resp, detail);
	if (!e && cli->json)
		show_json(resp, false);
	else if (!e)
		show_message(resp);
	json_decref(req);
	json_decref(resp);
	remote_close(&rm);
	return e;
}

err_t method_pages(struct remote *rm, const struct catalog_verb *v, json_t *req, json_t **ret,
		   struct err_detail *detail)
{
	bool one = json_object_get(req, "page_size") != NULL;
	json_t *first = NULL;

	for (int page = 0; page < PAGES_MAX; page++) {
		json_t *resp = NULL, *token;
		err_t e = remote_call(rm, v->service, v->method, req, &resp, detail);

		if (e) {
			json_decref(first);
			return e;
		}
		token = json_object_get(resp, "next_page_token");
		if (!one && token && json_string_length(token))
			json_object_set(req, "page_token", token);
		else
			token = NULL;
		if (first) {
			json_array_extend(json_object_get(first, v->list), json_object_get(resp, v->list));
			json_object_del(first, "next_page_token");
			json_decref(resp);
		} else {
			first = resp;
		}
		if (!token)
			break;
	}
	*ret = first;
	return ERR_OK;
}

err_t method_table(const struct cli *cli, const struct catalog_verb *v, json_t *req, struct err_detail *detail)
{
	struct remote *rm = NULL;
	json_t *resp = NULL;
	err_t e = remote_open(&rm, cli, v->server, detail);

	if (!e)
		e = method_pages(rm, v, req, &resp, detail);
	if (!e && cli->json)
		show_json(resp, false);
	else if (!e)
		table_print(json_object_get(resp, v->list), v->columns);
	json_decref(resp);
	json_decref(req);
	remote_close(&rm);
	return e;
}

err_t run_table(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	json_t *req = NULL;
	err_t e = method_request(&req, cli, v, detail);

	return e ? e : method_table(cli, v, req, detail);
}

err_t run_list(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	return run_table(cli, v, detail);
}
