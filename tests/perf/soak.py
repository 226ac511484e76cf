#!/usr/bin/python3
"""Calls at a steady rate for a long time: nothing grows, every call is accounted for, the indicators equal a recount.

    tests/perf/soak.py [SECONDS]      (default 3600; SOAK_RATE calls/s, default 2)

Each call: greeting, one key, queue, agent, recorded, 5 s of talk. Prints a row a minute; ends with exit status 1 when a process has
grown by more than its bound after the first fifth of the time, when a call failed or is missing in Kafka, or when a figure of the
reports differs from the recount of the raw facts.
"""
import json
import os
import sys
import threading
import time

import bench
from facts import Facts, settled
from recount import differences, recount

GROWTH_MIB = {"kafka": 400, "postgres": 400, "nats": 150}  # caches of the real parts that settle late
GROWTH_DEFAULT_MIB = 12


def memory(cluster):
    status = json.loads(cluster.tool("status", "--json"))
    return {c["name"]: c["rss_mib"] for c in status["components"]}, {c["name"]: c["restarts"] for c in status["components"]}


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 3600
    rate = float(os.environ.get("SOAK_RATE", "2"))
    bench.AGENTS = 20
    b = bench.Bench()
    bad = []
    try:
        b.up()
        b.start_agents()
        key = '<pause milliseconds="300"/><nop><action><exec play_pcap_audio="/usr/share/sip-tester/dtmf_2833_1.pcap"/></action></nop>'
        box = []
        t = threading.Thread(target=lambda: box.append(b.load("+49100", rate, int(seconds * rate), 5000, key)))
        began = time.monotonic()
        t.start()
        first = None
        names = None
        while t.is_alive():
            t.join(60)
            rss, restarts = memory(b.cluster)
            names = names or sorted(rss)
            if first is None:
                bench.say("  min " + " ".join("%9s" % n for n in names))
            bench.say("%5.1f " % ((time.monotonic() - began) / 60) + " ".join("%9.1f" % (rss[n] or 0) for n in names))
            if first is None or time.monotonic() - began < seconds / 5:
                first = rss
        bad += ["%s was restarted %d times" % (n, r) for n, r in restarts.items() if r]
        for n in names:
            grown = (rss[n] or 0) - (first[n] or 0)
            if grown > GROWTH_MIB.get(n, GROWTH_DEFAULT_MIB):
                bad.append("%s has grown by %.1f MiB" % (n, grown))
        good, failed = box[0]
        b.quiet()
        brokers = b.cluster.env["TRUNKLINE_KAFKA_BROKERS"]
        facts = settled(brokers, lambda f: sum(1 for c in f.of("bench") if c.ended) >= good + failed, timeout=60)
        bad += facts.problems()
        ended = sum(1 for c in facts.of("bench") if c.ended)
        bench.say("calls: %d good, %d failed; %d ended in Kafka" % (good, failed, ended))
        if failed or ended != good:
            bad.append("%d calls good, %d failed, %d in Kafka; calls without an end: %s" % (
                good, failed, ended, [(c.id, c.kinds) for c in facts.of("bench") if not c.ended]))
            b.keep = True  # its data says why
        deadline = time.monotonic() + 60
        while True:
            summary = b.tenant.lead.reports.GetSummary(from_ms=int((time.time() - seconds - 7200) * 1000))
            wrong = differences(recount(facts, "bench"), summary.queues)
            if not wrong or time.monotonic() > deadline:
                break
            time.sleep(2)
            facts = Facts.read(brokers)
        bad += wrong
        stored = len(b.tenant.lead.recordings.ListRecordings(page_size=1).recordings)
        if not stored:
            bad.append("no recording is stored")
    finally:
        if hasattr(b, "api"):
            b.done()
    for x in bad[:20]:
        print("soak: " + str(x))
    print("soak: %s after %d s" % ("FAILED" if bad else "nothing grew, every call is accounted for, the indicators equal the recount", seconds))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
