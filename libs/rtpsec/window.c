#include "rtpsec/rtpsec_internal.h"

#define HALF 0x8000

uint64_t window_guess(const struct window *w, uint16_t seq)
{
	uint16_t top = (uint16_t)w->top;
	uint64_t wraps = w->top >> 16;

	if (!w->started)
		return seq;
	if (top < HALF && seq - top > HALF && wraps > 0)
		wraps--; /* late, from before the wrap */
	else if (top >= HALF && top - HALF > seq)
		wraps++;
	return wraps << 16 | seq;
}

bool window_is_new(const struct window *w, uint64_t index)
{
	uint64_t back = w->top - index;

	if (!w->started || index > w->top)
		return true;
	return back < RTPSEC_WINDOW && !(w->seen[back / 64] >> back % 64 & 1);
}

static void shift(struct window *w, uint64_t n)
{
	if (n >= RTPSEC_WINDOW) {
		w->seen[0] = w->seen[1] = 0;
	} else if (n >= 64) {
		w->seen[1] = w->seen[0] << (n - 64);
		w->seen[0] = 0;
	} else if (n > 0) {
		w->seen[1] = w->seen[1] << n | w->seen[0] >> (64 - n);
		w->seen[0] <<= n;
	}
}

void window_add(struct window *w, uint64_t index)
{
	uint64_t back;

	if (!w->started || index > w->top) {
		shift(w, w->started ? index - w->top : RTPSEC_WINDOW);
		w->started = true;
		w->top = index;
	}
	back = w->top - index;
	if (back < RTPSEC_WINDOW)
		w->seen[back / 64] |= 1ull << back % 64;
}
