#!/usr/bin/python3
"""How many memory allocations (malloc, calloc, realloc) a queue call (Q1) costs in each process.

    tests/perf/allocations.py [--rate 60] [--seconds 12]

Starts a cluster of its own whose processes have alloccount.c preloaded. BENCH_BASE: first port (25000).
"""
import argparse
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

from load import Callers, until
from stage import Stage, base_port, say

HERE = pathlib.Path(__file__).resolve().parent


def counts(directory, status):
    out = {}
    for name, row in status.items():
        f = directory / str(row["pid"])
        if f.exists() and f.stat().st_size == 8 and name not in ("postgres", "kafka", "nats"):
            out[name] = struct.unpack("=Q", f.read_bytes())[0]
    return out


def main():
    p = argparse.ArgumentParser(description="Memory allocations of a queue call in each process.")
    p.add_argument("--rate", type=float, default=60)
    p.add_argument("--seconds", type=int, default=12)
    o = p.parse_args()
    with tempfile.TemporaryDirectory() as d:
        shim = os.path.join(d, "alloccount.so")
        subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-o", shim, str(HERE / "alloccount.c")], check=True)
        os.environ.update(LD_PRELOAD=shim, ALLOCCOUNT_DIR=d)
        stage = Stage(base_port())
        try:
            company = stage.company("small", 200)
            del os.environ["LD_PRELOAD"]
            callers = Callers(stage, company, "plain", o.rate, o.seconds + 12, 2000).start()
            until(time.time() + 6)
            status = stage.cluster.status()
            began, first = time.time(), counts(pathlib.Path(d), status)
            until(began + o.seconds)
            ended, last = time.time(), counts(pathlib.Path(d), status)
            callers.wait()
            calls = callers.between(began, ended)[0]
        finally:
            stage.down()
    per = {n: (last[n] - first[n]) / max(1, calls) for n in last}
    say("%d calls, allocations a call: " % calls + ", ".join("%s %.0f" % (n, c) for n, c in sorted(per.items(), key=lambda x: -x[1])))
    say("all %.0f" % sum(per.values()))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main()
