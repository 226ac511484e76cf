#include "resource.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

/* ---- what a token says: read, not verified; the servers do that ---- */
static int sextet(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

json_t *cli_claims(const char *token)
{
	const char *p = strchr(token, '.');
	char text[8192];
	size_t n = 0;
	uint32_t bits = 0;
	int have = 0;

	for (p = p ? p + 1 : ""; *p && *p != '.' && n < sizeof(text); p++) {
		int v = sextet(*p);

		if (v < 0)
			return NULL;
		bits = bits << 6 | (uint32_t)v;
		have += 6;
		if (have >= 8) {
			have -= 8;
			text[n++] = (char)(bits >> have & 0xff);
		}
	}
	return json_loadb(text, n, 0, NULL);
}

err_t cli_tenant(const struct cli *cli, const char **ret, struct err_detail *detail)
{
	static char tenant[64];
	json_t *claims;

	if (!str_empty(cli->tenant)) {
		*ret = cli->tenant;
		return ERR_OK;
	}
	claims = cli_claims(cli_token(cli));
	tenant[0] = '\0';
	if (claims)
		(void)str_copy(tenant, sizeof(tenant),
			       json_string_value(json_object_get(claims, "tenant"))
				   ? json_string_value(json_object_get(claims, "tenant"))
				   : "");
	json_decref(claims);
	*ret = tenant;
	return *tenant ? ERR_OK
		       : err_set(detail, ERR_INVALID, "--tenant", "must be given: the token is not one tenant's");
}

err_t run_whoami(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const char *token = cli_token(cli);
	json_t *claims = cli_claims(token);
	char buf[32];

	(void)v;
	if (!claims)
		return err_set(detail, ERR_UNAUTHENTICATED, "",
			       *token ? "this is no token" : "there is no token: trunkline login");
	if (cli->json) {
		show_json(claims, false);
	} else {
		show_message(claims);
		text_print(stdout, cli->language, "valid until: %s",
			   show_time(json_integer_value(json_object_get(claims, "exp")) * 1000, buf));
	}
	json_decref(claims);
	return ERR_OK;
}

/* ---- keeping it ---- */
static void make_parents(const char *path)
{
	char dir[512];

	snprintf(dir, sizeof(dir), "%s", path);
	for (char *p = dir + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			(void)!mkdir(dir, 0700);
			*p = '/';
		}
}

static err_t keep(const char *path, const char *token, struct err_detail *detail)
{
	int fd;
	bool ok;

	make_parents(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(detail, err_from_errno(errno), "--save", "%s: %s", path, strerror(errno));
	ok = fchmod(fd, 0600) == 0 && write(fd, token, strlen(token)) == (ssize_t)strlen(token) &&
	     write(fd, "\n", 1) == 1;
	close(fd);
	return ok ? ERR_OK : err_set(detail, ERR_DATA_LOSS, "--save", "%s cannot be written", path);
}

static void tell(const struct cli *cli, json_t *resp, const char *path)
{
	char buf[32];

	if (cli->json) {
		show_json(resp, false);
		return;
	}
	text_print(stdout, cli->language, "Signed in until %s; the token is in %s.",
		   show_time(show_number(json_object_get(resp, "expire_time_ms")), buf), path);
	if (!str_empty(cli->token) || !str_empty(cli->token_file))
		text_print(
		    stdout, cli->language,
		    "But --token, --token-file, TRUNKLINE_TOKEN or TRUNKLINE_TOKEN_FILE is set, and comes first.");
}

static err_t ask(const struct cli *cli, const char *agent, json_t **ret, struct err_detail *detail)
{
	struct remote *rm = NULL;
	struct cli bare = *cli;
	char password[256];
	json_t *req;
	err_t e = resource_password(cli, password, sizeof(password), detail);

	if (e)
		return e;
	bare.token_file = "/dev/null";
	bare.token = "none"; /* it needs no token; an expired one would be in the way */
	req = json_pack("{s:s,s:s,s:s}", "tenant", cli->tenant, "agent_id", agent, "password", password);
	explicit_bzero(password, sizeof(password));
	e = req ? remote_open(&rm, &bare, SERVER_ADMIN, detail)
		: err_set(detail, ERR_INVALID, "password", "must be UTF-8");
	if (!e)
		e = remote_call(rm, service_auth(), "Login", req, ret, detail);
	json_decref(req);
	remote_close(&rm);
	return e;
}

err_t run_login(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	const struct cli_flag *save = cli_flag(cli, "save");
	const char *path = save && save->value ? save->value : cli_token_path();
	const char *agent = cli_value(cli, "agent", "must be given", detail);
	json_t *resp = NULL;
	err_t e = cli_only(cli, (const char *const[]){ "agent", "password-stdin", "save", NULL }, detail);

	(void)v;
	if (e || !agent)
		return ERR_INVALID;
	if (str_empty(cli->tenant))
		return err_set(detail, ERR_INVALID, "--tenant", "must be given");
	e = ask(cli, agent, &resp, detail);
	if (!e)
		e = keep(path, json_string_value(json_object_get(resp, "access_token")), detail);
	if (!e)
		tell(cli, resp, path);
	json_decref(resp);
	return e;
}

err_t run_logout(const struct cli *cli, const struct catalog_verb *v, struct err_detail *detail)
{
	(void)v;
	(void)detail;
	if (unlink(cli_token_path()) == 0 && !cli->json)
		text_print(stdout, cli->language, "The token is forgotten.");
	return ERR_OK;
}
