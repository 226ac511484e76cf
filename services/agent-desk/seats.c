#include "seats.h"

#include <string.h>
#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "tenantconf/map.h"

#define AHEAD 16 /* seats not yet written that are chosen from: desks do not all try the same one */

struct holder { /* an agent */
	struct map_node node;
	char id[AGENT_ID_TEXT];
	bool signed_in;
	uint64_t revision; /* of the record, 0: none seen */
	size_t seat;	   /* index + 1; 0: none. Of several that name him the one with the latest sign-in */
};
struct seat {
	struct holder *holder; /* NULL: never written */
	uint64_t agent_revision, revision;
	int64_t seen_ms;
	bool coming; /* about to sign in, or left by a desk that died */
	bool trying; /* somebody here writes it */
};
struct room { /* a tenant */
	struct map_node node;
	char tenant[AGENT_ID_TEXT];
	struct map holders;
	struct seat *seats;
	size_t n, cap;
	unsigned n_signed_in, n_coming;
};
struct seats {
	struct map rooms;
};

err_t seats_new(struct seats **ret)
{
	struct seats *s = mem_zalloc(sizeof(*s));

	if (!s)
		return ERR_EXHAUSTED;
	*ret = s;
	return ERR_OK;
}

static void free_room(struct room *r)
{
	struct map_node *node;

	while ((node = map_first(&r->holders))) {
		map_remove(&r->holders, node);
		mem_free(node);
	}
	map_done(&r->holders);
	mem_free(r->seats);
	mem_free(r);
}

void seats_free(struct seats **ref)
{
	struct seats *s = *ref;
	struct map_node *node;

	if (!s)
		return;
	while ((node = map_first(&s->rooms))) {
		map_remove(&s->rooms, node);
		free_room((struct room *)node);
	}
	map_done(&s->rooms);
	mem_free(s);
	*ref = NULL;
}

/* ---- what there is ---- */

static struct room *get_room(struct seats *s, const char *tenant)
{
	struct room *r = (struct room *)map_find(&s->rooms, tenant);

	if (r || map_reserve(&s->rooms, 1))
		return r;
	r = mem_zalloc(sizeof(*r));
	if (!r)
		return NULL;
	(void)str_copy(r->tenant, sizeof(r->tenant), tenant);
	map_add(&s->rooms, &r->node, r->tenant);
	return r;
}

static struct holder *get_holder(struct room *r, const char *id)
{
	struct holder *h = (struct holder *)map_find(&r->holders, id);

	if (h || map_reserve(&r->holders, 1))
		return h;
	h = mem_zalloc(sizeof(*h));
	if (!h)
		return NULL;
	(void)str_copy(h->id, sizeof(h->id), id);
	map_add(&r->holders, &h->node, h->id);
	return h;
}

static err_t grow(struct room *r, size_t n)
{
	size_t cap = r->cap ? r->cap : 16;

	while (cap < n)
		cap *= 2;
	if (cap != r->cap) {
		struct seat *more = mem_array(cap, sizeof(*more));

		if (!more)
			return ERR_EXHAUSTED;
		if (r->n)
			memcpy(more, r->seats, r->n * sizeof(*more));
		mem_free(r->seats);
		r->seats = more;
		r->cap = cap;
	}
	r->n = n > r->n ? n : r->n;
	return ERR_OK;
}

static bool is_his(const struct room *r, const struct seat *seat)
{
	return seat->holder && seat->holder->seat == (size_t)(seat - r->seats) + 1;
}

static void judge(struct room *r, struct seat *seat)
{
	bool coming = is_his(r, seat) && !seat->holder->signed_in && seat->holder->revision <= seat->agent_revision;

	r->n_coming += (unsigned)coming - (unsigned)seat->coming;
	seat->coming = coming;
}

/* A sign-in on an earlier revision than another one's is refused, or over; of two on the same one comes at most one, and has
 * the younger seat. The other seat is free. */
static bool is_later(const struct seat *a, const struct seat *b)
{
	return a->agent_revision != b->agent_revision ? a->agent_revision > b->agent_revision
						      : a->revision > b->revision;
}

static void give(struct room *r, struct seat *seat, struct holder *h)
{
	size_t before = h->seat;

	if (before && is_later(&r->seats[before - 1], seat))
		return;
	h->seat = (size_t)(seat - r->seats) + 1;
	if (before)
		judge(r, &r->seats[before - 1]);
}

err_t seats_put(struct seats *s, const struct seat_entry *in, int64_t now_ms)
{
	struct room *r = get_room(s, in->tenant);
	struct holder *h = r ? get_holder(r, in->agent_id) : NULL;

	if (!h || grow(r, (size_t)in->index + 1))
		return ERR_EXHAUSTED;
	struct seat *seat = &r->seats[in->index];
	if (in->revision <= seat->revision)
		return ERR_OK;
	if (seat->holder != h && is_his(r, seat))
		seat->holder->seat = 0;
	seat->holder = h;
	seat->agent_revision = in->agent_revision;
	seat->revision = in->revision;
	seat->seen_ms = now_ms;
	give(r, seat, h);
	judge(r, seat);
	return ERR_OK;
}

err_t seats_agent(struct seats *s, const char *tenant, const char *agent_id, bool signed_in, uint64_t revision)
{
	struct room *r = get_room(s, tenant);
	struct holder *h = r ? get_holder(r, agent_id) : NULL;

	if (!h)
		return ERR_EXHAUSTED;
	if (revision < h->revision)
		return ERR_OK;
	r->n_signed_in += (unsigned)signed_in - (unsigned)h->signed_in;
	h->signed_in = signed_in;
	h->revision = revision;
	if (h->seat)
		judge(r, &r->seats[h->seat - 1]);
	return ERR_OK;
}

/* ---- choosing ---- */

static unsigned used_by_others(const struct room *r, const struct holder *me)
{
	unsigned used = r->n_signed_in + r->n_coming;

	if (me)
		used -= me->signed_in + (me->seat && r->seats[me->seat - 1].coming);
	return used;
}

static bool is_taken(const struct room *r, const struct seat *seat)
{
	return seat->coming || (is_his(r, seat) && seat->holder->signed_in);
}

static bool is_free(const struct room *r, size_t i)
{
	return i >= r->n || (!r->seats[i].trying && !is_taken(r, &r->seats[i]));
}

/* Below which seats are given away: rule 8. */
static unsigned end_of_seats(const struct room *r, unsigned limit)
{
	size_t n = limit < r->n ? limit : r->n;
	unsigned elsewhere = r->n_signed_in + r->n_coming;

	for (size_t i = 0; i < n; i++)
		elsewhere -= is_taken(r, &r->seats[i]);
	for (unsigned end = limit; elsewhere && end; end--) {
		if (end + elsewhere <= limit)
			return end;
		if (end <= r->n && is_taken(r, &r->seats[end - 1]))
			elsewhere++;
	}
	return elsewhere ? 0 : limit;
}

/* SIZE_MAX: none. From another place for each agent, so that those who come at once do not meet. */
static size_t find_free(const struct room *r, const char *agent_id, unsigned limit)
{
	size_t span = limit < r->n + AHEAD ? limit : r->n + AHEAD, from = span ? hash_fnv1a32(agent_id) % span : 0;

	for (size_t i = 0; i < span; i++) {
		size_t at = (from + i) % span;

		if (is_free(r, at))
			return at;
	}
	return SIZE_MAX;
}

static const struct seat *find_settled(const struct room *r, const struct holder *me, int64_t now_ms)
{
	for (size_t i = 0; r->n_coming && i < r->n; i++) {
		const struct seat *seat = &r->seats[i];

		if (seat->coming && !seat->trying && seat->holder != me && now_ms - seat->seen_ms >= SEATS_SETTLE_MS)
			return seat;
	}
	return NULL;
}

static err_t take(struct room *r, size_t i, struct seat_choice *ret)
{
	if (grow(r, i + 1))
		return ERR_EXHAUSTED;
	r->seats[i].trying = true;
	ret->answer = SEAT_TAKE;
	ret->index = (unsigned)i;
	ret->revision = r->seats[i].revision;
	return ERR_OK;
}

static bool is_beyond(const struct room *r, const struct holder *me, uint64_t agent_revision)
{
	return me &&
	       (me->revision > agent_revision || (me->seat && r->seats[me->seat - 1].agent_revision > agent_revision));
}

static err_t choose(struct room *r, const struct holder *me, const char *agent_id, unsigned limit, int64_t now_ms,
		    struct seat_choice *ret)
{
	if (ret->used < limit) {
		unsigned end = end_of_seats(r, limit);
		size_t own = me && me->seat ? me->seat - 1 : SIZE_MAX;
		size_t i = own < end && !r->seats[own].trying ? own : find_free(r, agent_id, end);

		if (i != SIZE_MAX)
			return take(r, i, ret);
	}
	const struct seat *seat = find_settled(r, me, now_ms);
	if (seat) {
		ret->answer = SEAT_FENCE;
		ret->agent_revision = seat->agent_revision;
		(void)str_copy(ret->agent_id, sizeof(ret->agent_id), seat->holder->id);
	}
	return ERR_OK;
}

err_t seats_choose(struct seats *s, const char *tenant, const char *agent_id, uint64_t agent_revision, unsigned limit,
		   int64_t now_ms, struct seat_choice *ret)
{
	struct room *r = get_room(s, tenant);
	const struct holder *me = r ? (struct holder *)map_find(&r->holders, agent_id) : NULL;

	if (!r)
		return ERR_EXHAUSTED;
	*ret = (struct seat_choice){ .answer = SEAT_FULL, .used = used_by_others(r, me) };
	if (!is_beyond(r, me, agent_revision))
		return choose(r, me, agent_id, limit, now_ms, ret);
	ret->answer = SEAT_REREAD;
	return ERR_OK;
}

void seats_tried(struct seats *s, const char *tenant, unsigned index)
{
	struct room *r = (struct room *)map_find(&s->rooms, tenant);

	if (r && index < r->n)
		r->seats[index].trying = false;
}
