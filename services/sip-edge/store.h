/*
 * store: KV `bindings` and `legs`: written asynchronously, read at start. The KV is a copy for the next life of this
 * process (or for other edges): a write that fails is counted and tried again with the next change, calls go on.
 */
#ifndef SIP_EDGE_STORE_H
#define SIP_EDGE_STORE_H

#include "edge.h"

struct ack;
struct store;

/* Blocking, at start: opens both buckets and begins to read. */
err_t store_new(struct store **ret, struct edge *e, struct err_detail *detail) MUST;
void store_free(struct store **s);
/* Everything that was stored has been read. */
bool store_synced(const struct store *s);

void store_bindings(struct store *s, const struct aor *a); /* n = 0: deletes */
void store_bindings_gone(struct store *s, const char *key);
/* kept, not NULL: ack_kept() is called once, when it is written or cannot be; perhaps before this returns. */
void store_leg(struct store *s, const struct leg_record *r, struct ack *kept);
void store_leg_gone(struct store *s, const char *tenant, const char *leg_id);

/* Entries of `legs` live so long; established legs are written again at half of it. */
#define STORE_LEG_TTL_MS 600000

/* What call-control holds of a call: ERR_NOT_FOUND when it exists no more. */
err_t store_call(struct store *s, const char *tenant, const char *call_id, bus_reply_fn *fn, void *arg) MUST;

#endif
