/* flow publish, rollback, versions, version: by the flow's id. */
#include "resource.h"

#include <stdio.h>

/* The request of the method, with the flow's resource name, and what follows it, in field. */
static err_t flow_request(json_t **ret, const struct cli *cli, const struct catalog_verb *v, const char *field,
			  const char *after, struct err_detail *detail)
{
	struct str name = STR_INIT;
	json_t *req = NULL;
	err_t e = method_request(&req, cli, v, detail);

	if (!e)
		e = resource_name(&name, cli, catalog_resource("flow"), cli->words[2], detail);
	str_append(&name, after);
	if (!e && name.failed)
		e = ERR_EXHAUSTED;
	if (!e) {
		json_object_set_new(req, field, json_string(str_text(&name)));
		*ret = req;
	} else {
		json_decref(req);
	}
	str_done(&name);
	return e;
}

/* req is taken over. */
static err_t ask(const struct cli *cli, const struct catalog_verb *v, json_t *req, struct err_detail *detail)
{
	struct remote *rm = NULL;
	json_t *answer = NULL;
	err_t e = remote_open(&rm, cli, v->server, detail);

	if (!e)
		e = remote_call(rm, v->service, v->method, req, &answer, detail);
	if (!e && cli->json)
		show_json(answer, false);
	else if (!e)
		show_message(answer);
	json_decref(req);
	json_decref(answer);
	remote_close(&rm);
	return e;
}

err_t run_flow_publish(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	json_t *req = NULL;
	err_t e = flow_request(&req, cli, v, "name", "", detail);

	return e ? e : ask(cli, v, req, detail);
}

err_t run_flow_versions(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	json_t *req = NULL;
	err_t e = flow_request(&req, cli, v, "parent", "", detail);

	return e ? e : method_table(cli, v, req, detail);
}

/* "main 7" */
err_t run_flow_version(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	struct cli flow = *cli;
	struct str after = STR_INIT;
	json_t *req = NULL;

	str_printf(&after, "/versions/%s", cli->words[3]);
	flow.n_words = 3;
	err_t e = after.failed ? ERR_EXHAUSTED : flow_request(&req, &flow, v, "name", str_text(&after), detail);
	str_done(&after);
	return e ? e : ask(cli, v, req, detail);
}
