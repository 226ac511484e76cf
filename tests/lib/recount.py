"""The indicators counted again from the raw facts in Kafka, by code that shares nothing with the reporting service.

    for row in recount(facts, "acme").values(): row["offered"] …
    differences(recount(facts, "acme"), summary.queues)     [] is right

Formulas: docs/kpis.md and the comments of trunkline/report/v1.
"""
import collections

SHORT_MS, LONG_MS = 5000, 20000
COUNTS = ("offered", "answered", "answered_in_target", "abandoned", "abandoned_short", "abandoned_20s", "overflowed", "handled")
SUMS = ("wait_answered_ms", "wait_abandoned_ms", "wait_max_ms", "talk_ms", "hold_ms", "after_work_ms")


def row():
    return dict.fromkeys(COUNTS + SUMS, 0)


def visit(out, call):
    """What one call did to the queues it entered."""
    target, last = 20000, None
    for e in call.events:
        kind = e.WhichOneof("body")
        if kind == "enqueued":
            last = out[e.queue_id] if e.queue_id else None  # none: a flow rings one agent
            if last is None:
                continue
            last["offered"] += 1
            target = e.enqueued.service_level_ms or 20000
        elif kind == "agent_answered" and last is not None:
            waited = e.agent_answered.waited_ms
            last["answered"] += 1
            last["answered_in_target"] += waited <= target
            last["wait_answered_ms"] += waited
            last["wait_max_ms"] = max(last["wait_max_ms"], waited)
        elif kind == "dequeued" and last is not None:
            waited = e.dequeued.waited_ms
            last["wait_max_ms"] = max(last["wait_max_ms"], waited)
            if e.dequeued.cause == "abandoned":
                last["abandoned"] += 1
                last["abandoned_short"] += waited <= SHORT_MS
                last["abandoned_20s"] += waited <= LONG_MS
                last["wait_abandoned_ms"] += waited
            else:
                last["overflowed"] += 1
        elif kind == "call_ended" and last is not None and call.agent_id:
            last["handled"] += 1
            last["talk_ms"] += e.call_ended.talk_ms
            last["hold_ms"] += e.call_ended.hold_ms


def recount(facts, tenant):
    """{queue: row} of everything the tenant's facts say."""
    out = collections.defaultdict(row)
    for call in facts.of(tenant):
        visit(out, call)
    wrap_up = 6  # AGENT_STATE_WRAP_UP
    for (owner, _), events in facts.agents.items():
        for e in events if owner == tenant else ():
            changed = e.agent_state_changed
            if changed.__getattribute__("from") == wrap_up and e.queue_id in out:
                out[e.queue_id]["after_work_ms"] += changed.duration_ms
    return dict(out)


def totals(facts, tenant):
    """KP-22: {calls, answered, abandoned, ivr, refused, failed}."""
    out = dict.fromkeys(("calls", "answered", "abandoned", "ivr", "refused", "failed"), 0)
    for call in facts.of(tenant):
        out["calls"] += 1
        if call.ended is not None:
            out[call.ended.disposition] = out.get(call.ended.disposition, 0) + 1
    return out


def differences(counted, reported):
    """Sentences; reported: QueueInterval messages that may hold several intervals of a queue."""
    sums = collections.defaultdict(row)
    for r in reported:
        for k in COUNTS + SUMS:
            sums[r.queue_id][k] = max(sums[r.queue_id][k], getattr(r, k)) if k == "wait_max_ms" else sums[r.queue_id][k] + getattr(r, k)
    out = []
    for queue in sorted(set(counted) | set(sums)):
        for k in COUNTS + SUMS:
            mine, theirs = counted.get(queue, row())[k], sums[queue][k] if queue in sums else 0
            if mine != theirs:
                out.append("queue %s: %s: counted from Kafka %d, reported %d" % (queue, k, mine, theirs))
    return out


def differing_totals(counted, reported):
    return ["%s: counted from Kafka %d, reported %d" % (k, counted.get(k, 0), getattr(reported, k)) for k in counted
            if counted[k] != getattr(reported, k)]
