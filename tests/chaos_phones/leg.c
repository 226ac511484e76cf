#include "leg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "groups.h"
#include "journal.h"

#define BUCKETS 8192

struct legs {
	uint32_t next_id;
	struct leg *slots[SLOTS], *ids[BUCKETS], *users[BUCKETS];
};

struct legs *legs;

static unsigned bucket(const char *at, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)at[i]) * 16777619u;
	return h % BUCKETS;
}

static void *must(void *p)
{
	if (p)
		return p;
	fprintf(stderr, "chaos-phones: out of memory\n");
	exit(1);
}

void legs_init(uint32_t first_id)
{
	legs = must(mem_zalloc(sizeof(*legs)));
	legs->next_id = first_id ? first_id : 1;
}

struct leg *leg_new(const struct line *line, bool caller, const char *user, const char *call_id)
{
	struct leg *l = must(mem_zalloc(sizeof(*l))), **at;

	l->id = legs->next_id++;
	l->line = line;
	l->caller = caller;
	snprintf(l->name, sizeof(l->name), "%c%u", caller ? 'c' : 'a', l->id);
	if (user)
		snprintf(l->user, sizeof(l->user), "%s", user);
	else
		snprintf(l->user, sizeof(l->user), "+4955%07u", l->id);
	if (call_id)
		snprintf(l->call_id, sizeof(l->call_id), "%s", call_id);
	else
		snprintf(l->call_id, sizeof(l->call_id), "%u-%llx@%s", l->id, (unsigned long long)wall_ns(),
			 line->host);
	ear_open(&l->ear, l->name, line->host);
	at = &legs->ids[bucket(l->call_id, strlen(l->call_id))];
	l->by_id = *at;
	*at = l;
	if (caller) {
		at = &legs->users[bucket(l->user, strlen(l->user))];
		l->by_user = *at;
		*at = l;
	}
	l->next = legs->slots[l->id % SLOTS];
	legs->slots[l->id % SLOTS] = l;
	return l;
}

struct leg *leg_by_call_id(struct view call_id)
{
	struct leg *l = legs->ids[bucket(call_id.at, call_id.n)];

	while (l && !view_eq(call_id, l->call_id))
		l = l->by_id;
	return l;
}

struct leg *leg_by_user(const char *user)
{
	struct leg *l = legs->users[bucket(user, strlen(user))];

	while (l && (strcmp(l->user, user) != 0 || l->state == LEG_OVER))
		l = l->by_user;
	return l;
}

void leg_over(struct leg *l, int64_t now_ns, const char *why)
{
	if (l->state == LEG_OVER)
		return;
	ear_close(&l->ear, now_ns);
	journal(l->name, now_ns, "over", "\"why\": \"%s\"", why);
	if (l->group)
		group_over(l->group, l);
	l->state = LEG_OVER;
	l->over_ns = now_ns;
	l->keep_ns = KEEP_NS;
	l->answer_due_ns = 0;
	if (l->with)
		l->with->with = NULL;
	l->with = NULL;
}

void leg_send(const struct leg *l, const char *text, size_t n)
{
	/* No edge there: it is repeated, that is what UDP is like. */
	(void)!sendto(l->line->fd, text, n, 0, (const struct sockaddr *)&l->line->server, sizeof(l->line->server));
}

size_t leg_sdp(const struct leg *l, char *out, size_t size)
{
	int n = snprintf(out, size,
			 "v=0\r\no=- %u 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 8 101\r\n"
			 "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\na=sendrecv\r\n",
			 l->id, l->line->host, l->line->host, l->ear.port);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

void leg_media(struct leg *l, struct view sdp, int64_t now_ns)
{
	char text[TEXT], host[48] = "", *at;
	unsigned port = 0, was = ntohs(l->ear.to.sin_port);

	if (!sdp.n || sdp.n >= sizeof(text))
		return;
	memcpy(text, sdp.at, sdp.n);
	text[sdp.n] = '\0';
	at = strstr(text, "c=IN IP4 ");
	if (at)
		sscanf(at + 9, "%47[^ \r\n]", host);
	at = strstr(text, "m=audio ");
	if (at)
		sscanf(at + 8, "%u", &port);
	if (!host[0] || !at)
		return;
	if (was && was != port)
		journal(l->name, now_ns, "moved", "\"from\": %u, \"to\": %u", was, port);
	ear_to(&l->ear, host, port);
}

static void unlink_from(struct leg **at, const struct leg *l, size_t next)
{
	while (*at && *at != l)
		at = (struct leg **)((char *)*at + next);
	if (*at)
		*at = *(struct leg **)((char *)l + next);
}

static void forget(struct leg **at)
{
	struct leg *l = *at;

	*at = l->next;
	unlink_from(&legs->ids[bucket(l->call_id, strlen(l->call_id))], l, offsetof(struct leg, by_id));
	if (l->caller)
		unlink_from(&legs->users[bucket(l->user, strlen(l->user))], l, offsetof(struct leg, by_user));
	mem_free(l);
}

void legs_turn(unsigned slot, int64_t now_ns)
{
	for (struct leg **at = &legs->slots[slot]; *at;) {
		struct leg *l = *at;

		if (l->state == LEG_OVER && now_ns > l->over_ns + l->keep_ns) {
			forget(at);
			continue;
		}
		ear_turn(&l->ear, l->id, l->state == LEG_UP);
		uac_turn(l, now_ns);
		uas_turn(l, now_ns);
		if (l->caller && l->act_ns && now_ns >= l->act_ns)
			group_act(l, now_ns);
		at = &l->next;
	}
}

void legs_each(void (*fn)(struct leg *, void *), void *arg)
{
	for (unsigned i = 0; i < SLOTS; i++)
		for (struct leg *l = legs->slots[i]; l; l = l->next)
			fn(l, arg);
}
