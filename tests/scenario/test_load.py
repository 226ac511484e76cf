"""The shapes of the benchmarks, without a clock: thousands of calls at once come and go, and nothing is left of them."""
import pathlib
import subprocess
import time

import pytest

from crowd import Crowd
from patience import patient
from facts import settled
from storm import Storm
from world import AGENT

HELD, AGAIN = 5000, 1500
PHONES = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "bin" / "sip-phones"
GROWTH_MIB = 5       # of one process of ours after another 1,500 calls: what was freed is used again
KB_PER_CALL = 120    # bound of sanity: the figure itself is the benchmark's (memory_kb_per_call)
OURS = ("edge-1", "media-1", "media-2", "cc-1", "cc-2", "router-1", "router-2", "desk-1", "rec-1", "bridge-1", "rep-1", "tm-1")


@pytest.fixture
def crowd(scene):
    made = []

    def make(what):
        made.append(Crowd(scene.sip, scene.acme.trunk, scene.acme.number_of(what)))
        return made[-1]
    yield make
    for c in made:
        c.hang_up(timeout=60)
        c.close()


@pytest.fixture
def phones(scene):
    """Agents' telephones that answer at once, all of them in one process."""
    port = scene.cluster.base + 520
    p = subprocess.Popen([str(PHONES), "--port", str(port)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    for i in range(12):
        a = scene.acme.agents["11%02d" % i]
        a.phone = scene.ua(a.id, "acme.example", password=a.password).register(contact="<sip:%s@127.0.0.1:%d>" % (a.id, port), expires=3600)
        a.sign_in()
        a.ready()
        scene.working.append(a)
    yield p
    p.stdin.close()
    p.wait(10)


def memory(cluster):
    return {n: r["rss_mib"] for n, r in cluster.status().items() if n in OURS}


def restarts(cluster):
    return {n: cluster.status()[n]["restarts"] for n in ("edge-1", "media-1", "media-2")}


def calls_up(cluster):
    return sum(cluster.metric(c, "trunkline_calls") for c in ("cc-1", "cc-2"))


def waiting(cluster):
    return sum(cluster.metric(r, "trunkline_router_calls_waiting") for r in ("router-1", "router-2"))


def hold(scene, crowd, n):
    """n calls up and waiting, in the callers' eyes and in ours."""
    c = crowd("held")
    assert c.call(n) == n and not c.failed and not c.left, "%d of %d up, failed: %s, ended by us: %d" % (len(c.up), n, c.failed, c.left)
    deadline = time.monotonic() + patient(60)
    while min(calls_up(scene.cluster), waiting(scene.cluster)) < n:
        assert time.monotonic() < deadline, "%d calls at the controllers, %d at the router" % (calls_up(scene.cluster), waiting(scene.cluster))
        time.sleep(0.1)
    return c


def transactions(cluster):
    kept = cluster.sip_left()
    return kept["server transactions"] + kept["client transactions"]


def transactions_left(cluster):
    """What malformed requests of the tests before have left open for longer than any timer of SIP: not of the calls here."""
    deadline = time.monotonic() + patient(40)
    while transactions(cluster) and time.monotonic() < deadline:
        time.sleep(0.5)
    return transactions(cluster)


def transactions_over(cluster, left):
    """SIP keeps what it needs of a call for 32 s after its last message (RFC 3261, timer J): memory is compared without it."""
    deadline = time.monotonic() + patient(90)
    while transactions(cluster) > left:
        assert time.monotonic() < deadline, "transactions stay, %d before: %s" % (left, ", ".join(
            "%d %s" % (n, what) for what, n in cluster.sip_left().items()))
        time.sleep(0.5)
    return memory(cluster)


def test_five_thousand_calls_are_held_beside_others_that_come_and_go_and_leave_nothing_behind(scene, crowd, phones):
    started = restarts(scene.cluster)
    left = transactions_left(scene.cluster)
    began = memory(scene.cluster)
    many = hold(scene, crowd, HELD)
    full = memory(scene.cluster)
    busy = crowd("quick")  # a queue with agents works on beside them
    for _ in range(5):
        assert busy.call(12) == 12, busy.failed
        busy.hang_up()
    assert not busy.failed and not busy.left
    assert len(many.up) == HELD and not many.left, "%d were ended by us" % many.left
    many.hang_up(HELD // 2)
    assert len(many.up) == HELD - HELD // 2
    many.hang_up()
    assert not many.failed, many.failed
    scene.nothing_left(timeout=60)
    after = transactions_over(scene.cluster, left)
    more = {n: round((full[n] - began[n]) * 1024 / HELD, 1) for n in full if (full[n] - began[n]) * 1024 > KB_PER_CALL * HELD}
    assert not more, "KB a call: %s" % more
    hold(scene, crowd, AGAIN).hang_up()
    scene.nothing_left(timeout=60)
    again = transactions_over(scene.cluster, left)
    grown = {n: round(again[n] - max(after[n], full[n]), 1) for n in again if again[n] - max(after[n], full[n]) > GROWTH_MIB}
    assert not grown, "MiB more after another %d calls: %s" % (AGAIN, grown)
    assert restarts(scene.cluster) == started


def test_each_of_a_thousand_quick_calls_is_answered_once_and_stands_in_kafka(scene, crowd, phones):
    since = int(time.time() * 1000)
    c = crowd("quick")
    for _ in range(1000 // 10):
        assert c.call(10) == 10, c.failed
        c.hang_up()
    assert not c.failed and not c.left

    def mine(facts):
        return [x for x in facts.of("acme") if x.queue_id == "quick" and x.events[0].time_ms >= since]
    facts = settled(scene.brokers, lambda f: sum(1 for x in mine(f) if x.ended) >= 1000, timeout=60)
    assert len(mine(facts)) == 1000
    assert all(len(x.all("agent_answered")) == 1 for x in mine(facts))
    assert not [p for x in mine(facts) for p in x.problems()]


def test_all_telephones_register_at_the_same_moment_and_calls_go_on_beside_it_GT_15(scene):
    company = scene.huaxia
    made = [company.agent("7%03d" % i, ["nobody"], logs_in=False) for i in range(150)]
    scene.cluster.wait_published(company, timeout=30)
    scene.agent("1101", answers=0.02)
    call = scene.call("soak", "+4917006001").wait_hears(AGENT, 0.2)
    storm = Storm(scene.sip, company.domain, {a.id: a.password for a in made})
    try:
        took = storm.run(timeout=60)
    finally:
        storm.close()
    assert len(took) == len(made) and storm.answers == {401: len(made), 200: len(made)}, storm.answers
    call.wait_hears(AGENT, 0.2).hang_up()
