#!/usr/bin/python3
"""What a call costs: CPU time of every process of ours per unit of work, on the real cluster with real SIP load (SIPp).

    tests/perf/bench.py [queue] [media] [router]     (none: all)

Prints a table and writes tests/perf/results/latest.json. CPU time, not wall time: the machine is shared with the load and with
whatever else runs. Three repetitions of each figure: minimum, median, maximum. Nothing is switched off: checkpoints, events in
Kafka, TLS on the bus. PostgreSQL and the Kafka broker are shown apart.
"""
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import audio  # noqa: E402
from api import Api  # noqa: E402
from cluster import Cluster  # noqa: E402
from company import Company  # noqa: E402
from sipua import Ua  # noqa: E402

BASE = int(os.environ.get("BENCH_BASE", "25000"))
AGENTS = int(os.environ.get("BENCH_AGENTS", "200"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
APART = ("postgres", "kafka")
HZ = os.sysconf("SC_CLK_TCK")


def say(text):
    print(text, flush=True)


def cpu_of(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


class Meter:
    """CPU seconds of each component between start and stop."""

    def __init__(self, cluster):
        status = json.loads(cluster.tool("status", "--json"))
        self.pids = {c["name"]: c["pid"] for c in status["components"] if c["pid"]}
        self.before = {n: cpu_of(p) for n, p in self.pids.items()}

    def stop(self):
        return {n: cpu_of(p) - self.before[n] for n, p in self.pids.items()}


class Bench:
    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="trunkline-bench-"))
        self.cluster = Cluster("bench", BASE, fresh=True)
        self.results = []
        self.children = []
        self.keep = False

    # ---- set-up ----
    def up(self):
        say("bench: starting a cluster at port %d" % BASE)
        self.cluster.up()
        self.api = Api(self.cluster.env)
        self.sip = ("127.0.0.1", BASE + 60)
        t = self.tenant = Company(self.api, "bench", "bench.example", trunk="127.0.0.1").create()
        t.prompt("greet", audio.tone(str(self.dir / "greet.wav"), 440, 1.0))
        t.prompt("music", audio.tone(str(self.dir / "music.wav"), 523, 8.0))
        t.skill("all")
        for name, record in (("plain", False), ("recorded", True)):
            t.queue(name, ["all"], music_prompt_id="music", record=record, answer_before_queue=True, ring_timeout_ms=10000)
            t.flow("ivr-" + name, [("hello", {"answer": {}}), ("menu", {"collect": {
                "variable": "key", "prompt_ids": ["greet"], "min_digits": 1, "max_digits": 1, "first_timeout_ms": 5000}}),
                ("wait", {"queue": {"queue_id": name}})])
        t.number("+49100", flow_id="ivr-recorded")
        t.number("+49101", queue_id="plain")
        t.number("+49102", queue_id="recorded")
        say("bench: %d agents" % AGENTS)
        for i in range(AGENTS):
            t.agent(str(1000 + i), ["all"])
        deadline = time.monotonic() + 30
        while not t.published() and time.monotonic() < deadline:
            time.sleep(0.1)
        self.sign_in()

    def sign_in(self):
        port = self.agents_port = BASE + 500
        for i, a in enumerate(self.tenant.agents.values()):
            ua = Ua(a.id, domain="bench.example", server=self.sip, password=a.password)
            ua.register(contact="<sip:%s@127.0.0.1:%d>" % (a.id, port))
            self.tenant.lead.desk.SignIn(agent_id=a.id)
            self.tenant.lead.desk.SetReady(agent_id=a.id)
            if i % 50 == 49:
                say("  %d registered and ready" % (i + 1))

    def scenario(self, name, **replace):
        text = (ROOT / "tests" / "perf" / "sipp" / (name + ".xml")).read_text()
        for key, value in replace.items():
            text = text.replace("@%s@" % key, str(value))
        path = self.dir / ("%s-%d.xml" % (name, len(list(self.dir.iterdir()))))
        path.write_text(text)
        return str(path)

    def start_agents(self, audio_xml=""):
        log = open(self.dir / "agents.log", "wb")
        p = subprocess.Popen(["sipp", "-sf", self.scenario("agents", AUDIO=audio_xml), "-i", "127.0.0.1", "-p", str(self.agents_port),
                              "-mi", "127.0.0.1", "-mp", str(BASE + 520), "-nostdin", "-nd", "-aa"], cwd=self.dir, stdout=log, stderr=log)
        self.children.append(p)
        return p

    def stop(self, p):
        p.terminate()
        try:
            p.wait(10)
        except subprocess.TimeoutExpired:
            p.kill()
        self.children.remove(p)

    def load(self, number, rate, calls, talk_ms, key_xml="", limit=2000):
        """SIPp calls at a rate; returns (successful, failed)."""
        stat = self.dir / "caller.csv"
        stat.unlink(missing_ok=True)
        with open(self.dir / "caller.log", "wb") as log:
            subprocess.run(["sipp", "-sf", self.scenario("caller", KEY=key_xml, TALK=talk_ms), "-s", number, "%s:%d" % self.sip,
                            "-i", "127.0.0.1", "-p", str(BASE + 600), "-mi", "127.0.0.1", "-mp", str(BASE + 620), "-r", str(rate),
                            "-m", str(calls), "-l", str(limit), "-nostdin", "-nd", "-trace_stat", "-stf", str(stat), "-fd", "1",
                            "-timeout", "%ds" % (calls / rate + talk_ms / 1000 + 60), "-recv_timeout", "20000"],
                           cwd=self.dir, stdout=log, stderr=log, timeout=calls / rate + talk_ms / 1000 + 120)
        lines = stat.read_text().splitlines()
        row = dict(zip(lines[0].split(";"), lines[-1].split(";")))
        return int(row["SuccessfulCall(C)"]), int(row["FailedCall(C)"])

    def quiet(self):
        """Until nothing is left of the load: what is late belongs to the calls before."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            calls = sum(self.cluster.metric(c, "trunkline_calls") or 0 for c in ("cc-1", "cc-2"))
            lag = self.cluster.metric("bridge-1", "trunkline_lag") or 0
            if not calls and not lag:
                break
            time.sleep(0.2)
        time.sleep(1)

    # ---- results ----
    def result(self, name, values, unit, better, target, conditions, limit=None, peer=None, peer_name=None):
        r = {"name": name, "median": round(statistics.median(values), 4), "min": round(min(values), 4), "max": round(max(values), 4),
             "unit": unit, "better": better, "target": target, "limit": limit, "peer": peer, "peer_name": peer_name,
             "conditions": conditions}
        self.results.append(r)
        say("  %-34s %10.3f  (%.3f … %.3f) %s" % (name, r["median"], r["min"], r["max"], unit))

    def by_process(self, used, per, unit):
        ours = {n: c for n, c in used.items() if n not in APART}
        for n, c in sorted(ours.items(), key=lambda x: -x[1]):
            if c / per * 1000 >= 0.0005:
                say("      %-10s %8.3f ms %s" % (n, c / per * 1000, unit))
        say("      %-10s %8.3f ms %s" % ("all ours", sum(ours.values()) / per * 1000, unit))
        for n in APART:
            say("      %-10s %8.3f ms %s (apart)" % (n, used.get(n, 0) / per * 1000, unit))
        return sum(ours.values())

    # ---- the benchmarks ----
    def calls_per_cpu(self, name, number, rate, calls, talk_ms, key_xml, target, peer, what):
        agents = self.start_agents()
        self.load(number, 5, 20, talk_ms, key_xml)  # warm
        self.quiet()
        values = []
        for i in range(ROUNDS):
            meter = Meter(self.cluster)
            good, bad = self.load(number, rate, calls, talk_ms, key_xml)
            self.quiet()
            used = meter.stop()
            say("    round %d: %d calls, %d failed" % (i + 1, good, bad))
            ours = self.by_process(used, max(good, 1), "a call")
            values.append(good / ours)
        self.stop(agents)
        self.result(name, values, "calls per CPU-second", "higher", target, "%s; %d agents, talk %d ms, %d calls/s; SIPp beside it" % (
            what, AGENTS, talk_ms, rate), limit=4000, peer=peer, peer_name="Asterisk 22 app_queue" if peer else None)

    def queue(self):
        say("queue: INVITE straight into a queue, agent answers at once, 2 s, BYE")
        self.calls_per_cpu("q1_calls_per_cpu_s", "+49101", 40, 800, 2000, "", 270, 88, "queue without IVR, no RTP from the phones")
        say("queue with IVR: greeting, one key, queue, agent, recorded")
        key = '<pause milliseconds="300"/><nop><action><exec play_pcap_audio="/usr/share/sip-tester/dtmf_2833_1.pcap"/></action></nop>'
        self.calls_per_cpu("q2_calls_per_cpu_s", "+49100", 20, 400, 3000, key, None, None, "IVR, key, queue, recorded")

    def media(self):
        say("media engine: two-party G.711 calls, RTP both ways (media-bench)")
        calls = os.environ.get("BENCH_MEDIA_CALLS", "200")
        for extra, target in (([], 0.65), (["--record"], 0.75)):
            out = subprocess.run([str(ROOT / "build/release/bin/media-bench"), "--calls", calls, "--rounds", str(ROUNDS), *extra], check=True,
                                 stdout=subprocess.PIPE, text=True).stdout
            for line in out.splitlines():
                if line.startswith("{"):
                    r = json.loads(line)
                else:
                    say("    " + line)
            self.result(r["name"], [r["min"], r["median"], r["max"]], "CPU-s of media per 1,000 call-seconds", "lower", target,
                        "%s calls, 50 packets/s into each leg%s" % (calls, ", recorded" if extra else ""), limit=0.36)

    def router(self):
        say("router core: 100,000 agents, 10,000 queues, 5 skills an agent")
        out = subprocess.run([str(ROOT / "build/release/bin/router-bench"), "--rounds", str(ROUNDS)], check=True, stdout=subprocess.PIPE,
                             text=True).stdout
        rows = [json.loads(x) for x in out.splitlines() if x.startswith("{")]
        worst = min(rows, key=lambda r: r["median"])
        self.result("router_events_per_s", [worst["min"], worst["median"], worst["max"]], "events per CPU-second", "higher", 2000000,
                    worst["name"])
        for r in rows:
            say("    %-26s %9d events/CPU-s, decision p50 %.1f µs, p99.9 %.1f µs, max %.0f µs" % (
                r["name"], r["median"], r["p50_ns"] / 1000, r["p99_9_ns"] / 1000, r["max_ns"] / 1000))
        self.result("router_decision_p999_us", [r["p99_9_ns"] / 1000 for r in rows], "µs", "lower", 20, "all scenarios of router-bench")

    def done(self):
        for p in list(self.children):
            self.stop(p)
        self.cluster.down(wipe=not self.keep)
        subprocess.run(["rm", "-rf", str(self.dir)], check=False)

    def write(self):
        path = ROOT / "tests" / "perf" / "results" / "latest.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        old = {r["name"]: r for r in json.loads(path.read_text())} if path.exists() else {}
        old.update({r["name"]: r for r in self.results})
        path.write_text(json.dumps(list(old.values()), indent=1) + "\n")
        model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
        say("\n%-34s %12s %12s %12s  %s" % ("figure", "median", "target", "peer", "unit"))
        for r in self.results:
            say("%-34s %12.3f %12s %12s  %s" % (r["name"], r["median"], r["target"] or "-", r["peer"] or "-", r["unit"]))
        say("on %s, %d CPUs, %s; load average %s" % (model.group(1) if model else platform.machine(), os.cpu_count(), platform.release(),
                                                    " ".join("%.1f" % x for x in os.getloadavg())))
        say("written: %s" % path.relative_to(ROOT))


def main():
    wanted = sys.argv[1:] or ["queue", "media", "router"]
    unknown = [w for w in wanted if w not in ("queue", "media", "router")]
    if unknown:
        sys.exit("bench: '%s' is not one of: queue media router" % unknown[0])
    b = Bench()
    try:
        if "queue" in wanted:
            b.up()
        for w in wanted:
            getattr(b, w)()
        b.write()
    finally:
        if hasattr(b, "api"):
            b.done()


if __name__ == "__main__":
    main()
