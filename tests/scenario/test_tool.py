"""The command-line tool against a whole cluster: a tenant from a file, an agent at work, JSON, refusals."""
import json
import os
import pathlib
import subprocess
import time
import wave

import pytest

BIN = pathlib.Path(os.environ["TRUNKLINE_BIN"]) / "trunkline"
TENANT = """\
kind: number
number: "+49309990001"
working: {flow_id: main}
---
- kind: flow
  id: main
  display_name: Main
  steps:
    - {id: answer, answer: {}, next: q}
    - {id: q, queue: {queue_id: sales}}
- {kind: queue, id: sales, display_name: Sales, music_prompt_id: music, skills: [{skill_id: german, level: 3}], wrap_up_ms: 1000}
- {kind: prompt, id: music, display_name: Music, file: music.wav}
- {kind: skill, id: german, display_name: German}
- {kind: agent, id: 1001, display_name: Mei Lin, enabled: true, password: "tool-secret-Password1", skills: [{skill_id: german, level: 5}]}
- {kind: tenant, id: toolco, display_name: Tool Company, sip_domain: toolco.example, time_zone: Europe/Berlin}
"""


def run(*args, token=None, check=True, stdin=None):
    env = {**os.environ, **({"TRUNKLINE_TOKEN_FILE": str(token)} if token else {})}
    p = subprocess.run([str(BIN), *args], capture_output=True, text=True, input=stdin, env=env, timeout=60)
    if check and p.returncode:
        raise AssertionError("trunkline %s: exit %d: %s" % (" ".join(args), p.returncode, p.stderr))
    return p


def out(*args, **kw):
    return json.loads(run(*args, "--json", **kw).stdout)


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    d = tmp_path_factory.mktemp("toolco")
    with wave.open(str(d / "music.wav"), "wb") as w:
        w.setparams((1, 2, 8000, 0, "NONE", ""))
        w.writeframes(b"\0\0" * 8000)
    (d / "toolco.yaml").write_text(TENANT)
    run("apply", "-f", str(d / "toolco.yaml"), "--tenant", "toolco")
    token = out("token", "create", "--tenant", "toolco", "--scopes", "supervisor", "--subject", "lead:tool")["access_token"]
    (d / "lead").write_text(token)
    run("login", "--tenant", "toolco", "--agent", "1001", "--password-stdin", "--save", str(d / "agent"), stdin="tool-secret-Password1\n")
    return d


def test_a_file_makes_a_tenant_and_made_again_changes_nothing_but_what_it_says(company):
    assert out("queue", "get", "sales", "--tenant", "toolco")["skills"] == [{"skill_id": "german", "level": 3}]
    run("queue", "update", "sales", "--tenant", "toolco", "--priority", "4")
    text = run("apply", "-f", str(company / "toolco.yaml"), "--tenant", "toolco").stdout
    assert "queue sales updated" in text
    assert out("queue", "get", "sales", "--tenant", "toolco")["priority"] == 4
    assert [n["number"] for n in out("number", "list", "--tenant", "toolco")["numbers"]] == ["+49309990001"]
    assert "Mei Lin" in run("agent", "list", "--tenant", "toolco").stdout


def test_a_resource_lives_from_create_to_delete(company):
    run("skill", "create", "french", "--tenant", "toolco", "--display-name", "French")
    assert run("skill", "create", "french", "--tenant", "toolco", check=False).returncode == 1
    run("skill", "update", "french", "--tenant", "toolco", "--display-name", "Français")
    assert out("skill", "get", "french", "--tenant", "toolco")["display_name"] == "Français"
    run("skill", "delete", "french", "--tenant", "toolco")
    p = run("skill", "get", "french", "--tenant", "toolco", check=False)
    assert p.returncode == 1 and "NOT_FOUND" in p.stderr


def test_an_agent_works_by_its_own_token(company):
    agent = company / "agent"
    run("agent", "sign-in", token=agent)
    assert out("agent", "ready", token=agent)["state"] == "AGENT_STATE_READY"
    assert "1001" in run("agent", "states", token=company / "lead").stdout
    watch = subprocess.Popen([str(BIN), "agent", "watch", "--json"], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "TRUNKLINE_TOKEN_FILE": str(agent)})
    try:
        assert json.loads(watch.stdout.readline())["state"]["state"] == "AGENT_STATE_READY"
        run("agent", "busy", "--reason", "meal", token=agent)
        while True:
            event = json.loads(watch.stdout.readline())
            if event.get("state", {}).get("reason") == "meal":
                break
    finally:
        watch.terminate()
        watch.wait(10)
    run("agent", "sign-out", token=agent)
    assert out("agent", "state", token=agent)["state"] == "AGENT_STATE_SIGNED_OUT"


def test_agents_from_a_table_are_imported_and_sign_in_GT_3_1_2(company):
    table = company / "people.csv"
    table.write_text("Employee,Name,Password,Skills\n3001,Anna Berg,tool-secret-Password3,german:7\n3002,Bo,tool-secret-Password3,french:1\n")
    args = ["import", "agents", str(table), "--tenant", "toolco", "--map", "Employee=id"]
    p = run(*args, "--dry-run", check=False)
    assert p.returncode == 1 and "column Employee                 is id" in p.stdout and "***" in p.stdout
    assert "there is no skill 'french'" in p.stdout and "1 of 2 rows are bad" in p.stderr
    assert "tool-secret" not in p.stdout
    assert run("agent", "get", "3001", "--tenant", "toolco", check=False).returncode == 1
    assert "2 rows, 1 bad, 1 written" in run(*args, "--good-rows").stdout
    assert [i["state"] for i in out("import", "list", "--tenant", "toolco")["imports"]] == ["IMPORT_STATE_SUCCEEDED", "IMPORT_STATE_FAILED"]
    token = company / "imported"
    run("login", "--tenant", "toolco", "--agent", "3001", "--password-stdin", "--save", str(token), stdin="tool-secret-Password3\n")
    deadline = time.monotonic() + 20  # until the desk has been told of the agent
    while run("agent", "sign-in", token=token, check=False).returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    assert out("agent", "ready", token=token)["state"] == "AGENT_STATE_READY"
    run("agent", "sign-out", token=token)


def test_a_flow_is_drafted_published_and_rolled_back_GT_3_1_2(company):
    def flow(verb, *args):
        return out("flow", verb, "main", *args, "--tenant", "toolco")
    before = flow("get")
    flow("update", "--display-name", "Summer", "--draft-only")
    assert flow("get")["draft"] is True and flow("get")["live_version"] == before["live_version"]
    published = flow("publish", "--comment", "summer hours")
    assert int(published["version"]) == int(before["live_version"]) + 1 and published["comment"] == "summer hours"
    back = flow("rollback", "--version", before["live_version"])
    assert back["rollback_of"] == before["live_version"] and flow("get")["display_name"] == "Main"
    assert "summer hours" in run("flow", "versions", "main", "--tenant", "toolco").stdout
    assert out("flow", "version", "main", published["version"], "--tenant", "toolco")["flow"]["display_name"] == "Summer"


def test_what_is_wrong_is_named_with_what_would_be_right(company):
    p = run("queue", "create", "bad", "--tenant", "toolco", "--priority", "99", check=False)
    assert p.returncode == 1 and "priority" in p.stderr and "10" in p.stderr
    assert run("queue", "create", "bad", "--tenant", "toolco", "--colour", "red", check=False).stderr.count("colour") == 1
    assert run("nonsense", check=False).returncode == 2
    assert run("queue", "frobnicate", check=False).returncode == 2
    p = run("queue", "list", "--tenant", "no-such-tenant", check=False)
    assert p.returncode == 1 and "no such tenant" in p.stderr
    p = run("queue", "create", "x", token=company / "agent", check=False)
    assert p.returncode == 1 and "PERMISSION_DENIED" in p.stderr


def test_a_role_of_the_tenants_own_making_gives_what_it_says_GT_3(company):
    run("role", "create", "auditor", "--tenant", "toolco", "--permissions", "audit.read,reports.read")
    assert out("role", "get", "auditor", "--tenant", "toolco")["permissions"] == ["audit.read", "reports.read"]
    made = out("token", "create", "--tenant", "toolco", "--roles", "auditor", "--subject", "auditor:mei")
    assert made["permissions"] == ["audit.read", "reports.read"]
    (company / "auditor").write_text(made["access_token"])
    assert "roles.create" in run("audit", "list", token=company / "auditor").stdout
    assert "totals" in out("report", "summary", "--from", "today", token=company / "auditor")
    for words, needs in ((("queue", "list"), "queues.read"), (("recording", "list"), "recordings.listen"), (("agent", "states"), "desk.supervise")):
        p = run(*words, token=company / "auditor", check=False)
        assert p.returncode == 1 and "PERMISSION_DENIED" in p.stderr and needs in p.stderr


def test_a_withdrawn_token_opens_no_door_within_a_second_GT_3(company):
    made = out("token", "create", "--tenant", "toolco", "--scopes", "tenant-admin", "--subject", "admin:withdrawn")
    (company / "withdrawn").write_text(made["access_token"])
    doors = [("queue", "list"), ("agent", "states"), ("recording", "list"), ("report", "summary", "--from", "today")]
    for door in doors:
        run(*door, token=company / "withdrawn")
    assert made["name"] in run("token", "list", "--tenant", "toolco").stdout
    run("token", "revoke", made["name"])
    time.sleep(1)
    for door in doors:
        p = run(*door, token=company / "withdrawn", check=False)
        assert p.returncode == 1 and "UNAUTHENTICATED" in p.stderr and "withdrawn" in p.stderr, (door, p.stderr)
    assert out("token", "get", made["name"])["revoked_by"] == "operator:bootstrap"
    assert "operator:bootstrap" in run("token", "list").stdout


def test_what_an_operator_loses_opens_no_door_within_a_second_and_the_platforms_audit_has_it_GT_3_1_2(company):
    run("operator-role", "create", "looking", "--permissions", "tenants.list,queues.read,reports.read")
    run("operator", "create", "li", "--display-name", "Li Wei", "--roles", "looking")
    assert "Li Wei" in run("operator", "list").stdout and "reports.read" in run("operator-role", "get", "looking").stdout
    (company / "li").write_text(out("token", "create", "--operator-id", "li")["access_token"])
    doors = [("tenant", "list"), ("queue", "list", "--tenant", "toolco"), ("report", "summary", "--tenant", "toolco", "--from", "today")]
    for door in doors:
        run(*door, token=company / "li")
    p = run("operator", "list", token=company / "li", check=False)
    assert p.returncode == 1 and "operators.read" in p.stderr
    run("operator-role", "update", "looking", "--permissions", "tenants.list")
    time.sleep(1)
    for door in doors:
        p = run(*door, token=company / "li", check=False)
        assert p.returncode == 1 and "UNAUTHENTICATED" in p.stderr and "withdrawn" in p.stderr, (door, p.stderr)
    (company / "li").write_text(out("token", "create", "--operator-id", "li")["access_token"])
    run("tenant", "list", token=company / "li")
    run("operator", "delete", "li")
    run("operator-role", "delete", "looking")
    entries = out("audit", "list", "--platform", "--oldest-first", "--resource-prefix", "roles/looking")["entries"]
    assert [e["action"] for e in entries] == ["roles.create", "roles.update", "roles.delete"]
    assert {(e["actor"], bool(e["peer"])) for e in entries} == {("operator:bootstrap", True)}
    p = run("audit", "verify", "--platform")
    assert "(platform): " in p.stdout and "the chain holds" in p.stdout
    head = json.loads(run("audit", "verify", "--platform", "--json").stdout)["head"]
    assert head in run("audit", "verify", "--platform", "--by-service").stdout
    assert "entry" in run("audit", "verify", "--platform", "--head", head).stdout


def test_reports_recordings_and_calls_answer(company):
    lead = company / "lead"
    assert "calls" in out("report", "summary", "--from", "today", token=lead)["totals"]
    assert isinstance(out("calls", "list", token=lead)["calls"], list)
    assert isinstance(out("recording", "list", token=lead)["recordings"], list)
    assert run("recording", "fetch", "nothing", token=lead, check=False).returncode == 1


def test_completion_knows_nouns_verbs_and_options():
    script = run("completion", "bash").stdout
    words = subprocess.run(["bash", "-c", script + "\nCOMP_WORDS=(%s queue create --wr); COMP_CWORD=3; _trunkline; echo ${COMPREPLY[@]}" % BIN],
                           capture_output=True, text=True).stdout.split()
    assert words == ["--wrap-up-ms"]
    assert "queue" in run("__complete", "--", "1", "qu").stdout.split()
