/*
 * seats: how many agents of a tenant are signed in, exactly, at any number of desks (Quotas.agents_signed_in, GT-3.1.2c).
 * Pure: no I/O, no clock. Loop thread only. sign_in.c performs.
 *
 * 1. A tenant with the limit N has N seats: KV `seats`, <tenant>.0 … <tenant>.<N-1>, each with the agent whose it is.
 * 2. To sign in: read the agent's record (revision r), write a seat {agent, r}, then write the sign-in on exactly r.
 *    All three by compare-and-set; whatever fails, from the beginning.
 * 3. So everybody who is signed in has a seat of his own, there are N of them, and nobody is asked who could be away.
 * 4. Nobody gives a seat back. It may be taken when its agent cannot be signed in on it any more: the record is beyond r, so
 *    that the sign-in is over or will be refused, and says signed out; or the same agent has another one for a later r, or
 *    for the same r and younger.
 * 5. That his next sign-in needs a seat written anew makes the taker's compare-and-set on the seat decide between the two.
 * 6. Record still at r: he is about to sign in, or his desk died. After SEATS_SETTLE_MS the record is written once more as it is
 *    (AGENT_EV_FENCE, on r): either that comes first, and the sign-in will be refused, or the sign-in has.
 * 7. What is seen here may be old: it chooses what to try and words the refusal, never more. A refusal is given on the second
 *    look, after the sign-outs of a moment ago have come.
 * 8. Signed in without a seat (there was no limit then), or on one beyond a lowered limit: for each of them a seat at the end is
 *    not given away: only those below the highest L with L + (signed in, not below L) ≤ limit. Who leaves lets L grow, nobody
 *    new lets it shrink: so this is exact, too, at once among desks that know the limit and who was there before it.
 * 9. Killed anywhere: a seat that is nobody's, settled by 6. `seats` lost: as 8.
 */
#ifndef AGENT_DESK_SEATS_H
#define AGENT_DESK_SEATS_H

#include <stdbool.h>
#include <stdint.h>
#include "agents/agent.h"
#include "base/err.h"

#define SEATS_SETTLE_MS 5000

struct seats;

err_t seats_new(struct seats **ret) MUST;
void seats_free(struct seats **s);

/* As KV has it, in any order; older than what is known changes nothing. */
struct seat_entry {
	const char *tenant;
	unsigned index;
	const char *agent_id;
	uint64_t agent_revision;
	uint64_t revision; /* of the seat */
};
err_t seats_put(struct seats *s, const struct seat_entry *in, int64_t now_ms) MUST;
err_t seats_agent(struct seats *s, const char *tenant, const char *agent_id, bool signed_in, uint64_t revision) MUST;

enum seat_answer {
	SEAT_TAKE,  /* index, on revision (0: there is none yet); nobody else here is given it until seats_tried() */
	SEAT_FENCE, /* first agent_id on agent_revision, then ask again */
	SEAT_FULL,
	SEAT_REREAD, /* the agent's record is beyond agent_revision: written over, a seat for a later one would look free */
};
struct seat_choice {
	enum seat_answer answer;
	unsigned index;
	uint64_t revision;
	char agent_id[AGENT_ID_TEXT];
	uint64_t agent_revision;
	unsigned used; /* by others */
};
/* For an agent who is signed out as of agent_revision (0: has no record); limit ≥ 1. ERR_EXHAUSTED: no memory. */
err_t seats_choose(struct seats *s, const char *tenant, const char *agent_id, uint64_t agent_revision, unsigned limit,
		   int64_t now_ms, struct seat_choice *ret) MUST;
void seats_tried(struct seats *s, const char *tenant, unsigned index);

#endif
