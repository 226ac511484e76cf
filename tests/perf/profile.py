#!/usr/bin/python3
"""Where the processor time of each process of a running cluster goes, by kind of work and by function.

    tests/perf/profile.py [--seconds 20] [--top 6] [--calls N]

Samples the whole machine with `perf` (root, or kernel.perf_event_paranoid <= 0) and prints a table in Markdown: for each process the share of its
own time in the kernel's network, scheduling and files, TLS, protobuf, memory, Sofia, librdkafka and its own code, then the functions that cost
most. With --calls, the calls that were made in the time, a column of microseconds a call. docs/performance.md has the last one.
"""
import argparse
import collections
import os
import subprocess
import sys
import tempfile

PROCESSES = [("nats-server", "nats-server"), ("trunkline-sip-e", "sip-edge"), ("trunkline-call-", "call-control"), ("trunkline-media", "media"),
             ("trunkline-route", "router"), ("trunkline-event", "event-bridge"), ("rdk:broker", "librdkafka's threads"), ("trunkline-repor", "reporting"),
             ("trunkline-agent", "agent-desk"), ("trunkline-recor", "recorder")]
KINDS = ["network", "scheduling", "files", "kernel", "TLS", "protobuf", "memory", "Sofia", "librdkafka", "libc", "own"]
NET = ("tcp", "skb", "sock", "ip_", "udp", "inet", "net", "dev_", "xmit", "loopback", "fib", "nf_", "dst_", "copy_to_iter", "copy_from_iter", "datagram",
       "__sk_", "sk_", "raw_local", "eth_", "ipv4", "send", "recv", "bpf_lsm_socket", "csum", "neigh", "qdisc", "conntrack")
SCHED = ("sched", "task", "futex", "epoll", "ep_", "poll", "wake", "hrtimer", "nanosleep", "timer", "switch", "idle", "rcu", "fdget", "pick_", "enqueue_entity",
         "dequeue_entity", "update_curr", "ktime", "msr", "clock", "irq", "select_", "load", "cpu", "user_mode", "wait")
FILES = ("vfs", "ext4", "xfs", "folio", "page", "file", "inode", "jbd", "write", "fault", "mm_", "pte", "vma", "mmap", "clear", "overlay", "bio", "blk")
MEMORY = ("malloc", "free", "calloc", "realloc", "unlink_chunk", "consolidate", "mallocgc", "gcDrain", "scanobject", "greyobject", "SpanScan", "gcmark", "sweep",
          "tcache", "su_alloc", "su_free", "su_home", "memclr", "heapBits", "wbBuf", "runtime.scan")


def kind(dso, symbol):
    if dso.startswith("[kernel") or dso in ("[kernel.kallsyms]", "[unknown]") or dso.startswith("[k"):
        for name, words in (("network", NET), ("scheduling", SCHED), ("files", FILES)):
            if any(w in symbol for w in words):
                return name
        return "kernel"
    if "crypto" in dso or "libssl" in dso or symbol.startswith("crypto/") or "crypto/" in symbol:
        return "TLS"
    if any(w in symbol for w in MEMORY):
        return "memory"
    if "protobuf" in dso:
        return "protobuf"
    if "sofia" in dso:
        return "Sofia"
    if "rdkafka" in dso:
        return "librdkafka"
    if symbol.startswith("runtime.") or "futex" in symbol:
        return "scheduling"
    if "libc.so" in dso or "vdso" in dso or "ld-linux" in dso:
        return "libc"
    return "own"


def sample(seconds):
    with tempfile.TemporaryDirectory() as d:
        data = os.path.join(d, "perf.data")
        subprocess.run(["perf", "record", "-q", "-F", "997", "-a", "-o", data, "--", "sleep", str(seconds)], check=True)
        out = subprocess.run(["perf", "script", "-i", data, "-F", "comm,ip,sym,dso"], check=True, capture_output=True, text=True, errors="replace")
    for line in out.stdout.splitlines():
        head, _, dso = line.rstrip().rpartition(" (")
        parts = head.split()
        if len(parts) < 2 or not dso.endswith(")"):
            continue
        ip = next((i for i, p in enumerate(parts) if len(p) >= 6 and all(c in "0123456789abcdef" for c in p)), None)
        if ip:
            yield " ".join(parts[:ip]), os.path.basename(dso[:-1]) if dso.startswith("/") else dso[:-1], " ".join(parts[ip + 1:])


def main():
    p = argparse.ArgumentParser(description="A profile of each process of a running cluster.")
    p.add_argument("--seconds", type=int, default=20)
    p.add_argument("--top", type=int, default=6)
    p.add_argument("--calls", type=float, default=0, help="calls made in the time, for microseconds a call")
    o = p.parse_args()
    total, kinds, functions = collections.Counter(), collections.defaultdict(collections.Counter), collections.defaultdict(collections.Counter)
    for comm, dso, symbol in sample(o.seconds):
        name = next((n for c, n in PROCESSES if comm.startswith(c)), None)
        if not name:
            continue
        total[name] += 1
        kinds[name][kind(dso, symbol)] += 1
        functions[name]["%s" % symbol] += 1
    if not total:
        sys.exit("profile: no process of a cluster had a sample: is one running, under load, on this machine?")
    per_call = o.calls and 1e6 / 997 / o.calls
    print("| process | %s%s | functions that cost most |" % ("µs a call | " if o.calls else "", " | ".join(KINDS)))
    print("|---|%s%s|---|" % ("---|" if o.calls else "", "---|" * (len(KINDS) - 1) + "---"))
    for name, n in total.most_common():
        top = ", ".join("`%s` %.0f %%" % (s[:60], 100 * c / n) for s, c in functions[name].most_common(o.top) if s != "[unknown]")
        cells = " | ".join("%.0f" % (100 * kinds[name][k] / n) if kinds[name][k] else "·" for k in KINDS)
        print("| %s | %s%s | %s |" % (name, "%.0f | " % (n * per_call) if o.calls else "", cells, top))


if __name__ == "__main__":
    main()
