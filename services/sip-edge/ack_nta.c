#include "ack.h"
#include "base/mem.h"
#include "indialog_nta.h"

struct ack {
	struct dialog *d; /* NULL: it has gone */
	uint32_t cseq;
	bool writing; /* the store tells; else it is ours to free */
};

static void acknowledge(struct ack *a)
{
	indialog_ack(a->d, a->cseq);
	a->d->ack = NULL;
	a->d = NULL;
}

void ack_owe(struct dialog *d, uint32_t cseq)
{
	struct ack *a = mem_zalloc(sizeof(*a));

	if (!a) {
		indialog_ack(d, cseq);
		return;
	}
	a->d = d;
	a->cseq = cseq;
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
		acknowledge(a);
	mem_free(a);
}

void ack_now(struct dialog *d)
{
	struct ack *a = d->ack;

	if (!a)
		return;
	acknowledge(a);
	if (!a->writing)
		mem_free(a);
}
