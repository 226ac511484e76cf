"""However a call ends, it ends for everybody, frees everything (the fixture looks) and is told right."""
import time

import pytest
from world import AGENT, CALLER, MENU, MUSIC, SORRY, WELCOME


def test_the_caller_hangs_up_in_the_ivr(scene):
    call = scene.call("main", "+4917040000").wait_hears(WELCOME, 0.2)
    call.hang_up()
    c = scene.facts_of("+4917040000")
    assert (c.ended.cause, c.ended.disposition) == ("caller-hung-up", "ivr")


def test_the_caller_hangs_up_while_waiting_KP_14(scene):
    call = scene.call("sales", "+4917040001").wait_hears(MUSIC, 0.3)
    call.hang_up()
    c = scene.facts_of("+4917040001")
    assert (c.ended.cause, c.ended.disposition) == ("caller-hung-up", "abandoned")
    assert [d.cause for d in c.all("dequeued")] == ["abandoned"]


def test_the_caller_hangs_up_before_the_answer(scene):
    call = scene.call("early", "+4917040002").wait("ringing")
    time.sleep(0.2)
    call.hang_up()
    call.wait_ended()
    assert call.status == 487
    c = scene.facts_of("+4917040002")
    assert c.ended.disposition == "abandoned" and c.ended.answered_ms == 0


def test_the_caller_hangs_up_while_the_agents_phone_rings_and_the_agent_is_ready_again(scene):
    agent = scene.agent("1001")
    call = scene.call("sales", "+4917040003")
    leg = agent.phone.wait_call()
    call.hang_up()
    leg.wait_ended()
    assert leg.reason == "cancel"
    scene.wait_state(agent, "READY")
    c = scene.facts_of("+4917040003")
    assert (c.ended.cause, c.ended.disposition) == ("caller-hung-up", "abandoned")


@pytest.mark.parametrize("by", ["caller", "agent"])
def test_either_hangs_up_while_talking(scene, by):
    agent = scene.agent("1001", answers=0.05)
    user = "+491704001" + str(len(by))
    call = scene.call("sales", user).wait_hears(AGENT, 0.3)
    leg = agent.phone.wait_call()
    (call if by == "caller" else leg).hang_up()
    (leg if by == "caller" else call).wait_ended()
    c = scene.facts_of(user)
    assert (c.ended.cause, c.ended.disposition) == (by + "-hung-up", "answered")
    assert {f.kind for f in c.all("leg_finished")} == {"caller", "agent"}


@pytest.mark.parametrize("how,cause", [("busy", "busy"), ("rejects", "rejected"), ("no-answer", "timeout")])
def test_an_agent_who_does_not_answer_is_set_busy_and_the_call_goes_to_the_next_GT_5_2(scene, how, cause):
    first = scene.agent("1001", **({} if how == "no-answer" else {"rejects": {"busy": 486, "rejects": 603}[how]}))
    time.sleep(0.05)
    second = scene.agent("1002", answers=0.05, speaks=1200)
    user = "+491704002" + str(len(how))
    call = scene.call("sales", user)
    call.wait_hears(1200, 0.3, timeout=10)
    assert len(first.phone.calls) == 1 and len(second.phone.calls) == 1
    scene.wait_state(first, "BUSY")
    call.hang_up()
    c = scene.facts_of(user)
    assert [(e.agent_id, e.agent_no_answer.cause) for e in c.envelopes("agent_no_answer")] == [("1001", cause)]
    assert c.agent_id == "1002" and c.kinds.count("enqueued") == 1


def test_an_agent_without_a_phone_is_set_busy_and_the_call_goes_to_the_next(scene):
    ghost = scene.agent("1001")
    ghost.phone.register(expires=0)
    time.sleep(0.05)
    scene.agent("1002", answers=0.05)
    call = scene.call("sales", "+4917040030").wait_hears(AGENT, 0.3)
    scene.wait_state(ghost, "BUSY")
    call.hang_up()
    c = scene.facts_of("+4917040030")
    assert [e.cause for e in c.all("agent_no_answer")] == ["unreachable"]


def test_an_agents_phone_that_vanishes_while_ringing_costs_the_ring_time_only(scene):
    ghost = scene.agent("1001")
    time.sleep(0.05)
    scene.agent("1002", answers=0.05)
    call = scene.call("sales", "+4917040031")
    ghost.phone.wait_call()
    ghost.phone.vanish()
    call.wait_hears(AGENT, 0.3, timeout=12)
    call.hang_up()
    scene.wait_state(ghost, "BUSY")


def test_an_agents_phone_that_vanishes_while_talking_leaves_nothing_behind_when_the_caller_hangs_up(scene):
    ghost = scene.agent("1001", answers=0.05)
    call = scene.call("sales", "+4917040032").wait_hears(AGENT, 0.3)
    ghost.phone.vanish()
    time.sleep(1)
    assert call.state == "up"
    call.hang_up()
    c = scene.facts_of("+4917040032")
    assert c.ended.disposition == "answered"


def test_ring_one_agent_from_a_flow_and_go_on_when_there_is_no_answer(scene):
    agent = scene.agent("1001")
    call = scene.call("ring", "+4917040033")
    leg = agent.phone.wait_call()
    assert leg.caller == "+4917040033"
    call.wait_hears(SORRY, 0.3, timeout=8)
    leg.wait_ended()
    call.wait_ended()


def test_calls_end_when_their_agent_signs_out_only_after_the_call(scene):
    agent = scene.agent("1001", answers=0.05)
    call = scene.call("sales", "+4917040034").wait_hears(AGENT, 0.2)
    assert agent.sign_out().pending_sign_out
    leg = agent.phone.wait_call()
    leg.wait_hears(CALLER, 0.3)
    call.hang_up()
    scene.wait_state(agent, "SIGNED_OUT")


def test_menu_time_runs_out_and_the_call_ends_by_the_flow(scene):
    call = scene.call("main", "+4917040035").wait_hears(MENU, 0.2)
    call.wait_ended(timeout=8)
    c = scene.facts_of("+4917040035")
    assert (c.ended.cause, c.ended.disposition) == ("flow-end", "ivr")
