#include "testkit_internal.h"

#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const homes[] = { "/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin",
				     "/usr/lib/postgresql/17/bin" };

static const char *tool(const char *name, char *buf, size_t size)
{
	for (size_t i = 0; i < ARRAY_SIZE(homes); i++) {
		snprintf(buf, size, "%s/%s", homes[i], name);
		if (access(buf, X_OK) == 0)
			return buf;
	}
	testkit_die("no PostgreSQL server in %s: run `make deps` (tools/deps)", homes[0]);
}

/* PostgreSQL refuses to run as root. */
static void as_other_user(struct testkit_spawn *how)
{
	const struct passwd *pw;

	if (geteuid() != 0)
		return;
	pw = getpwnam("postgres");
	if (!pw)
		pw = getpwnam("nobody");
	if (!pw)
		testkit_die("neither a user postgres nor nobody to run PostgreSQL as");
	how->uid = pw->pw_uid;
	how->gid = pw->pw_gid;
}

static void make_data(struct testkit_postgres *p)
{
	char initdb[128], data[TESTKIT_PATH + 64], log[TESTKIT_PATH + 64];
	const char *argv[] = { tool("initdb", initdb, sizeof(initdb)),
			       "-D",
			       data,
			       "-U",
			       "postgres",
			       "-A",
			       "trust",
			       "-E",
			       "UTF8",
			       "--locale=C.UTF-8",
			       "--no-sync",
			       "--no-instructions",
			       NULL };
	struct testkit_spawn how = { .argv = argv, .log = log };
	struct testkit_proc proc;
	struct str text = STR_INIT;
	int code;

	snprintf(data, sizeof(data), "%s/data", p->dir);
	snprintf(log, sizeof(log), "%s/initdb.log", p->dir);
	as_other_user(&how);
	if (how.uid && chown(p->dir, how.uid, how.gid) != 0)
		testkit_die("chown %s: %s", p->dir, strerror(errno));
	testkit_spawn(&proc, &how);
	/* Signal 0 only waits. */
	code = testkit_proc_stop(&proc, 0, 180000);
	if (code) {
		testkit_read(log, &text);
		testkit_die("initdb: exit code %d\n%s", code, str_text(&text));
	}
}

/* The server writes its state into line 8 of its pid file. */
static bool accepts(void *arg)
{
	struct testkit_postgres *p = arg;
	char path[TESTKIT_PATH + 64], line[256];
	bool ready = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/data/postmaster.pid", p->dir);
	f = fopen(path, "re");
	if (!f)
		return false;
	for (int i = 1; fgets(line, sizeof(line), f); i++) {
		if (i == 1 && atoi(line) != p->proc.pid)
			break; /* left behind by the one that was killed */
		if (i == 8)
			ready = strncmp(line, "ready", 5) == 0;
	}
	fclose(f);
	return ready;
}

static void launch(struct testkit_postgres *p)
{
	char postgres[128], data[TESTKIT_PATH + 64], sock[TESTKIT_PATH + 64], log[TESTKIT_PATH + 64];
	/* Durable against the end of the process, not of the machine: tests never lose that. */
	const char *argv[] = { tool("postgres", postgres, sizeof(postgres)),
			       "-D",
			       data,
			       "-k",
			       sock,
			       "-c",
			       "listen_addresses=",
			       "-c",
			       "fsync=off",
			       "-c",
			       "shared_buffers=16MB",
			       "-c",
			       "max_connections=50",
			       NULL };
	struct testkit_spawn how = { .argv = argv, .log = log, .death_signal = SIGQUIT };

	snprintf(data, sizeof(data), "%s/data", p->dir);
	snprintf(sock, sizeof(sock), "%s", p->dir);
	snprintf(log, sizeof(log), "%s/postgres.log", p->dir);
	as_other_user(&how);
	testkit_spawn(&p->proc, &how);
	testkit_proc_ready(&p->proc, "postgres", accepts, p, 180000);
}

void testkit_postgres_start(struct testkit_postgres *p)
{
	*p = (struct testkit_postgres){ 0 };
	testkit_dir(p->dir);
	snprintf(p->dsn, sizeof(p->dsn), "host=%s user=postgres dbname=postgres", p->dir);
	make_data(p);
	launch(p);
}

void testkit_postgres_kill(struct testkit_postgres *p)
{
	/* At once and without a checkpoint, like a crash, but with its helper processes: they would hold the files. */
	testkit_proc_stop(&p->proc, SIGQUIT, 10000);
}

void testkit_postgres_restart(struct testkit_postgres *p)
{
	testkit_postgres_kill(p);
	launch(p);
}

void testkit_postgres_stop(struct testkit_postgres *p)
{
	testkit_postgres_kill(p);
	testkit_dir_remove(p->dir);
}
