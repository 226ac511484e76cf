#include "testkit_internal.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_PROCS 64

/* What runs, to be killed when the program ends: the caller's struct may be gone by then. */
static pid_t pids[MAX_PROCS];
static pid_t owner;

void testkit_die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "testkit: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static void kill_all(void)
{
	if (getpid() != owner)
		return;
	for (int i = 0; i < MAX_PROCS; i++) {
		if (pids[i]) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	}
}

static void remember(pid_t pid)
{
	if (!owner) {
		owner = getpid();
		atexit(kill_all);
	}
	for (int i = 0; i < MAX_PROCS; i++) {
		if (!pids[i]) {
			pids[i] = pid;
			return;
		}
	}
	kill(pid, SIGKILL);
	testkit_die("more than %d processes in one test program", MAX_PROCS);
}

static void forget(pid_t pid)
{
	for (int i = 0; i < MAX_PROCS; i++)
		if (pids[i] == pid)
			pids[i] = 0;
}

/* In the child, between fork and exec: only system calls. */
_Noreturn static void become(const struct testkit_spawn *how, char *const *env, int out_fd, pid_t parent)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	if (how->uid && (setgroups(0, NULL) || setgid(how->gid) || setuid(how->uid)))
		_exit(126);
	/* After the change of user, which clears it. */
	prctl(PR_SET_PDEATHSIG, how->death_signal ? how->death_signal : SIGKILL);
	if (getppid() != parent)
		_exit(126);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	dup2(null, 0);
	if (out_fd >= 0) {
		dup2(out_fd, 1);
		dup2(out_fd, 2);
	}
	close_range(3, ~0u, 0);
	execvpe(how->argv[0], (char *const *)how->argv, env);
	_exit(127);
}

static pid_t start(const struct testkit_spawn *how, int out_fd)
{
	char *env[512];
	size_t n = 0;
	pid_t parent = getpid(), pid;

	/* Ours first: the first of two equal names counts. */
	for (const char *const *e = how->env; e && *e && n < ARRAY_SIZE(env) - 1; e++)
		env[n++] = (char *)*e;
	for (char **e = environ; e && *e && n < ARRAY_SIZE(env) - 1; e++)
		env[n++] = *e;
	env[n] = NULL;
	pid = fork();
	if (pid < 0)
		testkit_die("fork: %s", strerror(errno));
	if (pid == 0)
		become(how, env, out_fd, parent);
	remember(pid);
	return pid;
}

void testkit_spawn(struct testkit_proc *p, const struct testkit_spawn *how)
{
	int fd = -1;

	p->log[0] = '\0';
	if (how->log) {
		snprintf(p->log, sizeof(p->log), "%s", how->log);
		fd = open(how->log, O_CREAT | O_APPEND | O_WRONLY | O_CLOEXEC, 0644);
		if (fd < 0)
			testkit_die("open %s: %s", how->log, strerror(errno));
	}
	p->pid = start(how, fd);
	if (fd >= 0)
		close(fd);
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool testkit_proc_running(struct testkit_proc *p)
{
	siginfo_t info = { 0 };

	/* Looks without reaping: testkit_proc_stop() still gets the exit code. */
	return p->pid && waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

int testkit_proc_stop(struct testkit_proc *p, int signo, int64_t timeout_ms)
{
	int64_t deadline = testkit_deadline(timeout_ms);
	int status = 0;

	if (!p->pid)
		return 0;
	kill(p->pid, signo);
	while (testkit_proc_running(p)) {
		if (clock_mono_ms() >= deadline)
			kill(p->pid, SIGKILL);
		testkit_pause();
	}
	waitpid(p->pid, &status, 0);
	forget(p->pid);
	p->pid = 0;
	return exit_code(status);
}

static bool stands(pid_t pid, const char *task)
{
	char path[64], text[128] = "";
	const char *after;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%.20s/stat", (int)pid, task);
	if (!(f = fopen(path, "re")))
		return true; /* it has ended */
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	after = strrchr(text, ')'); /* the name before it may hold anything */
	return !after || after[2] == 'T' || after[2] == 'Z';
}

static bool all_stand(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	char path[32];
	struct dirent *e;
	bool all = true;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	if (!(d = opendir(path)))
		testkit_die("%s: %s", path, strerror(errno));
	while (all && (e = readdir(d)))
		all = e->d_name[0] == '.' || stands(pid, e->d_name);
	closedir(d);
	return all;
}

void testkit_stand_still(pid_t pid)
{
	if (kill(pid, SIGSTOP) != 0 || !testkit_wait(all_stand, &pid, 10000))
		testkit_die("process %d cannot be stopped", (int)pid);
}

int testkit_run(const char *const *argv, struct str *out, int64_t timeout_ms)
{
	struct testkit_spawn how = { .argv = argv };
	struct testkit_proc p = { 0 };
	int64_t deadline = testkit_deadline(timeout_ms);
	struct pollfd pfd = { .events = POLLIN };
	int fds[2];
	char chunk[4096];

	if (pipe2(fds, O_CLOEXEC) != 0)
		testkit_die("pipe: %s", strerror(errno));
	p.pid = start(&how, fds[1]);
	close(fds[1]);
	pfd.fd = fds[0];
	for (;;) {
		int64_t left = deadline - clock_mono_ms();
		ssize_t n;

		if (left <= 0 || poll(&pfd, 1, (int)left) == 0)
			break;
		n = read(fds[0], chunk, sizeof(chunk));
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		if (n > 0 && out)
			str_append_n(out, chunk, (size_t)n);
	}
	close(fds[0]);
	return testkit_proc_stop(&p, 0, deadline > clock_mono_ms() ? deadline - clock_mono_ms() : 0);
}

void testkit_proc_ready(struct testkit_proc *p, const char *what, bool (*fn)(void *arg), void *arg, int64_t timeout_ms)
{
	int64_t deadline = testkit_deadline(timeout_ms);
	struct str log = STR_INIT;

	while (!fn(arg)) {
		if (!testkit_proc_running(p) || clock_mono_ms() >= deadline) {
			if (p->log[0])
				testkit_read(p->log, &log);
			testkit_die("%s is not ready: %s; its log ends with:\n%s", what,
				    testkit_proc_running(p) ? "too slow" : "it ended",
				    str_text(&log) + (log.len > 2000 ? log.len - 2000 : 0));
		}
		testkit_pause();
	}
}
