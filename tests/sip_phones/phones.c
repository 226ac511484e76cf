#include "phones.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

#define BUCKETS	 16384
#define T1_NS	 500000000ll
#define GIVE_UP	 6 /* repetitions of an answer that nobody acknowledges */
#define RESPONSE 2048
#define ID	 128

struct agent {
	struct agent *next;
	int64_t free_ns; /* BYE of its last call; 0: none, or the next call has come */
	unsigned calls;
	char id[64];
};

struct dialog {
	struct dialog *next, *unacked_next;
	struct agent *agent;
	int64_t due_ns;
	unsigned repeated;
	bool acked;
	size_t n;
	char answer[RESPONSE];
	char id[ID];
};

struct counters {
	uint64_t invites, acks, byes, cancels, invites_again, answers_again, reinvites, strays, early, lost;
};

struct phones {
	struct dialog *dialogs[BUCKETS], *unacked;
	struct agent *agents[BUCKETS];
	struct counters n;
	uint32_t *gap_us;
	size_t n_gaps, cap_gaps;
	unsigned active, serial;
	char contact[96], sdp[512];
};

static unsigned bucket(struct view v)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < v.n; i++)
		h = (h ^ (uint8_t)v.at[i]) * 16777619u;
	return h % BUCKETS;
}

static void *must(void *p)
{
	if (p)
		return p;
	fprintf(stderr, "sip-phones: out of memory\n");
	exit(1);
}

struct phones *phones_new(const char *address, unsigned port, unsigned rtp_port)
{
	struct phones *p = must(mem_zalloc(sizeof(*p)));

	snprintf(p->contact, sizeof(p->contact), "sip:phones@%s:%u", address, port);
	snprintf(p->sdp, sizeof(p->sdp),
		 "v=0\r\no=agent 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %u RTP/AVP 8 101\r\n"
		 "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
		 address, address, rtp_port);
	return p;
}

void phones_free(struct phones **p)
{
	if (!*p)
		return;
	for (unsigned i = 0; i < BUCKETS; i++) {
		for (struct dialog *d = (*p)->dialogs[i], *next; d; d = next) {
			next = d->next;
			mem_free(d);
		}
		for (struct agent *a = (*p)->agents[i], *next; a; a = next) {
			next = a->next;
			mem_free(a);
		}
	}
	mem_free((*p)->gap_us);
	mem_free(*p);
	*p = NULL;
}

static struct agent *agent_get(struct phones *p, struct view id)
{
	struct agent **at = &p->agents[bucket(id)];
	struct agent *a = *at;

	while (a && !view_eq(id, a->id))
		a = a->next;
	if (a)
		return a;
	a = must(mem_zalloc(sizeof(*a)));
	snprintf(a->id, sizeof(a->id), "%.*s", (int)id.n, id.at);
	a->next = *at;
	*at = a;
	return a;
}

static struct dialog **dialog_find(struct phones *p, struct view call_id)
{
	struct dialog **at = &p->dialogs[bucket(call_id)];

	while (*at && !view_eq(call_id, (*at)->id))
		at = &(*at)->next;
	return at;
}

static void acknowledged(struct phones *p, struct dialog *d)
{
	struct dialog **at = &p->unacked;

	while (*at && *at != d)
		at = &(*at)->unacked_next;
	if (*at)
		*at = d->unacked_next;
	d->acked = true;
}

static void sample(struct phones *p, int64_t gap_ns)
{
	if (p->n_gaps == p->cap_gaps) {
		p->cap_gaps = p->cap_gaps ? p->cap_gaps * 2 : 4096;
		p->gap_us = must(mem_realloc(p->gap_us, p->cap_gaps * sizeof(*p->gap_us)));
	}
	p->gap_us[p->n_gaps++] = (uint32_t)(gap_ns / 1000 < UINT32_MAX ? gap_ns / 1000 : UINT32_MAX);
}

static void reply(struct phones *p, const struct sipmsg *m, const char *status, bool sdp, phones_send_fn *send,
		  void *arg)
{
	char out[RESPONSE];
	size_t n = sipmsg_response(out, sizeof(out), m, status, "none", sdp ? p->contact : NULL, sdp ? p->sdp : NULL);

	if (n)
		send(out, n, arg);
}

static void rings(struct phones *p, const struct sipmsg *m, int64_t now_ns, phones_send_fn *send, void *arg)
{
	struct dialog *d, **at = dialog_find(p, m->call_id);
	char tag[24], ringing[RESPONSE];
	size_t n;

	p->n.invites++;
	d = must(mem_zalloc(sizeof(*d)));
	snprintf(d->id, sizeof(d->id), "%.*s", (int)m->call_id.n, m->call_id.at);
	d->agent = agent_get(p, m->uri_user);
	if (d->agent->free_ns && !d->agent->calls)
		sample(p, now_ns - d->agent->free_ns);
	p->n.early += d->agent->calls != 0;
	d->agent->free_ns = 0;
	d->agent->calls++;
	snprintf(tag, sizeof(tag), "p%u", ++p->serial);
	n = sipmsg_response(ringing, sizeof(ringing), m, "180 Ringing", tag, p->contact, NULL);
	send(ringing, n, arg);
	d->n = sipmsg_response(d->answer, sizeof(d->answer), m, "200 OK", tag, p->contact, p->sdp);
	send(d->answer, d->n, arg);
	d->due_ns = now_ns + T1_NS;
	d->next = *at;
	*at = d;
	d->unacked_next = p->unacked;
	p->unacked = d;
	p->active++;
}

static void ends(struct phones *p, struct dialog **at, int64_t now_ns)
{
	struct dialog *d = *at;

	if (!d->acked)
		acknowledged(p, d);
	d->agent->calls--;
	d->agent->free_ns = now_ns;
	p->active--;
	*at = d->next;
	mem_free(d);
}

static void invite(struct phones *p, const struct sipmsg *m, int64_t now_ns, phones_send_fn *send, void *arg)
{
	struct dialog *d = *dialog_find(p, m->call_id);

	if (!d && !m->to_tagged) {
		rings(p, m, now_ns, send, arg);
	} else if (d && !m->to_tagged) {
		p->n.invites_again++;
		send(d->answer, d->n, arg);
	} else if (d) {
		p->n.reinvites++;
		reply(p, m, "200 OK", true, send, arg);
	} else {
		reply(p, m, "481 Call/Transaction Does Not Exist", false, send, arg);
	}
}

void phones_message(struct phones *p, const struct sipmsg *m, int64_t now_ns, phones_send_fn *send, void *arg)
{
	struct dialog **at = dialog_find(p, m->call_id);

	if (view_eq(m->method, "INVITE")) {
		invite(p, m, now_ns, send, arg);
	} else if (view_eq(m->method, "ACK")) {
		if (*at && !(*at)->acked) {
			p->n.acks++;
			acknowledged(p, *at);
		}
	} else if (view_eq(m->method, "BYE")) {
		reply(p, m, "200 OK", false, send, arg);
		if (*at) {
			p->n.byes++;
			ends(p, at, now_ns);
		} else {
			p->n.strays++; /* repeated: our 200 was lost */
		}
	} else {
		p->n.cancels += view_eq(m->method, "CANCEL"); /* too late: it was answered */
		reply(p, m, "200 OK", false, send, arg);
	}
}

/* The list is short: on loopback an ACK takes milliseconds. */
void phones_tick(struct phones *p, int64_t now_ns, phones_send_fn *send, void *arg)
{
	struct dialog *next;

	for (struct dialog *d = p->unacked; d; d = next) {
		next = d->unacked_next;
		if (now_ns < d->due_ns)
			continue;
		if (++d->repeated > GIVE_UP) {
			p->n.lost++;
			acknowledged(p, d);
			continue;
		}
		p->n.answers_again++;
		send(d->answer, d->n, arg);
		d->due_ns = now_ns + (T1_NS << (d->repeated < 3 ? d->repeated : 3));
	}
}

void phones_reset(struct phones *p)
{
	p->n = (struct counters){ 0 };
	p->n_gaps = 0;
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* of: 0 to 1. */
static double quantile_ms(const struct phones *p, double of)
{
	return p->n_gaps ? p->gap_us[(size_t)(of * (double)(p->n_gaps - 1))] / 1000.0 : 0;
}

void phones_report(const struct phones *p, FILE *out)
{
	const struct counters *n = &p->n;

	if (p->n_gaps)
		qsort(p->gap_us, p->n_gaps, sizeof(*p->gap_us), by_size);
	fprintf(out,
		"{\"active\": %u, \"invites\": %lu, \"acks\": %lu, \"byes\": %lu, \"cancels\": %lu, \"invites_again\": "
		"%lu, "
		"\"answers_again\": %lu, \"reinvites\": %lu, \"strays\": %lu, \"early\": %lu, \"lost\": %lu, ",
		p->active, n->invites, n->acks, n->byes, n->cancels, n->invites_again, n->answers_again, n->reinvites,
		n->strays, n->early, n->lost);
	fprintf(out,
		"\"free_to_ring_n\": %zu, \"free_to_ring_ms\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": "
		"%.3f}}\n",
		p->n_gaps, quantile_ms(p, 0.5), quantile_ms(p, 0.9), quantile_ms(p, 0.99), quantile_ms(p, 1));
	fflush(out);
}
