"""SIP messages as text in and out, digest (MD5) and SDP: the little that the test telephones in sipua.py need."""
import hashlib
import re

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type",
           "k": "supported", "s": "subject", "x": "session-expires", "r": "refer-to", "e": "content-encoding"}
CRLF = "\r\n"


class Message:
    """start: the first line; headers: [(name in lower case, value)]; body: text."""

    def __init__(self, start, headers=(), body=""):
        self.start, self.headers, self.body = start, list(headers), body

    @classmethod
    def parse(cls, data):
        head, _, body = data.decode("utf-8", "replace").partition(CRLF * 2)
        lines = re.sub(r"\r\n[ \t]+", " ", head).split(CRLF)
        headers = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if colon:
                name = name.strip().lower()
                headers.append((COMPACT.get(name, name), value.strip()))
        return cls(lines[0], headers, body)

    def text(self):
        names = {"call-id": "Call-ID", "cseq": "CSeq", "www-authenticate": "WWW-Authenticate", "rack": "RAck"}
        out = [self.start]
        out += ["%s: %s" % (names.get(n, "-".join(p.capitalize() for p in n.split("-"))), v) for n, v in self.headers
                if n != "content-length"]
        out.append("Content-Length: %d" % len(self.body.encode()))
        return CRLF.join(out) + CRLF * 2 + self.body

    def get(self, name, default=""):
        return next((v for n, v in self.headers if n == name), default)

    def all(self, name):
        return [v for n, v in self.headers if n == name]

    @property
    def is_request(self):
        return not self.start.startswith("SIP/2.0 ")

    @property
    def method(self):
        return self.start.split(" ", 1)[0] if self.is_request else self.get("cseq").split()[-1]

    @property
    def uri(self):
        return self.start.split(" ")[1]

    @property
    def status(self):
        return int(self.start.split(" ")[1])

    @property
    def cseq(self):
        return int(self.get("cseq").split()[0])

    @property
    def branch(self):
        m = re.search(r"branch=([^;,\s]+)", self.get("via"))
        return m.group(1) if m else ""


def tag_of(value):
    m = re.search(r";\s*tag=([^;>\s]+)", value.rpartition(">")[2] or value)
    return m.group(1) if m else ""


def uri_of(value):
    m = re.search(r"<([^>]*)>", value)
    return m.group(1) if m else value.split(";")[0].strip()


def user_of(value):
    m = re.match(r"sips?:([^@;>]*)@", uri_of(value))
    return m.group(1) if m else ""


def display_of(value):
    return value.split("<")[0].strip().strip('"') if "<" in value else ""


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def digest(challenge, method, uri, user, password):
    """Value of Authorization for a challenge (MD5, with or without qop)."""
    p = dict((k.lower(), v.strip('"')) for k, v in re.findall(r'(\w+)=("[^"]*"|[^\s,]+)', challenge))
    ha1 = md5("%s:%s:%s" % (user, p["realm"], password))
    ha2 = md5("%s:%s" % (method, uri))
    out = 'Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=MD5' % (user, p["realm"], p["nonce"], uri)
    if "qop" in p:
        cnonce, nc = md5(p["nonce"] + uri)[:16], "00000001"
        response = md5(":".join([ha1, p["nonce"], nc, cnonce, "auth", ha2]))
        out += ', qop=auth, nc=%s, cnonce="%s"' % (nc, cnonce)
    else:
        response = md5(":".join([ha1, p["nonce"], ha2]))
    if "opaque" in p:
        out += ', opaque="%s"' % p["opaque"]
    return out + ', response="%s"' % response


def sdp(host, port, payloads=(8, 0), direction="sendrecv", version=1):
    names = {0: "PCMU/8000", 8: "PCMA/8000"}
    lines = ["v=0", "o=- 4711 %d IN IP4 %s" % (version, host), "s=-", "c=IN IP4 %s" % host, "t=0 0",
             "m=audio %d RTP/AVP %s 101" % (port, " ".join(map(str, payloads)))]
    lines += ["a=rtpmap:%d %s" % (p, names[p]) for p in payloads]
    lines += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", "a=ptime:20", "a=" + direction]
    return CRLF.join(lines) + CRLF


def sdp_of(text):
    """{host, port, payloads, direction, event} of the first audio line; None when there is none."""
    host = re.search(r"^c=IN IP[46] (\S+)", text, re.M)
    audio = re.search(r"^m=audio (\d+) \S+ ([\d ]+)", text, re.M)
    if not audio or not host:
        return None
    direction = re.search(r"^a=(sendrecv|sendonly|recvonly|inactive)\s*$", text, re.M)
    event = re.search(r"^a=rtpmap:(\d+) telephone-event/8000", text, re.M)
    return {"host": host.group(1), "port": int(audio.group(1)), "payloads": [int(p) for p in audio.group(2).split()],
            "direction": direction.group(1) if direction else "sendrecv", "event": int(event.group(1)) if event else None}
