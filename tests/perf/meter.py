"""What a cluster's processes use between two looks at them: CPU time, wake-ups, bus messages, JetStream writes, system calls.

    meter = Meter(cluster)
    a = meter.look(); …; b = meter.look()
    use = Use(a, b)                     use.cpu["nats"] … seconds; use.ours: all of ours and nats-server
    print(table(use, calls=800, unit="call"))

CPU time is the kernel's count of nanoseconds run by all threads of a process, also those that have ended. Wake-ups are voluntary
context switches: somebody slept and was woken. PostgreSQL and the Kafka broker are counted, and shown apart.
"""
import json
import os
import pathlib
import shutil
import subprocess
import time
import urllib.request

APART = ("postgres", "kafka")
HZ = os.sysconf("SC_CLK_TCK")


def children(pid):
    try:
        out = [int(c) for c in pathlib.Path("/proc/%d/task/%d/children" % (pid, pid)).read_text().split()]
    except OSError:
        return []
    return out + [g for c in out for g in children(c)]


def cpu_of(pid):
    """Seconds of one process."""
    return time.clock_gettime((~pid << 3) | 2)  # clock_getcpuclockid(3)


def cpu_of_tree(pid):
    """Seconds of a process, its children, and those it has buried."""
    total = 0
    for p in [pid, *children(pid)]:
        try:
            fields = pathlib.Path("/proc/%d/stat" % p).read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(f) for f in fields[11:15] if p == pid) + sum(int(f) for f in fields[11:13] if p != pid)
    return total / HZ


def switches_of(pid):
    """(voluntary, involuntary) context switches of all threads that live."""
    voluntary = involuntary = 0
    for task in pathlib.Path("/proc/%d/task" % pid).iterdir():
        try:
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt"):
                    voluntary += int(line.split()[1])
                elif line.startswith("nonvoluntary_ctxt"):
                    involuntary += int(line.split()[1])
        except OSError:
            continue
    return voluntary, involuntary


def memory_of(pid):
    """(PSS, RSS) in KiB of a process; of PostgreSQL ask for its tree."""
    pss = rss = 0
    for line in pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines():
        if line.startswith("Pss:"):
            pss = int(line.split()[1])
        elif line.startswith("Rss:"):
            rss = int(line.split()[1])
    return pss, rss


class Look:
    """The counters as they stand at one moment."""

    def __init__(self):
        self.at, self.cpu, self.switches, self.bus, self.streams, self.server = time.time(), {}, {}, {}, {}, {}


class Meter:
    def __init__(self, cluster):
        status = cluster.status()
        self.pids = {n: r["pid"] for n, r in status.items() if r["pid"]}
        self.monitor = "http://127.0.0.1:%d" % status["nats"]["ports"]["http"]

    def ask(self, path):
        with urllib.request.urlopen(self.monitor + path, timeout=5) as r:
            return json.load(r)

    def look(self):
        out = Look()
        for n, pid in self.pids.items():
            out.cpu[n] = cpu_of_tree(pid) if n in APART else cpu_of(pid)
        out.at = time.time()
        for n, pid in self.pids.items():
            if n != "postgres":
                out.switches[n] = switches_of(pid)
        v = self.ask("/varz")
        out.server = {k: v[k] for k in ("in_msgs", "out_msgs", "in_bytes", "out_bytes")}
        for c in self.ask("/connz?limit=1024")["connections"]:
            n = out.bus.setdefault(instance_of(c.get("name", "?"), self.pids), [0, 0])
            n[0] += c["in_msgs"]
            n[1] += c["out_msgs"]
        for account in self.ask("/jsz?accounts=1&streams=1").get("account_details", []):
            for s in account.get("stream_detail", []):
                out.streams[s["name"]] = s["state"]["last_seq"]
        return out

    def syscalls(self, seconds):
        """{component: system calls in that time}, or {} where perf(1) is not there or not allowed."""
        if not shutil.which("perf"):
            return {}
        pids = {n: p for n, p in self.pids.items() if n != "postgres"}
        running = {n: subprocess.Popen(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(p), "--", "sleep", str(seconds)],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for n, p in pids.items()}
        out = {}
        for n, p in running.items():
            count = p.communicate()[1].strip().split("\n")[-1].split(",")[0]
            if count.isdigit():
                out[n] = int(count)
        return out


def instance_of(name, pids):
    """Services name their connections: "cc-1", "cc-1.events" or "call-control/cc-1"."""
    return next((n for n in sorted(pids, key=len, reverse=True) if n in name), name)


class Use:
    """What was used between two looks."""

    def __init__(self, a, b):
        self.began, self.ended, self.seconds = a.at, b.at, b.at - a.at
        self.cpu = {n: b.cpu[n] - a.cpu[n] for n in b.cpu}
        self.wakes = {n: b.switches[n][0] - a.switches[n][0] for n in b.switches}
        self.forced = {n: b.switches[n][1] - a.switches[n][1] for n in b.switches}
        self.bus = {n: [max(0, x - y) for x, y in zip(v, a.bus.get(n, (0, 0)))] for n, v in b.bus.items()}
        self.streams = {n: v - a.streams.get(n, 0) for n, v in b.streams.items() if v > a.streams.get(n, 0)}
        self.server = {k: b.server[k] - a.server[k] for k in b.server}

    @property
    def ours(self):
        return sum(c for n, c in self.cpu.items() if n not in APART)


def table(use, calls, unit="call", syscalls=None):
    """Text: one row a process, everything per call. syscalls: {component: calls per unit}."""
    per = 1 / max(calls, 1)
    lines = ["      %-12s %9s %9s %9s %9s %9s %9s" % ("per " + unit, "CPU ms", "wake-ups", "preempted", "syscalls", "to bus", "from bus")]

    def row(name, cpu, wakes, forced, calls_, bus):
        lines.append("      %-12s %9.3f %9.2f %9.2f %9s %9s %9s" % (
            name, cpu * per * 1000, wakes * per, forced * per, "-" if calls_ is None else "%.1f" % calls_,
            *("-" if b is None else "%.1f" % (b * per) for b in bus)))
    ours = sorted((n for n in use.cpu if n not in APART), key=lambda n: -use.cpu[n])
    syscalls = syscalls or {}
    for n in ours:
        row(n, use.cpu[n], use.wakes.get(n, 0), use.forced.get(n, 0), syscalls.get(n), use.bus.get(n, (None, None)))
    row("all ours", use.ours, sum(use.wakes[n] for n in ours if n in use.wakes), sum(use.forced[n] for n in ours if n in use.forced),
        sum(syscalls[n] for n in ours if n in syscalls) if syscalls else None, (use.server["in_msgs"], use.server["out_msgs"]))
    for n in APART:
        if n in use.cpu:
            row(n, use.cpu[n], use.wakes.get(n, 0), use.forced.get(n, 0), syscalls.get(n), (None, None))
    lines.append("      nats-server: %.1f KB in, %.1f KB out; JetStream writes %.1f: %s" % (
        use.server["in_bytes"] * per / 1024, use.server["out_bytes"] * per / 1024, sum(use.streams.values()) * per,
        ", ".join("%s %.1f" % (n, v * per) for n, v in sorted(use.streams.items(), key=lambda x: -x[1]))))
    return "\n".join(lines)
