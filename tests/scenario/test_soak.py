"""Two calls a second for a while by SIPp's stock scenarios; then the books of the whole run are checked.

SOAK_SECONDS: how long (default 90; an hour is 3600).
"""
import os
import socket
import time

from patience import patient
from facts import settled
from phone import free_port
from recount import differences, differing_totals, recount, totals
from test_phones import sipp

SECONDS = int(os.environ.get("SOAK_SECONDS", "90"))
RATE = 2
GROWTH_MIB = 6 + SECONDS / 600  # of one process, after the warm-up


def memory(cluster):
    return {n: r["rss_mib"] for n, r in cluster.status().items() if n not in ("postgres", "nats", "kafka")}


def test_two_calls_a_second_leave_nothing_behind_and_every_one_is_in_kafka_GT_10(scene, tmp_path):
    port = free_port(socket.SOCK_DGRAM)
    agents = []
    for i in range(12):
        a = scene.acme.agents["11%02d" % i]
        a.phone = scene.ua(a.id, "acme.example", password=a.password).register(contact="<sip:%s@127.0.0.1:%d>" % (a.id, port), expires=3600)
        a.sign_in()
        a.ready()
        agents.append(a)
    scene.working += agents
    uas = sipp("uas", tmp_path, port, timeout=SECONDS + 120)

    def run(n):
        uac = sipp("uac", tmp_path, free_port(socket.SOCK_DGRAM), "-s", scene.acme.number_of("soak"), "-m", str(n), "-r", str(RATE), "-d", "3000",
                   "-l", "100", "%s:%d" % scene.sip, host=scene.acme.trunk, timeout=n / RATE + 60)
        assert uac.wait(n / RATE + 90) == 0, (tmp_path / "uac.out").read_text(errors="replace")[-2000:]
    try:
        since = int(time.time() * 1000)
        warm = min(40, SECONDS * RATE // 4)
        run(warm)
        before = memory(scene.cluster)
        n = SECONDS * RATE - warm
        run(n)
        after = memory(scene.cluster)
    finally:
        uas.terminate()
        uas.wait(10)
    for a in agents:
        scene.wait_state(a, "READY")
    grown = {k: round(after[k] - before[k], 1) for k in before if after[k] - before[k] > GROWTH_MIB}
    assert not grown, "MiB more after %d calls: %s" % (n, grown)

    def mine(facts):
        return [c for c in facts.calls.values() if c.queue_id == "soak" and c.offered and c.offered.caller == "sipp" and c.events[0].time_ms >= since]
    facts = settled(scene.brokers, lambda f: len(mine(f)) >= warm + n and all(c.ended for c in mine(f)), timeout=30)
    calls = mine(facts)
    assert len(calls) == warm + n, "%d calls placed, %d in Kafka" % (warm + n, len(calls))
    wrong = {c.id: (c.ended.disposition, c.ended.cause) for c in calls if c.ended.disposition != "answered"}
    assert not wrong


def test_the_books_of_the_whole_run_are_right_KP_5_KP_8_KP_9_KP_10_KP_14_KP_20_KP_21_KP_22(scene):
    """Every call of every scenario: no gap, no second end; what the reports say is what the raw events say."""
    companies = (scene.acme, scene.huaxia)
    deadline = time.monotonic() + patient(30)
    while True:
        facts = settled(scene.brokers, lambda f: all(c.ended for c in f.calls.values()), timeout=10)
        wrong = facts.problems()
        for c in companies:
            summary = c.lead.reports.GetSummary()
            wrong += ["%s: %s" % (c.tenant, d) for d in differences(recount(facts, c.tenant), summary.queues)]
            wrong += ["%s: %s" % (c.tenant, d) for d in differing_totals(totals(facts, c.tenant), summary.totals)]
        if not wrong:
            break
        assert time.monotonic() < deadline, "\n".join(wrong[:30])
        time.sleep(1)
    assert len(facts.calls) > 5
