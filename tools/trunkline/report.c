/* What is more than one table or message: the summary, and a recording's audio. */
#include "resource.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"

/* ---- summary ---- */
static void show_summary(const struct cli *cli, const json_t *s)
{
	int64_t lag = show_number(json_object_get(s, "lag_records"));
	json_t *totals = json_pack("[O]", json_object_get(s, "totals"));

	table_print(totals, "CALLS=calls,ANSWERED=answered,ABANDONED=abandoned,IVR=ivr,REFUSED=refused,FAILED=failed");
	json_decref(totals);
	if (json_array_size(json_object_get(s, "queues"))) {
		puts("");
		table_print(json_object_get(s, "queues"), CATALOG_QUEUE_COLUMNS);
	}
	if (json_array_size(json_object_get(s, "agents"))) {
		puts("");
		table_print(json_object_get(s, "agents"), CATALOG_AGENT_COLUMNS);
	}
	if (lag)
		puts("");
	if (lag > 0)
		text_print(stdout, cli->language, "Not yet counted: %lld records", (long long)lag);
	else if (lag < 0)
		text_print(stdout, cli->language, "It is not known how many records are not yet counted");
}

err_t run_report_summary(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
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
		show_summary(cli, resp);
	json_decref(req);
	json_decref(resp);
	remote_close(&rm);
	return e;
}

/* ---- recording fetch ---- */
struct fetch {
	const char *output; /* NULL: as proposed */
	char path[512], part[520];
	FILE *file;
	uint64_t written, total;
	err_t e;
	struct err_detail *detail;
};

/* The name comes from the network: only its last part, nothing hidden. */
static void choose_path(struct fetch *f, const char *proposed)
{
	const char *slash = strrchr(proposed, '/'), *name = slash ? slash + 1 : proposed;

	if (f->output)
		(void)str_copy(f->path, sizeof(f->path), f->output);
	else
		(void)str_copy(f->path, sizeof(f->path), *name && *name != '.' ? name : "recording");
	for (char *p = f->path; !f->output && *p; p++)
		if ((unsigned char)*p <= ' ')
			*p = '_';
}

static err_t open_output(struct fetch *f, const char *proposed)
{
	choose_path(f, proposed);
	if (strcmp(f->path, "-") == 0) {
		f->file = stdout;
		return ERR_OK;
	}
	snprintf(f->part, sizeof(f->part), "%s.part", f->path);
	f->file = fopen(f->part, "we");
	return f->file ? ERR_OK
		       : err_set(f->detail, err_from_errno(errno), "--output", "%s: %s", f->part, strerror(errno));
}

static err_t write_chunk(struct fetch *f, const char *base64)
{
	unsigned char *bytes;
	size_t n;
	err_t e = fields_base64_decode(base64, &bytes, &n);

	if (e)
		return e;
	if (fwrite(bytes, 1, n, f->file) != n)
		e = err_set(f->detail, err_from_errno(errno), "--output", "%s: %s", f->path, strerror(errno));
	f->written += n;
	mem_free(bytes);
	return e;
}

static bool on_chunk(json_t *m, void *arg)
{
	struct fetch *f = arg;
	const char *name = json_string_value(json_object_get(m, "file_name")),
		   *data = json_string_value(json_object_get(m, "data"));

	if (!f->file) {
		f->total = (uint64_t)show_number(json_object_get(m, "total_bytes"));
		f->e = open_output(f, name ? name : "");
	}
	if (!f->e)
		f->e = write_chunk(f, data ? data : "");
	return !f->e;
}

/* Only a whole file gets its name. */
static err_t finish(struct fetch *f, err_t e)
{
	bool out = f->file == stdout;

	if (f->file && (out ? fflush(f->file) : fclose(f->file)) && !e)
		e = err_set(f->detail, ERR_DATA_LOSS, "--output", "%s cannot be written", f->path);
	if (!e && (!f->file || (f->total && f->written != f->total)))
		e = err_set(f->detail, ERR_DATA_LOSS, "", "%llu of %llu bytes came", (unsigned long long)f->written,
			    (unsigned long long)f->total);
	if (!e && !out && rename(f->part, f->path) < 0)
		e = err_set(f->detail, err_from_errno(errno), "--output", "%s: %s", f->path, strerror(errno));
	if (e && f->file && !out)
		unlink(f->part);
	return e;
}

err_t run_recording_fetch(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const struct cli_flag *output = cli_flag(cli, "output");
	struct fetch f = { .output = output ? output->value : NULL, .detail = detail };
	struct remote *rm = NULL;
	json_t *req = NULL;
	err_t e = method_request(&req, cli, v, detail);

	if (!e)
		e = remote_open(&rm, cli, v->server, detail);
	if (!e) {
		e = remote_stream(rm, v->service, v->method, req, on_chunk, &f, detail);
		e = finish(&f, f.e ? f.e : e);
	}
	if (!e && cli->json && f.file != stdout) {
		json_t *done = json_pack("{s:s,s:I}", "file", f.path, "size_bytes", (json_int_t)f.written);

		show_json(done, false);
		json_decref(done);
	} else if (!e && f.file != stdout)
		text_print(stdout, cli->language, "%s: %llu bytes", f.path, (unsigned long long)f.written);
	json_decref(req);
	remote_close(&rm);
	return e;
}
