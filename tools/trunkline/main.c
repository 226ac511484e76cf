/* trunkline: the command-line tool (README.md). */
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "catalog.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* ": field: what is wrong", in the language of the user. */
static void put_detail(const struct cli *cli, const struct err_detail *detail)
{
	struct str text = STR_INIT;

	(void)text_detail(&text, cli->language, detail);
	if (*detail->field)
		fprintf(stderr, ": %s", detail->field);
	fprintf(stderr, ": %s\n", text.len ? str_text(&text) : text_get(cli->language, "failed"));
	str_done(&text);
}

/* ERR_INVALID, ERR_UNAUTHENTICATED … in words; the field and what would be right follow. */
static int complain(const struct cli *cli, err_t e, const struct err_detail *detail)
{
	fprintf(stderr, "trunkline: %s", err_name(e));
	put_detail(cli, detail);
	if (e == ERR_UNAUTHENTICATED)
		text_print(stderr, cli->language,
			   "trunkline: 'trunkline login' or --token-file gives a token; 'trunkline whoami' shows the "
			   "present one");
	return EXIT_FAILED;
}

static int usage(const struct cli *cli, const struct err_detail *detail)
{
	fprintf(stderr, "trunkline");
	put_detail(cli, detail);
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
static err_t check_words(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	int given = cli->n_words - (*v->name ? 2 : 1);

	if (given < count_args(v->args, true))
		return err_set(detail, ERR_INVALID, v->noun, "an argument is missing: see --help");
	if (given > count_args(v->args, false))
		return err_set(detail, ERR_INVALID, v->noun, "too many words: see --help");
	return ERR_OK;
}

static int run(const struct cli *cli)
{
	const char *noun = cli->words[0], *verb = cli->n_words > 1 ? cli->words[1] : "";
	const struct catalog_verb *v = catalog_find(noun, verb);
	struct err_detail detail = { "", "" };
	struct catalog_verb mine;
	err_t e;

	if (!catalog_is_noun(noun)) {
		(void)err_set(&detail, ERR_INVALID, noun, "there is no such command: see trunkline --help");
		return usage(cli, &detail);
	}
	if (!v) {
		if (*verb && !cli->help) {
			(void)err_set(&detail, ERR_INVALID, verb, "is no verb here: see --help");
			return usage(cli, &detail);
		}
		help_noun(noun);
		return cli->help ? 0 : EXIT_USAGE;
	}
	mine = *v;
	if (cli->help) {
		help_verb(&mine);
		return 0;
	}
	if (check_words(cli, &mine, &detail))
		return usage(cli, &detail);
	e = mine.run(cli, &mine, &detail);
	return e ? complain(cli, e, &detail) : 0;
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
		code = usage(&cli, &detail);
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
