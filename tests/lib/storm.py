"""All telephones of a company register at the same moment, as after a power cut: one socket, one thread, digest, repetition as RFC 3261 says.

    storm = Storm(("127.0.0.1", 20060), "acme.example", {"1001": "password", …})
    storm.run(timeout=60)         # {user: seconds until its 200}; those that got none are missing
    storm.answers                 # {status: how many}
"""
import random
import select
import socket
import time

from sipmsg import Message, digest

T1_S, T2_S = 0.5, 4.0
AT_ONCE = 200  # datagrams between two looks at what has come: the socket buffer of one process is not a thousand telephones'


class Storm:
    def __init__(self, server, domain, passwords, expires=3600, host="127.0.0.1"):
        self.server, self.domain, self.passwords, self.expires, self.host = server, domain, passwords, expires, host
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.salt = "%08x" % random.getrandbits(32)
        self.answers, self.repeated, self.under_way, self.took = {}, 0, {}, {}

    def close(self):
        self.sock.close()

    def run(self, timeout=60):
        start = time.monotonic()
        for user in self.passwords:
            self._send(user, None)
        while self.under_way and time.monotonic() < start + timeout:
            select.select([self.sock], [], [], 0.05)
            self._receive(start)
            self._repeat(time.monotonic())
        return self.took

    def _send(self, user, challenge, cseq=1):
        who, uri = "<sip:%s@%s>" % (user, self.domain), "sip:" + self.domain
        headers = [("via", "SIP/2.0/UDP %s:%d;rport;branch=z9hG4bK%s%s%d" % (self.host, self.port, self.salt, user, cseq)), ("max-forwards", "70"),
                   ("from", "%s;tag=%s%s" % (who, self.salt, user)), ("to", who), ("call-id", "%s-%s" % (user, self.salt)),
                   ("cseq", "%d REGISTER" % cseq), ("contact", "<sip:%s@%s:%d>" % (user, self.host, self.port)), ("expires", str(self.expires))]
        if challenge:
            headers.append(("authorization", digest(challenge, "REGISTER", uri, user, self.passwords[user])))
        data = Message("REGISTER %s SIP/2.0" % uri, headers).text().encode()
        self.under_way[user] = [data, time.monotonic() + T1_S, T1_S, cseq]
        self._out(data)

    def _out(self, data):
        try:
            self.sock.sendto(data, self.server)
        except OSError:
            pass  # the buffer is full: it will be repeated

    def _repeat(self, now):
        n = 0
        for entry in self.under_way.values():
            if now >= entry[1] and n < AT_ONCE:
                entry[2] = min(T2_S, 2 * entry[2])
                entry[1] = now + entry[2]
                self.repeated += 1
                n += 1
                self._out(entry[0])

    def _receive(self, start):
        for _ in range(AT_ONCE):
            try:
                m = Message.parse(self.sock.recv(65536))
            except OSError:
                return
            user = m.get("call-id").partition("-")[0]
            entry = self.under_way.get(user)
            if m.is_request or not entry or m.cseq != entry[3] or m.status < 200:
                continue
            self.answers[m.status] = self.answers.get(m.status, 0) + 1
            if m.status == 401 and entry[3] == 1:
                self._send(user, m.get("www-authenticate"), 2)
                continue
            del self.under_way[user]
            if m.status == 200:
                self.took[user] = time.monotonic() - start
