#include "owners.h"

#include "base/mem.h"
#include "base/str.h"

#define OWNERS_MAX 4096

void owners_init(struct owners *o, int64_t timeout_ms, void (*fn)(const char *instance, bool alive, void *arg),
		 void *arg)
{
	*o = (struct owners){ .timeout_ms = timeout_ms, .fn = fn, .arg = arg };
}

void owners_done(struct owners *o)
{
	mem_free(o->list);
	o->list = NULL;
	o->n = o->cap = 0;
}

static struct owner_seen *find(struct owners *o, const char *instance)
{
	for (size_t i = 0; i < o->n; i++)
		if (str_eq(o->list[i].instance, instance))
			return &o->list[i];
	return NULL;
}

static struct owner_seen *get(struct owners *o, const char *instance)
{
	struct owner_seen *s = find(o, instance);

	if (s || o->n == OWNERS_MAX)
		return s;
	if (o->n == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 8;
		struct owner_seen *list = mem_realloc(o->list, cap * sizeof(*list));

		if (!list)
			return NULL;
		o->list = list;
		o->cap = cap;
	}
	s = &o->list[o->n++];
	*s = (struct owner_seen){ 0 };
	(void)str_copy(s->instance, sizeof(s->instance), instance);
	return s;
}

static void set_alive(struct owners *o, struct owner_seen *s, bool alive)
{
	if (s->alive == alive)
		return;
	s->alive = alive;
	o->fn(s->instance, alive, o->arg);
}

void owners_seen(struct owners *o, const char *instance, uint64_t incarnation, int64_t now_ms)
{
	struct owner_seen *s = get(o, instance);

	if (!s)
		return;
	if (incarnation && s->incarnation && incarnation != s->incarnation)
		set_alive(o, s, false);
	if (incarnation)
		s->incarnation = incarnation;
	s->seen_ms = now_ms;
	set_alive(o, s, true);
}

void owners_gone(struct owners *o, const char *instance, uint64_t incarnation, int64_t now_ms)
{
	struct owner_seen *s = find(o, instance);

	if (s && incarnation && incarnation != s->incarnation)
		owners_seen(o, instance, incarnation, now_ms);
	o->orderly = true;
	if (s)
		set_alive(o, s, false);
	o->orderly = false;
}

void owners_tick(struct owners *o, int64_t now_ms)
{
	for (size_t i = 0; i < o->n; i++)
		if (o->list[i].alive && now_ms > o->list[i].seen_ms + o->timeout_ms)
			set_alive(o, &o->list[i], false);
}
