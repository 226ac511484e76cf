"""The gRPC services of a cluster, from Python: no generated code, the descriptors that `make` leaves in build/gen.

    admin = Api(env).admin                             # environment of `tools/cluster env`; the operator's token
    admin.CreateTenant(tenant_id="acme", tenant={"display_name": "Acme", "sip_domain": "acme.example"})
    desk = Api(env, token).desk
    for event in desk.StreamEvents(all_agents=True): …

A request is given as keyword arguments (nested messages as dicts, enums by name); an answer is a protobuf message. Failures
are ApiError with .code ("NOT_FOUND") and .details (English); those of a request's fields stand in .violations, what a person is told
in .localized (language tag, text).
"""
import pathlib
import time

import grpc

from patience import FACTOR, patient
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DESCRIPTORS = ROOT / "build" / "gen" / "trunkline.binpb"

RETRIES = (0.1, 0.3, 1.0, 1.0)  # a service that restarts is UNAVAILABLE for a moment; every request here may be repeated

SERVICES = {  # attribute -> service, variable with its address
    "admin": ("trunkline.admin.v1.AdminService", "TRUNKLINE_ADMIN"),
    "auth": ("trunkline.admin.v1.AuthService", "TRUNKLINE_ADMIN"),
    "desk": ("trunkline.desk.v1.AgentService", "TRUNKLINE_DESK"),
    "recordings": ("trunkline.recording.v1.RecordingService", "TRUNKLINE_RECORDER"),
    "reports": ("trunkline.report.v1.ReportService", "TRUNKLINE_REPORTING"),
}


class ApiError(Exception):
    def __init__(self, method, code, details, violations=(), localized=("", "")):
        more = "".join("\n  %s: %s" % v for v in violations)
        super().__init__("%s: %s: %s%s" % (method, code, details, more))
        self.method, self.code, self.details, self.violations = method, code, details, list(violations)
        self.localized = localized


def _pool():
    if not DESCRIPTORS.exists():
        raise ApiError("descriptors", "MISSING", "%s is not there: run make" % DESCRIPTORS)
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.read_bytes())
    for f in files.file:
        pool.Add(f)
    return pool


POOL = _pool()
FACTORY = message_factory.MessageFactory(POOL)


def message(name):
    """Class of a message by its full name."""
    return FACTORY.GetPrototype(POOL.FindMessageTypeByName(name))


def make(cls, fields):
    return json_format.ParseDict(fields, cls())


def to_dict(msg):
    """With the names of the .proto; 64-bit numbers are texts, as protobuf's JSON has it."""
    return json_format.MessageToDict(msg, preserving_proto_field_name=True)


def _status(error):
    """google.rpc.Status in grpc-status-details-bin, read by hand: its .proto is not a package here."""
    return next((value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"), b"")


def _fields(data):
    """(number, bytes) of the length-delimited fields of a protobuf message."""
    def varint(i):
        shift = out = 0
        while True:
            out |= (data[i] & 0x7F) << shift
            shift += 7
            i += 1
            if not data[i - 1] & 0x80:
                return out, i
    i = 0
    while i < len(data):
        key, i = varint(i)
        if key & 7 == 0:
            _, i = varint(i)
        elif key & 7 == 2:
            n, i = varint(i)
            yield key >> 3, data[i:i + n]
            i += n
        else:
            return


def _two_texts(message_):
    v = dict(_fields(message_))
    return tuple(v.get(n, b"").decode("utf-8", "replace") for n in (1, 2))


def _details(status, name):
    """Each detail of the type google.rpc.<name>, as bytes."""
    for number, any_ in _fields(status):
        parts = dict(_fields(any_)) if number == 3 else {}
        if parts.get(1, b"").endswith(b"/google.rpc." + name):
            yield parts.get(2, b"")


def _error(method, e):
    status = _status(e)
    violations = [_two_texts(v) for bad in _details(status, b"BadRequest") for _, v in _fields(bad)]
    localized = [_two_texts(v) for v in _details(status, b"LocalizedMessage")]
    return ApiError(method, e.code().name, e.details(), violations, *localized[:1])


class Stream:
    """Answers of a streaming call as they come; cancel() ends it."""

    def __init__(self, method, call):
        self.method, self.call = method, call

    def __iter__(self):
        try:
            yield from self.call
        except grpc.RpcError as e:
            if e.code() != grpc.StatusCode.CANCELLED:
                raise _error(self.method, e) from None

    def cancel(self):
        self.call.cancel()


class Service:
    def __init__(self, channel, name, token, timeout):
        self._channel, self._name, self._timeout = channel, name, timeout
        self._metadata = (("authorization", "Bearer " + token),) if token else ()
        self._descriptor = POOL.FindServiceByName(name)

    def __getattr__(self, name):
        method = self._descriptor.methods_by_name.get(name)
        if method is None:
            raise AttributeError("%s has no method %s" % (self._name, name))
        proto = descriptor_pb2.MethodDescriptorProto()
        method.CopyToProto(proto)
        call = self._bound(method, proto)
        setattr(self, name, call)
        return call

    def _bound(self, method, proto):
        into, out = FACTORY.GetPrototype(method.input_type), FACTORY.GetPrototype(method.output_type)
        kind = ("stream" if proto.client_streaming else "unary") + "_" + ("stream" if proto.server_streaming else "unary")
        stub = getattr(self._channel, kind)("/%s/%s" % (self._name, method.name), request_serializer=into.SerializeToString,
                                            response_deserializer=out.FromString)

        def call(requests=None, timeout=None, **fields):
            for pause in RETRIES if kind == "unary_unary" else ():
                try:
                    return once(requests, timeout, **fields)
                except ApiError as e:
                    if e.code != "UNAVAILABLE":
                        raise
                    time.sleep(pause)
            return once(requests, timeout, **fields)

        def once(requests, timeout, **fields):
            try:
                if proto.client_streaming:
                    return stub((make(into, r) if isinstance(r, dict) else r for r in requests),
                                timeout=timeout or self._timeout, metadata=self._metadata)
                if proto.server_streaming:
                    return Stream(method.name, stub(make(into, fields), timeout=timeout, metadata=self._metadata))
                return stub(make(into, fields), timeout=timeout or self._timeout, metadata=self._metadata)
            except grpc.RpcError as e:
                raise _error(method.name, e) from None
        return call


class Api:
    """All services, as whoever the token says (default: the operator's; token="" is nobody)."""
    options = ()  # more options of its channels

    def __init__(self, env, token=None, timeout=15):
        self.env, self.timeout, self.channels = env, patient(timeout), {}
        self.token = pathlib.Path(env["TRUNKLINE_TOKEN_FILE"]).read_text().strip() if token is None else token
        self.credentials = grpc.ssl_channel_credentials(pathlib.Path(env["TRUNKLINE_CA_FILE"]).read_bytes())

    def __getattr__(self, name):
        if name not in SERVICES:
            raise AttributeError(name)
        service, variable = SERVICES[name]
        address = self.env[variable]
        if address not in self.channels:
            self.channels[address] = grpc.secure_channel(address, self.credentials, options=self.options + (
                ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500),
                ("grpc.min_reconnect_backoff_ms", int(patient(5000))),  # also how long a connection may take
                ("grpc.max_receive_message_length", 16 << 20)))
        out = Service(self.channels[address], service, self.token, self.timeout)
        setattr(self, name, out)
        return out

    def with_token(self, token):
        return Api(self.env, token, self.timeout / FACTOR)

    def token_for(self, tenant, scope, agent_id="", subject=""):
        """A token made by this one's bearer: scope "SCOPE_AGENT" …"""
        return self.auth.CreateToken(tenant=tenant, scopes=[scope], agent_id=agent_id, subject=subject).access_token

    def close(self):
        for channel in self.channels.values():
            channel.close()
