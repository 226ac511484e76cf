"""Every method of the administration, five ways: it works; who lacks its permission is told which; another tenant's is as if it were not
there; what is malformed is told by the field; and of two who change the same, one is told. The methods are those of the descriptors:
one without a row here fails (docs/adding-a-resource.md)."""
import concurrent.futures
import copy
import functools
import itertools
import time

import grpc
import pytest
from api import SERVICES, Api, ApiError, to_dict
from patience import patient
from surface import KINDS, chunks, creation, field, make, methods, permissions, plural, wav

METHODS = {m.name: m for m in methods("admin", "auth")}
PERMISSION = {method: p for (service, method), p in permissions().items() if service in ("admin", "auth")}
PASSWORD = "correct horse battery"
OPEN = "Login"  # needs no token
# Changes without an etag, and why that is right. What only reads (Get, List, Verify) and what creates have none to compare.
NO_ETAG = {"CancelImport": "an import changes by itself; only its state decides", "CreateToken": "nothing that exists changes",
           "Login": "nothing that exists changes", "RevokeToken": "withdrawn is withdrawn",
           "RotateTenantKey": "who comes second is refused: one is under way"}


PLATFORM = ("tenants.", "pools.", "operators.")
# What operators have in no tenant: the field of requests that has it.
OF_PLATFORM = {"Pool": "pool", "Operator": "operator", "OperatorRole": "role"}


def platform(method):
    """Of operators alone."""
    return PERMISSION.get(method, "").startswith(PLATFORM)


def refused(fn, fields):
    with pytest.raises(ApiError) as e:
        fn(**copy.deepcopy(fields))
    return e.value


def told(error, *names):
    """All that a refusal tells, without the names that were asked for."""
    text = repr((error.code, error.details, error.violations, error.localized))
    for name in names:
        text = text.replace(name, "?")
    return text


def replaced(value, old, new):
    """A request in which one name stands for another."""
    if isinstance(value, dict):
        return {k: replaced(v, old, new) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(v, old, new) for v in value]
    return value.replace(old, new) if isinstance(value, str) else value


def tenant_of(name):
    return name.split("/")[1]


class World:
    """Two tenants, their administrators, and what can be made in them."""

    def __init__(self, operator):
        self.operator, self.tag, self.count, self.tenants, self.without = operator, "%x" % int(time.time() * 10), itertools.count(), [], {}
        self.platform = []  # what was made in no tenant: (kind, name)
        self.ours, self.theirs = self.tenant().name, self.tenant().name
        self.admin = self.administrator(tenant_of(self.ours))

    @functools.lru_cache(maxsize=None)
    def administrator(self, tenant):
        return self.operator.with_token(self.operator.token_for(tenant, "SCOPE_TENANT_ADMIN"))

    def new_id(self):
        return "m%s-%d" % (self.tag, next(self.count))

    def tenant(self, _parent=None):
        id_ = self.new_id()
        self.tenants.append(id_)
        return self.operator.admin.CreateTenant(tenant_id=id_, tenant={"display_name": "Matrix"})

    def of_platform(self, kind):
        id_, f = self.new_id(), OF_PLATFORM[kind]
        self.platform.append((kind, "%s/%s" % (f + "s", id_)))
        return getattr(self.operator.admin, "Create" + kind)(**{f + "_id": id_, f: {"display_name": "Matrix"}})

    def sealing(self, _parent=None):
        """A tenant with a key, which is rotated once at a time."""
        tenant = {"name": self.tenant().name, "sensitive_fields": ["SENSITIVE_FIELD_CALLER_NUMBER"]}
        return self.operator.admin.UpdateTenant(tenant=tenant, update_mask="sensitiveFields")

    def rotating(self, _parent=None):
        tenant = self.sealing()
        self.operator.admin.RotateTenantKey(name=tenant.name)
        return tenant

    def deleted(self, _parent=None):
        """A tenant within its grace."""
        name = self.tenant().name
        self.operator.admin.DeleteTenant(name=name, grace_ms=3600000)
        return self.operator.admin.GetTenant(name=name)

    def resource(self, kind, parent):
        id_ = "99%d%03d" % (int(self.tag, 16), next(self.count)) if kind == "Number" else self.new_id()
        return make(self.operator, kind, parent, id_)

    def draft(self, parent):
        """A flow that differs from what is published."""
        name = self.resource("Flow", parent).name
        return self.operator.admin.UpdateFlow(flow={"name": name, "display_name": "draft"}, draft_only=True)

    def versions(self, parent):
        """A flow with a version to go back to."""
        name = self.resource("Flow", parent).name
        return self.operator.admin.UpdateFlow(flow={"name": name, "display_name": "second"})

    def table(self, parent, rows=1):
        header = {"parent": parent, "kind": "IMPORT_KIND_AGENTS", "file_name": "agents.csv", "validate_only": True}
        return {"requests": chunks(header, b"id\n" + b"".join(b"9%06d\n" % i for i in range(rows)))}

    def running(self, _parent):
        """An import that takes a while, during which the tenant's other changes wait: in a tenant of its own."""
        return self.operator.admin.CreateImport(**self.table(self.tenant().name, 30000))

    def imported(self, parent):
        """One that has ended."""
        name, end = self.operator.admin.CreateImport(**self.table(parent)).name, time.monotonic() + patient(20)
        while (now := self.operator.admin.GetImport(name=name)).state == 1:
            assert time.monotonic() < end, "an import of one row does not end"
            time.sleep(0.02)
        return now

    def lacking(self, permission):
        """Whoever may everything but this."""
        if permission not in self.without:
            whose = {} if permission.startswith(PLATFORM) else {"tenant": tenant_of(self.ours)}
            all_ = self.operator.auth.CreateToken(scopes=["SCOPE_TENANT_ADMIN" if whose else "SCOPE_OPERATOR"], **whose).permissions
            fields = {"permissions": [p for p in all_ if p != permission], **whose}
            self.without[permission] = self.operator.with_token(self.operator.auth.CreateToken(**fields).access_token)
        return self.without[permission]

    def call(self, method, api=None, made=None):
        """The method as whoever should have it: an operator, or the administrator of the tenant of what it is about (ours)."""
        name = getattr(made, "name", self.ours)
        api = api or (self.operator if platform(method) else self.administrator(tenant_of(name)))
        return getattr(getattr(api, METHODS[method].service), method)

    def close(self):
        for id_ in self.tenants:
            try:
                self.operator.admin.DeleteTenant(name="tenants/" + id_, grace_ms=0)
            except ApiError as e:
                assert e.code in ("NOT_FOUND", "FAILED_PRECONDITION"), e
        for kind, name in self.platform:
            try:
                getattr(self.operator.admin, "Delete" + kind)(name=name)
            except ApiError as e:
                assert e.code == "NOT_FOUND", e


@pytest.fixture(scope="module")
def world(cluster):
    w = World(Api(cluster.env))
    yield w
    w.close()


# ---- a row for each method: what there must be, a request, what its success shows, requests that are wrong ----


class Row:
    def __init__(self, made, request, shows, bad, touch=None):
        """made(world, parent) → what it is about; request(made, parent) → fields; shows(world, made, answer) asserts;
        bad: [(fields over those of the request, the field that is told)]; touch(world, made): somebody else changes it."""
        self.made, self.request, self.shows, self.bad, self.touch = made, request, shows, bad, touch


def nothing(_world, _parent):
    return None


def same(world, kind, message):
    assert getattr(world.operator.admin, "Get" + kind)(name=message.name) == message


def gone(world, kind, message):
    assert refused(getattr(world.operator.admin, "Get" + kind), {"name": message.name}).code == "NOT_FOUND"


def changed(world, kind, before, after):
    """The name that is shown, and nothing else."""
    same(world, kind, after)
    a, b = to_dict(before), to_dict(after)
    volatile = ("etag", "display_name", "version", "live_version")
    assert after.display_name == "other" and a["etag"] != b["etag"]
    assert [x for x in a.items() if x[0] not in volatile] == [x for x in b.items() if x[0] not in volatile]


BAD_NAME = [({"name": "tenants/Not An Id/x"}, "name"), ({"name": ""}, "name")]
BAD_PAGE = [({"page_size": -1}, "page_size"), ({"page_token": "x" * 65}, "page_token")]
BAD_PARENT = [({"parent": "tenants/Not An Id"}, "parent"), ({"parent": ""}, "parent")]
BAD_FILTER = [({"filter": "no_such_field = 1"}, "filter"), ({"filter": "AND"}, "filter")]
BAD_REQUEST_ID = [({"request_id": "no-uuid!"}, "request_id")]
BAD_COMMENT = [({"comment": "x" * 201}, "comment")]


def touch(kind):
    f = OF_PLATFORM.get(kind) or field(kind)
    return lambda w, made: getattr(w.operator.admin, "Update" + kind)(**{f: {"name": made.name, "display_name": "touched"}})


def creates(kind):
    """Nothing may be there before; the id is chosen when the request is made."""
    f, k = field(kind), KINDS[kind]

    def request(id_, parent):
        return creation(kind, parent, id_)[1]

    def made(world, _parent):
        return "98%d%03d" % (int(world.tag, 16), next(world.count)) if kind == "Number" else world.new_id()

    def shows(world, id_, answer):
        assert answer.name.endswith("/%s/%s" % (plural(kind), id_))
        same(world, kind, answer)
    bad = BAD_PARENT + BAD_REQUEST_ID + [({f + "_id": "No Id"}, f + "_id"), ({f: None}, f), ({f: {**k.body, **k.bad}}, "%s.%s" % (f, k.field))]
    return Row(made, request, shows, bad)


def verbs(kind):
    """The rows that every kind of resource has."""
    f, k = field(kind), KINDS[kind]

    def made(world, parent):
        return world.resource(kind, parent)

    def listed(_world, resource, answer):
        assert resource in getattr(answer, plural(kind))
    update = [({f: {"name": "tenants/Not An Id/x", "display_name": "other"}}, f + ".name"), ({f: None}, f),
              ({"update_mask": "noSuchField"}, "update_mask"), ({"update_mask": "etag"}, "update_mask")] + BAD_REQUEST_ID
    rows = {
        "Get" + kind: Row(made, lambda r, _: {"name": r.name}, lambda w, r, answer: same(w, kind, r), BAD_NAME),
        "List%s" % next(m[4:] for m in METHODS if m.startswith("List") and plural(kind) == field(m[4:])):
            Row(made, lambda r, parent: {"parent": parent, "page_size": 1000}, listed, BAD_PARENT + BAD_PAGE + BAD_FILTER),
        "Update" + kind: Row(made, lambda r, _: {f: {"name": r.name, "display_name": "other"}, "update_mask": "displayName"},
                             lambda w, r, answer: changed(w, kind, r, answer), update, touch(kind)),
        "Delete" + kind: Row(made, lambda r, _: {"name": r.name}, lambda w, r, _: gone(w, kind, r), BAD_NAME + BAD_REQUEST_ID, touch(kind)),
    }
    if kind != "Prompt":
        rows["Create" + kind] = creates(kind)
    return rows


def wrong_value(kind):
    """An update to what the kind may not be; beside the name of a real one."""
    f, k = field(kind), KINDS[kind]
    return lambda r: ({f: {"name": r.name, **k.bad}}, "%s.%s" % (f, k.field))


def header(method):
    """Changes of the first message of a client's stream."""
    return [({"header": {"parent": "tenants/Not An Id"}}, "header.parent"), *{
        "UploadPrompt": [({"header": {"prompt_id": "No Id"}}, "header.prompt_id"), ({"header": {"display_name": "x" * 201}}, "header.display_name"),
                         ({"header": {"request_id": "x" * 37}}, "header.request_id"), ({"chunk": "bm8gc291bmQ="}, "chunk")],
        "CreateImport": [({"header": {"kind": 0}}, "header.kind"), ({"header": {"charset": "EBCDIC"}}, "header.charset"),
                         ({"header": {"columns": [{"header": "id", "field": "x"}]}}, "header.columns[0].field"), ({"chunk": ""}, "chunk")]}[method]]


def uploaded(world, prompt, answer):
    assert answer.name == prompt.name and answer.duration_ms == 20
    same(world, "Prompt", answer)


def shown(field_, value):
    def check(_world, _made, answer):
        assert getattr(answer, field_) == value, answer
    return check


def has(field_):
    return lambda _world, made, answer: made in list(getattr(answer, field_)) or pytest.fail(str(answer))


def tenant_shows(world, _made, answer):
    now = world.operator.admin.GetTenant(name=answer.name)
    assert (now.etag, now.display_name, now.state) == (answer.etag, answer.display_name, 1)


def listed_tenants(world, made, answer):
    assert made.name in [t.name for t in answer.tenants]


def deleted_shows(world, made, _answer):
    assert world.operator.admin.GetTenant(name=made.name).state == 2


def published(version):
    def check(world, flow, answer):
        assert answer.name == "%s/versions/%d" % (flow.name, version) and world.operator.admin.GetFlow(name=flow.name).live_version == version
    return check


def audited(world, skill, answer):
    assert skill.name in [e.resource for e in answer.entries]


def signed(world, _made, answer):
    assert list(world.operator.with_token(answer.access_token).admin.ListQueues(parent=world.ours).queues) is not None


def touch_deleted(world, tenant):
    world.operator.admin.DeleteTenant(name=tenant.name, grace_ms=7200000)


def token(world, parent):
    return world.operator.auth.CreateToken(tenant=tenant_of(parent), scopes=["SCOPE_TENANT_ADMIN"])


def skill(world, parent):
    return world.resource("Skill", parent)


def platform_verbs(kind, bad_body, bad_field):
    """The rows of what operators have in no tenant."""
    f = OF_PLATFORM[kind]
    again = BAD_REQUEST_ID if "request_id" in METHODS["Create" + kind].input.fields_by_name else []

    def made(world, _parent):
        return world.of_platform(kind)

    def created(world, id_, answer):
        world.platform.append((kind, answer.name))
        assert answer.name == "%ss/%s" % (f, id_)
        same(world, kind, answer)

    def listed(_world, resource, answer):
        assert resource in getattr(answer, f + "s")
    return {
        "Create" + kind: Row(lambda w, _: w.new_id(), lambda id_, _: {f + "_id": id_, f: {"display_name": "Matrix"}}, created, again + [
            ({f + "_id": "No Id"}, f + "_id"), ({f: None}, f), ({f: bad_body}, bad_field), ({f: {"display_name": "x" * 201}}, f + ".display_name")]),
        "Get" + kind: Row(made, tenant_name, lambda w, p, answer: same(w, kind, p), BAD_NAME),
        "List%ss" % kind: Row(made, lambda p, _: {"page_size": 1000}, listed, BAD_PAGE + BAD_FILTER),
        "Update" + kind: Row(made, lambda p, _: {f: {"name": p.name, "display_name": "other"}, "update_mask": "displayName"},
                             lambda w, p, answer: (same(w, kind, answer), answer.display_name == "other" or pytest.fail(str(answer))), again + [
            ({f: {"name": f + "s/Not An Id"}}, f + ".name"), ({f: None}, f), ({"update_mask": "etag"}, "update_mask")], touch(kind)),
        "Delete" + kind: Row(made, tenant_name, lambda w, p, _: gone(w, kind, p), BAD_NAME + again, touch(kind)),
    }


def tenant_name(made, parent):
    return {"name": made.name}


TENANT_BAD = [({"tenant": {"name": "tenants/Not An Id"}}, "tenant.name"), ({"tenant": None}, "tenant"), ({"update_mask": "sipDomain"}, "update_mask")]
ROWS = {
    "CreateTenant": Row(lambda w, _: w.new_id(), lambda id_, _: {"tenant_id": id_, "tenant": {"display_name": "Matrix"}}, tenant_shows, BAD_REQUEST_ID + [
        ({"tenant_id": "No Id"}, "tenant_id"), ({"tenant": None}, "tenant"), ({"tenant": {"time_zone": "Mars/Base"}}, "tenant.time_zone"),
        ({"tenant": {"quotas": {"agents": 1000001}}}, "tenant.quotas.agents"), ({"tenant": {"language": "Klingon"}}, "tenant.language"),
        ({"tenant": {"pool": "none-such"}}, "tenant.pool")]),
    "GetTenant": Row(nothing, lambda _, parent: {"name": parent}, lambda w, _, answer: tenant_shows(w, _, answer), BAD_NAME),
    "ListTenants": Row(World.tenant, lambda t, _: {"page_size": 1000, "filter": 'name = "%s"' % t.name}, listed_tenants, BAD_PAGE + BAD_FILTER),
    "UpdateTenant": Row(lambda w, parent: w.operator.admin.GetTenant(name=parent), lambda t, _: {
        "tenant": {"name": t.name, "display_name": "other"}, "update_mask": "displayName"}, tenant_shows,
        BAD_REQUEST_ID + TENANT_BAD, touch("Tenant")),
    "DeleteTenant": Row(World.tenant, lambda t, _: {"name": t.name, "grace_ms": 3600000}, deleted_shows,
                        BAD_NAME + BAD_REQUEST_ID + [({"grace_ms": -1}, "grace_ms"), ({"grace_ms": 31536000001}, "grace_ms")], touch("Tenant")),
    "UndeleteTenant": Row(World.deleted, tenant_name, tenant_shows, BAD_NAME + BAD_REQUEST_ID, touch_deleted),
    "GetTenantDeletion": Row(World.deleted, tenant_name, lambda w, t, answer: shown("delete_time_ms", t.delete_time_ms)(w, t, answer), BAD_NAME),
    "RotateTenantKey": Row(World.sealing, tenant_name, shown("version", 2), BAD_NAME + BAD_REQUEST_ID),
    "GetKeyRotation": Row(World.rotating, tenant_name, shown("version", 2), BAD_NAME),
    "PublishFlow": Row(World.draft, tenant_name, published(2), BAD_NAME + BAD_REQUEST_ID + BAD_COMMENT, touch("Flow")),
    "RollbackFlow": Row(World.versions, lambda f, _: {"name": f.name, "version": 1}, published(3), BAD_NAME + BAD_REQUEST_ID + BAD_COMMENT, touch("Flow")),
    "ListFlowVersions": Row(World.versions, lambda f, _: {"parent": f.name}, lambda w, f, answer: [v.version for v in answer.versions] == [2, 1] or pytest.fail(str(answer)),
                            [({"parent": "tenants/Not An Id/flows/x"}, "parent")] + BAD_PAGE),
    "GetFlowVersion": Row(World.versions, lambda f, _: {"name": f.name + "/versions/1"}, shown("version", 1),
                          BAD_NAME + [({"name": "tenants/x/flows/x/versions/first"}, "name")]),
    "UploadPrompt": Row(lambda w, parent: w.resource("Prompt", parent), lambda p, parent: {"requests": chunks(
        {"parent": parent, "prompt_id": p.id}, wav(160))}, uploaded, header("UploadPrompt"), touch("Prompt")),
    "CreateImport": Row(nothing, lambda _, parent: World.table(None, parent), lambda w, _, answer: shown("file_name", "agents.csv")(w, _, answer), header("CreateImport")),
    "GetImport": Row(World.imported, tenant_name, lambda w, i, answer: answer == i or pytest.fail(str(answer)), BAD_NAME),
    "ListImports": Row(World.imported, lambda i, parent: {"parent": parent}, lambda w, i, answer: i.name in [x.name for x in answer.imports] or pytest.fail(str(answer)),
                       BAD_PARENT + BAD_PAGE),
    "CancelImport": Row(World.running, tenant_name, shown("state", 4), BAD_NAME),
    "ListAuditEntries": Row(skill, lambda s, parent: {"parent": parent}, audited, BAD_PARENT[:1] + BAD_PAGE + [  # without a parent: the platform's
        ({"from_ms": -1}, "from_ms"), ({"from_ms": 2, "to_ms": 1}, "to_ms")]),
    "VerifyAudit": Row(nothing, lambda _, parent: {"parent": parent}, shown("ok", True), BAD_PARENT[:1]),
    "CreateToken": Row(nothing, lambda _, parent: {"tenant": tenant_of(parent), "scopes": ["SCOPE_TENANT_ADMIN"]}, signed, [
        ({"scopes": []}, "scopes"), ({"lifetime_ms": -1}, "lifetime_ms"), ({"roles": ["No Id"]}, "roles[0]"), ({"permissions": ["fly"]}, "permissions[0]"),
        ({"subject": "x" * 64}, "subject"), ({"language": "Klingon"}, "language"), ({"operator_id": "li"}, "operator_id")]),
    "GetToken": Row(token, tenant_name, lambda w, t, answer: answer.name == t.name or pytest.fail(str(answer)), BAD_NAME),
    "ListTokens": Row(token, lambda t, parent: {"parent": parent}, lambda w, t, answer: t.name in [x.name for x in answer.tokens] or pytest.fail(str(answer)),
                      BAD_PARENT[:1] + BAD_PAGE + BAD_FILTER),  # without a parent: those of operators
    "RevokeToken": Row(token, tenant_name, lambda w, t, answer: answer.revoke_time_ms or pytest.fail(str(answer)), BAD_NAME),
    "Login": Row(lambda w, parent: make(w.operator, "Agent", parent, w.new_id(), {"enabled": True, "password": PASSWORD}), lambda a, parent: {
        "tenant": tenant_of(parent), "agent_id": a.id, "password": PASSWORD}, lambda w, a, answer: answer.access_token or pytest.fail(), [
        ({"tenant": "No Id"}, "tenant"), ({"agent_id": "No Id"}, "agent_id"), ({"password": "x" * 129}, "password")]),
}
for _kind in KINDS:
    ROWS.update(verbs(_kind))
ROWS.update(platform_verbs("Pool", {"display_name": "x", "description": "x" * 1001}, "pool.description"))
ROWS["CreatePool"].bad += [({"pool_id": "shared"}, "pool_id"), ({"pool": {}}, "pool.display_name")]
ROWS["UpdatePool"].bad += [({"update_mask": "tenants"}, "update_mask")]
ROWS.update(platform_verbs("Operator", {"roles": ["none-such"]}, "operator.roles[0]"))
ROWS.update(platform_verbs("OperatorRole", {"permissions": ["tenants.list", "fly"]}, "role.permissions[1]"))


def row(method):
    return ROWS.get(method) or pytest.fail("%s has no row in this test: give it one" % method)


def prepared(world, method, parent):
    """(what it is about, a request that succeeds)"""
    r = row(method)
    made = r.made(world, parent)
    return made, r.request(made, parent)


def over(fields, change):
    """The request with other fields; of a stream: in its messages."""
    fields = copy.deepcopy(fields)
    if "requests" not in fields:
        return {k: v for k, v in {**fields, **change}.items() if v is not None}
    for m in fields["requests"]:
        for k, v in change.items():
            if k in m:
                m[k] = {**m[k], **v} if isinstance(v, dict) else v
    return fields


def etag_at(method):
    """The message of the request that has an etag: "" itself, a field of it; None: there is none."""
    input_ = METHODS[method].input
    if "etag" in input_.fields_by_name:
        return ""
    inner = [f.name for f in input_.fields if f.message_type and (method.startswith("Update") or f.name == "header") and
             "etag" in f.message_type.fields_by_name]
    return inner[0] if inner else None


def with_etag(method, fields, etag):
    at, fields = etag_at(method), copy.deepcopy(fields)
    inner = fields["requests"][0] if "requests" in fields else fields
    (inner[at] if at else inner)["etag"] = etag
    return fields


def outcome(fn, fields):
    try:
        fn(**fields)
        return "OK"
    except ApiError as e:
        return e.code


def at_once(fn, fields, n=4):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return [f.result() for f in [pool.submit(outcome, fn, copy.deepcopy(fields)) for _ in range(n)]]


# ---- the tests ----


@pytest.mark.parametrize("method", METHODS)
def test_it_works_for_who_may(world, method):
    made, fields = prepared(world, method, world.ours)
    answer = world.call(method, made=made)(**fields)
    row(method).shows(world, made, answer)
    if method == "CreateTenant":
        world.tenants.append(made)


@pytest.mark.parametrize("method", [m for m in METHODS if m != OPEN])
def test_who_may_everything_else_is_denied_and_told_what_is_missing_GT_3(world, method):
    _, fields = prepared(world, method, world.ours)
    e = refused(world.call(method, world.lacking(PERMISSION[method])), fields)
    assert e.code == "PERMISSION_DENIED" and PERMISSION[method] in e.details, e


def refused_alike(call, fields, theirs, nobodys):
    """What is asked for by another's name is refused with the words for one that nobody has. The code."""
    real, invented = refused(call, fields), refused(call, replaced(fields, theirs, nobodys))
    assert told(real, theirs) == told(invented, nobodys)
    return real.code


@pytest.mark.parametrize("method", METHODS)
def test_what_is_another_tenants_is_refused_as_what_is_nobodys_GT_3_1_2(world, method):
    made, fields = prepared(world, method, world.theirs)
    if method == OPEN:
        fields["password"] = "of one's own"
    code = "UNAUTHENTICATED" if method == OPEN else "PERMISSION_DENIED" if platform(method) else "NOT_FOUND"
    call, tenant = world.call(method, world.admin), tenant_of(getattr(made, "name", world.theirs))
    assert refused_alike(call, fields, tenant, tenant[:-1] + "none") == code
    id_ = getattr(made, "name", "").rpartition("/")[2]
    if id_ and id_ in repr(replaced(fields, tenant, "")) and method != "UploadPrompt":  # which would create one of that id
        unknown = id_[:-4] + "0000" if id_.isdigit() else id_ + "x"
        assert refused_alike(call, replaced(fields, tenant, tenant_of(world.ours)), id_, unknown) == code


REFERENCES = [  # kind, fields, kind that they name as "@"
    ("Queue", {"skills": [{"skill_id": "@", "level": 1}]}, "Skill"), ("Queue", {"music_prompt_id": "@"}, "Prompt"),
    ("Queue", {"entry_prompt_id": "@"}, "Prompt"), ("Queue", {"welcome_prompt_id": "@"}, "Prompt"), ("Agent", {"skills": [{"skill_id": "@", "level": 1}]}, "Skill"),
    ("Agent", {"roles": ["@"]}, "Role"), ("Number", {"working": {"flow_id": "@"}}, "Flow"), ("Number", {"working": {"queue_id": "@"}}, "Queue"),
    ("Number", {"working": {"agent_id": "@"}}, "Agent"), ("Number", {"working": {"reject_status": 404}, "calendar_id": "@"}, "Calendar"),
    ("Flow", {"steps": [{"id": "a", "queue": {"queue_id": "@"}}]}, "Queue"), ("Flow", {"steps": [{"id": "a", "play": {"prompt_ids": ["@"]}}]}, "Prompt"),
    ("Flow", {"steps": [{"id": "a", "ring_agent": {"agent_id": "@"}}]}, "Agent"),
]


@pytest.mark.parametrize("kind, body, of", REFERENCES)
def test_what_another_tenant_has_cannot_be_referred_to_GT_3_1_2(world, kind, body, of):
    id_ = world.resource(of, world.theirs).id
    new = "97%d%03d" % (int(world.tag, 16), next(world.count)) if kind == "Number" else world.new_id()
    method, fields = creation(kind, world.ours, new, replaced(body, "@", id_))
    assert refused_alike(world.call(method), fields, id_, id_ + "x") == "INVALID_ARGUMENT"


@pytest.mark.parametrize("method", METHODS)
def test_what_is_malformed_is_told_by_its_field(world, method):
    made, fields = prepared(world, method, world.ours)
    assert row(method).bad, "no malformed request of %s" % method
    bad = list(row(method).bad)
    if method.startswith("Update") and method[6:] in KINDS:
        bad.append(wrong_value(method[6:])(made))
    for change, path in bad:
        request = over(fields, change)
        if path.endswith(KINDS.get(method[6:], ("", "", "\0"))[2]) and method.startswith("Update"):
            request.pop("update_mask", None)
        e = refused(world.call(method), request)
        assert e.code == "INVALID_ARGUMENT" and [f for f, _ in e.violations] == [path] and e.violations[0][1], (change, e.code, e)


@pytest.mark.parametrize("method", METHODS)
def test_bytes_that_are_no_message_of_the_method_are_refused(world, method):
    m, service = METHODS[method], getattr(world.operator, METHODS[method].service)
    kind = "stream_unary" if method in ("UploadPrompt", "CreateImport") else "unary_unary"
    call = getattr(service._channel, kind)("/%s/%s" % (SERVICES[m.service][0], method), request_serializer=bytes, response_deserializer=bytes)
    for data in (b"\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xc3\x28", b"\x0a\x03a\0b"):  # no field, beyond the end, no UTF-8, a NUL
        with pytest.raises(grpc.RpcError) as e:
            call(iter([data]) if kind == "stream_unary" else data, timeout=patient(10), metadata=service._metadata)
        assert e.value.code().name == "INVALID_ARGUMENT", (data, e.value)


@pytest.mark.parametrize("method", [m for m in METHODS if etag_at(m) is not None])
def test_who_changes_what_another_has_changed_since_is_told_and_changes_nothing(world, method):
    r = row(method)
    made, fields = prepared(world, method, world.ours)
    call, kind = world.call(method), next(k for k in ("Tenant", "OperatorRole", *OF_PLATFORM, *KINDS) if method.endswith(k))
    current = getattr(world.operator.admin, "Get" + kind)
    r.touch(world, made)
    before = current(name=made.name)
    assert before.etag != made.etag
    e = refused(call, with_etag(method, fields, made.etag))
    assert e.code == "ABORTED" and "etag" in e.details, e
    now = current(name=made.name)
    if kind == "Tenant":  # which a publication goes on with
        now.published_version = before.published_version
    assert now == before
    if method == "PublishFlow":  # the change of the other has published it
        before = world.operator.admin.UpdateFlow(flow={"name": made.name, "display_name": "draft"}, draft_only=True)
    outcomes = at_once(call, with_etag(method, fields, before.etag), 2 if "requests" in fields else 4)  # so many uploads of a tenant
    assert outcomes.count("OK") == 1 and set(outcomes) <= {"OK", "ABORTED", "NOT_FOUND"}, outcomes


def test_an_upload_with_an_etag_creates_nothing(world):
    _, fields = prepared(world, "UploadPrompt", world.ours)
    fields["requests"][0]["header"].update(prompt_id=world.new_id(), etag="1")
    assert refused(world.call("UploadPrompt"), fields).code == "NOT_FOUND"


@pytest.mark.parametrize("method", [m for m in METHODS if m.startswith("Create") and m[6:] in (*KINDS, "Tenant", *OF_PLATFORM)])
def test_of_two_who_create_the_same_one_does(world, method):
    made, fields = prepared(world, method, world.ours)
    outcomes = at_once(world.call(method), fields)
    assert outcomes.count("OK") == 1 and set(outcomes) == {"OK", "ALREADY_EXISTS"}, outcomes
    if method == "CreateTenant":
        world.tenants.append(made)
    if method[6:] in OF_PLATFORM:
        world.platform.append((method[6:], "%ss/%s" % (OF_PLATFORM[method[6:]], made)))


def test_whatever_changes_something_has_an_etag_and_every_row_has_its_method():
    without = {m for m in METHODS if etag_at(m) is None and not m.startswith(("Get", "List", "Verify", "Create"))}
    assert without == set(NO_ETAG) - {"CreateToken"}
    assert set(ROWS) == set(METHODS)
