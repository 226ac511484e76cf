"""The wall clock of each process is set by an hour, there and back, with calls up, in a cluster of its own (GT-15).

Needs Debian's package faketime. SCENARIO_CLOCKS_BASE: its base port (12000).
"""
import os
import time

import pytest

import world
from api import Api
from cluster import Cluster
from conftest import Scene
from recount import recount
from facts import Facts
from world import AGENT, CALLER, MUSIC

GAP_S = 2.0  # the packets of a call come on; the bound is what a busy machine does
INSTANCES = ["router-1", "router-2", "cc-1", "cc-2", "edge-1", "media-1", "desk-1", "rec-1", "bridge-1", "rep-1"]


@pytest.fixture(scope="module")
def clocks():
    if os.environ.get("SCENARIO_HERE"):  # in a running cluster that was made with --clocks
        yield Cluster.here()
        return
    name = os.environ.get("TRUNKLINE_CLUSTER", "scenario") + "-clocks"
    with Cluster(name, int(os.environ.get("SCENARIO_CLOCKS_BASE", "12000")), options=("--clocks", "--wait", "180")) as c:
        yield c


def jump(cluster, instance, seconds):
    """Sets the clock, and waits until the process has noticed."""
    before, pid = cluster.metric(instance, "trunkline_clock_jumps_total"), cluster.status()[instance]["pid"]
    cluster.tool("clock", instance, "%+d" % seconds)
    deadline = time.monotonic() + 30
    while True:
        try:
            if cluster.metric(instance, "trunkline_clock_jumps_total") != before or cluster.status()[instance]["pid"] not in (None, pid):
                return  # event-bridge and reporting start anew when it was set back: librdkafka would sleep
        except OSError:
            pass
        assert time.monotonic() < deadline, "%s does not notice that its clock was set" % instance
        time.sleep(0.1)


@pytest.mark.skipif(not os.environ.get("SCENARIO_CLOCKS"), reason="takes more than five minutes and does not pass yet: SCENARIO_CLOCKS=1 runs it")
def test_an_hour_there_and_back_ends_no_call_and_makes_no_duration_negative_GT_15(clocks):
    acme, huaxia = world.both(Api(clocks.env))
    clocks.wait_published(acme, huaxia, timeout=30)
    scene = Scene(clocks, acme, huaxia)
    try:
        agents = [scene.agent("11%02d" % i, answers=0.05) for i in range(2)]
        talking = [scene.call("soak", "+491709100%d" % i) for i in range(2)]
        for c in talking:
            c.wait_hears(AGENT, 0.2)
        waiting = [scene.call("support", "+491709101%d" % i).wait_hears(MUSIC, 0.1) for i in range(2)]
        seller = scene.agent("1001", answers=0.05)
        start, n = time.monotonic(), 0
        for seconds in (3600, 0, -3600, 0):
            for instance in INSTANCES:
                if seconds < 0 and instance == "bridge-1":
                    continue  # it would start anew an hour before the cluster's certificates are valid
                jump(clocks, instance, seconds)
            clocks.wait_ready(40)
            gone = [str(c) for c in talking + waiting if c.state != "up"]
            assert not gone, "with clocks set by %d s these calls are gone: %s" % (seconds, gone)
            scene.wait_state(seller, "READY")          # still signed in, its phone still registered
            call = scene.call("sales", "+491709102%d" % n).wait_hears(AGENT, 0.2)
            call.hang_up()
            n += 1
        now = time.monotonic()
        gaps = {str(c): c.rtp.loudest_gap(start, now) for c in talking + waiting if c.rtp.loudest_gap(start, now) > GAP_S}
        assert not gaps, gaps
        for a in agents:
            a.phone.calls[0].wait_hears(CALLER, 0.3)
        seller.sign_out()
        one, served = scene.agent("1003", answers=0.02), []
        for _ in waiting:
            leg = one.phone.wait_call(timeout=20)
            served.append(leg.caller)
            leg.wait("up").hang_up()
        assert served == [c.ua.user for c in waiting], "the waiting callers lost their order"
        for c in talking:
            c.hang_up()
        held = (time.monotonic() - start) * 1000 + 120000
        for c in talking + waiting:
            e = scene.facts_of(c.ua.user, timeout=40).ended
            spans = {f: getattr(e, f) for f in ("talk_ms", "wait_ms", "ring_ms", "ivr_ms", "hold_ms") if hasattr(e, f)}
            wrong = {f: v for f, v in spans.items() if not 0 <= v <= held}
            assert spans and not wrong, (c.ua.user, spans)
        assert recount(Facts.read(scene.brokers), acme.tenant)
    finally:
        scene.close()
    scene.nothing_left(20)
