#!/usr/bin/env python3
"""5,000 telephones register at the same moment, with calls beside it (GT-15).

    tests/chaos/limits/register_storm.py [--base 25000] [--phones 5000] [--rate 20] [--within 30]

Prints the promises with their figures; exit 1 when one is broken. run(stage, …) does the same on a cluster that is up.
"""
import argparse
import concurrent.futures
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "perf"))

from load import Callers  # noqa: E402
from stage import AT_ONCE, Stage, say  # noqa: E402
from storm import Storm  # noqa: E402

AGENTS = 60     # who take the calls beside it
MEMORY_MB = 150


def rss_mb(stage, name="edge-1"):
    pid = stage.cluster.status()[name]["pid"]
    return next(int(line.split()[1]) for line in pathlib.Path("/proc/%d/status" % pid).read_text().splitlines() if line.startswith("VmRSS")) / 1024


def people(company, n):
    """{agent: password} of n further agents, who only have a telephone."""
    ids = ["s%05d" % i for i in range(n)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        made = list(pool.map(lambda i: company.agent(i, ["nobody"], logs_in=False), ids))
    deadline = time.monotonic() + 120
    while not company.published() and time.monotonic() < deadline:
        time.sleep(0.2)
    return {a.id: a.password for a in made}


def run(stage, company, phones=5000, rate=20, within=30):
    """[(promise, figure, holds)]"""
    out = []

    def promise(what, figure, holds):
        out.append((what, figure, holds))
        say("      %-64s %-36s %s" % (what, figure, "holds" if holds else "BROKEN"))

    t0 = time.monotonic()
    storm = Storm(stage.sip, company.domain, people(company, phones))
    say("%d agents made in %.0f s" % (phones, time.monotonic() - t0))
    before = rss_mb(stage)
    callers = Callers(stage, company, "plain", rate, within + 10, talk_ms=2000).start()
    time.sleep(5)
    took = storm.run(timeout=4 * within)
    last = max(took.values(), default=0)
    callers.wait()
    storm.close()
    ended = callers.good + callers.bad
    say("      answers %s, %d repeated; INVITE to 200 p99 %.0f ms" % (storm.answers, storm.repeated, (callers.answer_ms() or [0])[int(
        0.99 * (len(callers.answers) - 1))]))
    promise("all are registered within %d s" % within, "%d of %d in %.1f s" % (len(took), phones, last), len(took) == phones and last <= within)
    promise("of the calls beside it at least 99.9 % are good", "%d of %d" % (callers.good, ended), callers.good >= 0.999 * ended)
    after = rss_mb(stage)
    promise("memory of sip-edge is bounded", "%.0f MB, then %.0f MB" % (before, after), after < before + MEMORY_MB)
    return out


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--base", type=int, default=25000)
    p.add_argument("--phones", type=int, default=5000)
    p.add_argument("--rate", type=float, default=20)
    p.add_argument("--within", type=float, default=30)
    p.add_argument("--rtp", type=int, nargs=2, default=None, metavar=("FIRST", "LAST"), help="RTP ports of the media engine")
    p.add_argument("--name", default="storm")
    a = p.parse_args()
    stage = Stage(a.base, name=a.name)
    if a.rtp:
        stage.cluster.sets = ["media.rtp.port_min=%d" % a.rtp[0], "media.rtp.port_max=%d" % a.rtp[1]]
    try:
        stage.up()
        broken = [w for w, _, holds in run(stage, stage.company("large", AGENTS), a.phones, a.rate, a.within) if not holds]
    finally:
        stage.down()
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
