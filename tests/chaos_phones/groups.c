#include "groups.h"

#include <stdlib.h>
#include <string.h>

#include "journal.h"

#define GROUPS 16
#define RINGS  8

struct group {
	struct group_plan plan;
	bool open;
	int64_t next_ns, hang_up_ns, hang_up_every_ns;
	unsigned begun, calling, waiting, talking, ended, failed;
};

static struct group groups[GROUPS];
static unsigned n_groups;
static struct ring {
	char prefix[16];
	unsigned min_ms, max_ms;
} rings[RINGS];
static unsigned n_rings, seed;
static const struct line *line;

void groups_init(const struct line *callers, unsigned with_seed)
{
	line = callers;
	seed = with_seed;
}

static unsigned between(unsigned min, unsigned max)
{
	return max > min ? min + (unsigned)rand_r(&seed) % (max - min + 1) : min;
}

static struct group *find(const char *name)
{
	for (unsigned i = 0; i < n_groups; i++)
		if (strcmp(groups[i].plan.name, name) == 0)
			return &groups[i];
	return NULL;
}

void group_call(const struct group_plan *plan, int64_t now_ns)
{
	struct group *g = find(plan->name);

	if (!g && n_groups == GROUPS)
		return;
	if (!g)
		g = &groups[n_groups++];
	g->plan = *plan;
	g->begun = 0;
	g->hang_up_every_ns = 0;
	g->open = true;
	g->next_ns = now_ns;
}

bool group_stop(const char *name)
{
	struct group *g = find(name);

	if (g)
		g->open = false;
	return g;
}

bool group_hang_up(const char *name, double rate)
{
	struct group *g = find(name);

	if (!g)
		return false;
	g->open = false;
	g->hang_up_every_ns = (int64_t)(1e9 / (rate > 0 ? rate : 1000));
	g->hang_up_ns = wall_ns();
	return true;
}

void groups_ring(const char *prefix, unsigned min_ms, unsigned max_ms)
{
	struct ring *r = NULL;

	for (unsigned i = 0; i < n_rings && !r; i++)
		if (strcmp(rings[i].prefix, prefix) == 0)
			r = &rings[i];
	if (!r && n_rings < RINGS)
		r = &rings[n_rings++];
	if (!r)
		return;
	snprintf(r->prefix, sizeof(r->prefix), "%s", prefix);
	r->min_ms = min_ms;
	r->max_ms = max_ms;
}

unsigned groups_ring_ms(const char *agent)
{
	const struct ring *best = NULL;

	for (unsigned i = 0; i < n_rings; i++)
		if (strncmp(agent, rings[i].prefix, strlen(rings[i].prefix)) == 0 &&
		    (!best || strlen(rings[i].prefix) > strlen(best->prefix)))
			best = &rings[i];
	return best ? between(best->min_ms, best->max_ms) : 200;
}

static void count(struct leg *l, unsigned *as)
{
	if (l->counted)
		--*l->counted;
	l->counted = as;
	++*as;
}

static void begin(struct group *g, int64_t now_ns)
{
	struct leg *l = leg_new(line, true, NULL, NULL);

	l->group = g;
	snprintf(l->peer, sizeof(l->peer), "%s", g->plan.number);
	if (g->plan.patience_ms)
		l->act_ns = now_ns + g->plan.patience_ms * MS_NS;
	g->begun++;
	count(l, &g->calling);
	journal(l->name, now_ns, "invite",
		"\"id\": %u, \"group\": \"%s\", \"user\": \"%s\", \"number\": \"%s\", \"call_id\": \"%s\"", l->id,
		g->plan.name, l->user, l->peer, l->call_id);
	uac_invite(l, now_ns);
}

/* After a stall no more calls at once than a second has. */
static void begin_due(struct group *g, int64_t now_ns)
{
	int64_t every = (int64_t)(1e9 / (g->plan.rate > 0 ? g->plan.rate : 1));

	if (g->next_ns < now_ns - 1000 * MS_NS)
		g->next_ns = now_ns - 1000 * MS_NS;
	while (g->next_ns <= now_ns) {
		if (g->plan.count && g->begun >= g->plan.count) {
			g->open = false;
			return;
		}
		if (g->plan.keep && g->calling + g->waiting >= g->plan.keep) {
			g->next_ns = now_ns;
			return;
		}
		begin(g, now_ns);
		g->next_ns += every;
	}
}

static void hang_one_up(struct leg *l, void *arg)
{
	struct group **g = arg;

	if (!*g || l->group != *g || l->state == LEG_OVER || l->ends || l->cancelled)
		return;
	uac_hang_up(l, wall_ns());
	*g = NULL;
}

static void hang_up_due(struct group *g, int64_t now_ns)
{
	while (g->hang_up_every_ns && g->hang_up_ns <= now_ns) {
		struct group *one = g;

		legs_each(hang_one_up, &one);
		g->hang_up_ns += g->hang_up_every_ns;
		if (one) /* nobody left */
			g->hang_up_every_ns = 0;
	}
}

void groups_turn(int64_t now_ns)
{
	for (unsigned i = 0; i < n_groups; i++) {
		if (groups[i].open)
			begin_due(&groups[i], now_ns);
		hang_up_due(&groups[i], now_ns);
	}
}

void groups_report(FILE *out)
{
	fputc('{', out);
	for (unsigned i = 0; i < n_groups; i++) {
		const struct group *g = &groups[i];

		fprintf(out,
			"%s\"%s\": {\"begun\": %u, \"calling\": %u, \"waiting\": %u, \"talking\": %u, \"ended\": %u, "
			"\"failed\": %u}",
			i ? ", " : "", g->plan.name, g->begun, g->calling, g->waiting, g->talking, g->ended, g->failed);
	}
	fputs("}\n", out);
	fflush(out);
}

/* ---- of the legs ---- */
void group_up(struct leg *l)
{
	if (l->counted == &l->group->calling)
		count(l, &l->group->waiting);
}

void group_over(struct group *g, struct leg *l)
{
	count(l, l->counted == &g->calling ? &g->failed : &g->ended);
}

void group_talks(struct leg *caller, struct leg *agent, int64_t now_ns)
{
	struct group *g = caller->group;
	unsigned talk_ms = between(g->plan.talk_min_ms, g->plan.talk_max_ms);

	if (caller->with)
		return;
	count(caller, &g->talking);
	caller->with = agent;
	agent->with = caller;
	caller->act_ns = talk_ms ? now_ns + talk_ms * MS_NS : 0;
	if (talk_ms && (unsigned)rand_r(&seed) % 100 < g->plan.by_agent) {
		agent->act_ns = caller->act_ns;
		caller->act_ns += 5000 * MS_NS; /* when it does not come to that */
	}
}

void group_act(struct leg *l, int64_t now_ns)
{
	l->act_ns = 0;
	if (l->state == LEG_OVER || l->ends || l->cancelled)
		return;
	if (!l->with)
		journal(l->name, now_ns, "impatient", NULL);
	uac_hang_up(l, now_ns);
}
