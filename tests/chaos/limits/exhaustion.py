#!/usr/bin/env python3
"""What runs out: the recordings' disk, RTP ports, file descriptors. Calls go on, the rest is refused and counted, nothing leaks (GT-15).

    tests/chaos/limits/exhaustion.py [--base 25000] [--name exhaustion] [disk] [ports] [files]

Needs root for a tiny tmpfs over the cluster's recordings. Exit 1 when a promise is broken. disk(scene), ports(scene) and files(scene) do the same
on a cluster that is up; ports() wants one whose media engine has PORT_PAIRS pairs of ports.
"""
import argparse
import os
import pathlib
import resource
import socket
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
for d in ("lib", "scenario"):
    sys.path.insert(0, str(ROOT / "tests" / d))

import world  # noqa: E402
from api import Api, ApiError  # noqa: E402
from cluster import Cluster  # noqa: E402
from conftest import Scene  # noqa: E402
from crowd import Crowd  # noqa: E402

PORT_PAIRS, TOO_MANY = 40, 60
DISK_KB, TALKERS, GAP_S, ALARM_S = 700, 4, 0.5, 10
broken = []


def promise(what, figure, holds):
    print("      %-76s %-30s %s" % (what, figure, "holds" if holds else "BROKEN"), flush=True)
    if not holds:
        broken.append(what)


def until(holds, timeout=30, step=0.1):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except (OSError, ApiError):
            pass
        time.sleep(step)
    return False


def disk(scene):
    where = pathlib.Path(scene.cluster.env["TRUNKLINE_CLUSTER_PATH"]) / "recordings"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dk" % DISK_KB, "tmpfs", str(where)], check=True)
    try:
        print("recordings' disk of %d KB, %d recorded calls" % (DISK_KB, TALKERS))
        for i in range(TALKERS):
            scene.agent("11%02d" % i, answers=0.05)
        calls = [scene.call("soak", "+49170510%d" % i) for i in range(TALKERS)]
        for c in calls:
            c.wait_hears(world.AGENT, 0.2)
        start = time.monotonic()
        promise("the disk is full", "", until(lambda: os.statvfs(where).f_bavail == 0, 60))
        full = time.monotonic()
        counted = until(lambda: scene.cluster.metric("media-1", "trunkline_media_recording_errors_total") > 0, 30)
        promise("it is counted within %d s" % ALARM_S, "%.1f s" % (time.monotonic() - full), counted and time.monotonic() - full <= ALARM_S)
        time.sleep(4)
        gap = max(c.rtp.loudest_gap(start, time.monotonic()) for c in calls)
        promise("calls are unaffected", "longest silence %.2f s" % gap, gap < GAP_S and all(c.state == "up" for c in calls))
        again = scene.call("soak", "+491705109")
        scene.agent("1110", answers=0.05)
        promise("a new call talks, too", "", bool(again.wait_hears(world.AGENT, 0.2, timeout=15)))
        subprocess.run(["mount", "-o", "remount,size=64m", str(where)], check=True)  # else there is no room for an MP3
        for c in [again, *calls]:
            c.hang_up()
        stored = {}

        def listed():
            for r in scene.acme.lead.recordings.ListRecordings(queue_id="soak", page_size=100).recordings:
                stored[r.caller] = r.duration_ms / 1000
            return sum(c.ua.user in stored for c in calls) == TALKERS
        have = until(listed, 60, 0.5)
        least = min((stored.get(c.ua.user, 0) for c in calls))
        promise("what was recorded until then can be played", "%d of %d, the shortest %.1f s of %.1f s" % (
            sum(c.ua.user in stored for c in calls), TALKERS, least, full - start), have and least >= full - start - 2)
    finally:
        scene.close()
        subprocess.run(["umount", "-l", str(where)], check=False)


def ports(scene):
    def free():
        return scene.cluster.metric("media-1", "trunkline_media_rtp_port_pairs_free")
    print("%d pairs of RTP ports, %d callers" % (PORT_PAIRS, TOO_MANY))
    before = free()
    crowd = Crowd(scene.sip, scene.acme.trunk, scene.acme.number_of("held"))
    try:
        up = crowd.call(TOO_MANY, at_once=8, timeout=60)
        promise("as many calls as there are ports are up, the others got 503", "%d up, %s" % (up, crowd.failed),
                up == before and crowd.failed == {"INVITE 503": TOO_MANY - before})
        promise("the metric says so", "%d pairs free" % free(), free() == 0)
        crowd.hang_up(timeout=60)
    finally:
        crowd.close()
    promise("nothing leaks", "", until(lambda: free() == before, 40))
    call = scene.call("held", "+4917052001").wait("up", 15)
    call.hang_up()


def cpu_s(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return sum(int(f) for f in fields[11:13]) / os.sysconf("SC_CLK_TCK")


def starve(scene, component, address, still_works, comes_back, may_restart=False):
    """Its file limit is what it has open and a bit; then fifty connections come that it cannot take."""
    pid = scene.cluster.status()[component]["pid"]
    n_open = max(int(f) for f in os.listdir("/proc/%d/fd" % pid))
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (n_open + 4, old[1]))
    socks = []
    try:
        for _ in range(50):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(address)
            socks.append(s)
        time.sleep(1)
        began, used = time.monotonic(), cpu_s(pid)
        time.sleep(3)
        busy = (cpu_s(pid) - used) / (time.monotonic() - began)
        promise("%s without files does not spin" % component, "%.0f %% of a core" % (100 * busy), busy < 0.5)
        if still_works:
            promise("%s goes on with what needs none" % component, "", still_works())
    finally:
        for s in socks:
            s.close()
        try:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        except ProcessLookupError:
            pass  # it was restarted
    promise("%s takes connections again afterwards" % component, "", until(comes_back, 30))
    if may_restart:  # gRPC loses its listener for good: the process ends in order and another one listens
        promise("%s ended in order, if it ended" % component, scene.cluster.status()[component]["last_exit"] or "",
                scene.cluster.status()[component]["last_exit"] in (None, "", "exit 0"))
    else:
        promise("%s has not died" % component, "", scene.cluster.status()[component]["pid"] == pid)


def address_of(text):
    host, _, port = text.rpartition(":")
    return host, int(port)


def sip_over_tcp(address):
    with socket.create_connection(address, 2) as s:
        s.settimeout(2)
        local = "%s:%d" % s.getsockname()
        s.sendall(("OPTIONS sip:acme.example SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%d\r\nFrom: <sip:x@acme.example>;tag=1\r\n"
                   "To: <sip:acme.example>\r\nCall-ID: %d\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n" % (
                       local, time.monotonic_ns(), time.monotonic_ns())).encode())
        return s.recv(4096).startswith(b"SIP/2.0 ")


def files(scene):
    print("file descriptors run out")

    def call_works():
        call = scene.call("sales", "+4917053001").wait_hears(world.MUSIC, 0.2)
        call.hang_up()
        return True
    scene.call("sales", "+4917053000").wait_hears(world.MUSIC, 0.2).hang_up()
    starve(scene, "edge-1", scene.sip, call_works, lambda: sip_over_tcp(scene.sip))
    starve(scene, "desk-1", address_of(scene.cluster.env["TRUNKLINE_DESK"]), call_works,
           lambda: Api(scene.cluster.env, timeout=3).with_token(scene.acme.lead_token).desk.ListAgents(page_size=10).agents is not None, may_restart=True)
    starve(scene, "cc-1", ("127.0.0.1", scene.cluster.http_port("cc-1")), call_works, lambda: bool(scene.cluster.metrics("cc-1")))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--base", type=int, default=25000)
    p.add_argument("--name", default="exhaustion")
    p.add_argument("what", nargs="*", choices=[[], "disk", "ports", "files"])
    a = p.parse_args()
    first = a.base + 1000
    cluster = Cluster(a.name, a.base, fresh=True, sets=["media.rtp.port_min=%d" % first, "media.rtp.port_max=%d" % (first + 2 * PORT_PAIRS - 1)])
    try:
        cluster.up()
        acme, huaxia = world.both(Api(cluster.env))
        until(lambda: acme.published() and huaxia.published())
        for what in a.what or ("disk", "ports", "files"):
            scene = Scene(cluster, acme, huaxia)
            try:
                {"disk": disk, "ports": ports, "files": files}[what](scene)
            finally:
                scene.close()
    finally:
        cluster.down(wipe=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
