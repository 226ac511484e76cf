#include "deletion.h"

enum deletion_state deletion_state(int64_t deleted_ms, int64_t purge_ms, int64_t now_ms)
{
	if (!deleted_ms)
		return DELETION_NONE;
	return now_ms < purge_ms ? DELETION_GRACE : DELETION_PURGING;
}

err_t deletion_check_grace(int64_t grace_ms, struct err_detail *detail)
{
	if (grace_ms == DELETION_GRACE_UNSET || (grace_ms >= 0 && grace_ms <= DELETION_GRACE_MAX_MS))
		return ERR_OK;
	return err_set(detail, ERR_INVALID, "grace_ms", "%lld is not 0 to %lld (365 days)", (long long)grace_ms,
		       (long long)DELETION_GRACE_MAX_MS);
}

static err_t too_late(struct err_detail *detail)
{
	return err_set(detail, ERR_PRECONDITION, "name", "the tenant's grace is over: it is being purged");
}

err_t deletion_check_delete(enum deletion_state s, int64_t grace_ms, struct err_detail *detail)
{
	if (s == DELETION_PURGING)
		return too_late(detail);
	if (s == DELETION_GRACE && grace_ms == DELETION_GRACE_UNSET)
		return err_set(detail, ERR_PRECONDITION, "name",
			       "the tenant is deleted already; with grace_ms its grace is changed");
	return ERR_OK;
}

err_t deletion_check_undelete(enum deletion_state s, struct err_detail *detail)
{
	if (s == DELETION_PURGING)
		return too_late(detail);
	return s == DELETION_GRACE ? ERR_OK : err_set(detail, ERR_PRECONDITION, "name", "the tenant is not deleted");
}

err_t deletion_check_change(enum deletion_state s, struct err_detail *detail)
{
	if (s == DELETION_PURGING)
		return too_late(detail);
	return s == DELETION_NONE
		   ? ERR_OK
		   : err_set(detail, ERR_PRECONDITION, "name", "the tenant is deleted; UndeleteTenant restores it");
}

enum purge_step purge_next(const struct purge_view *v)
{
	if (!v->rows_begun && v->unpublished && v->due_ms < PURGE_PUBLISH_MS)
		return PURGE_WAIT;
	if (v->rows)
		return PURGE_ROWS;
	if (v->unpublished || v->published_ms < PURGE_SETTLE_MS)
		return PURGE_WAIT;
	return v->keys ? PURGE_KEYS : PURGE_FINISH;
}

const struct deletion_kept deletion_kept[] = {
	{ "audit",
	  "shows what was done, to operators only; goes on if the id is given again; docs/operations.md says how to "
	  "erase it" },
	{ "recordings", "erased by the recorder, which is told by the event TenantPurged; its log says how many" },
	{ "agent states", "the last state of each agent, in KV `agents`, which is the desks' own: who was signed in "
			  "still is if the id is "
			  "given again" },
	{ "registrations", "of phones, in KV `bindings`: until they expire" },
	{ "reports", "figures and calls in reporting's tables: removed by hand, docs/operations.md says how" },
	{ "events", "facts in Kafka: until the retention of their topics is over" },
};
const size_t deletion_n_kept = ARRAY_SIZE(deletion_kept);
