"""Media engine: build/release/bin/media-bench, whose JSON lines become rows; rtpengine under the same load, in the same run."""
import os

from programs import rows, run_program

TARGET = {"relay_cpu_s_per_1000_call_s": 0.65, "record_cpu_s_per_1000_call_s": 0.75, "media_added_jitter_p99_ms": 2}
LIMIT = 0.36  # 3.6 µs for each of 100 packets a second: io_uring, the cheapest way that was measured
PEER = {"relay_cpu_s_per_1000_call_s": (1.4, "rtpengine 10.5, user space"), "record_cpu_s_per_1000_call_s": (1.6, "rtpengine 10.5, pcap")}
RUNS = (["--peer", "rtpengine"], ["--peer", "rtpengine", "--capacity"], [], ["--record"], ["--srtp"], ["--capacity"])


def complete(r, args, calls, measured):
    """What the program leaves to us."""
    name = r["name"]
    if name.endswith("_calls_per_core"):
        usual = ("calls", "higher", None)
    elif name.endswith("_ms"):
        usual = ("ms", "lower", None)
    else:
        usual = ("CPU-s of the engine per 1,000 call-seconds", "lower", LIMIT)
    unit, better, limit = usual
    extra = ", ".join("%s %s" % (k, r[k]) for k in ("calls", "lost_percent", "core_share", "us_per_packet") if k in r)
    theirs = measured.get("rtpengine_" + name.removeprefix("media_"))
    peer = (theirs, "rtpengine, same load, same run") if theirs else PEER.get(name, (None, None))
    for k, v in (("unit", unit), ("better", better), ("limit", limit), ("target", TARGET.get(name)), ("peer", peer[0]), ("peer_name", peer[1]),
                 ("conditions", "%s; 50 packets/s into each leg; %s" % (extra or calls + " calls", " ".join(args) or "relay"))):
        if r.get(k) is None:
            r[k] = v
    return r


def run(bench):
    calls = os.environ.get("BENCH_MEDIA_CALLS", "500")
    measured = {}
    for args in RUNS:
        number = [] if "--capacity" in args else ["--calls", calls]
        for r in rows(run_program("media-bench", [*number, "--rounds", str(bench.rounds), "--seconds", "6", *args])):
            measured[r["name"]] = r["median"]
            bench.add(complete(r, args, calls, measured))
