/* Completion: the script asks `trunkline __complete INDEX WORDS…`, and the same tables as for everything answer. */
#include "catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char script[] = "# bash completion for trunkline; in ~/.bashrc: eval \"$(trunkline completion bash)\"\n"
			     "_trunkline()\n"
			     "{\n"
			     "\tlocal IFS=$'\\n' cur=${COMP_WORDS[COMP_CWORD]}\n"
			     "\tCOMPREPLY=($(compgen -W \"$(\"${COMP_WORDS[0]}\" __complete -- \"$COMP_CWORD\" "
			     "\"${COMP_WORDS[@]:1}\" 2>/dev/null)\" -- \"$cur\"))\n"
			     "}\n"
			     "complete -o default -F _trunkline trunkline\n";

err_t run_completion(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	(void)v;
	if (cli->n_words < 2 || strcmp(cli->words[1], "bash") != 0)
		return err_set(detail, ERR_INVALID, "completion", "is there for bash only: trunkline completion bash");
	fputs(script, stdout);
	return ERR_OK;
}

static void nouns(void)
{
	for (const struct catalog_noun *n = catalog_nouns; n->name; n++)
		puts(n->name);
}

static void verbs(const char *noun)
{
	for (const char *const *verb = catalog_resource(noun) ? catalog_resource_verbs : NULL; verb && *verb; verb++)
		puts(*verb);
	for (const struct catalog_verb *v = catalog_verbs; v->noun; v++)
		if (strcmp(v->noun, noun) == 0 && *v->name)
			puts(v->name);
}

static void flags(const struct catalog_verb *v)
{
	const ProtobufCMessageDescriptor *desc = v ? catalog_flags_of(v) : NULL;
	const char *own = v ? v->options : NULL;
	char flag[80];

	for (unsigned i = 0; desc && i < desc->n_fields; i++)
		printf("--%s\n", fields_flag(&desc->fields[i], flag, sizeof(flag)));
	while (own && *own) {
		printf("--%.*s\n", (int)strcspn(own, "= |"), own);
		own += strcspn(own, "|");
		own += *own == '|';
	}
	for (const struct cli_option *o = cli_options; o->name; o++)
		printf("--%s\n", o->name);
}

/* words: INDEX, then the line without the program's name; INDEX counts that name as 0. */
err_t run_complete(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	int at = cli->n_words > 1 ? atoi(cli->words[1]) : 0;
	const char *noun = NULL, *verb = NULL, *now = at + 1 < cli->n_words && at >= 0 ? cli->words[at + 1] : "";

	(void)v;
	(void)detail;
	for (int i = 2; i < cli->n_words && i < at + 1; i++) {
		if (cli->words[i][0] == '-')
			continue;
		if (!noun)
			noun = cli->words[i];
		else if (!verb)
			verb = cli->words[i];
	}
	if (*now == '-')
		flags(noun ? catalog_find(noun, verb ? verb : "") : NULL);
	else if (!noun)
		nouns();
	else if (!verb)
		verbs(noun);
	return ERR_OK;
}
