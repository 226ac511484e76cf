"""Attacks on the edge and on the audio, each as somebody would try it (GT-15; "Attacks to withstand" of the reliability rules)."""
import hashlib
import os
import re
import socket
import statistics
import struct
import time

import pytest
from sipmsg import Message, digest, md5, sdp, uri_of
from sipwire import Wire, read_tcp
from test_torture import edge
from world import AGENT, CALLER, MUSIC

REALM = "acme.example"


@pytest.fixture
def stranger(scene):
    with Wire(scene.address(77), scene.sip) as w:
        yield w


def request(wire, method, uri, user, n, extra="", body="", domain=REALM, to=None, via="UDP"):
    """A well-formed request of a wire; n makes it its own."""
    return ("%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;branch=z9hG4bK%s;rport\r\nFrom: <sip:%s@%s>;tag=f%s\r\nTo: <sip:%s@%s>\r\nCall-ID: attack-%s\r\n"
            "CSeq: 1 %s\r\nContact: <sip:%s@%s>\r\nMax-Forwards: 70\r\n%s%sContent-Length: %d\r\n\r\n%s" % (
                method, uri, via, wire.at, n, user, domain, n, to or user, domain, n, method, user, wire.at, extra,
                "Content-Type: application/sdp\r\n" if body else "", len(body), body))


def fresh():
    return "%x" % int.from_bytes(os.urandom(8), "big")


def ask(wire, known, data):
    """The one answer to it, or None."""
    got = wire.answers(data, known=known)
    assert len(got) <= 1, [m.start for m in got]
    return got[0] if got else None


def sent(wire, method, user, extra="", uri=None, **more):
    return request(wire, method, uri or "sip:%s" % REALM, user, fresh(), extra, **more)


def tries(wire, known, method, user, password, uri=None):
    """Without and then with a password: both answers."""
    uri = uri or "sip:%s" % REALM
    first = ask(wire, known, sent(wire, method, user, uri=uri))
    if first is None or first.status != 401:
        return first, None
    line = "Authorization: %s\r\n" % digest(first.get("www-authenticate"), method, uri, user, password)
    return first, ask(wire, known, sent(wire, method, user, line, uri=uri))


# ---- enumeration ----

def anonymous(m, user):
    """The bytes of an answer without what must differ."""
    text = m.text().replace(user, "USER")
    return re.sub(r'(tag=|branch=|nonce="|attack-)[^;"\s]+', r"\1*", text)


@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_known_and_unknown_users_get_the_same_answers_GT_15(scene, trunk, method):
    uri = "sip:%s" % REALM if method == "REGISTER" else "sip:%s@%s" % (scene.acme.number_of("sales"), REALM)
    said = {}
    with Wire(scene.address(80), scene.sip) as w:
        for user in ("1002", "9999"):
            said[user] = [anonymous(m, user) for m in tries(w, trunk, method, user, "wrong", uri)]
    assert said["1002"] == said["9999"]
    assert said["1002"][0].startswith("SIP/2.0 401") and said["1002"][1].startswith("SIP/2.0 403")


def test_the_time_of_an_answer_does_not_tell_who_exists_GT_15(scene, trunk):
    took = {"1002": [], "9999": []}
    with Wire(scene.address(82), scene.sip) as w:
        challenge = ask(w, trunk, sent(w, "REGISTER", "1002")).get("www-authenticate")
        for round_ in range(3):
            for user in took:
                with Wire(scene.address(90 + 2 * round_ + (user == "9999")), scene.sip) as guess:
                    for _ in range(7):  # one below the limit
                        line = "Authorization: %s\r\n" % digest(challenge, "REGISTER", "sip:" + REALM, user, "wrong")
                        guess.send(sent(guess, "REGISTER", user, line))
                        start = time.perf_counter()
                        assert guess.receive(5).status == 403
                        took[user].append(time.perf_counter() - start)
    known, unknown = (statistics.median(t) for t in took.values())
    assert abs(known - unknown) < 0.005 + max(known, unknown) / 2, (known, unknown)  # a lookup in a database would be seen


# ---- guessing ----

@pytest.mark.parametrize("method", ["REGISTER", "INVITE"])
def test_a_guesser_is_soon_not_heard_and_the_user_elsewhere_is_GT_15(scene, trunk, method):
    uri = "sip:%s" % REALM if method == "REGISTER" else "sip:%s@%s" % (scene.acme.number_of("sales"), REALM)
    with Wire(scene.address(100 + (method == "INVITE")), scene.sip) as w:
        answers = [tries(w, trunk, method, "1003", "guess-%d" % i, uri)[1] for i in range(14)]
    said = [m.status if m else None for m in answers]
    assert said[:7] == [403] * 7 and said[-1] is None, said
    scene.ua("1003", REALM, password=scene.acme.agents["1003"].password).register().register(expires=0)


# ---- scanners ----

SCANNERS = ["friendly-scanner", "sipvicious", "sip-scan", "sipcli/v1.8", "VaxSIPUserAgent/3.1"]


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "BYE", "NOSUCH"])
def test_a_scanner_hears_nothing_GT_15(scene, trunk, stranger, method):
    host = "%s:%d" % scene.sip
    for agent in SCANNERS:
        data = request(stranger, method, "sip:100@%s" % host, "100", fresh(), "User-Agent: %s\r\n" % agent, domain=host,
                       body=sdp(stranger.host, 4000) if method == "INVITE" else "")
        assert [m.text() for m in stranger.answers(data, known=trunk)] == []
        got, _ = stranger.tcp(data.replace("/UDP", "/TCP").encode(), 0.1)
        assert got == []
    assert stranger.collect(0.3) == []


def test_stun_is_not_answered_GT_15(scene, trunk, stranger):
    """The SIP library would, to everybody."""
    binding = struct.pack("!HHI12s", 1, 0, 0x2112A442, b"0123456789ab")
    for wire in (stranger, trunk):
        for data in (binding, binding[:4] + bytes(16), b"\0", b"\1" * 60, b""):
            assert wire.answers(data, known=trunk) == []
    assert stranger.collect(0.2) == []


def test_no_answer_is_much_larger_than_what_it_answers_GT_15(scene, trunk, stranger):
    """Spoofed amplification: only who names a domain of ours is answered at all; the shortest such request is answered by a challenge."""
    sizes = []
    for method in ("REGISTER", "INVITE", "OPTIONS", "BYE", "NOSUCH"):
        n = fresh()
        short = ("%s sip:%s SIP/2.0\r\nv:SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nf:<sip:a@b>;tag=1\r\nt:<sip:a@%s>\r\ni:%s\r\nCSeq:1 %s\r\n"
                 "m:<sip:a@b>\r\n\r\n" % (method, REALM, stranger.at, n, REALM, n, method)).encode()
        got = stranger.answers(short, known=trunk)
        sizes.append((method, len(short), [len(m.text()) for m in got]))
        assert len(got) <= 1 and sum(len(m.text()) for m in got) <= 3 * len(short), sizes
    time.sleep(1.2)
    assert stranger.collect(0.1) == []  # and nothing again after T1


# ---- digest, as a server ----

def credentials(challenge, **change):
    """Authorization of 1002 with parts changed; None leaves one out."""
    p = dict(re.findall(r'(\w+)="?([^",\s]+)"?', challenge))
    f = {"username": "1002", "realm": REALM, "nonce": p["nonce"], "uri": "sip:" + REALM, "qop": "auth", "nc": "00000001", "cnonce": "c0ffee",
         "algorithm": "MD5", "method": "REGISTER", "password": None, **change}
    ha1 = md5("%s:%s:%s" % (f["username"], f.get("ha1_realm", f["realm"]), f["password"]))
    if f["algorithm"] == "MD5-sess":
        ha1 = md5("%s:%s:%s" % (ha1, f["nonce"], f["cnonce"]))
    ha2 = md5("%s:%s%s" % (f["method"], f["uri"], ":" + md5("") if f["qop"] == "auth-int" else ""))
    if f["qop"]:
        response = md5(":".join([ha1, f["nonce"], f["nc"], f["cnonce"], f["qop"], ha2]))
    else:
        response = md5(":".join([ha1, f["nonce"], ha2]))
    if f["algorithm"] == "SHA-512-256":
        response = hashlib.new("sha512_256", b"x").hexdigest()
    out = 'Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=%s' % (
        f["username"], f["realm"], f["nonce"], f["uri"], response, f["algorithm"])
    if f["qop"]:
        out += ', qop=%s, nc=%s, cnonce="%s"' % (f["qop"], f["nc"], f["cnonce"])
    return "Authorization: %s%s\r\n" % (out, f.get("more", ""))


DIGEST = {  # what is changed: the answer
    "nothing is changed": ({}, 200),
    "the realm of another company": ({"realm": "huaxia.example"}, 401),
    "right realm, hashed with another": ({"ha1_realm": "huaxia.example"}, 403),
    "a made-up nonce": ({"nonce": "00" * 32}, 401),
    "a nonce with a changed time": ({"nonce_time": True}, 401),
    "qop auth-int": ({"qop": "auth-int"}, 403),
    "no qop at all (RFC 2069)": ({"qop": ""}, 403),
    "MD5-sess": ({"algorithm": "MD5-sess"}, 400),
    "an algorithm we do not have": ({"algorithm": "SHA-512-256"}, 400),
    "SHA-256 named, MD5 hashed": ({"algorithm": "SHA-256"}, 403),
    "hashed for another method": ({"method": "INVITE"}, 403),
    "nonce count of zero": ({"nc": "00000000"}, 400),
    "nonce count that is no number": ({"nc": "0000000g"}, 400),
    "the user twice": ({"more": ', username="1001"'}, 400),
    "a user with a NUL": ({"username": "1002%00"}, 403),
    "an empty user": ({"username": ""}, 403),
    "SQL as a user": ({"username": "1002'--"}, 403),
    "a user of 300 characters": ({"username": "a" * 300}, 400),
}


@pytest.mark.parametrize("i, what", list(enumerate(DIGEST)), ids=[w.replace(" ", "_") for w in DIGEST])
def test_digest_answers_that_are_not_quite_right_GT_15(scene, trunk, i, what):
    change, wanted = DIGEST[what]
    change = dict(change, password=scene.acme.agents["1002"].password)
    with Wire(scene.address(110 + i), scene.sip) as w:
        challenge = ask(w, trunk, sent(w, "REGISTER", "1002")).get("www-authenticate")
        if change.pop("nonce_time", False):
            nonce = re.search(r'nonce="([^"]+)"', challenge).group(1)
            change["nonce"] = ("%x" % ((int(nonce[0], 16) + 1) % 16)) + nonce[1:]
        r = ask(w, trunk, sent(w, "REGISTER", "1002", "Expires: 0\r\n" + credentials(challenge, **change)))
        assert r.status == wanted, r.start
        if wanted == 401 and "nonce" in change:
            assert "stale=true" in r.get("www-authenticate")


def test_an_answer_that_was_heard_is_of_no_use_again_GT_15(scene, trunk):
    password = scene.acme.agents["1002"].password
    with Wire(scene.address(140), scene.sip) as w:
        challenge = ask(w, trunk, sent(w, "REGISTER", "1002")).get("www-authenticate")
        line = credentials(challenge, password=password)
        assert ask(w, trunk, sent(w, "REGISTER", "1002", "Expires: 0\r\n" + line)).status == 200
        again = ask(w, trunk, sent(w, "REGISTER", "1002", "Expires: 0\r\n" + line))
        assert again.status == 401 and "stale=true" in again.get("www-authenticate")
        with Wire(scene.address(141), scene.sip) as thief:  # from elsewhere, for a contact of the thief's
            assert ask(thief, trunk, sent(thief, "REGISTER", "1002", line)).status == 401
            call = sent(thief, "INVITE", "1002", line, uri="sip:%s@%s" % (scene.acme.number_of("sales"), REALM), body=sdp(thief.host, 4000))
            assert ask(thief, trunk, call).status in (401, 403)
        # a lower or the same count of the same nonce; a higher one is the phone's own next request
        for nc, wanted in (("00000005", 200), ("00000004", 401), ("00000005", 401), ("00000006", 200)):
            r = ask(w, trunk, sent(w, "REGISTER", "1002", "Expires: 0\r\n" + credentials(challenge, password=password, nc=nc)))
            assert r.status == wanted, (nc, r.start)


def test_a_user_cannot_register_or_call_as_another_GT_15(scene, trunk):
    password = scene.acme.agents["1002"].password
    with Wire(scene.address(142), scene.sip) as w:
        challenge = ask(w, trunk, sent(w, "REGISTER", "1001")).get("www-authenticate")
        assert ask(w, trunk, sent(w, "REGISTER", "1001", credentials(challenge, password=password))).status == 403
        uri = "sip:%s@%s" % (scene.acme.number_of("sales"), REALM)
        challenge = ask(w, trunk, sent(w, "INVITE", "1001", uri=uri, body=sdp(w.host, 4000))).get("www-authenticate")
        line = credentials(challenge, password=password, method="INVITE", uri=uri)
        assert ask(w, trunk, sent(w, "INVITE", "1001", line, uri=uri, body=sdp(w.host, 4000))).status == 403


# ---- digest, as a client ----

@pytest.mark.parametrize("status, field, realm", [(401, "WWW-Authenticate", "evil.example"), (401, "WWW-Authenticate", REALM),
                                                  (407, "Proxy-Authenticate", "evil.example"), (407, "Proxy-Authenticate", REALM)])
def test_a_phone_that_challenges_gets_no_digest_GT_15(scene, trunk, status, field, realm):
    agent = scene.acme.agents["1001"]
    with Wire(scene.address(143), scene.sip) as phone:
        challenge = ask(phone, trunk, sent(phone, "REGISTER", "1001")).get("www-authenticate")
        line = credentials(challenge, username="1001", password=agent.password)
        assert ask(phone, trunk, sent(phone, "REGISTER", "1001", line)).status == 200
        agent.sign_in()
        agent.ready()
        scene.working.append(agent)
        call = scene.call("ring", "+4917071001")
        invite = wait_request(phone, "INVITE")
        phone.send(reply(invite, "%d Who are you" % status, '%s: Digest realm="%s", nonce="abc", algorithm=MD5, qop="auth"\r\n' % (field, realm)))
        after = phone.collect(1.5)
        assert [m.method for m in after if m.is_request and m.method != "ACK"] == []
        assert not any(m.get("authorization") or m.get("proxy-authorization") for m in after)
        call.hang_up()
        phone.answers(sent(phone, "REGISTER", "1001", "Expires: 0\r\n" + credentials(challenge, username="1001", password=agent.password, nc="00000002")), known=trunk)


def wait_request(wire, method, seconds=10):
    until = time.monotonic() + seconds
    while True:
        m = wire.receive(until - time.monotonic())
        assert m is not None, "no %s" % method
        if m.is_request and m.method == method:
            return m


def reply(request_, status, extra="", body=""):
    """An answer as text."""
    lines = ["SIP/2.0 " + status] + ["Via: " + v for v in request_.all("via")]
    lines += ["%s: %s" % (n, request_.get(n.lower())) for n in ("From", "Call-ID", "CSeq")]
    lines.append("To: %s%s" % (request_.get("to"), "" if ";tag=" in request_.get("to") else ";tag=attack"))
    return "\r\n".join(lines) + "\r\n%sContent-Length: %d\r\n\r\n%s" % (extra, len(body), body)


# ---- where an answer goes ----

@pytest.mark.parametrize("trick", ["maddr=%s", "received=%s", "received=%s;rport=%d", "maddr=%s;ttl=255"])
@pytest.mark.parametrize("version", ["2.0", "7.0"])
def test_a_via_sends_no_answer_to_a_third_party_GT_15(scene, trunk, trick, version):
    with Wire(scene.address(144), scene.sip, port=5060) as victim:
        via = trick % ((victim.host, 5060) if "%d" in trick else victim.host)
        for host in (trunk.at, "host.example.com"):
            n = fresh()
            data = ("OPTIONS sip:x@%s SIP/%s\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;%s\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: %s\r\n"
                    "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n" % (REALM, version, host, n, via, n))
            assert [m.status for m in trunk.answers(data)] == [200 if version == "2.0" else 505]
        assert victim.collect(0.2) == []


def test_a_route_that_points_elsewhere_is_not_followed_GT_15(scene, trunk):
    with Wire(scene.address(145), scene.sip, port=5060) as victim:
        route = "Route: <sip:%s:5060;lr>, <sip:%s:5060>\r\n" % (victim.host, victim.host)
        for method in ("OPTIONS", "MESSAGE", "REGISTER"):
            assert len(trunk.answers(request(trunk, method, "sip:x@%s:5060" % victim.host, "x", fresh(), route, domain=victim.host))) == 1
        scene.agent("1001", answers=0.05)
        n = fresh()
        data = request(trunk, "INVITE", "sip:%s@%s" % (scene.acme.number_of("held"), victim.host), "+4917071002", n, route,
                       body=sdp(trunk.host, 4000), domain="gateway.example")
        trunk.send(data)
        r = next(m for m in iter(lambda: trunk.receive(10), None) if m.status >= 200)
        assert r.status == 200
        trunk.send(dialog(trunk, r, "ACK", 1))
        assert victim.collect(0.3) == []
        assert trunk.answers(dialog(trunk, r, "BYE", 2))[-1].status == 200


def dialog(wire, r, method, cseq):
    return ("%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nMax-Forwards: 70\r\n"
            "Content-Length: 0\r\n\r\n" % (method, uri_of(r.get("contact")), wire.at, fresh(), r.get("from"), r.get("to"), r.get("call-id"), cseq, method))


def test_a_call_that_comes_round_is_ended_and_no_storm_GT_15(scene, trunk):
    """An agent whose contact is the edge itself and a number that rings that agent."""
    agent = scene.acme.agents["1001"]
    host = "%s:%d" % scene.sip
    with Wire(scene.address(146), scene.sip) as phone:
        challenge = ask(phone, trunk, sent(phone, "REGISTER", "1001")).get("www-authenticate")
        line = credentials(challenge, username="1001", password=agent.password)
        loop = sent(phone, "REGISTER", "1001", line).replace("Contact: <sip:1001@%s>" % phone.at, "Contact: <sip:%s@%s>" % (scene.acme.number_of("ring"), host))
        assert ask(phone, trunk, loop).status == 200
        agent.sign_in()
        agent.ready()
        scene.working.append(agent)
        before = scene.cluster.metric("edge-1", "trunkline_edge_offers_total"), scene.cluster.metric("edge-1", "trunkline_edge_dials_total")
        call = scene.call("ring", "+4917071003")
        call.wait_ended(20)
        after = scene.cluster.metric("edge-1", "trunkline_edge_offers_total"), scene.cluster.metric("edge-1", "trunkline_edge_dials_total")
        assert after[0] - before[0] <= 2 and after[1] - before[1] <= 3
        phone.answers(sent(phone, "REGISTER", "1001", "Contact: *\r\nExpires: 0\r\n" + credentials(
            challenge, username="1001", password=agent.password, nc="00000002")).replace("Contact: <sip:1001@%s>\r\n" % phone.at, ""), known=trunk)
    assert trunk.answers(request(trunk, "INVITE", "sip:%s@%s" % (scene.acme.number_of("sales"), host), "x", fresh(), body=sdp(trunk.host, 4000)).replace(
        "Max-Forwards: 70", "Max-Forwards: 0"))[0].status == 483


# ---- what would be put into other people's messages ----

NAMES = ['"A\\\r\n B"', '"A\x01\x02\x7fB"', '"x\\" <sip:evil@evil>;tag=1, \\"y"', '"%0d%0aX-Evil: 1"', '"\xe2\x80\xae\xe2\x80\x8b"', '"' + "n" * 3000 + '"']


@pytest.mark.parametrize("i, name", list(enumerate(NAMES)), ids=["folded", "controls", "quotes", "escaped_crlf", "bidi", "long"])
def test_a_display_name_injects_nothing_into_phones_and_facts_GT_15(scene, trunk, i, name):
    agent = scene.agent("1001", answers=0.05)
    user = "+49170720%02d" % i
    n = fresh()
    data = request(trunk, "INVITE", "sip:%s@%s" % (scene.acme.number_of("sales"), REALM), user, n, body=sdp(trunk.host, 4000),
                   domain="gateway.example").replace("From: <", "From: %s <" % name)
    trunk.send(data.encode("latin-1"))
    r = next((m for m in iter(lambda: trunk.receive(10), None) if m.status >= 200), None)
    assert r is not None
    if r.status == 400:
        return
    assert r.status == 200
    trunk.send(dialog(trunk, r, "ACK", 1))
    ringing = agent.phone.wait_call()
    head = ringing.invite
    assert not head.get("x-evil") and len(head.all("from")) == 1 and user.lstrip("+") in head.get("from")
    assert not re.search(r"[\x00-\x1f\x7f]", "".join(v for _, v in head.headers))
    assert len(head.get("from")) < 700
    time.sleep(0.2)
    trunk.answers(dialog(trunk, r, "BYE", 2))
    facts = scene.facts_of(user)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]|\\\\[nr0]", str(facts.offered))


BAD_CONTACTS = ["<sip:a@h?X-Evil=1>", "<sip:a@h?Route=%3Csip:evil%3E>", "<sip:a@h h>", "<sip:a%0d%0aX-Evil:1@>", "*", "<tel:+4930>", "<sip:@>"]


@pytest.mark.parametrize("contact", BAD_CONTACTS)
def test_a_contact_of_a_caller_that_is_none_is_refused_GT_15(scene, trunk, contact):
    data = request(trunk, "INVITE", "sip:%s@%s" % (scene.acme.number_of("held"), REALM), "+4917071004", fresh(), body=sdp(trunk.host, 4000),
                   domain="gateway.example")
    data = re.sub(r"Contact: .*\r\n", lambda m: "Contact: %s\r\n" % contact, data)
    assert [m.status for m in trunk.answers(data)] == [400]


@pytest.mark.parametrize("i, contact", list(enumerate(BAD_CONTACTS[:4] + BAD_CONTACTS[5:])))
def test_a_contact_of_a_phone_that_is_none_is_not_bound_GT_15(scene, trunk, i, contact):
    with Wire(scene.address(150 + i), scene.sip) as w:
        challenge = ask(w, trunk, sent(w, "REGISTER", "1002")).get("www-authenticate")
        data = sent(w, "REGISTER", "1002", credentials(challenge, password=scene.acme.agents["1002"].password))
        r = ask(w, trunk, re.sub(r"Contact: .*\r\n", lambda m: "Contact: %s\r\n" % contact, data))
        assert r.status == 400


# ---- TCP ----

def tcp_options(s, scene):
    at = "%s:%d" % s.getsockname()
    n = fresh()
    s.sendall(("OPTIONS sip:x@%s SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%s\r\nFrom: <sip:a@%s>;tag=1\r\nTo: <sip:a@%s>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\n"
               "Content-Length: 0\r\n\r\n" % (REALM, at, n, REALM, REALM, n)).encode())
    got, _ = read_tcp(s, 5)
    assert [m.status for m in got] == [200]


SLOW = {
    "half a message and silence": b"INVITE sip:x@acme.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@acme.exa",
    "a body of two gigabytes that does not come": b"INVITE sip:x@acme.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                                                  b"To: <sip:a@acme.example>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 2147483648\r\n\r\nv=0",
    "a length of more than 64 bits": b"INVITE sip:x@acme.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\n"
                                     b"To: <sip:a@acme.example>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 99999999999999999999\r\n\r\nv=0",
    "nothing at all": b"", "a NUL": b"\0", "TLS to the plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 64,
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


HELLO = bytes.fromhex("16030100c8010000c40303") + b"x" * 60  # the beginning of one


def test_slow_and_oversized_tcp_is_given_up_and_others_go_on_GT_15(scene, trunk):
    before = edge(scene)
    good = trunk.connect()
    held = scene.call("held", "+4917071005").wait("up")
    slow = {}
    for what, data in SLOW.items():
        s = slow[what] = trunk.connect()
        s.sendall(data)
    for what, data in (("nothing to the TLS port", b""), ("half a TLS hello", HELLO), ("SIP to the TLS port", SLOW["half a message and silence"])):
        s = slow[what] = socket.socket()
        s.connect((scene.sip[0], scene.sip[1] + 1))
        s.sendall(data)
    rss = scene.cluster.metric("edge-1", "process_resident_memory_bytes")
    with trunk.connect() as big:  # ten megabytes of header, for as long as anybody takes them
        big.settimeout(2)
        try:
            big.sendall(b"INVITE sip:x@acme.example SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKx\r\nX: ")
            for _ in range(160):
                big.sendall(b"x" * 65536)
        except OSError:
            pass
        tcp_options(good, scene)
        assert scene.cluster.metric("edge-1", "process_resident_memory_bytes") - rss < 16 << 20
    deadline, closed = time.monotonic() + 45, set()
    while time.monotonic() < deadline and len(closed) < len(slow):
        for what, s in slow.items():
            if what not in closed and read_tcp(s, 0.05)[1]:
                closed.add(what)
    assert closed == set(slow), "still open: %s" % sorted(set(slow) - closed)
    tcp_options(good, scene)
    good.close()
    assert held.state == "up" and edge(scene) == before
    held.hang_up()
    scene.call("sales", "+4917071006").wait("up").hang_up()


@pytest.mark.parametrize("length", [40000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 63])
def test_a_second_message_on_a_connection_has_the_same_bound_GT_15(scene, trunk, stranger, length):
    """The SIP library forgot it, tried to allocate the Content-Length and aborted."""
    before = edge(scene)
    for wire in (stranger, trunk):
        for start in ("OPTIONS sip:x@%s SIP/2.0" % REALM, "SIP/2.0 200 OK"):
            first = request(wire, "OPTIONS", "sip:x@%s" % REALM, "x", fresh(), via="TCP")
            second = start + request(wire, "OPTIONS", "x", "x", fresh(), via="TCP").partition(" SIP/2.0")[2].replace("Content-Length: 0", "Content-Length: %d" % length)
            wire.tcp((first + second + "x" * 100).encode(), 0.5)
    trunk.probe()
    assert edge(scene) == before


def test_a_thousand_idle_connections_leave_room_for_the_others_GT_15(scene, trunk, stranger):
    before = edge(scene)
    idle = []
    for _ in range(1000):
        s = socket.socket()
        s.bind((stranger.host, 0))
        s.connect(scene.sip)
        idle.append(s)
    with trunk.connect() as good:
        tcp_options(good, scene)
        call = scene.call("held", "+4917071007").wait("up")
        call.hang_up()
        deadline = time.monotonic() + 60
        while any(s for s in idle) and time.monotonic() < deadline:
            for i, s in enumerate(idle):
                if s and read_tcp(s, 0)[1]:
                    s.close()
                    idle[i] = None
            time.sleep(0.5)
        left = sum(1 for s in idle if s)
        assert left == 0, "%d of 1000 are still open after a minute" % left
        tcp_options(good, scene)
    assert edge(scene) == before


# ---- audio ----

def rtp(seq, ssrc=0x1234, payload=b"\x2a" * 160, pt=8, stamp=None):
    return struct.pack("!BBHII", 0x80, pt, seq & 0xFFFF, (seq * 160 if stamp is None else stamp) & 0xFFFFFFFF, ssrc) + payload


def test_a_stranger_gets_no_audio_and_puts_none_in_GT_15(scene):
    agent = scene.agent("1001", answers=0.05)
    call = scene.caller("+4917071008", speaks=None)
    call = call.call(scene.acme.number_of("sales"))
    call.wait_hears(AGENT, 0.3)
    call.rtp.muted = True  # the party is silent: the best moment
    time.sleep(0.3)
    theirs = agent.phone.wait_call()
    before = len(theirs.rtp.heard)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bleed, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as same_host:
        bleed.bind((scene.address(160), 0))
        same_host.bind((call.ua.host, 0))
        for i in range(250):
            bleed.sendto(rtp(i), call.rtp.remote)
            same_host.sendto(rtp(i), call.rtp.remote)
            same_host.sendto(rtp(call.rtp.seq + i, call.rtp.ssrc), call.rtp.remote)  # the party's own SSRC and sequence
            time.sleep(0.002)
        time.sleep(0.3)
        for s in (bleed, same_host):
            s.setblocking(False)
            with pytest.raises(BlockingIOError):
                s.recv(2048)
    injected = [p for _, _, kind, p in theirs.rtp.heard[before:] if p == b"\x2a" * 160]
    assert injected == []
    call.rtp.muted = False
    call.rtp.say(CALLER)
    theirs.wait_hears(CALLER, 0.5)
    call.hang_up()


def test_forged_rtcp_and_a_new_ssrc_do_not_disturb_a_call_GT_15(scene):
    agent = scene.agent("1001", answers=0.05)
    call = scene.call("sales", "+4917071009").wait_hears(AGENT, 0.3)
    theirs = agent.phone.wait_call()
    host, port = call.rtp.remote
    bye = struct.pack("!BBHI", 0x81, 203, 1, call.rtp.ssrc)
    report = struct.pack("!BBHIIIIII", 0x80, 200, 6, call.rtp.ssrc, 0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0xFFFFFFFF)
    start = time.monotonic()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as party:
        forger.bind((scene.address(161), 0))
        party.bind((call.ua.host, 0))
        for i in range(200):
            for s in (forger, party):
                s.sendto(report + bye, (host, port + 1))
                s.sendto(os.urandom(1 + i), (host, port + 1))
            time.sleep(0.002)
        call.rtp.ssrc, call.rtp.seq = call.rtp.ssrc ^ 0xFFFF, 7  # the phone itself begins anew
        theirs.wait_hears(CALLER, 1.0)
        for s in (forger,):
            s.setblocking(False)
            with pytest.raises(BlockingIOError):
                s.recv(2048)
    assert call.rtp.loudest_gap(start, time.monotonic()) < 1.0  # who is believed takes the audio away for good
    assert call.state == "up"
    call.hang_up()


def test_a_hail_on_every_media_port_reaches_no_call_GT_15(scene):
    agent = scene.agent("1001", answers=0.05)
    call = scene.call("sales", "+4917071010").wait_hears(AGENT, 0.3)
    theirs = agent.phone.wait_call()
    start, before = time.monotonic(), len(theirs.rtp.heard)
    host, port = call.rtp.remote
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((scene.address(162), 0))
        s.setblocking(False)
        for i in range(3):
            for p in range(port - 200, port + 200):
                try:
                    s.sendto(rtp(i), (host, p))
                except OSError:
                    pass
            time.sleep(0.05)
        with pytest.raises((BlockingIOError, ConnectionRefusedError)):
            while True:
                try:
                    s.recv(2048)
                except ConnectionRefusedError:
                    continue
                raise AssertionError("a media port answers a stranger")
    theirs.wait_hears(CALLER, 0.5)
    assert not any(p == b"\x2a" * 160 for _, _, _, p in theirs.rtp.heard[before:])
    assert call.rtp.loudest_gap(start, time.monotonic()) < 1.0
    call.hang_up()
