#!/usr/bin/python3
"""Calls at a steady rate for a long time: few fail, nothing grows, every call is in Kafka, the indicators equal a recount.

    tests/perf/endurance.py [--rate 200] [--seconds 600] [--number plain]      the limit of the machine: 200 calls a second for ten minutes
    tests/perf/endurance.py --rate 2 --seconds 3600 --number ivr --agents 20   an hour of recorded calls with greeting, key and RTP

Prints a row of memory every half minute and ends with exit status 1 when 0.1 % of the calls failed, when a process was restarted or has grown by
more than its bound after the first third of the time, when a call is missing in Kafka or differs from its rules, or when a figure of the reports
differs from the recount of the facts.
"""
import argparse
import sys
import time

from load import KEY, Callers, quantile, until
from meter import Meter, Use, table
from stage import Stage, base_port, say
from books import Books
from recount import differences

FAILED_AT_MOST = 0.001
GROWTH_MIB = {"kafka": 400, "postgres": 400, "nats": 150}  # caches of the real parts that settle late
GROWTH_DEFAULT_MIB = 16
LONG_S = 180  # in less, what SIP keeps for 32 s of every call is still growing


def options():
    p = argparse.ArgumentParser(description="Calls at a steady rate for a long time.")
    p.add_argument("--rate", type=float, default=200)
    p.add_argument("--seconds", type=int, default=600)
    p.add_argument("--number", default="plain", help="plain, or ivr: greeting, key, queue, recorded")
    p.add_argument("--agents", type=int, default=1000)
    p.add_argument("--keep", action="store_true", help="leave the cluster's data when something is wrong")
    return p.parse_args()


def watch(stage, callers, seconds):
    """Rows of memory until the calls end; (memory after a third of the time, memory at the end, restarts)."""
    began, first, names, shown = time.time(), None, None, -100
    while callers.p.poll() is None:
        until(time.time() + 5)
        if time.time() - shown < 30 and callers.p.poll() is None:
            continue
        shown = time.time()
        status = stage.cluster.status()
        rss = {n: r["rss_mib"] or 0 for n, r in status.items()}
        if names is None:
            names = sorted(rss)
            say("    s " + " ".join("%9s" % n for n in names))
        say("%5.0f " % (shown - began) + " ".join("%9.1f" % rss[n] for n in names))
        if first is None or shown - began < seconds / 3:
            first = rss
    return first, rss, {n: r["restarts"] for n, r in status.items() if r["restarts"]}


def check_books(stage, company, callers, since_ms):
    """Sentences about what is missing in Kafka or wrong in the reports."""
    brokers = stage.cluster.env["TRUNKLINE_KAFKA_BROKERS"]
    t0 = time.time()
    books = Books(company.tenant).read(brokers)
    say("    Kafka: %d events, %d calls with an end, %d answered, %d events twice; read in %.0f s" % (
        books.events, books.calls, books.answered, books.doubles, time.time() - t0))
    bad = books.problems[:10]
    if books.calls < callers.good or books.calls > callers.good + callers.bad:
        bad.append("%d calls were good and %d failed, %d have an end in Kafka" % (callers.good, callers.bad, books.calls))
    deadline = time.monotonic() + 120
    while True:
        summary = company.lead.reports.GetSummary(from_ms=since_ms)
        wrong = differences(dict(books.queues), summary.queues)
        if not wrong or time.monotonic() > deadline:
            return bad + wrong
        time.sleep(2)


def run(stage, o):
    company = stage.company("large", o.agents)
    before = '<pause milliseconds="300"/>' + KEY if o.number == "ivr" else ""
    talk = min(5000 if o.number == "ivr" else 2000, int(0.85 * o.agents / o.rate * 1000))
    since_ms = int((time.time() - 3600) * 1000)
    meter = Meter(stage.cluster)
    a = meter.look()
    callers = Callers(stage, company, o.number, o.rate, o.seconds, talk, before_talk=before).start()
    first, last, restarts = watch(stage, callers, o.seconds)
    callers.wait()
    if not stage.quiet(120):
        say("    it is not quiet after 120 s")
    use = Use(a, meter.look())
    say(table(use, callers.good))
    ms = callers.answer_ms()
    say("    %d calls, %d failed, INVITE → 200: p50 %.0f, p99 %.0f, max %.0f ms; %.0f calls per CPU-second" % (
        callers.good + callers.bad, callers.bad, quantile(ms, 0.5), quantile(ms, 0.99), quantile(ms, 1), callers.good / use.ours))
    bad = ["%s was restarted %d times" % x for x in restarts.items()]
    if callers.bad >= FAILED_AT_MOST * (callers.good + callers.bad) or callers.good + callers.bad < callers.calls:
        bad.append("%d of %d calls failed, %d were made: %s" % (callers.bad, callers.calls, callers.good + callers.bad, callers.why()))
    for n in last if o.seconds >= LONG_S else ():
        if last[n] - first[n] > GROWTH_MIB.get(n, GROWTH_DEFAULT_MIB):
            bad.append("%s has grown by %.1f MiB after the first third" % (n, last[n] - first[n]))
    return bad + check_books(stage, company, callers, since_ms)


def main():
    o = options()
    stage = Stage(base_port(), "endurance")
    bad = ["it did not come to its end"]
    try:
        bad = run(stage, o)
        stage.keep = o.keep and bool(bad)
    finally:
        stage.down()
        for x in bad:
            print("endurance: " + str(x))
        print("endurance: %s: %g calls/s for %d s" % ("FAILED" if bad else (
            "few failed, nothing grew, every call is in Kafka, the indicators equal the recount"), o.rate, o.seconds))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
