#!/usr/bin/env python3
"""Ten times the rate that the machine can serve, for half a minute: who is served and how soon, who is refused and how, what becomes of
established calls, and how soon all is well again (GT-15).

    tests/chaos/limits/overload.py [--base 25000] [--times 10] [--seconds 30] [--agents 500] [--rated RATE] [--keep DIR]

First it finds the rate that the machine serves: faster and faster until calls are refused or come late. Then come the calls that are to stand
through it all, the overload, and right after it calls at half the rate. Every telephone is one of chaos-phones: real audio, callers who hang up by BYE
or, out of patience, by CANCEL. Prints the promises with their figures; exit 1 when one is broken, 2 when the run tells nothing: callers waited for agents
rather than for the machine, or the telephones themselves stood still.
"""
import argparse
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "perf"), str(ROOT / "tests" / "chaos")]

from stage import PREFIX, TRUNK, NUMBERS, Stage, say  # noqa: E402
from evidence import Leg, lines  # noqa: E402
from phones import Phones  # noqa: E402

TALK_MS = 500
PATIENCE_MS = 10000
STANDING = 50                # calls that stand through the overload
STEP_S, FIRST, STEPS = 5, 20, 1.5
SERVED_MS = 4000             # INVITE to 200 of who is admitted, p99: the edge gives an offer up after 6 s
REFUSED_MS = 500             # INVITE to 503, p99: before a caller says it again (RFC 3261, T1)
RECOVERED_S = 30
AFTER_S = RECOVERED_S + 5
SIP_KEEPS_S = 40             # 64 T1 and a bit
MEMORY_MB = 300
STILL = 0.05                 # of the overload, at most, in which the telephones' process did not get its turn
GROUPS = ("try", "standing", "storm", "after")
OURS = ("edge-1", "cc-1", "cc-2", "router-1", "media-1")


def quantile(values, of):
    values = sorted(values)
    return values[int(of * (len(values) - 1))] if values else 0


def served(leg):
    """Talked, said goodbye, and was understood."""
    return leg.up is not None and leg.why == "hung-up" and leg.bye_status == 200


def refused(leg):
    return leg.why == "refused" and leg.status == 503 and bool(leg.retry_after_s)


def how(leg):
    """What became of one that is neither."""
    if leg.why == "refused":
        return "%s%s" % (leg.status, "" if leg.status != 503 else " without Retry-After")
    if leg.up is None:
        return leg.why or "nothing yet"
    return "BYE %s" % leg.bye_status if leg.bye_status else "ended by us" if leg.bye_received else leg.why or "still up"


def tally(legs):
    out = {}
    for leg in legs:
        if not served(leg) and not refused(leg):
            out[how(leg)] = out.get(how(leg), 0) + 1
    return ", ".join("%d %s" % (n, what) for what, n in sorted(out.items())) or "none"


def set_up_ms(legs):
    return [leg.up - leg.began for leg in legs if leg.up is not None]


def refusal_ms(legs):
    return [leg.over - leg.began for leg in legs if refused(leg)]


def recovery_s(storm, after, ended):
    """From the end of the overload to the last call that began after it and was not served."""
    late = [leg.began for leg in storm + after if leg.began > ended and not served(leg)]
    return max(0, (max(late) - ended) / 1000) if late else 0


def judged(legs, rated, t0, t1):
    """[(promise, figure, holds)] of the telephones. legs: callers; t0, t1: wall-clock milliseconds between which the storm lasted."""
    by = {g: [leg for leg in legs if leg.group == g] for g in GROUPS}
    storm, standing, after = by["storm"], by["standing"], by["after"]
    rate = sum(1 for leg in storm if leg.up is not None and t0 <= leg.up <= t1) / ((t1 - t0) / 1000)
    up = [leg for leg in storm + standing if leg.up is not None]
    dropped = [leg for leg in up if not served(leg)]
    took = recovery_s(storm, after, t1)
    neither = [leg for leg in storm if leg.up is None and not refused(leg)]
    return [
        ("of the rate that the machine serves at least 95 % is served", "%.0f a second, %.0f %%" % (rate, 100 * rate / rated), rate >= 0.95 * rated),
        ("no established call is dropped, each BYE is answered 200", "%d of %d: %s" % (len(dropped), len(up), tally(dropped)), not dropped),
        ("the standing calls are all there to the end", "%d of %d" % (sum(map(served, standing)), STANDING), sum(map(served, standing)) == STANDING),
        ("who is admitted is answered within %d ms (p99)" % SERVED_MS, "p50 %.0f, p99 %.0f ms" % (
            quantile(set_up_ms(storm), 0.5), quantile(set_up_ms(storm), 0.99)), quantile(set_up_ms(storm), 0.99) <= SERVED_MS),
        ("who is not gets 503 with Retry-After within %d ms (p99)" % REFUSED_MS, "%d, p50 %.0f, p99 %.0f ms" % (
            len(refusal_ms(storm)), quantile(refusal_ms(storm), 0.5), quantile(refusal_ms(storm), 0.99)),
         bool(refusal_ms(storm)) and quantile(refusal_ms(storm), 0.99) <= REFUSED_MS),
        ("nothing else becomes of anybody (0.1 % at most)", "%d of %d: %s" % (len(neither), len(storm), tally(neither)), len(neither) <= 0.001 * len(storm)),
        ("all are served again within %d s" % RECOVERED_S, "%.1f s" % took, took <= RECOVERED_S),
    ]


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


class Overload:
    def __init__(self, stage, company, log):
        self.stage, self.company, self.phones, self.log = stage, company, company.phones, log

    def callers(self):
        self.phones.report()  # flushes the journal
        legs, self.late = {}, []
        for r in lines(self.log):
            if r["ev"] == "late":
                self.late.append(r)
            elif r["leg"].startswith("c"):
                legs.setdefault(r["leg"], Leg(r["leg"])).note(r)
        return list(legs.values())

    def under_way(self, *groups):
        r = self.phones.report()
        return sum(r[g][k] for g in groups if g in r for k in ("calling", "waiting", "talking"))

    def drain(self, *groups, timeout=PATIENCE_MS / 1000 + 40):
        """Until these groups' calls are over: by themselves, they have their talk and their patience."""
        deadline = time.monotonic() + timeout
        while self.under_way(*groups) and time.monotonic() < deadline:
            time.sleep(0.2)

    def load(self, group, rate, seconds, each=lambda: None):
        """Calls at a rate; returns the wall-clock milliseconds between which they began."""
        t0 = time.time()
        self.phones.call(group, rate=rate, talk_ms=(TALK_MS, TALK_MS), patience_ms=PATIENCE_MS)
        while time.time() < t0 + seconds:
            time.sleep(min(1, max(0, t0 + seconds - time.time())))
            each()
        self.phones.ask("stop %s" % group)
        return t0 * 1000, time.time() * 1000

    def rate_served(self):
        """The fastest of the steps at which every call is served, and in time."""
        rate, best = FIRST, 0
        while rate < 2000:
            t0, t1 = self.load("try", rate, STEP_S)
            self.drain("try")
            legs = [leg for leg in self.callers() if leg.group == "try" and t0 <= leg.began <= t1]
            good, p99 = sum(map(served, legs)), quantile(set_up_ms(legs), 0.99)
            say("      %4.0f a second: %d of %d served, INVITE to 200 p99 %.0f ms" % (rate, good, len(legs), p99))
            if good < 0.99 * len(legs) or p99 > SERVED_MS / 4:
                break
            best = good / STEP_S
            rate *= STEPS
        return best or rate

    def run(self, rated, times, seconds):
        """([(promise, figure, holds)], why that tells nothing)"""
        self.phones.ask("ring 1 0-0")  # every agent: their ids begin with 1
        rated = rated or self.rate_served()
        self.phones.call("standing", count=STANDING, rate=10)
        time.sleep(STANDING / 10 + 3)
        before, most, free = rss(self.stage), [0], [len(self.company.agents)]

        def look():
            most[0] = max(most[0], rss(self.stage))
            free[0] = min(free[0], states(self.company).get("READY", 0))
        say("%.0f a second are served; %.0f a second for %d s" % (rated, rated * times, seconds))
        t0, t1 = self.load("storm", rated * times, seconds, look)
        self.load("after", rated / 2, AFTER_S)
        self.drain("storm", "after")
        self.phones.ask("hangup standing 50")
        self.drain("standing")
        out = judged(self.callers(), rated, t0, t1)
        out.append(("memory is bounded", "%.0f MB, at most %.0f MB" % (before, most[0]), most[0] < before + MEMORY_MB))
        still = sum(r["ms"] for r in self.late if t0 <= r["t"] <= t1) / (t1 - t0)
        why = ["no agent was free at times: callers waited for agents, give it more of them (--agents)"] if not free[0] else []
        why += ["the telephones stood still %.0f %% of the overload: the machine was busy with other things" % (100 * still)] if still > STILL else []
        return out + self.left(), why

    def left(self):
        deadline = time.monotonic() + SIP_KEEPS_S
        while time.monotonic() < deadline and (sum(self.stage.cluster.sip_left().values()) or set(states(self.company)) != {"READY"}):
            time.sleep(1)
        kept, now, quiet = self.stage.cluster.sip_left(), states(self.company), self.stage.quiet(60)
        return [("every agent is free again", str(now), set(now) == {"READY"}),
                ("nothing is left: no call, no dialog, no transaction", "%s; %s" % ("no calls" if quiet else "calls", ", ".join(
                    "%d %s" % (n, what) for what, n in kept.items())), quiet and not sum(kept.values()))]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--base", type=int, default=25000)
    p.add_argument("--rated", type=float, default=0, help="calls a second that the machine serves; 0: find out")
    p.add_argument("--times", type=float, default=10)
    p.add_argument("--seconds", type=int, default=30)
    p.add_argument("--agents", type=int, default=500)
    p.add_argument("--keep", help="directory of the telephones' journal")
    p.add_argument("--rtp", type=int, nargs=2, default=None, metavar=("FIRST", "LAST"), help="RTP ports of the media engine")
    p.add_argument("--name", default="overload")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(a.keep or directory) / "phones.jsonl"
        dials = PREFIX["large"] + NUMBERS["plain"]
        stage = Stage(a.base, name=a.name, phones=lambda port, _: Phones(a.base + 60, log, TRUNK["large"], port, dict.fromkeys(GROUPS, dials)))
        if a.rtp:
            stage.cluster.sets = ["media.rtp.port_min=%d" % a.rtp[0], "media.rtp.port_max=%d" % a.rtp[1]]
        try:
            stage.up()
            promises, why = Overload(stage, stage.company("large", a.agents), log).run(a.rated, a.times, a.seconds)
        finally:
            stage.down()
    for what, figure, holds in promises:
        say("      %-72s %-28s %s" % (what, figure, "holds" if holds else "BROKEN"))
    for reason in why:
        say("overload: this tells nothing: %s" % reason)
    return 2 if why else 0 if all(holds for _, _, holds in promises) else 1


if __name__ == "__main__":
    sys.exit(main())
