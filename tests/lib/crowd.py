"""Thousands of callers that stay up until they are told to go: one socket, one thread, no audio.

    crowd = Crowd(("127.0.0.1", 28060), "127.0.0.2", "+4930112")
    crowd.call(5000)          # returns when all are up (or have failed: crowd.failed); as fast as the other side answers
    crowd.hang_up(2000); crowd.hang_up()
    crowd.close()

At most `at_once` requests are under way, so a slow machine makes it slower and nothing else.
"""
import random
import re
import select
import socket
import threading
import time

from patience import patient

INVITE = """INVITE sip:{number}@{server} SIP/2.0\r
Via: SIP/2.0/UDP {local};branch=z9hG4bK{i}i{salt}\r
From: <sip:+49555{i}@{host}>;tag={salt}{i}\r
To: <sip:{number}@{server}>\r
Call-ID: {i}@{salt}\r
CSeq: 1 INVITE\r
Contact: <sip:crowd@{local}>\r
Max-Forwards: 70\r
Content-Type: application/sdp\r
Content-Length: {size}\r
\r
{sdp}"""
CANCEL = """CANCEL sip:{number}@{server} SIP/2.0\r
Via: SIP/2.0/UDP {local};branch=z9hG4bK{i}i{salt}\r
From: <sip:+49555{i}@{host}>;tag={salt}{i}\r
To: <sip:{number}@{server}>\r
Call-ID: {i}@{salt}\r
CSeq: 1 CANCEL\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""
IN_DIALOG = """{method} {target} SIP/2.0\r
Via: SIP/2.0/UDP {local};branch=z9hG4bK{i}{cseq}{method}{salt}\r
From: <sip:+49555{i}@{host}>;tag={salt}{i}\r
To: {to}\r
Call-ID: {i}@{salt}\r
CSeq: {cseq} {method}\r
Max-Forwards: 70\r
Content-Length: 0\r
\r
"""
SDP = "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
HEADER = re.compile(rb"\r\n(Call-ID|CSeq|To|Contact):[ \t]*([^\r\n]*)")
COPIED = re.compile(rb"\r\n((?:Via|Record-Route|From|To|Call-ID|CSeq):[^\r\n]*)")
REPEAT_S, TRIES = 0.5, 8


class Caller:
    def __init__(self, i):
        self.i, self.state, self.to, self.target = i, "new", "", ""
        self.request, self.due, self.tries = b"", 0, 0


class Crowd:
    """up: callers that are; failed: {what came instead: how many}; left: how many calls the other side has ended.

    rings: to be up is to hear it ring, and to hang up is to cancel.
    """

    def __init__(self, server, host, number, rings=False):
        self.rings, self.server, self.number, self.salt = rings, server, number, "%08x" % random.getrandbits(32)
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        sdp = SDP.format(host=host)
        self.common = {"number": number, "server": "%s:%d" % server, "local": "%s:%d" % self.sock.getsockname(), "host": host, "salt": self.salt,
                       "sdp": sdp, "size": len(sdp)}
        self.callers, self.up, self.under_way, self.failed, self.left = {}, {}, {}, {}, 0
        self.changed, self.closed = threading.Condition(), False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def call(self, n, at_once=48, timeout=300):
        return self._each([Caller(len(self.callers) + k + 1) for k in range(n)], self._invite, at_once, timeout)

    def hang_up(self, n=None, at_once=48, timeout=300):
        with self.changed:
            some = list(self.up.values())[:n]
        return self._each(some, self._bye, at_once, timeout)

    def close(self):
        self.closed = True
        self.thread.join(5)
        self.sock.close()

    # ---- what both do ----
    def _each(self, callers, start, at_once, timeout):
        deadline = time.monotonic() + patient(timeout)
        for c in callers:
            with self.changed:
                if not self.changed.wait_for(lambda: len(self.under_way) < at_once, deadline - time.monotonic()):
                    break
                self.callers[c.i] = c
                start(c)
        with self.changed:
            self.changed.wait_for(lambda: not self.under_way, max(1, deadline - time.monotonic()))
            return len(self.up)

    def _invite(self, c):
        self._request(c, "calling", INVITE.format(i=c.i, **self.common))

    def _bye(self, c):
        if self.up.pop(c.i, None):
            self._request(c, "ending", CANCEL.format(i=c.i, **self.common) if self.rings else self._in_dialog(c, "BYE", 2))

    def _in_dialog(self, c, method, cseq):
        return IN_DIALOG.format(method=method, cseq=cseq, i=c.i, to=c.to, target=c.target, **self.common)

    def _request(self, c, state, text):
        c.state, c.request, c.tries, c.due = state, text.encode(), 0, time.monotonic() + REPEAT_S
        self.under_way[c.i] = c
        self._send(c.request)

    def _send(self, data):
        try:
            self.sock.sendto(data, self.server)
        except OSError:
            pass  # the buffer is full: it will be repeated

    def _settle(self, c, state, why=None):
        self.under_way.pop(c.i, None)
        c.state, c.request = state, b""
        if why:
            self.failed[why] = self.failed.get(why, 0) + 1
        self.changed.notify_all()

    # ---- the thread ----
    def _run(self):
        beat = 0
        while not self.closed:
            select.select([self.sock], [], [], 0.1)
            with self.changed:
                while True:
                    try:
                        data = self.sock.recv(65536)
                    except OSError:
                        break
                    self._message(data)
                if time.monotonic() > beat:
                    beat = time.monotonic() + 0.1
                    self._repeat(time.monotonic())

    def _repeat(self, now):
        for c in [c for c in self.under_way.values() if c.due and now > c.due]:
            c.tries += 1
            c.due = now + min(4, REPEAT_S * 2 ** c.tries)
            if c.tries > TRIES:
                self._settle(c, "lost", "no answer while " + c.state)
            else:
                self._send(c.request)

    def _message(self, data):
        head = dict((k.decode().lower(), v.decode("utf-8", "replace")) for k, v in HEADER.findall(data))
        number = head.get("call-id", "").partition("@")[0]
        c = self.callers.get(int(number)) if number.isdigit() else None
        if "cseq" not in head:
            return
        if not data.startswith(b"SIP/2.0 "):
            self._their_request(data, c)
        elif c:
            self._response(c, int(data[8:11]), head)

    def _response(self, c, status, head):
        if head["cseq"].endswith("BYE"):
            if c.state == "ending" and status >= 200:
                self._settle(c, "ended", None if status < 300 else "BYE %d" % status)
        elif status < 200 or head["cseq"].endswith("CANCEL"):
            c.due = 0  # they have it: the answer may take its time
            if self.rings and status >= 180 and c.state == "calling":
                self.up[c.i] = c
                self._settle(c, "up")
        elif status >= 300:
            c.to, c.target = head["to"], "sip:%s@%s:%d" % (self.number, *self.server)
            self._send((self._in_dialog(c, "ACK", 1)).replace("%d1ACK" % c.i, "%di" % c.i).encode())
            if c.state == "calling":
                self._settle(c, "failed", "INVITE %d" % status)
            elif c.state == "ending":
                self._settle(c, "ended")
        else:
            c.to, target = head["to"], re.search(r"<([^>]*)>", head.get("contact", ""))
            c.target = target.group(1) if target else "sip:%s@%s:%d" % (self.number, *self.server)
            self._send(self._in_dialog(c, "ACK", 1).encode())
            if c.state == "calling":
                self.up[c.i] = c
                self._settle(c, "up")

    def _their_request(self, data, c):
        method = data.split(b" ", 1)[0]
        if method == b"ACK":
            return
        if method == b"BYE" and c and self.up.pop(c.i, None):
            c.state = "left"
            self.left += 1
            self.changed.notify_all()
        body = self.common["sdp"].encode() if method == b"INVITE" else b""
        more = b"Contact: <sip:crowd@%s>\r\nContent-Type: application/sdp\r\n" % self.common["local"].encode() if body else b""
        self._send(b"SIP/2.0 200 OK\r\n" + b"\r\n".join(COPIED.findall(data)) + b"\r\n" + more + b"Content-Length: %d\r\n\r\n" % len(body) + body)
