"""The facts as they stand in Kafka: read whole, and held against their own rules. Needs kcat.

    facts = Facts.read("127.0.0.1:20003")
    facts.calls["…"].events        each call's events in order, doubles taken out
    facts.problems()               gaps in seq, calls without or with two ends …: a list of sentences, [] is right
"""
import json
import re
import subprocess
import time

from patience import patient
from api import message

TOPICS = {"call": "trunkline.call.v1", "agent": "trunkline.agent.v1", "recording": "trunkline.recording.v1"}
HEAD = re.compile(rb"(\d+) (\d+) (-?\d+) ")


def kcat(brokers, topic):
    """[(partition, offset, payload)] of a topic from its beginning to its present end."""
    p = subprocess.run(["kcat", "-C", "-b", brokers, "-t", topic, "-o", "beginning", "-e", "-q", "-X", "topic.metadata.refresh.sparse=true",
                        "-f", "%p %o %S %s\n"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if p.returncode and b"Unknown topic" not in p.stderr:
        raise RuntimeError("kcat %s %s: %s" % (brokers, topic, p.stderr.decode(errors="replace")[-500:]))
    return unpack(p.stdout)


def unpack(data):
    """What kcat has written with the format "%p %o %S %s\\n"."""
    out, at = [], 0
    while at < len(data):
        m = HEAD.match(data, at)
        if not m:
            raise RuntimeError("kcat: unreadable at byte %d of %d: %r" % (at, len(data), data[at:at + 60]))
        partition, offset, size = (int(x) for x in m.groups())
        body = m.end() + max(0, size)
        out.append((partition, offset, data[m.end():body]))
        at = body + 1
    return out


def topics(brokers):
    """Names of all topics."""
    out = subprocess.run(["kcat", "-L", "-J", "-b", brokers], stdout=subprocess.PIPE, check=True, timeout=30).stdout
    return sorted(t["topic"] for t in json.loads(out)["topics"])


class Call:
    """One call's facts, in the order of seq."""

    def __init__(self, call_id):
        self.id, self.events, self.doubles = call_id, [], 0

    def all(self, kind):
        return [getattr(e, kind) for e in self.events if e.WhichOneof("body") == kind]

    def envelopes(self, kind):
        return [e for e in self.events if e.WhichOneof("body") == kind]

    def one(self, kind):
        found = self.all(kind)
        return found[0] if found else None

    @property
    def kinds(self):
        return [e.WhichOneof("body") for e in self.events]

    @property
    def tenant(self):
        return self.events[0].tenant if self.events else ""

    @property
    def offered(self):
        return self.one("call_offered")

    @property
    def ended(self):
        return self.one("call_ended")

    @property
    def queue_id(self):
        queued = self.envelopes("enqueued")
        return queued[0].queue_id if queued else ""

    @property
    def agent_id(self):
        answered = self.envelopes("agent_answered")
        return answered[0].agent_id if answered else ""

    def problems(self):
        who = "call %s (%s)" % (self.id, ", ".join(self.kinds[-3:]))
        seqs = [e.seq for e in self.events]
        if seqs != list(range(1, len(seqs) + 1)):
            yield "%s: seq is not without gaps from 1: %s" % (who, seqs)
        if self.kinds.count("call_offered") != 1 or self.kinds[0] != "call_offered":
            yield "%s: does not begin with exactly one call_offered: %s" % (who, self.kinds)
        if self.kinds.count("call_ended") != 1 or self.kinds[-1] != "call_ended":
            yield "%s: does not end with exactly one call_ended" % who
        elif self.ended.last_seq != seqs[-1]:
            yield "%s: last_seq %d, but the last event is %d" % (who, self.ended.last_seq, seqs[-1])
        if len({e.tenant for e in self.events}) != 1:
            yield "%s: several tenants: %s" % (who, {e.tenant for e in self.events})


class Facts:
    def __init__(self):
        self.calls, self.agents, self.recordings, self.count, self.bytes, self.doubles = {}, {}, [], {}, {}, 0

    @classmethod
    def read(cls, brokers):
        return cls.of_rows({domain: kcat(brokers, topic) for domain, topic in TOPICS.items()})

    @classmethod
    def of_rows(cls, rows_of):
        """rows_of: {domain: [(partition, offset, payload)]}."""
        out, event = cls(), message("trunkline.event.v1.Event")
        for domain, topic in TOPICS.items():
            rows = rows_of[domain]
            out.count[topic], out.bytes[topic] = len(rows), sum(len(r[2]) for r in rows)
            seen = set()
            for _, _, payload in rows:
                e = event.FromString(payload)
                if e.id in seen:
                    out.doubles += 1
                    continue
                seen.add(e.id)
                out._add(domain, e)
        for call in out.calls.values():
            call.events.sort(key=lambda e: e.seq)
        for events in out.agents.values():
            events.sort(key=lambda e: e.seq)
        return out

    def _add(self, domain, e):
        if domain == "call":
            self.calls.setdefault(e.call_id, Call(e.call_id)).events.append(e)
        elif domain == "agent":
            self.agents.setdefault((e.tenant, e.agent_id), []).append(e)
        else:
            self.recordings.append(e)

    def of(self, tenant):
        return [c for c in self.calls.values() if c.tenant == tenant]

    def problems(self):
        out = [p for c in self.calls.values() for p in c.problems()]
        for (tenant, agent), events in self.agents.items():
            seqs = [e.seq for e in events]
            if seqs != list(range(seqs[0], seqs[0] + len(seqs))):
                out.append("agent %s/%s: seq has gaps: %s" % (tenant, agent, seqs))
        return out


def settled(brokers, done, timeout=30, every=0.5):
    """Facts as soon as done(facts) holds; the last ones read when it does not within the time."""
    deadline = time.monotonic() + patient(timeout)
    while True:
        facts = Facts.read(brokers)
        if done(facts) or time.monotonic() > deadline:
            return facts
        time.sleep(every)
