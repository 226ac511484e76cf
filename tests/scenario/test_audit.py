"""The audit as a chain, seen by clients who trust nobody: one that does its own arithmetic, and the command-line tool."""
import base64
import concurrent.futures
import hashlib
import json
import os
import pathlib
import struct
import subprocess

import grpc
import pytest
from api import Api, message

BIN = pathlib.Path(os.environ["TRUNKLINE_BIN"]) / "trunkline"
SERVICE = "trunkline.admin.v1."
PARENT = "tenants/auditco"


def part(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def link(previous, e):
    """AuditRecord.hash as the comment in admin.proto has it."""
    return hashlib.sha256(previous + struct.pack(">Qq", e.seq, e.time_us) +
                          b"".join(part(v) for v in (e.actor, e.action, e.resource, e.peer, e.before, e.after))).digest()


@pytest.fixture(scope="module")
def admin(cluster):
    """The operator's service, with a tenant in whose audit something stands."""
    admin = Api(cluster.env).admin
    admin.CreateTenant(tenant_id="auditco", tenant={"display_name": "Audit Company", "sip_domain": "auditco.example"})
    for i in range(5):
        admin.CreateSkill(parent=PARENT, skill_id="s%d" % i, skill={"display_name": "技能 %d" % i})
    admin.UpdateSkill(skill={"name": PARENT + "/skills/s0", "display_name": "Another"}, update_mask="displayName")
    admin.DeleteSkill(name=PARENT + "/skills/s1")
    yield admin
    admin.DeleteTenant(name=PARENT, grace_ms=0)


def pages(admin, size):
    token = ""
    while True:
        page = admin.ListAuditEntries(parent=PARENT, oldest_first=True, page_size=size, page_token=token)
        yield page
        token = page.next_page_token
        if not token:
            return


def test_a_clients_own_arithmetic_arrives_at_the_head_that_the_service_names_GT_16(admin):
    previous, seq, actions, last = b"\0" * 32, 0, [], None
    for last in pages(admin, 3):
        for e in last.entries:
            seq += 1
            previous = link(previous, e)
            assert (e.seq, e.hash) == (seq, previous)
            assert e.time_ms == e.time_us // 1000
            actions.append(e.action)
    assert actions == ["tenants.create"] + ["skills.create"] * 5 + ["skills.update", "skills.delete"]
    assert (last.head_seq, last.head_hash) == (seq, previous)
    answer = admin.VerifyAudit(parent=PARENT)
    assert (answer.ok, answer.entries, answer.first_bad_seq, answer.reason) == (True, seq, 0, "")
    assert (answer.head_seq, answer.head_hash) == (seq, previous)


# ---- the tool ----


def run(*args, **env):
    return subprocess.run([str(BIN), "audit", *args, "--tenant", "auditco"], capture_output=True, text=True, timeout=60,
                          env={k: v for k, v in {**os.environ, **env}.items() if v is not None})


def test_the_tool_verifies_and_knows_a_head_that_was_kept_GT_16(admin):
    p = run("verify")
    assert p.returncode == 0 and "auditco: 8 entries, the chain holds\n" in p.stdout, p
    kept = p.stdout.split("head: ")[1].strip()
    admin.CreateSkill(parent=PARENT, skill_id="later", skill={"display_name": "Later"})
    p = run("verify", "--head", kept.upper())
    assert p.returncode == 0 and "the head that was given is entry 8\n" in p.stdout and "9 entries" in p.stdout, p
    answer = json.loads(run("verify", "--json").stdout)
    assert (answer["ok"], answer["entries"], answer["first_bad_seq"]) == (True, 9, 0)
    assert bytes.fromhex(answer["head"]) == admin.VerifyAudit(parent=PARENT).head_hash != bytes.fromhex(kept)
    p = run("verify", "--by-service")
    assert p.returncode == 0 and answer["head"] in p.stdout, p
    rows = json.loads(run("list", "--oldest-first", "--action", "skills.create", "--json").stdout)["entries"]
    assert [r["seq"] for r in rows] == ["2", "3", "4", "5", "6", "9"]
    assert base64.b64decode(rows[-1]["hash"]).hex() == answer["head"]


@pytest.mark.parametrize("head, why", [("00" * 32, "no entry of auditco has this hash"), ("abc", "64 hexadecimal digits")])
def test_a_head_that_is_not_in_the_chain_fails_the_verification_GT_16(admin, head, why):
    p = run("verify", "--head", head)
    assert p.returncode == 1 and why in p.stderr and "the chain holds" not in p.stdout, p


class Liar(grpc.GenericRpcHandler):
    """Passes the true audit on, with one lie in it, and says that all is well."""

    def __init__(self, admin, lie):
        self.admin, self.lie = admin, lie

    def service(self, details):
        method = details.method.rsplit("/", 1)[1]
        ask = message(SERVICE + {"ListAuditEntries": "ListAuditEntriesRequest", "VerifyAudit": "VerifyAuditRequest"}[method])
        return grpc.unary_unary_rpc_method_handler(getattr(self, method), request_deserializer=ask.FromString,
                                                   response_serializer=lambda m: m.SerializeToString())

    def ListAuditEntries(self, request, _):
        page = self.admin.ListAuditEntries(parent=request.parent, page_size=3, page_token=request.page_token, oldest_first=True)
        self.lie(page)
        return page

    def VerifyAudit(self, request, _):
        return self.admin.VerifyAudit(parent=request.parent)


def other_actor(page):
    for e in page.entries:
        if e.seq == 5:
            e.actor = "operator:nobody"


def other_after(page):
    for e in page.entries:
        if e.seq == 2:
            e.after += b"\0"


def one_less(page):
    for e in list(page.entries):
        if e.seq == 4:
            page.entries.remove(e)


def no_end(page):
    if page.entries[0].seq == 4:
        page.next_page_token = ""


def hashed_anew(page):
    """The entry has the hash of what it says now; the next one still follows what it said before."""
    for e in page.entries:
        if e.seq == 3:
            e.action = "skills.get"
            e.hash = link(bytes(page.entries[1].hash), e)


@pytest.mark.parametrize("lie, seq", [(other_actor, 5), (other_after, 2), (one_less, 4), (no_end, 7), (hashed_anew, 4)])
def test_a_service_that_lies_is_found_out_by_the_tool_though_it_says_that_all_is_well_GT_16(admin, lie, seq):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2), handlers=[Liar(admin, lie)])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        where = {"TRUNKLINE_ADMIN": "127.0.0.1:%d" % port, "TRUNKLINE_CA_FILE": None}
        assert run("verify", "--by-service", **where).returncode == 0
        p = run("verify", **where)
        assert p.returncode == 1 and not p.stdout, p
        assert "DATA_LOSS" in p.stderr and "the chain of auditco does not hold" in p.stderr, p
        answer = run("verify", "--json", **where)
        assert answer.returncode == 1 and json.loads(answer.stdout)["first_bad_seq"] == seq, answer
    finally:
        server.stop(None)
