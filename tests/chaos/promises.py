"""The promises, each a function over the evidence: it yields what broke it, with the moment, so that the judge knows which fault it followed.

Each takes (evidence, run): `run` is the fault's record with `bounds` (of its row), and from_ms … to_ms, the time that is judged as its own. Which function
serves which bound stands in PROMISES at the end.
"""
import collections
import functools

import recount
from evidence import INF, MUSIC

CROSSING_MS = 500      # a BYE and the next INVITE may cross on the wire
TOGETHER_MS = 250      # reservations of one turn are told in any order
ARRIVING_MS = 1000     # just enqueued: on its way to the router
AFTER_FAILURE_MS = 3000  # a call whose agent could not be reached waits 2 s before the next attempt
NOTICED_MS = 60
SILENT_MS = 200        # a voice that is away for so long was the dead engine's
TALKED_MS = 1500       # who talked for so long must have heard the other
UNTOLD_MS = 100        # what had come about no longer before a fault need not have left its process: nobody else could know of it
READY, RESERVED = 3, 4  # AGENT_STATE_…
USUAL_SETUP_S = 2
KEPT_TO_MS = 1000      # of a recording nothing older than that is lost
FENCED = ("trunkline_router_fenced_total", "trunkline_router_leases_over_total", "trunkline_call_fenced_total", "trunkline_edge_commands_stale_total", "trunkline_media_commands_fenced_total")


def once(fn):
    """What a function finds in the evidence is found once, and kept with it."""
    name = "_" + fn.__name__

    @functools.wraps(fn)
    def found(ev):
        if not hasattr(ev, name):
            setattr(ev, name, list(fn(ev)))
        return getattr(ev, name)
    return found


def within(run, t):
    return run["from_ms"] <= t < run["to_ms"]


@once
def windows(ev):
    """(begin, end) of the time after each fault in which set-ups may fail; where they are not judged, 2 s."""
    for i in ev.injections:
        row = ev.plan["rows"][i["row"]]
        yield i["t0_ms"], (i["t1_ms"] if row["faulty_setup"] else i["t0_ms"]) + 1000 * row["bounds"].get("setup_s", USUAL_SETUP_S)


def excused(ev, t0, t1):
    """Does a set-up that lasted so touch one of them?"""
    return any(t0 <= end and t1 >= begin for begin, end in windows(ev))


def untold(ev, t):
    return any(0 <= i["t0_ms"] - t < UNTOLD_MS for i in ev.injections)


# ---- calls that are up ----
@once
def drops(ev):
    """(moment, sentence) of each established call that ended although nobody hung up, or that the other side no longer knew. Once per call."""
    seen = set()
    for l in ev.legs.values():
        if l.up is None or (not l.caller and l.acked is None):
            continue
        call = l.user
        others = [p for p in l.parties if p is not None]
        at = why = None
        if l.bye_received is not None and not any(p.hung_up_by(l.bye_received) or p.cancel_sent for p in others):
            at, why = l.bye_received, "a BYE came although nobody had hung up"
        elif l.bye_status is not None and l.bye_status >= 300 and not any(p.hung_up_by(l.over) for p in others):
            at, why = l.bye_sent, "its BYE was answered %d" % l.bye_status
        elif l.why == "timeout":
            at, why = l.bye_sent or l.over, "its %s was never answered" % l.method
        elif l.over is None:
            at, why = l.up, "its telephone never came to an end"
        if at is not None and call not in seen:
            seen.add(call)
            if excused(ev, established(l), established(l)):
                continue  # it came to stand while new calls may fail
            yield at, "%s: %s, %.1f s after it was up" % (l, why, (at - l.up) / 1000)


def established(l):
    """When the call stood: both were up, or who waits was."""
    acked = [p.acked for p in l.agents if p.acked is not None] if l.caller else [l.acked]
    return max([l.up] + (acked[:1] if l.group != "wait" else []))


def dropped(ev, run):
    return [x for x in drops(ev) if within(run, x[0])]


def talk_ends(l):
    """The first goodbye of either side: silence after it is no gap."""
    return min([l.ends] + [p.ends for p in l.parties if p is not None and (p.caller or p.acked is not None)])


@once
def silences(ev):
    """(moment, ms, sentence) of each silence of a voice, or of the music, that went on or should have. The last packet came before the fault that
    made it the last: the moment is that at which it is noticed."""
    for l in ev.legs.values():
        if l.up is None or not l.rtp or not l.caller and l.acked is None:
            continue
        end = talk_ends(l)
        for g in l.gaps:
            if g["who"] == g["then"] and g["t"] <= end:
                yield g["from"] + NOTICED_MS, g["ms"] - ev.own_fault_ms(g["from"], g["t"]), "%s heard nothing of %s" % (l, voice(g["who"]))
        last = l.rtp["last"]
        if l.rtp["packets"] and end < INF and last < end:
            yield last + NOTICED_MS, end - last - ev.own_fault_ms(last, end), "%s heard nothing more" % l


def voice(who):
    return "the music" if who == MUSIC else "leg %d" % who


def gap_ms(ev, run):
    bound = run["bounds"]["gap_ms"]
    return [(t, "%s for %.0f ms" % (text, ms), ms) for t, ms, text in silences(ev) if ms > bound and within(run, t)]


def voices(ev, run):
    """One-way audio, and parties that hear somebody else."""
    for l in ev.legs.values():
        mine = {p.id: p for p in l.parties if p is not None}
        for t, who in l.heard:
            if who != MUSIC and who not in mine and within(run, t):
                yield t, "%s hears leg %d, which is not its party" % (l, who)
        for p in mine.values():
            start = max(x if x is not None else INF for x in ((p if l.caller else l).acked, l.up, p.up))
            if start < INF and min(talk_ends(l), talk_ends(p)) - start > TALKED_MS and within(run, start) and not (excused(ev, start, start) or untold(ev, start)):
                if not any(who == p.id for _, who in l.heard):
                    yield start, "%s never hears %s" % (l, p)


def reanchored(ev, run):
    """Of the calls that talked when the engine died, so many hear each other again in time."""
    limit, share = run["t0_ms"] + 1000 * run["bounds"]["reanchor_s"], run["bounds"]["reanchor_share"]
    legs = [l for l in ev.legs.values() if any(p is not None and p.acked is not None and p.acked < run["t0_ms"] - TALKED_MS for p in [l] + l.parties)
            and l.up is not None and l.up < run["t0_ms"] and talk_ends(l) > limit and fell_silent(l, run["t0_ms"])]
    silent = [l for l in legs if not heard_again(l, limit)]
    if len(silent) > (1 - share) * len(legs):
        yield run["t0_ms"], "%d of %d legs that fell silent did not hear their party again within %g s, e.g. %s" % (
            len(silent), len(legs), run["bounds"]["reanchor_s"], silent[0]), len(silent)


def fell_silent(l, t0):
    """At the fault, or within the second after it."""
    begins = [g["from"] for g in l.gaps if g["ms"] > SILENT_MS] + ([l.rtp["last"]] if l.rtp else [])
    return any(t0 - SILENT_MS < b < t0 + 1000 for b in begins)


def heard_again(l, limit):
    return bool(l.rtp) and l.rtp["last"] >= limit and not any(g["from"] < limit < g["t"] for g in l.gaps)


# ---- new calls ----
@once
def attempts(ev):
    """(began, settled, failed, leg) of each set-up that came to an end by itself."""
    for l in ev.callers:
        if l.group == "wait":
            done = l.up
        else:
            done = min([a.acked for a in l.agents if a.acked is not None], default=None)
        if done is not None:
            yield l.began, done, False, l
        elif l.impatient or l.why in ("refused", "timeout") or l.bye_received:
            yield l.began, l.impatient or l.over, True, l


def setup(ev, run):
    """Set-ups that touch the window after a fault may fail."""
    counted, failed = 0, []
    for began, settled, bad, l in attempts(ev):
        if not within(run, began) or excused(ev, began, settled):
            continue
        counted += 1
        if bad:
            failed.append((began, "%s came to nothing (%s %s)" % (l, l.why, l.status or "")))
    if counted and len(failed) > (1 - run["bounds"]["setup_share"]) * counted:
        yield from failed


def p99(values):
    values = sorted(values)
    return values[int(0.99 * (len(values) - 1))] if values else 0


def setup_times(ev, t0, t1):
    """INVITE of the caller → INVITE of the agent's telephone, of calls for whom agents are free."""
    return [l.agents[0].began - l.began for l in ev.callers if l.group == "short" and l.agents and t0 <= l.began < t1]


def p99_ms(ev, run):
    before, during = p99(setup_times(ev, ev.began, ev.injections[0]["t0_ms"])), p99(setup_times(ev, run["t0_ms"], run["t1_ms"]))
    if during > before + run["bounds"]["p99_ms"]:
        yield run["t0_ms"], "set-up takes %.0f ms at p99 during the fault, %.0f ms before" % (during, before), during - before


# ---- queue and agents ----
@once
def assignments(ev):
    """{call: [t, …]}: when the router reserved an agent for it, by the agents' own events. A holder that stands still does not tell of it, nor that it rang."""
    out = collections.defaultdict(list)
    for events in ev.facts.agents.values():
        for e in events:
            if e.call_id and e.agent_state_changed.to == RESERVED:
                out[e.call_id].append(e.time_ms)
    yield out


@once
def waits(ev):
    """{queue: [(begin, end, priority, arrival, call)]}: when each call waited to be given an agent; reservations: [(t, priority, arrival, call)]."""
    assigned, = assignments(ev)
    waiting, given = collections.defaultdict(list), collections.defaultdict(list)
    for c in ev.facts.calls.values():
        since = key = queue = None
        for e in c.events:
            kind = e.WhichOneof("body")
            if kind == "enqueued":
                since, queue, key = e.time_ms, e.queue_id, (e.enqueued.priority, e.enqueued.arrival_ms)
            elif kind == "reserved" and since is not None:
                t = min([a for a in assigned[c.id] if since <= a <= e.time_ms] + [e.time_ms])
                waiting[queue].append((since, t, *key, c))
                given[queue].append((t, *key, c))
                since = None
            elif kind == "agent_no_answer" and queue:
                since = e.time_ms + AFTER_FAILURE_MS
            elif kind in ("dequeued", "call_ended") and since is not None:
                waiting[queue].append((since, e.time_ms, *key, c))
                since = None
    yield from (waiting, given)


def order(ev, run):
    waiting, given = waits(ev)
    for queue, reservations in given.items():
        for t, priority, arrival, c in reservations:
            if not within(run, t):
                continue
            passed = [w for w in waiting[queue] if w[2] == priority and w[3] < arrival and w[0] < t - ARRIVING_MS and w[1] > t + TOGETHER_MS
                      and w[4] is not c and not untold(ev, w[0])]
            if passed:
                yield t, "queue %s: call %s got an agent before %d who had come earlier, e.g. %s by %.1f s" % (
                    queue, c.id, len(passed), passed[0][4].id, (arrival - passed[0][3]) / 1000), len(passed)
    for c in ev.facts.calls.values():
        arrivals = {(e.queue_id, e.enqueued.arrival_ms) for e in c.envelopes("enqueued")}
        if len(arrivals) > 1 and within(run, c.events[-1].time_ms):
            yield c.events[-1].time_ms, "call %s lost its time of arrival: %s" % (c.id, sorted(arrivals))


def connect(ev, run):
    """Who rang when an earlier fault came is that fault's."""
    earlier = max([i["t0_ms"] for i in ev.injections if i["t0_ms"] < run["t0_ms"]], default=0)
    t0, limit = run["t0_ms"], run["t0_ms"] + 1000 * run["bounds"]["connect_s"]
    for legs in ev.by_agent.values():
        for l in legs:
            if not (earlier < l.began < t0 and (l.acked or INF) > t0 and (l.over or INF) > t0):
                continue
            if (l.acked or INF) > limit and (l.over or INF) > limit:
                yield t0, "%s rang at the fault and was neither connected nor taken back within %g s" % (l, run["bounds"]["connect_s"])


def double(ev, run):
    for agent, legs in ev.by_agent.items():
        for i, l in enumerate(legs):
            for m in legs[i + 1:]:
                both = min(l.over or INF, m.over or INF) - m.began
                if l.acked is not None and l.acked < m.began and both > CROSSING_MS and within(run, m.began):
                    yield m.began, "agent %s got call %s while on call %s" % (agent, m.name, l.name)
    for (_, agent), events in ev.facts.agents.items():
        for before, e in zip([None] + events[:-1], events):
            changed = e.agent_state_changed
            own = changed.cause == "taken-over" and before is not None and before.call_id == e.call_id  # by the next leader, for the same call
            if changed.to == RESERVED and getattr(changed, "from") != READY and not own and within(run, e.time_ms):
                yield e.time_ms, "agent %s was reserved in state %d" % (agent, getattr(changed, "from"))


def left(ev, run):
    for a in ev.agents:
        if a["state"] not in ("READY", "SIGNED_OUT") and within(run, a["since_ms"]):
            yield a["since_ms"], "agent %s is %s at the end (%s %s)" % (a["agent_id"], a["state"], a["reason"], a["cause"])
        elif a["state"] == "SIGNED_OUT" and within(run, a["since_ms"]):
            yield a["since_ms"], "agent %s was signed out" % a["agent_id"]
    for what, n in ev.left.items():
        if run["last"]:
            yield run["t0_ms"], "left at the end: %s %s" % (what, n)


def streams(ev, run):
    limit, t0 = run["t1_ms"] + 1000 * run["bounds"]["streams_s"], run["t0_ms"]
    before = [d for d in ev.desk if d["t"] <= t0 and d["ev"] == "there"]
    lost = [d for d in ev.desk if d["ev"] == "lost" and t0 <= d["t"] < limit]
    there = [d for d in ev.desk if d["ev"] == "there" and lost and lost[0]["t"] <= d["t"] <= limit]
    if lost and not there:
        yield t0, "the stream of events was not there again within %g s" % run["bounds"]["streams_s"]
    elif there and before and there[0]["agents"] != before[-1]["agents"]:
        yield t0, "%d agents were signed in before, %d afterwards" % (before[-1]["agents"], there[0]["agents"])


# ---- processes ----
def ready(ev, run):
    for victim, ms in run["ready_ms"].items():
        if ms is None or ms > 1000 * run["bounds"]["ready_s"]:
            yield run["t1_ms"], "%s was ready %s" % (victim, "never again" if ms is None else "after %.1f s" % (ms / 1000)), ms or INF


def refusals(ev, run):
    """Writes and commands with an old epoch that were refused during the run; a process that began anew counts from 0."""
    sums = {}
    for m in ev.metrics:
        if m["run"] == run["run"]:
            sums.setdefault(m["instance"], {})[m["when"]] = sum(v for n, v in m["values"].items() if n.split("{")[0] in FENCED)
    return sum(max(0, s.get("after", 0) - s.get("before", 0)) for s in sums.values())


def fenced(ev, run):
    if refusals(ev, run) < run["bounds"]["fenced"]:
        yield run["t1_ms"], "%d writes with an old epoch were refused" % refusals(ev, run)


# ---- books ----
def books(ev, run):
    yield from ((t, text) for t, text in book_problems(ev) if within(run, t) or run["last"] and t >= run["to_ms"])


@once
def book_problems(ev):
    for part in (_calls, _kafka_order, _agents, _reports, _recordings):
        yield from part(ev)


def _calls(ev):
    for c in ev.facts.calls.values():
        for p in c.problems():
            yield c.events[-1].time_ms, p
    for l in ev.callers:
        if l.up is None:
            continue
        c = ev.by_sip_id.get(l.call_id)
        if c is None:
            yield l.up, "%s was answered and does not stand in Kafka" % l
            continue
        if c.ended is None:
            continue  # its problems() say so
        talked = [a for a in l.agents if a.acked is not None]
        if talked and excused(ev, talked[0].acked, talked[0].acked):
            continue
        if talked and c.ended.disposition != "answered" and min(talk_ends(a) for a in talked) - talked[0].acked > TALKED_MS:
            yield c.ended.ended_ms, "%s talked to agent %s, in Kafka it is %s" % (l, talked[0].agent, c.ended.disposition)
        elif not talked and c.ended.disposition == "answered":
            yield c.ended.ended_ms, "%s never talked to an agent, in Kafka it is answered" % l


def _kafka_order(ev):
    """Per call, the first copies of its events lie in Kafka in the order of seq."""
    from api import message
    event, upto, seen = message("trunkline.event.v1.Event"), {}, set()
    for _, _, payload in sorted(ev.rows["call"], key=lambda r: r[:2]):
        e = event.FromString(payload)
        if e.id in seen:
            continue
        seen.add(e.id)
        if e.seq < upto.get(e.call_id, 0):
            yield e.time_ms, "call %s: event %d lies in Kafka after event %d" % (e.call_id, e.seq, upto[e.call_id])
        upto[e.call_id] = e.seq


def _agents(ev):
    for (_, agent), events in ev.facts.agents.items():
        for a, b in zip(events, events[1:]):
            if b.seq != a.seq + 1:
                yield b.time_ms, "agent %s: event %d follows event %d" % (agent, b.seq, a.seq)
            elif getattr(b.agent_state_changed, "from") != a.agent_state_changed.to:
                yield b.time_ms, "agent %s: left state %d, but was in %d" % (agent, getattr(b.agent_state_changed, "from"), a.agent_state_changed.to)


def _reports(ev):
    tenant = ev.plan["tenant"]
    for text in recount.differences(recount.recount(ev.facts, tenant), ev.summary.queues):
        yield ev.ended, text
    for text in recount.differing_totals(recount.totals(ev.facts, tenant), ev.summary.totals):
        yield ev.ended, text
    for c in ev.facts.of(tenant):
        row = ev.pg_calls.get(c.id)
        if c.ended is not None and (row is None or row["disposition"] != c.ended.disposition):
            yield c.ended.ended_ms, "call %s ended %s, in PostgreSQL it is %s" % (c.id, c.ended.disposition, row["disposition"] if row else "missing")


def _too_young(ev, c):
    """Audio is kept to the last second: of a recording that was younger when its engine was killed nothing need be there, if the call ended before another
    engine had it for as long."""
    moved, began = c.envelopes("media_reanchored"), c.envelopes("agent_answered")
    return began and (not moved or c.ended.ended_ms - moved[-1].time_ms < KEPT_TO_MS) and any(
        began[0].time_ms <= i["t0_ms"] < began[0].time_ms + KEPT_TO_MS for i in ev.injections)


def _recordings(ev):
    for c in ev.facts.of(ev.plan["tenant"]):
        if c.ended is None or not c.ended.recording_id or c.ended.talk_ms < TALKED_MS:
            continue
        row = ev.pg_recordings.get(c.ended.recording_id)
        if (row is None or row["state"] != "stored") and not _too_young(ev, c):
            yield c.ended.ended_ms, "recording %s of call %s is %s" % (c.ended.recording_id, c.id, row["state"] if row else "missing")


PROMISES = {  # bound -> (the promise in a few words, its judge)
    "dropped": ("no established call is dropped", dropped),
    "gap_ms": ("no silence in a call", gap_ms),
    "voices": ("both hear each other, and nobody else", voices),
    "reanchor_s": ("calls of a dead engine hear each other again", reanchored),
    "ready_s": ("ready again", ready),
    "setup_s": ("new calls come about", setup),
    "p99_ms": ("new calls come about as fast as before", p99_ms),
    "order": ("who waits keeps the order", order),
    "connect_s": ("who rang is connected or taken back", connect),
    "double": ("no agent has two calls", double),
    "books": ("every call stands in the books once and whole", books),
    "left": ("nothing is left over, no agent is stuck", left),
    "fenced": ("old epochs are refused", fenced),
    "streams_s": ("agents stay signed in, streams resume", streams),
}
