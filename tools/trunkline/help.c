#include "catalog.h"
#include "docs.h"

#include <stdio.h>
#include <string.h>

#ifndef TRUNKLINE_VERSION
#define TRUNKLINE_VERSION "development"
#endif

static void options_table(void)
{
	for (const struct cli_option *o = cli_options; o->name; o++) {
		char left[64];

		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->argument ? " " : "",
			 o->argument ? o->argument : "");
		printf("  %-22s %s%s%s%s\n", left, o->help, o->env ? " [" : "", o->env ? o->env : "",
		       o->env ? "]" : "");
	}
}

void help_all(void)
{
	puts("trunkline: administers and watches a Trunkline contact centre.\n\n"
	     "usage: trunkline NOUN VERB [ARGUMENTS] [OPTIONS]\n");
	for (const struct catalog_noun *n = catalog_nouns; n->name; n++)
		printf("  %-12s %s\n", n->name, n->help);
	puts("\nOptions of every command:");
	options_table();
	puts("\nThe first steps, with an operator's token:\n"
	     "  trunkline tenant create acme --display-name \"Acme Ltd\" --sip-domain acme.example\n"
	     "  trunkline apply --tenant acme -f acme.yaml      # queues, agents, flows, numbers … in one file\n"
	     "  trunkline agent list --tenant acme\n"
	     "An agent at work:\n"
	     "  trunkline login --tenant acme --agent 1001 && trunkline agent sign-in && trunkline agent ready\n\n"
	     "'trunkline NOUN --help' lists the verbs, 'trunkline NOUN VERB --help' what a verb takes.");
}

static void verb_line(const struct catalog_verb *v)
{
	char left[64];

	snprintf(left, sizeof(left), "%s %s", v->noun, v->name);
	printf("  trunkline %-22s %s\n", left, v->help);
}

void help_noun(const char *noun)
{
	const struct catalog_resource *r = catalog_resource(noun);

	puts("usage:");
	for (const char *const *verb = r ? catalog_resource_verbs : NULL; verb && *verb; verb++)
		verb_line(catalog_find(noun, *verb));
	for (const struct catalog_verb *v = catalog_verbs; v->noun; v++)
		if (strcmp(v->noun, noun) == 0)
			verb_line(v);
	if (r)
		printf("\nexample:\n  %s\n", r->example);
}

/* ---- one verb ---- */
static void choices(const ProtobufCFieldDescriptor *fd)
{
	const ProtobufCEnumDescriptor *ed = fd->descriptor;

	for (unsigned i = 0; fd->type == PROTOBUF_C_TYPE_ENUM && i < ed->n_values; i++)
		printf("%s%s", i ? ", " : "one of ", ed->values[i].name);
}

static void inside(const ProtobufCFieldDescriptor *fd)
{
	const ProtobufCMessageDescriptor *md = fd->descriptor;

	if (fd->type != PROTOBUF_C_TYPE_MESSAGE)
		return;
	printf("{");
	for (unsigned i = 0; i < md->n_fields; i++)
		printf("%s%s", i ? ", " : "", md->fields[i].name);
	printf("}");
}

static void field_line(const ProtobufCMessageDescriptor *desc, const ProtobufCFieldDescriptor *fd)
{
	char flag[80], left[128], doc[256];
	bool list = fd->label == PROTOBUF_C_LABEL_REPEATED;

	(void)fields_flag(fd, flag, sizeof(flag));
	if (strcmp(fields_kind(fd), "TIME") == 0)
		flag[strlen(flag) - 3] = '\0'; /* --wrap-up is --wrap-up-ms */
	snprintf(left, sizeof(left), "--%s %s%s", flag, fields_kind(fd), list ? " …" : "");
	printf("  %-*s ", 32 + (list ? 2 : 0), left);
	choices(fd);
	inside(fd);
	printf("%s%s\n", fd->descriptor ? "  " : "", docs_field(desc, fd->name, doc, sizeof(doc)));
}

/* "file=FILE  help|dry-run  help" */
static void own_options(const char *spec)
{
	while (spec && *spec) {
		size_t n = strcspn(spec, "|"), k = strcspn(spec, " ");
		char left[64];

		snprintf(left, sizeof(left), "--%.*s", (int)(k < n ? k : n), spec);
		printf("  %-32s %.*s\n", left, (int)(n - (k < n ? k + 2 : n)), spec + (k < n ? k + 2 : n));
		spec += n + (spec[n] == '|');
	}
}

static bool hidden(const char *name)
{
	static const char *const names[] = {
		"name",	   "etag",	     "page_token",     "parent",	 "ha1_md5",	      "ha1_sha256",
		"version", "create_time_ms", "update_time_ms", "config_version", "published_version", "id",
		"tenant",  "sha256",	     "size_bytes",     "duration_ms",	 "delete_time_ms",    "purge_time_ms",
		"state"
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

void help_verb(const struct catalog_verb *v)
{
	const ProtobufCMessageDescriptor *desc = catalog_flags_of(v);
	const struct catalog_resource *r = catalog_resource(v->noun);
	char doc[400];

	printf("usage: trunkline %s%s%s", v->noun, *v->name ? " " : "", v->name);
	for (const char *a = v->args; *a;) {
		size_t n = strcspn(a, " ?");
		bool optional = a[n] == '?';

		printf(optional ? " [%.*s]" : " %.*s", (int)n, a);
		a += n + strspn(a + n, " ?");
	}
	printf(" [OPTIONS]\n\n%s\n", v->help);
	if (v->service && v->method && *docs_method(v->service, v->method, doc, sizeof(doc)))
		printf("%s\n", doc);
	if (desc || v->options)
		puts("\noptions:");
	own_options(v->options);
	for (unsigned i = 0; desc && i < desc->n_fields; i++)
		if (!hidden(desc->fields[i].name))
			field_line(desc, &desc->fields[i]);
	if (desc)
		puts("\nTIME is 30s, 5m, 1h30m, or a moment: now, today, yesterday, -1h (ago), 2026-11-23T09:00. A "
		     "list (…) takes a,b or the\n"
		     "option again. JSON is JSON, @FILE, its fields in order (german:5), or for a choice its name "
		     "(queue:sales); a field\n"
		     "inside is --option.field. A switch is turned off by --no-option.");
	if (r && v->run == run_create)
		printf("\nexample:\n  %s\n", r->example);
	puts("\n'trunkline --help' has the options of every command.");
}

err_t run_version(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	(void)v;
	(void)detail;
	printf(cli->json ? "{\"version\": \"%s\"}\n" : "trunkline %s\n", TRUNKLINE_VERSION);
	return ERR_OK;
}
