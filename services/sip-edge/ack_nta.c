#include "ack.h"
#include <sofia-sip/sip.h>
#include "base/mem.h"
#include "indialog_nta.h"

struct ack {
	struct dialog *d; /* NULL: it is owed no more */
	msg_t *invite;
	bool writing; /* the store tells; else it is ours to free */
};

static void forget(struct ack *a)
{
	msg_destroy(a->invite);
	mem_free(a);
}

static void settle(struct ack *a)
{
	a->d->ack = NULL;
	a->d = NULL;
	if (!a->writing)
		forget(a);
}

void ack_owe(struct dialog *d, msg_t *invite)
{
	struct ack *a = mem_zalloc(sizeof(*a));

	if (!a) {
		indialog_ack(d, sip_object(invite)->sip_cseq->cs_seq, sip_object(invite));
		msg_destroy(invite);
		return;
	}
	a->d = d;
	a->invite = invite;
	d->ack = a;
}

struct ack *ack_owed(struct dialog *d)
{
	if (!d->ack || d->ack->writing)
		return NULL;
	d->ack->writing = true;
	return d->ack;
}

void ack_kept(struct ack *a)
{
	if (a->d)
		ack_now(a->d);
	forget(a);
}

void ack_now(struct dialog *d)
{
	const sip_t *invite;

	if (!d->ack)
		return;
	invite = sip_object(d->ack->invite);
	indialog_ack(d, invite->sip_cseq->cs_seq, invite);
	settle(d->ack);
}

void ack_drop(struct dialog *d)
{
	if (d->ack)
		settle(d->ack);
}
