/*
 * tenant onboard PLAN: takes a new tenant from its requirement to live work, stage by stage (PJ-1; docs/onboarding.md).
 *
 * The design: each stage is a function that looks at what the services hold, does what is its to do, and says whether it is done; the
 * first that is not ends the run, and the next run begins at the first again. So there is no state to resume from but the facts:
 * resources are compared with the plan (a dry run of the service's own) and written where they differ; calls of the acceptance are
 * records of calls between the last change of the routing (audit) and the begin of the trial; the trial is a report over its days;
 * live is who has the quotas of production. Why nothing is kept: onboard.h.
 */
#include "onboard.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

#define LOOK_US	     1000000
#define WAIT_MS	     600000 /* unless --wait says otherwise */
#define PUBLISH_MS   30000
#define LAG_GRACE_MS 300000 /* from then on what reporting has not counted is of other tenants and other days, too */

struct run {
	const struct cli *cli; /* for this tenant; never a dry run */
	struct remote *admin, *reporting;
	struct onboard o;
	bool dry, go_live, live; /* live: it has the quotas of production */
	int64_t wait_until_ms;	 /* monotonic */
	const char *report;
};

/* A line for who watches. */
static void say(const struct run *r, const char *what, const char *name, const char *rest)
{
	if (!r->cli->json) {
		printf("%-12s %s%s%s\n", what, name, *rest ? ": " : "", rest);
		fflush(stdout);
	}
}

static bool may_wait(const struct run *r)
{
	return !r->dry && clock_mono_ms() < r->wait_until_ms;
}

/* ---- the services ---- */
static err_t tenant_get(struct run *r, json_t **ret, struct err_detail *detail)
{
	return resource_get(r->admin, r->cli, catalog_resource("tenant"), r->o.plan.tenant, ret, detail);
}

/* A list of a service, all pages. req is taken over. */
static err_t all_of(struct run *r, const char *noun, json_t *req, json_t **ret, struct err_detail *detail)
{
	const struct catalog_verb v = *catalog_find(noun, "list");
	json_t *resp = NULL;
	err_t e;

	json_object_set_new(req, "parent", json_sprintf("tenants/%s", r->o.plan.tenant));
	e = method_pages(v.server == SERVER_ADMIN ? r->admin : r->reporting, &v, req, &resp, detail);
	if (!e)
		*ret = json_incref(json_object_get(resp, v.list));
	json_decref(resp);
	json_decref(req);
	return e;
}

/* ---- plan ---- */

/* Is it live? And what quotas the tenant is to have until it goes live. Those that somebody else has set are his: a tenant that has
 * gone live may have been given more since. */
static err_t find_live(struct run *r, struct err_detail *detail)
{
	const struct onboard_plan *p = &r->o.plan;
	json_t *tenant = NULL, *none = json_object();
	err_t e = tenant_get(r, &tenant, detail);
	const json_t *has = json_object_get(tenant, "quotas");

	if (e == ERR_NOT_FOUND || (!e && onboard_quotas_equal(has, none))) {
		json_object_set(p->resources.items[0].json, "quotas", p->trial_quotas);
		e = ERR_OK;
	} else if (!e && onboard_quotas_equal(has, p->production_quotas)) {
		r->live = true;
	} else if (!e && !r->go_live && !onboard_quotas_equal(has, p->trial_quotas)) {
		e = err_set(detail, ERR_PRECONDITION, "quotas",
			    "the tenant has others than quotas.trial and quotas.production: put them into the plan, or "
			    "give it the plan's (tenant update)");
	}
	json_decref(tenant);
	json_decref(none);
	return e;
}

static err_t compare(struct run *r, struct err_detail *detail)
{
	struct onboard *o = &r->o;
	size_t n = o->plan.resources.n;
	bool complete = true; /* all that others refer to is there */
	err_t e = find_live(r, detail);

	o->changes = o->changes ? o->changes : mem_array(n, sizeof(*o->changes));
	if (!o->changes)
		return ERR_EXHAUSTED;
	memset(o->changes, 0, n * sizeof(*o->changes));
	for (size_t i = 0; !e && i < n; i++) {
		e = apply_compare(r->admin, r->cli, &o->plan.resources.items[i], o->plan.resources.file,
				  complete || i == 0, &o->changes[i], detail);
		complete = complete && o->changes[i] != APPLY_NEW;
	}
	if (e) {
		mem_free(o->changes);
		o->changes = NULL;
	}
	return e;
}

static size_t different(const struct onboard *o)
{
	size_t n = 0;

	for (size_t i = 0; i < o->plan.resources.n; i++)
		n += o->changes[i] != APPLY_SAME;
	return n;
}

static err_t run_requirement(struct run *r, struct onboard_stage *s)
{
	(void)r; /* the plan has been read and checked, or there would be no run */
	s->state = ONBOARD_DONE;
	return ERR_OK;
}

static err_t run_plan(struct run *r, struct onboard_stage *s)
{
	bool enough = onboard_judge_quotas(&r->o.plan, r->o.quotas);
	err_t e = compare(r, &s->detail);

	if (!e && !enough)
		e = err_set(&s->detail, ERR_PRECONDITION, "quotas", "do not suffice: the report says which");
	s->state = e ? ONBOARD_MISSED : ONBOARD_DONE;
	return e;
}

/* ---- resources ---- */
static err_t write_all(struct run *r, struct err_detail *detail)
{
	struct onboard *o = &r->o;
	err_t e = ERR_OK;

	for (size_t i = 0; !e && i < o->plan.resources.n; i++) {
		const struct apply_item *it = &o->plan.resources.items[i];
		json_t *result = NULL;
		const char *did = "";

		if (o->changes[i] == APPLY_SAME)
			continue;
		e = apply_write(r->admin, r->cli, it, o->plan.resources.file, &did, &result, detail);
		json_decref(result);
		if (!e) {
			o->changes[i] = APPLY_SAME;
			say(r, it->resource->noun, apply_id(it), did);
		}
	}
	return e;
}

/* Calls made before the call services know of the numbers would tell nothing. */
static err_t wait_published(struct run *r, struct err_detail *detail)
{
	int64_t until = clock_mono_ms() + PUBLISH_MS;

	for (;;) {
		json_t *tenant = NULL;
		err_t e = tenant_get(r, &tenant, detail);
		bool out = !e && show_number(json_object_get(tenant, "published_version")) >=
				     show_number(json_object_get(tenant, "config_version"));

		json_decref(tenant);
		if (e || out)
			return e;
		if (r->dry || clock_mono_ms() >= until)
			return err_set(detail, ERR_UNAVAILABLE, "resources",
				       "the call services have not been given them yet: run this again");
		usleep(LOOK_US / 5);
	}
}

/* When, and by whom, the last change of the routing before the trial was made. */
static err_t find_change(struct run *r, struct onboard_stage *s)
{
	json_t *entries = NULL, *tenant = NULL;
	const json_t *last;
	err_t e =
	    all_of(r, "audit", json_pack("{s:I}", "to_ms", (json_int_t)r->o.plan.trial.from_ms), &entries, &s->detail);

	if (!e)
		e = tenant_get(r, &tenant, &s->detail);
	if (!e) {
		last = onboard_last_change(entries);
		s->at_ms =
		    show_number(last ? json_object_get(last, "time_ms") : json_object_get(tenant, "create_time_ms"));
		(void)str_copy(s->who, sizeof(s->who), show_text(last, "actor"));
		r->o.since_ms = s->at_ms;
	}
	json_decref(entries);
	json_decref(tenant);
	return e;
}

static err_t run_resources(struct run *r, struct onboard_stage *s)
{
	size_t n = different(&r->o);
	err_t e = ERR_OK;

	if (n && r->dry)
		e = err_set(&s->detail, ERR_PRECONDITION, "resources", "%zu are to be created or changed", n);
	else if (n)
		e = write_all(r, &s->detail);
	if (!e)
		e = wait_published(r, &s->detail);
	if (!e)
		e = find_change(r, s);
	s->state = !e ? ONBOARD_DONE : r->dry ? ONBOARD_WAITING : ONBOARD_MISSED;
	return e;
}

/* ---- acceptance ---- */
static err_t look_at_calls(struct run *r, size_t *passed, struct err_detail *detail)
{
	struct onboard *o = &r->o;
	json_t *calls = NULL;
	err_t e = ERR_OK;

	if (!o->verdicts)
		o->verdicts = mem_array(o->plan.n_calls, sizeof(*o->verdicts));
	if (!o->verdicts)
		return ERR_EXHAUSTED;
	if (o->since_ms < o->plan.trial.from_ms)
		e = all_of(r, "calls",
			   json_pack("{s:I,s:I}", "from_ms", (json_int_t)o->since_ms, "to_ms",
				     (json_int_t)o->plan.trial.from_ms),
			   &calls, detail);
	else
		calls = json_array();
	if (e)
		return e;
	json_decref(o->calls);
	o->calls = calls;
	*passed = onboard_judge_calls(&o->plan, calls, o->verdicts);
	return ERR_OK;
}

/* What has changed since the last look. */
static void say_verdicts(const struct run *r, size_t passed)
{
	const struct onboard_plan *p = &r->o.plan;
	char line[64];

	snprintf(line, sizeof(line), "%zu of %zu as they should be", passed, p->n_calls);
	say(r, "calls", line, "");
	for (size_t i = 0; i < p->n_calls; i++)
		say(r, r->o.verdicts[i].passed ? "  passed" : "  missing", p->calls[i].number, r->o.verdicts[i].why);
}

static void last_of_calls(const struct onboard *o, struct onboard_stage *s)
{
	for (size_t i = 0; i < o->plan.n_calls; i++) {
		int64_t at = show_number(json_object_get(o->verdicts[i].call, "ended_ms"));

		s->at_ms = at > s->at_ms ? at : s->at_ms;
	}
}

static err_t run_acceptance(struct run *r, struct onboard_stage *s)
{
	const struct onboard_plan *p = &r->o.plan;
	size_t passed = 0, before = SIZE_MAX;

	for (;;) {
		/* asked before the look: a call counts that was offered in the last moment, and shows a moment later */
		bool over = clock_wall_ms() >= p->trial.from_ms + PUBLISH_MS;
		err_t e = look_at_calls(r, &passed, &s->detail);

		if (e)
			return e;
		if (passed != before)
			say_verdicts(r, passed);
		before = passed;
		if (passed == p->n_calls) {
			s->state = ONBOARD_DONE;
			last_of_calls(&r->o, s);
			return ERR_OK;
		}
		if (over) {
			s->state = ONBOARD_MISSED;
			return err_set(
			    &s->detail, ERR_PRECONDITION, "acceptance",
			    "%zu of %zu calls were as they should be when the trial began: set trial.from later and "
			    "call again",
			    passed, p->n_calls);
		}
		if (!may_wait(r)) {
			s->state = ONBOARD_WAITING;
			return err_set(&s->detail, ERR_PRECONDITION, "acceptance",
				       "%zu of %zu calls are as they should be: make the others and run this again",
				       passed, p->n_calls);
		}
		usleep(LOOK_US);
	}
}

/* ---- trial ---- */
static err_t look_at_report(struct run *r, bool *kept, struct err_detail *detail)
{
	const struct onboard_trial *t = &r->o.plan.trial;
	json_t *req = json_pack("{s:o,s:I,s:I}", "parent", json_sprintf("tenants/%s", r->o.plan.tenant), "from_ms",
				(json_int_t)t->from_ms, "to_ms", (json_int_t)t->to_ms);
	json_t *summary = NULL;
	err_t e = remote_call(r->reporting, service_reports(), "GetSummary", req, &summary, detail);

	if (!e) {
		*kept = onboard_judge_trial(t, summary, r->o.figures);
		r->o.lag = show_number(json_object_get(summary, "lag_records"));
		r->o.tried = true;
	}
	json_decref(req);
	json_decref(summary);
	return e;
}

static bool is_counted(const struct run *r)
{
	return r->o.lag == 0 || (r->o.lag > 0 && clock_wall_ms() >= r->o.plan.trial.to_ms + LAG_GRACE_MS);
}

/* Then there is nothing to wait for now. */
static bool ends_after_wait(const struct run *r)
{
	return r->o.plan.trial.to_ms - clock_wall_ms() > r->wait_until_ms - clock_mono_ms();
}

static err_t run_trial(struct run *r, struct onboard_stage *s)
{
	const struct onboard_trial *t = &r->o.plan.trial;
	char until[32];
	bool kept = false, over;

	for (;;) {
		err_t e;

		over = clock_wall_ms() >= t->to_ms; /* asked before the figures are */
		e = clock_wall_ms() >= t->from_ms ? look_at_report(r, &kept, &s->detail) : ERR_OK;
		if (e)
			return e;
		if ((over && is_counted(r)) || !may_wait(r) || ends_after_wait(r))
			break;
		usleep(LOOK_US);
	}
	s->at_ms = over ? t->to_ms : 0;
	if (over && is_counted(r) && kept) {
		s->state = ONBOARD_DONE;
		return ERR_OK;
	}
	s->state = over && is_counted(r) ? ONBOARD_MISSED : ONBOARD_WAITING;
	if (!over)
		return err_set(&s->detail, ERR_PRECONDITION, "trial", "goes on until %s: run this again then",
			       show_time(t->to_ms, until));
	if (s->state == ONBOARD_WAITING)
		return err_set(&s->detail, ERR_PRECONDITION, "trial", "not all of it is counted yet: run this again");
	return err_set(&s->detail, ERR_PRECONDITION, "trial",
		       "did not keep what the plan asks, as the report shows: a later trial.to prolongs it");
}

/* ---- go-live ---- */
static err_t set_production(struct run *r, struct err_detail *detail)
{
	json_t *tenant = NULL;
	err_t e = resource_update(r->admin, r->cli, catalog_resource("tenant"), r->o.plan.tenant,
				  json_pack("{s:O}", "quotas", r->o.plan.production_quotas), &tenant, detail);

	json_decref(tenant);
	return e;
}

/* Did the tenant have the quotas of production after this change? */
static bool was_live(const struct run *r, const json_t *entry)
{
	json_t *tenant = NULL;
	bool is;

	if (remote_unpack(&tenant, catalog_message_of(catalog_resource("tenant")), show_text(entry, "after"), NULL))
		return false;
	is = onboard_quotas_equal(json_object_get(tenant, "quotas"), r->o.plan.production_quotas);
	json_decref(tenant);
	return is;
}

/* When, and by whom: the first of the tenant's changes from which on it has had these quotas. */
static err_t find_go_live(struct run *r, struct onboard_stage *s)
{
	json_t *entries = NULL, *entry;
	err_t e = all_of(r, "audit", json_pack("{s:s}", "action", "tenants.update"), &entries, &s->detail);
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		if (!was_live(r, entry))
			break;
		s->at_ms = show_number(json_object_get(entry, "time_ms"));
		(void)str_copy(s->who, sizeof(s->who), show_text(entry, "actor"));
	}
	json_decref(entries);
	return e;
}

static err_t run_go_live(struct run *r, struct onboard_stage *s)
{
	err_t e = ERR_OK;

	s->state = ONBOARD_WAITING;
	if (!r->live && (r->dry || !r->go_live))
		return err_set(&s->detail, ERR_PRECONDITION, "go-live",
			       "all before it is done: run this again with --go-live");
	if (!r->live)
		e = set_production(r, &s->detail);
	if (!e)
		e = wait_published(r, &s->detail);
	if (!e)
		e = find_go_live(r, s);
	if (!e)
		s->state = ONBOARD_DONE;
	return e;
}

/* ---- all stages ---- */
static err_t (*const stages[ONBOARD_STAGES])(struct run *, struct onboard_stage *) = {
	[ONBOARD_REQUIREMENT] = run_requirement, [ONBOARD_PLAN] = run_plan,   [ONBOARD_RESOURCES] = run_resources,
	[ONBOARD_ACCEPTANCE] = run_acceptance,	 [ONBOARD_TRIAL] = run_trial, [ONBOARD_GO_LIVE] = run_go_live,
};

static err_t run_stages(struct run *r, struct err_detail *detail)
{
	err_t e = ERR_OK;

	for (unsigned i = 0; !e && i < ONBOARD_STAGES; i++) {
		struct onboard_stage *s = &r->o.stages[i];

		e = stages[i](r, s);
		if (e && s->state == ONBOARD_LATER) /* the facts could not be read */
			s->state = ONBOARD_WAITING;
		if (e)
			*detail = s->detail;
		say(r, onboard_state_name(s->state), onboard_stage_name(i), "");
	}
	return e;
}

/* Whole or not at all: beside the old one, then in its place. */
static err_t write_report(const struct run *r, struct err_detail *detail)
{
	json_t *claims = cli_claims(cli_token(r->cli));
	struct str out = STR_INIT, part = STR_INIT;
	err_t e = ERR_OK;
	bool ok;
	FILE *f;

	onboard_report(&out, &r->o, clock_wall_ms(), show_text(claims, "sub"));
	str_printf(&part, "%s.part", r->report);
	json_decref(claims);
	f = out.failed || part.failed ? NULL : fopen(str_text(&part), "we");
	ok = f && fwrite(str_text(&out), 1, out.len, f) == out.len;
	if (f)
		ok = fclose(f) == 0 && ok;
	if (!ok || rename(str_text(&part), r->report) < 0)
		e = err_set(detail, err_from_errno(errno ? errno : EIO), "--report", "%s cannot be written", r->report);
	str_done(&out);
	str_done(&part);
	return e;
}

static void show_stages(const struct run *r)
{
	json_t *list = json_array(), *all;

	for (unsigned i = 0; i < ONBOARD_STAGES; i++) {
		const struct onboard_stage *s = &r->o.stages[i];

		json_array_append_new(list, json_pack("{s:s,s:s,s:I,s:s,s:s}", "stage", onboard_stage_name(i), "state",
						      onboard_state_name(s->state), "at_ms", (json_int_t)s->at_ms,
						      "who", s->who, "missing", s->detail.message));
	}
	all = json_pack("{s:s,s:o,s:s}", "tenant", r->o.plan.tenant, "stages", list, "report", r->report);
	show_json(all, false);
	json_decref(all);
}

/* ---- the command ---- */
static err_t load(struct run *r, const char *file, struct err_detail *detail)
{
	json_t *documents = NULL;
	err_t e = yaml_load(&documents, file, detail);

	if (!e && json_array_size(documents) != 1)
		e = err_set(detail, ERR_INVALID, file, "must be one mapping: docs/onboarding.md has its fields");
	if (!e)
		e = onboard_plan_init(&r->o.plan, json_array_get(documents, 0), file, detail);
	json_decref(documents);
	return e;
}

static err_t options(struct run *r, const struct cli *cli, struct err_detail *detail)
{
	const struct cli_flag *wait = cli_flag(cli, "wait"), *report = cli_flag(cli, "report");
	err_t e = cli_only(cli, (const char *const[]){ "dry-run", "go-live", "wait", "report", NULL }, detail);
	int64_t wait_ms = WAIT_MS;

	r->dry = cli_flag(cli, "dry-run") != NULL;
	r->go_live = cli_flag(cli, "go-live") != NULL;
	r->report = report ? report->value : NULL;
	if (!e && wait && (fields_parse_ms(wait->value, &wait_ms) || wait_ms < 0 || wait_ms > 31 * INT64_C(86400000)))
		e = err_set(detail, ERR_INVALID, "--wait", "must be a span like 0, 30s, 5m or 8h, not '%s'",
			    wait->value);
	r->wait_until_ms = clock_mono_ms() + wait_ms;
	return e;
}

static err_t run_all(struct run *r, const struct cli *cli, struct err_detail *detail)
{
	struct cli mine = *cli;
	char report[96];
	err_t e, written;

	mine.tenant = r->o.plan.tenant;
	mine.n_flags = 0; /* what is a dry run is decided here, stage by stage */
	r->cli = &mine;
	snprintf(report, sizeof(report), "%s-onboarding.md", r->o.plan.tenant);
	r->report = r->report ? r->report : report;
	e = remote_open(&r->admin, &mine, SERVER_ADMIN, detail);
	if (!e)
		e = remote_open(&r->reporting, &mine, SERVER_REPORTING, detail);
	if (!e) {
		e = run_stages(r, detail);
		written = write_report(r, e ? NULL : detail);
		if (cli->json)
			show_stages(r);
		else if (!written)
			text_print(stdout, cli->language, "The report is in %s", r->report);
		e = e ? e : written;
	}
	remote_close(&r->admin);
	remote_close(&r->reporting);
	return e;
}

err_t run_tenant_onboard(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	struct run r = { 0 };
	err_t e = options(&r, cli, detail);

	(void)v;
	if (!e)
		e = load(&r, cli->words[2], detail);
	if (!e)
		e = run_all(&r, cli, detail);
	onboard_done(&r.o);
	return e;
}
