#include "testkit_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_DIRS 64

static char dirs[MAX_DIRS][TESTKIT_PATH];
static bool hooked;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

static void remove_tree(const char *dir)
{
	/* A component that was just killed may still have a helper process that writes its last file. */
	for (int i = 0; i < 50 && access(dir, F_OK) == 0; i++) {
		if (i)
			testkit_pause();
		nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
}

void testkit_dir_remove(const char *dir)
{
	for (int i = 0; i < MAX_DIRS; i++) {
		if (strcmp(dirs[i], dir) == 0) {
			remove_tree(dir);
			dirs[i][0] = '\0';
			return;
		}
	}
}

static void remove_all(void)
{
	for (int i = 0; i < MAX_DIRS; i++)
		if (dirs[i][0])
			testkit_dir_remove(dirs[i]);
}

/* The guard reads a pipe that only we hold open. When it ends, we are gone, whatever the reason; what is left then it
 * removes. Normally that is nothing. */
static void start_guard(const char *dir)
{
	static const char script[] =
	    "cat; i=0; while [ -e \"$0\" ] && [ $i -lt 50 ]; do rm -rf -- \"$0\"; sleep 0.1; i=$((i+1)); done";
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		testkit_die("pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		testkit_die("fork: %s", strerror(errno));
	if (pid == 0) {
		/* Twice, so that nobody has to wait for it; away from our terminal and our output. */
		int null = open("/dev/null", O_RDWR);

		setsid();
		if (fork() != 0)
			_exit(0);
		dup2(fds[0], 0);
		dup2(null, 1);
		dup2(null, 2);
		close_range(3, ~0u, 0);
		execl("/bin/sh", "sh", "-c", script, dir, (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(fds[0]);
	/* fds[1] stays open on purpose until the process ends. */
}

const char *testkit_dir(char buf[TESTKIT_PATH])
{
	const char *tmp = getenv("TMPDIR");
	int slot = 0;

	while (slot < MAX_DIRS && dirs[slot][0])
		slot++;
	if (slot == MAX_DIRS)
		testkit_die("more than %d directories in one test program", MAX_DIRS);
	if (!tmp || !*tmp || strlen(tmp) > 60)
		tmp = "/tmp";
	snprintf(buf, TESTKIT_PATH, "%s/trunkline-test.XXXXXX", tmp);
	if (!mkdtemp(buf))
		testkit_die("mkdtemp %s: %s", buf, strerror(errno));
	start_guard(buf);
	if (!hooked)
		atexit(remove_all);
	hooked = true;
	snprintf(dirs[slot], sizeof(dirs[slot]), "%s", buf);
	return buf;
}

const char *testkit_file(const char *dir, const char *name, const char *text, char buf[TESTKIT_PATH + 64])
{
	size_t n = strlen(text);
	int fd;

	snprintf(buf, TESTKIT_PATH + 64, "%s/%s", dir, name);
	fd = open(buf, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, n) != (ssize_t)n)
		testkit_die("write %s: %s", buf, strerror(errno));
	close(fd);
	return buf;
}

void testkit_read(const char *path, struct str *out)
{
	char chunk[4096];
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f)
		testkit_die("open %s: %s", path, strerror(errno));
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		str_append_n(out, chunk, n);
	fclose(f);
}

const char *testkit_cache(const char *rest, char *buf, size_t size)
{
	const char *cache = getenv("TRUNKLINE_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");

	if (cache && *cache)
		snprintf(buf, size, "%s/%s", cache, rest);
	else if (xdg && *xdg)
		snprintf(buf, size, "%s/trunkline/%s", xdg, rest);
	else
		snprintf(buf, size, "%s/.cache/trunkline/%s", home ? home : "", rest);
	return buf;
}
