"""Telephones and SIP clients that nobody here wrote, without special settings; and hostile ones beside them."""
import os
import random
import socket
import subprocess
import time

import audio
import pytest
from facts import settled
from phone import Phone, free_port
from world import AGENT, CALLER, MUSIC


def heard(phone, hz):
    return max((audio.seconds_of(audio.read_any(p)[0][0], hz) for p in phone.heard()), default=0)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_baresip_calls_and_baresip_answers_with_two_way_audio_GT_2_1_2_GT_5_1(scene, tmp_path, transport):
    server = "%s:%d" % scene.sip
    a, user = scene.acme.agents["1001"], "+491706000" + transport[0].replace("u", "1").replace("t", "2")
    caller_says, agent_says = (audio.tone(str(tmp_path / n), hz) for n, hz in (("c.wav", CALLER), ("a.wav", AGENT)))
    # a softphone registers with the agent's address; as a caller it needs the trunk's: see acme's second address
    trunk = {"name": "tenants/acme/trunks/gateway", "addresses": ["127.0.0.2", "127.0.0.1"]}
    scene.acme.own.admin.UpdateTrunk(trunk=trunk, update_mask="addresses")
    try:
        with Phone(str(tmp_path), "1001", registrar=server, domain="acme.example", password=a.password, speaks=agent_says, answers=True,
                   transport=transport) as agent, \
                Phone(str(tmp_path), user, outbound=server, domain="elsewhere.example", speaks=caller_says, name="Lin", transport=transport) as caller:
            agent.wait_registered()
            a.sign_in()
            a.ready()
            scene.working.append(a)
            caller.dial("sip:%s@%s;transport=%s" % (scene.acme.number_of("sales"), server, transport))
            assert user in agent.wait("CALL_ESTABLISHED")["peeruri"]
            time.sleep(2.5)
            caller.hang_up()
            agent.wait("CALL_CLOSED")
            time.sleep(0.3)
            assert heard(agent, CALLER) > 1 and heard(caller, AGENT) > 1
        c = scene.facts_of(user)
        assert c.agent_id == "1001" and c.ended.cause == "caller-hung-up"
    finally:
        scene.acme.own.admin.UpdateTrunk(trunk={**trunk, "addresses": ["127.0.0.2"]}, update_mask="addresses")


def test_a_caller_who_insists_on_srtp_and_an_agent_without_it_hear_each_other(scene, tmp_path):
    server = "%s:%d" % scene.sip
    a, user = scene.acme.agents["1001"], "+4917060003"
    caller_says, agent_says = (audio.tone(str(tmp_path / n), hz) for n, hz in (("c.wav", CALLER), ("a.wav", AGENT)))
    trunk = {"name": "tenants/acme/trunks/gateway", "addresses": ["127.0.0.2", "127.0.0.1"]}
    scene.acme.own.admin.UpdateTrunk(trunk=trunk, update_mask="addresses")
    try:
        with Phone(str(tmp_path), "1001", registrar=server, domain="acme.example", password=a.password, speaks=agent_says, answers=True) as agent, \
                Phone(str(tmp_path), user, outbound=server, domain="elsewhere.example", speaks=caller_says, srtp=True) as caller:
            agent.wait_registered()
            a.sign_in()
            a.ready()
            scene.working.append(a)
            caller.dial("sip:%s@%s" % (scene.acme.number_of("sales"), server))
            agent.wait("CALL_ESTABLISHED")
            time.sleep(2.5)
            caller.hold()
            time.sleep(0.5)
            caller.resume()
            time.sleep(2)
            caller.hang_up()
            agent.wait("CALL_CLOSED")
            time.sleep(0.3)
            # before and after holding; this phone does not write down what it hears after it
            assert heard(agent, CALLER) > 3 and heard(caller, AGENT) > 1
            assert "SRTP is Enabled (cryptosuite=AES_CM_128_HMAC_SHA1_80)" in caller.text()
        assert scene.facts_of(user).ended.cause == "caller-hung-up"
    finally:
        scene.acme.own.admin.UpdateTrunk(trunk={**trunk, "addresses": ["127.0.0.2"]}, update_mask="addresses")


def sipp(scenario, tmp_path, port, *args, host="127.0.0.1", timeout=60):
    cmd = ["sipp", "-sn", scenario, "-i", host, "-p", str(port), "-mi", host, "-nostdin", "-trace_err", "-error_file", str(tmp_path / (scenario + ".err")),
           "-timeout", str(timeout), *args]
    return subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=open(tmp_path / (scenario + ".out"), "wb"), stderr=subprocess.STDOUT, cwd=tmp_path)


def test_sipps_stock_uac_and_uas_are_caller_and_agent_GT_2_1_2(scene, tmp_path):
    a = scene.acme.agents["1001"]
    port = free_port(socket.SOCK_DGRAM)
    a.phone = scene.ua("1001", "acme.example", password=a.password).register(contact="<sip:1001@127.0.0.1:%d>" % port)
    a.sign_in()
    a.ready()
    scene.working.append(a)
    uas = sipp("uas", tmp_path, port)
    try:
        uac = sipp("uac", tmp_path, free_port(socket.SOCK_DGRAM), "-s", scene.acme.number_of("sales"), "-m", "3", "-r", "1", "-l", "1", "-d", "1500",
                   "%s:%d" % scene.sip, host=scene.acme.trunk)
        assert uac.wait(60) == 0, (tmp_path / "uac.out").read_text(errors="replace")[-1500:]
    finally:
        uas.terminate()
        uas.wait(10)
    def mine(facts):
        return [c for c in facts.calls.values() if c.offered and c.offered.caller == "sipp" and c.events[0].time_ms >= scene.since_ms]
    calls = mine(settled(scene.brokers, lambda f: len(mine(f)) == 3 and all(c.ended for c in mine(f)), timeout=15))
    assert [(c.ended.disposition, c.agent_id) for c in calls] == [("answered", "1001")] * 3


def test_a_client_of_forty_lines_places_a_call_by_hand(scene):
    """Nothing but a socket and text, as somebody would try it first."""
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((scene.acme.trunk, 0))
    s.settimeout(5)
    me = "%s:%d" % s.getsockname()
    number = scene.acme.number_of("sales")
    body = "v=0\r\no=x 1 1 IN IP4 %s\r\ns=x\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n" % (scene.acme.trunk, scene.acme.trunk)

    def send(method, cseq, to, branch, content=""):
        s.sendto(("%s sip:%s@%s:%d SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s\r\nFrom: <sip:+4917060002@%s>;tag=x\r\nTo: %s\r\nCall-ID: by-hand-%s\r\n"
                  "CSeq: %d %s\r\nContact: <sip:%s>\r\nMax-Forwards: 70\r\n%sContent-Length: %d\r\n\r\n%s" % (
                      method, number, *scene.sip, me, branch, me, to, me, cseq, method, me, "Content-Type: application/sdp\r\n" if content else "",
                      len(content), content)).encode(), scene.sip)

    def answer():
        while True:
            text = s.recv(65536).decode()
            if not text.startswith("SIP/2.0 1"):
                return text
    to = "<sip:%s@%s:%d>" % (number, *scene.sip)
    send("INVITE", 1, to, "a", body)
    ok = answer()
    assert ok.startswith("SIP/2.0 200") and "m=audio" in ok
    to = next(line[4:] for line in ok.split("\r\n") if line.startswith("To: "))
    send("ACK", 1, to, "b")
    time.sleep(0.3)
    send("BYE", 2, to, "c")
    assert answer().startswith("SIP/2.0 200")
    assert scene.facts_of("+4917060002").ended.disposition == "abandoned"


TORTURE = [
    b"\r\n\r\n", b"\0" * 200, b"INVITE", b"INVITE sip:x SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"INVITE sip:%s@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: t1\r\nCSeq: 1 INVITE\r\n"
    b"Content-Type: application/sdp\r\nContent-Length: 9999999\r\n\r\nv=0\r\nm=audio 49NSE=\"d9\"\r\n",
    b"INVITE sip:%s@h SIP/7.0\r\nVia: SIP/7.0/UDP h;branch=z9hG4bKy\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: t2\r\nCSeq: 1 INVITE\r\n\r\n",
    b"INVITE sip:%s@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKz\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: t3\r\nCSeq: 4294967296 INVITE\r\n"
    b"Max-Forwards: 0\r\nContact: <sip:" + b"a" * 3000 + b"@b>\r\nContent-Length: 0\r\n\r\n",
    b"REGISTER sip:acme.example SIP/2.0\r\n" + b"Via: SIP/2.0/UDP h;branch=z9hG4bKq\r\n" * 300 + b"\r\n",
    b"BYE sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKb\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: no-such\r\nCSeq: 1 BYE\r\n\r\n",
    b"INVITE sip:%00@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKn\r\nFrom: <sip:\xff\xfe@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: t4\r\nCSeq: 1 INVITE\r\n\r\n",
]


def test_a_good_call_goes_on_beside_a_hail_of_malformed_sip_and_rtp(scene):
    before = scene.cluster.status()["edge-1"]["restarts"]
    agent = scene.agent("1001", answers=0.05)
    call = scene.call("sales", "+4917060003").wait_hears(AGENT, 0.3)
    rng = random.Random(4711)
    start = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as known, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as strange:
        known.bind((scene.acme.trunk, 0))
        strange.bind(("127.0.0.9", 0))
        for i in range(600):
            text = bytearray(TORTURE[i % len(TORTURE)].replace(b"%s", scene.acme.number_of("sales").encode()))
            for _ in range(rng.randrange(4)):
                if text:
                    text[rng.randrange(len(text))] = rng.randrange(256)
            (known if i % 2 else strange).sendto(bytes(text), scene.sip)
            known.sendto(os.urandom(rng.randrange(1, 300)), call.rtp.remote)
            if i % 20 == 0:
                time.sleep(0.02)
        with socket.create_connection(scene.sip) as tcp:
            tcp.sendall(TORTURE[6] + os.urandom(2000))
    call.wait_hears(AGENT, 1.0)
    agent.phone.wait_call().wait_hears(CALLER, 1.0)
    assert call.rtp.loudest_gap(start, time.monotonic()) < 1.0
    second = scene.call("sales", "+4917060004").wait_hears(MUSIC, 0.2)
    second.hang_up()
    call.hang_up()
    assert scene.cluster.status()["edge-1"]["restarts"] == before
