/* import agents|numbers: a table is sent, its import watched to the end, what was wrong with it shown row by row. */
#include "resource.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US 300000

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static int64_t number(const json_t *o, const char *key)
{
	return show_number(json_object_get(o, key));
}

/* ---- what is asked for ---- */

/* Each --map "Employee no.=id". */
static err_t columns(json_t **ret, const struct cli *cli, struct err_detail *detail)
{
	json_t *list = json_array();

	for (int i = 0; i < cli->n_flags; i++) {
		const char *value = cli->flags[i].value, *eq = value ? strrchr(value, '=') : NULL;

		if (strcmp(cli->flags[i].name, "map") != 0)
			continue;
		if (!eq || eq == value || !eq[1]) {
			json_decref(list);
			return err_set(detail, ERR_INVALID, "--map", "must be HEADER=FIELD, such as 'Employee no.=id'");
		}
		json_array_append_new(list,
				      json_pack("{s:s#,s:s}", "header", value, (int)(eq - value), "field", eq + 1));
	}
	*ret = list;
	return ERR_OK;
}

static void set_text(json_t *header, const char *key, const struct cli *cli, const char *flag)
{
	const struct cli_flag *f = cli_flag(cli, flag);

	if (f && f->value)
		json_object_set_new(header, key, json_string(f->value));
}

static err_t make_header(json_t **ret, const struct cli *cli, struct err_detail *detail)
{
	const char *file = cli->words[2], *slash = strrchr(file, '/');
	struct str parent = STR_INIT;
	json_t *list = NULL;
	err_t e =
	    cli_only(cli,
		     (const char *const[]){ "dry-run", "good-rows", "charset", "map", "request-id", "no-wait", NULL },
		     detail);

	if (!e)
		e = resource_parent(&parent, cli, detail);
	if (!e)
		e = columns(&list, cli, detail);
	if (!e) {
		*ret = json_pack("{s:s,s:s,s:s,s:o,s:b,s:b}", "parent", str_text(&parent), "kind",
				 strcmp(cli->words[1], "agents") == 0 ? "IMPORT_KIND_AGENTS" : "IMPORT_KIND_NUMBERS",
				 "file_name", slash ? slash + 1 : file, "columns", list, "good_rows_only",
				 cli_flag(cli, "good-rows") != NULL, "validate_only", cli_flag(cli, "dry-run") != NULL);
		set_text(*ret, "charset", cli, "charset");
		set_text(*ret, "request_id", cli, "request-id");
	}
	str_done(&parent);
	return e;
}

/* ---- how it goes ---- */

static bool is_running(const json_t *m)
{
	return strcmp(text(m, "state"), "IMPORT_STATE_RUNNING") == 0;
}

/* On standard error, one line that is written over; only where somebody looks. */
static void progress(const json_t *m, bool last)
{
	int64_t done = number(m, "rows_good") + number(m, "rows_bad");

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r%" PRId64 " of %" PRId64 " rows checked, %" PRId64 " bad%s", done, number(m, "rows_read"),
		number(m, "rows_bad"), last ? "\n" : "");
}

/* *m: as it was, then as it is at its end. */
static err_t watch(struct remote *rm, json_t **m, struct err_detail *detail)
{
	json_t *req = json_pack("{s:O}", "name", json_object_get(*m, "name"));
	err_t e = ERR_OK;

	while (!e && is_running(*m)) {
		json_t *now = NULL;

		usleep(LOOK_US);
		e = remote_call(rm, service_admin(), "GetImport", req, &now, detail);
		if (!e) {
			json_decref(*m);
			*m = now;
			progress(now, !is_running(now));
		}
	}
	json_decref(req);
	return e;
}

/* ---- what came of it ---- */

static void show_columns(const json_t *m)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(m, "columns"), i, c)
	{
		const char *field = text(c, "field");

		printf("column %-24s %s%s\n", text(c, "header"), *field ? "is " : "is not used", field);
	}
}

static void show_preview(const json_t *m)
{
	json_t *row, *cell;
	size_t i, k;

	json_array_foreach(json_object_get(m, "preview"), i, row)
	{
		printf("%6" PRId64, number(row, "row"));
		json_array_foreach(json_object_get(row, "cells"), k, cell) printf("  %s", json_string_value(cell));
		putchar('\n');
	}
}

static void show_errors(const struct cli *cli, const json_t *m)
{
	const json_t *errors = json_object_get(m, "errors");
	json_t *e;
	size_t i;

	if (json_array_size(errors))
		printf("%6s  %-20s %-24s %s\n", "ROW", "COLUMN", "FIELD", "WHAT WOULD BE RIGHT");
	json_array_foreach((json_t *)errors, i, e)
	{
		printf("%6" PRId64 "  %-20s %-24s %s\n", number(e, "row"), text(e, "column"), text(e, "field"),
		       text(e, "message"));
	}
	if ((size_t)number(m, "rows_bad") > json_array_size(errors))
		text_print(stdout, cli->language, "… and %" PRId64 " more",
			   number(m, "rows_bad") - (int64_t)json_array_size(errors));
}

static void show_import(const struct cli *cli, const json_t *m)
{
	bool dry = json_is_true(json_object_get(m, "validate_only"));

	if (dry) {
		show_columns(m);
		show_preview(m);
	}
	show_errors(cli, m);
	text_print(stdout, cli->language,
		   dry ? "%s: %" PRId64 " rows, %" PRId64 " bad, %" PRId64 " could be written"
		       : "%s: %" PRId64 " rows, %" PRId64 " bad, %" PRId64 " written",
		   text(m, "name"), number(m, "rows_read"), number(m, "rows_bad"), number(m, "rows_applied"));
}

static err_t judge(const json_t *m, struct err_detail *detail)
{
	if (strcmp(text(m, "state"), "IMPORT_STATE_FAILED") == 0)
		return err_set(detail, ERR_PRECONDITION, "import", "%s", text(m, "error"));
	if (strcmp(text(m, "state"), "IMPORT_STATE_CANCELLED") == 0)
		return err_set(detail, ERR_CANCELLED, "import", "it was cancelled; nothing is written");
	return ERR_OK;
}

err_t run_import(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	struct remote *rm = NULL;
	json_t *header = NULL, *m = NULL;
	err_t e = make_header(&header, cli, detail);

	if (!e)
		e = remote_open(&rm, cli, v->server, detail);
	if (!e)
		e = resource_send_file(rm, v->method, header, cli->words[2], &m, detail);
	if (!e && !cli_flag(cli, "no-wait"))
		e = watch(rm, &m, detail);
	if (!e && cli->json)
		show_json(m, false);
	else if (!e)
		show_import(cli, m);
	if (!e)
		e = judge(m, detail);
	json_decref(header);
	json_decref(m);
	remote_close(&rm);
	return e;
}
