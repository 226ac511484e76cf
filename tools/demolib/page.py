"""The page at the end of the demo: calls, Kafka, indicators; from Kafka's raw facts, the recorder and the reports."""
import os
import unicodedata

import audio
from facts import TOPICS, kcat, settled, topics
from recount import differences, differing_totals, recount, totals


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text, n, right=False):
    space = " " * max(0, n - width(text))
    return space + text if right else text + space


def table(head, rows, right=()):
    """Lines of a table whose columns are as wide as they must be; right: numbers of columns."""
    cells = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(width(r[i]) for r in cells) for i in range(len(head))]
    lines = ["  ".join(pad(c, widths[i], i in right) for i, c in enumerate(row)).rstrip() for row in cells]
    return [lines[0], "  ".join("-" * w for w in widths), *lines[1:]]


def seconds(ms):
    return "%.1f s" % (ms / 1000)


AT_WORK = (4, 5, 6)  # reserved, on a call, wrap-up


def all_stored(facts, n_calls):
    """Every call has ended, every recording that was begun is stored, every agent is done with the work after the call."""
    begun = {e.recording_started.recording_id for c in facts.calls.values() for e in c.envelopes("recording_started")}
    stored = {e.recording_stored.recording_id for e in facts.recordings if e.WhichOneof("body") == "recording_stored"}
    ended = len(facts.calls) >= n_calls and all(c.ended for c in facts.calls.values())
    at_work = [e for e in (events[-1] for events in facts.agents.values()) if e.agent_state_changed.to in AT_WORK]
    return ended and begun <= stored and not at_work


def download(lead, recording_id, path):
    with open(path, "wb") as f:
        for part in lead.recordings.Download(recording_id=recording_id):
            f.write(part.data)
    return path


def voices(path):
    """Seconds of the file, and on which of its two sides somebody speaks."""
    channels, rate = audio.read_any(path)
    spoken = [max((abs(s) for s in c), default=0) > 1000 for c in channels]
    what = "both heard" if all(spoken) and len(spoken) == 2 else "NOT both heard"
    return len(channels[0]) / rate, what


class Page:
    def __init__(self, env, leads, names, directory, n_calls):
        self.env, self.leads, self.names, self.dir = env, leads, names, directory
        self.facts = settled(env["TRUNKLINE_KAFKA_BROKERS"], lambda f: all_stored(f, n_calls), timeout=20)
        self.wrong = [] if all_stored(self.facts, n_calls) else ["not every call or recording is complete in Kafka after 20 s"]
        self.wrong += self.facts.problems()

    def recording(self, call):
        id_ = call.ended.recording_id
        if not id_:
            return "-", "-", "-"
        path = os.path.join(self.dir, "%s-%s.mp3" % (call.tenant, call.offered.caller.lstrip("+")))
        try:
            length, what = voices(download(self.leads[call.tenant], id_, path))
        except Exception as e:
            self.wrong.append("recording %s of %s: %s" % (id_, call.offered.caller, e))
            return "(missing)", "-", "-"
        if what != "both heard":
            self.wrong.append("recording %s: the voices of caller and agent are not both in it" % path)
        return os.path.relpath(path), "%.1f s" % length, what

    def calls(self):
        rows = []
        for call in sorted(self.facts.calls.values(), key=lambda c: c.ended.offered_ms if c.ended else 0):
            if not call.ended:
                continue
            end, digits = call.ended, call.all("digits_collected")
            missed = [self.names[call.tenant, e.agent_id] for e in call.envelopes("agent_no_answer")]
            agent = self.names.get((call.tenant, call.agent_id), call.agent_id) or "-"
            rows.append([call.offered.caller, call.tenant, digits[-1].digits if digits else "-", call.queue_id, seconds(end.wait_ms),
                         agent + (" (not %s)" % ", ".join(missed) if missed else ""), seconds(end.talk_ms), end.disposition,
                         *self.recording(call)])
        return table(["caller", "tenant", "key", "queue", "wait", "agent", "talk", "result", "recording", "length", "voices"], rows,
                     right=(4, 6, 9))

    def kafka(self):
        rows = [[topic, self.facts.count[topic], self.facts.bytes[topic]] for topic in TOPICS.values()]
        for topic in topics(self.env["TRUNKLINE_KAFKA_BROKERS"]):
            if topic.startswith("trunkline.") and topic not in TOPICS.values():
                records = kcat(self.env["TRUNKLINE_KAFKA_BROKERS"], topic)
                rows.append([topic, len(records), sum(len(r[2]) for r in records)])
        rows.append(["doubles among them (same id)", self.facts.doubles, ""])
        return table(["topic", "events", "bytes"], rows, right=(1, 2))

    def indicators(self):
        rows = []
        for tenant, lead in self.leads.items():
            summary = lead.reports.GetSummary()
            counted = recount(self.facts, tenant)
            self.wrong += ["%s: %s" % (tenant, d) for d in differences(counted, summary.queues)]
            self.wrong += ["%s: %s" % (tenant, d) for d in differing_totals(totals(self.facts, tenant), summary.totals)]
            for q in summary.queues:
                same = not differences({q.queue_id: counted.get(q.queue_id, {})}, [q]) if q.queue_id in counted else False
                rows.append([tenant, q.queue_id, q.offered, q.answered, q.abandoned, share(q.kpis.service_level), mean(q.kpis.speed_of_answer_ms),
                             mean(q.kpis.talk_time_ms), mean(q.kpis.handle_time_ms), "match" if same else "DIFFERS"])
        return table(["tenant", "queue", "offered", "answered", "abandoned", "service level", "speed of answer", "talk", "handle time",
                      "recount"], rows, right=(2, 3, 4, 5, 6, 7, 8))

    def settle(self, timeout_steps=20):
        """The reports follow Kafka by a moment: until they have counted all, or it takes too long."""
        import time
        for _ in range(timeout_steps):
            late = False
            for tenant, lead in self.leads.items():
                s = lead.reports.GetSummary()
                late = late or bool(differences(recount(self.facts, tenant), s.queues)) or s.lag_records > 0
            if not late:
                return
            time.sleep(0.5)


def share(x):
    return "-" if x < 0 else "%.0f %%" % (100 * x)


def mean(ms):
    return "-" if ms < 0 else seconds(ms)
