"""What gets out of step without a word is found by its holder within half a minute, and told as what it was (GT-15)."""
import os
import signal
import time

from world import AGENT, CALLER, MUSIC

FOUND_S = 30


def test_telephones_that_die_while_they_wait_or_talk_are_found_and_silent_ones_are_left_alone_GT_15(scene):
    agents = {a: scene.agent(a, answers=0.05) for a in ("1101", "1102", "1103", "1104")}
    caller_dies, agent_dies, bye_is_lost, nobody_speaks = (scene.call("soak", "+49170410%d" % i) for i in range(4))
    talking = (caller_dies, agent_dies, bye_is_lost, nobody_speaks)
    for c in talking:
        c.wait_hears(AGENT, 0.2)
    waits = scene.call("sales", "+4917041009").wait_hears(MUSIC, 0.2)
    legs = {a.phone.calls[0].caller: a.phone.calls[0] for a in agents.values()}

    start = time.monotonic()
    caller_dies.ua.fall_dead()
    legs[agent_dies.ua.user].ua.fall_dead()
    bye_is_lost.forget()
    waits.ua.fall_dead()
    nobody_speaks.rtp.muted = legs[nobody_speaks.ua.user].rtp.muted = True

    agent_dies.wait("ended", FOUND_S)
    legs[caller_dies.ua.user].wait("ended", FOUND_S)
    legs[bye_is_lost.ua.user].wait("ended", FOUND_S)
    want = {caller_dies: ("caller-gone", "answered", "phone-gone"), agent_dies: ("agent-gone", "answered", "phone-gone"),
            bye_is_lost: ("caller-gone", "answered", "bye-lost"), waits: ("caller-gone", "abandoned", "phone-gone")}
    for call, (cause, disposition, leg_cause) in want.items():
        c = scene.facts_of(call.ua.user, timeout=FOUND_S)
        assert (c.ended.cause, c.ended.disposition) == (cause, disposition), call
        assert leg_cause in [f.cause for f in c.all("leg_finished")], call
    assert scene.cluster.metric("edge-1", "trunkline_edge_probes_total", "phone-gone") >= 3
    assert scene.cluster.metric("edge-1", "trunkline_edge_probes_total", "bye-lost") >= 1

    time.sleep(max(0, start + FOUND_S - time.monotonic()))  # they were asked by now, and answered
    assert nobody_speaks.state == "up" and legs[nobody_speaks.ua.user].state == "up"
    assert scene.cluster.metric("edge-1", "trunkline_edge_probes_total", "alive") >= 2
    nobody_speaks.rtp.muted = legs[nobody_speaks.ua.user].rtp.muted = False
    nobody_speaks.wait_hears(AGENT, 0.3)
    legs[nobody_speaks.ua.user].wait_hears(CALLER, 0.3)
    nobody_speaks.hang_up()


def test_an_agents_phone_that_died_before_or_while_it_rings_costs_no_call_GT_15(scene):
    rings, silent = scene.agent("1001"), scene.agent("1002")
    time.sleep(0.05)
    call = scene.call("sales", "+4917041011")
    rings.phone.wait_call()
    rings.phone.fall_dead()
    silent.phone.fall_dead()
    scene.wait_state(rings, "BUSY", timeout=FOUND_S)
    scene.wait_state(silent, "BUSY", timeout=FOUND_S)
    scene.agent("1003", answers=0.05)
    call.wait_hears(AGENT, 0.3, timeout=FOUND_S)
    call.hang_up()
    c = scene.facts_of("+4917041011")
    assert [(e.agent_id, e.agent_no_answer.cause) for e in c.envelopes("agent_no_answer")] == [("1001", "timeout"), ("1002", "unreachable")]
    assert c.agent_id == "1003" and c.kinds.count("enqueued") == 1
    deadline = time.monotonic() + 45                    # INVITE and CANCEL are repeated to a dead phone for 64·T1 = 32 s
    while scene.cluster.metric("edge-1", "trunkline_edge_legs") and time.monotonic() < deadline:
        time.sleep(0.5)


def edge_is_back(scene, pid):
    deadline = time.monotonic() + FOUND_S
    while scene.cluster.status()["edge-1"]["pid"] in (None, pid) or scene.cluster.status()["edge-1"]["health"] != "ready":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_kill_9_of_sip_edge_while_a_phone_rings_loses_neither_the_agent_nor_the_caller_GT_15(scene):
    agent, other = scene.agent("1001"), scene.agent("1101")
    pid = scene.cluster.status()["edge-1"]["pid"]
    unanswered = scene.call("early", "+4917041021")     # the caller hears ringing: no 200 yet
    answered = scene.call("soak", "+4917041022")        # the caller hears music
    ringing, ringing_too = agent.phone.wait_call(), other.phone.wait_call()
    unanswered.wait("ringing")
    answered.wait("up")
    agent.phone.answers = other.phone.answers = 0.05    # the next call
    os.kill(pid, signal.SIGKILL)                        # at once: the phones ring for three seconds
    edge_is_back(scene, pid)
    ringing.wait("ended", FOUND_S)                      # CANCEL by the new process
    ringing_too.wait("ended", FOUND_S)
    assert ringing.reason == "cancel" and ringing_too.reason == "cancel"
    for phone, caller in ((agent.phone, unanswered), (other.phone, answered)):
        leg = phone.wait_call(timeout=FOUND_S)          # both callers are offered again
        assert leg.caller == caller.ua.user
        leg.wait("up")
        caller.wait_hears(AGENT, 0.3)                   # whoever was not answered by the process that died is, by the next
        caller.hang_up()
    for caller in (unanswered, answered):
        c = scene.facts_of(caller.ua.user, timeout=FOUND_S)
        assert (c.ended.disposition, c.kinds.count("enqueued")) == ("answered", 1)
    assert scene.cluster.metric("edge-1", "trunkline_edge_revived_total") >= 1


def test_a_phone_that_answers_an_edge_which_died_meanwhile_is_acknowledged_and_hung_up_GT_15(scene):
    agent = scene.agent("1001")
    pid = scene.cluster.status()["edge-1"]["pid"]
    call = scene.call("early", "+4917041031")
    leg = agent.phone.wait_call()
    os.kill(pid, signal.SIGKILL)
    leg.answer()                                        # into the void, and again and again
    edge_is_back(scene, pid)
    leg.wait("ended", FOUND_S)
    assert leg.acked and leg.reason == "bye"
    leg = agent.phone.wait_call(timeout=FOUND_S)        # the caller still waits
    leg.answer().wait("up")
    call.wait_hears(AGENT, 0.3)
    call.hang_up()
    scene.facts_of("+4917041031", timeout=FOUND_S)


def test_callers_who_hear_ringing_keep_their_places_through_two_deaths_of_sip_edge_GT_15(scene):
    calls = []
    for i in range(5):
        calls.append(scene.call("early", "+491704105%d" % i).wait("ringing"))
        time.sleep(0.05)
    for _ in range(2):
        pid = scene.cluster.status()["edge-1"]["pid"]
        os.kill(pid, signal.SIGKILL)
        edge_is_back(scene, pid)
        deadline = time.monotonic() + FOUND_S           # the edge's heartbeat tells call-control, which gives them back
        while scene.cluster.metric("edge-1", "trunkline_edge_revived_total") < len(calls):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert all(c.state == "ringing" for c in calls)
    calls[3].hang_up()                                  # CANCEL: the new process knows what it is about
    calls[3].wait_ended()
    agent = scene.agent("1001", answers=0.05)
    for i in (0, 1, 2, 4):
        calls[i].wait_hears(AGENT, 0.2, timeout=FOUND_S)
        assert agent.phone.calls[-1].caller == calls[i].ua.user
        calls[i].hang_up()
    assert [scene.facts_of(c.ua.user).ended.disposition for c in calls] == ["answered"] * 3 + ["abandoned", "answered"]
