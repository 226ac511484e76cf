"""Two companies on one platform: neither sees, hears or disturbs the other (GT-3.1.2 b, d)."""
import time

import pytest
from patience import patient
from api import ApiError
from test_kills import back
from test_talk import fetch
from world import AGENT, MUSIC, OTHER_AGENT, WELCOME


def refusal(fn, **fields):
    """(code, text) of what must not work."""
    with pytest.raises(ApiError) as e:
        answer = fn(**fields)
        list(answer) if hasattr(answer, "__iter__") else None
    return e.value.code, e.value.details


def test_both_answer_calls_at_once_with_agents_of_the_same_number_GT_3_1_2(scene):
    ours = scene.agent("1001", answers=0.05)
    theirs = scene.agent("1001", scene.huaxia, answers=0.05, speaks=OTHER_AGENT)
    a = scene.call("sales", "+4917050000")
    b = scene.call("sales", "+8613905000", scene.huaxia)
    a.wait_hears(AGENT, 0.5)
    b.wait_hears(OTHER_AGENT, 0.5)
    assert a.rtp.hears(OTHER_AGENT) == 0 and b.rtp.hears(AGENT) == 0
    assert [c.caller for c in ours.phone.calls] == ["+4917050000"] and [c.caller for c in theirs.phone.calls] == ["+8613905000"]
    a.hang_up()
    b.hang_up()
    assert scene.facts_of("+4917050000").tenant == "acme" and scene.facts_of("+8613905000").tenant == "huaxia"


def test_a_waiting_call_is_not_given_to_the_others_agents_GT_3_1_2(scene):
    theirs = scene.agent("8001", scene.huaxia, answers=0.05)
    call = scene.call("sales", "+4917050001").wait_hears(MUSIC, 0.3)
    time.sleep(0.7)
    assert not theirs.phone.calls and call.state == "up"
    call.hang_up()


def test_a_number_of_the_other_company_cannot_be_called_through_ones_own_trunk(scene):
    call = scene.caller("+4917050002").call(scene.huaxia.number_of("sales"))
    call.wait_ended()
    assert call.status in (403, 404)


def test_a_phone_registers_only_where_its_agent_is(scene):
    a = scene.acme.agents["1002"]
    for user, domain, password in (("1002", "huaxia.example", a.password), ("8001", "acme.example", scene.huaxia.agents["8001"].password),
                                   ("1002", "acme.example", "wrong"), ("4711", "acme.example", "x")):
        with pytest.raises(AssertionError):
            scene.ua(user, domain, password=password).register()


def test_an_agents_password_opens_its_own_company_only(scene):
    nobody = scene.acme.api.with_token("").auth
    wrong = refusal(nobody.Login, tenant="acme", agent_id="1002", password="wrong")
    assert wrong[0] == "UNAUTHENTICATED"
    for tenant, agent in (("huaxia", "1002"), ("nowhere", "1002"), ("acme", "8001")):
        assert refusal(nobody.Login, tenant=tenant, agent_id=agent, password=scene.acme.agents["1002"].password) == wrong


def test_an_administrators_token_finds_nothing_of_the_other_company_and_is_told_nothing_GT_3_1_2(scene):
    admin = scene.acme.own.admin
    for method, fields in (("GetTenant", "tenants/%s"), ("GetQueue", "tenants/%s/queues/sales"), ("GetAgent", "tenants/%s/agents/8001"),
                           ("GetFlow", "tenants/%s/flows/main"), ("GetTrunk", "tenants/%s/trunks/gateway"), ("DeleteQueue", "tenants/%s/queues/sales")):
        real, invented = (refusal(getattr(admin, method), name=fields % t) for t in ("huaxia", "nowhere"))
        assert real[0] == "NOT_FOUND" and real == (invented[0], invented[1].replace("nowhere", "huaxia")), method
    for method in ("ListAgents", "ListQueues", "ListNumbers", "ListAuditEntries"):
        assert refusal(getattr(admin, method), parent="tenants/huaxia")[0] == "NOT_FOUND", method
    assert refusal(admin.CreateQueue, parent="tenants/huaxia", queue_id="x", queue={"display_name": "x"})[0] == "NOT_FOUND"
    assert refusal(admin.ListTenants)[0] in ("PERMISSION_DENIED", "NOT_FOUND")
    assert refusal(admin.CreateTenant, tenant_id="mine", tenant={"sip_domain": "mine.example"})[0] == "PERMISSION_DENIED"
    assert refusal(scene.acme.own.auth.CreateToken, tenant="huaxia", scopes=["SCOPE_SUPERVISOR"])[0] in ("NOT_FOUND", "PERMISSION_DENIED")
    assert refusal(scene.acme.own.auth.CreateToken, scopes=["SCOPE_OPERATOR"])[0] == "PERMISSION_DENIED"


def test_a_recording_of_the_other_company_is_not_there_GT_3_1_2(scene):
    scene.agent("8001", scene.huaxia, answers=0.05)
    call = scene.call("sales", "+8613905001", scene.huaxia).wait_hears(AGENT, 0.5)
    call.hang_up()
    c = scene.facts_of("+8613905001")
    id_, invented = c.ended.recording_id, c.ended.recording_id[:-6] + "zzzz-1"
    deadline = time.monotonic() + patient(10)
    while True:
        try:
            scene.huaxia.lead.recordings.GetRecording(recording_id=id_)
            break
        except ApiError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    ours = scene.acme.lead.recordings
    for method in (ours.GetRecording, ours.Download):
        real, fake = refusal(method, recording_id=id_), refusal(method, recording_id=invented)
        assert real[0] == "NOT_FOUND" and real[1].replace(id_, "") == fake[1].replace(invented, "")
    assert not ours.ListRecordings(caller="+8613905001").recordings
    assert not scene.acme.lead.reports.ListCalls(caller="+8613905001").calls
    assert not [q for q in scene.acme.lead.reports.GetSummary().agents if q.agent_id == "8001"]


def test_agents_see_and_command_themselves_only(scene):
    agent = scene.agent("1001")
    for fn, fields in ((agent.api.desk.GetState, {"agent_id": "1002"}), (agent.api.desk.SetReady, {"agent_id": "1002"}),
                       (agent.api.desk.SignOut, {"agent_id": "8001"})):
        assert refusal(fn, **fields)[0] == "NOT_FOUND"
    assert refusal(agent.api.desk.ListAgents)[0] == "PERMISSION_DENIED"
    assert refusal(agent.api.admin.GetTenant, name="tenants/acme")[0] in ("PERMISSION_DENIED", "NOT_FOUND")
    assert refusal(scene.acme.lead.desk.GetState, agent_id="8001")[0] == "NOT_FOUND"
    assert refusal(scene.acme.api.with_token("").desk.GetState)[0] == "UNAUTHENTICATED"
    assert refusal(scene.acme.api.with_token("x.y.z").desk.GetState)[0] == "UNAUTHENTICATED"


def test_a_lead_watches_the_facts_of_its_own_company_only(scene):
    import threading
    seen = []
    stream = scene.acme.lead.desk.WatchFacts()
    threading.Thread(target=lambda: [seen.append(a.event) for a in stream], daemon=True).start()
    time.sleep(0.3)
    b = scene.call("sales", "+8613905002", scene.huaxia).wait_hears(MUSIC, 0.2)
    a = scene.call("sales", "+4917050003").wait_hears(MUSIC, 0.2)
    a.hang_up()
    b.hang_up()
    deadline = time.monotonic() + patient(5)
    while not any(e.WhichOneof("body") == "call_ended" for e in seen):
        assert time.monotonic() < deadline, [e.WhichOneof("body") for e in seen]
        time.sleep(0.05)
    stream.cancel()
    assert {e.tenant for e in seen} == {"acme"}


def change(scene, **fields):
    """The operator changes the company huaxia, and it is in effect everywhere."""
    scene.acme.api.admin.UpdateTenant(tenant={"name": "tenants/huaxia", **fields}, update_mask=",".join(fields))
    scene.cluster.wait_published(scene.huaxia)


def suspend(scene, on, **how):
    change(scene, suspended=on, suspension=how)


def let_in(calls):
    """Those of the calls that are up, when all of them know."""
    deadline = time.monotonic() + patient(10)
    while not all(c.state in ("up", "ended") for c in calls):
        assert time.monotonic() < deadline, [c.state for c in calls]
        time.sleep(0.02)
    return [c for c in calls if c.state == "up"]


def test_a_company_has_as_many_calls_at_a_time_as_its_quota_says_whichever_instance_takes_them_GT_3_1_2(scene):
    change(scene, quotas={"inbound_calls": 5})
    try:
        calls = [scene.call("held", "+861390600%d" % i, scene.huaxia) for i in range(9)]    # at once, to both call-controls
        up = let_in(calls)
        assert len(up) == 5 and {c.status for c in calls if c not in up} == {486}
        c = scene.facts_of(next(c for c in calls if c not in up).ua.user, tenant="huaxia")
        assert (c.ended.cause, c.ended.disposition) == ("over-quota", "refused")
        others = scene.call("sales", "+4917050014").wait_hears(MUSIC, 0.2)                  # the other company has none
        others.hang_up()

        for gone in up[:2]:
            gone.hang_up()
            gone.wait_ended()
            scene.facts_of(gone.ua.user, tenant="huaxia")
        time.sleep(0.5)
        more = [scene.call("held", "+861390601%d" % i, scene.huaxia) for i in range(4)]
        assert len(let_in(more)) == 2

        pid = scene.cluster.status()["cc-1"]["pid"]     # its calls are counted by whoever takes them over
        scene.cluster.kill("cc-1")
        back(scene, "cc-1", pid)
        time.sleep(3)
        assert let_in([scene.call("held", "+8613906021", scene.huaxia)]) == []
        up = up[2:] + let_in(more)
        assert [c.state for c in up] == ["up"] * 5

        change(scene, quotas={"inbound_calls": 6})
        deadline = time.monotonic() + patient(15)       # what the dead one held is counted beside, until it is surely over
        while not let_in([scene.call("held", "+8613906030", scene.huaxia)]):
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert let_in([scene.call("held", "+861390603%d" % i, scene.huaxia) for i in (1, 2)]) == []
        change(scene, quotas={"inbound_calls": 2})      # ends no call
        assert all(c.state == "up" for c in up)
    finally:
        change(scene, quotas={})


def refused_for(scene, quota):
    """How often a quota has been the reason, at all call-controls."""
    return sum(scene.cluster.metric(cc, "trunkline_quota_refused_total", 'quota="%s"' % quota) for cc in ("cc-1", "cc-2"))


def test_a_company_gets_as_many_calls_a_second_as_its_quota_says_whichever_instance_takes_them_GT_3_1_2(scene):
    talking = scene.call("held", "+8613907000", scene.huaxia).wait("up")
    change(scene, quotas={"calls_per_s": 2})
    try:
        for wave in (1, 2):
            time.sleep(1.2)                             # the bucket is full
            before, since = refused_for(scene, "calls_per_s"), time.monotonic()
            calls = [scene.call("held", "+86139070%d%02d" % (wave, i), scene.huaxia) for i in range(20)]
            up = let_in(calls)
            most = 2 + int(2 * (time.monotonic() - since))
            assert 2 <= len(up) <= most and {c.status for c in calls if c not in up} == {486}
            assert refused_for(scene, "calls_per_s") - before == len(calls) - len(up)
            talking.hold()                              # what happens within a call never counts
            talking.resume()
            c = scene.facts_of(next(c for c in calls if c not in up).ua.user, tenant="huaxia")
            assert (c.ended.cause, c.ended.disposition) == ("over-rate", "refused")
            for call in up:
                call.hang_up()
        others = [scene.call("held", "+49170507%02d" % i) for i in range(5)]    # the other company has none
        assert len(let_in(others)) == 5
        assert talking.state == "up"
    finally:
        change(scene, quotas={})


def test_a_company_that_keeps_as_many_recordings_as_it_may_has_its_calls_without_GT_3_1_2(scene, tmp_path):
    scene.agent("1001", scene.huaxia, answers=0.05)

    def talk(caller, company=scene.huaxia):
        return scene.call("sales", caller, company).wait_hears(AGENT, 0.5, timeout=30)

    def facts(call):
        call.hang_up()
        return scene.facts_of(call.ua.user, tenant="huaxia")
    talking = talk("+8613908001")
    try:
        change(scene, quotas={"recording_bytes": 1})    # if nothing is kept yet, this one will be: it has begun
        time.sleep(1)
        c = facts(talking)
        fetch(scene.huaxia, c.ended.recording_id, str(tmp_path / "whole.mp3"))
        stored = scene.huaxia.lead.recordings.GetRecording(recording_id=c.ended.recording_id).recording
        assert abs(stored.duration_ms - c.ended.talk_ms) < 700
        time.sleep(1)

        before = refused_for(scene, "recording_bytes")
        c = facts(talk("+8613908002"))                  # answered and talked as ever
        assert (c.ended.disposition, c.ended.recording_id) == ("answered", "")
        assert [r.cause for r in c.all("recording_refused")] == ["over-quota"]
        assert refused_for(scene, "recording_bytes") - before == 1

        scene.agent("1001", answers=0.05)
        others = talk("+4917050801", scene.acme)        # the other company keeps what it will
        others.hang_up()
        assert scene.facts_of("+4917050801").ended.recording_id
    finally:
        change(scene, quotas={})
    c = facts(talk("+8613908003"))
    assert c.ended.recording_id and not c.all("recording_refused")


def test_a_suspended_company_hears_an_announcement_and_its_calls_end_or_go_on_as_the_operator_chose_GT_3_1_2(scene):
    agent = scene.agent("1001", scene.huaxia, answers=0.05)
    talking = scene.call("sales", "+8613905013", scene.huaxia).wait_hears(AGENT, 0.2)
    try:
        suspend(scene, True, announcement_prompt_id="welcome")
        new = scene.call("sales", "+8613905014", scene.huaxia)
        new.wait_hears(WELCOME, 0.2)
        new.wait_ended()                                # hung up by us at the end of the prompt
        c = scene.facts_of("+8613905014", tenant="huaxia")
        assert (c.ended.cause, c.ended.disposition, c.agent_id) == ("suspended", "refused", "")
        assert talking.state == "up"                    # calls in progress go on
        suspend(scene, True, announcement_prompt_id="welcome", end_calls=True)
        talking.wait_ended()
        assert scene.facts_of("+8613905013", tenant="huaxia").ended.cause == "suspended"
    finally:
        suspend(scene, False)
    again = scene.call("sales", "+8613905015", scene.huaxia)
    again.wait_hears(AGENT, 0.2, timeout=30)            # as before, with the agent who was signed in all the time
    again.hang_up()
    assert agent.phone.calls[-1].caller == "+8613905015"


def test_a_suspended_company_gets_no_calls_and_the_other_goes_on_GT_3_1_2(scene):
    suspend(scene, True)
    try:
        call = scene.call("sales", "+8613905003", scene.huaxia)
        call.wait_ended()
        assert call.status == 480
        scene.call("sales", "+4917050004").wait_hears(MUSIC, 0.2).hang_up()
    finally:
        suspend(scene, False)
    scene.call("sales", "+8613905004", scene.huaxia).wait_hears(MUSIC, 0.2).hang_up()


def test_the_operators_limits_hold_and_the_other_company_has_its_own_GT_3_1_2(scene):
    operator, theirs, ours = scene.acme.api.admin, scene.huaxia.own.admin, scene.acme.own.admin
    used = len(theirs.ListQueues(parent="tenants/huaxia", page_size=1000).queues)

    def limit(**quotas):
        operator.UpdateTenant(tenant={"name": "tenants/huaxia", "quotas": quotas}, update_mask="quotas")
        scene.cluster.wait_published(scene.huaxia)
    first, second = [a for i, a in scene.huaxia.agents.items() if i.startswith(("1001", "8001"))][:2]
    try:
        limit(queues=used + 1, agents_signed_in=1)
        assert refusal(theirs.UpdateTenant, tenant={"name": "tenants/huaxia", "quotas": {}}, update_mask="quotas")[0] == "PERMISSION_DENIED"
        theirs.CreateQueue(parent="tenants/huaxia", queue_id="last", queue={})
        assert refusal(theirs.CreateQueue, parent="tenants/huaxia", queue_id="more", queue={}) == (
            "RESOURCE_EXHAUSTED", "quotas.queues: %d of %d in use" % (used + 1, used + 1))
        ours.CreateQueue(parent="tenants/acme", queue_id="more", queue={})
        first.sign_in()
        assert refusal(second.sign_in) == ("RESOURCE_EXHAUSTED", "quotas.agents_signed_in: 1 of 1 in use")
        for agent_id in ("1001", "1002"):
            scene.agent(agent_id)
        first.sign_out()
        second.sign_in()
        second.sign_out()
    finally:
        limit()
        for admin, name in ((theirs, "tenants/huaxia/queues/last"), (ours, "tenants/acme/queues/more")):
            admin.DeleteQueue(name=name)
        for a in (first, second):
            a.sign_out()


def test_a_companys_requests_of_a_second_are_those_to_all_services_together_GT_3_1_2(scene):
    operator, own = scene.acme.api.admin, scene.huaxia.own
    asks = {"tm-1": lambda: own.admin.GetTenant(name="tenants/huaxia"), "rep-1": lambda: own.reports.GetSummary(),
            "rec-1": lambda: own.recordings.ListRecordings(), "desk-1": lambda: list(own.desk.ListAgents().agents)}

    def refused(ask):
        deadline = time.monotonic() + patient(10)
        while time.monotonic() < deadline:
            try:
                ask()
            except ApiError as e:
                assert e.code == "RESOURCE_EXHAUSTED" and e.details.startswith("quotas.api_requests_per_s: 1 of 1 requests of a second in use")
                return True
        return False
    try:
        operator.UpdateTenant(tenant={"name": "tenants/huaxia", "quotas": {"api_requests_per_s": 1}}, update_mask="quotas")
        assert [i for i, ask in asks.items() if not refused(ask)] == []
        time.sleep(1.5)  # one is there again, for one of the four
        began, let_in = time.monotonic(), 0
        for ask in asks.values():
            try:
                ask()
                let_in += 1
            except ApiError:
                pass
        # On a machine so busy that NATS does not answer in time some are let in by one alone.
        alone = sum(scene.cluster.metric(i, "trunkline_quota_api_rate_alone_total") for i in asks)
        assert let_in >= 1 and let_in - alone <= 1 + (time.monotonic() - began)
        scene.acme.own.admin.GetTenant(name="tenants/acme")
    finally:
        operator.UpdateTenant(tenant={"name": "tenants/huaxia", "quotas": {}}, update_mask="quotas")
        deadline = time.monotonic() + patient(10)
        while time.monotonic() < deadline:
            try:
                for ask in list(asks.values()) * 2:
                    ask()
                break
            except ApiError:
                time.sleep(0.2)
