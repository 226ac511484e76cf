"""What a run left in its directory, as the judge reads it: telephones' journals, Kafka, PostgreSQL, metrics, the faults and their moments. Nothing here
asks the cluster. Times are wall-clock milliseconds."""
import bisect
import collections
import csv
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from api import message  # noqa: E402
from facts import TOPICS, Facts, unpack  # noqa: E402

MUSIC = 0
INF = float("inf")


class Leg:
    """One telephone's side of one call. Moments are None when they did not come."""

    def __init__(self, name):
        self.name, self.caller, self.id = name, name.startswith("c"), 0
        self.group = self.user = self.agent = self.number = self.call_id = self.why = self.method = ""
        self.began = self.up = self.acked = self.bye_sent = self.bye_received = self.over = self.cancel_sent = self.impatient = None
        self.status = self.bye_status = self.retry_after_s = None
        self.gaps, self.heard, self.rtp, self.reinvites, self.moved = [], [], None, [], []
        self.agents, self.from_caller = [], None  # a caller's agents' legs; an agent leg's caller

    def note(self, r):
        ev, t = r["ev"], r["t"]
        if ev in ("invite", "rings"):
            self.began, self.id, self.call_id = t, r["id"], r["call_id"]
            self.group, self.number = r.get("group", ""), r.get("number", "")
            self.user, self.agent = r.get("user") or r.get("caller", ""), r.get("agent", "")
        elif ev == "gap":
            self.gaps.append(r)
        elif ev == "heard":
            self.heard.append((t, r["who"]))
        elif ev == "rtp":
            self.rtp = r
        elif ev == "over":
            self.over, self.why = t, r["why"]
        elif ev == "refused":
            self.status, self.retry_after_s = r["status"], r.get("retry_after", 0)
        elif ev == "bye-answered":
            self.bye_status = r["status"]
        elif ev == "timeout":
            self.method = r["method"]
        elif ev == "reinvite":
            self.reinvites.append(t)
        elif ev == "moved":
            self.moved.append(t)
        elif ev in ("up", "acked", "bye-sent", "bye-received", "cancel-sent", "impatient"):
            setattr(self, ev.replace("-", "_"), t)

    @property
    def parties(self):
        return self.agents if self.caller else [self.from_caller] if self.from_caller else []

    @property
    def ends(self):
        """When it was over for its own telephone: its BYE, the other's, or the end of the journal's story."""
        return min(x if x is not None else INF for x in (self.bye_sent, self.bye_received, self.over))

    def hung_up_by(self, t):
        """Had this telephone said goodbye by then?"""
        return self.bye_sent is not None and self.bye_sent <= t

    def __str__(self):
        return "%s %s" % (self.name, "of agent %s" % self.agent if self.agent else "(%s, %s)" % (self.group, self.user))


def lines(path):
    with open(path) as f:
        for line in f:
            if line.endswith("}\n"):  # the last one may have been cut off
                yield json.loads(line)


class Evidence:
    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.plan = json.loads((self.dir / "plan.json").read_text())
        self.injections = sorted(lines(self.dir / "injections.jsonl"), key=lambda i: i["t0_ms"])
        self.began = self.plan["stands_ms"]
        self.ended = self.plan["ends_ms"]
        self._phones()
        self._books()
        self.metrics = list(lines(self.dir / "metrics.jsonl"))
        self.desk = list(lines(self.dir / "desk.jsonl"))
        self.left = json.loads((self.dir / "left.json").read_text())["left"]
        self.agents = json.loads((self.dir / "agents.json").read_text())

    def _phones(self):
        self.legs, self.late = {}, []
        for r in lines(self.dir / "phones.jsonl"):
            if r["ev"] == "late":
                self.late.append((r["t"] - r["ms"], r["t"]))
                continue
            self.legs.setdefault(r["leg"], Leg(r["leg"])).note(r)
        self.late.sort()
        self.late_ends = [b for _, b in self.late]
        self.callers = [l for l in self.legs.values() if l.caller]
        self.by_user = {l.user: l for l in self.callers}
        self.by_agent = collections.defaultdict(list)
        for l in sorted((l for l in self.legs.values() if not l.caller), key=lambda l: l.began):
            self.by_agent[l.agent].append(l)
            l.from_caller = self.by_user.get(l.user)
            if l.from_caller:
                l.from_caller.agents.append(l)

    def _books(self):
        self.rows = {d: unpack((self.dir / ("kafka-%s.bin" % d)).read_bytes()) for d in TOPICS}
        self.facts = Facts.of_rows(self.rows)
        self.summary = message("trunkline.report.v1.GetSummaryResponse").FromString((self.dir / "summary.bin").read_bytes())
        self.by_sip_id = {c.offered.sip_call_id: c for c in self.facts.calls.values() if c.offered}
        with open(self.dir / "pg-calls.csv", newline="") as f:
            self.pg_calls = {r["call_id"]: r for r in csv.DictReader(f)}
        with open(self.dir / "pg-recordings.csv", newline="") as f:
            self.pg_recordings = {r["id"]: r for r in csv.DictReader(f)}

    def own_fault_ms(self, t0, t1):
        """How much of a span the telephones themselves stood still. Their stalls follow each other, so few are looked at."""
        out, i = 0, bisect.bisect(self.late_ends, t0)
        while i < len(self.late) and self.late[i][0] < t1:
            out += max(0, min(self.late[i][1], t1) - max(self.late[i][0], t0))
            i += 1
        return out
