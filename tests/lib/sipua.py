"""A light SIP telephone for tests: UDP, digest, G.711, keys; many in one process, every header at hand.

    ua = Ua("1001", domain="acme.example", server=("127.0.0.1", 20060), password="…", speaks=700)
    ua.register()
    call = ua.wait_call()          # it rings; call.invite is the INVITE as it came
    call.answer(); call.wait("up")
    call.rtp.hears(440)            # seconds of that tone

A caller: Ua("+4930123", domain=…, server=…).call("+49301000"). All of them share the thread of engine.py.
"""
import random
import socket
import string
import time

from engine import Engine
from rtpleg import RtpLeg
from sipmsg import Message, digest, display_of, sdp, sdp_of, tag_of, uri_of, user_of

REASONS = {100: "Trying", 180: "Ringing", 200: "OK", 404: "Not Found", 405: "Method Not Allowed", 408: "Request Timeout",
           480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 486: "Busy Here", 487: "Request Terminated",
           488: "Not Acceptable Here", 500: "Server Error", 503: "Service Unavailable", 603: "Decline"}


def token(n=10):
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=n))


class CallError(AssertionError):
    pass


class Call:
    """state: calling, ringing, up, ended. status: the last final status of the INVITE. ended_by: "us", "them"."""

    def __init__(self, ua, outgoing, call_id, speaks):
        self.ua, self.outgoing, self.id = ua, outgoing, call_id
        self.state, self.status, self.ended_by, self.reason = "calling", 0, "", ""
        self.rtp = RtpLeg(ua.engine, ua.host, speaks)
        self.local, self.remote, self.target = "", "", ""
        self.invite = self.response = self.bye = None
        self.cseq, self.remote_direction, self.version = random.randrange(1, 1000), "sendrecv", 1
        self.at = {"calling": time.monotonic()}
        self.provisional = []
        self.acked = False
        self.cancelled = False
        self.late_offer = False

    # ---- for tests ----
    @property
    def caller(self):
        return user_of(self.invite.get("from"))

    @property
    def caller_name(self):
        return display_of(self.invite.get("from"))

    @property
    def called(self):
        """The number that the caller dialled, as the telephone is told it (RFC 7315)."""
        return user_of(self.invite.get("p-called-party-id"))

    def wait(self, state, timeout=10):
        order = ["calling", "ringing", "up", "ended"]
        ok = self.ua.engine.wait(lambda: order.index(self.state) >= order.index(state), timeout)
        if not ok or (self.state != state and state != "ringing"):
            raise CallError("%s: is %s (status %d, ended by %s %s), wanted %s within %s s" % (
                self, self.state, self.status, self.ended_by or "nobody", self.reason, state, timeout))
        return self

    def wait_ended(self, timeout=10):
        return self.wait("ended", timeout)

    def wait_hears(self, hz, seconds=0.5, timeout=10, since=None):
        """Until this much of a tone was heard from now on (or since)."""
        since = time.monotonic() if since is None else since
        deadline = time.monotonic() + timeout
        while self.rtp.hears(hz, since) < seconds:
            if time.monotonic() > deadline:
                raise CallError("%s: hears %.1f s of %s Hz in %.1f s (%d packets), wanted %s" % (
                    self, self.rtp.hears(hz, since), hz, time.monotonic() - since, len(self.rtp.heard), seconds))
            time.sleep(0.1)
        return self

    def answer(self, status=200):
        self.ua.engine.call(self._answer, status)
        return self

    def reject(self, status=486):
        self.ua.engine.call(self._reject, status)

    def hang_up(self):
        """BYE, CANCEL or refusal: whatever the state asks for."""
        self.ua.engine.call(self._hang_up)
        return self

    def press(self, keys, pause=0.0):
        for k in keys:
            self.ua.engine.call(self.rtp.press, k)
            if pause:
                time.sleep(pause)

    def forget(self):
        """As if its BYE had been lost: the telephone knows nothing of the call any more."""
        self.ua.engine.call(self._forget)

    def hold(self):
        self.ua.engine.call(self._reinvite, "sendonly")

    def resume(self):
        self.ua.engine.call(self._reinvite, "sendrecv")

    def __str__(self):
        return "%s call %s of %s" % ("outgoing" if self.outgoing else "incoming", self.id[:12], self.ua.user)

    # ---- on the engine's thread ----
    def _forget(self):
        self.ua.by_id.pop(self.id, None)
        self._to("ended", "us", "forgotten")

    def _to(self, state, by="", reason=""):
        if self.state == "ended":
            return
        self.state = state
        self.at[state] = time.monotonic()
        if state == "ended":
            self.ended_by, self.reason = by, reason
            self.rtp.close()

    def _media(self, body):
        d = sdp_of(body)
        if d and d["port"]:
            self.remote_direction = d["direction"]
            self.rtp.sends = d["direction"] in ("sendrecv", "recvonly")
            self.rtp.start((d["host"], d["port"]), d["payloads"], d["event"])

    def _request(self, method, extra=(), body="", on_response=None, branch=None, cseq=None):
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        headers = [("via", self.ua.via(branch)), ("max-forwards", "70"), ("from", self.local), ("to", self.remote), ("call-id", self.id),
                   ("cseq", "%d %s" % (cseq, method)), ("contact", self.ua.contact), *extra]
        m = Message("%s %s SIP/2.0" % (method, self.target), headers, body)
        self.ua.transact(m, on_response)
        return m

    def _hang_up(self):
        if self.state == "ended":
            return
        if self.state == "up":
            self._request("BYE", on_response=lambda r: None)
            self._to("ended", "us", "bye")
        elif self.outgoing:
            self.cancelled = True
            self._cancel()
        else:
            self._reject(603)

    def _cancel(self):
        """Only after a provisional answer (RFC 3261 9.1): _on_response calls again when it comes too early."""
        if not self.provisional:
            return
        head = [(n, v) for n, v in self.invite.headers if n in ("via", "from", "to", "call-id", "max-forwards")]
        m = Message("CANCEL %s SIP/2.0" % self.invite.uri, head + [("cseq", "%d CANCEL" % self.invite.cseq)])
        self.ua.transact(m, lambda r: None)

    def _reject(self, status):
        self.status = status
        self.ua.respond(self.invite, status, to=self.local)
        self._to("ended", "us", "rejected")

    def _answer(self, status=200):
        if self.state == "ended":
            return
        self.status = status
        body = sdp(self.ua.host, self.rtp.port, self.ua.payloads)
        r = self.ua.respond(self.invite, status, to=self.local, extra=[("contact", self.ua.contact), ("content-type", "application/sdp")],
                            body=body)
        self._media(self.invite.body)
        self._to("up")
        self._repeat_200(r, 0.5, time.monotonic() + 32)

    def _repeat_200(self, response, wait, until):
        def again():
            if not self.acked and self.state == "up" and time.monotonic() < until:
                self.ua.send(response)
                self._repeat_200(response, min(4, wait * 2), until)
        self.ua.engine.later(wait, again)

    def _reinvite(self, direction):
        self.version += 1
        body = sdp(self.ua.host, self.rtp.port, self.ua.payloads, direction, self.version)
        self._request("INVITE", [("content-type", "application/sdp")], body, self._on_reinvite)

    def _on_reinvite(self, r):
        if r is not None and r.status >= 200:
            if r.status < 300:
                self._ack(r)
                self._media(r.body)
            self.reinvite_status = r.status

    def _ack(self, response):
        headers = [("via", self.ua.via()), ("max-forwards", "70"), ("from", self.local), ("to", self.remote), ("call-id", self.id),
                   ("cseq", "%d ACK" % response.cseq)]
        body = ""
        if self.late_offer:  # the offer came with the 200: our answer goes with the ACK
            headers += [("content-type", "application/sdp")]
            body = sdp(self.ua.host, self.rtp.port, self.ua.payloads[:1])
        self.ua.send(Message("ACK %s SIP/2.0" % self.target, headers, body))

    def _on_response(self, r):
        """To our INVITE."""
        if r is None:
            self.status = 408
            self._to("ended", "us", "no answer to INVITE")
            return
        if r.status < 200:
            self.provisional.append(r.status)
            if r.status > 100 and self.state == "calling":
                self._to("ringing")
            if r.body and self.state == "ringing":
                self._media(r.body)
            if self.cancelled:
                self._cancel()
            return
        self.status, self.response = r.status, r
        if r.status in (401, 407) and not self.invite.get("authorization") and not self.invite.get("proxy-authorization") and self.ua.password:
            self.ua.send_invite(self, r)
            return
        if r.status >= 300:
            self._to("ended", "us" if self.cancelled else "them", "status %d" % r.status)
            return
        again = self.state != "calling" and self.state != "ringing"
        self.remote, self.target = r.get("to"), uri_of(r.get("contact")) or self.target
        self._ack(r)
        if again:
            return
        if self.cancelled:  # too late: it was answered
            self._to("up")
            self._hang_up()
            return
        self._media(r.body)
        self._to("up")

    def _on_request(self, m):
        if m.method == "ACK":
            self.acked = True
        elif m.method == "BYE":
            self.bye = m
            self.ua.respond(m, 200)
            self._to("ended", "them", "bye")
        elif m.method == "CANCEL":
            self.ua.respond(m, 200)
            if self.state in ("calling", "ringing"):
                self.status = 487
                self.ua.respond(self.invite, 487, to=self.local)
                self._to("ended", "them", "cancel")
        elif m.method in ("INVITE", "UPDATE"):
            self._media(m.body)
            answer = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}.get(self.remote_direction, "sendrecv")
            self.version += 1
            body = sdp(self.ua.host, self.rtp.port, self.ua.payloads, answer, self.version) if m.body or m.method == "INVITE" else ""
            self.acked = False
            extra = [("contact", self.ua.contact)] + ([("content-type", "application/sdp")] if body else [])
            if m.get("session-expires"):
                extra.append(("session-expires", m.get("session-expires")))
            self.ua.respond(m, 200, extra=extra, body=body)
        else:
            self.ua.respond(m, 200)


class Ua:
    """answers: seconds after which it answers by itself (None: answer() does). rejects: this status to every call."""

    def __init__(self, user, domain, server, host="127.0.0.1", password="", speaks=None, answers=None, rejects=0, payloads=(8, 0), name="",
                 rings=True):
        self.engine = Engine.get()
        self.user, self.domain, self.server, self.host, self.password = user, domain, server, host, password
        self.speaks, self.answers, self.rejects, self.payloads, self.name, self.rings = speaks, answers, rejects, payloads, name, rings
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.contact = "<sip:%s@%s:%d>" % (user, host, self.port)
        self.calls, self.by_id, self.taken = [], {}, 0
        self.client, self.server_tx = {}, {}
        self.registered = 0
        self.log = []
        self.gone = False
        self.dead = False
        self.engine.post(self.engine.watch, self.sock, self._receive)

    # ---- for tests ----
    def register(self, expires=600, timeout=5, contact=None):
        box = []
        self.engine.call(self._register, expires, box, contact)
        if not self.engine.wait(lambda: box, timeout):
            raise CallError("%s: no answer to REGISTER from %s:%d in %s s" % (self.user, *self.server, timeout))
        if box[0] != 200:
            raise CallError("%s: REGISTER was answered %s" % (self.user, box[0]))
        return self

    def call(self, number, speaks=None, domain=None, late_offer=False):
        return self.engine.call(self._call, number, speaks, domain, late_offer)

    def wait_call(self, timeout=10):
        """The next incoming call not yet asked for."""
        n = self.taken
        if not self.engine.wait(lambda: len(self.incoming()) > n, timeout):
            raise CallError("%s: no call within %s s" % (self.user, timeout))
        self.taken += 1
        return self.incoming()[n]

    def incoming(self):
        return [c for c in self.calls if not c.outgoing]

    def close(self):
        """Ends what is up, then the socket."""
        for c in self.calls:
            if c.state != "ended":
                c.hang_up()
        self.vanish()

    def vanish(self):
        """Without a word: the wire is cut."""
        self.engine.call(self._vanish)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def fall_dead(self):
        """Its power is gone, the network behind it is not: nothing comes back any more, not even an ICMP message."""
        self.engine.call(self._fall_dead)

    # ---- on the engine's thread ----
    def _fall_dead(self):
        self.dead = True
        for c in self.calls:
            c.rtp.muted = True

    def _vanish(self):
        if self.gone:
            return
        self.gone = True
        for c in self.calls:
            c._to("ended", "us", "vanished")
        self.engine.unwatch(self.sock)
        self.sock.close()

    def via(self, branch=None):
        return "SIP/2.0/UDP %s:%d;rport;branch=%s" % (self.host, self.port, branch or "z9hG4bK" + token(16))

    def identity(self, tag=True):
        name = '"%s" ' % self.name if self.name else ""
        return "%s<sip:%s@%s>%s" % (name, self.user, self.domain, ";tag=" + token() if tag else "")

    def send(self, m, to=None):
        if self.gone or self.dead:
            return
        self.log.append((time.monotonic(), "out", m))
        try:
            self.sock.sendto(m.text().encode() if isinstance(m, Message) else m, to or self.server)
        except OSError:
            pass

    def transact(self, m, on_response, wait=0.5, until=None, repeated=False):
        until = until or time.monotonic() + 32
        key = (m.branch, m.method)
        if not repeated:
            self.client[key] = [m, on_response]
        elif key not in self.client:
            return
        if time.monotonic() > until:
            del self.client[key]
            if on_response:
                on_response(None)
            return
        self.send(m)
        if not self.gone:
            self.engine.later(wait, self.transact, m, on_response, min(4, wait * 2), until, True)

    def respond(self, request, status, to=None, extra=(), body=""):
        headers = [("via", v) for v in request.all("via")]
        headers += [("from", request.get("from")), ("to", to or request.get("to")), ("call-id", request.get("call-id")),
                    ("cseq", request.get("cseq")), *extra]
        r = Message("SIP/2.0 %d %s" % (status, REASONS.get(status, "Whatever")), headers, body)
        self.server_tx[(request.branch, request.method)] = r
        self.send(r)
        return r

    def _register(self, expires, box, contact, challenge=None, cseq=1, call_id=None):
        call_id = call_id or token(20)
        uri = "sip:%s" % self.domain
        headers = [("via", self.via()), ("max-forwards", "70"), ("from", self.identity()), ("to", self.identity(tag=False)),
                   ("call-id", call_id), ("cseq", "%d REGISTER" % cseq), ("contact", contact or self.contact), ("expires", str(expires))]
        if challenge:
            headers.append(("authorization", digest(challenge, "REGISTER", uri, self.user, self.password)))

        def answered(r):
            if r is not None and r.status == 401 and not challenge:
                self._register(expires, box, contact, r.get("www-authenticate"), cseq + 1, call_id)
            elif r is None or r.status >= 200:
                box.append(r.status if r is not None else None)
        self.transact(Message("REGISTER %s SIP/2.0" % uri, headers), answered)

    def _call(self, number, speaks, domain, late_offer):
        c = Call(self, True, token(24), self.speaks if speaks is None else speaks)
        c.local, c.target = self.identity(), "sip:%s@%s" % (number, domain or "%s:%d" % self.server)
        c.remote = "<%s>" % c.target
        c.late_offer = late_offer
        self.calls.append(c)
        self.by_id[c.id] = c
        self.send_invite(c, None)
        return c

    def send_invite(self, c, challenge):
        extra = [("allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE")]
        if challenge:
            proxy = challenge.status == 407
            value = digest(challenge.get("proxy-authenticate" if proxy else "www-authenticate"), "INVITE", c.target, self.user, self.password)
            extra.append(("proxy-authorization" if proxy else "authorization", value))
        if not c.late_offer:
            extra.append(("content-type", "application/sdp"))
        c.invite = c._request("INVITE", extra, "" if c.late_offer else sdp(self.host, c.rtp.port, self.payloads), c._on_response)

    def _receive(self):
        while not self.gone:
            try:
                data, source = self.sock.recvfrom(65536)
            except OSError:
                return
            if len(data) < 20 or self.dead:
                continue
            m = Message.parse(data)
            self.log.append((time.monotonic(), "in", m))
            if m.is_request:
                self._on_request(m, source)
            else:
                self._on_response(m)

    def _on_response(self, r):
        tx = self.client.get((r.branch, r.method))
        if tx is None:
            c = self.by_id.get(r.get("call-id"))
            if c and r.method == "INVITE" and 200 <= r.status < 300:
                c._ack(r)
            elif r.method == "INVITE" and r.status >= 300 and c and c.invite:
                self._ack_failure(c.invite, r)
            return
        m, fn = tx
        if r.status < 200:
            if m.method == "INVITE":
                self._stop_repeating(m)
        else:
            self.client.pop((r.branch, r.method), None)
            if m.method == "INVITE" and r.status >= 300:
                self._ack_failure(m, r)
        if fn:
            fn(r)

    def _stop_repeating(self, m):
        """A provisional answer: the INVITE is not sent again, its final answer may take minutes."""
        for t in self.engine.timers:
            if t[2] == self.transact and t[3] and t[3][0] is m:
                t[2] = None

    def _ack_failure(self, invite, r):
        headers = [("via", invite.get("via")), ("max-forwards", "70"), ("from", invite.get("from")), ("to", r.get("to")),
                   ("call-id", invite.get("call-id")), ("cseq", "%d ACK" % r.cseq)]
        self.send(Message("ACK %s SIP/2.0" % invite.uri, headers))

    def _on_request(self, m, source):
        old = self.server_tx.get((m.branch, m.method))
        if old and m.method != "ACK":
            self.send(old)
            return
        c = self.by_id.get(m.get("call-id"))
        if c:
            c._on_request(m)
        elif m.method == "INVITE":
            self._incoming(m)
        elif m.method == "OPTIONS" and not tag_of(m.get("to")):
            self.respond(m, 200)
        elif m.method != "ACK":
            self.respond(m, 481)

    def _incoming(self, m):
        if tag_of(m.get("to")):
            self.respond(m, 481)
            return
        c = Call(self, False, m.get("call-id"), self.speaks)
        c.invite, c.local, c.remote, c.target = m, m.get("to") + ";tag=" + token(), m.get("from"), uri_of(m.get("contact"))
        self.calls.append(c)
        self.by_id[c.id] = c
        if self.rejects:
            c._reject(self.rejects)
            return
        self.respond(m, 180 if self.rings else 100, to=c.local, extra=[("contact", self.contact)])
        c._to("ringing")
        if self.answers is not None:
            self.engine.later(self.answers, c._answer)
