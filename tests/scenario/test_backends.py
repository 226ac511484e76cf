"""PostgreSQL and Kafka away: calls go on, and afterwards everything is there."""
import time

import audio
from recount import differences, recount
from test_talk import fetch
from patience import patient
from world import AGENT, CALLER, MENU


def whole_call(scene, agent, user):
    """IVR, queue, agent, two-way audio, hang-up."""
    call = scene.call("main", user).wait_hears(MENU, 0.1)
    call.press("1")
    leg = agent.phone.wait_call()
    call.wait_hears(AGENT, 0.7)
    leg.wait_hears(CALLER, 0.7)
    call.hang_up()
    leg.wait_ended()
    scene.wait_state(agent, "READY")


def wait_counted(scene, company, timeout=30):
    """Until the reports say what Kafka says."""
    deadline = time.monotonic() + patient(timeout)
    while True:
        from facts import Facts
        wrong = differences(recount(Facts.read(scene.brokers), company.tenant), company.lead.reports.GetSummary().queues)
        if not wrong:
            return
        assert time.monotonic() < deadline, wrong
        time.sleep(0.5)


def test_without_postgresql_calls_go_on_and_are_recorded_and_counted_afterwards(scene, tmp_path):
    agent = scene.agent("1001", answers=0.05)
    scene.cluster.stop("postgres")
    try:
        whole_call(scene, agent, "+4917070000")
        whole_call(scene, agent, "+4917070001")
    finally:
        scene.cluster.start("postgres")
    scene.cluster.wait_ready(40)
    for user in ("+4917070000", "+4917070001"):
        c = scene.facts_of(user)
        channels, rate = audio.read_any(fetch(scene.acme, c.ended.recording_id, str(tmp_path / "r.mp3"), timeout=30))
        assert audio.seconds_of(channels[0], CALLER, rate) > 0.5 and audio.seconds_of(channels[1], AGENT, rate) > 0.5
    wait_counted(scene, scene.acme)


def test_without_kafka_calls_go_on_and_every_event_is_there_afterwards_GT_10(scene):
    agent = scene.agent("1001", answers=0.05)
    scene.cluster.stop("kafka")
    try:
        whole_call(scene, agent, "+4917070002")
        second = scene.call("sales", "+4917070003").wait_hears(AGENT, 0.3)
        second.hang_up()
        agent.phone.wait_call().wait_ended()
        scene.wait_state(agent, "READY")
        whole_call(scene, agent, "+4917070004")
    finally:
        scene.cluster.start("kafka")
    scene.cluster.wait_ready(40)
    for user in ("+4917070002", "+4917070003", "+4917070004"):
        assert scene.facts_of(user, timeout=40).ended.disposition == "answered"
    wait_counted(scene, scene.acme)
