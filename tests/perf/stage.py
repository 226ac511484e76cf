"""The cluster that the benchmarks load: two companies, their agents signed in, their telephones.

    stage = Stage(base=25000)
    stage.up()
    small = stage.company("small", 200)      # made and signed in at the first call
    …
    stage.down()

Each company's numbers: plain (straight into a queue, no prompt, no RTP needed), ivr (greeting, one key, queue, recorded), menu (greeting, one
key, end), held (a queue without agents, answered at once), ringing (the same, not
answered).
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build" / "release" / "bin"
sys.path.insert(0, str(ROOT / "tests" / "lib"))

import audio  # noqa: E402
from api import Api  # noqa: E402
from cluster import Cluster  # noqa: E402
from company import Company  # noqa: E402
from sipua import Ua  # noqa: E402

AT_ONCE = 4        # agents made, or signed in, at a time
RTP_PORTS = 16000  # from base + 4000: 8,000 endpoints
NUMBERS = {"plain": "01", "ivr": "02", "menu": "03", "held": "04", "ringing": "05"}
PREFIX = {"small": "+4910", "large": "+4920"}
TRUNK = {"small": "127.0.0.2", "large": "127.0.0.3"}


def say(text):
    print(text, flush=True)


class Phones:
    """sip-phones: all agents' telephones of one company in one process."""

    def __init__(self, port, rtp_port):
        self.p = subprocess.Popen([str(BIN / "sip-phones"), "--port", str(port), "--rtp-port", str(rtp_port)], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE, text=True, bufsize=1)

    def ask(self, what):
        self.p.stdin.write(what + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())

    def reset(self):
        return self.ask("reset")

    def report(self):
        return self.ask("report")

    def close(self):
        self.p.stdin.close()
        self.p.wait(5)


class Stage:
    """phones(port, rtp_port): who answers for the agents of a company; closed by down()."""

    def __init__(self, base, name="bench", phones=Phones):
        first = base + 4000
        sets = ["media.rtp.port_min=%d" % first, "media.rtp.port_max=%d" % min(65534, first + RTP_PORTS - 1)]
        self.base, self.dir = base, pathlib.Path(tempfile.mkdtemp(prefix="trunkline-bench-"))
        self.cluster = Cluster(name, base, fresh=True, sets=sets, engines=1)
        self.companies, self.phones, self.is_up, self.keep, self.make_phones = {}, {}, False, False, phones

    def up(self):
        if self.is_up:
            return self
        say("bench: starting a cluster at port %d" % self.base)
        self.is_up = True
        self.cluster.up()
        self.api = Api(self.cluster.env, timeout=60)
        self.sip = ("127.0.0.1", self.base + 60)
        return self

    def company(self, name, agents):
        if name not in self.companies:
            self.up()
            self.companies[name] = self._make(name, agents)
        return self.companies[name]

    def _make(self, name, agents):
        t0 = time.monotonic()
        c = Company(self.api, name, name + ".example", trunk=TRUNK[name]).create()
        c.prompt("greet", audio.tone(str(self.dir / "greet.wav"), 440, 1.0))
        c.prompt("music", audio.tone(str(self.dir / "music.wav"), 523, 8.0))
        for skill in ("all", "nobody"):
            c.skill(skill)
        usual = {"ring_timeout_ms": 10000, "wrap_up_ms": 0}
        c.queue("plain", ["all"], **usual)
        c.queue("recorded", ["all"], music_prompt_id="music", record=True, answer_before_queue=True, **usual)
        c.queue("held", ["nobody"], answer_before_queue=True, **usual)
        c.queue("ringing", ["nobody"], **usual)
        ask = ("menu", {"collect": {"variable": "key", "prompt_ids": ["greet"], "min_digits": 1, "max_digits": 1, "first_timeout_ms": 5000}})
        c.flow("ivr", [("hello", {"answer": {}}), ask, ("wait", {"queue": {"queue_id": "recorded"}})])
        c.flow("menu", [("hello", {"answer": {}}), ask, ("bye", {"hang_up": {}})])
        for what, target in {"plain": {"queue_id": "plain"}, "ivr": {"flow_id": "ivr"}, "menu": {"flow_id": "menu"},
                             "held": {"queue_id": "held"}, "ringing": {"queue_id": "ringing"}}.items():
            c.number(PREFIX[name] + NUMBERS[what], **target)
        c.number_of = lambda what: PREFIX[name] + NUMBERS[what]
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda i: c.agent(str(1000 + i), ["all"], logs_in=False), range(agents)))
        deadline = time.monotonic() + 60
        while not c.published() and time.monotonic() < deadline:
            time.sleep(0.1)
        port = self.base + 500 + 4 * list(PREFIX).index(name)
        self.phones[name] = c.phones = self.make_phones(port, port + 2)
        made = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda a: self._sign_in(c, a, port), c.agents.values()))
        say("bench: company %s: %d agents made in %.1f s, registered and ready after %.1f s more" % (
            name, agents, made - t0, time.monotonic() - made))
        return c

    def _sign_in(self, company, a, port):
        ua = Ua(a.id, domain=company.domain, server=self.sip, password=a.password)
        ua.register(contact="<sip:%s@127.0.0.1:%d>" % (a.id, port), expires=3600)
        ua.vanish()
        company.lead.desk.SignIn(agent_id=a.id)
        company.lead.desk.SetReady(agent_id=a.id)

    def quiet(self, timeout=30):
        """Until nothing is left of the load: what is late belongs to the calls before. False: it did not come to that."""
        return self._until(lambda: not sum(self.cluster.metric(c, "trunkline_calls") for c in ("cc-1", "cc-2")) and not self._lag(), timeout)

    def caught_up(self, timeout=30):
        """Until every event is in Kafka and counted."""
        return self._until(lambda: not self._lag(), timeout)

    def _lag(self):
        return sum(self.cluster.metric(p, "trunkline_lag") for p in ("bridge-1", "rep-1"))

    def _until(self, holds, timeout):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                if holds():
                    return True
            except OSError:  # too busy to tell
                pass
            time.sleep(0.2)
        return False

    def down(self):
        for p in self.phones.values():
            p.close()
        if self.is_up:
            self.cluster.down(wipe=not self.keep)
        subprocess.run(["rm", "-rf", str(self.dir)], check=False)
        self.is_up = False


def base_port():
    return int(os.environ.get("BENCH_BASE", "25000"))
