/*
 * media_itest_world: what is around the engine in its test: phones that send tones and keep what they hear, the bus as
 * call-control uses it, the program itself. For media_itest.c and media_srtp_itest.c.
 */
#ifndef MEDIA_ITEST_WORLD_H
#define MEDIA_ITEST_WORLD_H

#include <arpa/inet.h>
#include <libgen.h>
#include <pthread.h>
#include <signal.h>
#include <srtp2/srtp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "audio/g711.h"
#include "audio/tone.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "bus/bus.h"
#include "promptstore/promptstore.h"
#include "recording/segment.h"
#include "recording/timeline.h"
#include "rtp/rtcp.h"
#include "rtp/rtp_event.h"
#include "testkit/cmocka_all.h"
#include "testkit/testkit.h"
#include "trunkline/media/v1/media.pb-c.h"

typedef Trunkline__Media__V1__MediaEvent event_t;
typedef Trunkline__Media__V1__MediaCommand command_t;
#define WAIT_MS	   20000 /* for what must come */
#define CASE(x)	   TRUNKLINE__MEDIA__V1__MEDIA_EVENT__EVENT_##x
#define COMMAND(x) TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__COMMAND_##x

static struct testkit_nats nats;
static struct testkit_proc media;
static struct loop *loop;
static struct bus *bus;
static struct bus_sub *sub, *hb_sub;
static char dir[TESTKIT_PATH], conf[TESTKIT_PATH + 64], binary[512];
static int http_port;

/* ---- phones ---- */
#define HEARD (8000 * 60)
struct phone {
	int rtp, rtcp;
	uint16_t port, to;
	double hz; /* 0: silent */
	bool mu;   /* µ-law, else A-law */
	struct tone tone;
	uint16_t seq;
	uint32_t ts, ssrc;
	atomic_bool on;
	bool shy;	       /* does not talk as soon as it may */
	atomic_size_t n_heard; /* samples */
	atomic_uint packets, gaps, rtcp_packets, digits;
	atomic_uint in_a_row; /* packets since the last gap */
	bool any;
	uint16_t last_seq;
	uint32_t last_ssrc;
	srtp_t tx, rx;				       /* NULL: plain RTP; under phones_lock */
	atomic_uint spoilt;			       /* packets that the peer of SRTP did not sign */
	void (*sniff)(const void *bytes, size_t size); /* sees each packet sent */
	int16_t heard[HEARD];
};
static struct phone phones[4];
static pthread_t phone_thread;
static atomic_bool phones_stop;
static atomic_uint phones_turns;
static pthread_mutex_t phones_lock = PTHREAD_MUTEX_INITIALIZER;

static void send_to(int fd, uint16_t port, const void *bytes, size_t size)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	(void)!sendto(fd, bytes, size, 0, (struct sockaddr *)&to, sizeof(to));
}

static void phone_send(struct phone *p, uint8_t pt, const void *payload, size_t size, uint32_t ts, bool marker)
{
	struct rtp_packet h = { .pt = pt, .seq = p->seq++, .ts = ts, .ssrc = p->ssrc, .marker = marker };
	_Alignas(8) uint8_t bytes[RTP_HEADER + 200 + SRTP_MAX_TRAILER_LEN];
	int n = (int)(RTP_HEADER + size);

	rtp_write(bytes, &h);
	memcpy(bytes + RTP_HEADER, payload, size);
	if (p->tx && srtp_protect(p->tx, bytes, &n) != srtp_err_status_ok)
		return;
	if (p->sniff)
		p->sniff(bytes, (size_t)n);
	send_to(p->rtp, p->to, bytes, (size_t)n);
}

static void phone_talk(struct phone *p)
{
	int16_t pcm[160] = { 0 };
	uint8_t law[160];

	if (!p->on)
		return;
	if (p->hz > 0)
		tone_add(&p->tone, pcm, 160);
	(p->mu ? g711_u_encode_n : g711_a_encode_n)(law, pcm, 160);
	phone_send(p, p->mu ? 0 : 8, law, 160, p->ts, false);
	p->ts += 160;
}

static void phone_take(struct phone *p, const struct rtp_packet *in)
{
	size_t n = p->n_heard;

	p->in_a_row++;
	if (p->any && (in->seq != (uint16_t)(p->last_seq + 1) || in->ssrc != p->last_ssrc)) {
		p->gaps++;
		p->in_a_row = 0;
	}
	p->any = true;
	p->last_seq = in->seq;
	p->last_ssrc = in->ssrc;
	p->packets++;
	if (in->pt == 101)
		p->digits++;
	if (in->pt != (p->mu ? 0 : 8))
		return;
	for (size_t i = 0; i < in->size && n < HEARD; i++)
		p->heard[n++] = (p->mu ? g711_u_pcm : g711_a_pcm)[in->payload[i]];
	p->n_heard = n;
}

/* A datagram without its protection; 0: none left. */
static size_t phone_recv(struct phone *p, int fd, void *bytes, size_t size,
			 srtp_err_status_t (*open)(srtp_t rx, void *bytes, int *size))
{
	for (;;) {
		int n = (int)recv(fd, bytes, size, MSG_DONTWAIT);

		if (n <= 0)
			return 0;
		if (!p->rx || open(p->rx, bytes, &n) == srtp_err_status_ok)
			return (size_t)n;
		p->spoilt++;
	}
}

static void phone_listen(struct phone *p)
{
	_Alignas(8) uint8_t bytes[2048];
	struct rtp_packet in;
	struct rtcp_info info;
	size_t n;

	while ((n = phone_recv(p, p->rtp, bytes, sizeof(bytes), srtp_unprotect)))
		if (rtp_parse(&in, bytes, n))
			phone_take(p, &in);
	while ((n = phone_recv(p, p->rtcp, bytes, sizeof(bytes), srtp_unprotect_rtcp)))
		if (rtcp_parse(&info, bytes, n, p->ssrc))
			p->rtcp_packets++;
}

static void *run_phones(void *arg)
{
	int64_t next = clock_mono_us();

	(void)arg;
	while (!phones_stop) {
		pthread_mutex_lock(&phones_lock);
		for (size_t i = 0; i < ARRAY_SIZE(phones); i++) {
			phone_talk(&phones[i]);
			phone_listen(&phones[i]);
		}
		pthread_mutex_unlock(&phones_lock);
		phones_turns++;
		next += 20000;
		if (next > clock_mono_us())
			usleep((useconds_t)(next - clock_mono_us()));
	}
	return NULL;
}

static int bound(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons(*port) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (bind(fd, (struct sockaddr *)&at, sizeof(at))) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&at, &len);
	*port = ntohs(at.sin_port);
	return fd;
}

static void phone_open(struct phone *p, double hz, bool mu)
{
	p->rtcp = -1;
	while (p->rtcp < 0) {
		uint16_t next;

		p->port = 0;
		p->rtp = bound(&p->port);
		next = (uint16_t)(p->port + 1);
		p->rtcp = bound(&next);
		if (p->rtcp < 0)
			close(p->rtp);
	}
	p->hz = hz;
	p->mu = mu;
	p->ssrc = (uint32_t)rand();
	tone_init(&p->tone, hz, 8000, -10);
}

/* From here on with these contexts, which the phone owns. */
static void phone_secure(struct phone *p, srtp_t tx, srtp_t rx)
{
	srtp_t old_tx, old_rx;

	pthread_mutex_lock(&phones_lock);
	old_tx = p->tx;
	old_rx = p->rx;
	p->tx = tx;
	p->rx = rx;
	pthread_mutex_unlock(&phones_lock);
	if (old_tx)
		(void)srtp_dealloc(old_tx);
	if (old_rx)
		(void)srtp_dealloc(old_rx);
}

static void phone_reset(struct phone *p)
{
	p->shy = false;
	p->any = false;
	p->n_heard = 0;
	p->packets = p->gaps = p->digits = p->spoilt = p->in_a_row = 0;
	p->sniff = NULL;
	phone_secure(p, NULL, NULL);
}

/* Share of the frequency in the last n samples heard. */
static double hears(const struct phone *p, double hz, size_t n)
{
	size_t have = p->n_heard;

	return have < n ? 0 : tone_share(p->heard + have - n, n, hz, 8000);
}

/* ---- the bus ---- */
static struct {
	unsigned n;
	event_t *event[512];
	ProtobufCMessage *msg[512];
	unsigned n_msg;
} inbox;
static uint64_t heartbeat_of; /* which process */
static uint32_t heartbeat_load;

static void on_events(const struct bus_msg *msg, void *arg)
{
	Trunkline__Media__V1__MediaEvents *pb = trunkline__media__v1__media_events__unpack(NULL, msg->size, msg->data);

	(void)arg;
	assert_non_null(pb);
	assert_string_equal(pb->instance, "media-1");
	inbox.msg[inbox.n_msg++] = &pb->base;
	for (size_t i = 0; i < pb->n_events && inbox.n < 512; i++)
		inbox.event[inbox.n++] = pb->events[i];
}

static void on_heartbeat(const struct bus_msg *msg, void *arg)
{
	Trunkline__Media__V1__Heartbeat *pb = trunkline__media__v1__heartbeat__unpack(NULL, msg->size, msg->data);

	(void)arg;
	assert_non_null(pb);
	assert_string_equal(pb->service, "media");
	assert_true(pb->capacity > 0 && pb->incarnation > 0);
	heartbeat_load = pb->load;
	heartbeat_of = pb->incarnation;
	trunkline__media__v1__heartbeat__free_unpacked(pb, NULL);
}

static void forget_events(void)
{
	for (unsigned i = 0; i < inbox.n_msg; i++)
		protobuf_c_message_free_unpacked(inbox.msg[i], NULL);
	inbox.n = inbox.n_msg = 0;
}

struct wanted {
	const char *leg;
	int kind;
	unsigned nth;
	event_t *found;
};

static bool find(void *arg)
{
	struct wanted *w = arg;
	unsigned nth = 0;

	w->found = NULL;
	for (unsigned i = 0; i < inbox.n && !w->found; i++)
		if ((int)inbox.event[i]->event_case == w->kind && str_eq(inbox.event[i]->leg_id, w->leg) &&
		    nth++ == w->nth)
			w->found = inbox.event[i];
	return w->found != NULL;
}

static event_t *await_nth(const char *leg, int kind, unsigned nth)
{
	struct wanted w = { .leg = leg, .kind = kind, .nth = nth };

	if (!testkit_wait_loop(loop, find, &w, WAIT_MS)) {
		for (unsigned i = 0; i < inbox.n; i++)
			print_message("  event %d of leg %s\n", (int)inbox.event[i]->event_case,
				      inbox.event[i]->leg_id);
		fail_msg("no event %d of leg %s", kind, leg);
	}
	return w.found;
}

static event_t *await(const char *leg, int kind)
{
	return await_nth(leg, kind, 0);
}

static bool never(void *arg)
{
	(void)arg;
	return false;
}

static void wait_ms(int64_t ms)
{
	(void)testkit_wait_loop(loop, never, NULL, ms);
}

static bool phones_have_turned(void *arg)
{
	return phones_turns - *(unsigned *)arg >= 2;
}

/* What lies in their sockets now they have read. */
static void until_phones_have_read(void)
{
	unsigned before = phones_turns;

	assert_true(testkit_wait_loop(loop, phones_have_turned, &before, WAIT_MS));
}

/* ---- what a phone hears once the machine lets all of us be in time ---- */
struct tune {
	const struct phone *p;
	double hz;
	size_t n;
	double share;
};

static bool is_heard(void *arg)
{
	const struct tune *t = arg;

	return hears(t->p, t->hz, t->n) > t->share;
}

/* Its last n samples become a tone of that frequency. */
static void must_hear(const struct phone *p, double hz, size_t n, double share)
{
	struct tune t = { p, hz, n, share };

	if (!testkit_wait_loop(loop, is_heard, &t, WAIT_MS))
		fail_msg("%.0f Hz: %.3f of %zu samples, %zu heard", hz, hears(p, hz, n), n, (size_t)p->n_heard);
}

struct counted {
	const atomic_uint *what;
	unsigned n;
};

static bool has_counted(void *arg)
{
	const struct counted *c = arg;

	return *c->what >= c->n;
}

static void must_count(const atomic_uint *what, unsigned n)
{
	if (!testkit_wait_loop(loop, has_counted, &(struct counted){ what, n }, WAIT_MS))
		fail_msg("%u instead of %u", *what, n);
}

struct listened {
	const struct phone *p;
	size_t n;
};

static bool has_heard(void *arg)
{
	const struct listened *l = arg;

	return l->p->n_heard >= l->n;
}

static void must_have_heard(const struct phone *p, size_t samples)
{
	assert_true(testkit_wait_loop(loop, has_heard, &(struct listened){ p, samples }, WAIT_MS));
}

static void send_owned(const char *owner, command_t *c)
{
	Trunkline__Media__V1__MediaCommands batch = TRUNKLINE__MEDIA__V1__MEDIA_COMMANDS__INIT;
	uint8_t bytes[40000];
	size_t n;

	batch.owner = (char *)owner;
	batch.n_commands = 1;
	batch.commands = &c;
	n = trunkline__media__v1__media_commands__get_packed_size(&batch);
	assert_true(n <= sizeof(bytes));
	trunkline__media__v1__media_commands__pack(&batch, bytes);
	assert_int_equal(bus_publish(bus, "tl.centre.media.media-1", bytes, n), ERR_OK);
	loop_turn(loop, 0);
}

static command_t command(const char *leg, int kind)
{
	command_t c = TRUNKLINE__MEDIA__V1__MEDIA_COMMAND__INIT;

	c.tenant = (char *)"acme";
	c.call_id = (char *)"call1";
	c.leg_id = (char *)leg;
	c.epoch = 1;
	c.command_case = kind;
	return c;
}

static void order(command_t c)
{
	send_owned("cc-1", &c);
}

#define BODY(type, name) Trunkline__Media__V1__##type name

static void create(const char *leg, struct phone *p, const char *attributes)
{
	BODY(EndpointCreate, body) = TRUNKLINE__MEDIA__V1__ENDPOINT_CREATE__INIT;
	command_t c = command(leg, COMMAND(CREATE));
	char sdp[512];
	event_t *ev;
	char *at;

	snprintf(
	    sdp, sizeof(sdp),
	    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %u RTP/AVP %d 101\r\n"
	    "a=rtpmap:101 telephone-event/8000\r\n%s",
	    p->port, p->mu ? 0 : 8, attributes);
	body.remote_sdp = (ProtobufCBinaryData){ strlen(sdp), (uint8_t *)sdp };
	c.create = &body;
	order(c);
	ev = await(leg, CASE(READY));
	snprintf(sdp, sizeof(sdp), "%.*s", (int)ev->ready->sdp.len, (char *)ev->ready->sdp.data);
	at = strstr(sdp, "m=audio ");
	assert_non_null(at);
	p->to = (uint16_t)atoi(at + 8);
	p->on = !p->shy;
}

static void bridge(const char *a, const char *b)
{
	BODY(Bridge, body) = TRUNKLINE__MEDIA__V1__BRIDGE__INIT;
	command_t c = command(a, COMMAND(BRIDGE));

	body.other_leg_id = (char *)b;
	c.bridge = &body;
	order(c);
}

static void record(const char *leg, bool on)
{
	BODY(Record, body) = TRUNKLINE__MEDIA__V1__RECORD__INIT;
	command_t c = command(leg, COMMAND(RECORD));

	body.on = on;
	body.recording_id = (char *)"rec1";
	c.record = &body;
	order(c);
}

static void play(const char *leg, char **sha, size_t n, int tone, bool loop_it, bool stop_on_digit, uint32_t id)
{
	BODY(Play, body) = TRUNKLINE__MEDIA__V1__PLAY__INIT;
	command_t c = command(leg, COMMAND(PLAY));

	body.n_sha256 = n;
	body.sha256 = sha;
	body.tone = tone;
	body.loop = loop_it;
	body.stop_on_digit = stop_on_digit;
	body.play_id = id;
	c.play = &body;
	order(c);
}

static void simple(const char *leg, int kind)
{
	static Trunkline__Media__V1__StopPlay empty = TRUNKLINE__MEDIA__V1__STOP_PLAY__INIT;
	BODY(Unbridge, unbridge) = TRUNKLINE__MEDIA__V1__UNBRIDGE__INIT;
	BODY(EndpointAttach, attach) = TRUNKLINE__MEDIA__V1__ENDPOINT_ATTACH__INIT;
	command_t c = command(leg, kind);

	if (kind == (int)COMMAND(STOP_PLAY))
		c.stop_play = &empty;
	if (kind == (int)COMMAND(UNBRIDGE))
		c.unbridge = &unbridge;
	if (kind == (int)COMMAND(ATTACH))
		c.attach = &attach;
	order(c);
}

static event_t *call_free(void)
{
	BODY(CallFree, body) = TRUNKLINE__MEDIA__V1__CALL_FREE__INIT;
	command_t c = command("", COMMAND(CALL_FREE));

	forget_events();
	c.call_free = &body;
	order(c);
	return await("", CASE(FREED));
}

static void press(struct phone *p, char digit, unsigned ms)
{
	uint32_t ts = p->ts;
	uint8_t payload[RTP_EVENT_SIZE];

	p->on = false;
	usleep(30000);
	for (unsigned t = 20; t <= ms; t += 20) {
		(void)rtp_event_write(payload, digit, false, 10, (uint16_t)(t * 8));
		phone_send(p, 101, payload, sizeof(payload), ts, t == 20);
		usleep(20000);
	}
	for (unsigned i = 0; i < 3; i++) {
		(void)rtp_event_write(payload, digit, true, 10, (uint16_t)(ms * 8));
		phone_send(p, 101, payload, sizeof(payload), ts, false);
	}
	p->ts += (ms + 100) * 8;
	p->on = true;
}

/* ---- the program ---- */
static bool another_beats(void *before)
{
	return heartbeat_of != *(uint64_t *)before;
}

static void start_media(void)
{
	uint64_t before = heartbeat_of;
	const char *argv[] = { binary, "-c", conf, NULL };
	char log[TESTKIT_PATH + 64];

	snprintf(log, sizeof(log), "%s/media.log", dir);
	testkit_spawn(&media, &(struct testkit_spawn){ .argv = argv, .log = log });
	assert_true(testkit_wait_loop(loop, another_beats, &before, 3 * WAIT_MS));
}

static void find_binary(void)
{
	char self[400];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	self[n] = '\0';
	snprintf(binary, sizeof(binary), "%s/../bin/trunkline-media", dirname(self));
}

/* ---- recordings ---- */
struct track {
	int16_t left[HEARD], right[HEARD];
	size_t n;
};
static struct track track;

static err_t collect(const int16_t *left, const int16_t *right, size_t n, void *arg)
{
	(void)arg;
	assert_true(track.n + n <= HEARD);
	memcpy(track.left + track.n, left, n * 2);
	memcpy(track.right + track.n, right, n * 2);
	track.n += n;
	return ERR_OK;
}

static bool read_recording(const char *path)
{
	struct segment_reader *r;
	struct segment_frame f;
	struct timeline *t;
	bool ended;

	track.n = 0;
	assert_int_equal(segment_reader_open(&r, path), ERR_OK);
	assert_string_equal(segment_reader_info(r)->tenant, "acme");
	assert_int_equal(timeline_new(&t, collect, NULL), ERR_OK);
	while (segment_reader_next(r, &f))
		assert_int_equal(timeline_frame(t, &f), ERR_OK);
	assert_int_equal(timeline_finish(t), ERR_OK);
	ended = segment_reader_ended(r);
	timeline_free(&t);
	segment_reader_close(&r);
	return ended;
}

/* The share of a frequency where there is most of it; elsewhere the machine may have kept us from being in time. */
static double most_of(const int16_t *pcm, double hz, size_t n)
{
	double most = 0;

	for (size_t at = 0; at + n <= track.n; at += 400) {
		double share = tone_share(pcm + at, n, hz, 8000);

		most = share > most ? share : most;
	}
	return most;
}

static int setup_all(void **state)
{
	struct bus_params p = { 0 };
	char text[1024], sub_dir[TESTKIT_PATH + 64];

	(void)state;
	find_binary();
	testkit_dir(dir);
	testkit_nats_start(&nats, true);
	http_port = testkit_tcp_port();
	snprintf(sub_dir, sizeof(sub_dir), "%s/rec", dir);
	snprintf(text, sizeof(text),
		 "instance: media-1\nsite: centre\nhttp:\n  address: 127.0.0.1\n  port: %d\nnats:\n  url: %s\n"
		 "rtp:\n  address: 127.0.0.1\n  port_min: 37000\n  port_max: 37399\n  timeout_ms: 2000\n"
		 "data:\n  dir: %s/rec\n  cache_dir: %s/prompts\nmedia:\n  workers: 2\n",
		 http_port, nats.url, dir, dir);
	testkit_file(dir, "media.yaml", text, conf);
	assert_int_equal(loop_new(&loop), ERR_OK);
	p.loop = loop;
	p.url = nats.url;
	p.name = "test";
	assert_int_equal(bus_new(&bus, &p, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&sub, bus, "tl.centre.cc.cc-1.media", NULL, on_events, NULL), ERR_OK);
	assert_int_equal(bus_subscribe(&hb_sub, bus, "tl.centre.hb.media.*", NULL, on_heartbeat, NULL), ERR_OK);
	srand(1);
	phone_open(&phones[0], 440, false);
	phone_open(&phones[1], 1000, false);
	phone_open(&phones[2], 700, true);
	phone_open(&phones[3], 1300, false);
	assert_int_equal(pthread_create(&phone_thread, NULL, run_phones, NULL), 0);
	start_media();
	return 0;
}

static int teardown_all(void **state)
{
	(void)state;
	phones_stop = true;
	pthread_join(phone_thread, NULL);
	bus_unsubscribe(&sub);
	bus_unsubscribe(&hb_sub);
	assert_int_equal(testkit_proc_stop(&media, SIGTERM, WAIT_MS), 0);
	bus_free(&bus);
	loop_free(&loop);
	testkit_nats_stop(&nats);
	return 0;
}

static int begin(void **state)
{
	(void)state;
	forget_events();
	for (size_t i = 0; i < ARRAY_SIZE(phones); i++)
		phones[i].on = false;
	wait_ms(60); /* what is under way from the test before arrives */
	until_phones_have_read();
	for (size_t i = 0; i < ARRAY_SIZE(phones); i++)
		phone_reset(&phones[i]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	if (testkit_proc_running(&media))
		(void)call_free();
	forget_events();
	assert_true(testkit_proc_running(&media));
	return 0;
}

#endif
