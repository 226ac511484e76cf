"""What a cluster consists of: names, directories, ports. Everything else is derived from it.

Ports are P + offset, where P is the cluster's base (--base): clusters whose bases lie 4,000 apart run side by side.
"""
import json
import os
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEFAULT_NAME = "local"
DEFAULT_BASE = 20000
HOST = "127.0.0.1"

# offset from the base port
PORTS = {
    "postgres": 0,
    "nats": 1,
    "nats-monitor": 2,
    "kafka": 3,
    "kafka-controller": 4,
    "nats-route": 20,
    "nats-2": 21,
    "nats-2-monitor": 22,
    "nats-2-route": 23,
    "nats-3": 24,
    "nats-3-monitor": 25,
    "nats-3-route": 26,
    "tenant-manager": 10,
    "agent-desk": 11,
    "recorder": 12,
    "reporting": 13,
    "sip": 60,
    "sip-tls": 61,
}
HTTP_OFFSET = 100
RTP_FIRST, RTP_LAST = 1000, 3999

# service -> instances; the position in this list gives an instance its HTTP port (P + 100 + i)
INSTANCES = [
    ("tenant-manager", "tm-1"),
    ("router", "router-1"),
    ("router", "router-2"),
    ("media", "media-1"),
    ("call-control", "cc-1"),
    ("call-control", "cc-2"),
    ("sip-edge", "edge-1"),
    ("agent-desk", "desk-1"),
    ("recorder", "rec-1"),
    ("event-bridge", "bridge-1"),
    ("reporting", "rep-1"),
    ("media", "media-2"),
]
ENGINES = ["media-1", "media-2"]
OWN_POOL = [("router", "router-3"), ("media", "media-3"), ("call-control", "cc-3")]  # of a second pool (up --pool); ports go on
EVERY = INSTANCES + OWN_POOL
SERVICES = list(dict.fromkeys(s for s, _ in INSTANCES))
NATS = ["nats", "nats-2", "nats-3"]  # one, or all three as a JetStream cluster (--nats 3)
BACKENDS = ["postgres", *NATS, "kafka"]
DURABILITY = ["process", "power"]


class ClusterError(Exception):
    """Something a person has to know or mend; its text says what."""


def cache_dir():
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(os.environ.get("TRUNKLINE_CACHE") or os.path.join(base, "trunkline"))


def clusters_dir():
    return pathlib.Path(os.environ.get("TRUNKLINE_CLUSTER_DIR") or ROOT / ".cluster").absolute()


class Plan:
    """One cluster's names, ports and directories."""

    def __init__(self, name, base, variant="release", overrides=None, engines=len(ENGINES), nats=1, durability="process", clocks=False,
                 pool=""):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,31}", name):
            raise ClusterError(f"--name {name!r}: 1 to 32 of a-z, 0-9 and '-'")
        if not 1024 <= base <= 61000 or base % 2:
            raise ClusterError(f"--base {base}: an even port from 1024 to 61000 (the cluster uses it and the 3,999 after it)")
        self.name, self.base, self.variant = name, base, variant
        self.overrides, self.engines = overrides or {}, engines
        self.nats, self.durability, self.clocks, self.pool = nats, durability, clocks, pool
        self.dir = clusters_dir() / name

    def port(self, what):
        return self.base + PORTS[what]

    def http_port(self, instance):
        return self.base + HTTP_OFFSET + [i for _, i in EVERY].index(instance)

    def instances(self):
        """(service, instance) of what belongs to this cluster."""
        return [(s, i) for s, i in INSTANCES if i not in ENGINES[self.engines:]] + (OWN_POOL if self.pool else [])

    def rtp_ports(self):
        return self.base + RTP_FIRST, self.base + RTP_LAST

    def rtp_share(self, instance, first, last):
        """A media engine's part of a range of ports: no two engines share one."""
        engines = [i for s, i in self.instances() if s == "media"]
        n, i = (last - first + 1) // len(engines), engines.index(instance)
        return first + i * n, last if i == len(engines) - 1 else first + (i + 1) * n - 1

    def addr(self, what):
        return f"{HOST}:{self.port(what)}"

    def nats_nodes(self):
        return NATS[:self.nats]

    def backends(self):
        return [b for b in BACKENDS if b not in NATS or b in self.nats_nodes()]

    def components(self):
        """All component names, in the order of start."""
        return self.backends() + [i for _, i in self.instances()]

    def path(self, *parts):
        return self.dir.joinpath(*parts)

    def binary(self, service):
        return ROOT / "build" / self.variant / "bin" / f"trunkline-{service}"

    def built(self, service):
        return os.access(self.binary(service), os.X_OK)

    def log_file(self, component):
        return self.path("log", f"{component}.log")

    def ports_of(self, component):
        """The ports a component listens on, for people: [(label, port)]."""
        if component in NATS:
            return [("tls", self.port(component)), ("http", self.port(f"{component}-monitor"))]
        if component in BACKENDS:
            return [("tcp", self.port(component))]
        service = service_of(component)
        out = [("http", self.http_port(component))]
        if service in PORTS:
            out.insert(0, ("grpc", self.port(service)))
        if service == "sip-edge":
            out = [("sip", self.port("sip")), ("sips", self.port("sip-tls"))] + out
        if service == "media":
            out.insert(0, ("rtp", self.rtp_share(component, *self.rtp_ports())[0]))
        return out

    def save(self):
        self.dir.mkdir(parents=True, exist_ok=True)
        state = {"name": self.name, "base": self.base, "variant": self.variant, "overrides": self.overrides,
                 "engines": self.engines, "nats": self.nats, "durability": self.durability, "clocks": self.clocks, "pool": self.pool}
        self.path("cluster.json").write_text(json.dumps(state, indent=1) + "\n")

    @classmethod
    def load(cls, name):
        """The plan of a cluster that was set up before, or None."""
        try:
            state = json.loads((clusters_dir() / name / "cluster.json").read_text())
        except FileNotFoundError:
            return None
        return cls(state["name"], state["base"], state["variant"], state["overrides"], state.get("engines", 1), state.get("nats", 1),
                   state.get("durability", "process"), state.get("clocks", False), state.get("pool", ""))


def service_of(instance):
    return dict((i, s) for s, i in EVERY).get(instance)


def write_private(path, text, mode=0o600):
    """Writes a file that only the owner reads; leaves it alone when it already says so. True if it changed."""
    path = pathlib.Path(path)
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(path.name + ".tmp")
    fd = os.open(tmp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(fd, "w") as f:
        f.write(text)
    os.chmod(tmp, mode)
    os.replace(tmp, path)
    return True
