"""Memory of a held call in every process, start-up of every service, and whether a call costs the same however many are up.

The order matters: every service is started anew first (and timed), so that what a held call takes is not already there from calls before.
"""
import contextlib
import os
import signal
import time

import plot
from load import Callers, until
from meter import APART, Meter, Use, children, memory_of
from restart import Restart
from stage import TRUNK, say
from crowd import Crowd

HOLD = int(os.environ.get("BENCH_HOLD", "1000"))
LEVELS = [int(x) for x in os.environ.get("BENCH_LEVELS", "10 100 1000 5000").split()]
Q1_RATE = 40
FORGOTTEN_S = 34  # SIP's transactions of a call are gone (RFC 3261, timers B, F, H: 64 × T1)
PERIOD_S = 20  # each held call is looked after once in this time, all of them at about the same moment
PLOT = "docs/cost-per-call.png"


# ---- start-up ----
def startup(bench):
    say("start-up of each service: kill -9, from the new process to ready")
    cluster, times = bench.stage.cluster, {}
    for name in cluster.status():
        if name in APART or name == "nats":
            continue
        times[name] = Restart(cluster, name, signal.SIGKILL).wall_s
    cluster.wait_ready()
    for n, t in times.items():
        say("      %-12s %6.2f s" % (n, t))
    slowest = max(times, key=times.get)
    bench.result("startup_slowest_s", [times[slowest]], "s from exec to ready", "lower", None,
                 "%s; all: %s" % (slowest, ", ".join("%s %.2f" % x for x in times.items())))


# ---- memory ----
def memory(meter):
    """{process: (PSS, RSS) in KiB}; PostgreSQL with its children."""
    out = {}
    for n, pid in meter.pids.items():
        parts = [memory_of(p) for p in ([pid, *children(pid)] if n == "postgres" else [pid])]
        out[n] = tuple(sum(x) for x in zip(*parts))
    return out


@contextlib.contextmanager
def holding(bench, company, what, n):
    """n calls that stay up for as long as the block lasts; gives how many are."""
    crowd = Crowd(bench.stage.sip, TRUNK[company.tenant], company.number_of(what), rings=what == "ringing")
    crowd.call(n)
    bench.stage.caught_up()
    time.sleep(2)
    up = len(crowd.up)
    if up < n:
        say("      only %d of %d calls are up: %s" % (up, n, crowd.failed))
    try:
        yield up
    finally:
        crowd.hang_up()
        crowd.close()
        bench.stage.quiet(60)


def per_held_call(bench, name, company, what, title, target, rounds):
    """KB a call: the difference to the memory with no call up, all processes of ours and nats-server.

    As many calls have come and gone before: what the first calls load, the transactions that SIP keeps for 32 s and the caches of the
    streams belong to no held call, and what is freed stays with the process.
    """
    say("memory: %d calls held, %s" % (HOLD, title))
    crowd = Crowd(bench.stage.sip, TRUNK[company.tenant], company.number_of(what))
    for _ in range(HOLD // 50):
        crowd.call(50)
        crowd.hang_up()
    crowd.close()
    bench.stage.quiet()
    time.sleep(FORGOTTEN_S)
    meter = Meter(bench.stage.cluster)
    nothing, sums, rows = memory(meter), [], []
    for i in range(rounds):
        if i:
            time.sleep(FORGOTTEN_S)
        with holding(bench, company, what, HOLD) as up:
            now = memory(meter)
            if what == "held":
                waiting_cpu(bench, meter, up)
        rows.append({n: [(now[n][i] - nothing[n][i]) / max(1, up) for i in (0, 1)] for n in now})
        sums.append(sum(v[0] for n, v in rows[-1].items() if n not in APART))
    after = memory(meter)
    say("      %-12s %10s %10s %14s" % ("KB per call", "PSS", "RSS", "MiB afterwards"))
    for n, v in sorted(rows[-1].items(), key=lambda x: -x[1][0]):
        say("      %-12s %10.2f %10.2f %14.1f%s" % (n, *v, (after[n][0] - nothing[n][0]) / 1024, " (apart)" if n in APART else ""))
    bench.result(name, sums, "KB PSS per held call", "lower", target, "%d calls held, %s; all processes of ours and nats-server" % (HOLD, title),
                 peer=384 if target else None, peer_name="Asterisk 22 (RSS)" if target else None)


def waiting_cpu(bench, meter, up):
    """CPU of calls that only wait, their endpoints open, nothing played."""
    a = meter.look()
    until(a.at + PERIOD_S)
    use = Use(a, meter.look())
    most = sorted(((n, c) for n, c in use.cpu.items() if n not in APART), key=lambda x: -x[1])[:4]
    bench.result("waiting_call_cpu_ms_per_s", [use.ours / use.seconds / max(1, up) * 1000], "CPU-ms a second of a waiting call", "lower", None,
                 "%d calls answered and waiting, no music, no RTP; of it %s" % (up, ", ".join("%s %.0f %%" % (
                     n, c / use.ours * 100) for n, c in most)))


# ---- growth ----
def growth(bench):
    """The same Q1 load beside ever more calls that are held; what the held ones cost by themselves is measured first."""
    small, large = bench.stage.company("small", 200), bench.stage.company("large", 1000)
    found = []
    for n in LEVELS:
        window = PERIOD_S if n >= 1000 else PERIOD_S / 2
        with holding(bench, large, "ringing", n) as up:
            meter = Meter(bench.stage.cluster)
            a = meter.look()
            until(a.at + window)
            alone = Use(a, meter.look())
            load = Callers(bench.stage, small, "plain", Q1_RATE, window + 4, 2000).start()
            until(time.time() + 3)
            a = meter.look()
            until(a.at + window)
            both = Use(a, meter.look())
            load.wait()
        calls = load.between(both.began, both.ended)[0]
        idle = alone.ours / alone.seconds
        found.append((n, (both.ours - idle * both.seconds) / max(1, calls) * 1000, both.ours / max(1, calls) * 1000, idle * 1000))
        say("      %5d held (%d up): %.2f ms a Q1 call more than holding alone, %.2f in all (%d failed); holding alone %.0f ms/s" % (
            n, up, *found[-1][1:3], load.bad, found[-1][3]))
        say("        holding alone, ms/s: " + ", ".join("%s %.0f" % (k, c / alone.seconds * 1000) for k, c in sorted(
            alone.cpu.items(), key=lambda x: -x[1])[:6]))
        if load.bad:
            say("      SIPp says:\n" + load.why())
    bench.result("growth_cost_ratio", [f[1] / found[0][1] for f in found], "CPU of a Q1 call beside held calls, to that beside %d" % found[0][0], "lower", None,
                 "Q1 at %d calls/s beside %s held calls (waiting in a queue, ringing): %s ms" % (
                     Q1_RATE, ", ".join(str(f[0]) for f in found), ", ".join("%.2f" % f[1] for f in found)))
    plot.cost_per_call(found, PLOT)


def run(bench):
    parts = os.environ.get("BENCH_MEMORY", "startup held growth").split()
    large = bench.stage.company("large", 1000)
    bench.stage.company("small", 200)
    if "startup" in parts:
        startup(bench)
    if "held" in parts:
        per_held_call(bench, "memory_kb_per_call", large, "plain", "caller and agent talking", 40, bench.rounds)
        per_held_call(bench, "memory_kb_per_waiting_call", large, "held", "answered, waiting in a queue", None, 1)
    if "growth" in parts:
        growth(bench)
