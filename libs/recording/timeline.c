#include "recording/timeline.h"

#include <string.h>

#include "audio/g711.h"
#include "base/mem.h"

#define WINDOW	  32768 /* samples kept open, 4 s; a power of two */
#define LAG	  16000 /* what is older than this before the newest arrival is given out */
#define DRIFT_MAX 8000
#define DAY	  (24 * 3600 * 8000ll)

struct channel {
	bool placed;
	uint32_t ts;  /* of the packet that was placed by its arrival */
	int64_t base; /* and its place */
	int16_t ring[WINDOW];
};

struct timeline {
	timeline_sink_fn *sink;
	void *arg;
	int64_t given, last; /* samples given out; end of what is known */
	uint64_t dropped;
	struct channel channels[2];
};

err_t timeline_new(struct timeline **ret, timeline_sink_fn *sink, void *arg)
{
	struct timeline *t = mem_zalloc(sizeof(*t));

	if (!t)
		return ERR_EXHAUSTED;
	t->sink = sink;
	t->arg = arg;
	*ret = t;
	return ERR_OK;
}

void timeline_free(struct timeline **t)
{
	mem_free(*t);
	*t = NULL;
}

/* Gives out everything before `until` and clears its place for what comes. */
static err_t give(struct timeline *t, int64_t until)
{
	while (t->given < until) {
		size_t at = (size_t)(t->given & (WINDOW - 1));
		size_t n = WINDOW - at;
		err_t e;

		if ((int64_t)n > until - t->given)
			n = (size_t)(until - t->given);
		e = t->sink(t->channels[0].ring + at, t->channels[1].ring + at, n, t->arg);
		if (e)
			return e;
		memset(t->channels[0].ring + at, 0, n * sizeof(int16_t));
		memset(t->channels[1].ring + at, 0, n * sizeof(int16_t));
		t->given += (int64_t)n;
	}
	return ERR_OK;
}

static int64_t place(struct channel *c, uint32_t ts, int64_t arrival)
{
	int64_t at = c->base + (int32_t)(ts - c->ts);

	if (!c->placed || at - arrival > DRIFT_MAX || arrival - at > DRIFT_MAX) {
		at = arrival;
		c->placed = true;
	}
	/* The anchor moves along, so that timestamps may wrap. */
	c->ts = ts;
	c->base = at;
	return at;
}

static void put(struct timeline *t, struct channel *c, const struct segment_frame *f, int64_t at)
{
	const int16_t *table = f->codec == SEGMENT_PCMU ? g711_u_pcm : g711_a_pcm;

	if (at + f->size <= t->given && f->size)
		t->dropped++;
	for (size_t i = 0; i < f->size; i++)
		if (at + (int64_t)i >= t->given)
			c->ring[(size_t)(at + (int64_t)i) & (WINDOW - 1)] = table[f->payload[i]];
	if (at + f->size > t->last)
		t->last = at + f->size;
}

err_t timeline_frame(struct timeline *t, const struct segment_frame *f)
{
	int64_t arrival = (int64_t)(f->arrival_us / 125);
	err_t e;

	if (f->arrival_us / 125 > DAY)
		return ERR_DATA_LOSS;
	e = give(t, arrival - LAG);
	if (e)
		return e;
	if (f->kind == SEGMENT_IN || f->kind == SEGMENT_OUT) {
		struct channel *c = &t->channels[f->kind == SEGMENT_OUT];

		put(t, c, f, place(c, f->ts, arrival));
	} else if (f->kind == SEGMENT_END) {
		t->last = arrival > t->given ? arrival : t->given;
	} else {
		t->channels[0].placed = t->channels[1].placed = false;
	}
	return ERR_OK;
}

err_t timeline_finish(struct timeline *t)
{
	return give(t, t->last);
}

uint64_t timeline_samples(const struct timeline *t)
{
	return (uint64_t)t->given;
}

uint64_t timeline_dropped(const struct timeline *t)
{
	return t->dropped;
}
