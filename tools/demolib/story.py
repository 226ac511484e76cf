"""The calls of the demo: who calls when, presses what, and talks to whom; driven by the facts as they are stated."""
import heapq
import itertools
import os
import queue
import threading
import time

from page import pad
from phone import Phone

AGENTS = [  # tenant, SIP domain, agent, name, password
    ("acme", "acme.example", "1001", "Alice", "Demo-Alice-1001"),
    ("acme", "acme.example", "1002", "Bob", "Demo-Bob-1002"),
    ("acme", "acme.example", "1003", "Carol", "Demo-Carol-1003"),
    ("huaxia", "huaxia.example", "8001", "王芳", "Demo-Wang-8001"),
    ("huaxia", "huaxia.example", "8002", "李伟", "Demo-Li-8002"),
    ("huaxia", "huaxia.example", "8003", "赵敏", "Demo-Zhao-8003"),
]
NUMBERS = {"acme": "+49301000", "huaxia": "+862083331000"}
GATEWAYS = {"acme": "127.0.0.1", "huaxia": "127.0.0.1"}
SPEAKS = {"acme": "caller-en", "huaxia": "caller-zh"}

# at: seconds from the first call; key: what is pressed in the menu; talk: seconds until somebody hangs up;
# patience: gives up after so long in the queue; by: who hangs up
CALLERS = [
    {"tenant": "acme", "number": "+491701", "at": 0.0, "key": "1", "talk": 7},
    {"tenant": "huaxia", "number": "+861391", "at": 0.5, "key": "1", "talk": 5},
    {"tenant": "acme", "number": "+491702", "at": 1.0, "key": "2", "talk": 7, "by": "agent"},
    {"tenant": "acme", "number": "+491703", "at": 1.5, "key": "1", "talk": 8},
    {"tenant": "huaxia", "number": "+861392", "at": 2.5, "key": "2", "talk": 6},
    {"tenant": "acme", "number": "+491704", "at": 3.0, "key": "1", "talk": 5, "patience": 3},
    {"tenant": "acme", "number": "+491705", "at": 4.0, "key": "1", "talk": 5},
    {"tenant": "huaxia", "number": "+861393", "at": 5.0, "key": "2", "talk": 5, "by": "agent"},
    {"tenant": "acme", "number": "+491706", "at": 6.0, "key": "2", "talk": 6},
    {"tenant": "huaxia", "number": "+861394", "at": 7.0, "key": "1", "talk": 5},
]
MISSES_ONCE = ("huaxia", "8001")
NAMES = {(t, a): name for t, _, a, name, _ in AGENTS}


class StoryError(Exception):
    pass


class Story:
    def __init__(self, env, api, sounds, directory):
        self.env, self.api, self.sounds, self.dir = env, api, sounds, directory
        self.inbox, self.due, self.count = queue.Queue(), [], itertools.count()
        self.callers = {(c["tenant"], c["number"]): dict(c) for c in CALLERS}
        self.phones, self.desks, self.leads = {}, {}, {}
        self.calls = {}  # call id -> caller
        self.missed = False
        self.t0 = None
        self.streams = []

    # ---- people come to work ----
    def open(self):
        server = self.env["TRUNKLINE_SIP"]
        for tenant, domain, agent, _, password in AGENTS:
            self.phones[tenant, agent] = Phone(self.dir, agent, registrar=server, domain=domain, password=password,
                                               speaks=self.sound("agent-" + agent))
        for key, c in self.callers.items():
            c["phone"] = Phone(self.dir, c["number"], outbound=server, domain="gateway.example", host=GATEWAYS[c["tenant"]],
                               speaks=self.sound(SPEAKS[c["tenant"]]))
        for tenant in NUMBERS:
            self.leads[tenant] = self.api.with_token(self.api.token_for(tenant, "SCOPE_SUPERVISOR", subject="lead:demo"))
            threading.Thread(target=self._watch, args=(tenant,), daemon=True).start()
        for tenant, _, agent, _, password in AGENTS:
            self.phones[tenant, agent].wait_registered()
            self._sign_in(tenant, agent, password)

    def sound(self, name):
        return os.path.join(self.sounds, name + ".wav")

    def _sign_in(self, tenant, agent, password):
        login = self.api.with_token("").auth.Login(tenant=tenant, agent_id=agent, password=password)
        desk = self.api.with_token(login.access_token).desk
        desk.SignIn()
        desk.SetReady()
        self.desks[tenant, agent] = desk
        self.phones[tenant, agent].on_event = lambda e: self.inbox.put(("phone", (tenant, agent), e))

    def _watch(self, tenant):
        stream = self.leads[tenant].desk.WatchFacts()
        self.streams.append(stream)
        try:
            for answer in stream:
                self.inbox.put(("fact", tenant, answer.event))
        except Exception as e:
            self.inbox.put(("broken", tenant, e))

    # ---- the day ----
    def play(self, timeout=75):
        self.t0 = time.monotonic()
        for key, c in self.callers.items():
            self.later(c["at"], self._dial, key)
        deadline = self.t0 + timeout
        while not all(c.get("over") for c in self.callers.values()):
            now = time.monotonic()
            if now > deadline:
                left = ["%s (%s)" % (c["number"], c.get("last", "never offered")) for c in self.callers.values() if not c.get("over")]
                raise StoryError("after %d s these calls have not ended: %s" % (timeout, ", ".join(left)))
            while self.due and self.due[0][0] <= now:
                _, _, fn, args = heapq.heappop(self.due)
                fn(*args)
            try:
                what, who, it = self.inbox.get(timeout=0.05)
            except queue.Empty:
                continue
            getattr(self, "_on_" + what)(who, it)

    def later(self, seconds, fn, *args):
        heapq.heappush(self.due, (time.monotonic() + seconds, next(self.count), fn, args))

    def say(self, tenant, who, text):
        print("  %5.1f s  %s %s %s" % (time.monotonic() - self.t0, pad(tenant, 7), pad(who, 9), text), flush=True)

    def _dial(self, key):
        c = self.callers[key]
        c["phone"].dial("sip:%s@%s" % (NUMBERS[c["tenant"]], self.env["TRUNKLINE_SIP"]))

    def _hang_up(self, key):
        self.callers[key]["phone"].hang_up()

    def _on_broken(self, tenant, error):
        raise StoryError("the stream of %s's facts broke: %s" % (tenant, error))

    def _on_phone(self, who, e):
        if e["type"] != "CALL_INCOMING":
            return
        if who == MISSES_ONCE and not self.missed:
            self.missed = True
            return
        self.later(0.8, self.phones[who].answer)

    def _on_fact(self, tenant, e):
        kind = e.WhichOneof("body")
        if kind == "call_offered":
            self.calls[e.call_id] = (tenant, e.call_offered.caller)
        key = self.calls.get(e.call_id)
        handler = getattr(self, "_" + kind, None)
        if key in self.callers:
            self.callers[key]["last"] = kind
            if handler:
                handler(key, self.callers[key], e)

    # ---- what a fact means to the people of the story ----
    def _call_offered(self, key, c, e):
        self.say(c["tenant"], c["number"], "calls %s" % e.call_offered.called)

    def _flow_step_entered(self, key, c, e):
        if e.flow_step_entered.step_id == "ask":
            self.later(1.5, c["phone"].press, c["key"])

    def _digits_collected(self, key, c, e):
        self.say(c["tenant"], c["number"], "presses %s in the menu" % (e.digits_collected.digits or "nothing"))

    def _enqueued(self, key, c, e):
        self.say(c["tenant"], c["number"], "waits for %s" % e.queue_id)
        if "patience" in c:
            self.later(c["patience"], self._hang_up, key)

    def _agent_ringing(self, key, c, e):
        self.say(c["tenant"], c["number"], "rings at %s's phone" % NAMES[c["tenant"], e.agent_id])

    def _agent_no_answer(self, key, c, e):
        self.say(c["tenant"], c["number"], "%s does not answer (%s): goes back to its place, the agent is set busy" % (
            NAMES[c["tenant"], e.agent_id], e.agent_no_answer.cause))
        self.later(2.5, self._back_to_work, c["tenant"], e.agent_id)

    def _back_to_work(self, tenant, agent):
        self.desks[tenant, agent].SetReady()
        self.say(tenant, "agent " + agent[-4:], "%s says ready again" % NAMES[tenant, agent])

    def _bridged(self, key, c, e):
        self.say(c["tenant"], c["number"], "talks with %s" % NAMES[c["tenant"], e.agent_id])
        if c.get("by") == "agent":
            self.later(c["talk"], self.phones[c["tenant"], e.agent_id].hang_up)
        else:
            self.later(c["talk"], self._hang_up, key)

    def _dequeued(self, key, c, e):
        self.say(c["tenant"], c["number"], "leaves the queue after %.1f s: %s" % (e.dequeued.waited_ms / 1000, e.dequeued.cause))

    def _call_ended(self, key, c, e):
        c["over"] = True
        self.say(c["tenant"], c["number"], "ended: %s, %s" % (e.call_ended.disposition, e.call_ended.cause.replace("-", " ")))

    def close(self):
        for s in self.streams:
            s.cancel()
        for phone in [*self.phones.values(), *(c["phone"] for c in self.callers.values() if "phone" in c)]:
            phone.close()
