"""The torture messages of RFC 4475 and RFC 5118, byte for byte, against the running edge (GT-15, issue of SIP judged right).

tests/torture has the messages and what becomes of each; docs/sip-torture.md is made from the same data.
"""
import pathlib
import re
import sys
import time

import pytest
from sipmsg import uri_of
from sipwire import Wire, read_tcp
from world import AGENT

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "torture"))
import conftest  # noqa: E402
import messages  # noqa: E402

RFC4475, RFC5118 = messages.read("rfc4475.txt"), messages.read("rfc5118.txt")


def edge(scene):
    row = scene.cluster.status()["edge-1"]
    return row["pid"], row["restarts"]


def a_good_call(scene, user):
    call = scene.call("sales", user).wait_hears(AGENT, 0.3)
    call.hang_up()


def answer(scene, trunk, m):
    if m.via == "tls":
        got, _ = trunk.tls(m.data, scene.sip[1] + 1)
    elif m.via == "tcp":
        got, _ = trunk.tcp(m.data, 1 if m.does.startswith("nothing") else 10)
        trunk.probe()
    else:
        got = trunk.answers(m.data)
    return [r.status for r in got if not r.is_request]


def wanted(text):
    return [] if text.startswith("nothing") else [int(text[:3])]


@pytest.mark.parametrize("table", [RFC4475, RFC5118], ids=["RFC_4475", "RFC_5118"])
def test_each_torture_message_is_answered_as_the_table_says_and_calls_go_on_GT_15(scene, trunk, table):
    before = edge(scene)
    scene.agent("1001", answers=0.05)
    held = scene.call("held", "+4917070000").wait("up")
    wrong = []
    for m in table:
        got = answer(scene, trunk, m)
        if got != wanted(m.does):
            wrong.append("%s %s: answered %s, the table says %s" % (m.section, m.name, got, m.does))
        if m.name == "bext01":
            assert edge(scene) == before
    assert not wrong, "\n".join(wrong)
    assert held.state == "up"
    held.hang_up()
    a_good_call(scene, "+4917070001")
    assert edge(scene) == before


@pytest.mark.parametrize("table", [RFC4475, RFC5118], ids=["RFC_4475", "RFC_5118"])
def test_a_stranger_who_sends_them_hears_nothing_at_all_GT_15(scene, trunk, table):
    with Wire(scene.address(76), scene.sip, conftest.PORTS, port=5060) as stranger:
        for m in table:
            assert stranger.answers(m.data, known=trunk) == [], m.name
            if m.via == "tcp":
                assert stranger.tcp(m.data, 0.1)[0] == [], m.name
        time.sleep(0.2)
        assert stranger.collect(0.1) == []


def with_ours(scene, trunk, m):
    """The message with what is ours in it: a number, or a domain; SDP that sends to us and nowhere else."""
    head, _, body = m.data.partition(b"\r\n\r\n")
    if head.startswith(b"INVITE"):
        head = re.sub(rb"sip:[^@\s]+@", b"sip:%s@" % scene.acme.number_of("held").encode(), head, count=1)
        body = re.sub(rb"IP4 192\.0\.2\.\d+", b"IP4 " + trunk.host.encode(), body)
        head = re.sub(rb"(?m)^(Content-Length|l): \d+", b"Content-Length: %d" % len(body), head)
    else:
        first, _, rest = head.partition(b"\r\n")
        head = first + b"\r\n" + rest.replace(b"@example.com", b"@acme.example")
    return head + b"\r\n\r\n" + body


def final(trunk, m, data):
    """The final answer."""
    if m.via == "tcp":
        with trunk.connect() as s:
            s.sendall(data)
            return next((r for r in read_tcp(s, 10, enough=2 if m.call == "proceeds" else 1)[0] if r.status >= 200), None)
    trunk.send(data)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        r = trunk.receive(deadline - time.monotonic())
        if r is not None and r.status >= 200 and r.get("call-id").encode() in data:
            return r
    return None


def in_dialog(trunk, r, method, cseq):
    """A request of the caller's after the 200, as text."""
    return "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%x;rport\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n" \
        "Content-Length: 0\r\n\r\n" % (method, uri_of(r.get("contact")), trunk.at, time.monotonic_ns(), r.get("from"), r.get("to"), r.get("call-id"), cseq, method)


@pytest.mark.parametrize("m", [m for m in RFC4475 + RFC5118 if m.call], ids=lambda m: m.name)
def test_what_the_RFC_calls_valid_is_a_call_when_it_names_a_number_of_ours_GT_15(scene, trunk, m):
    data = with_ours(scene, trunk, m)
    r = final(trunk, m, data)
    assert r is not None, "no final answer to %s" % m.name
    if m.call != "proceeds":
        assert r.status == int(m.call)
        return
    assert r.status == 200 and "m=audio" in r.body
    trunk.answers(in_dialog(trunk, r, "ACK", r.cseq))
    assert [x.status for x in trunk.answers(in_dialog(trunk, r, "BYE", r.cseq + 1)) if x.method == "BYE"] == [200]


def test_the_page_of_the_torture_messages_is_the_table():
    assert messages.PAGE.read_text() == messages.page(), "run: python3 tests/torture/messages.py --page"
