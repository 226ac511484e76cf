/* chaos-phones: callers and agents of a chaos run (README.md). */
#include <arpa/inet.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "groups.h"
#include "journal.h"
#include "leg.h"

#define TURN_NS	     (1 * MS_NS)
#define LATE_NS	     (20 * MS_NS) /* our own stalls are told: they are no fault of whom we listen to */
#define BUFFER_BYTES (8 << 20)

struct options {
	const char *server_host, *caller_host, *agent_host, *log;
	unsigned server_port, agent_port, first_id, seed;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static struct line open_line(const char *host, unsigned port, const struct options *o)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct line l = { .server = { .sin_family = AF_INET, .sin_port = htons((uint16_t)o->server_port) } };
	socklen_t len = sizeof(at);
	int bytes = BUFFER_BYTES;

	l.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (l.fd < 0 || inet_pton(AF_INET, host, &at.sin_addr) != 1 ||
	    inet_pton(AF_INET, o->server_host, &l.server.sin_addr) != 1 ||
	    bind(l.fd, (struct sockaddr *)&at, sizeof(at)) || getsockname(l.fd, (struct sockaddr *)&at, &len))
		die("chaos-phones: SIP socket");
	/* Best effort: beyond net.core.rmem_max for root only. */
	if (setsockopt(l.fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)))
		setsockopt(l.fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	snprintf(l.host, sizeof(l.host), "%s", host);
	l.port = ntohs(at.sin_port);
	return l;
}

static void on_sip(const struct line *line)
{
	static char buf[65536];
	ssize_t n;

	while ((n = recv(line->fd, buf, sizeof(buf), 0)) >= 0) {
		int64_t now = wall_ns();
		struct sipmsg m;
		struct leg *l;

		if (!sipmsg_parse(&m, buf, (size_t)n))
			continue;
		l = leg_by_call_id(m.call_id);
		if (m.is_request)
			uas_request(line, l, &m, now);
		else if (l)
			uac_response(l, &m, now);
	}
}

static bool command_call(const char *line)
{
	struct group_plan p = { 0 };
	int n =
	    sscanf(line, "call %23s %39s count=%u rate=%lf keep=%u talk=%u-%u patience=%u by-agent=%u", p.name,
		   p.number, &p.count, &p.rate, &p.keep, &p.talk_min_ms, &p.talk_max_ms, &p.patience_ms, &p.by_agent);

	if (n != 9)
		return false;
	group_call(&p, wall_ns());
	return true;
}

static bool execute(const char *line)
{
	char name[24];
	unsigned min, max;
	double rate;

	if (strcmp(line, "report") == 0)
		return true;
	if (sscanf(line, "stop %23s", name) == 1)
		return group_stop(name);
	if (sscanf(line, "hangup %23s %lf", name, &rate) == 2)
		return group_hang_up(name, rate);
	if (sscanf(line, "ring %15s %u-%u", name, &min, &max) == 3) {
		groups_ring(name, min, max);
		return true;
	}
	return command_call(line);
}

/* False at the end of standard input: whoever started us is gone. */
static bool on_command(void)
{
	char line[256];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	if (!execute(line)) {
		printf("{\"error\": \"not understood\"}\n");
		fflush(stdout);
		return true;
	}
	journal_flush();
	groups_report(stdout);
	return true;
}

static void turn(uint64_t n, int64_t now_ns)
{
	legs_turn((unsigned)(n % SLOTS), now_ns);
	groups_turn(now_ns);
	if (n % 1000 == 0)
		journal_flush();
}

static void run(const struct line *callers, const struct line *agents)
{
	struct pollfd fds[] = { { STDIN_FILENO, POLLIN, 0 }, { callers->fd, POLLIN, 0 }, { agents->fd, POLLIN, 0 } };
	int64_t next = wall_ns(), now;

	for (uint64_t n = 0;;) {
		struct timespec wait = { 0, 0 };

		now = wall_ns();
		if (next > now)
			wait.tv_nsec = (long)(next - now);
		if (ppoll(fds, 3, &wait, NULL) < 0)
			die("chaos-phones: ppoll");
		if (fds[1].revents)
			on_sip(callers);
		if (fds[2].revents)
			on_sip(agents);
		if (fds[0].revents && !on_command())
			return;
		now = wall_ns();
		if (now < next)
			continue;
		if (now - next > LATE_NS) {
			journal("-", now, "late", "\"ms\": %.1f", (double)(now - next) / MS_NS);
			next = now; /* nobody talks faster to make up for it */
		}
		turn(n++, now);
		next += TURN_NS;
	}
}

static struct options options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "server", 1, NULL, 's' },	{ "server-port", 1, NULL, 'p' }, { "caller-address", 1, NULL, 'c' },
		{ "agent-address", 1, NULL, 'a' }, { "agent-port", 1, NULL, 'P' },	 { "log", 1, NULL, 'l' },
		{ "first-id", 1, NULL, 'i' },	{ "seed", 1, NULL, 'S' },	 { NULL, 0, NULL, 0 },
	};
	struct options o = { "127.0.0.1", "127.0.0.2", "127.0.0.1", NULL, 0, 0, 1, 1 };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 's':
			o.server_host = optarg;
			break;
		case 'p':
			o.server_port = (unsigned)atoi(optarg);
			break;
		case 'c':
			o.caller_host = optarg;
			break;
		case 'a':
			o.agent_host = optarg;
			break;
		case 'P':
			o.agent_port = (unsigned)atoi(optarg);
			break;
		case 'l':
			o.log = optarg;
			break;
		case 'i':
			o.first_id = (unsigned)atoi(optarg);
			break;
		case 'S':
			o.seed = (unsigned)atoi(optarg);
			break;
		default:
			exit(2);
		}
	}
	if (!o.server_port || !o.agent_port || !o.log) {
		fprintf(
		    stderr,
		    "usage: chaos-phones --server-port P --agent-port P --log FILE [--server A] [--caller-address A]\n"
		    "                    [--agent-address A] [--first-id N] [--seed N]\n");
		exit(2);
	}
	return o;
}

int main(int argc, char **argv)
{
	struct options o = options(argc, argv);
	struct rlimit files;
	struct line callers, agents;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	journal_open(o.log);
	legs_init(o.first_id);
	callers = open_line(o.caller_host, 0, &o);
	agents = open_line(o.agent_host, o.agent_port, &o);
	groups_init(&callers, o.seed);
	setvbuf(stdin, NULL, _IONBF, 0); /* poll() must see every line */
	run(&callers, &agents);
	journal_flush();
	return 0;
}
