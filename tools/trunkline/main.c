/* trunkline: the command-line tool (README.md). */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "catalog.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ERR_INVALID, ERR_UNAUTHENTICATED … in words; the field and what would be right follow. */
static int complain(err_t e, const struct err_detail *detail)
{
	fprintf(stderr, "trunkline: %s", err_name(e));
	if (*detail->field)
		fprintf(stderr, ": %s", detail->field);
	fprintf(stderr, ": %s\n", *detail->message ? detail->message : "failed");
	if (e == ERR_UNAUTHENTICATED)
		fprintf(stderr, "trunkline: 'trunkline login' or --token-file gives a token; 'trunkline whoami' shows "
				"the present one\n");
	return EXIT_FAILED;
}

static int usage(const char *what, const char *why)
{
	fprintf(stderr, "trunkline: %s: %s\n", what, why);
	return EXIT_USAGE;
}

static int count_args(const char *args, bool required)
{
	int n = 0;

	while (*args) {
		size_t len = strcspn(args, " ?");

		n += !required || args[len] != '?';
		args += len + strspn(args + len, " ?");
	}
	return n;
}

/* Words beyond noun and verb must be those that the verb takes. */
static const char *words_wrong(const struct cli *cli, const struct catalog_verb *v)
{
	int given = cli->n_words - (*v->name ? 2 : 1);

	if (given < count_args(v->args, true))
		return "an argument is missing: see --help";
	if (given > count_args(v->args, false))
		return "too many words: see --help";
	return NULL;
}

static int run(const struct cli *cli)
{
	const char *noun = cli->words[0], *verb = cli->n_words > 1 ? cli->words[1] : "";
	const struct catalog_verb *v = catalog_find(noun, verb);
	struct err_detail detail = { "", "" };
	struct catalog_verb mine;
	const char *wrong;
	err_t e;

	if (!catalog_is_noun(noun))
		return usage(noun, "there is no such command: see trunkline --help");
	if (!v) {
		if (*verb && !cli->help)
			return usage(verb, "is no verb here: see --help");
		help_noun(noun);
		return cli->help ? 0 : EXIT_USAGE;
	}
	mine = *v;
	if (cli->help) {
		help_verb(&mine);
		return 0;
	}
	wrong = words_wrong(cli, &mine);
	if (wrong)
		return usage(noun, wrong);
	e = mine.run(cli, &mine, &detail);
	return e ? complain(e, &detail) : 0;
}

static void cli_done(struct cli *cli)
{
	for (int i = 0; i < cli->n_flags; i++)
		free((char *)cli->flags[i].name);
	mem_free(cli->words);
	mem_free(cli->flags);
}

int main(int argc, char **argv)
{
	struct cli cli = { .timeout_ms = 10000 };
	struct err_detail detail = { "", "" };
	err_t e;
	int code;

	setlocale(LC_ALL, "");
	signal(SIGPIPE, SIG_IGN);
	e = cli_parse(&cli, argc, argv, &detail);
	if (e) {
		code = usage(detail.field, detail.message);
	} else if (cli.n_words && strcmp(cli.words[0], "__complete") == 0) {
		code = run_complete(&cli, NULL, &detail) ? EXIT_FAILED : 0;
	} else if (!cli.n_words || strcmp(cli.words[0], "help") == 0) {
		help_all();
		code = cli.n_words || cli.help ? 0 : EXIT_USAGE;
	} else {
		code = run(&cli);
	}
	cli_done(&cli);
	return code;
}
