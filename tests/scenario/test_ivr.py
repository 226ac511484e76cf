"""The IVR: prompts, keys, their limits and times (GT-4)."""
import time

import pytest
from world import AGAIN, MENU, SORRY, WELCOME


def ended(scene, caller):
    c = scene.facts_of(caller)
    return c, c.all("digits_collected")


@pytest.mark.parametrize("name,keys,digits,end", [
    ("a_terminator_ends_at_once", "1234#", "1234", "terminator"),
    ("the_reset_key_begins_again", "99*123#", "123", "terminator"),
    ("the_last_key_that_is_allowed_ends_at_once", "123456", "123456", "max-digits"),
    ("silence_after_enough_keys_ends", "4567", "4567", "timeout"),
], ids=lambda v: v if isinstance(v, str) and "_" in v else "")
def test_keys_of_variable_length_GT_4_4(scene, name, keys, digits, end):
    call = scene.call("digits", "+49170200" + str(len(keys)) + digits[:3]).wait_hears(MENU, 0.2)
    call.press(keys)
    call.wait_hears(AGAIN, 0.2)
    call.wait_ended()
    assert call.ended_by == "them"
    c, collected = ended(scene, call.ua.user)
    assert [(d.digits, d.end) for d in collected] == [(digits, end)]
    assert c.ended.cause == "flow-end" and c.ended.disposition == "ivr"


def test_a_key_interrupts_the_prompt_and_the_prompt_comes_again_after_too_few_keys_GT_4_4(scene):
    call = scene.call("digits", "+4917020020").wait_hears(MENU, 0.2)
    call.press("1")
    time.sleep(0.3)
    since = time.monotonic()
    call.wait_hears(MENU, 0.4)  # the second try
    assert time.monotonic() - since > 0.3
    call.press("555#")
    call.wait_hears(AGAIN, 0.2)
    call.wait_ended()
    _, collected = ended(scene, "+4917020020")
    assert collected[-1].digits == "555"


def test_all_tries_in_vain_lead_to_the_step_for_failure_GT_4_4(scene):
    call = scene.call("digits", "+4917020021")
    call.wait_hears(SORRY, 0.3, timeout=12)
    call.wait_ended()
    assert call.rtp.hears(MENU) > 0.9, "the prompt was to be heard twice"
    c, collected = ended(scene, "+4917020021")
    assert collected[-1].end == "failed" and "bad" in [s.step_id for s in c.all("flow_step_entered")]


@pytest.mark.parametrize("key,queue", [("1", "sales"), ("2", "support"), ("7", None)])
def test_the_menu_leads_where_the_key_says_GT_4_1(scene, key, queue):
    caller = "+491702003" + key
    call = scene.call("main", caller).wait_hears(WELCOME, 0.3)
    call.wait_hears(MENU, 0.1)
    call.press(key)
    if queue:
        call.wait_hears(350, 0.3)
        call.hang_up()
    else:
        call.wait_ended()
    c, _ = ended(scene, caller)
    assert c.queue_id == (queue or "")
    assert [s.step_id for s in c.all("flow_step_entered")][:4] == ["pick-up", "greet", "ask", "which"]


def test_a_number_may_refuse_its_calls_with_a_status_of_its_own_OP_1(scene):
    call = scene.call("refused", "+4917020040")
    call.wait_ended()
    assert call.status == 486
    c, _ = ended(scene, "+4917020040")
    assert c.ended.disposition == "refused"


def test_a_number_of_nobody_is_not_found(scene):
    call = scene.caller("+4917020041").call("+4930999999")
    call.wait_ended()
    assert call.status == 404


def test_working_hours_other_hours_and_night_service_by_hand_OP_1(scene):
    admin = scene.acme.own.admin
    number = scene.acme.number_of("main")
    resource = {"name": "tenants/acme/numbers/" + number, "working": {"flow_id": "main"}, "other": {"reject_status": 480},
                "forced": {"reject_status": 503}}

    def status(user, **change):
        admin.UpdateNumber(number={**resource, **change}, update_mask="working,other,forced,force,calendarId")
        scene.cluster.wait_published(scene.acme)
        call = scene.call("main", user)
        call.ua.engine.wait(lambda: call.state in ("up", "ended"), 5)
        answered = call.status
        call.hang_up()
        return answered
    today, other_day = time.gmtime().tm_wday + 1, (time.gmtime().tm_wday + 3) % 7 + 1
    always = {"from_minute": 0, "to_minute": 1440}
    days = [{"weekday": d, **always} for d in {today, today % 7 + 1}]  # midnight may pass
    scene.acme._child("Calendar", "open", {"display_name": "open", "hours": days})
    scene.acme._child("Calendar", "closed", {"display_name": "closed", "hours": [{"weekday": other_day, **always}]})
    try:
        assert status("+4917020050", calendar_id="open") == 200
        assert status("+4917020051", calendar_id="closed") == 480
        assert status("+4917020052", calendar_id="open", force=True) == 503
    finally:
        assert status("+4917020053") == 200
