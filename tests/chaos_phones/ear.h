/*
 * ear: the audio of one leg. It says who it is in every packet (a payload is relayed as it is, so the other party reads it
 * there), hears who is at the other end, and measures every silence on the kernel's stamps of arrival.
 *
 *	ear_open(&e, "c17", "127.0.0.2");
 *	ear_to(&e, "127.0.0.1", 21000);
 *	ear_turn(&e, 17, true);                // every 20 ms: a packet out, what came in
 *	ear_close(&e, now_ns);
 *
 * Journal: `heard` when the voice at the other end is another one than before (`who`: its leg, 0: a prompt or music), `gap`
 * for each silence over 60 ms, `rtp` at the end with the sums.
 */
#ifndef CHAOS_PHONES_EAR_H
#define CHAOS_PHONES_EAR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EAR_GAP_MS 60 /* the promise of a call whose neighbours die */
#define EAR_NOBODY UINT32_MAX
#define EAR_MUSIC  0

struct ear {
	int fd; /* -1: closed */
	unsigned port;
	char name[16];
	bool has_peer;
	struct sockaddr_in to;
	uint32_t sent;	  /* also the sequence number in what is said */
	uint32_t who;	  /* heard last; EAR_NOBODY: nothing yet */
	uint32_t who_seq; /* of that voice's last packet */
	int64_t first_ns, last_ns, longest_ns;
	uint64_t packets, lost, gaps;
};

/* Ends the program without a socket. */
void ear_open(struct ear *e, const char *name, const char *host);
/* Talks to this address from now on: again after a re-INVITE that moved the media. */
void ear_to(struct ear *e, const char *host, unsigned port);
void ear_turn(struct ear *e, uint32_t id, bool talks);
/* One packet of RTP. Pure but for the journal. */
void ear_packet(struct ear *e, const uint8_t *bytes, size_t size, int64_t at_ns);
void ear_close(struct ear *e, int64_t now_ns);

#endif
