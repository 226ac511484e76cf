/*
 * leg: one telephone's side of one call: of a caller (uac.c places it) or of an agent (uas.c answers it). Timers by RFC 3261
 * over UDP. Everything that happens to it stands in the journal under its name: c17 a caller's, a18 an agent's.
 *
 * One thread. A leg that is over stays for a while to answer what is repeated, then it is freed.
 */
#ifndef CHAOS_PHONES_LEG_H
#define CHAOS_PHONES_LEG_H

#include <netinet/in.h>
#include "../sip_phones/sipmsg.h"
#include "ear.h"

#define T1_NS	   (500 * 1000000ll)
#define T2_NS	   (4000 * 1000000ll)
#define TIMEOUT_NS (64 * T1_NS)	       /* timers B, F, H */
#define KEEP_NS	   (40000 * 1000000ll) /* a leg that is over: longer than anybody repeats a request */
/* One that was refused: thousands a second in an overload, and who refuses so has nothing to say again. */
#define REFUSED_KEEP_NS (4000 * 1000000ll)
#define SLOTS		20 /* legs take turns of a millisecond: each every 20 ms */
#define TEXT		2048

enum leg_state { LEG_CALLING, LEG_RINGING, LEG_UP, LEG_OVER };

struct group;

struct line { /* one side's telephones: the socket they share */
	int fd;
	char host[48];
	unsigned port;
	struct sockaddr_in server;
};

struct request {	/* the one transaction of ours that is open */
	char method[8]; /* empty: none */
	unsigned cseq, tries;
	int64_t due_ns, until_ns; /* due 0: a provisional response came, it is not repeated */
	size_t n;
	char text[TEXT];
};

struct leg {
	struct leg *next, *by_id, *by_user;
	uint32_t id;
	char name[16];
	bool caller;
	const struct line *line;
	struct group *group; /* callers */
	unsigned *counted;   /* where the group counts it at present */
	enum leg_state state;
	char call_id[128], user[40],
	    peer[40]; /* agent: own id, the caller's number; caller: own number, what it dialled */
	char local[160], remote[256], target[160];
	unsigned cseq, invite_cseq, their_cseq;
	struct request out;
	int64_t answer_due_ns, answer_until_ns; /* a 200 that waits for its ACK */
	unsigned answer_tries;
	size_t answer_n;
	char answer[TEXT];
	bool acked, cancelled, ends; /* ends: our BYE is under way */
	int64_t began_ns, act_ns;    /* agent: when it answers; caller: when it hangs up or has had enough */
	int64_t over_ns, keep_ns;
	struct leg *with; /* the party, known because both telephones are ours; serves the plan, not the judge */
	struct ear ear;
};

/* What the legs have in common. */
struct legs;
extern struct legs *legs;

void legs_init(uint32_t first_id);
/* New and empty; it takes its turns from now on. */
struct leg *leg_new(const struct line *line, bool caller, const char *user, const char *call_id);
struct leg *leg_by_call_id(struct view call_id); /* may be NULL */
/* A caller's leg by its number, while it is not over; may be NULL. */
struct leg *leg_by_user(const char *user);
void leg_over(struct leg *l, int64_t now_ns, const char *why);
void leg_send(const struct leg *l, const char *text, size_t n);
/* What their description says about where the audio goes; without one nothing changes. */
void leg_media(struct leg *l, struct view sdp, int64_t now_ns);
size_t leg_sdp(const struct leg *l, char *out, size_t size);
/* Turn of the legs of a slot: audio, repetitions, what the plan has for them. */
void legs_turn(unsigned slot, int64_t now_ns);
void legs_each(void (*fn)(struct leg *, void *), void *arg);

/* ---- uac.c ---- */
void uac_invite(struct leg *l, int64_t now_ns);
/* BYE, or CANCEL of what is not answered yet. */
void uac_hang_up(struct leg *l, int64_t now_ns);
void uac_response(struct leg *l, const struct sipmsg *m, int64_t now_ns);
void uac_turn(struct leg *l, int64_t now_ns);
unsigned cseq_of(const struct sipmsg *m, struct view *method);

/* ---- uas.c ---- */
/* l: NULL for a call that is not known. */
void uas_request(const struct line *line, struct leg *l, const struct sipmsg *m, int64_t now_ns);
void uas_turn(struct leg *l, int64_t now_ns);

#endif
