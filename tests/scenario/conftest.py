"""What every scenario has: the cluster that tools/scenarios started, two companies, telephones that end with the test.

By hand, on any running cluster: eval "$(tools/cluster env --name N)"; /usr/bin/python3 -B -m pytest -q tests/scenario -k queue
"""
import pathlib
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "lib"), str(HERE)]
sys.dont_write_bytecode = True
import world  # noqa: E402
from api import Api, ApiError  # noqa: E402
from cluster import Cluster, ClusterError  # noqa: E402
from facts import Facts, settled  # noqa: E402
from patience import patient  # noqa: E402
from sipua import Ua  # noqa: E402
from sipwire import Wire  # noqa: E402

ORDER = ["test_talk", "test_ivr", "test_queues", "test_endings", "test_lost", "test_phones", "test_torture", "test_attacks", "test_hostile", "test_tenants", "test_matrix", "test_canaries", "test_audit", "test_sensitive", "test_load",
         "test_backends", "test_ready", "test_nats_cluster", "test_clocks", "test_pools", "test_shutdown", "test_upgrade", "test_kills", "test_media", "test_soak"]
CALLS = {"edge-1": "trunkline_edge_legs", "media-1": "trunkline_media_endpoints", "media-2": "trunkline_media_endpoints", "cc-1": "trunkline_calls", "cc-2": "trunkline_calls",
         "router-1": "trunkline_router_calls_waiting", "router-2": "trunkline_router_calls_waiting"}


def pytest_collection_modifyitems(items):
    """What breaks things comes last, the sum of all at the very end."""
    items.sort(key=lambda i: ORDER.index(i.module.__name__) if i.module.__name__ in ORDER else 0)


class Scene:
    """One test's view: makes callers and agents at work, waits for facts, and takes everything down afterwards."""

    def __init__(self, cluster, acme, huaxia):
        self.cluster, self.acme, self.huaxia = cluster, acme, huaxia
        host, _, port = cluster.env["TRUNKLINE_SIP"].rpartition(":")
        self.sip = (host, int(port))
        self.counted = {i: m for i, m in CALLS.items() if i in cluster.status()}
        self.uas, self.working, self.since_ms = [], [], int(time.time() * 1000)
        self.brokers = cluster.env["TRUNKLINE_KAFKA_BROKERS"]

    def address(self, last):
        """An address of this machine that no other cluster's test uses."""
        return "127.4.%d.%d" % (self.cluster.base // 1000, last)

    def ua(self, user, domain="gateway.example", **options):
        ua = Ua(user, domain, self.sip, **options)
        self.uas.append(ua)
        return ua

    def caller(self, user="+4917012345", company=None, **options):
        """A telephone behind the company's trunk."""
        options.setdefault("speaks", world.CALLER)
        return self.ua(user, host=(company or self.acme).trunk, **options)

    def agent(self, agent_id, company=None, ready=True, **options):
        """An agent at work: the phone registers, the agent signs in (and is ready)."""
        a = (company or self.acme).agents[agent_id]
        options.setdefault("speaks", world.AGENT)
        a.phone = self.ua(agent_id, a.company.domain, password=a.password, **options).register()
        a.sign_in()
        if ready:
            a.ready()
        self.working.append(a)
        return a

    def call(self, what, user="+4917012345", company=None, **options):
        """A call of a new caller to one of the company's numbers."""
        company = company or self.acme
        return self.caller(user, company, **options).call(company.number_of(what))

    def wait_state(self, agent, state, timeout=8):
        deadline = time.monotonic() + patient(timeout)
        while agent.state_name() != state:
            assert time.monotonic() < deadline, "agent %s is %s, not %s within %s s" % (agent.id, agent.state_name(), state, timeout)
            time.sleep(0.05)

    def facts_of(self, caller, timeout=15, tenant=None):
        """This test's call of a caller as it stands in Kafka, when it has ended there."""
        def find(facts):
            return [c for c in facts.calls.values() if c.offered and c.offered.caller == caller and (not tenant or c.tenant == tenant) and
                    c.events[0].time_ms >= self.since_ms]
        facts = settled(self.brokers, lambda f: any(c.ended for c in find(f)), timeout)
        found = [c for c in find(facts) if c.ended]
        assert found, "no ended call of %s in Kafka within %s s; there: %s" % (caller, timeout, [c.kinds for c in find(facts)])
        problems = [p for c in found for p in c.problems()]
        assert not problems, problems
        return max(found, key=lambda c: c.ended.ended_ms)

    def nothing_left(self, timeout=10):
        """No leg, no endpoint, no call anywhere, and everybody who works is ready or busy."""
        deadline = time.monotonic() + patient(timeout)
        while True:
            left = {}
            for instance, metric in self.counted.items():
                n = self.cluster.metric(instance, metric)
                if n:
                    left[instance + " " + metric] = n
            for a in self.working:
                name = a.state_name()
                if name not in ("READY", "BUSY", "SIGNED_OUT"):
                    left["agent " + a.id] = name
            if not left:
                return
            assert time.monotonic() < deadline, "left over %s s after the end: %s" % (timeout, left)
            time.sleep(0.1)

    def close(self):
        for ua in self.uas:
            for c in ua.calls:
                if c.state != "ended" and not ua.gone:
                    c.hang_up()
        deadline = time.monotonic() + patient(8)
        for a in self.working:
            while True:
                try:
                    if a.state_name() == "SIGNED_OUT":
                        break
                    a.sign_out()
                except ApiError:
                    pass
                if time.monotonic() > deadline:
                    break
                time.sleep(0.05)
        for ua in self.uas:
            if not ua.gone and ua.password:
                try:
                    ua.register(expires=0, timeout=2)
                except AssertionError:
                    pass
            ua.vanish()


@pytest.fixture(scope="session")
def cluster():
    return Cluster.here()


@pytest.fixture(scope="session")
def companies(cluster):
    both = world.both(Api(cluster.env))
    cluster.wait_published(*both)
    return both


@pytest.fixture
def scene(cluster, companies):
    try:
        cluster.status()
    except ClusterError as e:
        pytest.exit("the cluster is gone: %s" % e, returncode=1)
    s = Scene(cluster, *companies)
    yield s
    try:
        s.close()
    finally:
        s.nothing_left()


PORTS = (5050, 5070, 6050, 19823)  # besides 5060: those that the Via fields of RFC 4475 and RFC 5118 name


@pytest.fixture(scope="session")
def trunk_wire(cluster, companies):
    """A second address of acme's trunk, for SIP as bytes."""
    acme, base = companies[0], cluster.base
    host = "127.4.%d.75" % (base // 1000)
    server, _, port = cluster.env["TRUNKLINE_SIP"].rpartition(":")
    acme.own.admin.UpdateTrunk(trunk={"name": "tenants/acme/trunks/gateway", "addresses": [acme.trunk, host]}, update_mask="addresses")
    with Wire(host, (server, int(port)), PORTS, port=5060) as wire:
        deadline = time.monotonic() + 15
        while not wire.answered(0.2):
            assert time.monotonic() < deadline, "the edge does not take %s for a trunk's" % host
        yield wire


@pytest.fixture
def trunk(scene, trunk_wire):
    trunk_wire.collect(0)
    return trunk_wire


@pytest.fixture
def facts(scene):
    return lambda: Facts.read(scene.brokers)
