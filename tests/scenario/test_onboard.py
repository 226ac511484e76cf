"""A new company is taken in by a plan: requirement, plan, resources, calls, trial, live; interrupted, and gone on with from elsewhere."""
import json
import math
import os
import pathlib
import signal
import subprocess
import time

import audio
from api import Api
from company import Agent, Company
from patience import patient
from world import AGENT, MUSIC

BIN = pathlib.Path(os.environ["TRUNKLINE_BIN"]) / "trunkline"
PASSWORD = "onboard-secret-Password1"
PLAN = """\
customer: New Company Ltd
contact: {{name: Mei Lin, email: mei@newco.example}}
requirement: {{agents: 2, busy_hour_calls: 20, handle_time: 3m, numbers: ["+49305550001"], languages: [en]}}
acceptance:
  - {{call: "+49305550001", queue: sales, agent: 1001, answered_within: 15s, disposition: answered}}
  - {{call: "+49305550002", disposition: ivr}}
trial: {{from: {begin}, to: {end}, calls: {calls}, service_level_percent: 50, abandoned_percent: 50, failed_percent: 0}}
quotas:
  trial: {{agents: 2, numbers: 2, inbound_calls: 5}}
  production: {{agents: 10, numbers: 10, inbound_calls: 20}}
resources:
  - {{kind: number, number: "+49305550001", working: {{queue_id: sales}}}}
  - {{kind: number, number: "+49305550002", working: {{flow_id: hours}}}}
  - {{kind: queue, id: sales, display_name: Sales, skills: [{{skill_id: german, level: 3}}], wrap_up_ms: {wrap_up}, answer_before_queue: true, music_prompt_id: music}}
  - {{kind: flow, id: hours, steps: [{{id: answer, answer: {{}}, next: bye}}, {{id: bye, hang_up: {{}}}}]}}
  - {{kind: prompt, id: music, display_name: Music, file: music.wav}}
  - {{kind: skill, id: german, display_name: German}}
  - {{kind: trunk, id: gateway, addresses: ["{trunk}"]}}
  - {{kind: agent, id: 1001, display_name: Mei Lin, enabled: true, password: {password}, auto_ready_after_wrap_up: true, skills: [{{skill_id: german, level: 5}}]}}
  - {{kind: tenant, id: newco, display_name: New Company, sip_domain: newco.example}}
"""


def utc(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Operator:
    """Somebody with the plan, in a directory of their own: nothing else goes from one to the next."""

    def __init__(self, directory, trunk):
        self.dir, self.trunk = directory, trunk
        directory.mkdir()
        audio.tone(str(directory / "music.wav"), MUSIC, 1.0)
        self.report = directory / "newco-onboarding.md"

    def plans(self, begin, end, calls=1, wrap_up=300):
        (self.dir / "plan.yaml").write_text(
            PLAN.format(begin=utc(begin), end=utc(end), calls=calls, wrap_up=wrap_up, trunk=self.trunk, password=PASSWORD))
        return self

    def start(self, *args):
        return subprocess.Popen([str(BIN), "tenant", "onboard", "plan.yaml", *args], cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *args):
        """(exit code, {stage: state}, standard error)"""
        p = self.start("--json", *args)
        out, err = p.communicate(timeout=patient(120))
        return p.returncode, {s["stage"]: s["state"] for s in json.loads(out)["stages"]} if out else {}, err


def tenant(cluster):
    return Api(cluster.env).admin.GetTenant(name="tenants/newco")


def test_a_new_company_is_taken_in_stage_by_stage_interrupted_and_gone_on_with_PJ_1(scene, tmp_path):
    trunk = scene.address(90)
    later = time.time() + 3600
    first = Operator(tmp_path / "first", trunk).plans(later, later + 3600)

    # A plan for review: nothing is there afterwards.
    code, states, err = first.run("--dry-run")
    assert (code, states["plan"], states["resources"]) == (1, "done", "waiting") and "9 are to be created" in err
    assert "| tenant newco | to be created |" in first.report.read_text()
    assert subprocess.run([str(BIN), "tenant", "get", "newco"], capture_output=True).returncode == 1

    # Resources; then it is killed while it waits for calls.
    waiting = first.start()
    try:
        while "0 of 2 as they should be" not in (line := waiting.stdout.readline()):
            assert line, waiting.stderr.read()
    finally:
        waiting.send_signal(signal.SIGKILL)
        waiting.wait()
        waiting.stdout.close()
        waiting.stderr.close()
    made = tenant(scene.cluster)
    assert made.quotas.inbound_calls == 5

    # Another operator, elsewhere: what is there is left as it is.
    second = Operator(tmp_path / "second", trunk).plans(later, later + 3600)
    code, states, err = second.run("--wait", "0", "--go-live")
    assert code == 1 and "0 of 2 calls" in err
    assert (states["resources"], states["acceptance calls"], states["trial run"], states["go-live"]) == ("done", "waiting", "later", "later")
    now = tenant(scene.cluster)
    assert now.config_version == made.config_version and now.quotas.inbound_calls == 5

    # Real calls.
    company = Company(Api(scene.cluster.env), "newco", "newco.example", trunk)
    company.agents["1001"] = Agent(company, "1001", PASSWORD, "Mei Lin")
    scene.agent("1001", company, answers=0.05)
    scene.caller("+4917090000", company).call("+49305550001").wait_hears(AGENT, 0.5).hang_up()
    deadline = time.monotonic() + patient(30)
    while "1 of 2 calls" not in second.run("--wait", "0")[2]:
        assert time.monotonic() < deadline, second.report.read_text()

    # What routes calls is changed by the plan: the call before shows nothing any more.
    code, states, err = second.plans(later, later + 3600, wrap_up=200).run("--dry-run")
    assert code == 1 and "1 are to be created or changed" in err and "| queue sales | to be changed |" in second.report.read_text()
    assert "0 of 2 calls" in second.run("--wait", "0")[2] and tenant(scene.cluster).config_version == made.config_version + 1
    scene.caller("+4917090001", company).call("+49305550001").wait_hears(AGENT, 0.5).hang_up()
    watching = second.start("--wait", "%ds" % patient(60))
    scene.caller("+4917090002", company).call("+49305550002").wait_ended()
    out, err = watching.communicate(timeout=patient(90))
    assert watching.returncode == 1 and "2 of 2 as they should be" in out and "goes on until" in err, out + err

    # The trial begins now, and asks for more than comes; then for what comes.
    begin = math.ceil(time.time())
    end = begin + 10
    time.sleep(begin - time.time())
    scene.caller("+4917090003", company).call("+49305550001").wait_hears(AGENT, 0.5).hang_up()
    code, states, err = second.plans(begin, end, calls=50, wrap_up=200).run("--wait", "%ds" % patient(60), "--go-live")
    assert code == 1 and states["trial run"] == "missed" and "did not keep" in err and states["go-live"] == "later", err
    assert "| calls | " in second.report.read_text() and "| at least 50 | no |" in second.report.read_text()
    code, states, err = second.plans(begin, end, wrap_up=200).run("--wait", "%ds" % patient(60))
    assert code == 1 and (states["trial run"], states["go-live"]) == ("done", "waiting") and "--go-live" in err, err
    assert tenant(scene.cluster).quotas.inbound_calls == 5

    # Live, once; and whoever asks later is told by whom and when.
    code, states, err = second.run("--go-live")
    assert code == 0 and set(states.values()) == {"done"}, err
    live = tenant(scene.cluster)
    assert live.quotas.inbound_calls == 20 and live.quotas.agents == 10
    third = Operator(tmp_path / "third", trunk).plans(begin, end, wrap_up=200)
    assert third.run()[0] == 0 and tenant(scene.cluster).config_version == live.config_version
    report = third.report.read_text()
    assert report.count("| [x] |") == 6 and "Mei Lin, mei@newco.example" in report
    assert [r for r in report.splitlines() if r.startswith("| [x] | go-live | done | 20") and "operator" in r], report
    assert PASSWORD not in report

    # Who has given it more since is not overruled.
    Api(scene.cluster.env).admin.UpdateTenant(tenant={"name": "tenants/newco", "quotas": {"agents": 10, "inbound_calls": 200}}, update_mask="quotas")
    code, states, err = third.run()
    assert code == 1 and "quotas.trial" in err and tenant(scene.cluster).quotas.inbound_calls == 200, err
