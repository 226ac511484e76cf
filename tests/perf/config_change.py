"""A change of configuration, from the request to its effect in each service.

Each service says in trunkline_config_revision which entry of KV bucket `config` it applied last. One change at a time is made and the gauges are
watched meanwhile; the change has taken effect in a service when its gauge first shows the bucket's last revision. What goes other ways is asked
for itself: a withdrawn token and the limit of API requests are refused.
"""
import collections
import http.client
import random
import re
import threading
import time

from api import ApiError
from stage import say
from tenants import QUEUES, SKILLS, number, tenant_id

LOOK_S = 0.02      # so often each gauge is read: the resolution of what is found
PAUSE_S = 0.2      # between two changes
TIMEOUT_S = 30
READERS = ("router-1", "router-2", "cc-1", "cc-2", "edge-1", "desk-1")
TOKENS, LIMITS = 20, 10  # tokens withdrawn, limits set
REVISION = re.compile(rb"^trunkline_config_revision (\d+)", re.M)


class Watch(threading.Thread):
    """When a service's gauge showed which revision first."""

    def __init__(self, name, port):
        super().__init__(daemon=True)
        self.name, self.port, self.seen, self.over, self.revision = name, port, [], threading.Event(), 0

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while not self.over.is_set():
            due = time.monotonic() + LOOK_S
            connection.request("GET", "/metrics")
            revision = int(REVISION.search(connection.getresponse().read()).group(1))
            if revision != self.revision:
                self.revision = revision
                self.seen.append((time.monotonic(), revision))
            time.sleep(max(0, due - time.monotonic()))

    def reached(self, revision):
        return next(at for at, r in self.seen if r >= revision)


# ---- what is changed: (what it is called, what does it) ----
def queue(admin, t, i):
    admin.UpdateQueue(queue={"name": "tenants/%s/queues/q%d" % (t, i % QUEUES), "wrap_up_ms": 1000 + i}, update_mask="wrapUpMs")


def skill(admin, t, i):
    admin.UpdateAgent(agent={"name": "tenants/%s/agents/a%d" % (t, i % 100), "skills": [{"skill_id": "s%d" % (i % SKILLS), "level": 1 + i % 10}]},
                      update_mask="skills")


def rule(admin, t, i):
    admin.UpdateNumber(number={"name": "tenants/%s/numbers/%s" % (t, number(int(t[1:]))), "working": {"queue_id": "q%d" % (i % QUEUES)}},
                       update_mask="working")


def suspend(admin, t, i):
    admin.UpdateTenant(tenant={"name": "tenants/" + t, "suspended": True}, update_mask="suspended")


def resume(admin, t, i):
    admin.UpdateTenant(tenant={"name": "tenants/" + t, "suspended": False}, update_mask="suspended")


def quota(admin, t, i):
    admin.UpdateTenant(tenant={"name": "tenants/" + t, "quotas": {"inbound_calls": 1000 + i}}, update_mask="quotas")


def flow(admin, t, i):
    admin.UpdateFlow(flow={"name": "tenants/%s/flows/main" % t, "steps": [
        {"id": "hello", "answer": {}, "next": "wait"}, {"id": "wait", "queue": {"queue_id": "q%d" % (i % QUEUES), "priority": i % 10}}]}, update_mask="steps")


def agent(admin, t, i):
    admin.CreateAgent(parent="tenants/" + t, agent_id="new%d" % i, agent={"display_name": "New", "enabled": True})


KINDS = (("queue", queue), ("skill", skill), ("rule", rule), ("suspend", suspend), ("resume", resume), ("quota", quota), ("flow", flow),
         ("new agent", agent))


def settle(tenants, watches, before):
    """The bucket's last revision, once it has grown and every service shows it."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        if any(w.revision <= before for w in watches):
            continue
        last = tenants.stored()["last_seq"]
        if all(w.revision == last for w in watches):
            return last
    raise RuntimeError("after %d s not everywhere: %s" % (TIMEOUT_S, {w.name: w.revision for w in watches}))


def watched(tenants, n):
    """{service: [ms]}, {kind: [ms of the slowest]}"""
    watches = [Watch(name, tenants.cluster.http_port(name)) for name in READERS]
    found, kinds = collections.defaultdict(list), collections.defaultdict(list)
    choose, t = random.Random(1), tenant_id(0)
    for w in watches:
        w.start()
    try:
        last = settle(tenants, watches, 0)
        for i in range(n):
            what, fn = KINDS[i % len(KINDS)]
            if what != "resume":
                t = tenant_id(choose.randrange(tenants.n))
            began = time.monotonic()
            fn(tenants.api.admin, t, i)
            found["answer"].append((time.monotonic() - began) * 1000)
            last = settle(tenants, watches, last)
            times = {w.name: (w.reached(last) - began) * 1000 for w in watches}
            kinds[what].append(max(times.values()))
            for name, ms in times.items():
                found[name].append(ms)
            time.sleep(PAUSE_S)
    finally:
        for w in watches:
            w.over.set()
    return found, kinds


def until_refused(ask, began):
    """ms until a request is refused."""
    while time.monotonic() < began + TIMEOUT_S:
        try:
            ask()
        except ApiError as e:
            if e.code in ("UNAUTHENTICATED", "RESOURCE_EXHAUSTED"):
                return (time.monotonic() - began) * 1000
            raise
        time.sleep(LOOK_S)
    raise RuntimeError("never refused")


ASKS = {"tm-1": lambda a, parent: a.admin.ListQueues(parent=parent), "desk-1": lambda a, _: a.desk.ListAgents(),
        "rec-1": lambda a, _: a.recordings.ListRecordings(page_size=5), "rep-1": lambda a, _: a.reports.GetSummary()}


def withdrawn(tenants):
    """{service: [ms from RevokeToken to the first request refused]}: one service a token, so that none waits for another."""
    found = collections.defaultdict(list)
    for i in range(TOKENS):
        for service, ask in ASKS.items():
            t = tenant_id(i % tenants.n)
            made = tenants.api.auth.CreateToken(tenant=t, scopes=["SCOPE_TENANT_ADMIN", "SCOPE_SUPERVISOR"])
            bearer = tenants.api.with_token(made.access_token)
            ask(bearer, "tenants/" + t)
            began = time.monotonic()
            tenants.api.admin.RevokeToken(name=made.name)
            found["token at " + service].append(until_refused(lambda: ask(bearer, "tenants/" + t), began))
            bearer.close()
    return found


def limited(tenants):
    """[ms from a limit of one request a second to the first one refused], by requests that come all the time."""
    found = []
    for i in range(LIMITS):
        t = tenant_id((tenants.n - 1 - i) % tenants.n)
        bearer = tenants.api.with_token(tenants.api.token_for(t, "SCOPE_TENANT_ADMIN"))
        bearer.admin.ListQueues(parent="tenants/" + t)
        time.sleep(random.Random(i).random())
        began = time.monotonic()
        tenants.api.admin.UpdateTenant(tenant={"name": "tenants/" + t, "quotas": {"api_requests_per_s": 1}}, update_mask="quotas")
        found.append(until_refused(lambda: bearer.admin.ListQueues(parent="tenants/" + t), began))
        tenants.api.admin.UpdateTenant(tenant={"name": "tenants/" + t, "quotas": {}}, update_mask="quotas")
        bearer.close()
    return found


def show(title, found):
    say("      %-22s %8s %8s %8s %8s" % (title, "n", "p50 ms", "p99 ms", "max ms"))
    for name, values in found.items():
        v = sorted(values)
        say("      %-22s %8d %8.0f %8.0f %8.0f" % (name, len(v), v[len(v) // 2], v[min(len(v) - 1, len(v) * 99 // 100)], v[-1]))


def run(tenants, n):
    """{service, or what else took effect: [ms]}"""
    found, kinds = watched(tenants, n)
    other = {**withdrawn(tenants), "API limit": limited(tenants)}
    show("change applied in", found)
    show("slowest service, by kind", kinds)
    show("others", other)
    found.pop("answer")
    return {**found, **other}
