"""A tenant moves to instances of its own, with calls talking and waiting, and the instances that it had are killed then (GT-3.1.2d).

In a cluster of its own, with a second pool: router-3, media-3 and cc-3. SCENARIO_POOLS_BASE: its base port (12000).
"""
import os
import time

import pytest

import world
from api import Api
from cluster import Cluster
from conftest import Scene
from facts import settled
from patience import FACTOR, patient
from world import AGENT, CALLER, MUSIC

POOL, TALKING, WAITING = "gold", 2, 4
SHARED = ["router-1", "router-2", "cc-1", "cc-2", "media-1", "media-2"]
GAP_S = 2.0  # bound of sanity on a busy machine


@pytest.fixture(scope="module")
def pools():
    if os.environ.get("SCENARIO_HERE"):  # in a running cluster that was made with --pool gold
        yield Cluster.here()
        return
    name = os.environ.get("TRUNKLINE_CLUSTER", "scenario") + "-pools"
    with Cluster(name, int(os.environ.get("SCENARIO_POOLS_BASE", "12000")), options=("--pool", POOL, "--wait", "180")) as c:
        yield c


def companies(cluster):
    both = world.both(Api(cluster.env))
    cluster.wait_published(*both, timeout=30)
    return both


def until(what, happened, timeout=10):
    deadline = time.monotonic() + patient(timeout)
    while not happened():
        assert time.monotonic() < deadline, "not within %s s: %s" % (timeout, what)
        time.sleep(0.05)


def put_into(company, pool):
    company.api.admin.UpdateTenant(tenant={"name": company.parent, "pool": pool}, update_mask="pool")


def offers(cluster, *instances):
    return sum(cluster.metric(i, "trunkline_call_offers_total") for i in instances)


def talk(scene, agent, user, during=lambda: None):
    """One call from its offer to its end."""
    c = scene.call("sales", user)
    leg = agent.phone.wait_call(timeout=20)
    assert leg.caller == c.ua.user
    leg.answer().wait("up")
    c.wait_hears(AGENT, 0.3)
    leg.wait_hears(CALLER, 0.3)
    during()
    c.hang_up()
    leg.wait_ended()
    scene.wait_state(agent, "READY")
    return c


def test_a_company_moves_to_instances_of_its_own_with_calls_running_and_the_others_may_die_then_GT_3_1_2(pools):
    acme, huaxia = companies(pools)
    acme.api.admin.CreatePool(pool_id=POOL, pool={"display_name": "Acme's own"})
    scene = Scene(pools, acme, huaxia)
    try:
        agents = [scene.agent("11%02d" % i, answers=0.05) for i in range(TALKING)]
        talking = [scene.call("soak", "+491707000%d" % i) for i in range(TALKING)]
        for c in talking:
            c.wait_hears(AGENT, 0.2)
        waiting = [scene.call("sales", "+491707001%d" % i).wait_hears(MUSIC, 0.1) for i in range(WAITING)]
        assert offers(pools, "cc-3") == 0

        start = time.monotonic()
        put_into(acme, POOL)
        until("the callers wait at the pool's router", lambda: pools.metric("router-3", "trunkline_router_calls_waiting") == WAITING)
        assert sum(pools.metric(r, "trunkline_router_calls_waiting") for r in ("router-1", "router-2")) == 0
        one = scene.agent("1001", answers=0.02)
        served = []
        for _ in waiting:
            leg = one.phone.wait_call(timeout=20)
            served.append(leg.caller)
            leg.wait("up").hang_up()
        assert served == [c.ua.user for c in waiting], "the waiting callers lost their order"
        scene.wait_state(one, "READY")
        one.phone.answers = None

        # New calls are the pool's instances' alone; those of the other company are not.
        before, heard = offers(pools, "cc-1", "cc-2"), []
        for i in range(3):
            talk(scene, one, "+491707002%d" % i, lambda: heard.append(pools.metric("media-3", "trunkline_media_endpoints")))
        assert heard == [2, 2, 2]
        assert offers(pools, "cc-3") == 3 and offers(pools, "cc-1", "cc-2") == before
        assert pools.metric("router-3", "trunkline_router_assigned_total") >= WAITING + 3
        assert pools.metric("edge-1", "trunkline_edge_pool_empty_total") == 0
        gaps = {str(c): round(c.rtp.loudest_gap(start, time.monotonic()), 2) for c in talking}
        assert all(c.state == "up" for c in talking) and max(gaps.values()) < GAP_S * FACTOR, gaps
        for c in talking:
            c.wait_hears(AGENT, 0.3)
            c.hang_up()
        for a in agents:
            a.phone.calls[0].wait_ended()

        # The instances that it had are gone: with a call up, and for new ones, nothing is noticed.
        up = scene.call("sales", "+4917070030")
        leg = one.phone.wait_call(timeout=20)
        leg.answer().wait("up")
        start = time.monotonic()
        for i in SHARED:
            pools.stop(i)
        up.wait_hears(AGENT, 0.5)
        assert up.rtp.loudest_gap(start, time.monotonic()) < GAP_S * FACTOR
        up.hang_up()
        leg.wait_ended()
        scene.wait_state(one, "READY")
        for i in range(3):
            talk(scene, one, "+491707004%d" % i)
        users = {c.ua.user for c in talking + waiting + [up]} | {"+49170700%d%d" % (k, i) for k in (2, 4) for i in range(3)}

        def mine(facts):
            return [c for c in facts.calls.values() if c.offered and c.offered.caller in users and c.events[0].time_ms >= scene.since_ms]
        facts = settled(scene.brokers, lambda f: len(mine(f)) == len(users) and all(c.ended for c in mine(f)), timeout=40)
        calls = mine(facts)
        assert len(calls) == len(users) and not [p for c in calls for p in c.problems()]
        assert {c.ended.disposition for c in calls} == {"answered"}
    finally:
        for i in reversed(SHARED):  # a call-control is ready when there is an engine
            pools.start(i)
        scene.close()
        put_into(acme, "")
        acme.api.admin.DeletePool(name="pools/" + POOL)
