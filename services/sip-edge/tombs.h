/* tombs: the ends of legs that are gone, for a while and bounded, so that LegEnded can be repeated on any later command. */
#ifndef SIP_EDGE_TOMBS_H
#define SIP_EDGE_TOMBS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

struct tomb {
	char leg_id[64], call_id[64], tenant[64];
	char cause[24];
	unsigned status;
	bool by_us;
};
struct tombs;

err_t tombs_new(struct tombs **ret, size_t max) MUST;
void tombs_free(struct tombs **t);
/* The oldest makes place. */
void tombs_add(struct tombs *t, const struct tomb *tomb);
const struct tomb *tombs_find(const struct tombs *t, const char *leg_id);

#endif
