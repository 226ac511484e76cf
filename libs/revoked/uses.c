#include "uses.h"

#include <stdio.h>
#include "base/mem.h"
#include "base/str.h"

#define KEY_TEXT (sizeof(((struct token_use *)NULL)->tenant) + AUTH_TOKEN_ID)

struct used {
	struct map_node node; /* by key */
	char key[KEY_TEXT];
	struct token_use use;
};

static void say(struct uses *u, const struct token_use *list, size_t n)
{
	struct str out = STR_INIT;

	/* Nobody waits for it: what is lost was used. */
	if (n && !uses_to_pb(&out, list, n))
		(void)!bus_publish(u->bus, USES_SUBJECT, out.data, out.len);
	str_done(&out);
}

static void flush(struct uses *u)
{
	struct token_use *list = u->tokens.n ? mem_array(USES_MAX, sizeof(*list)) : NULL;
	struct map_node *node = map_first(&u->tokens), *next;
	size_t n = 0;

	for (; node; node = next) {
		next = map_next(&u->tokens, node);
		if (list)
			list[n++] = ((struct used *)node)->use;
		map_remove(&u->tokens, node);
		mem_free(node);
		if (n == USES_MAX || !u->tokens.n) {
			say(u, list, n);
			n = 0;
		}
	}
	mem_free(list);
}

static void on_timer(void *arg)
{
	struct uses *u = arg;

	flush(u);
	loop_timer_start(&u->timer, USES_MS);
}

void uses_init(struct uses *u, struct bus *bus)
{
	*u = (struct uses){ .bus = bus };
	loop_timer_init(&u->timer, bus_loop(bus), on_timer, u);
	loop_timer_start(&u->timer, USES_MS);
}

void uses_done(struct uses *u)
{
	flush(u);
	loop_timer_done(&u->timer);
	map_done(&u->tokens);
}

void uses_note(struct uses *u, const struct auth_user *user, int64_t at_ms)
{
	char key[KEY_TEXT];
	struct used *t;

	if (!*user->token_id)
		return;
	snprintf(key, sizeof(key), "%s.%s", user->tenant, user->token_id);
	t = (struct used *)map_find(&u->tokens, key);
	if (!t && u->tokens.n < USES_KEPT && !map_reserve(&u->tokens, 1)) {
		t = mem_zalloc(sizeof(*t));
		if (!t)
			return;
		(void)str_copy(t->key, sizeof(t->key), key);
		(void)str_copy(t->use.tenant, sizeof(t->use.tenant), user->tenant);
		(void)str_copy(t->use.id, sizeof(t->use.id), user->token_id);
		map_add(&u->tokens, &t->node, t->key);
	}
	if (t)
		t->use.at_ms = at_ms;
}
