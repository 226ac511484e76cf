"""What the APIs consist of, as their descriptors have it: methods, kinds of resources, who may; and small valid examples of each kind.

    for m in methods("admin", "auth"): …                        # Method: service "admin", name "GetQueue", descriptors of both messages
    make(api, "Queue", "tenants/acme", "sales")                 # creates one as KINDS has it and gives the answer
"""
import base64
import collections
import pathlib
import re
import struct

from api import POOL, ROOT, SERVICES

Method = collections.namedtuple("Method", "service name input output")
Kind = collections.namedtuple("Kind", "body bad field")  # a valid one; fields that are wrong in an otherwise valid one; which it is

# A new kind of resource needs a row here and has all the tests then (docs/adding-a-resource.md).
KINDS = {
    "Number": Kind({"display_name": "Hotline", "working": {"reject_status": 404}}, {"working": {"reject_status": 200}}, "working.reject_status"),
    "Trunk": Kind({"display_name": "Gateway", "addresses": ["192.0.2.1"], "host": "gateway.example"}, {"addresses": ["gateway"]}, "addresses[0]"),
    "Calendar": Kind({"display_name": "Office", "hours": [{"weekday": 1, "from_minute": 480, "to_minute": 1020}], "holidays": ["2026-12-25"]},
                     {"hours": [{"weekday": 8, "from_minute": 480, "to_minute": 1020}]}, "hours[0].weekday"),
    "Skill": Kind({"display_name": "English"}, {"display_name": "x" * 201}, "display_name"),
    "Queue": Kind({"display_name": "Sales", "priority": 1, "wrap_up_ms": 1000}, {"priority": 11}, "priority"),
    "Flow": Kind({"display_name": "Main", "steps": [
        {"id": "greet", "next": "note", "answer": {}}, {"id": "note", "next": "which", "set": {"variable": "kind", "value": "urgent"}},
        {"id": "which", "next": "bye", "branch": {"variable": "kind", "cases": [{"value": "urgent", "next": "ring"}]}},
        {"id": "ring", "next": "bye", "ring_agent": {"agent_id": "${kind}"}}, {"id": "bye", "hang_up": {}}]},
        {"steps": [{"id": "one", "next": "two", "answer": {}}]}, "steps[0].next"),
    "Prompt": Kind({"display_name": "Welcome"}, {"display_name": "x" * 201}, "display_name"),
    "Agent": Kind({"display_name": "Mei", "enabled": True}, {"language": "Klingon"}, "language"),
    "Role": Kind({"display_name": "Reader", "permissions": ["queues.read"]}, {"permissions": ["queues.read", "fly"]}, "permissions[1]"),
}


def methods(*services):
    return [Method(s, m.name, m.input_type, m.output_type) for s in services for m in POOL.FindServiceByName(SERVICES[s][0]).methods]


def field(kind):
    """The field of requests that has a resource of this kind, and its id in front of "_id"."""
    return kind.lower()


def plural(kind):
    """As in names and in the answer of its list."""
    service = POOL.FindServiceByName(SERVICES["admin"][0])
    resource = service.methods_by_name["Get" + kind].output_type
    return next(f.name for m in service.methods if m.name.startswith("List")
                for f in m.output_type.fields if f.message_type is resource)


def permissions():
    """{(service, method): permission} as docs/permissions.md has it."""
    out, names = {}, {SERVICES[s][0].rsplit(".", 1)[1]: s for s in SERVICES}
    for line in pathlib.Path(ROOT, "docs", "permissions.md").read_text().splitlines():
        row = re.match(r"\| `([a-z.]+)` \|[^|]*\|([^|]*)\|", line)
        for service, listed in re.findall(r"(\w+): ((?:`\w+`(?:, )?)+)", row.group(2)) if row else ():
            out.update({(names[service], m): row.group(1) for m in re.findall(r"`(\w+)`", listed)})
    return out


def wav(samples=80):
    """Silence, as a file."""
    return struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + 2 * samples, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 2 * samples) + \
        bytes(2 * samples)


def chunks(header, data):
    """The messages of a client's stream: UploadPrompt, CreateImport."""
    return [{"header": header}, {"chunk": base64.b64encode(data).decode()}]


def creation(kind, parent, id_, body=None):
    """(method, keyword arguments) that create one."""
    body = KINDS[kind].body if body is None else body
    if kind == "Prompt":
        return "UploadPrompt", {"requests": chunks({"parent": parent, "prompt_id": id_, **body}, wav())}
    return "Create" + kind, {"parent": parent, field(kind) + "_id": id_, field(kind): body}


def make(api, kind, parent, id_, body=None):
    method, fields = creation(kind, parent, id_, body)
    return getattr(api.admin, method)(**fields)
