"""A run that kept every promise, made up: seven calls, one fault. Tests change one thing of it and see what the judge says.

    run = GoodRun()
    run.call("wait", …)        # as __init__ does
    run.leg["w2"]["events"]    # the journal of a leg, to be changed
    run.write(directory)

Moments are seconds from the begin; T0 makes wall-clock milliseconds of them.
"""
import csv
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import recount  # noqa: E402
from api import message  # noqa: E402
from facts import TOPICS, Facts  # noqa: E402
from rows import LOAD  # noqa: E402

T0, TENANT = 1_800_000_000_000, "chaos"
FAULT_S, END_S = 20.0, 40.0
READY, RESERVED, ON_CALL = 3, 4, 5
BOUNDS = {"dropped": 0, "gap_ms": 60, "ready_s": 5, "setup_s": 2, "setup_share": 0.999, "order": True, "double": 0, "books": True, "left": 0, "connect_s": 10,
          "streams_s": 5, "fenced": 1, "p99_ms": 50, "reanchor_s": 3, "reanchor_share": 0.99}


def ms(s):
    return T0 + round(s * 1000)


class GoodRun:
    def __init__(self):
        self.journal, self.events, self.agent_events, self.seqs, self.ids = {}, [], [], {}, 0
        self.bounds, self.late = dict(BOUNDS), []
        self.left, self.desk = {}, [(1.0, "there", 3), (20.1, "lost", 0), (20.9, "there", 3)]
        self.ready_ms, self.fenced = 400, 2
        self.agents = [{"agent_id": a, "state": "READY", "since_ms": ms(30), "reason": "", "cause": "call-ended"} for a in ("1000", "2000", "3000")]
        self.recordings_lost, self.reports_off = set(), 0
        self.call("long", "l1", "1000", invited=1, rang=1.02, answered=1.3, over=39)
        self.call("wait", "w1", "2000", invited=2, rang=14, answered=16, over=18)
        self.call("wait", "w2", "2000", invited=3, rang=19, answered=21, over=23)
        self.call("wait", "w3", "2000", invited=4, rang=24, answered=26, over=28)
        self.call("wait", "w4", "2000", invited=5, rang=29, answered=31, over=33)
        self.call("short", "s1", "3000", invited=12, rang=12.02, answered=12.3, over=15)
        self.call("short", "s2", "3000", invited=25, rang=25.02, answered=25.3, over=28)

    # ---- the telephones ----
    def note(self, leg, s, ev, **more):
        self.journal.setdefault(leg, []).append({"t": ms(s), "leg": leg, "ev": ev, **more})

    def call(self, group, name, agent, invited, rang, answered, over):
        """One call as both telephones and the books have it. Legs: c1, a2 …; found again by self.legs[name]."""
        c, a = self.ids + 1, self.ids + 2
        self.ids += 2
        caller, callee, sip_id, user = "c%d" % c, "a%d" % a, "sip-%s" % name, "+4955%07d" % c
        self.legs = getattr(self, "legs", {})
        self.legs[name] = (caller, callee)
        waits = group == "wait"
        self.note(caller, invited, "invite", id=c, group=group, user=user, number="+49", call_id=sip_id)
        self.note(caller, invited + 0.05 if waits else answered + 0.01, "up")
        if waits:
            self.note(caller, invited + 0.2, "heard", who=0)
        self.note(callee, rang, "rings", id=a, agent=agent, caller=user, call_id="out-" + name)
        self.note(callee, answered, "up")
        self.note(callee, answered + 0.01, "acked")
        self.note(caller, answered + 0.05, "heard", who=a)
        self.note(callee, answered + 0.05, "heard", who=c)
        self.note(caller, over, "bye-sent")
        self.note(caller, over + 0.01, "bye-answered", status=200)
        self.note(callee, over + 0.01, "bye-received")
        for leg, who in ((caller, a), (callee, c)):
            self.note(leg, over + 0.01, "rtp", sent=1, packets=9, lost=0, gaps=0, longest_ms=21, first=ms(invited), last=ms(over) - 10, who=who)
            self.note(leg, over + 0.02, "over", why="hung-up" if leg == caller else "bye")
        self.books(name, group, sip_id, user, agent, invited, rang, answered, over)

    # ---- the books ----
    def fact(self, call_id, s, body, agent="", queue="", **fields):
        e = message("trunkline.event.v1.Event")()
        self.seqs[call_id] = e.seq = self.seqs.get(call_id, 0) + 1
        e.id, e.tenant, e.call_id, e.time_ms, e.agent_id, e.queue_id = "%s.%d" % (call_id, e.seq), TENANT, call_id, ms(s), agent, queue
        part = getattr(e, body)
        part.SetInParent()
        for k, v in fields.items():
            setattr(part, k, v)
        self.events.append(e)
        return e

    def state(self, agent, s, before, after, call_id, queue):
        e = message("trunkline.event.v1.Event")()
        self.seqs[agent] = e.seq = self.seqs.get(agent, 0) + 1
        e.id, e.tenant, e.agent_id, e.time_ms, e.call_id, e.queue_id = "%s.%s.%d" % (TENANT, agent, e.seq), TENANT, agent, ms(s), call_id, queue
        setattr(e.agent_state_changed, "from", before)
        e.agent_state_changed.to = after
        self.agent_events.append(e)

    def books(self, name, queue, sip_id, user, agent, invited, rang, answered, over):
        self.fact(name, invited, "call_offered", caller=user, called="+49", sip_call_id=sip_id)
        self.fact(name, invited, "enqueued", queue=queue, arrival_ms=ms(invited), service_level_ms=5000)
        self.fact(name, rang, "reserved", agent, queue, attempt=1)
        self.fact(name, answered, "agent_answered", agent, queue, waited_ms=ms(answered) - ms(invited))
        self.fact(name, over, "call_ended", offered_ms=ms(invited), ended_ms=ms(over), talk_ms=ms(over) - ms(answered), disposition="answered",
                  recording_id="rec-" + name, last_seq=5)
        self.state(agent, rang, READY, RESERVED, name, queue)
        self.state(agent, answered, RESERVED, ON_CALL, name, queue)
        self.state(agent, over, ON_CALL, READY, name, queue)

    def event(self, name, kind):
        return next(e for e in self.events if e.call_id == name and e.WhichOneof("body") == kind)

    # ---- the directory ----
    def rows(self):
        out = {d: [] for d in TOPICS}
        for domain, events in (("call", self.events), ("agent", self.agent_events)):
            out[domain] = [(0, i, e.SerializeToString()) for i, e in enumerate(events)]
        return out

    def summary(self, facts):
        s = message("trunkline.report.v1.GetSummaryResponse")()
        for k, v in recount.totals(facts, TENANT).items():
            setattr(s.totals, k, v)
        for queue, row in recount.recount(facts, TENANT).items():
            q = s.queues.add(queue_id=queue)
            for k, v in row.items():
                setattr(q, k, v)
        s.queues[0].offered += self.reports_off
        return s

    def write(self, directory):
        d = pathlib.Path(directory)
        rows = self.rows()
        for domain, some in rows.items():
            (d / ("kafka-%s.bin" % domain)).write_bytes(b"".join(b"%d %d %d %s\n" % (p, o, len(x), x) for p, o, x in some))
        facts = Facts.of_rows(rows)
        (d / "summary.bin").write_bytes(self.summary(facts).SerializeToString())
        ended = [c for c in facts.calls.values() if c.ended]
        self._csv(d / "pg-calls.csv", ["call_id", "disposition"], [[c.id, c.ended.disposition] for c in ended])
        self._csv(d / "pg-recordings.csv", ["id", "state"], [["rec-" + c.id, "stored"] for c in ended if c.id not in self.recordings_lost])
        fault = {"run": 1, "row": "all", "victims": ["router-1"], "t0_ms": ms(FAULT_S), "t1_ms": ms(FAULT_S), "ready_ms": {"router-1": self.ready_ms},
                 "until_ms": ms(FAULT_S + 10)}
        self._lines(d / "injections.jsonl", [fault])
        self._lines(d / "phones.jsonl", [r for leg in self.journal.values() for r in leg] + [{"t": ms(t), "leg": "-", "ev": "late", "ms": n} for t, n in self.late])
        self._lines(d / "desk.jsonl", [{"t": ms(s), "ev": ev, "agents": n} for s, ev, n in self.desk])
        self._lines(d / "metrics.jsonl", [{"t": 0, "run": 1, "when": w, "instance": "router-1", "values": {"trunkline_router_fenced_total": v}}
                                          for w, v in (("before", 1), ("after", 1 + self.fenced))])
        (d / "left.json").write_text(json.dumps({"left": self.left}))
        (d / "agents.json").write_text(json.dumps(self.agents))
        (d / "plan.json").write_text(json.dumps({"seed": 1, "tenant": TENANT, "stands_ms": ms(10), "ends_ms": ms(END_S), "load": LOAD,
                                                 "rows": {"all": {"bounds": self.bounds, "faulty_setup": False}}}))

    @staticmethod
    def _lines(path, rows):
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))

    @staticmethod
    def _csv(path, head, rows):
        with open(path, "w", newline="") as f:
            csv.writer(f).writerows([head] + rows)
