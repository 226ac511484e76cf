#!/usr/bin/python3
"""What the main job costs: the benchmarks of this directory, on the real cluster with real SIP load.

    tests/perf/bench.py [tenants] [queue] [ivr] [media] [router] [events] [memory]     (none: all)

Prints tables and writes tests/perf/results/latest.json. CPU time rather than wall time: the machine is shared with the load and with whatever
else runs. Three repetitions of each figure: minimum, median, maximum. Nothing is switched off: checkpoints, events in Kafka, TLS and rights on
the bus. PostgreSQL and the Kafka broker are shown apart.

BENCH_BASE: first port (25000); BENCH_ROUNDS: repetitions (3); BENCH_WINDOW: seconds of each (10); BENCH_RATE: calls/s of Q1 (90);
BENCH_PARTS: of queue, some of "q1 high peer busy sustained ring q2"; BENCH_OUT: where the results go. Those of tenants: tenants_bench.py.
"""
import importlib
import json
import os
import pathlib
import platform
import re
import signal
import statistics
import sys
import time

from stage import ROOT, Stage, base_port, say

RESULTS = ROOT / "tests" / "perf" / "results" / "latest.json"
ALL = ("tenants", "memory", "queue", "ivr", "media", "router", "events")  # tenants has a cluster of its own; memory before others have made the processes large


class Bench:
    def __init__(self):
        self.rounds, self.window_s = int(os.environ.get("BENCH_ROUNDS", "3")), float(os.environ.get("BENCH_WINDOW", "10"))
        self.stage = Stage(base_port())
        self.results, self.began = [], time.monotonic()

    def result(self, name, values, unit, better, target, conditions, limit=None, peer=None, peer_name=None):
        values = list(values) or [0]
        self.add({"name": name, "median": round(statistics.median(values), 4), "min": round(min(values), 4), "max": round(max(values), 4),
                  "unit": unit, "better": better, "target": target, "limit": limit, "peer": peer, "peer_name": peer_name,
                  "conditions": conditions})

    def add(self, row):
        """A row as it stands in the JSON, from us or from a program of its own."""
        full = {k: row.get(k) for k in ("name", "median", "min", "max", "unit", "better", "target", "limit", "peer", "peer_name", "conditions")}
        self.results.append(full)
        say("  %-34s %12.3f  (%.3f … %.3f) %s" % (full["name"], full["median"], full["min"], full["max"], full["unit"]))

    def write(self):
        path = pathlib.Path(os.environ.get("BENCH_OUT") or RESULTS)
        path.parent.mkdir(parents=True, exist_ok=True)
        old = {r["name"]: r for r in json.loads(path.read_text())} if path.exists() else {}
        old.update({r["name"]: r for r in self.results})
        path.write_text(json.dumps(list(old.values()), indent=1, ensure_ascii=False) + "\n")
        say("written: %s" % path)

    def table(self):
        say("\n%-34s %12s %10s %10s %10s  %s" % ("figure", "median", "target", "limit", "peer", "unit"))
        for r in self.results:
            cells = ["%g" % r[k] if r[k] is not None else "-" for k in ("target", "limit", "peer")]
            missed = r["target"] is not None and (r["median"] < r["target"] if r["better"] == "higher" else r["median"] > r["target"])
            say("%-34s %12.3f %10s %10s %10s  %s%s" % (r["name"], r["median"], *cells, r["unit"], "  (target missed)" if missed else ""))
        model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
        where = "%s: %s, %d CPUs, kernel %s; load average at the end %s; took %.0f s" % (
            time.strftime("%Y-%m-%d"), model.group(1) if model else platform.machine(), os.cpu_count(), platform.release(),
            " ".join("%.1f" % x for x in os.getloadavg()), time.monotonic() - self.began)
        say("on " + where)
        if "BENCH_OUT" not in os.environ:
            RESULTS.with_name("machine.txt").write_text(where + "\n")


def main():
    wanted = sys.argv[1:] or list(ALL)
    unknown = [w for w in wanted if w not in ALL]
    if unknown:
        sys.exit("bench: '%s' is not one of: %s" % (unknown[0], " ".join(ALL)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the cluster goes with us
    b = Bench()
    failed = []
    try:
        for w in wanted:
            say("== %s (%.0f s)" % (w, time.monotonic() - b.began))
            try:
                importlib.import_module(w + "_bench").run(b)
            except Exception as e:  # the other figures are worth having; the exit status tells
                failed.append(w)
                say("bench: %s: %s: %s" % (w, type(e).__name__, e))
                if os.environ.get("BENCH_TRACE"):
                    raise
    finally:
        b.stage.down()
        if b.results:
            b.table()
            b.write()
    sys.exit(bool(failed))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
