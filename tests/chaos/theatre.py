"""The load of a run: a cluster, one company, its agents signed in with their telephones, callers who talk, wait and come anew.

    t = Theatre(name, base, directory, size, seed)
    t.up(); t.begin()          # returns when the load stands
    t.refill()                 # what a fault has cost is made up for
    t.end()                    # everybody hangs up; what is left over is left for the judge
    t.down()

Three queues: `long` (calls that talk all the time), `wait` (more callers than its few agents can take, who ring for seconds), `short` (new calls at a
rate, agents free, recorded).
"""
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import threading
import time

import audio
from api import Api, ApiError
from cluster import Cluster
from clusterlib.plan import Plan
from company import Company
from phones import Phones
from proxy import Proxy, conninfo_sets
from sipua import Ua

TENANT, TRUNK = "chaos", "127.0.0.2"
NUMBERS = {"long": "+493001", "wait": "+493002", "short": "+493003"}
AT_ONCE = 4
SLOW_POSTGRES = "@slow-postgres"  # of a row's setup: a proxy stands before PostgreSQL
REGISTERED_S = 86400              # telephones register once: longer than any load
THREE_NATS = "@three-nats"        # a cluster of three NATS servers, every stream on all of them
AGENT_PORT, PROXY_PORT = 500, 520  # from the cluster's base


@dataclasses.dataclass(frozen=True)
class Size:
    long: int = 100        # calls that talk all the time, with an agent each
    wait: int = 200        # callers who wait
    wait_agents: int = 25  # whom they wait for: at any time about four fifths of these ring
    short: float = 5       # new calls a second
    short_agents: int = 50
    talk_ms: tuple = (2000, 5000)
    slow_ring_ms: tuple = (5000, 7000)


FULL = Size()
SMALL = Size(long=20, wait=30, wait_agents=5, short=2, short_agents=20)


def say(text):
    print(text, flush=True)


class Watcher(threading.Thread):
    """A lead's stream of events, opened again whenever it breaks: DIR/desk.jsonl says when it was there and when not.

    Each time over a new connection: gRPC's Python works on a broken one only while a call waits for it.
    """

    def __init__(self, api, path):
        super().__init__(daemon=True)
        self.api, self.out, self.over = api, open(path, "a", buffering=1), False

    def note(self, what, **more):
        self.out.write(json.dumps({"t": round(time.time() * 1000, 1), "ev": what, **more}) + "\n")

    def run(self):
        while not self.over:
            try:
                self.stream = self.api.desk.StreamEvents(all_agents=True)
                agents = set()
                for event in self.stream:
                    if event.WhichOneof("event") == "state":
                        agents.add(event.state.agent_id)
                    elif event.WhichOneof("event") == "synced":
                        self.note("there", agents=len(agents))
            except ApiError as e:
                if self.over:
                    break
                self.note("lost", code=e.code)
            old, self.api = self.api, self.api.with_token(self.api.token)
            old.close()
            time.sleep(0.1)

    def close(self):
        self.over = True
        self.stream.cancel()
        self.join(5)
        self.out.close()


class Preference(threading.Thread):
    """Lets the cluster's processes and the telephones go before whatever else the machine does: each is a session of its own, and the kernel shares
    the processors among sessions (autogroup). What is born anew is found within half a second."""

    def __init__(self, theatre, nice):
        super().__init__(daemon=True)
        self.theatre, self.nice, self.known, self.ending = theatre, nice, set(), threading.Event()

    def pids(self):
        plan = Plan.load(self.theatre.cluster.name)
        if plan is None:
            return
        directory = str(plan.dir).encode()
        for p in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(p.name)) == int(p.name) and directory in (p / "cmdline").read_bytes():
                    yield p.name
            except OSError:
                pass

    def run(self):
        while not self.ending.wait(0.5):
            for pid in set(self.pids()) - self.known | {"self"}:
                try:
                    pathlib.Path("/proc", pid, "autogroup").write_text(str(self.nice))
                    self.known.add(pid)
                except OSError:
                    pass

    def close(self):
        self.ending.set()
        self.join(5)


class Theatre:
    def __init__(self, name, base, directory, size, seed, sets=()):
        self.base, self.dir, self.size, self.seed = base, pathlib.Path(directory), size, seed
        self.cluster = Cluster(name, base, fresh=True, sets=[s for s in sets if not s.startswith("@")] + ["sip-edge.sip.expires_max_s=%d" % REGISTERED_S],
                               options=("--nats", "3", "--wait", "180") if THREE_NATS in sets else ())
        self.proxy = Proxy(base + PROXY_PORT, base) if SLOW_POSTGRES in sets else None
        self.phones = self.watcher = self.preference = None
        self.is_up = False

    # ---- set-up ----
    def up(self):
        t0 = time.monotonic()
        self.is_up = True
        if os.environ.get("CHAOS_NICE"):
            self.preference = Preference(self, int(os.environ["CHAOS_NICE"]))
            self.preference.start()
        self.cluster.up()
        if self.proxy:  # only now there are passwords to go through it
            self.proxy.start()
            self.cluster.fresh, self.cluster.sets = False, self.cluster.sets + conninfo_sets(Plan.load(self.cluster.name), self.proxy.port)
            self.cluster.up()
        self.api = Api(self.cluster.env, timeout=60)
        self.company = self._company()
        say("chaos: cluster with %d agents up after %.0f s" % (len(self.company.agents), time.monotonic() - t0))
        return self

    def _company(self):
        c = Company(self.api, TENANT, TENANT + ".example", trunk=TRUNK).create()
        c.prompt("music", audio.tone(str(self.dir / "music.wav"), 523, 8.0))
        usual = {"ring_timeout_ms": 10000, "wrap_up_ms": 0, "service_level_ms": 5000}
        for queue in NUMBERS:
            c.skill(queue)
        c.queue("long", ["long"], **usual)
        c.queue("wait", ["wait"], music_prompt_id="music", answer_before_queue=True, **usual)
        c.queue("short", ["short"], record=True, **usual)
        for queue, number in NUMBERS.items():
            c.number(number, queue_id=queue)
        people = [("1%03d" % i, "long") for i in range(self.size.long)] + [("2%03d" % i, "wait") for i in range(self.size.wait_agents)] + \
                 [("3%03d" % i, "short") for i in range(self.size.short_agents)]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda p: c.agent(p[0], [p[1]], logs_in=False), people))
        deadline = time.monotonic() + 60
        while not c.published() and time.monotonic() < deadline:
            time.sleep(0.1)
        return c

    def _sign_in(self, agent):
        ua = Ua(agent.id, domain=self.company.domain, server=("127.0.0.1", self.base + 60), password=agent.password)
        ua.register(contact="<sip:%s@127.0.0.1:%d>" % (agent.id, self.base + AGENT_PORT), expires=REGISTERED_S)
        ua.vanish()
        self.company.lead.desk.SignIn(agent_id=agent.id)
        self.company.lead.desk.SetReady(agent_id=agent.id)

    def lead(self):
        """A lead's view, over connections of its own."""
        return self.company.api.with_token(self.company.lead_token)

    # ---- the load ----
    def begin(self, timeout=90):
        t0, s = time.monotonic(), self.size
        self.phones = Phones(self.base + 60, self.dir / "phones.jsonl", TRUNK, self.base + AGENT_PORT, NUMBERS, self.seed)
        self.phones.ask("ring 2 %d-%d" % s.slow_ring_ms)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._sign_in, self.company.agents.values()))
        self.watcher = Watcher(self.lead(), self.dir / "desk.jsonl")
        self.watcher.start()
        self._place_calls(timeout)
        say("chaos: the load stands after %.0f s: %s" % (time.monotonic() - t0, self.figures()))
        return self

    def _place_calls(self, timeout):
        s = self.size
        self.phones.call("long", count=s.long, rate=20)
        self.phones.call("wait", rate=25, keep=s.wait, talk_ms=(1000, 2000))
        self.phones.call("short", rate=s.short, talk_ms=s.talk_ms, patience_ms=30000, by_agent=20)
        deadline = time.monotonic() + timeout
        while not self.refill(5):
            if time.monotonic() > deadline:
                raise RuntimeError("the load does not come to stand within %d s: %s" % (timeout, self.phones.report()))

    def renew(self, timeout=90):
        """Everybody hangs up and calls anew: after a fault that may have left calls which nobody hears any more."""
        self.hang_up(timeout)
        self._place_calls(timeout)

    def figures(self):
        r = self.phones.report()
        return "%d talk for long, %d wait, %d talk shortly, %d ended, %d failed" % (
            r["long"]["talking"], r["wait"]["waiting"], r["short"]["talking"] + r["wait"]["talking"], sum(g["ended"] for g in r.values()),
            sum(g["failed"] for g in r.values()))

    def stands(self, timeout):
        deadline = time.monotonic() + timeout
        while True:
            r = self.phones.report()
            if r["long"]["talking"] >= self.size.long and r["wait"]["waiting"] >= 0.95 * self.size.wait and r["short"]["talking"]:
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)

    def refill(self, timeout=30):
        """Where a fault has cost long calls, others take their place."""
        r = self.phones.report()["long"]
        missing = self.size.long - r["talking"] - r["waiting"] - r["calling"]
        if missing > 0:
            self.phones.call("long", count=missing, rate=20)
        return self.stands(timeout)

    def hang_up(self, timeout):
        """Nobody calls any more; everybody hangs up; until nothing is left or the time is over."""
        self.phones.ask("stop short")
        self.phones.ask("stop wait")
        time.sleep(self.size.talk_ms[1] / 1000 + 1)
        for group in ("wait", "long", "short"):
            self.phones.ask("hangup %s 100" % group)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            r = self.phones.report()
            if not sum(g["calling"] + g["waiting"] + g["talking"] for g in r.values()):
                break
            time.sleep(0.2)

    def end(self, timeout=60):
        self.hang_up(timeout)
        time.sleep(2)

    def down(self):
        for part in (self.preference, self.watcher, self.phones):
            if part:
                part.close()
        if self.is_up:
            self.cluster.down(wipe=True)
        self.is_up = False
