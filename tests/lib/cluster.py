"""A private cluster for tests: the commands of tools/cluster, and a look at its processes.

    with Cluster("chaos", 23000) as c:
        c.kill("router-1")
        c.metric("cc-1", "trunkline_call_active")
"""
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request

from jetstream import last_of
from patience import patient

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = str(ROOT / "tools" / "cluster")
SIP_KEEPS = ("server transactions", "client transactions", "invites over", "dialogs")
READERS = ("edge-", "router-", "cc-", "desk-")  # of the configuration
LINE = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)$")


class ClusterError(Exception):
    pass


class Cluster:
    def __init__(self, name, base=None, fresh=True, sets=(), engines=None, options=()):
        """options: further ones of `tools/cluster up`, such as ("--nats", "3")."""
        self.name, self.base, self.fresh, self.sets, self.engines, self.options = name, base, fresh, sets, engines, options
        self.env = {}

    @classmethod
    def here(cls):
        """The one whose environment we run in (tools/cluster run)."""
        c = cls(os.environ["TRUNKLINE_CLUSTER"], int(os.environ["TRUNKLINE_BASE"]))
        c.env = {k: v for k, v in os.environ.items() if k.startswith("TRUNKLINE_")}
        return c

    def tool(self, *args, check=True, timeout=300):
        p = subprocess.run([TOOL, args[0], "--name", self.name, *args[1:]], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           timeout=patient(timeout))
        if check and p.returncode:
            raise ClusterError("tools/cluster %s: exit %d\n%s" % (" ".join(args), p.returncode, p.stdout))
        return p.stdout

    def up(self):
        args = ["up"] + (["--base", str(self.base)] if self.base else []) + (["--fresh"] if self.fresh else [])
        if self.engines:
            args += ["--engines", str(self.engines)]
        for s in self.sets:
            args += ["--set", s]
        args += self.options
        out = self.tool(*args)
        self.env = self.read_env()
        return out

    def read_env(self):
        env = {}
        for line in self.tool("env").splitlines():
            key, _, value = line.removeprefix("export ").partition("=")
            env[key] = value.strip("'")
        return env

    def down(self, wipe=False):
        return self.tool("down", *(["--wipe"] if wipe else []))

    def kill(self, component, sig="-9"):
        return self.tool("kill", component, sig)

    def stop(self, component):
        return self.tool("stop", component)

    def start(self, component):
        return self.tool("start", component)

    def status(self):
        """{name: row} of `tools/cluster status --json`."""
        return {r["name"]: r for r in json.loads(self.tool("status", "--json"))["components"]}

    def wait_ready(self, timeout=30):
        """Until every process is ready; says which are not."""
        deadline = time.monotonic() + patient(timeout)
        while True:
            bad = {n: r["health"] for n, r in self.status().items() if r["health"] != "ready"}
            if not bad:
                return
            if time.monotonic() > deadline:
                raise ClusterError("not ready after %s s: %s" % (timeout, bad))
            time.sleep(0.2)

    def wait_published(self, *companies, timeout=20):
        """Until their configuration is published as it is now, and every process that reads it has heard of it."""
        deadline = time.monotonic() + patient(timeout)
        while not all(c.published() for c in companies):
            assert time.monotonic() < deadline, "tenant-manager does not publish"
            time.sleep(0.05)
        newest = last_of(self.env["TRUNKLINE_NATS_MONITOR"], "KV_config")
        readers = [n for n, r in self.status().items() if n.startswith(READERS) and r["health"] == "ready"]
        while behind := [n for n in readers if self.metric(n, "trunkline_config_revision") < newest]:
            assert time.monotonic() < deadline, "not heard of the configuration: %s" % ", ".join(behind)
            time.sleep(0.05)

    def http_port(self, instance):
        if not hasattr(self, "_ports"):
            self._ports = {n: r["ports"].get("http") for n, r in self.status().items()}
        return self._ports[instance]

    def metrics(self, instance):
        """[(name, labels text, value)] of one process."""
        with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % self.http_port(instance), timeout=patient(3)) as r:
            text = r.read().decode()
        out = []
        for line in text.splitlines():
            m = LINE.match(line)
            if m:
                out.append((m.group(1), m.group(2) or "", float(m.group(3))))
        return out

    def metric(self, instance, name, labels=""):
        """Sum of a metric's samples whose labels contain a text; 0 when there is none."""
        return sum(v for n, l, v in self.metrics(instance) if n == name and labels in l)

    def sip_left(self, instance="edge-1"):
        """{what: how many} of all that sip-edge still keeps of calls, what SIP keeps for 32 s after the last message (RFC 3261, timer J) included."""
        now = {n: v for n, _, v in self.metrics(instance)}
        return {what: int(now["trunkline_edge_" + what.replace(" ", "_")]) for what in SIP_KEEPS}

    def log(self, component):
        return (pathlib.Path(self.env["TRUNKLINE_CLUSTER_PATH"]) / "log" / ("%s.log" % component)).read_text(errors="replace")

    def __enter__(self):
        self.up()
        return self

    def __exit__(self, *_):
        self.down(wipe=True)
