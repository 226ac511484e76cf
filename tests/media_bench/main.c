/* media-bench: CPU of the media engine per relayed call (README.md). */
#include <arpa/inet.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "rtp/rtp.h"
#include "testkit/testkit.h"
#include "trunkline/media/v1/media.pb-c.h"

#define FIRST_PORT 40000
#define PAYLOAD	   160

struct phone {
	int fd;
	uint16_t seq, port, to;
	uint64_t got;
};

struct bench {
	unsigned calls, seconds, rounds;
	bool record;
	struct testkit_nats nats;
	struct testkit_proc media;
	struct loop *loop;
	struct bus *bus;
	struct bus_sub *sub;
	char dir[TESTKIT_PATH];
	struct phone *phones;
	unsigned ready;
};
static struct bench b;

/* ---- the bus ---- */
static void on_events(const struct bus_msg *msg, void *arg)
{
	Trunkline__Media__V1__MediaEvents *pb = trunkline__media__v1__media_events__unpack(NULL, msg->size, msg->data);

	(void)arg;
	for (size_t i = 0; pb && i < pb->n_events; i++) {
		const Trunkline__Media__V1__MediaEvent *ev = pb->events[i];
		char sdp[1024];

		if (ev->event_case == TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_FAILED)
			testkit_die("%s: %s", ev->failed->what, ev->failed->message);
		if (ev->event_case != TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_READY)
			continue;
		snprintf(sdp, sizeof(sdp), "%.*s", (int)ev->ready->sdp.len, (char *)ev->ready->sdp.data);
		b.phones[atoi(ev->leg_id)].to = (uint16_t)atoi(strstr(sdp, "m=audio ") + 8);
		b.ready++;
	}
	if (pb)
		trunkline__media__v1__media_events__free_unpacked(pb, NULL);
}

static void order(unsigned leg, Trunkline__Media__V1__MediaCommand *c)
{
	Trunkline__Media__V1__MediaCommands batch = TRUNKLINE__MEDIA__V1__MEDIA_COMMANDS__INIT;
	char leg_id[16], call_id[16];
	uint8_t bytes[4096];

	snprintf(leg_id, sizeof(leg_id), "%u", leg);
	snprintf(call_id, sizeof(call_id), "call%u", leg / 2);
	c->tenant = (char *)"bench";
	c->call_id = call_id;
	c->leg_id = leg_id;
	c->epoch = 1;
	batch.owner = (char *)"bench";
	batch.n_commands = 1;
	batch.commands = &c;
	if (bus_publish(b.bus, "tl.bench.media.media-1", bytes,
			trunkline__media__v1__media_commands__pack(&batch, bytes)))
		testkit_die("cannot publish");
}

static void create(unsigned leg)
{
	Trunkline__Media__V1__MediaCommand c = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;
	Trunkline__Media__V1__EndpointCreate body = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	char sdp[256];

	snprintf(sdp, sizeof(sdp),
		 "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/AVP 8\r\n",
		 b.phones[leg].port);
	body.remote_sdp = (ProtobufCBinaryData){ strlen(sdp), (uint8_t *)sdp };
	c.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_CREATE;
	c.create = &body;
	order(leg, &c);
}

static void bridge(unsigned leg)
{
	Trunkline__Media__V1__MediaCommand c = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;
	Trunkline__Media__V1__Bridge body = TRUNKLINE__MEDIA__V1__BRIDGE__INIT;
	char other[16];

	snprintf(other, sizeof(other), "%u", leg + 1);
	body.other_leg_id = other;
	c.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_BRIDGE;
	c.bridge = &body;
	order(leg, &c);
}

static void record(unsigned leg)
{
	Trunkline__Media__V1__MediaCommand c = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;
	Trunkline__Media__V1__Record body = TRUNKLINE__MEDIA__V1__RECORD__INIT;
	char id[16];

	snprintf(id, sizeof(id), "rec%u", leg);
	body.on = true;
	body.recording_id = id;
	c.command_case = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_RECORD;
	c.record = &body;
	order(leg, &c);
}

/* ---- phones ---- */
static void phone_open(struct phone *p)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	p->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (p->fd < 0 || bind(p->fd, (struct sockaddr *)&at, sizeof(at)))
		testkit_die("no socket for a phone: raise the limit of open files");
	getsockname(p->fd, (struct sockaddr *)&at, &len);
	p->port = ntohs(at.sin_port);
}

static void phone_connect(struct phone *p)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(p->to) };

	if (connect(p->fd, (struct sockaddr *)&to, sizeof(to)))
		testkit_die("cannot connect a phone");
}

static void phone_turn(struct phone *p, uint32_t ssrc)
{
	uint8_t bytes[RTP_HEADER + PAYLOAD];
	struct rtp_packet h = { .pt = 8, .seq = p->seq, .ts = p->seq * (uint32_t)PAYLOAD, .ssrc = ssrc };

	p->seq++;
	rtp_write(bytes, &h);
	memset(bytes + RTP_HEADER, 0xd5, PAYLOAD);
	(void)!send(p->fd, bytes, sizeof(bytes), 0);
	while (recv(p->fd, bytes, sizeof(bytes), 0) > 0)
		p->got++;
}

/* All phones for so long: a quarter of them each 5 ms. */
static void talk(unsigned seconds)
{
	int64_t next = clock_mono_us(), end = next + seconds * 1000000ll;

	for (unsigned turn = 0; next < end; turn++, next += 5000) {
		int64_t wait = next - clock_mono_us();

		if (wait > 0)
			usleep((useconds_t)wait);
		for (unsigned i = turn % 4; i < 2 * b.calls; i += 4)
			phone_turn(&b.phones[i], i + 1);
	}
}

/* ---- measuring ---- */
static double cpu_s(pid_t pid)
{
	char path[64], line[1024];
	unsigned long user, sys;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f || !fgets(line, sizeof(line), f))
		testkit_die("the engine is gone");
	fclose(f);
	if (sscanf(strrchr(line, ')') + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &sys) != 2)
		testkit_die("%s cannot be read", path);
	return (double)(user + sys) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t got(void)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < 2 * b.calls; i++)
		n += b.phones[i].got;
	return n;
}

static double round_of(unsigned n)
{
	uint64_t packets = got(), sent;
	double used = cpu_s(b.media.pid), per_call;

	talk(b.seconds);
	used = cpu_s(b.media.pid) - used;
	packets = got() - packets;
	sent = (uint64_t)b.calls * b.seconds * 100;
	per_call = used * 1000 / (b.calls * b.seconds);
	printf("round %u: %u calls%s, %u s, media %.2f CPU-s, %.3f per 1,000 call-s, %.2f us a packet, %.2f %% lost\n",
	       n, b.calls, b.record ? " recorded" : "", b.seconds, used, per_call, used * 1e6 / (double)(2 * sent),
	       100.0 * (1 - (double)packets / (double)sent));
	return per_call;
}

/* ---- set-up ---- */
static bool all_ready(void *arg)
{
	(void)arg;
	return b.ready == 2 * b.calls;
}

static bool connected(void *arg)
{
	char log[TESTKIT_PATH + 64];
	struct str text = STR_INIT;
	bool up;

	(void)arg;
	snprintf(log, sizeof(log), "%s/media.log", b.dir);
	testkit_read(log, &text);
	up = strstr(str_text(&text), "service.started") != NULL;
	str_done(&text);
	return up;
}

static void start_media(void)
{
	char self[400], binary[512], conf[TESTKIT_PATH + 64], text[1024], log[TESTKIT_PATH + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	snprintf(binary, sizeof(binary), "%s/trunkline-media", dirname(self));
	snprintf(
	    text, sizeof(text),
	    "instance: media-1\nsite: bench\nhttp:\n  port: 0\nnats:\n  url: %s\nrtp:\n  port_min: %d\n  port_max: %d\n"
	    "data:\n  dir: %s/rec\n  cache_dir: %s/prompts\n",
	    b.nats.url, FIRST_PORT, 65534, b.dir, b.dir);
	testkit_file(b.dir, "media.yaml", text, conf);
	snprintf(log, sizeof(log), "%s/media.log", b.dir);
	const char *argv[] = { binary, "-c", conf, NULL };

	testkit_spawn(&b.media, &(struct testkit_spawn){ .argv = argv, .log = log });
	if (!testkit_wait(connected, NULL, 10000))
		testkit_die("the engine does not start: see %s", log);
}

static void start_calls(void)
{
	b.phones = mem_array(2 * b.calls, sizeof(*b.phones));
	if (!b.phones)
		testkit_die("out of memory");
	for (unsigned i = 0; i < 2 * b.calls; i++) {
		phone_open(&b.phones[i]);
		create(i);
	}
	if (!testkit_wait_loop(b.loop, all_ready, NULL, 10000))
		testkit_die("%u of %u legs are ready", b.ready, 2 * b.calls);
	for (unsigned i = 0; i < 2 * b.calls; i++)
		phone_connect(&b.phones[i]);
	for (unsigned i = 0; i < 2 * b.calls; i += 2) {
		bridge(i);
		if (b.record)
			record(i);
	}
	loop_turn(b.loop, 100);
}

static int compare(const void *x, const void *y)
{
	return *(const double *)x < *(const double *)y ? -1 : *(const double *)x > *(const double *)y;
}

static void options(int argc, char **argv)
{
	static const struct option list[] = { { "calls", 1, NULL, 'c' },
					      { "seconds", 1, NULL, 's' },
					      { "rounds", 1, NULL, 'n' },
					      { "record", 0, NULL, 'r' },
					      { NULL, 0, NULL, 0 } };
	int o;

	b.calls = 200;
	b.seconds = 10;
	b.rounds = 3;
	while ((o = getopt_long(argc, argv, "", list, NULL)) != -1) {
		unsigned v = optarg ? (unsigned)atoi(optarg) : 0;

		if (o == 'c')
			b.calls = v;
		else if (o == 's')
			b.seconds = v;
		else if (o == 'n')
			b.rounds = v;
		else if (o == 'r')
			b.record = true;
		else
			testkit_die("usage: media-bench [--calls N] [--seconds N] [--rounds N] [--record]");
	}
	if (!b.calls || b.calls > 6000 || !b.seconds || !b.rounds || b.rounds > 99)
		testkit_die("1-6000 calls, at least 1 second and 1-99 rounds expected");
}

int main(int argc, char **argv)
{
	struct bus_params p = { .name = "bench" };
	double results[100];

	options(argc, argv);
	testkit_dir(b.dir);
	testkit_nats_start(&b.nats, true);
	if (loop_new(&b.loop))
		testkit_die("no loop");
	p.loop = b.loop;
	p.url = b.nats.url;
	if (bus_new(&b.bus, &p, NULL) || bus_subscribe(&b.sub, b.bus, "tl.bench.cc.bench.media", NULL, on_events, NULL))
		testkit_die("no bus");
	start_media();
	start_calls();
	talk(2);
	for (unsigned i = 0; i < b.rounds; i++)
		results[i] = round_of(i + 1);
	qsort(results, b.rounds, sizeof(results[0]), compare);
	printf("{\"name\": \"%s_cpu_s_per_1000_call_s\", \"median\": %.4f, \"min\": %.4f, \"max\": %.4f, "
	       "\"us_per_packet\": %.3f}\n",
	       b.record ? "record" : "relay", results[b.rounds / 2], results[0], results[b.rounds - 1],
	       results[b.rounds / 2] * 1000 / 200);
	(void)testkit_proc_stop(&b.media, SIGKILL, 1000);
	return 0;
}
