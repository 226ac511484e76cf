/* Our media engine as the relay, asked over the bus as call-control does. */
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "bus/bus.h"
#include "testkit/testkit.h"
#include "trunkline/media/v1/media.pb-c.h"

static struct testkit_nats nats;
static struct testkit_proc media;
static struct loop *loop;
static struct bus *bus;
static struct bus_sub *sub;
static char dir[TESTKIT_PATH];
static unsigned ready, wanted;

static void on_events(const struct bus_msg *msg, void *arg)
{
	Trunkline__Media__V1__MediaEvents *pb = trunkline__media__v1__media_events__unpack(NULL, msg->size, msg->data);

	(void)arg;
	for (size_t i = 0; pb && i < pb->n_events; i++) {
		const Trunkline__Media__V1__MediaEvent *ev = pb->events[i];

		if (ev->event_case == TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_FAILED)
			testkit_die("%s: %s", ev->failed->what, ev->failed->message);
		if (ev->event_case != TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_READY)
			continue;
		phone_connect((unsigned)atoi(ev->leg_id), (char *)ev->ready->sdp.data, ev->ready->sdp.len);
		ready++;
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
	if (bus_publish(bus, "tl.bench.media.media-1", bytes,
			trunkline__media__v1__media_commands__pack(&batch, bytes)))
		testkit_die("cannot publish");
}

static void create(unsigned leg)
{
	Trunkline__Media__V1__MediaCommand c = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;
	Trunkline__Media__V1__EndpointCreate body = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	char sdp[1024];

	body.remote_sdp = (ProtobufCBinaryData){ strlen(phone_sdp(leg, sdp)), (uint8_t *)sdp };
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

static bool all_ready(void *arg)
{
	(void)arg;
	return ready == wanted;
}

static void add(unsigned from, unsigned to)
{
	wanted = 2 * to;
	for (unsigned i = 2 * from; i < 2 * to; i++)
		create(i);
	if (!testkit_wait_loop(loop, all_ready, NULL, 20000))
		testkit_die("%u of %u legs are ready", ready, wanted);
	for (unsigned i = 2 * from; i < 2 * to; i += 2) {
		bridge(i);
		if (b.record)
			record(i);
	}
	loop_turn(loop, 100);
}

static bool started(void *arg)
{
	char log[TESTKIT_PATH + 64];
	struct str text = STR_INIT;
	bool up;

	(void)arg;
	snprintf(log, sizeof(log), "%s/media.log", dir);
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
	    "data:\n  dir: %s/rec\n  cache_dir: %s/prompts\nmedia:\n  workers: %u\n",
	    nats.url, PORT_MIN, PORT_MAX, dir, dir, b.workers);
	testkit_file(dir, "media.yaml", text, conf);
	snprintf(log, sizeof(log), "%s/media.log", dir);
	const char *argv[] = { binary, "-c", conf, NULL };

	testkit_spawn(&media, &(struct testkit_spawn){ .argv = argv, .log = log });
	if (!testkit_wait(started, NULL, 10000))
		testkit_die("the engine does not start: see %s", log);
}

static void start(void)
{
	struct bus_params p = { .name = "bench" };

	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	if (loop_new(&loop))
		testkit_die("no loop");
	p.loop = loop;
	p.url = nats.url;
	if (bus_new(&bus, &p, NULL) || bus_subscribe(&sub, bus, "tl.bench.cc.bench.media", NULL, on_events, NULL))
		testkit_die("no bus");
	start_media();
}

static pid_t pid(void)
{
	return media.pid;
}

static void stop(void)
{
	(void)testkit_proc_stop(&media, SIGKILL, 1000);
}

const struct relay relay_media = { "media", start, add, pid, stop };
