"""Events: from a call's step to its arrival in Kafka at the highest call rate; the aggregation, alone and through the real broker."""
import os
import subprocess
import threading
import time

from load import Callers, quantile, until
from meter import Meter, Use, table
from programs import rows, run_program
from stage import say

TARGET = {"kpi_core_events_per_s": 20e6, "kpi_kafka_events_per_s": 1e6}


class Arrivals:
    """An independent consumer: kcat writes each message's time (CreateTime: when the step was made), we note when it came."""

    def __init__(self, brokers, topic):
        self.p = subprocess.Popen(["kcat", "-C", "-b", brokers, "-t", topic, "-o", "end", "-u", "-q", "-f", "%T\n"], stdout=subprocess.PIPE)
        self.found = []  # (arrival in s, delay in ms)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        rest = b""
        while True:
            data = os.read(self.p.stdout.fileno(), 1 << 16)
            now = time.time()
            if not data:
                return
            *lines, rest = (rest + data).split(b"\n")
            self.found += [(now, now * 1000 - int(x)) for x in lines if x]

    def delays(self, t0, t1):
        return sorted(d for at, d in self.found if t0 <= at < t1)

    def close(self):
        self.p.terminate()
        self.p.wait(5)


def to_kafka(bench):
    known = [r["median"] for r in bench.results if r["name"] == "q1_sustained_cps"]
    rate = float(os.environ.get("BENCH_EVENT_RATE") or 0.9 * (known[0] if known else 110))
    say("events: a call's step to its arrival in Kafka, Q1 at %.0f calls/s" % rate)
    company = bench.stage.company("large" if rate > 80 else "small", 1000 if rate > 80 else 200)
    arrivals = Arrivals(bench.stage.cluster.env["TRUNKLINE_KAFKA_BROKERS"], "trunkline.call.v1")
    time.sleep(2)
    callers = Callers(bench.stage, company, "plain", rate, 6 + bench.rounds * bench.window_s, min(2000, int(850 / rate * 1000))).start()
    until(time.time() + 5)
    meter = Meter(bench.stage.cluster)
    looks = [meter.look()]
    for _ in range(bench.rounds):
        until(looks[-1].at + bench.window_s)
        looks.append(meter.look())
    callers.wait()
    bench.stage.quiet(60)
    time.sleep(1)
    arrivals.close()
    uses = [Use(a, b) for a, b in zip(looks, looks[1:])]
    delays = [arrivals.delays(u.began, u.ended) for u in uses]
    say(table(uses[-1], callers.between(uses[-1].began, uses[-1].ended)[0], "call"))
    for d in delays:
        say("      %d events (%.0f/s): p50 %.0f, p99 %.0f, max %.0f ms" % (
            len(d), len(d) / bench.window_s, quantile(d, 0.5), quantile(d, 0.99), quantile(d, 1)))
    conditions = "call events, time_ms to arrival at a consumer of its own (kcat), Q1 at %.0f calls/s, %d of %d calls failed" % (
        rate, callers.bad, callers.bad + callers.good)
    for p, of, target in (("p50", 0.5, None), ("p99", 0.99, 50)):
        bench.result("event_to_kafka_%s_ms" % p, [quantile(d, of) for d in delays], "ms", "lower", target, conditions)


def run(bench):
    to_kafka(bench)
    for args in (["core", "kafka"], ["reporting", "bridge", "--calls", "10000"]):
        for r in rows(run_program("kpi-bench", [*args, "--rounds", str(bench.rounds)])):
            r.setdefault("better", "higher")
            r.setdefault("target", TARGET.get(r["name"]))
            bench.add(r)
