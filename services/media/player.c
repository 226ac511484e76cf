#include "player.h"

#include <string.h>

#include "audio/g711.h"
#include "audio/tone.h"
#include "base/mem.h"

err_t prompt_new(struct prompt **ret, const int16_t *pcm, size_t n)
{
	struct prompt *p = n < SIZE_MAX / 4 ? mem_alloc(sizeof(*p) + 2 * n) : NULL;

	if (!p)
		return ERR_EXHAUSTED;
	atomic_init(&p->refs, 1);
	p->n = n;
	p->law[LAW_A] = (uint8_t *)(p + 1);
	p->law[LAW_U] = p->law[LAW_A] + n;
	g711_a_encode_n(p->law[LAW_A], pcm, n);
	g711_u_encode_n(p->law[LAW_U], pcm, n);
	*ret = p;
	return ERR_OK;
}

struct prompt *prompt_ref(struct prompt *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
	return p;
}

void prompt_unref(struct prompt **p)
{
	if (*p && atomic_fetch_sub_explicit(&(*p)->refs, 1, memory_order_acq_rel) == 1)
		mem_free(*p);
	*p = NULL;
}

/* Cadences of GF 002-9002.1: ring-back 1 s on, 4 s off; busy 0.35 s on, 0.35 s off; both 425 Hz. */
err_t prompt_tone(struct prompt **ret, enum media_tone tone)
{
	size_t on = tone == MEDIA_TONE_BUSY ? 2800 : 8000, off = tone == MEDIA_TONE_BUSY ? 2800 : 32000;
	int16_t *pcm = mem_array(on + off, sizeof(*pcm));
	struct tone t;
	err_t e;

	if (!pcm)
		return ERR_EXHAUSTED;
	tone_init(&t, 425, 8000, -10);
	tone_add(&t, pcm, on);
	e = prompt_new(ret, pcm, on + off);
	mem_free(pcm);
	return e;
}

void playlist_free(struct playlist **pl)
{
	if (!*pl)
		return;
	for (unsigned i = 0; i < (*pl)->n; i++)
		prompt_unref(&(*pl)->prompts[i]);
	mem_free(*pl);
	*pl = NULL;
}

/* The prompt that has something left, or NULL at the end. */
static const struct prompt *current(struct player *p)
{
	const struct playlist *l = p->list;

	if (!l || l->n == 0)
		return NULL;
	if (p->pos == l->prompts[p->at]->n) {
		if (p->at + 1 == l->n && !l->loop)
			return NULL;
		p->at = (p->at + 1) % l->n;
		p->pos = 0;
	}
	return l->prompts[p->at];
}

bool player_next(struct player *p, enum law law, uint8_t frame[PLAYER_FRAME])
{
	size_t filled = 0;

	while (filled < PLAYER_FRAME) {
		const struct prompt *now = current(p);
		size_t n;

		if (!now)
			break;
		n = now->n - p->pos;
		if (n > PLAYER_FRAME - filled)
			n = PLAYER_FRAME - filled;
		memcpy(frame + filled, now->law[law] + p->pos, n);
		p->pos += n;
		filled += n;
	}
	if (filled)
		memset(frame + filled, law == LAW_A ? G711_A_SILENCE : G711_U_SILENCE, PLAYER_FRAME - filled);
	return filled > 0;
}
