"""Media engine: build/release/bin/media-bench, whose JSON lines are rows of ours."""
import os

from programs import rows, run_program

LIMIT = {"relay_cpu_s_per_1000_call_s": 0.36, "record_cpu_s_per_1000_call_s": 0.36}
TARGET = {"relay_cpu_s_per_1000_call_s": 0.65, "record_cpu_s_per_1000_call_s": 0.75}
PEER = {"relay_cpu_s_per_1000_call_s": (1.4, "rtpengine 10.5, user space"), "record_cpu_s_per_1000_call_s": (1.6, "rtpengine 10.5, pcap")}


def run(bench):
    calls = os.environ.get("BENCH_MEDIA_CALLS", "500")
    common = ["--calls", calls, "--rounds", str(bench.rounds)]
    for extra in ([], ["--record"], ["--srtp"], ["--capacity"], ["--peer", "rtpengine"]):
        out = run_program("media-bench", common + extra)
        for r in rows(out):
            r.setdefault("target", TARGET.get(r["name"]))
            r.setdefault("limit", LIMIT.get(r["name"]))
            if not r.get("peer") and r["name"] in PEER:
                r["peer"], r["peer_name"] = PEER[r["name"]]
            r.setdefault("better", "lower")
            r.setdefault("unit", "CPU-s of media per 1,000 call-seconds")
            r.setdefault("conditions", "%s calls, 50 packets/s into each leg%s" % (calls, " ".join(["", *extra])))
            bench.add(r)
