#include "metrics/metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct metric *first;

/* Behind the last of the same name: the text form wants a family in one piece. */
void metrics_register(struct metric *m)
{
	struct metric *after = NULL, *last = NULL;

	for (struct metric *at = first; at; at = at->next) {
		if (at == m)
			return;
		if (strcmp(at->name, m->name) == 0)
			after = at;
		last = at;
	}
	if (!after)
		after = last;
	m->next = after ? after->next : NULL;
	if (after)
		after->next = m;
	else
		first = m;
}

void metric_observe_us(struct metric *m, int64_t us)
{
	unsigned i = 0;

	if (us < 0)
		us = 0;
	/* The smallest i with us ≤ 2^i. */
	if (us > 1)
		i = 64 - (unsigned)__builtin_clzll((unsigned long long)us - 1);
	if (i > METRIC_BUCKETS)
		i = METRIC_BUCKETS;
	atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
	metric_add(m, us);
}

static void print_head(struct str *out, const char *name, const char *type, const char *help)
{
	str_printf(out, "# HELP %s ", name);
	for (; *help; help++) {
		if (*help == '\\')
			str_append(out, "\\\\");
		else if (*help == '\n')
			str_append(out, "\\n");
		else
			str_append_c(out, *help);
	}
	str_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void print_histogram(struct str *out, struct metric *m)
{
	const char *labels = m->labels ? m->labels : "", *comma = m->labels ? "," : "";
	const char *open = m->labels ? "{" : "", *close = m->labels ? "}" : "";
	int64_t count = 0;

	for (int i = 0; i <= METRIC_BUCKETS; i++) {
		count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
		if (i < METRIC_BUCKETS)
			str_printf(out, "%s_bucket{%s%sle=\"%.9g\"} %lld\n", m->name, labels, comma,
				   (double)(1LL << i) / 1e6, (long long)count);
		else
			str_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %lld\n", m->name, labels, comma, (long long)count);
	}
	str_printf(out, "%s_sum%s%s%s %.6f\n", m->name, open, labels, close, (double)metric_get(m) / 1e6);
	str_printf(out, "%s_count%s%s%s %lld\n", m->name, open, labels, close, (long long)count);
}

static void print_one(struct str *out, struct metric *m)
{
	if (m->kind == METRIC_KIND_HISTOGRAM)
		print_histogram(out, m);
	else if (m->labels)
		str_printf(out, "%s{%s} %lld\n", m->name, m->labels, (long long)metric_get(m));
	else
		str_printf(out, "%s %lld\n", m->name, (long long)metric_get(m));
}

static long open_fds(void)
{
	struct stat st;
	long n = 0;
	DIR *d;

	/* Kernels since 6.2 say it as the directory's size; reading tens of thousands of entries would hold up a loop. */
	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
		return (long)st.st_size;
	d = opendir("/proc/self/fd");
	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory itself */
}

static long resident_pages(void)
{
	long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%ld %ld", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident;
}

/* Wall-clock time at which the process started (Prometheus' own libraries say the same). */
static double start_time_s(void)
{
	struct timespec boot, wall;
	unsigned long long ticks = 0;
	char line[1024];
	FILE *f = fopen("/proc/self/stat", "re");
	size_t n;
	char *at;

	if (!f)
		return 0;
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	at = strrchr(line, ')'); /* the program's name may have anything in it */
	if (!at || sscanf(at + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			  &ticks) != 1)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	return (double)wall.tv_sec - (double)boot.tv_sec + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void print_limits(struct str *out)
{
	static double started_s; /* asked once: a clock that jumps is no restart */
	struct rlimit rl;

	if (started_s == 0)
		started_s = start_time_s();
	print_head(out, "process_start_time_seconds", "gauge", "start of the process, Unix time");
	str_printf(out, "process_start_time_seconds %.2f\n", started_s);
	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	print_head(out, "process_max_fds", "gauge", "most file descriptors it may have open");
	str_printf(out, "process_max_fds %llu\n", (unsigned long long)rl.rlim_cur);
}

static void print_process(struct str *out)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	print_head(out, "process_cpu_seconds_total", "counter", "CPU time of the process, user and system");
	str_printf(out, "process_cpu_seconds_total %.6f\n",
		   (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
		       (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
	print_head(out, "process_resident_memory_bytes", "gauge", "resident memory of the process");
	str_printf(out, "process_resident_memory_bytes %lld\n", (long long)resident_pages() * sysconf(_SC_PAGESIZE));
	print_head(out, "process_open_fds", "gauge", "open file descriptors");
	str_printf(out, "process_open_fds %ld\n", open_fds());
	print_limits(out);
}

void metrics_print(struct str *out)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	const char *name = "";

	for (struct metric *m = first; m; m = m->next) {
		if (strcmp(m->name, name) != 0)
			print_head(out, m->name, types[m->kind], m->help);
		name = m->name;
		print_one(out, m);
	}
	print_process(out);
}
