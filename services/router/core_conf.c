/* Classes of agents, groups of queues, and what a change of configuration does to them. Nothing here is on the path of a
 * call but core_group_get() for a call with skills of its own, which finds the group made for the first of its kind. */
#include "core_internal.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

#define DORMANT_MAX 4096 /* groups that nobody uses now but may again */

static struct skill *skill_at(const struct router_core *core, uint32_t i)
{
	return pool_at(&core->skill_pool, i);
}

static struct class *class_at(const struct router_core *core, uint32_t i)
{
	return pool_at(&core->class_pool, i);
}

static struct group *group_at(const struct router_core *core, uint32_t i)
{
	return pool_at(&core->group_pool, i);
}

/* ---- lists of skills ----------------------------------------------------------------------------------------------- */

static uint32_t add_want(struct want *out, uint32_t n, struct want w)
{
	uint32_t i = n;

	for (uint32_t k = 0; k < n; k++) {
		if (out[k].skill != w.skill)
			continue;
		out[k].level = w.level > out[k].level ? w.level : out[k].level;
		return n;
	}
	for (; i && out[i - 1].skill > w.skill; i--)
		out[i] = out[i - 1];
	out[i] = w;
	return n + 1;
}

uint32_t core_wants_add(struct router_core *core, uint32_t tenant, const struct router_skill *skills, size_t n_skills,
			struct want *out, uint32_t n)
{
	for (size_t i = 0; i < n_skills && i < ROUTER_SKILLS_MAX; i++) {
		struct skill *s = core_skill_get(core, tenant, skills[i].id);
		uint32_t level = skills[i].level ? skills[i].level : 1;

		if (s)
			n = add_want(out, n, (struct want){ s->index, level < LEVELS ? level : LEVELS });
	}
	return n;
}

static bool wants_equal(const struct want *a, uint32_t n_a, const struct want *b, uint32_t n_b)
{
	return n_a == n_b && memcmp(a, b, n_a * sizeof(*a)) == 0;
}

static uint64_t wants_hash(const struct want *w, uint32_t n)
{
	uint64_t h = 0x5eed;

	for (uint32_t i = 0; i < n; i++)
		h = hmap_mix(h, (uint64_t)w[i].skill << 32 | w[i].level);
	return hmap_mix(h, n);
}

struct wants_key {
	const struct want *wants;
	uint32_t n;
};

static bool group_is(const void *obj, const void *key)
{
	const struct group *g = obj;
	const struct wants_key *k = key;

	return wants_equal(g->wants, g->n_wants, k->wants, k->n);
}

static bool class_is(const void *obj, const void *key)
{
	const struct class *c = obj;
	const struct wants_key *k = key;

	return wants_equal(c->wants, c->n_wants, k->wants, k->n);
}

/* Both lists ascend by skill. */
static bool satisfies(const struct class *k, const struct group *g)
{
	uint32_t i = 0;

	for (uint32_t w = 0; w < g->n_wants; w++) {
		while (i < k->n_wants && k->wants[i].skill < g->wants[w].skill)
			i++;
		if (i == k->n_wants || k->wants[i].skill != g->wants[w].skill || k->wants[i].level < g->wants[w].level)
			return false;
	}
	return true;
}

/* ---- groups -------------------------------------------------------------------------------------------------------- */

static bool room_for_group(struct class *k)
{
	uint32_t cap = k->cap_groups * 2, *more;

	if (k->n_groups < k->cap_groups)
		return true;
	more =
	    k->groups == k->few_groups ? mem_alloc(cap * sizeof(*more)) : mem_realloc(k->groups, cap * sizeof(*more));
	if (!more)
		return false;
	if (k->groups == k->few_groups)
		memcpy(more, k->few_groups, sizeof(k->few_groups));
	k->groups = more;
	k->cap_groups = cap;
	return true;
}

static bool room_for_feed(struct class *k)
{
	uint32_t n = k->n_wants + k->n_multi, cap = k->cap_feeds * 2;
	struct feed **more;

	if (n < k->cap_feeds)
		return true;
	more = k->feeds == k->few_feeds ? mem_alloc(cap * sizeof(struct feed *))
					: mem_realloc(k->feeds, cap * sizeof(struct feed *));
	if (!more)
		return false;
	if (k->feeds == k->few_feeds)
		memcpy(more, k->few_feeds, sizeof(k->few_feeds));
	k->feeds = more;
	k->cap_feeds = cap;
	return true;
}

static void link_class(struct router_core *core, struct class *k, struct group *g)
{
	if (!room_for_group(k) || !room_for_feed(k)) {
		core_break(core);
		return;
	}
	if (g->kind == GROUP_MULTI) { /* the last of its kind, in front of the others */
		k->groups[k->n_groups++] = k->groups[k->n_multi];
		k->feeds[k->n_wants + k->n_multi] = &g->feed;
		k->groups[k->n_multi++] = g->index;
	} else {
		k->groups[k->n_groups++] = g->index;
	}
	g->on_duty += k->n_counted;
}

/* The class's last MULTI group takes place i among them: so do its members' entries in that group's feed. */
static void move_multi(struct router_core *core, struct class *k, uint32_t i, uint32_t last)
{
	struct feed *f = k->feeds[k->n_wants + last];

	k->groups[i] = k->groups[last];
	k->feeds[k->n_wants + i] = f;
	for (struct agent *a = k->members; a; a = a->class_next)
		if (a->idle)
			feed_renumber(&core->feeds, f, core_places(a, 0)[k->n_wants + last], k->n_wants + i);
}

/* The group's feed is empty already. */
static void unlink_class(struct router_core *core, struct class *k, const struct group *g)
{
	uint32_t i = 0;

	while (i < k->n_groups && k->groups[i] != g->index)
		i++;
	if (i == k->n_groups)
		return;
	if (i < k->n_multi) {
		if (i != --k->n_multi)
			move_multi(core, k, i, k->n_multi);
		i = k->n_multi;
	}
	k->groups[i] = k->groups[--k->n_groups];
}

/* The required skill that the fewest classes have. */
static struct skill *rarest_skill(const struct router_core *core, const struct group *g)
{
	struct skill *best = skill_at(core, g->wants[0].skill);

	for (uint32_t i = 1; i < g->n_wants; i++) {
		struct skill *s = skill_at(core, g->wants[i].skill);

		if (s->classes.n < best->classes.n)
			best = s;
	}
	return best;
}

static int by_fed(const void *a, const void *b)
{
	const struct agent *x = *(struct agent *const *)a, *y = *(struct agent *const *)b;

	return x->fed_ms < y->fed_ms ? -1 : x->fed_ms > y->fed_ms;
}

/* Which of the class's skills it is. */
static uint32_t want_no(const struct class *k, uint32_t skill)
{
	uint32_t i = 0;

	while (i < k->n_wants && k->wants[i].skill != skill)
		i++;
	return i;
}

/* The idle agents of the classes with skill s that can serve g, longest idle first; *ret to be freed. */
static size_t idle_agents(struct router_core *core, const struct skill *s, const struct group *g, struct agent ***ret)
{
	struct agent **list = mem_array(core->n_idle + 1, sizeof(*list));
	size_t n = 0;

	*ret = list;
	if (!list) {
		core_break(core);
		return 0;
	}
	for (uint32_t i = 0; i < s->classes.n; i++) {
		struct class *k = class_at(core, s->classes.v[i]);

		if (g && !satisfies(k, g))
			continue;
		for (struct agent *a = k->members; a; a = a->class_next)
			if (a->idle)
				list[n++] = a;
	}
	qsort(list, n, sizeof(*list), by_fed);
	return n;
}

uint32_t *core_places(struct agent *a, uint32_t n)
{
	uint32_t cap, *more;

	if (n <= PLACES_INLINE || n <= a->cap_more)
		return a->more_places ? a->more_places : a->few_places;
	for (cap = 2 * PLACES_INLINE; cap < n;)
		cap *= 2;
	more = mem_realloc(a->more_places, cap * sizeof(*more));
	if (!more)
		return NULL;
	if (!a->more_places)
		memcpy(more, a->few_places, sizeof(a->few_places));
	a->more_places = more;
	a->cap_more = cap;
	return more;
}

static void feed_one(struct router_core *core, struct feed *f, struct agent *a, uint32_t no)
{
	uint32_t *places = core_places(a, no + 1);

	if (!places || feed_add(&core->feeds, f, (struct feed_entry){ a->fed_ms, a->index, no }, &places[no]))
		core_break(core);
}

/* A skill that no single group asked for until now: its idle agents go into its feeds. */
static void feed_skill(struct router_core *core, struct skill *s)
{
	struct agent **list;
	size_t n;

	if (skill_feed(s, 1)->wanted)
		return;
	for (unsigned l = 1; l <= LEVELS; l++)
		skill_feed(s, l)->wanted = true;
	n = idle_agents(core, s, NULL, &list);
	for (size_t i = 0; i < n; i++) {
		uint32_t no = want_no(list[i]->class, s->index);

		feed_one(core, skill_feed(s, list[i]->class->wants[no].level), list[i], no);
	}
	mem_free(list);
}

static void feed_group(struct router_core *core, struct group *g)
{
	struct agent **list;
	size_t n = idle_agents(core, rarest_skill(core, g), g, &list);

	for (size_t i = 0; i < n; i++) /* the group was linked last */
		feed_one(core, &g->feed, list[i], list[i]->class->n_wants + list[i]->class->n_multi - 1);
	mem_free(list);
}

static bool room_for_head(struct router_core *core, uint32_t index)
{
	uint32_t cap = core->cap_heads ? core->cap_heads * 2 : POOL_FIRST;
	uint64_t *heads;

	if (index < core->cap_heads)
		return true;
	heads = mem_realloc(core->heads, cap * sizeof(*heads));
	if (!heads)
		return false;
	core->heads = heads;
	core->cap_heads = cap;
	return true;
}

static struct group *group_new(struct router_core *core, enum group_kind kind)
{
	uint32_t index;
	struct group *g = pool_get(&core->group_pool, &index);

	if (!g || !room_for_head(core, index)) {
		if (g)
			pool_put(&core->group_pool, index);
		core_break(core);
		return NULL;
	}
	g->index = index;
	g->kind = kind;
	g->used = true;
	feed_init(&g->feed);
	g->feed.wanted = true;
	core->heads[index] = CALLHEAP_EMPTY;
	return g;
}

void core_group_free(struct router_core *core, struct group *g)
{
	callheap_done(&g->waiting);
	feed_done(&core->feeds, &g->feed);
	mem_free(g->wants);
	g->wants = NULL;
	g->used = false;
}

static void connect_group(struct router_core *core, struct group *g)
{
	const struct skill *s = rarest_skill(core, g);

	for (uint32_t i = 0; i < s->classes.n; i++)
		if (satisfies(class_at(core, s->classes.v[i]), g))
			link_class(core, class_at(core, s->classes.v[i]), g);
	if (g->kind == GROUP_MULTI)
		feed_group(core, g);
	else
		feed_skill(core, skill_at(core, g->wants[0].skill));
}

static void drop_group(struct router_core *core, struct group *g)
{
	const struct skill *s = rarest_skill(core, g);

	feed_done(&core->feeds, &g->feed);
	for (uint32_t i = 0; i < s->classes.n; i++)
		unlink_class(core, class_at(core, s->classes.v[i]), g);
	u32s_remove(&skill_at(core, g->wants[0].skill)->anchored, g->index);
	hmap_remove(&core->groups, g->hash, g);
	core_group_free(core, g);
	pool_put(&core->group_pool, g->index);
}

/* A few at each new group: more than become dormant meanwhile, never all at once. */
static void sweep_dormant(struct router_core *core)
{
	for (int looked = 0, dropped = 0; looked < 64 && dropped < 2; looked++) {
		struct group *g;

		if (core->sweep_at >= core->group_pool.n)
			core->sweep_at = 0;
		g = group_at(core, core->sweep_at++);
		if (!g->used || g->refs || g->kind == GROUP_AGENT)
			continue;
		drop_group(core, g);
		core->n_dormant--;
		dropped++;
	}
}

static struct group *make_group(struct router_core *core, uint32_t tenant, const struct want *wants, uint32_t n,
				uint64_t hash)
{
	struct group *g;

	if (core->n_dormant > DORMANT_MAX)
		sweep_dormant(core);
	g = group_new(core, n == 1 ? GROUP_SINGLE : GROUP_MULTI);
	if (!g)
		return NULL;
	g->tenant = tenant;
	g->hash = hash;
	g->n_wants = n;
	g->first = wants[0];
	g->wants = mem_dup(wants, n * sizeof(*wants));
	if (!g->wants || hmap_add(&core->groups, hash, g) ||
	    !u32s_add(&skill_at(core, wants[0].skill)->anchored, g->index)) {
		core_break(core);
		return NULL;
	}
	connect_group(core, g);
	return g;
}

/* With one reference for the caller. No wants: everybody of the tenant will do. */
struct group *core_group_get(struct router_core *core, uint32_t tenant, const struct want *wants, uint32_t n)
{
	struct want anybody = { ((struct tenant *)pool_at(&core->tenant_pool, tenant))->everyone, 1 };
	struct wants_key key = { n ? wants : &anybody, n ? n : 1 };
	uint64_t hash = wants_hash(key.wants, key.n);
	struct group *g = hmap_find(&core->groups, hash, group_is, &key);

	if (!g)
		g = make_group(core, tenant, key.wants, key.n, hash);
	else if (!g->refs && core->n_dormant)
		core->n_dormant--;
	if (g)
		g->refs++;
	return g;
}

struct group *core_group_of_agent(struct router_core *core, struct agent *a)
{
	if (!a->group) {
		a->group = group_new(core, GROUP_AGENT);
		if (!a->group)
			return NULL;
		a->group->agent = a;
		a->group->tenant = a->tenant;
	}
	a->group->refs++;
	return a->group;
}

void core_group_unref(struct router_core *core, struct group *g)
{
	if (!g || --g->refs)
		return;
	if (g->kind != GROUP_AGENT) {
		core->n_dormant++;
		return;
	}
	g->agent->group = NULL;
	core_group_free(core, g);
	pool_put(&core->group_pool, g->index);
}

/* ---- classes ------------------------------------------------------------------------------------------------------- */

static void connect_class(struct router_core *core, struct class *k)
{
	for (uint32_t i = 0; i < k->n_wants; i++) {
		struct skill *s = skill_at(core, k->wants[i].skill);

		k->in_skill[i] = s->classes.n;
		if (!u32s_add(&s->classes, k->index))
			core_break(core);
		for (uint32_t j = 0; j < s->anchored.n; j++)
			if (satisfies(k, group_at(core, s->anchored.v[j])))
				link_class(core, k, group_at(core, s->anchored.v[j]));
	}
}

static struct class *class_get(struct router_core *core, const struct want *wants, uint32_t n)
{
	struct wants_key key = { wants, n };
	uint64_t hash = wants_hash(wants, n);
	struct class *k = hmap_find(&core->classes, hash, class_is, &key);
	uint32_t index;

	if (k)
		return k;
	k = pool_get(&core->class_pool, &index);
	if (!k)
		goto broken;
	k->index = index;
	k->hash = hash;
	k->n_wants = n;
	k->groups = k->few_groups;
	k->cap_groups = CLASS_GROUPS;
	k->wants = n <= CLASS_WANTS ? k->few_wants : mem_array(n, sizeof(*wants));
	k->cap_feeds = n < CLASS_FEEDS ? CLASS_FEEDS : 2 * n;
	k->feeds = n < CLASS_FEEDS ? k->few_feeds : mem_array(k->cap_feeds, sizeof(*k->feeds));
	k->in_skill = n <= CLASS_WANTS ? k->few_in_skill : mem_array(n, sizeof(*k->in_skill));
	if (!k->wants || !k->feeds || !k->in_skill)
		goto broken;
	for (uint32_t i = 0; i < n; i++) {
		k->wants[i] = wants[i];
		k->feeds[i] = skill_feed(skill_at(core, wants[i].skill), wants[i].level);
	}
	if (hmap_add(&core->classes, hash, k))
		goto broken;
	connect_class(core, k);
	return k;
broken:
	core_break(core);
	return NULL;
}

void core_class_free(struct class *k)
{
	if (k->groups != k->few_groups)
		mem_free(k->groups);
	if (k->wants != k->few_wants)
		mem_free(k->wants);
	if (k->in_skill != k->few_in_skill)
		mem_free(k->in_skill);
	if (k->feeds != k->few_feeds)
		mem_free(k->feeds);
	k->groups = NULL;
	k->wants = NULL;
	k->in_skill = NULL;
	k->feeds = NULL;
}

/* The last of the skill's classes takes the place of the one that goes: a skill may have 100,000. */
static void leave_skill(struct router_core *core, uint32_t skill, uint32_t at)
{
	struct u32s *l = &skill_at(core, skill)->classes;
	struct class *last = class_at(core, l->v[--l->n]);

	l->v[at] = last->index;
	last->in_skill[want_no(last, skill)] = at;
}

static void drop_class(struct router_core *core, struct class *k)
{
	for (uint32_t i = 0; i < k->n_wants && !core->broken; i++)
		leave_skill(core, k->wants[i].skill, k->in_skill[i]);
	hmap_remove(&core->classes, k->hash, k);
	core_class_free(k);
	pool_put(&core->class_pool, k->index);
}

void core_agent_count(struct router_core *core, struct agent *a)
{
	bool count = a->on_duty && a->enabled && a->class;
	uint32_t by = count ? 1 : UINT32_MAX;

	if (count == a->counted)
		return;
	a->counted = count;
	a->class->n_counted += by;
	for (uint32_t i = 0; i < a->class->n_groups; i++)
		group_at(core, a->class->groups[i])->on_duty += by;
}

void core_agent_leave_class(struct router_core *core, struct agent *a)
{
	struct class *k = a->class;
	bool on_duty = a->on_duty;

	if (!k)
		return;
	core_agent_unidle(core, a);
	a->on_duty = false;
	core_agent_count(core, a);
	a->on_duty = on_duty;
	if (a->class_prev)
		a->class_prev->class_next = a->class_next;
	else
		k->members = a->class_next;
	if (a->class_next)
		a->class_next->class_prev = a->class_prev;
	a->class_next = a->class_prev = NULL;
	a->class = NULL;
	if (!--k->n_members)
		drop_class(core, k);
}

static void enter_class(struct agent *a, struct class *k)
{
	if (!k)
		return;
	a->class = k;
	a->class_next = k->members;
	if (k->members)
		k->members->class_prev = a;
	k->members = a;
	k->n_members++;
}

err_t router_core_agent_conf(struct router_core *core, const struct router_agent_conf *conf, int64_t now_ms)
{
	struct tenant *t = core_tenant_get(core, conf->tenant);
	struct agent *a = t ? core_agent_get(core, t->index, conf->agent_id) : NULL;
	struct want wants[WANTS_MAX];
	uint32_t n;

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (!a)
		return core_done(core);
	wants[0] = (struct want){ t->everyone, 1 };
	n = core_wants_add(core, t->index, conf->skills, conf->n_skills, wants, 1);
	a->auto_ready = conf->auto_ready;
	if (!a->class || a->enabled != conf->enabled || !wants_equal(a->class->wants, a->class->n_wants, wants, n)) {
		core_agent_leave_class(core, a);
		a->enabled = conf->enabled;
		if (conf->enabled && !core->broken)
			enter_class(a, class_get(core, wants, n));
		core_agent_count(core, a);
		core_agent_settle(core, a);
	}
	return core_done(core);
}

uint32_t core_group_idle(const struct router_core *core, const struct group *g)
{
	struct skill *s;
	uint32_t n = 0;

	if (g->kind == GROUP_AGENT)
		return g->agent->idle;
	if (g->kind == GROUP_MULTI)
		return g->feed.n;
	s = skill_at(core, g->first.skill);
	for (unsigned l = g->first.level; l <= LEVELS; l++)
		n += skill_feed(s, l)->n;
	return n;
}

/* ---- queues -------------------------------------------------------------------------------------------------------- */

static struct call *next_of_queue(const struct call *c)
{
	return c->queue_next;
}

/* Its calls go over to the new requirement, except those which ask for skills of their own beside it: they do so when
 * their holder asserts them next. */
static void requeue(struct router_core *core, struct queue *q, struct group *from)
{
	struct call *next;

	for (struct call *c = q->calls; c; c = next) {
		next = c->queue_next;
		if (c->group != from)
			continue;
		if (c->state == CALL_WAITING)
			core_call_unwait(core, c);
		core_group_unref(core, c->group);
		c->group = q->group;
		q->group->refs++;
		if (c->state == CALL_WAITING)
			core_call_wait(core, c);
	}
	core_serve_list(core, q->calls, next_of_queue);
}

static void set_queue(struct router_core *core, struct queue *q, const struct router_queue_conf *conf)
{
	struct want wants[WANTS_MAX];
	uint32_t n = core_wants_add(core, q->tenant, conf->skills, conf->n_skills, wants, 0);
	struct group *old = q->group;

	q->used = true;
	q->max_waiting = conf->max_waiting;
	q->ring_timeout_ms = conf->ring_timeout_ms ? conf->ring_timeout_ms : 20000;
	if (old && wants_equal(q->wants, q->n_wants, wants, n))
		return;
	mem_free(q->wants);
	q->n_wants = n;
	q->wants = mem_dup(wants, n ? n * sizeof(*wants) : 1);
	q->group = core_group_get(core, q->tenant, wants, n);
	if (!q->wants || !q->group) {
		core_break(core);
		return;
	}
	if (old) {
		requeue(core, q, old);
		core_group_unref(core, old);
	}
}

void core_queue_drop(struct router_core *core, struct tenant *t, struct queue *q)
{
	while (q->calls)
		core_call_refuse(core, q->calls, ERR_NOT_FOUND, "the queue was removed from the configuration");
	core_group_unref(core, q->group);
	u32s_remove(&t->queues, q->index);
	hmap_remove(&core->queues, q->hash, q);
	mem_free(q->wants);
	q->wants = NULL;
	q->used = false;
	pool_put(&core->queue_pool, q->index);
}

err_t router_core_tenant(struct router_core *core, const struct router_tenant_conf *conf, int64_t now_ms)
{
	struct tenant *t = core_tenant_get(core, conf->tenant);

	core->now_ms = now_ms > core->now_ms ? now_ms : core->now_ms;
	if (!t)
		return core_done(core);
	if (!conf->continued)
		t->conf_no++;
	for (size_t i = 0; i < conf->n_queues && !core->broken; i++) {
		struct queue *q = core_queue_get(core, t->index, conf->queues[i].id);

		if (!q)
			break;
		q->seen = t->conf_no;
		set_queue(core, q, &conf->queues[i]);
	}
	for (uint32_t i = t->queues.n; i-- > 0 && !conf->more && !core->broken;) {
		struct queue *q = pool_at(&core->queue_pool, t->queues.v[i]);

		if (q->seen != t->conf_no)
			core_queue_drop(core, t, q);
	}
	return core_done(core);
}
