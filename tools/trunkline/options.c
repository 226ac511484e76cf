#include "catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "base/mem.h"

#define AT(member) offsetof(struct cli, member)

const struct cli_option cli_options[] = {
	{ "json", NULL, NULL, "print JSON instead of text (streams: one object a line)", AT(json) },
	{ "tenant", "ID", "TRUNKLINE_TENANT", "tenant to act for (default: the token's own)", AT(tenant) },
	{ "token", "TOKEN", "TRUNKLINE_TOKEN", "access token", AT(token) },
	{ "token-file", "FILE", "TRUNKLINE_TOKEN_FILE",
	  "file with the access token (default: what 'trunkline login' kept)", AT(token_file) },
	{ "admin", "HOST:PORT", "TRUNKLINE_ADMIN", "administration (default 127.0.0.1:9090)",
	  AT(server[SERVER_ADMIN]) },
	{ "desk", "HOST:PORT", "TRUNKLINE_DESK", "agent desk (default 127.0.0.1:9091)", AT(server[SERVER_DESK]) },
	{ "recorder", "HOST:PORT", "TRUNKLINE_RECORDER", "recorder (default 127.0.0.1:9092)",
	  AT(server[SERVER_RECORDER]) },
	{ "reporting", "HOST:PORT", "TRUNKLINE_REPORTING", "reporting (default 127.0.0.1:9093)",
	  AT(server[SERVER_REPORTING]) },
	{ "ca-file", "FILE", "TRUNKLINE_CA_FILE", "CA of the servers' certificates; without it nothing is encrypted",
	  AT(ca_file) },
	{ "server-name", "NAME", "TRUNKLINE_SERVER_NAME",
	  "name expected in the server's certificate (default: the host)", AT(server_name) },
	{ "timeout", "SECONDS", NULL, "of one request (default 10)", AT(timeout_ms) },
	{ "help", NULL, NULL, "what a command does and takes", AT(help) },
	{ NULL, NULL, NULL, NULL, 0 },
};

static const struct cli_option *option_find(const char *name, size_t len)
{
	for (const struct cli_option *o = cli_options; o->name; o++)
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
	return NULL;
}

static err_t option_set(struct cli *cli, const struct cli_option *o, const char *value, struct err_detail *detail)
{
	void *at = (char *)cli + o->offset;
	int64_t seconds;

	if (!o->argument) {
		*(bool *)at = true;
	} else if (o->offset == AT(timeout_ms)) {
		if (str_to_i64(value, 1, 86400, &seconds))
			return err_set(detail, ERR_INVALID, "--timeout", "must be 1 to 86400 seconds, not '%s'", value);
		*(int64_t *)at = seconds * 1000;
	} else {
		*(const char **)at = value;
	}
	return ERR_OK;
}

/* TRUNKLINE_LANGUAGE (a tag), else the locale for messages as setlocale(3) finds it. */
static void choose_language(struct cli *cli)
{
	const char *const locales[] = { getenv("LC_ALL"), getenv("LC_MESSAGES"), getenv("LANG") };
	const char *tag = getenv("TRUNKLINE_LANGUAGE");
	bool found = !str_empty(tag);
	size_t i = 0;

	if (found) {
		cli->language = text_accept(tag, TEXT_EN);
	} else {
		while (i + 1 < ARRAY_SIZE(locales) && str_empty(locales[i]))
			i++;
		found = !str_empty(locales[i]) && text_locale(locales[i], &cli->language);
	}
	cli->accept = found ? text_tag(cli->language) : NULL;
}

static void from_environment(struct cli *cli)
{
	choose_language(cli);
	for (const struct cli_option *o = cli_options; o->name; o++) {
		const char *value = o->env ? getenv(o->env) : NULL;

		if (!str_empty(value))
			*(const char **)((char *)cli + o->offset) = value;
	}
}

/* A flag of the command: a switch (bool field) takes no word, "--no-record" is "--record=no". */
static bool takes_word(const struct cli *cli, const char *name)
{
	const char *verb = cli->n_words >= 2 ? cli->words[1] : "";
	const struct catalog_verb *v = cli->n_words ? catalog_find(cli->words[0], verb) : NULL;
	const ProtobufCMessageDescriptor *desc = v ? catalog_flags_of(v) : NULL;
	const ProtobufCFieldDescriptor *fd = desc ? fields_find(desc, name) : NULL;
	static const char *const switches[] = { "no-wait",    "force",	   "password-stdin", "dry-run", "by-service",
						"draft-only", "good-rows", "go-live",	     "platform" };

	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		if (!fd && strcmp(name, switches[i]) == 0)
			return false;
	if (!fd && strncmp(name, "no-", 3) == 0 && desc && fields_find(desc, name + 3))
		return false;
	return !(fd && fd->type == PROTOBUF_C_TYPE_BOOL && fd->label != PROTOBUF_C_LABEL_REPEATED);
}

static err_t take_flag(struct cli *cli, int argc, char **argv, int *i, struct err_detail *detail)
{
	const char *name = argv[*i] + 2, *eq = strchr(name, '='), *value = eq ? eq + 1 : NULL;
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct cli_option *o = option_find(name, len);
	char *copy = strndup(name, len);

	if (!copy)
		return ERR_EXHAUSTED;
	if (!value && (o ? o->argument != NULL : takes_word(cli, copy))) {
		if (*i + 1 >= argc) {
			free(copy);
			return err_set(detail, ERR_INVALID, argv[*i], "needs a value");
		}
		value = argv[++*i];
	}
	if (o) {
		free(copy);
		return option_set(cli, o, value, detail);
	}
	cli->flags[cli->n_flags++] = (struct cli_flag){ copy, value };
	return ERR_OK;
}

err_t cli_parse(struct cli *cli, int argc, char **argv, struct err_detail *detail)
{
	bool flags = true;
	err_t e = ERR_OK;

	cli->words = mem_array((size_t)argc + 1, sizeof(*cli->words));
	cli->flags = mem_array((size_t)argc + 1, sizeof(*cli->flags));
	if (!cli->words || !cli->flags)
		return ERR_EXHAUSTED;
	from_environment(cli);
	for (int i = 1; !e && i < argc; i++) {
		if (flags && strcmp(argv[i], "--") == 0)
			flags = false;
		else if (flags && strcmp(argv[i], "-h") == 0)
			cli->help = true;
		else if (flags && strcmp(argv[i], "-f") == 0 && i + 1 < argc)
			cli->flags[cli->n_flags++] = (struct cli_flag){ strdup("file"), argv[++i] };
		else if (flags && strcmp(argv[i], "-o") == 0 && i + 1 < argc)
			cli->flags[cli->n_flags++] = (struct cli_flag){ strdup("output"), argv[++i] };
		else if (flags && strncmp(argv[i], "--", 2) == 0)
			e = take_flag(cli, argc, argv, &i, detail);
		else
			cli->words[cli->n_words++] = argv[i];
	}
	return e;
}

const struct cli_flag *cli_flag(const struct cli *cli, const char *name)
{
	for (int i = cli->n_flags - 1; i >= 0; i--)
		if (strcmp(cli->flags[i].name, name) == 0)
			return &cli->flags[i];
	return NULL;
}

const char *cli_value(const struct cli *cli, const char *name, const char *right, struct err_detail *detail)
{
	const struct cli_flag *f = cli_flag(cli, name);

	if (f && !str_empty(f->value))
		return f->value;
	(void)err_set(detail, ERR_INVALID, name, "%s", right);
	return NULL;
}

err_t cli_only(const struct cli *cli, const char *const *allowed, struct err_detail *detail)
{
	for (int i = 0; i < cli->n_flags; i++) {
		const char *const *a = allowed;

		while (*a && strcmp(*a, cli->flags[i].name) != 0)
			a++;
		if (!*a)
			return err_set(detail, ERR_INVALID, cli->flags[i].name,
				       "is no option of this command: see --help");
	}
	return ERR_OK;
}

/* ---- the token ---- */
const char *cli_token_path(void)
{
	static char path[512];
	const char *home = getenv("HOME"), *conf = getenv("XDG_CONFIG_HOME");

	if (!str_empty(conf))
		snprintf(path, sizeof(path), "%s/trunkline/token", conf);
	else
		snprintf(path, sizeof(path), "%s/.config/trunkline/token", str_empty(home) ? "/nonexistent" : home);
	return path;
}

static const char *read_token(const char *file)
{
	static char text[8192];
	FILE *f = fopen(file, "re");
	size_t n;

	if (!f)
		return "";
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	text[strcspn(text, " \r\n\t")] = '\0';
	return text;
}

const char *cli_token(const struct cli *cli)
{
	if (!str_empty(cli->token))
		return cli->token;
	return read_token(str_empty(cli->token_file) ? cli_token_path() : cli->token_file);
}
