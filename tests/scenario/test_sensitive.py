"""Sensitive fields from a real call to the report: who is shown the number and the keys, how it is found, a key that is rotated meanwhile, and
what is on the disk of a recording (GT-16)."""
import os
import pathlib
import time

import audio
import pytest
from api import ApiError
from patience import patient
from test_talk import fetch
from world import AGAIN, AGENT, CALLER, MENU

FIELDS = ["SENSITIVE_FIELD_CALLER_NUMBER", "SENSITIVE_FIELD_IVR_INPUT", "SENSITIVE_FIELD_RECORDINGS"]


@pytest.fixture
def marked(scene):
    """The tenant has marked them; its administrator unmarks them afterwards."""
    admin, name = scene.acme.own.admin, scene.acme.parent
    admin.UpdateTenant(tenant={"name": name, "sensitive_fields": FIELDS}, update_mask="sensitiveFields")
    yield admin, name
    admin.UpdateTenant(tenant={"name": name}, update_mask="sensitiveFields")


def keyed(scene, caller, keys):
    """A call in which they were keyed, once it has ended in Kafka."""
    call = scene.call("digits", caller).wait_hears(MENU, 0.2)
    call.press(keys + "#")
    call.wait_hears(AGAIN, 0.2)
    call.wait_ended()
    return scene.facts_of(caller)


def row(reports, call_id, **filters):
    deadline = time.monotonic() + patient(15)
    while True:
        found = [c for c in reports.ListCalls(**filters).calls if c.call_id == call_id]
        if found and found[0].ended_ms:
            return found[0]
        assert time.monotonic() < deadline, "the call is not in the report"
        time.sleep(0.2)


def refused(fn, **fields):
    with pytest.raises(ApiError) as e:
        fn(**fields)
    return e.value.code, [f for f, _ in e.value.violations]


def test_a_marked_number_is_masked_found_whole_and_survives_a_rotation_GT_16(scene, marked):
    (admin, name), lead, own = marked, scene.acme.lead.reports, scene.acme.own.reports
    first = keyed(scene, "+4917099110001", "4711").id
    assert (lambda c: (c.caller, c.digits))(row(lead, first)) == ("••••0001", "••••")
    assert (lambda c: (c.caller, c.digits))(row(own, first)) == ("+4917099110001", "4711")
    assert row(own, first, caller="+49 170 99110001").caller == "+4917099110001"
    assert refused(own.ListCalls, caller="+4917099*") == ("INVALID_ARGUMENT", ["caller"])
    assert refused(lead.ListCalls, caller="+4917099110001")[0] == "PERMISSION_DENIED"
    admin.RotateTenantKey(name=name)
    second = keyed(scene, "+4917099110002", "4712").id
    deadline = time.monotonic() + patient(150)  # keys.settle_ms is a minute
    while (now := admin.GetKeyRotation(name=name)).state != 2:
        assert time.monotonic() < deadline, now
        time.sleep(1)
    assert sorted((p.service, p.finished) for p in now.parts) == [("recorder", True), ("reporting", True)]
    assert (row(own, first, caller="4917099110001").digits, row(own, second, caller="4917099110002").digits) == ("4711", "4712")


def test_a_recording_is_encrypted_on_the_disk_and_both_parties_are_heard_in_it_GT_16(scene, marked, tmp_path):
    scene.agent("1001", answers=0.1)
    call = scene.call("sales", "+4917099110003").wait_hears(AGENT, 1.0)
    time.sleep(1)
    call.hang_up()
    id_ = scene.facts_of("+4917099110003").ended.recording_id
    channels, rate = audio.read_any(fetch(scene.acme, id_, str(tmp_path / "r.mp3")))
    assert audio.seconds_of(channels[0], CALLER, rate) > 0.5 and audio.seconds_of(channels[1], AGENT, rate) > 0.5
    kept = sorted((pathlib.Path(os.environ["TRUNKLINE_CLUSTER_PATH"]) / "recordings" / scene.acme.tenant).glob("*/*/*/%s.*" % id_))
    assert [f.name for f in kept] == [id_ + ".mono.mp3.sealed", id_ + ".mp3.sealed"]
    clear = (tmp_path / "r.mp3").read_bytes()
    assert all(f.read_bytes().startswith(b"TLKSEF1\n") and clear[100:116] not in f.read_bytes() for f in kept)
