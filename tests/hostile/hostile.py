#!/usr/bin/python3
"""A hail of malformed input on a running cluster, with good calls beside it (row of RELIABILITY "1 M malformed SIP, 100 k RTP/RTCP/SDP, 10 k protobuf/HTTP").

    eval "$(tools/cluster env)"; tests/hostile/hostile.py --sip 1000000 --media 100000 --other 10000 [--seed N]

It holds, or the program says what does not and ends with 1: the same processes at the end as at the beginning; memory bounded; no message took more than
200 ms of the edge; at least 99.9 % of the good calls answered, heard and ended by us; nothing left afterwards. The seed is printed and makes the same bytes.
"""
import argparse
import itertools
import json
import os
import pathlib
import socket
import ssl
import struct
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib"), str(HERE.parent / "scenario"), str(HERE.parent / "torture")]
sys.dont_write_bytecode = True
import grpc  # noqa: E402
import messages  # noqa: E402
import world  # noqa: E402
from api import Api, ApiError  # noqa: E402
from cluster import Cluster  # noqa: E402
from mutate import Mutator  # noqa: E402
from sipmsg import sdp  # noqa: E402
from sipua import CallError, Ua  # noqa: E402
from sipwire import Wire  # noqa: E402

SLOWEST_MS, GROWTH, GOOD_SHARE, BATCH = 200, 64 << 20, 0.999, 100

TEMPLATES = [
    "INVITE sip:{number}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\nFrom: \"Ann\" <sip:+4917099@gateway.example>;tag=t{n}\r\n"
    "To: <sip:{number}@{server}>\r\nCall-ID: h{n}\r\nCSeq: 1 INVITE\r\nContact: <sip:a@{at}>\r\nSupported: timer, 100rel, replaces\r\nSession-Expires: 1800\r\n"
    "Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\nContent-Type: application/sdp\r\nContent-Length: {size}\r\n\r\n{sdp}",
    "REGISTER sip:acme.example SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\nFrom: <sip:1101@acme.example>;tag=t{n}\r\nTo: <sip:1101@acme.example>\r\n"
    "Call-ID: h{n}\r\nCSeq: 1 REGISTER\r\nContact: <sip:1101@{at}>;expires=60;q=0.5;+sip.instance=\"<urn:uuid:{n}>\"\r\nExpires: 60\r\nPath: <sip:p@{at};lr>\r\n"
    "Authorization: Digest username=\"x{n}\", realm=\"acme.example\", nonce=\"{n}\", uri=\"sip:acme.example\", response=\"0123456789abcdef0123456789abcdef\", qop=auth, nc=00000001, "
    "cnonce=\"c\", algorithm=MD5, opaque=\"\"\r\nContent-Length: 0\r\n\r\n",
    "OPTIONS sip:x@acme.example SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@acme.example>;tag=t{n}\r\nTo: <sip:x@acme.example>\r\n"
    "Call-ID: h{n}\r\nCSeq: 1 OPTIONS\r\nAccept: application/sdp\r\nUser-Agent: h/1\r\nContent-Length: 0\r\n\r\n",
    "{method} sip:{number}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\nFrom: <sip:a@acme.example>;tag=t{n}\r\n"
    "To: <sip:x@acme.example>;tag=u{n}\r\nCall-ID: h{n}\r\nCSeq: 2 {method}\r\nContact: <sip:a@{at}>\r\nRoute: <sip:{server};lr>\r\nRefer-To: <sip:b@c>\r\nEvent: refer\r\n"
    "RAck: 1 1 INVITE\r\nContent-Length: 0\r\n\r\n",
    "SIP/2.0 {status} Whatever\r\nVia: SIP/2.0/UDP {server};branch=z9hG4bK{n}\r\nFrom: <sip:a@acme.example>;tag=t{n}\r\nTo: <sip:x@acme.example>;tag=u{n}\r\nCall-ID: h{n}\r\n"
    "CSeq: 1 INVITE\r\nContact: <sip:a@{at}>\r\nRecord-Route: <sip:{server};lr>\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"y\", algorithm=MD5, qop=\"auth\"\r\n"
    "Content-Length: 0\r\n\r\n",
]
METHODS = ["ACK", "BYE", "CANCEL", "UPDATE", "INFO", "PRACK", "REFER", "SUBSCRIBE", "NOTIFY", "MESSAGE", "PUBLISH", "INVITE", "NOSUCH"]


def cpu_ns(pid):
    """Time the process's first thread has run, waiting for the processor not counted: what others do on the machine does not matter."""
    return int(pathlib.Path("/proc/%d/schedstat" % pid).read_text().split()[0])


class Watch:
    """The processes before and after."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.rows = {n: r for n, r in cluster.status().items() if r["service"] not in ("postgres", "kafka", "nats")}
        self.rss = {n: self.memory(n) for n in self.rows}

    def memory(self, name):
        return self.cluster.metric(name, "process_resident_memory_bytes")

    def problems(self, growth=GROWTH):
        now, out = self.cluster.status(), []
        for name, row in self.rows.items():
            if now[name]["pid"] != row["pid"] or now[name]["restarts"] != row["restarts"]:
                out.append("%s ended: pid %s is now %s" % (name, row["pid"], now[name]["pid"]))
            elif self.memory(name) - self.rss[name] > growth:
                out.append("%s grew from %d to %d MB" % (name, self.rss[name] / 2**20, self.memory(name) / 2**20))
        return out

    def growth(self):
        return {n: round((self.memory(n) - v) / 2**20, 1) for n, v in self.rss.items() if n.startswith(("edge", "media", "cc", "router", "tm"))}


class GoodCalls(threading.Thread):
    """Calls by somebody who does everything right: answered, heard, ended; one after the other in each of `lines`."""

    def __init__(self, server, host, number, hz, pause=0.1):
        super().__init__(daemon=True)
        self.server, self.host, self.number, self.hz, self.pause = server, host, number, hz, pause
        self.stop_now = threading.Event()
        self.good, self.bad, self.slowest = 0, [], 0.0

    def run(self):
        for i in itertools.count():
            if self.stop_now.is_set():
                return
            self.one("+49170%06d" % (i % 1000000))
            self.stop_now.wait(self.pause)

    def one(self, user):
        ua = Ua(user, "gateway.example", self.server, host=self.host, speaks=world.CALLER)
        start = time.monotonic()
        try:
            call = ua.call(self.number).wait("up", 10)
            self.slowest = max(self.slowest, time.monotonic() - start)
            call.wait_hears(self.hz, 0.3, 10)
            call.hang_up()
            self.good += 1
        except (CallError, AssertionError) as e:
            self.bad.append(str(e)[:200])
        finally:
            time.sleep(0.05)
            ua.close()

    def finish(self):
        self.stop_now.set()
        self.join(30)


class Hail:
    def __init__(self, cluster, company, trunk, seed, say=print):
        self.cluster, self.company, self.trunk, self.seed, self.say = cluster, company, trunk, seed, say
        self.m = Mutator(seed)
        self.server = trunk.server
        self.pid = cluster.status()["edge-1"]["pid"]
        self.slowest_ms, self.sent, self.batches, self.n = 0.0, {}, 0, 0
        self.torture = [t.data for t in messages.read("rfc4475.txt") + messages.read("rfc5118.txt")]
        self.strangers = [Wire("127.4.%d.%d" % (cluster.base // 1000, 200 + i), self.server) for i in range(8)]

    def count(self, what, n=1):
        self.sent[what] = self.sent.get(what, 0) + n

    # ---- SIP ----
    def fill(self, template, wire, number="+49301999", body=None):
        self.n += 1
        body = sdp(wire.host, 40000) if body is None else body
        return template.format(number=number, server="%s:%d" % self.server, at=wire.at, n="%x-%d" % (self.seed, self.n), sdp=body, size=len(body),
                               method=self.m.rng.choice(METHODS), status=self.m.rng.choice((100, 180, 183, 200, 302, 401, 407, 422, 486, 503, 699))).encode("latin-1", "replace")

    def one_sip(self):
        """(wire, bytes). A real number in every 500th: those that are still valid become calls."""
        r = self.m.rng
        wire = self.trunk if r.random() < 0.7 else r.choice(self.strangers)
        if r.random() < 0.2:
            return wire, self.m.any(r.choice(self.torture))
        number = self.company.number_of("held") if r.random() < 0.002 else "+49301999"
        return wire, self.m.any(self.fill(r.choice(TEMPLATES), wire, number))

    def sip(self, total, until=None):
        """In batches with an OPTIONS behind each: as fast as the edge takes them, and what a batch cost it is seen."""
        for done in range(0, total, BATCH):
            if until and time.monotonic() > until:
                total = done
                break
            before, start = cpu_ns(self.pid), time.monotonic()
            for _ in range(min(BATCH, total - done)):
                wire, data = self.one_sip()
                wire.send(data)
            for wire in self.strangers:
                wire.collect(0)
            self.wait_for_the_edge()
            ran_ms = (cpu_ns(self.pid) - before) / 1e6
            if ran_ms > self.slowest_ms:
                self.slowest_ms, self.slowest_batch = ran_ms, done
            self.batches += 1
            if done % 100000 == 0:
                self.say("%d SIP messages, %.0f/s in this batch" % (done, BATCH / (time.monotonic() - start)))
        self.count("SIP", total)

    def wait_for_the_edge(self):
        """A full socket drops the OPTIONS as it drops anything: asked again."""
        for _ in range(10):
            if self.trunk.answered(2):
                return
        raise AssertionError("the edge did not answer for 20 s")

    def streams(self, total):
        """TCP: several messages a connection, cut anywhere."""
        for _ in range(total // 10):
            data = b"".join(self.one_sip()[1].replace(b"/UDP", b"/TCP") for _ in range(10))
            try:
                with self.trunk.connect() as s:
                    s.settimeout(0.5)
                    for at in range(0, len(data), 1400):
                        s.sendall(data[at:at + 1400])
            except OSError:
                pass
        self.wait_for_the_edge()
        self.count("SIP over TCP", total)

    # ---- SDP, RTP, RTCP ----
    def descriptions(self, total):
        """Calls to a real number with wounded SDP; what is answered is ended at once."""
        base = [sdp(self.trunk.host, 40000), sdp(self.trunk.host, 40000).replace("RTP/AVP", "RTP/SAVP") +
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNk\r\na=rtcp:40001 IN IP4 127.0.0.1\r\n",
                "v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8\r\nm=video 0 RTP/AVP 31\r\na=sendonly\r\na=ptime:20\r\n"]
        for i in range(total):
            body = self.m.wound(self.m.rng.choice(base).encode()).decode("latin-1")
            self.trunk.send(self.fill(TEMPLATES[0], self.trunk, self.company.number_of("held"), body))
            if i % 20 == 0:
                self.settle(0.02)
        self.settle(8)
        self.count("SDP", total)

    def settle(self, seconds):
        for m in self.trunk.collect(seconds):
            if not m.is_request and m.status >= 200 and m.get("cseq").endswith("INVITE"):
                self.trunk.send(self.after(m, "ACK", m.cseq))
                if m.status < 300:
                    self.trunk.send(self.after(m, "BYE", m.cseq + 1))
            elif m.is_request and m.method == "BYE":
                self.trunk.send("SIP/2.0 200 OK\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContent-Length: 0\r\n\r\n" % tuple(
                    m.get(n) for n in ("via", "from", "to", "call-id", "cseq")))

    def after(self, m, method, cseq):
        self.n += 1
        branch = m.branch if m.status >= 300 else "z9hG4bKa%d" % self.n
        return "%s sip:%s:%d SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContent-Length: 0\r\n\r\n" % (
            method, *self.server, self.trunk.at, branch, m.get("from"), m.get("to"), m.get("call-id"), cseq, method)

    def audio(self, total):
        """To the ports of a call: half of it from its own party's socket, so that it is looked at; every fourth is RTCP."""
        ua = Ua("+491705", "gateway.example", self.server, host=self.company.trunk, speaks=world.CALLER)
        call = ua.call(self.company.number_of("held")).wait("up")
        host, port = call.rtp.remote
        r = self.m.rng
        report = struct.pack("!BBHIIIIII", 0x80, 200, 6, call.rtp.ssrc, 1, 2, 3, 4, 5) + struct.pack("!BBHIBB4sH", 0x81, 202, 3, call.rtp.ssrc, 1, 4, b"name", 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.bind((self.strangers[0].host, 0))
            for i in range(total):
                rtcp = i % 4 == 0
                good = report if rtcp else struct.pack("!BBHII", 0x80 | r.randrange(16), r.randrange(256), r.randrange(65536), r.randrange(1 << 32), call.rtp.ssrc) + bytes(160)
                data = self.m.wound(good) if r.random() < 0.8 else r.randbytes(r.randrange(1, 1400))
                s = call.rtp.sock if r.random() < 0.5 else stranger
                try:
                    s.sendto(data, (host, port + rtcp))
                except OSError:
                    pass
                if i % 50 == 0:
                    time.sleep(0.004)
        call.hang_up()
        ua.close()
        self.count("RTP and RTCP", total)

    # ---- everything else ----
    def http(self, total):
        ports = [p for p in (r["ports"].get("http") for r in self.cluster.status().values()) if p]
        base = [b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"POST /readyz HTTP/1.0\r\nContent-Length: 10\r\n\r\n0123456789",
                b"GET /healthz?%s HTTP/1.1\r\nHost: " + b"x" * 500 + b"\r\n\r\n"]
        for i in range(total):
            try:
                with socket.create_connection(("127.0.0.1", ports[i % len(ports)]), 2) as s:
                    s.settimeout(0.05)
                    s.sendall(self.m.any(self.m.rng.choice(base)))
                    s.recv(4096)
            except OSError:
                pass
        self.count("HTTP", total)

    def grpc(self, total):
        """Wounded protobuf into the methods that read most, with a token that may."""
        env, r = self.cluster.env, self.m.rng
        creds = grpc.ssl_channel_credentials(pathlib.Path(env["TRUNKLINE_CA_FILE"]).read_bytes())
        cls = self.company.own.admin._descriptor.methods_by_name["CreateFlow"].input_type
        from api import FACTORY
        good = FACTORY.GetPrototype(cls)(parent="tenants/acme", flow_id="hostile").SerializeToString()
        with grpc.secure_channel(env["TRUNKLINE_ADMIN"], creds) as channel:
            for i in range(total):
                method = "/trunkline.admin.v1.%s" % r.choice(("AdminService/CreateFlow", "AdminService/UpdateQueue", "AdminService/CreateAgent", "AuthService/Login", "AdminService/GetTenant",
                                                              "AdminService/ListNumbers"))
                call = channel.unary_unary(method, request_serializer=lambda b: b, response_deserializer=lambda b: b)
                try:
                    call(self.m.wound(good) if r.random() < 0.5 else r.randbytes(r.randrange(300)), timeout=10,
                         metadata=(("authorization", "Bearer " + self.company.admin_token),))
                except grpc.RpcError as e:
                    assert e.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED), e
        self.count("protobuf over gRPC", total)

    def flows(self, total):
        """Flows that are nonsense: refused by name, or taken and then deleted."""
        steps = [{"id": n, "next": nxt[0] if nxt else "", **s} for n, s, *nxt in world.FLOWS["digits"]]
        taken = 0
        for i in range(total):
            try:
                self.company.own.admin.CreateFlow(parent="tenants/acme", flow_id="hostile", flow=self.m.tree({"display_name": "x", "steps": steps}))
                taken += 1
                self.company.own.admin.DeleteFlow(name="tenants/acme/flows/hostile")
            except ApiError as e:
                assert e.code in ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED", "OUT_OF_RANGE"), e
            except Exception as e:  # noqa: BLE001 (the client's own check of types comes first)
                assert type(e).__module__.startswith("google") or isinstance(e, (TypeError, ValueError)), e
        self.say("%d of %d nonsense flows were valid" % (taken, total))
        self.count("flows", total)

    def bus(self, total):
        """Wounded protobuf to what services listen to, by one who may (call-control's certificate)."""
        pki = pathlib.Path(self.cluster.env["TRUNKLINE_CLUSTER_PATH"]) / "pki"
        host, _, port = self.cluster.env["TRUNKLINE_NATS_URL"].rpartition("/")[2].rpartition(":")
        context = ssl.create_default_context(cafile=self.cluster.env["TRUNKLINE_CA_FILE"])
        context.check_hostname = False
        cert = next(p for p in sorted(pki.glob("*.pem")) if p.stem in ("call-control", "cc-1"))
        context.load_cert_chain(cert, cert.with_suffix(".key"))
        base = [b"\x0a\x04cc-1\x12\x40\x0a\x04acme\x12\x1a01ARZ3NDEKTSV4RRFFQ69G5FAV\x1a\x1a01ARZ3NDEKTSV4RRFFQ69G5FAX\x20\x01\x2a\x00", b"\x0a\x05cc-99", b""]
        subjects = ["tl.centre.edge.edge-1", "tl.centre.media.media-1", "tl.centre.router", "tl.centre.cc.cc-1.edge", "tl.centre.cc.cc-1.media", "tl.centre.offer"]
        with socket.create_connection((host, int(port)), 5) as plain:
            plain.recv(4096)
            with context.wrap_socket(plain) as s:
                s.sendall(b'CONNECT {"verbose":false,"pedantic":false,"lang":"py","version":"1","protocol":1}\r\n')
                for i in range(total):
                    data = self.m.wound(self.m.rng.choice(base) or b"\0") if i % 2 else self.m.rng.randbytes(self.m.rng.randrange(400))
                    s.sendall(b"PUB %s %d\r\n%s\r\n" % (subjects[i % len(subjects)].encode(), len(data), data))
                    if i % 50 == 0:
                        time.sleep(0.005)
                s.sendall(b"PING\r\n")
                s.settimeout(5)
                s.recv(65536)
        self.count("protobuf on the bus", total)


def left(cluster, seconds):
    what = {"sip-edge": "trunkline_edge_legs", "media": "trunkline_media_endpoints", "call-control": "trunkline_calls"}
    names = {n: what[r["service"]] for n, r in cluster.status().items() if r["service"] in what}
    until = time.monotonic() + seconds
    while True:
        now = {n: v for n, m in names.items() if (v := cluster.metric(n, m))}
        if not now or time.monotonic() > until:
            return now
        time.sleep(0.5)


def run(cluster, company, trunk, seed, sip, media, other, say=print, settle=90, minutes=None, growth=GROWTH):
    """What does not hold, as texts; and the figures. minutes: SIP ends after them, however much was sent."""
    say("seed %d" % seed)
    watch, hail = Watch(cluster), Hail(cluster, company, trunk, seed, say)
    lines = [GoodCalls(trunk.server, company.trunk, company.number_of("held"), world.MUSIC) for _ in range(2)]
    start = time.monotonic()
    for line in lines:
        line.number = company.number_of("main")
        line.hz = world.WELCOME
        line.start()
    hail.sip(sip - sip // 20, minutes and start + 60 * minutes)
    hail.streams(sip // 20)
    hail.descriptions(media // 20)
    hail.audio(media - media // 20)
    hail.http(other * 3 // 10)
    hail.grpc(other * 3 // 10)
    hail.bus(other * 3 // 10)
    hail.flows(other // 10)
    took = time.monotonic() - start
    for line in lines:
        line.finish()
    good, bad = sum(line.good for line in lines), [b for line in lines for b in line.bad]
    problems = watch.problems(growth)
    if hail.slowest_ms > SLOWEST_MS:
        problems.append("batch at %d took the edge %.0f ms" % (hail.slowest_batch, hail.slowest_ms))
    if good == 0 or good / (good + len(bad)) < GOOD_SHARE:
        problems.append("%d of %d good calls failed: %s" % (len(bad), good + len(bad), bad[:3]))
    remains = left(cluster, settle)
    if remains:
        problems.append("left %d s after the end: %s" % (settle, remains))
    refused = {la: int(v) for n, la, v in cluster.metrics("edge-1") if n == "trunkline_edge_refused_total" and v}
    figures = {"seed": seed, "seconds": round(took), "sent": hail.sent, "slowest_batch_ms": round(hail.slowest_ms, 1), "batch": BATCH, "good_calls": good,
               "failed_calls": len(bad), "slowest_setup_ms": round(1000 * max(line.slowest for line in lines)), "growth_mb": watch.growth(), "refused": refused}
    return problems, figures


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--sip", type=int, default=1000000)
    p.add_argument("--media", type=int, default=100000)
    p.add_argument("--other", type=int, default=10000)
    p.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    p.add_argument("--growth-mb", type=int, default=GROWTH >> 20, help="what a process may grow by; a sanitizer keeps freed memory: 600")
    p.add_argument("--minutes", type=float, help="SIP ends after so many, however much was sent")
    p.add_argument("--out", help="a file for the figures (JSON)")
    a = p.parse_args()
    cluster = Cluster.here()
    acme, _ = world.both(Api(cluster.env))
    server, _, port = cluster.env["TRUNKLINE_SIP"].rpartition(":")
    host = "127.4.%d.199" % (cluster.base // 1000)
    acme.own.admin.UpdateTrunk(trunk={"name": "tenants/acme/trunks/gateway", "addresses": [acme.trunk, host]}, update_mask="addresses")
    with Wire(host, (server, int(port))) as trunk:
        until = time.monotonic() + 30
        while not trunk.answered(0.5) and time.monotonic() < until:
            pass
        problems, figures = run(cluster, acme, trunk, a.seed, a.sip, a.media, a.other, lambda t: print(t, flush=True), minutes=a.minutes,
                                growth=a.growth_mb << 20)
    print(json.dumps(figures, indent=1))
    if a.out:
        pathlib.Path(a.out).write_text(json.dumps({**figures, "problems": problems}, indent=1) + "\n")
    for text in problems:
        print("DOES NOT HOLD: " + text)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
