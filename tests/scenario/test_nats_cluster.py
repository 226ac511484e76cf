"""Three NATS servers as one cluster, in a cluster of its own: the leading one is killed, and after its return another (GT-15).

SCENARIO_NATS_BASE: its base port (12000).
"""
import os
import time

import pytest

import world
from api import Api
from cluster import Cluster
from conftest import Scene
from jetstream import leader_of
from world import AGENT, CALLER, MUSIC

NODES = ("nats", "nats-2", "nats-3")
GAP_S = 2.0  # media has no part in it: only what a busy machine does
ELECTED_S = 60  # the stock server waits 4 to 9 s; the rest is for a busy machine


@pytest.fixture(scope="module")
def three():
    if os.environ.get("SCENARIO_HERE"):  # in a running cluster that was made with --nats 3
        yield Cluster.here()
        return
    name = os.environ.get("TRUNKLINE_CLUSTER", "scenario") + "-nats"
    with Cluster(name, int(os.environ.get("SCENARIO_NATS_BASE", "12000")), options=("--nats", "3", "--wait", "180")) as c:
        yield c


def new_call_after_the_loss(scene, victim, agent, user):
    """Kills a node; seconds until a call that came at that moment has its agent's voice."""
    start = time.monotonic()
    scene.cluster.kill(victim)
    deadline = start + ELECTED_S
    while True:  # while nobody can take it, the edge refuses: the caller dials again
        call = scene.call("sales", user)
        while call.state not in ("up", "ended") and time.monotonic() < deadline:
            time.sleep(0.02)
        if call.state == "up":
            break
        assert time.monotonic() < deadline, "no call gets through %d s after the loss of %s" % (ELECTED_S, victim)
    leg = agent.phone.wait_call(timeout=ELECTED_S)
    call.wait_hears(AGENT, 0.2)
    took = time.monotonic() - start
    call.hang_up()
    leg.wait_ended()
    return took


def test_the_loss_of_one_of_three_nats_and_then_of_another_costs_no_call_no_place_and_no_event_GT_15(three, capsys):
    acme, huaxia = world.both(Api(three.env))
    three.wait_published(acme, huaxia, timeout=30)
    scene = Scene(three, acme, huaxia)
    try:
        agents = [scene.agent("11%02d" % i, answers=0.05) for i in range(3)]
        talking = [scene.call("soak", "+491709000%d" % i) for i in range(3)]
        for c in talking:
            c.wait_hears(AGENT, 0.2)
        waiting = [scene.call("support", "+491709001%d" % i).wait_hears(MUSIC, 0.1) for i in range(3)]
        seller = scene.agent("1001", answers=0.05)
        start, took = time.monotonic(), []
        for round_ in range(2):
            victim = leader_of({n: three.http_port(n) for n in NODES}, "KV_calls")
            took.append(round(new_call_after_the_loss(scene, victim, seller, "+491709002%d" % round_), 1))
            three.wait_ready(90)
            gone = [str(c) for c in talking + waiting if c.state != "up"]
            assert not gone, "after the kill of %s these calls are gone: %s" % (victim, gone)
            scene.wait_state(seller, "READY", timeout=30)
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
        for c in talking + waiting:
            assert scene.facts_of(c.ua.user, timeout=40).ended.disposition == "answered"
        with capsys.disabled():
            print(" call with voice after the loss: %s s" % took, end="")
    finally:
        scene.close()
    scene.nothing_left(20)
