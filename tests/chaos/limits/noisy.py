#!/usr/bin/env python3
"""A noisy neighbour: tenant B calls at a small steady rate, alone and then beside tenant A that calls a hundred times as often, in one run. How
soon B's callers have their agent in both, who of them is refused, and what A gets (GT-3.1.2d).

    tests/chaos/limits/noisy.py [--base 25000] [--rate 2] [--times 100] [--seconds 60] [--rounds 1] [--agents 10 300] [--keep DIR]

All telephones are chaos-phones: real audio, queue calls, an agent's talk of half a second. Prints wall-clock times of B's callers, the CPU time of all
processes of ours and the bus a second, and how much of the machine was in use, so that it can be told what others took. The rule (B's p99 beside A is at most
10 % above its p99 alone) is printed with its outcome and decides nothing: time is the machine's. Exit 1: a caller of B was not served; 2: the
run tells nothing: A had no agent free at times, the telephones stood still, or A was too slow to be noisy.
"""
import argparse
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "perf"), str(ROOT / "tests" / "chaos"), str(ROOT / "tests" / "chaos" / "limits")]

from evidence import Leg, lines  # noqa: E402
from meter import Meter, Use  # noqa: E402
from overload import PATIENCE_MS, STILL, TALK_MS, quantile, refused, served, set_up_ms, states, tally  # noqa: E402
from phones import Phones  # noqa: E402
from stage import NUMBERS, PREFIX, TRUNK, Stage, say  # noqa: E402

B, A = "small", "large"   # the stage's companies
ALONE, BESIDE, NOISE = "alone", "beside", "noise"
SETTLE_S = 5              # before each measurement: A has been found to be too much by then
RULE = 1.10


class Window:
    """What was measured between two moments."""

    def __init__(self, what, t0, t1, use, machine):
        self.what, self.t0, self.t1, self.cpu, self.machine = what, t0, t1, use.ours / use.seconds, machine

    def legs(self, all_legs):
        return [leg for leg in all_legs if self.t0 <= leg.began <= self.t1]


def jiffies():
    """(in use, all) of the machine since it was started."""
    fields = [int(x) for x in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


class Noisy:
    def __init__(self, stage, directory, agents):
        self.stage, self.logs = stage, {name: directory / ("%s.jsonl" % name) for name in (B, A)}
        self.b, self.a = (stage.company(name, n) for name, n in zip((B, A), agents))
        self.phones = {B: self.b.phones, A: self.a.phones}
        self.meter, self.a_free = Meter(stage.cluster), []
        for p in self.phones.values():
            p.ask("ring 1 0-0")

    def measure(self, what, seconds):
        time.sleep(SETTLE_S)
        look, used, t0 = self.meter.look(), jiffies(), time.time() * 1000
        end = time.time() + seconds
        while time.time() < end:
            time.sleep(min(1, max(0, end - time.time())))
            if what == BESIDE:
                self.a_free.append(states(self.a).get("READY", 0))
        now = jiffies()
        return Window(what, t0, time.time() * 1000, Use(look, self.meter.look()), (now[0] - used[0]) / max(1, now[1] - used[1]))

    def round(self, rate, times, seconds):
        self.phones[B].call(ALONE, rate=rate, talk_ms=(TALK_MS, TALK_MS), patience_ms=PATIENCE_MS)
        out = [self.measure(ALONE, seconds)]
        self.phones[A].call(NOISE, rate=rate * times, talk_ms=(TALK_MS, TALK_MS), patience_ms=PATIENCE_MS)
        out.append(self.measure(BESIDE, seconds))
        self.phones[A].ask("stop %s" % NOISE)
        self.phones[B].ask("stop %s" % ALONE)
        for name, group in ((B, ALONE), (A, NOISE)):
            self.drain(name, group)
        return out

    def drain(self, name, group, timeout=PATIENCE_MS / 1000 + 40):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            r = self.phones[name].report().get(group, {})
            if not sum(r.get(k, 0) for k in ("calling", "waiting", "talking")):
                return
            time.sleep(0.2)

    def callers(self, name):
        """(legs of callers, milliseconds that the telephones stood still as [(moment, how long)])"""
        self.phones[name].report()  # flushes the journal
        legs, late = {}, []
        for r in lines(self.logs[name]):
            if r["ev"] == "late":
                late.append((r["t"], r["ms"]))
            elif r["leg"].startswith("c"):
                legs.setdefault(r["leg"], Leg(r["leg"])).note(r)
        return list(legs.values()), late


def told(windows, b_legs, a_legs):
    """Prints the table; (B's callers who were not served, p99 alone, p99 beside)"""
    bad, p99 = [], {}
    for what in (ALONE, BESIDE):
        mine = [w for w in windows if w.what == what]
        legs = [leg for w in mine for leg in w.legs(b_legs)]
        ms = set_up_ms(legs)
        bad += [leg for leg in legs if not served(leg)]
        p99[what] = quantile(ms, 0.99)
        say("      B %-7s %5d calls, %5d served, %d refused (503); INVITE to 200 p50 %.0f, p99 %.0f, max %.0f ms; CPU of ours %.2f s a second; "
            "machine %.0f %% in use" % (what, len(legs), sum(map(served, legs)), sum(map(refused, legs)), quantile(ms, 0.5), p99[what],
                                        max(ms or [0]), sum(w.cpu for w in mine) / len(mine), 100 * sum(w.machine for w in mine) / len(mine)))
    beside = [w for w in windows if w.what == BESIDE]
    legs, seconds = [leg for w in beside for leg in w.legs(a_legs)], sum(w.t1 - w.t0 for w in beside) / 1000
    say("      A         %5d calls (%.0f a second), %d served (%.0f a second), %d refused (503), else: %s; p50 %.0f, p99 %.0f ms" % (
        len(legs), len(legs) / seconds, sum(map(served, legs)), sum(map(served, legs)) / seconds, sum(map(refused, legs)), tally(legs),
        quantile(set_up_ms(legs), 0.5), quantile(set_up_ms(legs), 0.99)))
    return bad, p99[ALONE], p99[BESIDE]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--base", type=int, default=25000)
    p.add_argument("--rate", type=float, default=2, help="B's calls a second")
    p.add_argument("--times", type=float, default=100, help="A's, in B's")
    p.add_argument("--seconds", type=int, default=60, help="of each measurement")
    p.add_argument("--rounds", type=int, default=1, help="of alone and beside, one after the other")
    p.add_argument("--agents", type=int, nargs=2, default=(10, 300), metavar=("B", "A"))
    p.add_argument("--keep", help="directory of the telephones' journals")
    p.add_argument("--rtp", type=int, nargs=2, default=None, metavar=("FIRST", "LAST"), help="RTP ports of the media engine")
    p.add_argument("--name", default="noisy")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        keep = pathlib.Path(a.keep or directory)

        def phones(port, _):
            name = list(PREFIX)[(port - a.base - 500) // 4]
            return Phones(a.base + 60, keep / ("%s.jsonl" % name), TRUNK[name], port, dict.fromkeys((ALONE, NOISE), PREFIX[name] + NUMBERS["plain"]))
        stage = Stage(a.base, name=a.name, phones=phones)
        if a.rtp:
            stage.cluster.sets = ["media.rtp.port_min=%d" % a.rtp[0], "media.rtp.port_max=%d" % a.rtp[1]]
        try:
            stage.up()
            noisy = Noisy(stage, keep, a.agents)
            windows = [w for _ in range(a.rounds) for w in noisy.round(a.rate, a.times, a.seconds)]
            (b_legs, b_late), (a_legs, a_late) = noisy.callers(B), noisy.callers(A)
            over_share = stage.cluster.metric("edge-1", "trunkline_edge_over_share_total")
        finally:
            stage.down()
    bad, alone, beside = told(windows, b_legs, a_legs)
    say("      of those refused %d were of a tenant that asked for more than its fair share" % over_share)
    say("      B's p99 beside A is %.2f times its p99 alone: at most %.2f is promised: %s" % (
        beside / max(alone, 1), RULE, "holds" if beside <= RULE * alone else "DOES NOT HOLD (on this machine, now)"))
    inside = [w for w in windows if w.what == BESIDE]
    still = sum(ms for t, ms in b_late + a_late for w in inside if w.t0 <= t <= w.t1) / sum(w.t1 - w.t0 for w in inside)
    why = ["A had no agent free at times: give it more (--agents)"] if not min(noisy.a_free or [1]) else []
    why += ["the telephones stood still %.0f %% of the noise: the machine was busy with other things" % (100 * still)] if still > STILL else []
    offered = sum(len(w.legs(a_legs)) for w in inside) / sum(w.t1 - w.t0 for w in inside) * 1000
    why += ["A called %.0f times a second only" % offered] if offered < 0.9 * a.rate * a.times else []
    for reason in why:
        say("noisy: this tells nothing of the machine: %s" % reason)
    if bad:
        say("noisy: %d callers of B were not served: %d refused, else: %s" % (len(bad), sum(map(refused, bad)), tally(bad)))
    return 2 if why else 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
