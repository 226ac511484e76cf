"""Who gets which call when (GT-6)."""
import time

from world import AGENT, MUSIC, SORRY


def wait_enqueued(call):
    call.wait_hears(MUSIC, 0.2)
    return call


def test_first_come_first_served_GT_6(scene):
    waiting = [wait_enqueued(scene.call("sales", "+49170300%02d" % i)) for i in range(4)]
    agent = scene.agent("1001", answers=0.05)
    served = []
    for _ in waiting:
        leg = agent.phone.wait_call()
        served.append(leg.caller)
        leg.wait("up")
        leg.hang_up()
    assert served == [c.ua.user for c in waiting]
    for c in waiting:
        c.wait_ended()


def test_the_call_goes_to_who_is_idle_longest_GT_6(scene):
    first, second, third = (scene.agent(a, answers=0.05) for a in ("1002", "1001", "1003"))
    answered = []
    for i, expected in enumerate((first, second, third, first)):
        call = scene.call("sales", "+49170301%02d" % i)
        leg = expected.phone.wait_call().wait("up")
        leg.hang_up()
        call.wait_ended()
        answered.append(leg)
        scene.wait_state(expected, "READY")
        time.sleep(0.02)
    assert len(answered) == 4


def test_the_urgent_call_comes_first_GT_6(scene):
    for i, what in enumerate(("sales", "sales", "urgent")):
        wait_enqueued(scene.call(what, "+49170302%02d" % i))
    agent = scene.agent("1001", answers=0.05)
    served = []
    for _ in range(3):
        leg = agent.phone.wait_call()
        served.append(leg.caller[-2:])
        leg.wait("up").hang_up()
    assert served == ["02", "00", "01"]


def test_of_two_queues_for_the_same_agent_the_more_important_one_comes_first_GT_6(scene):
    for i, what in enumerate(("sales", "support")):
        wait_enqueued(scene.call(what, "+49170303%02d" % i))
    agent = scene.agent("1003", answers=0.05)
    served = []
    for _ in range(2):
        leg = agent.phone.wait_call()
        served.append(leg.invite.get("x-trunkline-queue"))
        leg.wait("up").hang_up()
    assert served == ["support", "sales"]


def test_only_who_has_the_skill_at_the_level_gets_the_call_GT_6(scene):
    low = scene.agent("1005", answers=0.05)
    without = scene.agent("1001", answers=0.05)
    call = wait_enqueued(scene.call("german", "+4917030400"))
    time.sleep(0.5)
    assert not low.phone.calls and not without.phone.calls
    high = scene.agent("1004", answers=0.05)
    call.wait_hears(AGENT, 0.3)
    assert len(high.phone.calls) == 1
    call.hang_up()


def test_a_skill_given_to_an_agent_at_work_counts_at_once_GT_5_2(scene):
    agent = scene.agent("1002", answers=0.05)
    call = wait_enqueued(scene.call("german", "+4917030500"))
    resource = {"name": "tenants/acme/agents/1002"}
    try:
        scene.acme.own.admin.UpdateAgent(agent={**resource, "skills": [{"skill_id": "german", "level": 9}]}, update_mask="skills")
        call.wait_hears(AGENT, 0.3, timeout=5)
        call.hang_up()
    finally:
        scene.acme.own.admin.UpdateAgent(agent={**resource, "skills": [{"skill_id": "sales", "level": 5}]}, update_mask="skills")
    assert agent.phone.calls


def test_after_call_work_is_respected_and_can_be_ended_early_GT_5_2(scene):
    agent = scene.agent("1001", answers=0.05)
    first = scene.call("wrap", "+4917030600").wait_hears(AGENT, 0.2)
    second = wait_enqueued(scene.call("wrap", "+4917030601"))
    first.hang_up()
    scene.wait_state(agent, "WRAP_UP")
    left = time.monotonic()
    leg = agent.phone.wait_call()
    if leg.caller == "+4917030600":
        leg = agent.phone.wait_call()
    assert 1.2 < leg.at["calling"] - left < 6.0, "1.5 s of after-call work were wanted, the next call came after %.1f" % (
        leg.at["calling"] - left)
    second.wait_hears(AGENT, 0.2)
    second.hang_up()
    scene.wait_state(agent, "WRAP_UP")
    t0 = time.monotonic()
    agent.api.desk.FinishWrapUp()
    scene.wait_state(agent, "READY")
    assert time.monotonic() - t0 < 1.4  # and not after the 1.5 s


def test_a_break_asked_for_during_a_call_comes_after_it_GT_5_2(scene):
    agent = scene.agent("1001", answers=0.05)
    call = scene.call("sales", "+4917030700").wait_hears(AGENT, 0.2)
    status = agent.busy("meal")
    assert status.pending_busy and status.pending_reason == "meal" and agent.state_name() == "ON_CALL"
    call.hang_up()
    scene.wait_state(agent, "BUSY")
    assert agent.state().reason == "meal"


def test_the_longest_wait_ends_where_the_queue_says_OP_5(scene):
    call = wait_enqueued(scene.call("overflow", "+4917030800"))
    call.wait_hears(SORRY, 0.3, timeout=6)
    call.wait_ended()
    c = scene.facts_of("+4917030800")
    assert [d.cause for d in c.all("dequeued")] == ["timeout"] and 1000 < c.ended.wait_ms < 5000


def test_a_full_queue_sends_the_next_caller_on_OP_5(scene):
    first = wait_enqueued(scene.call("full", "+4917030900"))
    second = scene.call("full", "+4917030901")
    second.wait_hears(SORRY, 0.3)
    second.wait_ended()
    first.hang_up()
    c = scene.facts_of("+4917030901")
    assert [d.cause for d in c.all("dequeued")] == ["full"]
