"""AdminService under a steady load: requests leave when they are due, whether or not those before have been answered."""
import collections
import concurrent.futures
import random
import threading
import time

from api import FACTORY, POOL, make
from stage import say
from tenants import QUEUES, number, tenant_id

SERVICE = "trunkline.admin.v1.AdminService"
MIX = "45 % Get, 25 % List, 30 % Update, over all tenants, by their own administrators"
PAGE = 50


def parent(i):
    return "tenants/" + tenant_id(i)


# share, method, its fields; r: random numbers, i: which tenant, n: which request
KINDS = (
    (15, "GetQueue", lambda r, i, n: {"name": "%s/queues/q%d" % (parent(i), r.randrange(QUEUES))}),
    (20, "GetAgent", lambda r, i, n: {"name": "%s/agents/a%d" % (parent(i), r.randrange(100))}),
    (10, "GetTenant", lambda r, i, n: {"name": parent(i)}),
    (10, "ListQueues", lambda r, i, n: {"parent": parent(i)}),
    (10, "ListAgents", lambda r, i, n: {"parent": parent(i), "page_size": PAGE}),
    (5, "ListTenants", lambda r, i, n: {"page_size": PAGE}),
    (10, "UpdateQueue", lambda r, i, n: {"queue": {"name": "%s/queues/q%d" % (parent(i), r.randrange(QUEUES)), "wrap_up_ms": n}, "update_mask": "wrapUpMs"}),
    (10, "UpdateAgent", lambda r, i, n: {"agent": {"name": "%s/agents/a%d" % (parent(i), r.randrange(100)), "display_name": "Name %d" % n},
                                         "update_mask": "displayName"}),
    (10, "UpdateNumber", lambda r, i, n: {"number": {"name": "%s/numbers/%s" % (parent(i), number(i)), "display_name": "Number %d" % n},
                                          "update_mask": "displayName"}),
)
Found = collections.namedtuple("Found", "ms failed server_p50_ms server_p99_ms wait_p50_ms wait_p99_ms cpu_ms")


class Load:
    """Requests made ahead, so that making them is no part of the load."""

    def __init__(self, tenants, bearers, n):
        self.api, self.ms, self.failed, self.lock = tenants.api, collections.defaultdict(list), collections.Counter(), threading.Lock()
        tenants.api.admin.GetTenant(name=parent(0))  # the channel is up
        channel = tenants.api.channels[tenants.api.env["TRUNKLINE_ADMIN"]]
        operator = (("authorization", "Bearer " + tenants.api.token),)
        descriptor = POOL.FindServiceByName(SERVICE)
        self.stubs, self.inputs = {}, {}
        for _, method, _ in KINDS:
            m = descriptor.methods_by_name[method]
            self.inputs[method] = FACTORY.GetPrototype(m.input_type)
            self.stubs[method] = channel.unary_unary("/%s/%s" % (SERVICE, method))  # bytes: parsing answers would be the client's time
        r = random.Random(7)
        chosen = r.choices(KINDS, [k[0] for k in KINDS], k=n)
        self.requests = []
        for i, (_, method, fields) in enumerate(chosen):
            t = r.randrange(tenants.n)
            self.requests.append((method, make(self.inputs[method], fields(r, t, i)).SerializeToString(), operator if method == "ListTenants" else bearers[t]))

    def answered(self, method, due, future):
        took = (time.monotonic() - due) * 1000
        with self.lock:
            self.ms[method].append(took)
            if future.code().value[0]:
                self.failed["%s: %s: %s" % (method, future.code().name, future.details())] += 1

    def run(self, rate):
        began = time.monotonic()
        for i, (method, request, bearer) in enumerate(self.requests):
            due = began + i / rate
            time.sleep(max(0, due - time.monotonic()))
            future = self.stubs[method].future(request, timeout=30, metadata=bearer)
            future.add_done_callback(lambda f, method=method, due=due: self.answered(method, due, f))
        while sum(map(len, self.ms.values())) < len(self.requests):
            time.sleep(0.01)


def histogram(cluster, name):
    """[(upper bound in s, how many up to it)]"""
    return [(float(labels.split('"')[1].replace("+Inf", "inf")), v) for n, labels, v in cluster.metrics("tm-1") if n == name + "_bucket"]


def quantile_ms(before, after, p):
    """Within its bucket by proportion."""
    counts = [(bound, b - a) for (bound, b), (_, a) in zip(after, before)]
    wanted, low, below = p * counts[-1][1], 0.0, 0
    for bound, n in counts:
        if n >= wanted and n > below:
            return (low + (min(bound, 2 * low or bound) - low) * (wanted - below) / (n - below)) * 1000
        low, below = bound, n
    return 0.0


def show(ms):
    say("      %-14s %6s %8s %8s %8s" % ("request", "n", "p50 ms", "p99 ms", "max ms"))
    for name, values in sorted(ms.items()):
        v = sorted(values)
        say("      %-14s %6d %8.1f %8.1f %8.1f" % (name, len(v), v[len(v) // 2], v[min(len(v) - 1, len(v) * 99 // 100)], v[-1]))


def run(tenants, rate, seconds):
    def bearer(i):
        return (("authorization", "Bearer " + tenants.api.token_for(tenant_id(i), "SCOPE_TENANT_ADMIN")),)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        bearers = list(pool.map(bearer, range(tenants.n)))
    cluster, names = tenants.cluster, ("trunkline_rpc_request_seconds", "trunkline_db_wait_seconds")
    Load(tenants, bearers, rate * 3).run(rate)  # plans and caches of the connections
    load = Load(tenants, bearers, rate * seconds)
    before, a = [histogram(cluster, n) for n in names], tenants.meter.look()
    load.run(rate)
    b, after = tenants.meter.look(), [histogram(cluster, n) for n in names]
    show(load.ms)
    for what, n in load.failed.most_common(5):
        say("      %d × %s" % (n, what))
    cpu = {n: (b.cpu[n] - a.cpu[n]) * 1000 / len(load.requests) for n in b.cpu}
    requests, waits = zip(before, after)
    return Found([x for v in load.ms.values() for x in v], sum(load.failed.values()), quantile_ms(*requests, 0.5), quantile_ms(*requests, 0.99),
                 quantile_ms(*waits, 0.5), quantile_ms(*waits, 0.99), dict(sorted(cpu.items(), key=lambda x: -x[1])))
