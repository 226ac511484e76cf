"""Faults: what a row's `action` names. Each returns when the fault is over; the record of it is what the judge knows of it.

    Injector(theatre, directory).run({"run": 1, "row": "kill-router", "victim": "@router-leader"}, row)

DIR/injections.jsonl: run, row, victims (who it was in the end), t0_ms and t1_ms (begin and end of the fault), ready_ms (from t1 until the process answers
/readyz with 200 as another one, null: not within WAIT_READY_S). DIR/metrics.jsonl: every counter of every process before and after.
"""
import concurrent.futures
import json
import os
import random
import signal
import time

from jetstream import leader_of

from clusterlib import health, supervisor
from clusterlib.plan import INSTANCES, Plan

WAIT_READY_S = 45
LOOK_S = 0.05


class Injector:
    def __init__(self, theatre, directory, seed):
        self.theatre, self.plan = theatre, Plan.load(theatre.cluster.name)
        self.rng = random.Random(seed)
        self.out = open(directory / "injections.jsonl", "a", buffering=1)
        self.metrics_out = open(directory / "metrics.jsonl", "a", buffering=1)

    # ---- looking ----
    def children(self):
        return supervisor.ask(str(self.plan.dir), {"do": "status"})["children"]

    def metric(self, instance, name):
        status, body = health.http_get(self.plan.http_port(instance), "/metrics")
        if status != 200:
            raise OSError(body)
        return sum(float(l.rsplit(" ", 1)[1]) for l in body.splitlines() if l.startswith((name + " ", name + "{")))

    def snapshot(self, run, when):
        """Every process's metrics into the directory; who does not answer is left out."""
        def look(instance):
            status, body = health.http_get(self.plan.http_port(instance), "/metrics")
            return instance, body if status == 200 else None
        with concurrent.futures.ThreadPoolExecutor(len(INSTANCES)) as pool:
            for instance, body in pool.map(look, [i for _, i in INSTANCES]):
                if body is None:
                    continue
                values = {}
                for line in body.splitlines():
                    if line.startswith("trunkline_") and "_bucket" not in line:
                        name, _, value = line.rpartition(" ")
                        values[name] = float(value)
                self.metrics_out.write(json.dumps({"t": round(time.time() * 1000), "run": run, "when": when, "instance": instance, "values": values}) + "\n")

    def victims(self, name):
        if name == "@all":
            return [n for n, c in self.children().items() if c["pid"]]
        if name == "@others":
            return ["desk-1", "tm-1", "rec-1", "bridge-1", "rep-1"]
        if name == "@each":  # engines last: their calls go on at the other one
            return ["tm-1", "rep-1", "rec-1", "bridge-1", "desk-1", "router-1", "router-2", "cc-1", "cc-2", "edge-1", "media-1", "media-2"]
        if name == "@nats-leader":
            return [leader_of({n: self.theatre.cluster.http_port(n) for n in self.plan.nats_nodes()}, "KV_calls")]
        if name.startswith("@router"):
            led = {}
            for r in ("router-1", "router-2"):
                try:
                    led[r] = self.metric(r, "trunkline_router_shards_led")
                except OSError:
                    led[r] = -1
            leader = max(led, key=led.get)
            return [leader if name == "@router-leader" else next(r for r in led if r != leader)]
        return [name]

    # ---- the faults ----
    def signal(self, victims, number):
        """To all at the same moment; their pids before."""
        children = self.children()
        pids = {v: children[v]["pid"] for v in victims if children[v]["pid"]}
        at = time.time()
        for pid in pids.values():
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
        return at, pids

    def kill(self, victims, row):
        at, pids = self.signal(victims, signal.SIGKILL)
        return at, at, pids

    def stand_still(self, victims, row):
        t0, _ = self.signal(victims, signal.SIGSTOP)
        self.wait_until(t0 + row.lasts_s)
        t1, _ = self.signal(victims, signal.SIGCONT)
        return t0, t1, {}

    def away(self, victims, row):
        t0 = time.time()
        for v in victims:
            self.theatre.cluster.stop(v)
        self.wait_until(t0 + row.lasts_s)
        t1 = time.time()
        for v in victims:
            supervisor.ask(str(self.plan.dir), {"do": "start", "name": v})
        return t0, t1, {}

    def bounce(self, victims, row):
        t0 = time.time()
        for v in victims:
            self.theatre.cluster.stop(v)
            supervisor.ask(str(self.plan.dir), {"do": "start", "name": v})
        return t0, t0, {}

    def roll(self, victims, row):
        """Drained and started anew, one after the other, each ready before the next."""
        t0 = time.time()
        for v in victims:
            _, t1, _ = self.bounce([v], row)
            if self.wait_ready([v], t1, {})[v] is None:
                break  # it is told as not ready, and the others are left alone
        return t0, time.time(), {}

    def slow_queries(self, victims, row):
        t0 = time.time()
        self.theatre.proxy.delay_s = 0.5
        self.wait_until(t0 + row.lasts_s)
        self.theatre.proxy.delay_s = 0
        return t0, time.time(), {}

    @staticmethod
    def wait_until(when):
        time.sleep(max(0, when - time.time()))

    # ---- a run ----
    def wait_ready(self, victims, since, pids):
        """{victim: ms from `since` until it is ready again, as another process where pids names the old one}; None: it was not."""
        ready = dict.fromkeys(victims)
        while None in ready.values() and time.time() < since + WAIT_READY_S:
            children = self.children()
            for v in [v for v in victims if ready[v] is None]:
                if children[v]["pid"] in (None, pids.get(v)) or health.not_ready(self.plan, v):
                    continue
                ready[v] = round((time.time() - since) * 1000)
            time.sleep(LOOK_S)
        return ready

    def run(self, planned, row):
        victims = self.victims(planned["victim"])
        self.snapshot(planned["run"], "before")
        t0, t1, pids = getattr(self, row.action)(victims, row)
        ready = self.wait_ready(victims, t1, pids)
        self.wait_until(t1 + row.rest_s - 1)
        self.snapshot(planned["run"], "after")
        record = {"run": planned["run"], "row": row.name, "victims": victims, "t0_ms": round(t0 * 1000, 1), "t1_ms": round(t1 * 1000, 1),
                  "ready_ms": ready, "load": os.getloadavg()[0], "until_ms": round(time.time() * 1000, 1)}
        self.out.write(json.dumps(record) + "\n")
        return record

    def close(self):
        self.out.close()
        self.metrics_out.close()

