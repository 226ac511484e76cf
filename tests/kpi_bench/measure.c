#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_of(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

int64_t bench_cpu_ns(void)
{
	return clock_of(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t bench_thread_ns(void)
{
	return clock_of(CLOCK_THREAD_CPUTIME_ID);
}

/* utime, stime, cutime and cstime of /proc/PID/stat in ticks, and the parent. */
static long long stat_of(pid_t pid, pid_t *ret_parent)
{
	char path[64], text[1024];
	long long user = 0, sys = 0, child_user = 0, child_sys = 0;
	int parent = 0;
	const char *rest;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	(void)fclose(f);
	rest = strrchr(text, ')'); /* behind the name, which may hold anything */
	if (!rest || sscanf(rest, ") %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld", &parent, &user,
			    &sys, &child_user, &child_sys) != 5)
		return 0;
	*ret_parent = parent;
	return user + sys + child_user + child_sys;
}

int64_t bench_proc_ns(pid_t pid)
{
	pid_t parent;
	long long ticks = stat_of(pid, &parent);
	DIR *dir = opendir("/proc");

	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
		pid_t child = (pid_t)strtol(e->d_name, NULL, 10);
		long long of_child;

		parent = 0;
		of_child = child > 0 ? stat_of(child, &parent) : 0;
		ticks += parent == pid ? of_child : 0;
	}
	if (dir)
		closedir(dir);
	return ticks * (INT64_C(1000000000) / sysconf(_SC_CLK_TCK));
}

static long switches_of(const char *path)
{
	char line[256];
	FILE *f = fopen(path, "r");
	long n = 0, v;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &v) == 1)
			n = v;
	if (f)
		(void)fclose(f);
	return n;
}

int64_t bench_proc_switches(pid_t pid)
{
	char path[512];
	int64_t sum = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
		(void)snprintf(path, sizeof(path), "/proc/%d/task/%s/status", (int)pid, e->d_name);
		sum += e->d_name[0] == '.' ? 0 : switches_of(path);
	}
	if (dir)
		closedir(dir);
	return sum;
}

static int by_size(const void *x, const void *y)
{
	const double *a = x, *b = y;

	return *a < *b ? -1 : *a > *b;
}

void bench_print(const char *name, struct rates *r, const char *more)
{
	qsort(r->list, (size_t)r->n, sizeof(r->list[0]), by_size);
	printf(
	    "{\"name\":\"%s\",\"unit\":\"events/CPU-s\",\"median\":%.0f,\"min\":%.0f,\"max\":%.0f,\"rounds\":%ld%s}\n",
	    name, r->list[r->n / 2], r->list[0], r->list[r->n - 1], r->n, more);
	(void)fflush(stdout);
}
