"""The books of a long run, read from Kafka as a stream: each call held against the rules of facts.py, counted by recount.py, and forgotten.

    books = Books("large").read(brokers)
    books.calls, books.open, books.problems, books.queues

A call's events lie in one partition in their order, so that only calls without an end are kept.
"""
import collections
import subprocess

import recount
from api import message
from facts import HEAD, TOPICS, Call

WRAP_UP = 6  # AGENT_STATE_WRAP_UP
CHUNK = 1 << 20


def stream(brokers, topic):
    """Each payload of a topic from its beginning to its present end."""
    p = subprocess.Popen(["kcat", "-C", "-b", brokers, "-t", topic, "-o", "beginning", "-e", "-q", "-f", "%p %o %S %s\n"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    data, at = b"", 0
    while True:
        m = HEAD.match(data, at)
        size = int(m.group(3)) if m else 0
        if not m or m.end() + size + 1 > len(data):
            more = p.stdout.read(CHUNK)
            if not more:
                break
            data, at = data[at:] + more, 0
            continue
        yield data[m.end():m.end() + size]
        at = m.end() + size + 1
    p.wait()


class Books:
    def __init__(self, tenant):
        self.tenant, self.event = tenant, message("trunkline.event.v1.Event")
        self.calls, self.answered, self.events, self.doubles = 0, 0, 0, 0
        self.problems, self.open, self.queues = [], {}, collections.defaultdict(recount.row)

    def read(self, brokers):
        for payload in stream(brokers, TOPICS["call"]):
            self._call(self.event.FromString(payload))
        self.problems += ["call %s has no end: %s" % (c.id, c.kinds) for c in self.open.values()]
        seen = {}
        for payload in stream(brokers, TOPICS["agent"]):
            self._agent(self.event.FromString(payload), seen)
        return self

    def _call(self, e):
        self.events += 1
        if e.tenant != self.tenant:
            return
        call = self.open.get(e.call_id)
        if call is None:
            if e.seq != 1:  # again, after its end
                self.doubles += 1
                return
            call = self.open[e.call_id] = Call(e.call_id)
        if e.seq <= len(call.events):
            self.doubles += 1
            return
        call.events.append(e)
        if e.WhichOneof("body") == "call_ended":
            del self.open[e.call_id]
            self.calls += 1
            self.answered += bool(call.agent_id)
            self.problems += list(call.problems())
            recount.visit(self.queues, call)

    def _agent(self, e, seen):
        if e.tenant != self.tenant or e.seq <= seen.get(e.agent_id, 0):
            return
        if e.agent_id in seen and e.seq != seen[e.agent_id] + 1:
            self.problems.append("agent %s: %d follows %d" % (e.agent_id, e.seq, seen[e.agent_id]))
        seen[e.agent_id] = e.seq
        changed = e.agent_state_changed
        if getattr(changed, "from") == WRAP_UP and e.queue_id in self.queues:
            self.queues[e.queue_id]["after_work_ms"] += changed.duration_ms
