"""Queue calls: what one costs in every process, how many a second the machine takes, how soon a free agent's phone rings."""
import os
import time

import peer
from load import KEY, SPEECH, Callers, quantile, until
from meter import Meter, Use, table
from stage import say

SETTLE_S = 3
PEER = ("Asterisk 22 app_queue, 60 calls/s", 88)
PEER_BUSY = ("Asterisk 22 app_queue, 1,000 agents, 840 busy", 28)


def windows(meter, n, seconds):
    """n Uses, one after the other."""
    looks = [meter.look()]
    for _ in range(n):
        until(looks[-1].at + seconds)
        looks.append(meter.look())
    return [Use(a, b) for a, b in zip(looks, looks[1:])]


def steady(bench, company, what, rate, talk_ms, window_s, **more):
    """Calls at a steady rate; [(use, good, bad, callers)] of as many windows as rounds, and the system calls of a call."""
    rounds, probe_s = bench.rounds, 4
    ramp = SETTLE_S + talk_ms / 1000
    callers = Callers(bench.stage, company, what, rate, ramp + rounds * window_s + probe_s + 2, talk_ms, **more).start()
    until(time.time() + ramp)
    meter = Meter(bench.stage.cluster)
    uses = windows(meter, rounds, window_s)
    t0 = time.time()
    syscalls = meter.syscalls(probe_s)
    t1 = time.time()
    callers.wait()
    probed = max(1, callers.between(t0, t1)[0])
    return [(u, *callers.between(u.began, u.ended)[:2]) for u in uses], {n: c / probed for n, c in syscalls.items()}, callers


def per_cpu(bench, name, company, what, rate, talk_ms, window_s, conditions, peer=(None, None), target=None, unit="call", **more):
    """The figure "calls per CPU-second" with its table."""
    rows, syscalls, callers = steady(bench, company, what, rate, talk_ms, window_s, **more)
    middle = sorted(rows, key=lambda r: r[1] / r[0].ours)[len(rows) // 2]
    say(table(middle[0], middle[1], unit, syscalls))
    t0, t1 = rows[0][0].began, rows[-1][0].ended
    ms = callers.answer_ms(t0, t1)
    say("      %d calls, %d failed; INVITE → 200: p50 %.0f ms, p99 %.0f ms, max %.0f ms" % (
        callers.good + callers.bad, callers.bad, quantile(ms, 0.5), quantile(ms, 0.99), quantile(ms, 1)))
    if callers.bad:
        say("      SIPp says:\n" + callers.why())
    bench.result(name, [good / use.ours for use, good, _ in rows], "calls per CPU-second", "higher", target,
                 "%s; %g calls/s, talk %g s, windows of %g s; %d of %d failed; SIPp beside it" % (
                     conditions, rate, talk_ms / 1000, window_s, callers.bad, callers.good + callers.bad), limit=4000, peer=peer[1],
                 peer_name=peer[0])
    bench.stage.quiet()
    return ms


def q1(bench):
    rate = float(os.environ.get("BENCH_RATE", "90"))
    say("Q1: INVITE straight into a queue, 200 agents, answered at once, 2 s, BYE; %g calls/s" % rate)
    company = bench.stage.company("small", 200)
    ms = per_cpu(bench, "q1_calls_per_cpu_s", company, "plain", rate, 2000, bench.window_s, "queue without IVR or RTP, 200 agents", PEER, 270)
    bench.result("q1_answer_p50_ms", [quantile(ms, 0.5)], "ms INVITE to 200", "lower", None, "as q1_calls_per_cpu_s")
    bench.result("q1_answer_p99_ms", [quantile(ms, 0.99)], "ms INVITE to 200", "lower", None, "as q1_calls_per_cpu_s", peer=140,
                 peer_name="Asterisk 22 app_queue at 90 calls/s")


def q1_high(bench):
    rate = float(os.environ.get("BENCH_HIGH_RATE", "230"))
    say("Q1 with as many agents as the rate needs: %g calls/s, 1,000 agents, talk 2 s" % rate)
    company = bench.stage.company("large", 1000)
    per_cpu(bench, "q1_high_rate_calls_per_cpu_s", company, "plain", rate, 2000, bench.window_s, "queue without IVR or RTP, 1,000 agents", PEER, 270)


def q1_busy(bench):
    say("Q1 with 1,000 agents of whom 840 are busy: 60 calls/s, talk 14 s")
    company = bench.stage.company("large", 1000)
    per_cpu(bench, "q1_busy1000_calls_per_cpu_s", company, "plain", 60, 14000, bench.window_s, "1,000 agents, 840 busy", PEER_BUSY, 243)


def q2(bench):
    say("Q2: greeting, one key, queue, agent, recorded, RTP both ways (phones echo)")
    company = bench.stage.company("small", 200)
    rate = float(os.environ.get("BENCH_Q2_RATE", "15"))
    before = '<pause milliseconds="300"/>' + KEY + '<pause milliseconds="400"/>' + SPEECH
    per_cpu(bench, "q2_calls_per_cpu_s", company, "ivr", rate, 2000, bench.window_s, "greeting, key, queue, recorded, RTP both ways",
            before_talk=before)


def step(bench, company, rate, seconds=8):
    """Is the rate sustained? The talk is shorter where 2 s would need more agents than there are."""
    talk = min(2000, int(850 / rate * 1000))
    callers = Callers(bench.stage, company, "plain", rate, seconds + 2, talk, answer_within_ms=5000).run()
    begun = callers.good + callers.bad
    t1 = callers.answers[-1][0] if callers.answers else 0
    ms = callers.answer_ms(t1 - seconds)
    took = callers.rows[-1][0] - callers.rows[0][0]
    bad = callers.bad / max(1, begun) + (0 if callers.good + callers.bad >= callers.calls else 1)
    ok = bad < 0.001 and took < callers.calls / rate + talk / 1000 + 3  # no tail: the last call began late when SIPp or we fell behind
    say("      %5.0f calls/s: %d calls, %d failed, INVITE → 200 p50 %.0f p99 %.0f ms%s" % (
        rate, begun, callers.bad, quantile(ms, 0.5), quantile(ms, 0.99), "" if ok else ": too many"))
    bench.stage.quiet(60)
    return ok


def sustained(bench):
    say("Q1, highest sustained rate: < 0.1 % failures, every call answered within 5 s; 1,000 agents so that they are not the limit, talk 2 s")
    company = bench.stage.company("large", 1000)
    rate, best, top = 200, 100, float(os.environ.get("BENCH_TOP_RATE", "560"))
    while rate <= top and step(bench, company, rate):
        best, rate = rate, rate * 1.2
    # A rate that was too much leaves agents behind who are busy because they did not answer in time: it is not tried twice.
    found = [best] + [best if step(bench, company, best) else 0 for _ in range(bench.rounds - 1)] if rate > top else [best]
    bench.result("q1_sustained_cps", found, "calls/s", "higher", None,
                 "< 0.1 % failures in 10 s, answered within 5 s; 1,000 agents, talk ≤ 2 s; SIPp beside it",
                 peer=90, peer_name="Asterisk 22 app_queue, 200 agents")
    return found


def agent_ring(bench):
    """Callers always wait: 230 of them for 200 agents; an agent's talk is such that the rate is 60 % of the sustained one."""
    known = [r["median"] for r in bench.results if r["name"] == "q1_sustained_cps"]
    rate = float(os.environ.get("BENCH_RING_RATE") or 0.6 * (known[0] if known else 100))
    talk = 200 / rate * 1000
    say("agent free → the agent's phone gets the next INVITE, with callers waiting; %.0f calls/s" % rate)
    company = bench.stage.company("small", 200)
    window = max(8, bench.window_s)
    seconds = talk / 1000 * 1.5 + SETTLE_S + window * bench.rounds
    callers = Callers(bench.stage, company, "plain", rate * 1.5, talk_ms=(int(talk * 0.5), int(talk * 1.5)), calls=int(rate * seconds * 1.2),
                      at_most=230).start()
    until(time.time() + talk / 1000 * 1.5 + SETTLE_S)
    reports = []
    for _ in range(bench.rounds):
        company.phones.reset()
        time.sleep(window)
        reports.append(company.phones.report())
    callers.stop()
    callers.wait()
    for r in reports:
        g = r["free_to_ring_ms"]
        say("      %d times (%.0f/s): p50 %.2f, p90 %.2f, p99 %.2f, max %.1f ms; %d rang before their BYE" % (
            r["free_to_ring_n"], r["free_to_ring_n"] / window, g["p50"], g["p90"], g["p99"], g["max"], r["early"]))
    conditions = "BYE at the agent's phone to its next INVITE (kernel time stamps), callers waiting, 200 agents, %.0f calls/s" % (
        sum(r["invites"] for r in reports) / window / len(reports))
    for p, target in (("p50", None), ("p99", 20)):
        bench.result("agent_ring_%s_ms" % p, [r["free_to_ring_ms"][p] for r in reports], "ms", "lower", target, conditions,
                     peer=1056 if p == "p99" else None, peer_name="Asterisk 22 app_queue (1 s poll)" if p == "p99" else None)
    bench.stage.quiet()


def run(bench):
    parts = {"q1": q1, "high": q1_high, "peer": lambda b: peer.run(b, 60), "busy": q1_busy, "sustained": sustained, "ring": agent_ring, "q2": q2}
    for name in os.environ.get("BENCH_PARTS", " ".join(parts)).split():
        parts[name](bench)
