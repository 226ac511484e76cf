"""Every service replaced, one after the other, with ten calls talking, ten waiting, agents at work and clients asking (GT-15).

UPGRADE_TO=DIRECTORY: the programs to replace them by (tools/upgrade-test, which also goes back); by default the same ones. Media engines come last:
their calls go on at another one, or, where the other version may not know how to do that, have ended.
"""
import json
import os
import threading
import time

import grpc
from api import ApiError
from facts import settled
from patience import FACTOR, patient
from test_backends import wait_counted
from world import AGENT, CALLER, MUSIC

ORDER = ["tm-1", "rep-1", "rec-1", "bridge-1", "desk-1", "router-1", "router-2", "cc-1", "cc-2", "edge-1"]
TALKING, WAITING = 10, 10
GAP_S = 3.0  # bound of sanity on a busy machine; the promise is measured by tests/chaos
# What gRPC's own documentation calls a retry policy: the client's library asks again by itself.
POLICY = json.dumps({"methodConfig": [{"name": [{}], "waitForReady": True, "retryPolicy": {
    "maxAttempts": 5, "initialBackoff": "0.2s", "maxBackoff": "3s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}]})


class Clients(threading.Thread):
    """Asks each gRPC service without a pause, as an ordinary client with a retry policy does, and keeps what failed."""

    def __init__(self, company):
        super().__init__(daemon=True)
        self.asks, self.failed, self.asked, self.over = {}, [], {}, threading.Event()
        for name, api, ask in (("admin", company.own, lambda a: a.admin.ListQueues(parent=company.parent)),
                               ("desk", company.lead, lambda a: a.desk.ListAgents()),
                               ("recordings", company.lead, lambda a: a.recordings.ListRecordings(page_size=5)),
                               ("reports", company.lead, lambda a: a.reports.GetSummary())):
            own = type(api)(api.env, api.token, 30)
            own.options = (("grpc.service_config", POLICY), ("grpc.enable_retries", 1))
            self.asks[name] = (own, ask)

    def run(self):
        while not self.over.wait(0.1):
            for name, (api, ask) in self.asks.items():
                try:
                    ask(api)
                    self.asked[name] = self.asked.get(name, 0) + 1
                except (ApiError, grpc.RpcError) as e:
                    self.failed.append("%s: %s" % (name, e))

    def end(self):
        self.over.set()
        self.join(patient(60))
        return self.failed


class Reader(threading.Thread):
    """An agent's desk: reads its stream, and opens it again when it breaks, as every client does."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.desk, self.openings, self.failed, self.over, self.stream = agent.api.desk, 0, [], threading.Event(), None

    def run(self):
        while not self.over.wait(0.1):
            try:
                self.stream = self.desk.StreamEvents()
                for n, _ in enumerate(self.stream):
                    self.openings += n == 0  # its first message says what is true now
            except ApiError as e:
                if e.code != "UNAVAILABLE":
                    self.failed.append(str(e))

    def end(self):
        self.over.set()
        self.stream.cancel()
        self.join(patient(10))
        return self.failed


def replace(scene, instance, to):
    """SIGTERM, drained, started again (from `to`); how it ended and how long that took."""
    t0 = time.monotonic()
    scene.cluster.stop(instance)
    took = time.monotonic() - t0
    end = scene.cluster.status()[instance]["last_exit"]
    scene.cluster.tool("start", instance, *(["--program", to] if to else []))
    return end, round(took, 1)


def replace_all(scene, instances, to, calls):
    """One after the other, each ready before the next, with every call still up after each."""
    ends = {}
    for instance in instances:
        ends[instance] = replace(scene, instance, to)
        gone = [str(c) for c in calls if c.state != "up"]
        assert not gone, "after %s was replaced these calls are gone: %s" % (instance, gone)
    print("ends:", ends)
    assert {end for end, _ in ends.values()} == {"exit 0"}, ends


def test_a_rolling_restart_of_all_drops_no_call_no_request_and_no_event_GT_15(scene):
    to = os.environ.get("UPGRADE_TO", "")
    agents = [scene.agent("11%02d" % i, answers=0.05) for i in range(TALKING)]
    talking = [scene.call("soak", "+491709000%d" % i) for i in range(TALKING)]
    for c in talking:
        c.wait_hears(AGENT, 0.2)
    waiting = [scene.call("sales", "+491709001%d" % i).wait_hears(MUSIC, 0.1) for i in range(WAITING)]
    clients = Clients(scene.acme)
    reader = Reader(agents[0])
    clients.start()
    reader.start()
    start = time.monotonic()
    replace_all(scene, ORDER, to, talking + waiting)
    now = time.monotonic()
    failed = clients.end()
    assert not failed, "%d requests failed (%s answered): %s" % (len(failed), clients.asked, failed[:5])
    assert len(clients.asked) == 4, clients.asked
    assert not reader.end() and reader.openings >= 2, (reader.failed, reader.openings)
    gaps = {str(c): round(c.rtp.loudest_gap(start, now), 2) for c in talking + waiting if c.rtp.loudest_gap(start, now) > GAP_S * FACTOR}
    assert not gaps, "silence in calls while services were replaced: %s" % gaps
    engines = [i for i in scene.cluster.status() if i.startswith("media")]
    if len(engines) > 1 and not to:
        replace_all(scene, engines, to, talking + waiting)
    for c in talking:
        c.wait_hears(AGENT, 0.5)
    for a in agents:
        a.phone.calls[0].wait_hears(CALLER, 0.5)
        assert a.state_name() == "ON_CALL"

    one = scene.agent("1001", answers=0.02)
    served = []
    for _ in waiting:
        leg = one.phone.wait_call(timeout=20)
        served.append(leg.caller)
        leg.wait("up").hang_up()
    assert served == [c.ua.user for c in waiting], "the waiting callers lost their order"
    for c in talking:
        c.hang_up()
    for a in agents:
        a.phone.calls[0].wait_ended()
    if len(engines) == 1 or to:
        replace_all(scene, engines, to, [])
    new = scene.call("sales", "+4917090030").wait_hears(AGENT, 0.3)
    new.hang_up()

    users = {c.ua.user for c in talking + waiting}

    def mine(facts):
        return [c for c in facts.calls.values() if c.offered and c.offered.caller in users and c.events[0].time_ms >= scene.since_ms]
    facts = settled(scene.brokers, lambda f: len(mine(f)) == len(users) and all(c.ended for c in mine(f)), timeout=40)
    calls = mine(facts)
    assert len(calls) == len(users) and not [p for c in calls for p in c.problems()]
    assert {c.ended.disposition for c in calls} == {"answered"}
    wait_counted(scene, scene.acme)
