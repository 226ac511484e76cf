/*
 * bench: what the parts of media-bench share. phones.c: sockets that talk, listen and measure; engine.c and rtpengine.c: the
 * relays they talk through; main.c: what is measured. One thread; what goes wrong ends the program.
 */
#ifndef MEDIA_BENCH_BENCH_H
#define MEDIA_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "rtpsec/rtpsec.h"
#include "sdp/sdp.h"

#define CALLS_MAX 5000 /* 10,000 legs: with two ports a leg, what the range below has */
#define PORT_MIN  40000
#define PORT_MAX  65534

/* A program that relays. Legs 2n and 2n+1 are call n. */
struct relay {
	const char *name;
	void (*start)(void);
	/* Sets up calls [from, to): the phones have their ports, afterwards also where to send to. */
	void (*add)(unsigned from, unsigned to);
	pid_t (*pid)(void);
	void (*stop)(void);
};
extern const struct relay relay_media, relay_rtpengine;

struct bench {
	unsigned calls, seconds, rounds, workers;
	bool record, srtp, capacity, pin;
	const struct relay *relay;
};
extern struct bench b;

/* ---- phones.c ---- */
/* Sockets for all calls that may come. */
void phones_open(unsigned calls);
void phones_close(void);
/* The description a phone offers or answers with; SRTP for the first of each call with --srtp. */
const char *phone_sdp(unsigned leg, char buf[1024]);
/* The relay's description for this phone: where to send to, and its key. */
void phone_connect(unsigned leg, const char *sdp, size_t size);

struct measured {
	uint64_t sent, got;
	double relay_cpu_s, own_cpu_s, wall_s;
	double delay_p50_ms, delay_p99_ms;   /* from the sender's send() to the kernel of the receiver */
	double jitter_p50_ms, jitter_p99_ms; /* difference of the delay of two packets in a row (RFC 5481, 1: IPDV) */
};
/* These calls talk for so long; what is under way at the end is waited for. */
struct measured talk(unsigned calls, double seconds);

#endif
