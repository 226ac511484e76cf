"""Random requests to any method, made of what the descriptors allow and of names, ids and tokens that somebody may know or guess.

    r = AnyRequest(random.Random(7), Known(tenants=["acme", "huaxia"], ids={"queues": ["sales"]}, words=["x"]))
    for message in r.messages(method): …                      # of a unary method one; of a client's stream several

About half of the names lead somewhere, so that requests get past the checks of form and are answered.
"""
import uuid

from google.protobuf import descriptor as d

from api import FACTORY
from surface import KINDS, chunks, creation, field, methods, plural, wav

TEXTS = ("", "x", "Sales", "0", "-1", "客服", "x" * 300, "../../etc", "' OR '1'='1", "%s%n", "*", "tenants/", "\u202e", "${caller}", "zh-Hant")
NUMBERS = (0, 0, 1, 2, 5, 100, 1000, 60000, 2**31 - 1, -1)


class Known:
    """What a caller has heard of. ids: by the plural of the kind, "*": of anything; tokens: etags, next_page_tokens."""

    def __init__(self, tenants, ids, tokens=(), request_ids=(), now_ms=0):
        self.tenants, self.ids, self.tokens = list(tenants), {k: list(v) for k, v in ids.items()}, list(tokens)
        self.request_ids, self.now_ms = list(request_ids) + [str(uuid.uuid4())], now_ms

    def learn(self, message):
        """Names and tokens of an answer."""
        for f, value in message.ListFields():
            if f.name in ("etag", "next_page_token", "access_token"):
                self.tokens.append(value)
            elif f.name == "name" and value.count("/") >= 3:
                self.ids.setdefault(value.split("/")[2], []).append(value.split("/")[3])
            elif f.type == f.TYPE_MESSAGE:
                for m in value if f.label == f.LABEL_REPEATED else [value]:
                    self.learn(m)


class AnyRequest:
    def __init__(self, rng, known):
        self.rng, self.known = rng, known
        self.plurals = {field(k): plural(k) for k in KINDS} | {"import": "imports"}

    def messages(self, method):
        """Protobuf messages of the method's input."""
        cls = FACTORY.GetPrototype(method.input)
        kind = next((k for k in KINDS if method.name in ("Create" + k, "Upload" + k)), None)
        if kind and self.rng.random() < 0.6:  # a valid one of the kind, somewhere
            fields = creation(kind, self.parent(), self.id(plural(kind)))[1]
            return [self.parsed(cls, m) for m in fields.get("requests", [fields])]
        if "chunk" in method.input.fields_by_name:
            header = cls()
            self.fill(header.header, method, 0)
            data = self.rng.choice([wav(self.rng.randrange(400)), self.table(), b"", bytes(self.rng.randrange(256) for _ in range(50))])
            return [header, *(self.parsed(cls, m) for m in chunks({}, data)[1:])]
        out = cls()
        self.fill(out, method, 0)
        return [out]

    @staticmethod
    def parsed(cls, fields):
        from api import make
        return make(cls, fields)

    def table(self):
        rows = ["id,display_name", *("%s,x" % self.id("agents") for _ in range(3)), "number,working", *("%s,reject:404" % self.id("numbers") for _ in range(2))]
        return "\n".join(rows[:4] if self.rng.random() < 0.5 else rows[4:]).encode()

    def fill(self, message, method, depth):
        must = {"name", "parent", field(method.name[6:]), "tenant", "header"}
        for f in message.DESCRIPTOR.fields:
            if self.rng.random() > (0.95 if f.name in must else 0.22 if depth < 4 else 0.05):
                continue
            if f.label == f.LABEL_REPEATED:
                for _ in range(self.rng.choice((1, 1, 2, 3))):
                    if f.type == f.TYPE_MESSAGE:
                        self.fill(getattr(message, f.name).add(), method, depth + 1)
                    else:
                        getattr(message, f.name).append(self.value(f, message, method))
            elif f.type == f.TYPE_MESSAGE:
                if f.message_type.name == "FieldMask":
                    message.update_mask.paths.extend(self.mask(method))
                else:
                    inner = getattr(message, f.name)
                    inner.SetInParent()
                    self.fill(inner, method, depth + 1)
            else:
                setattr(message, f.name, self.value(f, message, method))

    def value(self, f, message, method):
        if f.type == f.TYPE_STRING:
            return self.text(f.name, message, method)
        if f.type == f.TYPE_BYTES:
            return b"\0\1\2"
        if f.type == f.TYPE_BOOL:
            return self.rng.random() < 0.5
        if f.type == f.TYPE_ENUM:
            return self.rng.choice([v.number for v in f.enum_type.values])
        if f.cpp_type in (d.FieldDescriptor.CPPTYPE_DOUBLE, d.FieldDescriptor.CPPTYPE_FLOAT):
            return self.rng.random()
        n = self.rng.choice(NUMBERS + (self.known.now_ms,) * (f.cpp_type == d.FieldDescriptor.CPPTYPE_INT64))
        return abs(n) if "UINT" in {getattr(f, t): t for t in dir(f) if t.startswith("CPPTYPE_")}[f.cpp_type] else n

    def text(self, name, message, method):
        """By what the field is called; sometimes anything at all."""
        plural_ = self.plurals.get(field(message.DESCRIPTOR.name)) or next((p for k, p in self.plurals.items() if field(method.name).endswith((k, p))), "*")
        if "FlowVersion" in method.name:
            plural_ = "flows"
        if self.rng.random() < 0.04:
            return self.rng.choice(TEXTS)
        known = {
            "name": lambda: self.name(plural_) + ("/versions/%d" % self.rng.randrange(1, 4) if method.name == "GetFlowVersion" else ""),
            "parent": lambda: self.name("flows") if "Versions" in method.name else self.parent(),
            "tenant": lambda: self.rng.choice(self.known.tenants),
            "etag": lambda: self.rng.choice(self.known.tokens or [""]), "page_token": lambda: self.rng.choice(self.known.tokens + self.any_ids()),
            "request_id": lambda: self.rng.choice(self.known.request_ids), "filter": self.filter,
            "resource_prefix": lambda: self.rng.choice(["tenants/", self.parent() + "/", self.name("queues")]),
            "caller": lambda: self.rng.choice(["*", "+*", "1*", "7*"]), "called": lambda: self.rng.choice(["*", "+*"] + self.known.ids.get("numbers", [])),
            "id": lambda: self.id(plural_), "number": lambda: self.id("numbers"), "charset": lambda: "", "time_zone": lambda: "UTC", "language": lambda: "",
        }.get(name)
        if known:
            return known()
        if name.endswith(("_id", "_ids")):
            return self.id(self.plurals.get(name.split("_id")[0].rpartition("_")[2], name.split("_id")[0] + "s"))
        return self.rng.choice(TEXTS)

    def any_ids(self):
        return [i for ids in self.known.ids.values() for i in ids]

    def id(self, plural_):
        ids = self.known.ids.get(plural_)
        return self.rng.choice(ids if ids and self.rng.random() < 0.85 else self.any_ids() + ["none", "new-%d" % self.rng.randrange(10**6)])

    def parent(self):
        return "tenants/" + self.rng.choice(self.known.tenants)

    def name(self, plural_):
        return "%s/%s/%s" % (self.parent(), plural_, self.id(plural_)) if plural_ != "*" else self.parent()

    def mask(self, method):
        resource = method.input.fields[0].message_type
        return [self.rng.choice(["*"] + [f.name for f in resource.fields]) for _ in range(self.rng.choice((1, 1, 2)))] if resource else ["*"]

    def filter(self):
        term = self.rng.choice(['display_name = "*"', "id:*", 'name = "tenants/*"', 'display_name : "a"', 'name : "%s"' % self.parent(), "skills.level > 0"])
        return " AND ".join([term] + ["NOT etag = x"] * self.rng.randrange(2))
