"""A caller and an agent: what each hears, what the agent's phone shows, what is recorded."""
import time

import audio
from patience import patient
from world import AGENT, CALLER, CONNECTED, MENU, MUSIC, WELCOME


def fetch(company, recording_id, path, format_="RECORDING_FORMAT_MP3_STEREO", timeout=15):
    """Downloads a recording as soon as it is stored."""
    from api import ApiError
    deadline = time.monotonic() + patient(timeout)
    while True:
        try:
            with open(path, "wb") as f:
                for part in company.lead.recordings.Download(recording_id=recording_id, format=format_):
                    f.write(part.data)
            return path
        except ApiError as e:
            if e.code not in ("FAILED_PRECONDITION", "NOT_FOUND") or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def test_caller_through_ivr_queue_and_agent_hear_each_other_and_all_of_it_is_recorded_GT_2_1_1_GT_4_1_GT_8_1(scene, tmp_path):
    agent = scene.agent("1001", ready=False)
    call = scene.call("main", "+4917010001", name="Mei").wait("up")
    call.wait_hears(WELCOME, 0.4)
    call.wait_hears(MENU, 0.2)
    call.press("1")
    call.wait_hears(MUSIC, 0.8)
    agent.ready()
    leg = agent.phone.wait_call()
    assert (leg.caller, leg.caller_name, leg.called) == ("+4917010001", "Mei", scene.acme.number_of("main"))
    leg.answer().wait("up")
    call.wait_hears(AGENT, 1.0)
    leg.wait_hears(CALLER, 1.0)
    assert call.rtp.hears(MUSIC, call.at["up"]) > 0.7 and call.rtp.hears(MUSIC, time.monotonic() - 0.5) == 0
    call.hang_up()
    leg.wait_ended()
    assert leg.ended_by == "them"

    c = scene.facts_of("+4917010001")
    assert c.ended.disposition == "answered" and c.ended.cause == "caller-hung-up" and c.agent_id == "1001" and c.queue_id == "sales"
    assert [d.digits for d in c.all("digits_collected")] == ["1"]
    assert (c.offered.caller, c.offered.called) == ("+4917010001", scene.acme.number_of("main"))
    channels, rate = audio.read_any(fetch(scene.acme, c.ended.recording_id, str(tmp_path / "r.mp3")))
    assert len(channels) == 2
    assert audio.seconds_of(channels[0], CALLER, rate) > 0.8 and audio.seconds_of(channels[1], AGENT, rate) > 0.8
    assert audio.seconds_of(channels[0], AGENT, rate) < 0.2 and audio.seconds_of(channels[1], CALLER, rate) < 0.2
    stored = scene.acme.lead.recordings.GetRecording(recording_id=c.ended.recording_id).recording
    assert abs(len(channels[0]) / rate - stored.duration_ms / 1000) < 0.3
    assert abs(stored.duration_ms - c.ended.talk_ms) < 700
    assert (stored.caller, stored.called, stored.agent_id, stored.queue_id) == ("+4917010001", scene.acme.number_of("main"), "1001", "sales")


def test_mono_and_wav_recordings_are_found_by_number_agent_queue_and_time_GT_8_1(scene, tmp_path):
    agent = scene.agent("1002", answers=0.1)
    before = int(time.time() * 1000) - 1000
    call = scene.call("sales", "+4917010002").wait_hears(AGENT, 1.0)
    call.hang_up()
    c = scene.facts_of("+4917010002")
    for format_, n in (("RECORDING_FORMAT_MP3_MONO", 1), ("RECORDING_FORMAT_WAV", 2)):
        path = str(tmp_path / ("r.wav" if "WAV" in format_ else "r.mp3"))
        channels, rate = audio.read_any(fetch(scene.acme, c.ended.recording_id, path, format_))
        assert len(channels) == n
        assert audio.seconds_of(channels[-1], AGENT, rate, least=0.2) > 0.5
    listed = scene.acme.lead.recordings.ListRecordings
    for search in ({"caller": "+4917010002"}, {"caller": "+491701000*", "agent_id": "1002"}, {"queue_id": "sales", "from_ms": before},
                   {"call_id": c.id}):
        assert c.ended.recording_id in [r.recording_id for r in listed(**search).recordings], search
    assert c.ended.recording_id not in [r.recording_id for r in listed(caller="+4917010002", to_ms=before).recordings]
    assert not listed(caller="+4917010002", agent_id="1001").recordings
    assert agent.phone.calls[0].ended_by == "them"


def test_a_queue_that_does_not_answer_rings_until_the_agent_answers(scene):
    call = scene.call("early", "+4917010003")
    call.wait("ringing")
    time.sleep(0.5)
    assert call.state == "ringing"
    agent = scene.agent("1001", answers=0.3)
    call.wait("up").wait_hears(AGENT, 0.5)
    agent.phone.wait_call().wait_hears(CALLER, 0.5)
    agent.phone.calls[0].hang_up()
    call.wait_ended()
    c = scene.facts_of("+4917010003")
    assert c.ended.cause == "agent-hung-up" and abs(c.ended.answered_ms - c.ended.agent_answered_ms) < 500


def test_the_welcome_is_heard_by_the_caller_before_the_agent_GT_5_2(scene):
    agent = scene.agent("1001", answers=0.2)
    call = scene.call("wrap", "+4917010004").wait("up")
    call.wait_hears(CONNECTED, 0.3, since=call.at["up"])
    call.wait_hears(AGENT, 0.5)
    leg = agent.phone.wait_call()
    leg.wait_hears(CALLER, 0.3)
    call.hang_up()
    leg.wait_ended()


def test_hold_by_the_agent_and_back_GT_5_2(scene):
    agent = scene.agent("1001", answers=0.1)
    call = scene.call("sales", "+4917010005").wait_hears(AGENT, 0.5)
    leg = agent.phone.wait_call()
    began = time.monotonic()
    leg.hold()
    time.sleep(0.5)
    since = time.monotonic()
    time.sleep(1.0)
    assert call.state == "up" and call.rtp.hears(AGENT, since) < 0.2, "the caller still hears the agent on hold"
    leg.resume()
    call.wait_hears(AGENT, 0.5)
    leg.wait_hears(CALLER, 0.5)
    most = (time.monotonic() - began) * 1000
    call.hang_up()
    leg.wait_ended()
    c = scene.facts_of("+4917010005")
    assert c.kinds.count("held") == 1 and c.kinds.count("retrieved") == 1
    assert 1200 < c.ended.hold_ms < most and c.ended.hold_ms <= c.ended.talk_ms


def test_pcmu_and_pcma_telephones_understand_each_other(scene):
    agent = scene.agent("1001", answers=0.1, payloads=(0,))
    call = scene.call("sales", "+4917010006", payloads=(8,)).wait_hears(AGENT, 0.8)
    agent.phone.wait_call().wait_hears(CALLER, 0.8)
    call.hang_up()
    assert {k for _, _, k, _ in call.rtp.heard} == {8} and {k for _, _, k, _ in agent.phone.calls[0].rtp.heard} == {0}


def test_a_caller_who_leaves_the_offer_to_us_has_audio_both_ways(scene):
    agent = scene.agent("1001", answers=0.1)
    caller = scene.caller("+4917010007")
    call = caller.call(scene.acme.number_of("sales"), late_offer=True)
    call.wait_hears(AGENT, 0.5)
    agent.phone.wait_call().wait_hears(CALLER, 0.5)
    call.hang_up()
