"""kill -9 of one process after the other with twenty calls up: ten talk, ten wait."""
import time

from patience import patient
from facts import settled
from world import AGENT, CALLER, MUSIC

VICTIMS = ["router-1", "router-2", "cc-1", "cc-2", "rec-1", "bridge-1", "rep-1", "desk-1", "tm-1"]
TALKING, WAITING = 10, 10
GAP_S = 0.5  # no packet for so long would be heard


def back(scene, victim, old_pid, timeout=30):
    """Until the process runs again as another one, and is ready."""
    deadline = time.monotonic() + patient(timeout)
    while True:
        row = scene.cluster.status()[victim]
        if row["pid"] not in (None, old_pid) and row["health"] == "ready":
            return
        assert time.monotonic() < deadline, (victim, row)
        time.sleep(0.2)


def test_kill_9_of_each_service_costs_no_call_no_place_and_no_event(scene):
    agents = [scene.agent("11%02d" % i, answers=0.05) for i in range(TALKING)]
    talking = [scene.call("soak", "+491708000%d" % i) for i in range(TALKING)]
    for c in talking:
        c.wait_hears(AGENT, 0.2)
    waiting = []
    for i in range(WAITING):
        waiting.append(scene.call("sales", "+491708001%d" % i).wait_hears(MUSIC, 0.1))
    start = time.monotonic()
    for victim in VICTIMS:
        pid = scene.cluster.status()[victim]["pid"]
        scene.cluster.kill(victim)
        back(scene, victim, pid)
        gone = [str(c) for c in talking + waiting if c.state != "up"]
        assert not gone, "after the kill of %s these calls are gone: %s" % (victim, gone)
    now = time.monotonic()
    gaps = {str(c): round(c.rtp.loudest_gap(start, now), 2) for c in talking + waiting if c.rtp.loudest_gap(start, now) > GAP_S}
    assert not gaps, "silence in calls while processes were killed: %s" % gaps
    for c in talking:
        c.wait_hears(AGENT, 0.5)
    for a in agents:
        a.phone.calls[0].wait_hears(CALLER, 0.5)

    one = scene.agent("1001", answers=0.02)
    served = []
    for _ in waiting:
        leg = one.phone.wait_call(timeout=20)
        served.append(leg.caller)
        leg.wait("up").hang_up()
    assert served == [c.ua.user for c in waiting], "the waiting callers lost their order"
    for c in talking:
        c.hang_up()
    for a in agents:
        a.phone.calls[0].wait_ended()

    users = {c.ua.user for c in talking + waiting}

    def mine(facts):
        return [c for c in facts.calls.values() if c.offered and c.offered.caller in users and c.events[0].time_ms >= scene.since_ms]
    facts = settled(scene.brokers, lambda f: len(mine(f)) == len(users) and all(c.ended for c in mine(f)), timeout=40)
    calls = mine(facts)
    assert len(calls) == len(users) and not [p for c in calls for p in c.problems()]
    assert {c.ended.disposition for c in calls} == {"answered"}
    recordings = {c.ended.recording_id: c for c in calls if c.queue_id == "soak"}
    deadline = time.monotonic() + patient(30)
    while True:
        stored = {r.recording_id: r for r in scene.acme.lead.recordings.ListRecordings(queue_id="soak", page_size=100).recordings}
        if set(recordings) <= set(stored) or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert set(recordings) <= set(stored), "recordings missing: %s" % (set(recordings) - set(stored))
    for id_, c in recordings.items():
        assert abs(stored[id_].duration_ms - c.ended.talk_ms) < 1500, (id_, stored[id_].duration_ms, c.ended.talk_ms)


def test_kill_9_of_sip_edge_leaves_the_audio_and_the_calls_end_properly_afterwards(scene):
    agents = [scene.agent(a, answers=0.05) for a in ("1001", "1002")]
    talking = [scene.call("sales", "+491708003%d" % i) for i in range(2)]
    for c in talking:
        c.wait_hears(AGENT, 0.2)
    waiting = [scene.call("sales", "+491708004%d" % i).wait_hears(MUSIC, 0.2) for i in range(2)]
    start, pid = time.monotonic(), scene.cluster.status()["edge-1"]["pid"]
    scene.cluster.kill("edge-1")
    back(scene, "edge-1", pid)
    time.sleep(1)
    for c in talking + waiting:
        assert c.state == "up" and c.rtp.loudest_gap(start, time.monotonic()) < GAP_S, c
    talking[0].hang_up()                          # the caller's BYE reaches a dialog that was adopted
    legs = {a.phone.calls[0].caller: a.phone.calls[0] for a in agents}
    legs[talking[0].ua.user].wait_ended()
    legs[talking[1].ua.user].hang_up()            # the agent's
    talking[1].wait_ended()
    for c in waiting:
        c.wait_hears(AGENT, 0.3)                  # to the agents who are free now
        c.hang_up()
    for c in talking + waiting:
        assert scene.facts_of(c.ua.user).ended.disposition == "answered"


def test_a_router_that_stands_still_and_wakes_up_again_gives_nobody_two_calls(scene):
    leader = next(r for r in ("router-1", "router-2") if scene.cluster.metric(r, "trunkline_router_shards_led") > 0)
    waiting = [scene.call("sales", "+491708002%d" % i).wait_hears(MUSIC, 0.1) for i in range(3)]
    scene.cluster.kill(leader, "-STOP")
    try:
        time.sleep(3)
        agent = scene.agent("1001")
        leg = agent.phone.wait_call(timeout=15)
        assert leg.caller == waiting[0].ua.user
        leg.answer().wait("up")
    finally:
        scene.cluster.kill(leader, "-CONT")
    time.sleep(1.5)
    assert len(agent.phone.incoming()) == 1 and agent.state_name() == "ON_CALL"
    leg.hang_up()
    for c in waiting[1:]:
        leg = agent.phone.wait_call()
        assert leg.caller == c.ua.user
        leg.answer().wait("up").hang_up()
    scene.cluster.wait_ready()
