#!/usr/bin/env python3
"""Ten times the rated load for half a minute: what is served, what is refused and how, and how soon all is well again (GT-15).

    tests/chaos/limits/overload.py [--base 25000] [--rated 60] [--times 10] [--seconds 30] [--agents 400]

Prints one line a phase and the promises with their figures; exit 1 when one is broken. run(stage, …) does the same on a cluster that is up.
The callers are SIPp's, which needs its share of the machine: at ten times the rate it takes most of one core, so the rated load is one that
the rest of the machine can serve beside that.
"""
import argparse
import csv
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "perf"))

from load import Callers, quantile  # noqa: E402
from stage import Stage, say  # noqa: E402

TALK_MS = 1000
RECOVERED_S = 30
OURS = ("edge-1", "cc-1", "cc-2", "router-1", "media-1")


class Refusable(Callers):
    """Callers who take 503 for an answer: served, refused, failed."""

    def __init__(self, stage, company, rate, seconds, **more):
        super().__init__(stage, company, "plain", rate, seconds, talk_ms=TALK_MS, scenario="overload", **more)

    def _read(self):
        super()._read()
        with open(self.dir / "stat.csv") as f:
            rows = list(csv.DictReader(f, delimiter=";"))
        names = [n for n in rows[0] if n and n.startswith("GenericCounter") and n.endswith("(C)")]
        self.seconds = [(float(r["CurrentTime"].split("\t")[-1]), *(int(r[n]) for n in reversed(names[:2]))) for r in rows]  # numbered as they stand in the scenario
        self.served, self.refused = self.seconds[-1][1:]


def states(company):
    """{state (and reason): agents}"""
    out = {}
    for a in company.lead.desk.ListAgents(page_size=1000).agents:
        name = a.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[a.state].name.removeprefix("AGENT_STATE_")
        name += " " + a.reason if a.reason else ""
        out[name] = out.get(name, 0) + 1
    return out


def rss(stage):
    return sum(int(line.split()[1]) for name, row in stage.cluster.status().items() if name in OURS and row["pid"]
               for line in pathlib.Path("/proc/%d/status" % row["pid"]).read_text().splitlines() if line.startswith("VmRSS")) / 1024


def served_between(callers, t0, t1):
    inside = [r for r in callers.seconds if t0 <= r[0] <= t1]
    return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0]) if len(inside) > 1 else 0


def run(stage, company, rated=60, times=10, seconds=30):
    """[(promise, figure, holds)]"""
    out = []

    def promise(what, figure, holds):
        out.append((what, figure, holds))
        say("      %-72s %-28s %s" % (what, figure, "holds" if holds else "BROKEN"))

    warm = Refusable(stage, company, rated, 8).run()
    say("rated load, %g/s: %d served, %d refused, %d failed; INVITE to 200 p99 %.0f ms; agents %s" % (
        rated, warm.served, warm.refused, warm.bad, quantile(warm.answer_ms(), 0.99), states(company)))
    stage.quiet(60)
    before = rss(stage)
    held = Callers(stage, company, "held", 20, calls=100, talk_ms=int((seconds + 14) * 1000)).start()
    time.sleep(6)
    storm = Refusable(stage, company, rated * times, seconds).start()
    peak = before
    while storm.p.poll() is None and peak < 1e6:
        peak = max(peak, rss(stage))
        time.sleep(1)
    storm.wait()
    ended = storm.seconds[0][0] + seconds
    after = Refusable(stage, company, rated, RECOVERED_S + 10).run()
    held.wait()
    stage.quiet(60)
    begun = storm.seconds[0][0]
    rate = served_between(storm, begun + 5, ended)
    say("%g/s for %d s: %d served, %d refused, %d failed; INVITE to 200 p50 %.0f p99 %.0f ms" % (
        rated * times, seconds, storm.served, storm.refused, storm.bad, quantile(storm.answer_ms(), 0.5), quantile(storm.answer_ms(), 0.99)))
    say("      a second: %s" % " ".join("%d" % (b[1] - a[1]) for a, b in zip(storm.seconds, storm.seconds[1:])))
    say("rated load again: %d served, %d refused, %d failed; p99 %.0f ms" % (
        after.served, after.refused, after.bad, quantile(after.answer_ms(), 0.99)))
    promise("of the rated load are served during the overload, at least 95 %", "%.0f %%" % (100 * rate / rated), rate >= 0.95 * rated)
    promise("of the calls neither served nor refused with 503 and Retry-After, at most 0.1 %", "%d of %d" % (storm.bad, storm.calls),
            storm.bad <= 0.001 * storm.calls)
    promise("established calls go on and end by their BYE: none fails", "%d of %d failed" % (held.bad, held.calls), held.bad == 0)
    whole = [r[0] for r in after.seconds if r[2] < after.refused or r[0] < ended]  # moments when somebody was still to be refused
    took = max(0, (max(whole) if whole else ended) - ended)
    promise("all calls are taken again within 30 s", "%.0f s, %d failed" % (took, after.bad), took <= 30 and after.bad == 0)
    promise("memory is bounded", "%.0f MB, at most %.0f MB" % (before, peak), peak < before + 300)
    now = states(company)
    promise("every agent is free again", str(now), set(now) == {"READY"})
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--base", type=int, default=25000)
    p.add_argument("--rated", type=float, default=60)
    p.add_argument("--times", type=float, default=10)
    p.add_argument("--seconds", type=int, default=30)
    p.add_argument("--agents", type=int, default=400)
    p.add_argument("--rtp", type=int, nargs=2, default=None, metavar=("FIRST", "LAST"), help="RTP ports of the media engine")
    p.add_argument("--name", default="overload")
    a = p.parse_args()
    stage = Stage(a.base, name=a.name)
    if a.rtp:
        stage.cluster.sets = ["media.rtp.port_min=%d" % a.rtp[0], "media.rtp.port_max=%d" % a.rtp[1]]
    try:
        stage.up()
        broken = [w for w, _, holds in run(stage, stage.company("large", a.agents), a.rated, a.times, a.seconds) if not holds]
    finally:
        stage.down()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
