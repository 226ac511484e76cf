"""SIP as bytes on a socket from an address of one's own: what is sent is not looked at.

    with Wire("127.4.37.75", server) as w:
        w.answers(data)          # all that came before the answer to an OPTIONS sent right after it: [] is silence, without waiting for it
"""
import itertools
import os
import select
import socket
import ssl
import time

from sipmsg import Message

COUNT = itertools.count(int.from_bytes(os.urandom(4), "big"))
PROBE = ("OPTIONS sip:probe@%(host)s SIP/2.0\r\nVia: SIP/2.0/UDP %(at)s;branch=z9hG4bKprobe%(n)d;rport\r\nFrom: <sip:probe@%(host)s>;tag=p%(n)d\r\n"
         "To: <sip:probe@%(host)s>\r\nCall-ID: probe-%(n)d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n")


def bracketed(host):
    return "[%s]" % host if ":" in host else host


def split(data):
    """The messages of a TCP stream, and what is left over."""
    out = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        n = int(Message.parse(head + b"\r\n\r\n").get("content-length", "0"))
        if len(rest) < n:
            break
        out.append(Message.parse(head + b"\r\n\r\n" + rest[:n]))
        data = rest[n:]
    return out, data


class Wire:
    """ports: where answers may come to besides the port that sends (a Via without a port says 5060)."""

    def __init__(self, host, server, ports=(), port=0):
        self.host, self.server = host, server
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socks = []
        for p in (port, *ports):
            s = socket.socket(self.family, socket.SOCK_DGRAM)
            self.socks.append(s)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            s.bind((host, p))
            s.setblocking(False)
        self.port = self.socks[0].getsockname()[1]
        self.at = "%s:%d" % (bracketed(host), self.port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for s in self.socks:
            s.close()

    def send(self, data):
        self.socks[0].sendto(data if isinstance(data, bytes) else data.encode(), self.server)

    def receive(self, timeout):
        """The next message; None after the time."""
        ready, _, _ = select.select(self.socks, [], [], max(0, timeout))
        return Message.parse(ready[0].recv(65536)) if ready else None

    def collect(self, seconds):
        """All that comes in that time."""
        out, until = [], time.monotonic() + seconds
        while (m := self.receive(until - time.monotonic())) is not None:
            out.append(m)
        return out

    def answers(self, data, known=None):
        """known: who is answered at all, when this wire is a stranger's. The edge takes datagrams in their order."""
        self.send(data)
        before = (known or self).probe()
        return [m for m in (before if known in (None, self) else []) + self.collect(0) if not m.get("call-id").startswith("probe-")]

    def probe(self, timeout=10):
        """Sends an OPTIONS and gives what came before its answer."""
        n, out, until = next(COUNT), [], time.monotonic() + timeout
        self.send(PROBE % {"host": bracketed(self.server[0]), "at": self.at, "n": n})
        while True:
            m = self.receive(until - time.monotonic())
            assert m is not None, "no answer to an OPTIONS within %s s" % timeout
            if m.get("call-id") == "probe-%d" % n:
                return out
            out.append(m)

    def answered(self, timeout):
        try:
            self.probe(timeout)
            return True
        except AssertionError:
            return False

    def connect(self):
        s = socket.socket(self.family)
        s.bind((self.host, 0))
        s.connect(self.server)
        return s

    def tls(self, data, port, seconds=3):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with socket.socket(self.family) as plain:
            plain.bind((self.host, 0))
            plain.connect((self.server[0], port))
            with context.wrap_socket(plain) as s:
                s.sendall(data)
                return read_tcp(s, seconds)

    def tcp(self, data, seconds=3):
        """On a connection of its own: (the messages that came, was it closed?); one message is enough."""
        with self.connect() as s:
            s.sendall(data)
            return read_tcp(s, seconds)


def readable(s, seconds):
    """select() knows no descriptor above 1023."""
    p = select.poll()
    p.register(s, select.POLLIN)
    return p.poll(max(0, seconds) * 1000)


def read_tcp(s, seconds, enough=1):
    out, rest, until = [], b"", time.monotonic() + seconds
    while len(out) < enough:
        if not readable(s, until - time.monotonic()):
            return out, False
        try:
            got = s.recv(65536)
        except ConnectionError:
            got = b""
        if not got:
            return out, True
        more, rest = split(rest + got)
        out += more
    return out, False
