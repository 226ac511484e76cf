#include "bootstrap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "log/log.h"
#include "token.h"

#define LIFETIME_S 86400
#define RENEW_S	   (LIFETIME_S / 2)
#define CHECK_MS   (600 * 1000)
#define RETRY_MS   2000

struct bootstrap {
	struct manager *tm;
	const char *path;
	struct loop_timer timer;
	struct auth_user user; /* of the token in the file */
	bool withdrawn;	       /* that one */
	bool noting, again;    /* again: kicked meanwhile */
};

static err_t write_all(int fd, const char *text)
{
	size_t n = strlen(text);
	ssize_t done = write(fd, text, n);

	if (done < 0)
		return err_from_errno(errno);
	return (size_t)done == n ? ERR_OK : ERR_EXHAUSTED;
}

/* A new file beside it, then renamed: a reader sees the old or the new token. */
static err_t write_file(const char *path, const char *token, struct err_detail *detail)
{
	struct str temporary = STR_INIT, text = STR_INIT;
	err_t e = ERR_EXHAUSTED;
	int fd = -1;

	str_printf(&temporary, "%s.new", path);
	str_printf(&text, "%s\n", token);
	if (!temporary.failed && !text.failed) {
		(void)unlink(temporary.data);
		fd = open(temporary.data, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
		e = fd < 0 ? err_from_errno(errno) : write_all(fd, text.data);
	}
	if (fd >= 0 && close(fd) < 0 && !e)
		e = err_from_errno(errno);
	if (!e && rename(temporary.data, path) < 0)
		e = err_from_errno(errno);
	if (e)
		(void)err_set(detail, e, "auth.bootstrap_token_file", "cannot write %.200s: %s", path, strerror(errno));
	if (text.data)
		explicit_bzero(text.data, text.len);
	str_done(&temporary);
	str_done(&text);
	return e;
}

/* Seconds that the token in the file is still valid; 0: it is not. */
static int64_t valid_s(struct bootstrap *b, int64_t now_s)
{
	char bearer[2048] = "Bearer ";
	struct stat st;
	int fd = open(b->path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, bearer + 7, sizeof(bearer) - 8);
	bool private = fd >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) == 0;

	if (fd >= 0)
		close(fd);
	if (n <= 0 || !private)
		return 0;
	bearer[7 + strcspn(bearer + 7, "\r\n")] = '\0';
	if (auth_verify(b->tm->verifier, bearer, now_s, &b->user, NULL))
		return 0;
	if (!(b->user.scopes & AUTH_OPERATOR) || !*b->user.token_id) /* one that cannot be withdrawn is no good */
		return 0;
	return b->user.expires_s - now_s;
}

static err_t renew(struct bootstrap *b, struct err_detail *detail)
{
	struct auth_user user = { .subject = "operator:bootstrap", .scopes = AUTH_OPERATOR };
	int64_t now_s = clock_wall_ms() / 1000;
	char *token;

	if (!b->withdrawn && valid_s(b, now_s) > RENEW_S)
		return ERR_OK;
	err_t e = auth_token_id(now_s * 1000, user.token_id);
	if (!e)
		e = auth_sign(b->tm->signer, &user, now_s, LIFETIME_S, &token);
	if (e)
		return err_set(detail, e, "auth.private_key_file", "cannot sign a token");
	e = write_file(b->path, token, detail);
	explicit_bzero(token, strlen(token));
	mem_free(token);
	if (e)
		return e;
	LOG_INFO(NULL, "bootstrap.token_written", "file=%s id=%s lifetime_s=%d", LOG_Q(b->path), user.token_id,
		 LIFETIME_S);
	user.expires_s = now_s + LIFETIME_S;
	b->user = user;
	b->withdrawn = false;
	return ERR_OK;
}

/* Among the operators' tokens, so that it can be withdrawn as any other, and was not; whatever the services have heard by now. */
static err_t note(struct db_tx *tx, void *arg)
{
	struct bootstrap *b = arg;
	err_t e = token_check(tx, &b->user, NULL);

	if (e)
		return e;
	return token_note(tx, &(struct token_note){ .user = &b->user,
						    .author = b->user.subject,
						    .now_s = b->user.expires_s - LIFETIME_S,
						    .lifetime_s = LIFETIME_S });
}

static void on_noted(err_t e, void *arg)
{
	struct bootstrap *b = arg;

	b->noting = false;
	b->withdrawn = e == ERR_UNAUTHENTICATED;
	loop_timer_start(&b->timer, b->withdrawn || b->again ? 0 : e ? RETRY_MS : CHECK_MS);
	b->again = false;
}

static void on_timer(void *arg)
{
	struct bootstrap *b = arg;
	struct err_detail d = { 0 };
	if (b->noting)
		return;
	err_t e = renew(b, &d);
	if (e)
		LOG_ERROR(NULL, "bootstrap.failed", "error=%s detail=%s", err_name(e), LOG_Q(d.message));
	b->noting = !e && !db_run(b->tm->db, NULL, note, b, on_noted, b);
	if (!b->noting)
		loop_timer_start(&b->timer, CHECK_MS);
}

void bootstrap_kick(struct bootstrap *b)
{
	b->again = b->noting;
	if (!b->noting)
		loop_timer_start(&b->timer, 0);
}

err_t bootstrap_new(struct bootstrap **ret, struct manager *tm, struct err_detail *detail)
{
	if (str_empty(tm->config->bootstrap_token_file))
		return ERR_OK;
	struct bootstrap *b = mem_zalloc(sizeof(*b));
	if (!b)
		return ERR_EXHAUSTED;
	b->tm = tm;
	b->path = tm->config->bootstrap_token_file;
	loop_timer_init(&b->timer, tm->loop, on_timer, b);
	err_t e = renew(b, detail);
	if (e) {
		bootstrap_free(&b);
		return e;
	}
	loop_timer_start(&b->timer, 0); /* to note it down, when the database is there */
	*ret = b;
	return ERR_OK;
}

void bootstrap_free(struct bootstrap **b)
{
	if (!*b)
		return;
	loop_timer_done(&(*b)->timer);
	mem_free(*b);
	*b = NULL;
}
