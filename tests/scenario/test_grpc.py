"""gRPC as a stranger's client sees it: reflection, health, refusals; and what noise on the port does (nothing)."""
import os
import pathlib
import socket
import ssl
import sys
import time

import grpc
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
from patience import patient
from api import POOL, Api, ApiError, message  # noqa: E402

ENV = {k: v for k, v in os.environ.items() if k.startswith("TRUNKLINE_")}
SERVERS = {"TRUNKLINE_ADMIN": "trunkline.admin.v1.AdminService", "TRUNKLINE_DESK": "trunkline.desk.v1.AgentService",
           "TRUNKLINE_RECORDER": "trunkline.recording.v1.RecordingService", "TRUNKLINE_REPORTING": "trunkline.report.v1.ReportService"}
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"


def channel(variable):
    return grpc.secure_channel(ENV[variable], grpc.ssl_channel_credentials(pathlib.Path(ENV["TRUNKLINE_CA_FILE"]).read_bytes()))


def reflect(ch, **request):
    ask, answer = message("grpc.reflection.v1alpha.ServerReflectionRequest"), message("grpc.reflection.v1alpha.ServerReflectionResponse")
    stub = ch.stream_stream(REFLECTION, request_serializer=ask.SerializeToString, response_deserializer=answer.FromString)
    return next(stub(iter([ask(**request)]), timeout=10))


def health(ch, service=""):
    ask, answer = message("grpc.health.v1.HealthCheckRequest"), message("grpc.health.v1.HealthCheckResponse")
    stub = ch.unary_unary("/grpc.health.v1.Health/Check", request_serializer=ask.SerializeToString, response_deserializer=answer.FromString)
    return answer.ServingStatus.Name(stub(ask(service=service), timeout=10).status)


def raw(ch, method, data=b""):
    return ch.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)(data, timeout=10)


def code_of(call):
    with pytest.raises(grpc.RpcError) as e:
        call()
    return e.value.code().name


@pytest.mark.parametrize("variable", SERVERS)
def test_reflection_tells_each_service_with_everything_it_needs(variable):
    ch = channel(variable)
    names = [s.name for s in reflect(ch, list_services="").list_services_response.service]
    assert SERVERS[variable] in names and "grpc.health.v1.Health" in names
    files = reflect(ch, file_containing_symbol=SERVERS[variable]).file_descriptor_response.file_descriptor_proto
    from google.protobuf import descriptor_pb2
    protos = [descriptor_pb2.FileDescriptorProto.FromString(f) for f in files]
    known = {p.name for p in protos}
    assert protos[0].name == POOL.FindServiceByName(SERVERS[variable]).file.name
    assert all(dep in known for p in protos for dep in p.dependency)
    assert reflect(ch, file_containing_symbol="no.such.Thing").error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


@pytest.mark.parametrize("variable", SERVERS)
def test_health_is_open_and_unknown_methods_are_unimplemented(variable):
    ch = channel(variable)
    assert health(ch) == "SERVING"
    assert health(ch, SERVERS[variable]) == "SERVING"
    assert code_of(lambda: health(ch, "no.such.Service")) == "NOT_FOUND"
    assert code_of(lambda: raw(ch, "/no.such.Service/Method")) == "UNIMPLEMENTED"
    assert code_of(lambda: raw(ch, "/%s/NoSuchMethod" % SERVERS[variable])) == "UNIMPLEMENTED"


@pytest.mark.parametrize("variable", SERVERS)
def test_nothing_is_answered_without_a_valid_token(variable):
    ch = channel(variable)
    public = {"Login"}
    for method in POOL.FindServiceByName(SERVERS[variable]).methods:
        if method.name not in public:
            call = ch.unary_stream("/%s/%s" % (SERVERS[variable], method.name), request_serializer=bytes, response_deserializer=bytes)
            assert code_of(lambda: list(call(b"", timeout=10))) == "UNAUTHENTICATED", method.name
            forged = (("authorization", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJvcGVyYXRvcjpyb290Iiwic2NvcGUiOiJvcGVyYXRvciJ9."),)
            assert code_of(lambda: list(call(b"", timeout=10, metadata=forged))) == "UNAUTHENTICATED", method.name


def test_bytes_that_are_no_message_are_refused_and_not_more():
    ch = channel("TRUNKLINE_DESK")
    api = Api(ENV)
    try:
        api.admin.CreateTenant(tenant_id="grpc-noise", tenant={"display_name": "noise", "sip_domain": "grpc-noise.example"})
    except ApiError as e:
        assert e.code == "ALREADY_EXISTS"
    token = api.token_for("grpc-noise", "SCOPE_SUPERVISOR", subject="lead:noise")
    call = ch.unary_unary("/trunkline.desk.v1.AgentService/GetState", request_serializer=bytes, response_deserializer=bytes)
    for data in (b"\xff\xff\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x01\xff", b"\x0a\x03a\0b", b"\x08\x01", b"\x0b" * 50):
        with pytest.raises(grpc.RpcError) as e:
            call(data, timeout=10, metadata=(("authorization", "Bearer " + token),))
        assert e.value.code().name == "INVALID_ARGUMENT", data
    with pytest.raises(grpc.RpcError) as e:
        call(b"\x0a" + b"\x80\x80\x08" + b"x" * 131072, timeout=10, metadata=(("authorization", "Bearer " + token),))
    assert e.value.code().name == "RESOURCE_EXHAUSTED"
    assert health(ch) == "SERVING"


def noise(address, data, tls):
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)), timeout=5)
    if tls:
        context = ssl.create_default_context(cafile=ENV["TRUNKLINE_CA_FILE"])
        context.check_hostname = False
        context.set_alpn_protocols(["h2"])
        s = context.wrap_socket(s)
    s.sendall(data)
    return s


@pytest.mark.parametrize("variable", SERVERS)
def test_noise_on_the_port_disturbs_nobody(variable):
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    held = []
    for tls in (False, True):
        for data in (b"", b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), preface, preface + os.urandom(2000),
                     preface + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + b"\x00\x40\x00\x01\x04\x00\x00\x00\x01" + b"\x00" * 16384):
            try:
                held.append(noise(ENV[variable], data, tls))
            except OSError:
                pass  # it may close at once
    t0 = time.monotonic()
    assert health(channel(variable)) == "SERVING"
    assert time.monotonic() - t0 < 5
    for s in held:
        s.close()


def test_many_streams_that_vanish_leave_nothing_behind():
    api = Api(ENV)
    token = api.token_for("grpc-noise", "SCOPE_SUPERVISOR", subject="lead:noise")
    for _ in range(5):
        lead = Api(ENV, token)
        streams = [iter(lead.desk.StreamEvents(all_agents=True)) for _ in range(100)]
        for s in streams:
            assert next(s).HasField("synced")
        lead.close()  # without a word to the streams
    from cluster import Cluster
    c = Cluster.here()
    deadline = time.monotonic() + patient(10)
    while c.metric("desk-1", "trunkline_desk_streams") > 0:
        assert time.monotonic() < deadline, "streams are still held"
        time.sleep(0.2)
