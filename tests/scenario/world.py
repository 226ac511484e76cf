"""The two companies that the scenarios call: every prompt is a tone of its own, so that what is heard can be measured.

WELCOME, MENU, MUSIC … are those tones in Hz; CALLER and AGENT are what people "say".
"""
import os
import tempfile

import audio
from company import Company

WELCOME, MENU, MUSIC, AGAIN, CONNECTED, SORRY = 500, 600, 350, 900, 800, 1000
CALLER, AGENT, OTHER_AGENT = 440, 700, 1200

PROMPTS = {"welcome": (WELCOME, 0.6), "menu": (MENU, 0.6), "music": (MUSIC, 4.0), "again": (AGAIN, 0.4), "connected": (CONNECTED, 0.5),
           "sorry": (SORRY, 0.6)}
TALK = {"record": True, "answer_before_queue": True, "ring_timeout_ms": 3000, "wrap_up_ms": 300, "music_prompt_id": "music",
        "service_level_ms": 2000}
QUEUES = {  # queue: skills, settings
    "sales": (["sales"], TALK),
    "support": (["support"], {**TALK, "priority": 5}),
    "early": (["sales"], {**TALK, "answer_before_queue": False}),
    "wrap": (["sales"], {**TALK, "wrap_up_ms": 1500, "welcome_prompt_id": "connected"}),
    "german": ([("german", 7)], TALK),
    "impatient": (["nobody"], {**TALK, "max_wait_ms": 1200}),
    "small": (["nobody"], {**TALK, "max_waiting": 1}),
    "soak": (["soak"], {**TALK, "wrap_up_ms": 100, "record": True}),
    "quick": (["soak"], {"ring_timeout_ms": 3000, "wrap_up_ms": 0}),
    "held": (["nobody"], {"answer_before_queue": True}),
    "patient": (["sales"], {**TALK, "ring_timeout_ms": 30000}),
}
COLLECT = {"variable": "pin", "prompt_ids": ["menu"], "min_digits": 3, "max_digits": 6, "first_timeout_ms": 1200, "digit_timeout_ms": 700,
           "tries": 2, "on_failure": "bad"}
FLOWS = {
    "main": [("pick-up", {"answer": {}}), ("greet", {"play": {"prompt_ids": ["welcome"]}}),
             ("ask", {"collect": {"variable": "choice", "prompt_ids": ["menu"], "min_digits": 1, "max_digits": 1, "first_timeout_ms": 3000}}),
             ("which", {"branch": {"variable": "choice", "cases": [{"value": "1", "next": "sales"}, {"value": "2", "next": "support"}],
                                   "otherwise": "bye"}}, "bye"),
             ("sales", {"queue": {"queue_id": "sales"}}, ""), ("support", {"queue": {"queue_id": "support"}}, ""), ("bye", {"hang_up": {}}, "")],
    "digits": [("pick-up", {"answer": {}}), ("pin", {"collect": COLLECT}), ("thanks", {"play": {"prompt_ids": ["again"]}}), ("bye", {"hang_up": {}}, ""),
               ("bad", {"play": {"prompt_ids": ["sorry"]}}, "bye")],
    "unhurried": [("ask", {"collect": {"variable": "choice", "prompt_ids": ["menu"], "min_digits": 1, "max_digits": 1, "first_timeout_ms": 20000}}),
                  ("wait", {"queue": {"queue_id": "sales"}})],
    "urgent": [("pick-up", {"answer": {}}), ("wait", {"queue": {"queue_id": "sales", "priority": 10}})],
    "overflow": [("pick-up", {"answer": {}}), ("wait", {"queue": {"queue_id": "impatient", "on_timeout": "sorry"}}, ""),
                 ("sorry", {"play": {"prompt_ids": ["sorry"]}}, "bye"), ("bye", {"hang_up": {}}, "")],
    "full": [("pick-up", {"answer": {}}), ("wait", {"queue": {"queue_id": "small", "on_full": "sorry"}}, ""),
             ("sorry", {"play": {"prompt_ids": ["sorry"]}}, "bye"), ("bye", {"hang_up": {}}, "")],
    "ring": [("pick-up", {"answer": {}}), ("ring", {"ring_agent": {"agent_id": "1001", "timeout_ms": 1500, "on_no_answer": "sorry",
                                                                    "on_busy": "sorry"}}, ""),
             ("sorry", {"play": {"prompt_ids": ["sorry"]}}, "bye"), ("bye", {"hang_up": {}}, "")],
}
NUMBERS = {"main": {"flow_id": "main"}, "sales": {"queue_id": "sales"}, "support": {"queue_id": "support"}, "early": {"queue_id": "early"},
           "wrap": {"queue_id": "wrap"}, "german": {"queue_id": "german"}, "digits": {"flow_id": "digits"}, "urgent": {"flow_id": "urgent"},
           "overflow": {"flow_id": "overflow"}, "full": {"flow_id": "full"}, "ring": {"flow_id": "ring"}, "soak": {"queue_id": "soak"},
           "quick": {"queue_id": "quick"}, "held": {"queue_id": "held"}, "refused": {"reject_status": 486},
           "patient": {"queue_id": "patient"}, "unhurried": {"flow_id": "unhurried"}}


def number(prefix, what):
    """The telephone number of a rule: prefix and two digits."""
    return "%s%02d" % (prefix, list(NUMBERS).index(what) + 10)


def build(api, tenant, prefix, trunk, agents):
    """agents: {id: skills}. Attributes added: number(what), prefix."""
    c = Company(api, tenant, tenant + ".example", trunk).create()
    with tempfile.TemporaryDirectory() as d:
        for name, (hz, seconds) in PROMPTS.items():
            c.prompt(name, audio.tone(os.path.join(d, name + ".wav"), hz, seconds))
    for skill in ("sales", "support", "german", "nobody", "soak"):
        c.skill(skill)
    for queue, (skills, settings) in QUEUES.items():
        c.queue(queue, skills, **settings)
    for agent, skills in agents.items():
        c.agent(agent, skills, name="Agent " + agent)
    for flow, steps in FLOWS.items():
        c.flow(flow, steps)
    c.prefix = prefix
    c.number_of = lambda what: number(prefix, what)
    for what, target in NUMBERS.items():
        c.number(number(prefix, what), name=what, **target)
    return c


ACME_AGENTS = {"1001": ["sales"], "1002": ["sales"], "1003": ["sales", "support"], "1004": [("german", 8)], "1005": [("german", 5)],
               **{"11%02d" % i: ["soak"] for i in range(12)}}
HUAXIA_AGENTS = {"1001": ["sales"], "8001": ["sales", "support"]}


def both(api):
    acme = build(api, "acme", "+49301", "127.0.0.2", ACME_AGENTS)
    huaxia = build(api, "huaxia", "+86208", "127.0.0.3", {**HUAXIA_AGENTS})
    return acme, huaxia
