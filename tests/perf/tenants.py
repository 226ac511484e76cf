"""A cluster with many tenants, each with trunk, number, flow, calendar, skills, queues and agents, as its operators would make them.

    tenants = Tenants(1000, 100)
    tenants.up()
    tenants.make()
    …
    tenants.down()
"""
import base64
import concurrent.futures
import time

from api import Api, ApiError
from cluster import Cluster
from meter import Meter
from stage import base_port, say

AT_ONCE = 4
QUEUES, SKILLS = 10, 5


def tenant_id(i):
    return "t%04d" % i


def number(i):
    return "+4930%07d" % i


class Patient:
    """Asks again what was told to: on a busy machine a change may wait too long for the one before."""

    def __init__(self, service):
        self._service = service

    def __getattr__(self, method):
        def call(*args, **fields):
            for pause in (1, 2, 4, 8):
                try:
                    return getattr(self._service, method)(*args, **fields)
                except ApiError as e:
                    if e.code != "ABORTED":
                        raise
                time.sleep(pause)
            return getattr(self._service, method)(*args, **fields)
        return call


class Tenants:
    def __init__(self, n, agents):
        self.n, self.agents = n, agents
        self.cluster = Cluster("tenants", base_port(), fresh=True, engines=1)

    def up(self):
        self.cluster.up()
        self.api = Api(self.cluster.env, timeout=60)
        self.look_again()

    def look_again(self):
        """Processes that were started anew."""
        self.meter = Meter(self.cluster)

    def down(self):
        self.cluster.down(wipe=True)

    def make(self):
        began, before = time.monotonic(), self.meter.look()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._make, range(self.n)))
        made = time.monotonic()
        wanted = self.n * (self.agents + 1)
        while self.stored()["messages"] < wanted or not self.settled():
            if time.monotonic() > made + 600:
                raise RuntimeError("%d of %d entries are published after 600 s" % (self.stored()["messages"], wanted))
            time.sleep(0.5)
        used = self.meter.look().cpu
        say("      %d tenants of %d agents, %d queues: made in %.0f s, published after %.0f s more; CPU: %s" % (
            self.n, self.agents, QUEUES, made - began, time.monotonic() - made,
            ", ".join("%s %.1f s" % (n, c - before.cpu[n]) for n, c in sorted(used.items(), key=lambda x: before.cpu[x[0]] - x[1]))))

    def _make(self, i):
        admin, t = Patient(self.api.admin), tenant_id(i)
        parent = "tenants/" + t
        admin.CreateTenant(tenant_id=t, tenant={"display_name": "Tenant number %d" % i, "sip_domain": t + ".example", "time_zone": "Asia/Shanghai"})
        admin.CreateTrunk(parent=parent, trunk_id="gateway", trunk={"addresses": ["127.%d.%d.2" % (1 + i // 250, i % 250)]})
        admin.CreateCalendar(parent=parent, calendar_id="hours", calendar={"time_zone": "Asia/Shanghai", "hours": [
            {"weekday": d, "from_minute": 540, "to_minute": 1080} for d in range(1, 6)]})
        for s in range(SKILLS):
            admin.CreateSkill(parent=parent, skill_id="s%d" % s, skill={"display_name": "Skill %d" % s})
        for q in range(QUEUES):
            admin.CreateQueue(parent=parent, queue_id="q%d" % q, queue={
                "display_name": "Queue %d" % q, "skills": [{"skill_id": "s%d" % (q % SKILLS), "level": 1 + q % 3}], "ring_timeout_ms": 15000})
        admin.CreateFlow(parent=parent, flow_id="main", flow={"steps": [
            {"id": "hello", "answer": {}, "next": "wait"}, {"id": "wait", "queue": {"queue_id": "q0"}}]})
        admin.CreateNumber(parent=parent, number_id=number(i), number={"calendar_id": "hours", "working": {"flow_id": "main"},
                                                                       "other": {"reject_status": 480}})
        self._import(parent)

    def _import(self, parent):
        rows = "".join("a%d,Agent number %d,password-%d,s%d:%d\n" % (a, a, a, a % SKILLS, 1 + a % 10) for a in range(self.agents))
        table = ("id,display_name,password,skills\n" + rows).encode()
        Patient(self.api.admin).CreateImport([{"header": {"parent": parent, "kind": "IMPORT_KIND_AGENTS"}}, {"chunk": base64.b64encode(table).decode()}])

    def stored(self):
        """The state of KV bucket `config`: messages, last_seq, …"""
        for account in self.meter.ask("/jsz?accounts=1&streams=1").get("account_details", []):
            for s in account.get("stream_detail", []):
                if s["name"] == "KV_config":
                    return s["state"]
        return {"messages": 0, "last_seq": 0}

    def settled(self):
        """Nothing waits to be published."""
        before = self.stored()["last_seq"]
        time.sleep(1)
        return self.stored()["last_seq"] == before and not self.cluster.metric("tm-1", "trunkline_admin_outbox_items")

    def services(self):
        return [n for n in self.meter.pids if n not in ("postgres", "kafka", "nats")]
