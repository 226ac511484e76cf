"""One company writes canaries into every text that it has; the other asks all APIs at random. No answer and no refusal may hold one.

CANARY_CALLS=100000 makes it longer (2,500), CANARY_SEED=7 repeats a run: the same requests in the same order.
"""
import base64
import collections
import copy
import itertools
import os
import random
import re
import threading
import time

import grpc
import pytest
from anyrequest import AnyRequest, Known
from api import FACTORY, SERVICES, ApiError, message, to_dict
from company import Company
from patience import patient
from surface import KINDS, chunks, field, make, methods, plural
from world import AGENT

METHODS = methods(*SERVICES)
STREAMS = {"UploadPrompt": "stream_unary", "CreateImport": "stream_unary", "StreamEvents": "unary_stream", "WatchFacts": "unary_stream",
           "Download": "unary_stream"}
NEVER_ANSWERED = {"password", "ha1_md5", "ha1_sha256"}
PLATFORM = {"CreateTenant", "ListTenants", "DeleteTenant", "UndeleteTenant", "GetTenantDeletion"}
NOTHING_THERE = {"Download", "GetRecording"}  # the one who asks has no recordings


class Canaries:
    """Words that nobody else says: letters for texts and ids, digits for numbers. planted: word → where it stands."""

    def __init__(self, seed):
        rng = random.Random("canaries %d" % seed)
        self.mark, self.digits = "canary%08x" % rng.randrange(16**8), "7%011d" % rng.randrange(10**11)
        self.count, self.planted = itertools.count(10), {}

    def word(self, where):
        word = "%sn%dz" % (self.mark, next(self.count))
        self.planted[word] = where
        return word

    def found(self, data):
        """Which of them stand in the bytes, also within a token."""
        tokens = [base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)) for part in re.findall(rb"eyJ[\w-]+\.([\w-]+)", data)]
        text = b"\n".join([data, *tokens]).lower()
        return {w.decode() for w in re.findall(self.mark.encode() + rb"n\d+z|" + self.mark.encode(), text)} | ({self.digits} if self.digits.encode() in text else set())


# ---- the one who writes ----


def leaves(value, path=()):
    for key, v in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(v, (dict, list)):
            yield from leaves(v, path + (key,))
        elif isinstance(v, str) and not v.isdigit():  # 64-bit numbers are texts, too
            yield path + (key,)


def put(value, path, word):
    value = copy.deepcopy(value)
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = word
    return value


def plant_texts(api, kind, resource, canaries):
    """Into each field of the resource that takes a word, one of its own."""
    update, f = getattr(api.admin, "Update" + kind), field(kind)
    now = {k: v for k, v in to_dict(resource).items() if k not in ("name", "etag")}
    empty = [(x.name,) for x in resource.DESCRIPTOR.fields if x.type == x.TYPE_STRING and x.label != x.LABEL_REPEATED and x.name not in (*now, "name", "etag")]
    for path in [*leaves(now), *empty]:
        word = canaries.word("%s.%s" % (kind, ".".join(map(str, path))))
        changed = put(now, path, word)
        try:
            update(**{f: {**changed, "name": resource.name}, "update_mask": re.sub(r"_(\w)", lambda m: m.group(1).upper(), path[0])})
            now = changed
        except ApiError as e:
            assert e.code == "INVALID_ARGUMENT", (kind, path, e)
            del canaries.planted[word]  # an id, a time zone, a reference …: no place for any word


def furnish(api, parent, digits, canaries=None):
    """One of each kind, called x1; with canaries a second one whose id is one, and texts in both."""
    for kind in KINDS:
        made = make(api, kind, parent, digits if kind == "Number" else "x1")
        if canaries:
            plant_texts(api, kind, made, canaries)
            make(api, kind, parent, canaries.digits if kind == "Number" else canaries.word(kind + ".id"))


def plant(theirs, canaries, digits, request_ids):
    """A company whose every text is a canary. Its administrator, too, is called one."""
    api = theirs.api.with_token(theirs.api.token_for(theirs.tenant, "SCOPE_TENANT_ADMIN", subject="admin:" + canaries.word("audit.actor")))
    furnish(api, theirs.parent, digits, canaries)
    api.admin.UpdateFlow(flow={"name": theirs.parent + "/flows/x1", "display_name": canaries.word("draft")}, draft_only=True)
    api.admin.PublishFlow(name=theirs.parent + "/flows/x1", comment=canaries.word("comment"))
    api.admin.CreateSkill(parent=theirs.parent, skill_id="asked-once", skill={"display_name": canaries.word("repeated answer")}, request_id=request_ids[0])
    table = "id,display_name\n%s,%s\nNo Id,%s\n" % (canaries.word("import.id"), canaries.word("import.cell"), canaries.word("import.bad_row"))
    header = {"parent": theirs.parent, "kind": "IMPORT_KIND_AGENTS", "file_name": canaries.word("import.file_name"), "good_rows_only": True}
    name, end = api.admin.CreateImport(chunks(header, table.encode())).name, time.monotonic() + patient(20)
    while api.admin.GetImport(name=name).state == 1:
        assert time.monotonic() < end
        time.sleep(0.02)
    return api


def a_call(scene, theirs, number, canaries):
    """From a caller, with keys, to a queue and an agent who are canaries; recorded. Its id and its recording's."""
    skill, queue, agent = (canaries.word("call." + w) for w in ("skill", "queue", "agent"))
    theirs.skill(skill)
    theirs.queue(queue, [skill], record=True, answer_before_queue=True)
    theirs.agent(agent, [skill], name=canaries.word("call.agent.display_name"))
    theirs.flow("keys", [("pick-up", {"answer": {}}), ("ask", {"collect": {"variable": "pin", "min_digits": 12, "max_digits": 12, "first_timeout_ms": 9000}}),
                         ("wait", {"queue": {"queue_id": queue}}, "")])
    theirs.number(number, flow_id="keys")
    scene.cluster.wait_published(theirs)
    at_work = scene.agent(agent, theirs, answers=0.05)
    call = scene.caller("+" + canaries.digits, theirs).call(number).wait("up")
    call.press(canaries.digits)
    call.wait_hears(AGENT, 0.3)
    call.hang_up()
    facts = scene.facts_of("+" + canaries.digits, tenant=theirs.tenant)
    at_work.api.desk.SetBusy(reason=canaries.word("call.busy.reason"))
    end = time.monotonic() + patient(20)
    while not theirs.lead.recordings.ListRecordings().recordings or not theirs.lead.reports.ListCalls().calls:
        assert time.monotonic() < end, "the call is in no recording or no report"
        time.sleep(0.2)
    return facts.id, facts.ended.recording_id


def administered(api, parent):
    """All that a company's administrator can read in AdminService, in the order of reading."""
    out = [api.admin.GetTenant(name=parent)]
    out[0].ClearField("published_version")
    for kind in KINDS:
        service = api.admin._descriptor
        list_ = next(m.name for m in service.methods if m.name.startswith("List") and "parent" in m.input_type.fields_by_name
                     and plural(kind) in m.output_type.fields_by_name)
        out.append(getattr(api.admin, list_)(parent=parent, page_size=1000))
    for flow in api.admin.ListFlows(parent=parent).flows:
        versions = api.admin.ListFlowVersions(parent=flow.name).versions
        out += [*versions, *(api.admin.GetFlowVersion(name=v.name) for v in versions)]
    out += [api.admin.GetImport(name=i.name) for i in api.admin.ListImports(parent=parent).imports]
    return out + [api.admin.ListAuditEntries(parent=parent, page_size=1000)]


def watched(api):
    """What its leads can read in the other services."""
    states = list(itertools.takewhile(lambda e: not e.HasField("synced"), api.desk.StreamEvents(all_agents=True)))
    r = api.recordings.ListRecordings(include_unstored=True)
    return [*states, api.desk.ListAgents(), r, api.reports.ListCalls(), api.reports.GetSummary(), api.reports.QueryQueueIntervals(),
            api.reports.QueryAgentIntervals(), api.recordings.GetRecording(recording_id=r.recordings[0].recording_id)]


def packed(messages):
    return b"\n".join(m.SerializeToString(deterministic=True) for m in messages)


# ---- the one who asks ----


def send(api, method, requests):
    """(code, all bytes of the answers or of the refusal)"""
    service, kind = getattr(api, method.service), STREAMS.get(method.name, "unary_unary")
    stub = getattr(service._channel, kind)("/%s/%s" % (SERVICES[method.service][0], method.name), request_serializer=lambda m: m.SerializeToString(),
                                           response_deserializer=bytes)
    got = []
    try:
        answer = stub(iter(requests) if kind == "stream_unary" else requests[0], timeout=patient(0.15 if method.name in ("StreamEvents", "WatchFacts") else 20),
                      metadata=service._metadata)
        got += answer if kind == "unary_stream" else [answer]
        return "OK", got
    except grpc.RpcError as e:
        trailers = b"\n".join(v if isinstance(v, bytes) else v.encode() for _, v in e.trailing_metadata() or ())
        return ("OK" if got else e.code().name), got + [e.details().encode() + b"\n" + trailers]


def listens(api, heard):
    """Streams that stay open from before the other company's first word to the end."""
    streams = [api.desk.StreamEvents(all_agents=True), api.desk.WatchFacts()]
    for s in streams:
        threading.Thread(target=lambda s=s: heard.extend(m.SerializeToString() for m in s), daemon=True).start()
    return streams


def test_whatever_one_company_asks_it_gets_no_byte_of_what_the_other_wrote_GT_3_1_2(scene, capsys):
    seed = int(os.environ.get("CANARY_SEED") or random.randrange(10**6))
    calls = int(os.environ.get("CANARY_CALLS") or 2500)
    with capsys.disabled():
        print("\ncanaries: CANARY_SEED=%d, %d calls" % (seed, calls))
    canaries, tag, request_ids = Canaries(seed), "%x" % int(time.time()), ["c0ffee00-0000-4000-8000-%012d" % seed]
    operator, digits = scene.acme.api, ["66%d%d" % (i, int(time.time())) for i in (1, 2, 3)]
    ours = Company(operator, "asks-" + tag, "asks-%s.example" % tag, scene.address(210)).create()
    theirs = Company(operator, "writes-" + tag, canaries.word("tenant.sip_domain") + ".example", scene.address(211), name=canaries.word("tenant.display_name")).create()
    heard = []
    streams = listens(ours.lead, heard)
    furnish(ours.own, ours.parent, digits[0])
    ours.agent("1001", [])
    writer = plant(theirs, canaries, digits[1], request_ids)
    call_id, recording_id = a_call(scene, theirs, digits[2], canaries)

    # Each canary is where its own company reads it: what is looked for can be found.
    before = packed(administered(writer, theirs.parent))
    seen = canaries.found(before + packed(watched(theirs.lead)))
    unseen = {where for word, where in canaries.planted.items() if word not in seen and where.rpartition(".")[2] not in NEVER_ANSWERED}
    assert not unseen, unseen
    assert canaries.digits in seen and len(canaries.planted) >= 30, sorted(canaries.planted.values())

    ids = {plural(k): ["x1"] for k in KINDS} | {"numbers": digits, "agents": ["x1", "1001"], "calls": [call_id, "none"], "recordings": [recording_id, "none"]}
    imports = [i.name.split("/")[3] for i in writer.admin.ListImports(parent=theirs.parent).imports]
    known = Known([ours.tenant] * 3 + [theirs.tenant] * 2 + ["nowhere"], ids | {"imports": imports}, request_ids=request_ids, now_ms=int(time.time() * 1000))
    for m in administered(writer, theirs.parent):
        known.tokens += [v for f, v in m.ListFields() if f.name == "etag"]
    actors = [ours.own] * 8 + [ours.lead, ours.lead, ours.agents["1001"].api, operator.with_token("")]
    rng, codes = random.Random(seed), collections.defaultdict(collections.Counter)
    generator = AnyRequest(rng, known)
    for n in range(calls):
        method, api = METHODS[n % len(METHODS)], rng.choice(actors)
        requests = generator.messages(method)
        code, answers = send(api, method, requests)
        leaked = canaries.found(b"\n".join(answers))
        assert not leaked and not (method.name == "Download" and code == "OK"), "call %d of CANARY_SEED=%d: %s of\n%s\nanswers with %s" % (
            n, seed, method.name, requests, {canaries.planted.get(w, w) for w in leaked})
        codes[method.name][code] += 1
        if code == "OK" and method.name not in STREAMS:
            known.learn(FACTORY.GetPrototype(method.output).FromString(answers[0]))

    for s in streams:
        s.cancel()
    assert heard and not canaries.found(b"\n".join(heard))
    assert packed(administered(writer, theirs.parent)) == before  # nor has it changed anything there
    total = sum(codes.values(), collections.Counter())
    with capsys.disabled():
        print("canaries: %s; never succeeded: %s" % (dict(total.most_common()), sorted(m for m in codes if not codes[m]["OK"])))
    assert set(codes) == {m.name for m in METHODS} and not total["INTERNAL"] and not total["UNKNOWN"]
    assert total["OK"] > calls / 20 and total["NOT_FOUND"] > calls / 10
    for c in (ours, theirs):
        operator.admin.DeleteTenant(name=c.parent, grace_ms=0)
