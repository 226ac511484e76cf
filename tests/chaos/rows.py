"""The rows: what is broken, when, and what must hold nevertheless, with its bounds. A new row is a new entry here (README.md).

Bounds: a promise that a row does not name is not judged there.
    dropped      established calls that end although nobody hung up, at most
    gap_ms       longest silence in a call that talks, and of music for who waits
    ready_s      from the fault (its end, where it lasts) until the process is ready again
    setup_s      set-ups may fail that touch this time after the fault (its whole duration, where it lasts and the row says so)
    setup_share  of the others so many succeed
    order        waiting callers of a priority are served in the order of their arrival
    connect_s    who rang at the fault is connected or back in the queue within this
    double       agents with two calls at once, at most
    books        every call of the callers stands in Kafka with one end, in order and without gaps; reports equal a recount
    left         calls, legs, endpoints, agents that are stuck at the end, at most
    fenced       writes or commands with an old epoch that were refused, and leases that their holder found over and gave up, at least
    streams_s    a lead's stream of events is there again within this, everybody still signed in
    p99_ms       set-up (INVITE to the agent's INVITE) at p99 during the fault, over the load's own before it
    reanchor_s, reanchor_share   of a dead engine's calls so many hear each other again within this
"""
import dataclasses

USUAL = {"dropped": 0, "gap_ms": 60, "ready_s": 5, "setup_s": 2, "setup_share": 0.999, "order": True, "double": 0, "books": True, "left": 0}

LOAD = {k: v for k, v in USUAL.items() if k != "ready_s"}  # of the load alone, before the first fault
# In `make test` the machine may be busy with anything: what is measured in time gets room, what is counted does not.
ROOM = {"gap_ms": 1000, "ready_s": 30, "setup_s": 10, "setup_share": 0.95, "connect_s": 30}


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    what: str            # for people
    action: str          # a function of inject.py
    victims: tuple = ()  # instances, or @router-leader, @random, @others, @all; several: one of them, by the seed
    bounds: dict = dataclasses.field(default_factory=dict)
    lasts_s: float = 0
    rest_s: float = 11   # after the fault: what a run's judgement looks at, and what a process needs to be no crash loop
    runs: int = 20
    group: str = ""      # rows of a group share one load, their runs in the order of the seed; "": alone
    setup: tuple = ()    # --set of the cluster
    renew: bool = False  # all calls are made anew before each run
    faulty_setup: bool = False   # set-ups need not succeed while it lasts (the only process of its kind is away)

    @property
    def takes_s(self):
        return self.lasts_s + self.rest_s


def kill(name, victims, what, **bounds):
    return Row("kill-" + name, "kill -9 of " + what, "kill", victims, {**USUAL, **bounds}, rest_s=7, group="kills")


def stand_still(name, victims, what, bounds, **more):
    return Row("stop-" + name, "SIGSTOP of %s for 30 s, then SIGCONT" % what, "stand_still", victims, {**USUAL, **bounds}, lasts_s=30, rest_s=10,
               group="stops", **more)


ROWS = [
    kill("sip-edge", ("edge-1",), "sip-edge"),
    kill("call-control", ("cc-1", "cc-2"), "a call-control"),
    kill("router", ("@router-leader",), "the router that leads: 200 wait, 20 ring", connect_s=10),
    kill("router-standby", ("@router-standby",), "the router that stands by"),
    kill("agent-desk", ("desk-1",), "agent-desk: agents stay signed in, streams resume", streams_s=5),
    kill("recorder", ("rec-1",), "recorder"),
    kill("event-bridge", ("bridge-1",), "event-bridge"),
    kill("reporting", ("rep-1",), "reporting"),
    kill("tenant-manager", ("tm-1",), "tenant-manager"),
    kill("random", ("@random",), "a random process of ours, media excepted"),
    Row("kill-media", "kill -9 of a media engine: its calls are re-anchored", "kill", ("media-1", "media-2"),
        {**USUAL, "gap_ms": None, "reanchor_s": 3, "reanchor_share": 0.99}, rest_s=12),
    Row("kill-nats", "kill -9 of nats-server", "kill", ("nats",), {**USUAL, "setup_s": 3}, rest_s=14, group="backends"),
    Row("kill-postgres", "kill -9 of PostgreSQL", "kill", ("postgres",), {**USUAL, "ready_s": 30}, rest_s=14, group="backends"),
    Row("kill-kafka", "kill -9 of Kafka", "kill", ("kafka",), {**USUAL, "ready_s": 30}, rest_s=20, group="backends"),
    Row("kill-all", "kill -9 of every process at once, nats-server, PostgreSQL and Kafka included", "kill", ("@all",),
        {"ready_s": 30, "double": 0, "books": True, "left": 0, "reanchor_s": 30, "reanchor_share": 1}, rest_s=40, renew=True),
    stand_still("router", ("@router-leader",), "the router that leads", {"connect_s": 10, "fenced": 1}),
    stand_still("call-control", ("cc-1", "cc-2"), "a call-control", {"fenced": 1}),
    Row("pause-router", "SIGSTOP of the router that leads for 5 s (its lease is over, its connection is not), then SIGCONT", "stand_still", ("@router-leader",),
        {**USUAL, "connect_s": 10, "fenced": 1}, lasts_s=5, rest_s=10, group="stops"),
    Row("pause-call-control", "SIGSTOP of a call-control for 5 s, then SIGCONT", "stand_still", ("cc-1", "cc-2"), {**USUAL, "fenced": 1}, lasts_s=5, rest_s=10,
        group="stops"),
    stand_still("others", ("@others",), "agent-desk, tenant-manager, recorder, event-bridge and reporting, all at once,", {"streams_s": 5}),
    stand_still("sip-edge", ("edge-1",), "sip-edge", {}, faulty_setup=True),
    stand_still("media", ("media-1", "media-2"), "a media engine", {"gap_ms": None, "reanchor_s": 6, "reanchor_share": 0.99}),
    Row("postgres-down", "PostgreSQL away for 60 s", "away", ("postgres",), {**USUAL, "ready_s": 15, "p99_ms": 50}, lasts_s=60, rest_s=15),
    Row("postgres-slow", "every query of PostgreSQL takes 500 ms longer, for 60 s", "slow_queries", ("postgres",), {**USUAL, "p99_ms": 50},
        lasts_s=60, rest_s=10, setup=("@slow-postgres",)),
    Row("kafka-down", "Kafka away for 10 minutes", "away", ("kafka",), {**USUAL, "ready_s": 30}, lasts_s=600, rest_s=60, runs=5),
    Row("kafka-down-short", "Kafka away for 60 s", "away", ("kafka",), {**USUAL, "ready_s": 30}, lasts_s=60, rest_s=20),
    Row("nats-cluster", "kill -9 of the NATS server of three that leads, and after its return of the one that leads then", "kill", ("@nats-leader",),
        {**USUAL, "ready_s": 30, "setup_s": 4}, rest_s=20, setup=("@three-nats",)),
    Row("roll", "every service drained and started anew, one after the other", "roll", ("@each",),
        {**USUAL, "setup_s": 0, "streams_s": 5}, lasts_s=45, rest_s=12),
    Row("nats-restart", "nats-server stopped and started again", "bounce", ("nats",), {**USUAL, "setup_s": 3}, rest_s=14, group="backends"),
]
BY_NAME = {r.name: r for r in ROWS}
SHORT = ("kill-router", "kill-call-control", "kill-sip-edge")  # in `make test`


def groups(names):
    """The loads that these rows need: [[row, …], …], in the order of the table."""
    out, shared = [], {}
    for row in (BY_NAME[n] for n in names):
        key = (row.group, row.setup) if row.group else row.name
        if key not in shared:
            shared[key] = []
            out.append(shared[key])
        shared[key].append(row)
    return out
