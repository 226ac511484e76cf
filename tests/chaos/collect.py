"""What a run leaves in its directory for the judge, read from the cluster once at its end: Kafka's topics, PostgreSQL's tables, the reports, the agents,
and what the processes still hold."""
import json
import subprocess
import tempfile
import time

from clusterlib.plan import INSTANCES
from facts import TOPICS
from theatre import say

CAUGHT_UP_S, RECORDED_S = 120, 60
LEFT = {"sip-edge": "trunkline_edge_legs", "media": "trunkline_media_endpoints", "call-control": "trunkline_calls", "router": "trunkline_router_calls_waiting"}
TABLES = {"calls": "SELECT call_id, caller, disposition, ended_ms, agent_id, talk_ms FROM rep.call",
          "recordings": "SELECT id, call_id, state, samples FROM rec.recording"}
DAY_MS = 86400000
GHOST_S = 30  # what is out of step is put right within this


def _until(holds, timeout):
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def left_over(injector):
    """{"cc-1 trunkline_calls": 2, …}: what the processes still hold; a process that does not answer stands there too."""
    out = {}
    for service, instance in INSTANCES:
        if service not in LEFT:
            continue
        try:
            n = injector.metric(instance, LEFT[service])
        except (OSError, ValueError) as e:
            n = str(e) or "no answer"
        if n:
            out["%s %s" % (instance, LEFT[service])] = n
    return out


def agents(lead):
    """[{agent_id, state, since_ms, reason}] of everybody."""
    out, token = [], ""
    while True:
        page = lead.desk.ListAgents(page_size=500, page_token=token)
        for a in page.agents:
            state = a.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[a.state].name.removeprefix("AGENT_STATE_")
            out.append({"agent_id": a.agent_id, "state": state, "since_ms": a.since_ms, "reason": a.reason, "cause": a.cause})
        token = page.next_page_token
        if not token:
            return out


def query(env, sql, out):
    subprocess.run(["psql", env["TRUNKLINE_DB"], "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "COPY (%s) TO STDOUT CSV HEADER" % sql], stdout=out, check=True,
                   timeout=60)


def recordings_made(theatre):
    """What a recorder had in hand when it died comes to it again after recorder.ack_wait_ms (30 s)."""
    with tempfile.TemporaryFile() as f:
        query(theatre.cluster.env, "SELECT count(*) FROM rec.recording WHERE state = 'recording'", f)
        f.seek(0)
        return f.read().split()[-1] == b"0"


def lag(injector):
    return injector.metric("bridge-1", "trunkline_lag") + injector.metric("rep-1", "trunkline_lag")


def collect(theatre, injector, directory):
    """False: something could not be read; its file is missing, and the judge says so."""
    lead = theatre.lead()

    def quiet():
        return not left_over(injector) and not [a for a in agents(lead) if a["state"] not in ("READY", "BUSY", "SIGNED_OUT")]
    _until(quiet, GHOST_S)
    (directory / "left.json").write_text(json.dumps({"left": left_over(injector)}, indent=1) + "\n")
    (directory / "agents.json").write_text(json.dumps(agents(lead), indent=1) + "\n")
    _until(lambda: recordings_made(theatre), RECORDED_S)
    caught_up = _until(lambda: not lag(injector), CAUGHT_UP_S)
    time.sleep(1)
    if not caught_up:
        say("chaos: Kafka or the reports are still behind after %d s" % CAUGHT_UP_S)
    brokers, env = theatre.cluster.env["TRUNKLINE_KAFKA_BROKERS"], theatre.cluster.env
    for domain, topic in TOPICS.items():
        with open(directory / ("kafka-%s.bin" % domain), "wb") as f:
            p = subprocess.run(["kcat", "-C", "-b", brokers, "-t", topic, "-o", "beginning", "-e", "-q", "-X", "topic.metadata.refresh.sparse=true",
                                "-f", "%p %o %S %s\n"], stdout=f, stderr=subprocess.PIPE, timeout=300)
        if p.returncode and b"Unknown topic" not in p.stderr:
            raise RuntimeError("kcat %s: %s" % (topic, p.stderr.decode(errors="replace")[-300:]))
    (directory / "summary.bin").write_bytes(lead.reports.GetSummary(from_ms=int(time.time() * 1000) - DAY_MS).SerializeToString())
    for name, sql in TABLES.items():
        with open(directory / ("pg-%s.csv" % name), "wb") as f:
            query(env, sql, f)
