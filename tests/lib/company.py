"""A tenant for tests and the demo, made through AdminService, and its people with their telephones.

    acme = Company(api, "acme", "acme.example", trunk="127.0.0.2").create()
    acme.skill("sales")
    acme.queue("sales", ["sales"], music_prompt_id="music")
    acme.number("+493011", flow_id="main")
    mei = acme.agent("1001", ["sales"])
    mei.sign_in(); mei.ready()

What exists already stays as it is only where create(again=True) says so; a changed flow is updated.
"""
import hashlib
import pathlib

from api import ApiError

PASSWORD = "secret-%s-Password1"


class Company:
    def __init__(self, api, tenant, domain, trunk, name="", time_zone="UTC"):
        self.api, self.tenant, self.domain, self.trunk, self.name, self.time_zone = api, tenant, domain, trunk, name or tenant, time_zone
        self.parent = "tenants/" + tenant
        self.agents = {}

    def create(self):
        self._make("Tenant", tenant_id=self.tenant,
                   tenant={"display_name": self.name, "sip_domain": self.domain, "time_zone": self.time_zone})
        self.admin_token = self.api.token_for(self.tenant, "SCOPE_TENANT_ADMIN", subject="admin:%s" % self.tenant)
        self.lead_token = self.api.token_for(self.tenant, "SCOPE_SUPERVISOR", subject="lead:%s" % self.tenant)
        self.own = self.api.with_token(self.admin_token)  # everything else its own administrator does
        self.lead = self.api.with_token(self.lead_token)
        self._child("Trunk", "gateway", {"addresses": [self.trunk], "display_name": "gateway"})
        return self

    def _make(self, kind, **fields):
        api = self.api if kind == "Tenant" else self.own
        try:
            return getattr(api.admin, "Create" + kind)(**fields)
        except ApiError as e:
            if e.code != "ALREADY_EXISTS":
                raise
        return None

    def _child(self, kind, id_, resource):
        made = self._make(kind, **{"parent": self.parent, kind.lower() + "_id": id_, kind.lower(): resource})
        if made is None:
            name = "%s/%ss/%s" % (self.parent, kind.lower(), id_)
            made = getattr(self.own.admin, "Update" + kind)(**{kind.lower(): {**resource, "name": name}})
        return made

    def prompt(self, prompt_id, path, name=""):
        data = pathlib.Path(path).read_bytes()
        cls = self.own.admin._descriptor.methods_by_name["UploadPrompt"].input_type

        def parts():
            from api import FACTORY
            request = FACTORY.GetPrototype(cls)
            first = request()
            first.header.parent, first.header.prompt_id, first.header.display_name = self.parent, prompt_id, name or prompt_id
            yield first
            for i in range(0, len(data), 1 << 18):
                yield request(chunk=data[i:i + (1 << 18)])
        return self.own.admin.UploadPrompt(parts())

    def skill(self, skill_id, name=""):
        return self._child("Skill", skill_id, {"display_name": name or skill_id})

    def queue(self, queue_id, skills, name="", **fields):
        levels = [{"skill_id": s, "level": n} for s, n in _levels(skills)]
        return self._child("Queue", queue_id, {"display_name": name or queue_id, "skills": levels, **fields})

    def flow(self, flow_id, steps, name=""):
        """steps: [(id, {"answer": {}}, next)]; next may be left out: the following one."""
        out = []
        for i, step in enumerate(steps):
            after = steps[i + 1][0] if i + 1 < len(steps) else ""
            out.append({"id": step[0], "next": step[2] if len(step) > 2 else after, **step[1]})
        return self._child("Flow", flow_id, {"display_name": name or flow_id, "steps": out})

    def number(self, number, name="", **target):
        return self._child("Number", number, {"display_name": name, "working": target})

    def agent(self, agent_id, skills, name="", auto_ready=True, password=None, logs_in=True):
        """logs_in=False: only the telephone knows the password, of which the hash is given (a thousand agents in seconds)."""
        password = password or PASSWORD % agent_id
        levels = [{"skill_id": s, "level": n} for s, n in _levels(skills)]
        ha1 = ":".join((agent_id, self.domain, password)).encode()
        secret = {"password": password} if logs_in else {"ha1_md5": hashlib.md5(ha1).hexdigest(), "ha1_sha256": hashlib.sha256(ha1).hexdigest()}
        self._child("Agent", agent_id, {"display_name": name or agent_id, "skills": levels, "enabled": True, **secret,
                                        "auto_ready_after_wrap_up": auto_ready})
        a = Agent(self, agent_id, password, name or agent_id)
        self.agents[agent_id] = a
        return a

    def published(self):
        t = self.own.admin.GetTenant(name=self.parent)
        return t.published_version >= t.config_version


def _levels(skills):
    return [(s, 5) if isinstance(s, str) else s for s in skills]


class Agent:
    """Somebody who signs in with a password, and the telephone beside."""

    def __init__(self, company, agent_id, password, name):
        self.company, self.id, self.password, self.name = company, agent_id, password, name
        self._api = None
        self.phone = None

    @property
    def api(self):
        if self._api is None:
            nobody = self.company.api.with_token("")
            login = nobody.auth.Login(tenant=self.company.tenant, agent_id=self.id, password=self.password)
            self._api = self.company.api.with_token(login.access_token)
        return self._api

    def sign_in(self):
        return self.api.desk.SignIn()

    def ready(self):
        return self.api.desk.SetReady()

    def busy(self, reason="break"):
        return self.api.desk.SetBusy(reason=reason)

    def sign_out(self):
        return self.api.desk.SignOut()

    def state(self):
        return self.api.desk.GetState()

    def state_name(self):
        s = self.state()
        return s.DESCRIPTOR.fields_by_name["state"].enum_type.values_by_number[s.state].name.removeprefix("AGENT_STATE_")
