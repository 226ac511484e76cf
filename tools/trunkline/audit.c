/* audit verify: the chain of a tenant's audit, or of the platform's, recomputed here, from what the service lists, so that neither the database
 * nor the service has to be trusted. */
#include "resource.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "auditchain/auditchain.h"
#include "base/mem.h"

#define PAGE_SIZE      500
#define PROGRESS_EVERY 5000

struct audit {
	const struct cli *cli;
	const struct catalog_verb *verb;
	const char *tenant; /* "": the platform */
	struct auditchain chain;
	/* as the service says it is, at the last page */
	uint64_t head_seq;
	unsigned char head[AUDITCHAIN_HASH];
	size_t head_size;
	/* --head */
	bool wanted;
	unsigned char kept[AUDITCHAIN_HASH];
	uint64_t kept_seq; /* which entry has it; 0: none so far */
};

static const char *whose(const struct audit *a)
{
	return *a->tenant ? a->tenant : "(platform)";
}

static uint64_t number(const json_t *o, const char *key)
{
	return (uint64_t)show_number(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* Heap memory in ret->data: free_bytes(). */
static err_t bytes(const json_t *o, const char *key, struct auditchain_bytes *ret)
{
	unsigned char *data;
	err_t e = fields_base64_decode(text(o, key), &data, &ret->size);

	if (!e)
		ret->data = data;
	return e;
}

static void free_bytes(struct auditchain_bytes *b)
{
	mem_free((void *)b->data);
}

/* ---- entry by entry ---- */

static err_t take_entry(struct audit *a, const json_t *o)
{
	struct auditchain_entry entry = { .seq = number(o, "seq"),
					  .time_us = show_number(json_object_get(o, "time_us")),
					  .actor = text(o, "actor"),
					  .action = text(o, "action"),
					  .resource = text(o, "resource"),
					  .peer = text(o, "peer") };
	struct auditchain_bytes hash = { 0 };
	err_t e = bytes(o, "before", &entry.before);

	if (!e)
		e = bytes(o, "after", &entry.after);
	if (!e)
		e = bytes(o, "hash", &hash);
	if (!e)
		e = auditchain_add(&a->chain, &entry, hash.data, hash.size);
	if (!e && !auditchain_broken(&a->chain) && a->wanted && memcmp(a->chain.hash, a->kept, AUDITCHAIN_HASH) == 0)
		a->kept_seq = entry.seq;
	free_bytes(&entry.before);
	free_bytes(&entry.after);
	free_bytes(&hash);
	return e;
}

static err_t take_head(struct audit *a, const json_t *page)
{
	struct auditchain_bytes head = { 0 };
	err_t e = bytes(page, "head_hash", &head);

	a->head_seq = number(page, "head_seq");
	a->head_size = head.size <= sizeof(a->head) ? head.size : 0;
	if (a->head_size)
		memcpy(a->head, head.data, a->head_size);
	free_bytes(&head);
	return e;
}

/* On standard error: a long audit takes minutes, and what comes out is for programs. */
static void progress(const struct audit *a, uint64_t before)
{
	if (a->chain.entries / PROGRESS_EVERY != before / PROGRESS_EVERY)
		text_print(stderr, a->cli->language, "%s: %" PRIu64 " of %" PRIu64 " entries", whose(a),
			   a->chain.entries, a->head_seq);
}

static err_t take_page(struct audit *a, const json_t *page)
{
	const json_t *entries = json_object_get(page, "entries"), *o;
	uint64_t before = a->chain.entries;
	err_t e = take_head(a, page);
	size_t i;

	json_array_foreach((json_t *)entries, i, o)
	{
		if (!e)
			e = take_entry(a, o);
	}
	progress(a, before);
	return e;
}

/* An empty page is the last one, whatever it says: each must bring the chain on. */
static bool is_last(const struct audit *a, const json_t *page)
{
	return auditchain_broken(&a->chain) || !*text(page, "next_page_token") ||
	       !json_array_size(json_object_get(page, "entries"));
}

static err_t read_all(struct audit *a, struct remote *rm, json_t *req, struct err_detail *detail)
{
	bool last = false;
	err_t e = ERR_OK;

	while (!e && !last) {
		json_t *page = NULL;

		e = remote_call(rm, a->verb->service, "ListAuditEntries", req, &page, detail);
		if (!e)
			e = take_page(a, page);
		if (!e) {
			last = is_last(a, page);
			json_object_set(req, "page_token", json_object_get(page, "next_page_token"));
		}
		json_decref(page);
	}
	if (!e)
		auditchain_end(&a->chain, a->head_seq, a->head, a->head_size);
	return e;
}

/* The service's own word: quick, and worth what the service is worth. */
static err_t ask_service(struct audit *a, struct remote *rm, json_t *req, struct err_detail *detail)
{
	json_t *answer = NULL;
	err_t e = remote_call(rm, a->verb->service, a->verb->method, req, &answer, detail);

	if (!e)
		e = take_head(a, answer);
	if (!e) {
		a->chain.entries = number(answer, "entries");
		a->chain.bad_seq = number(answer, "first_bad_seq");
		memcpy(a->chain.hash, a->head, sizeof(a->head));
		(void)str_copy(a->chain.why.message, sizeof(a->chain.why.message), text(answer, "reason"));
	}
	json_decref(answer);
	return e;
}

/* ---- what came of it ---- */

static err_t judge(const struct audit *a, struct err_detail *detail)
{
	struct str why = STR_INIT;
	err_t e = ERR_OK;

	if (auditchain_broken(&a->chain)) {
		(void)text_detail(&why, a->cli->language, &a->chain.why);
		e = err_set(detail, ERR_DATA_LOSS, "audit", "the chain of %s does not hold: %s", whose(a),
			    str_text(&why));
		str_done(&why);
		return e;
	}
	if (a->wanted && !a->kept_seq)
		return err_set(detail, ERR_DATA_LOSS, "--head",
			       "no entry of %s has this hash: since it was kept the audit was cut or written anew, "
			       "or it is another tenant's",
			       whose(a));
	return ERR_OK;
}

static void show_result(const struct audit *a, const char *head)
{
	enum text_language l = a->cli->language;

	text_print(stdout, l, "%s: %" PRIu64 " entries, the chain holds", whose(a), a->chain.entries);
	if (a->kept_seq)
		text_print(stdout, l, "the head that was given is entry %" PRIu64, a->kept_seq);
	if (a->chain.entries)
		text_print(stdout, l, "head: %s", head);
}

static void show_result_json(const struct audit *a, err_t e, const char *head)
{
	json_t *o = json_pack("{s:s,s:I,s:b,s:I,s:s,s:s}", "tenant", a->tenant, "entries", (json_int_t)a->chain.entries,
			      "ok", e == ERR_OK, "first_bad_seq", (json_int_t)a->chain.bad_seq, "reason",
			      a->chain.why.message, "head", head);

	if (a->kept_seq)
		json_object_set_new(o, "given_head_seq", json_integer((json_int_t)a->kept_seq));
	show_json(o, false);
	json_decref(o);
}

static err_t tell(const struct audit *a, struct err_detail *detail)
{
	char head[AUDITCHAIN_HEX] = "";
	err_t e = judge(a, detail);

	if (a->chain.entries)
		(void)auditchain_to_hex(a->chain.hash, head);
	if (a->cli->json)
		show_result_json(a, e, head);
	else if (!e)
		show_result(a, head);
	return e;
}

/* ---- the command ---- */

static err_t options(struct audit *a, struct err_detail *detail)
{
	const struct cli_flag *head = cli_flag(a->cli, "head");
	err_t e = cli_only(a->cli, (const char *const[]){ "head", "by-service", "platform", NULL }, detail);

	if (e || !head)
		return e;
	a->wanted = true;
	if (cli_flag(a->cli, "by-service"))
		return err_set(detail, ERR_INVALID, "--head",
			       "is compared with each entry, which --by-service does not read");
	if (!head->value || auditchain_from_hex(head->value, a->kept))
		return err_set(detail, ERR_INVALID, "--head",
			       "must be the 64 hexadecimal digits that an earlier verification printed");
	return ERR_OK;
}

err_t run_audit_verify(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	struct audit a = { .cli = cli, .verb = v, .tenant = "" };
	struct str parent = STR_INIT;
	struct remote *rm = NULL;
	json_t *req = NULL;
	bool by_service = cli_flag(cli, "by-service") != NULL, platform = cli_flag(cli, "platform") != NULL;
	err_t e = options(&a, detail);

	if (!e && !platform)
		e = cli_tenant(cli, &a.tenant, detail);
	if (!e && !platform)
		e = resource_parent(&parent, cli, detail);
	if (!e)
		e = remote_open(&rm, cli, v->server, detail);
	if (!e) {
		req = by_service ? json_pack("{s:s}", "parent", str_text(&parent))
				 : json_pack("{s:s,s:b,s:i}", "parent", str_text(&parent), "oldest_first", 1,
					     "page_size", PAGE_SIZE);
		e = by_service ? ask_service(&a, rm, req, detail) : read_all(&a, rm, req, detail);
	}
	if (!e)
		e = tell(&a, detail);
	json_decref(req);
	str_done(&parent);
	remote_close(&rm);
	return e;
}
