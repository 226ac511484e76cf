"""The services of a cluster: one YAML file per instance (the keys of each service's own table) and its command line."""
import os

from . import backends, programs
from .plan import EVERY, HOST, OWN_POOL, ClusterError, write_private

SITE = "centre"


def tls(plan, service):
    pki = plan.path("pki")
    return {"tls": {"ca_file": pki / "ca.pem", "cert_file": pki / f"{service}.pem", "key_file": pki / f"{service}.key"}}


def grpc(plan, service):
    return {"grpc": {"address": plan.addr(service)}, **tls(plan, service)}


def database(plan, role):
    return {"db": {"conninfo": backends.conninfo(plan, role), "migrate_conninfo": backends.conninfo(plan, backends.OWNER)}}


def verify(plan):
    return {"auth": {"public_key_file": plan.path("pki", "token.pub")}}


def master(plan):
    """A cluster that an earlier version made may have none."""
    key = plan.path("pki", "master.key")
    return {"keys": {"master_file": key}} if key.exists() else {}


def kafka(plan):
    return {"kafka": {"brokers": plan.addr("kafka")}}


def sip_edge(plan):
    return {"sip": {"address": HOST, "port": plan.port("sip"), "tls_port": plan.port("sip-tls"), "tls_dir": sip_tls_dir(plan)}}


def sip_tls_dir(plan):
    """Sofia-SIP wants its certificate as agent.pem (certificate and key together) and cafile.pem in one directory."""
    pki, d = plan.path("pki"), plan.path("pki", "sip")
    if (pki / "sip-edge.pem").exists():
        write_private(d / "agent.pem", (pki / "sip-edge.pem").read_text() + (pki / "sip-edge.key").read_text())
        write_private(d / "cafile.pem", (pki / "ca.pem").read_text())
    return d


def media(plan):
    first, last = plan.rtp_ports()
    return {"rtp": {"address": HOST, "port_min": first, "port_max": last},
            "data": {"dir": plan.path("recordings"), "cache_dir": plan.path("prompts")}}


def tenant_manager(plan):
    auth = {"private_key_file": plan.path("pki", "token.key"), "public_key_file": plan.path("pki", "token.pub"),
            "bootstrap_token_file": plan.path("secrets", "operator.token")}
    return {**grpc(plan, "tenant-manager"), **database(plan, "tenant_manager"), **master(plan), "auth": auth}


def recorder(plan):
    return {**grpc(plan, "recorder"), **database(plan, "recorder"), **verify(plan), **master(plan), "data": {"dir": plan.path("recordings")}}


def reporting(plan):
    return {**grpc(plan, "reporting"), **database(plan, "reporting"), **verify(plan), **master(plan), **kafka(plan)}


def agent_desk(plan):
    return {**grpc(plan, "agent-desk"), **verify(plan)}


OWN = {
    "sip-edge": sip_edge,
    "media": media,
    "tenant-manager": tenant_manager,
    "recorder": recorder,
    "reporting": reporting,
    "agent-desk": agent_desk,
    "event-bridge": kafka,
}


def nats_url(plan, instance=None):
    """All of its NATS servers; the instances begin with different ones."""
    nodes = plan.nats_nodes()
    first = [i for _, i in EVERY].index(instance) % len(nodes) if instance else 0
    return ",".join(f"tls://{plan.addr(n)}" for n in nodes[first:] + nodes[:first])


def config(plan, service, instance):
    pki = plan.path("pki")
    conf = {
        "instance": instance,
        "site": SITE,
        "http": {"address": HOST, "port": plan.http_port(instance)},
        "log": {"level": "info"},
        "nats": {"url": nats_url(plan, instance), "ca_file": pki / "ca.pem", "cert_file": pki / f"{service}.pem",
                 "key_file": pki / f"{service}.key"},
        "drain": {"timeout_ms": 3000},
    }
    if (service, instance) in OWN_POOL:
        conf["pool"] = plan.pool
    conf.update(OWN.get(service, lambda _: {})(plan))
    for path, value in plan.overrides.get(service, {}).items():
        put(conf, path.split("."), value)
    if service == "media":
        rtp = conf["rtp"]
        rtp["port_min"], rtp["port_max"] = plan.rtp_share(instance, rtp["port_min"], rtp["port_max"])
    return conf


def put(conf, path, value):
    for key in path[:-1]:
        conf = conf.setdefault(key, {})
    conf[path[-1]] = value


def yaml(conf, indent=0):
    """Nested maps of numbers, booleans and strings; strings always quoted."""
    out = ""
    for key, value in conf.items():
        pad = "  " * indent
        if isinstance(value, dict):
            out += f"{pad}{key}:\n{yaml(value, indent + 1)}"
        elif isinstance(value, bool):
            out += f"{pad}{key}: {str(value).lower()}\n"
        elif isinstance(value, int):
            out += f"{pad}{key}: {value}\n"
        else:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            out += f'{pad}{key}: "{text}"\n'
    return out


def conf_file(plan, instance):
    return plan.path("conf", f"{instance}.yaml")


def prepare(plan):
    for d in ("recordings", "prompts", "log"):
        plan.path(d).mkdir(parents=True, exist_ok=True)
    for service, instance in plan.instances():
        its = programs.services_of_its_tree(plan, instance)
        conf = its.config(plan, service, instance) if its else config(plan, service, instance)
        text = f"# {service} {instance}: written by tools/cluster\n" + yaml(conf)
        write_private(conf_file(plan, instance), text)


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def clock_file(plan, instance):
    return plan.path("clocks", instance)


def shifted_clock(plan, instance):
    """Environment under which an instance's wall clock, and only that, is what `tools/cluster clock` says."""
    if not plan.clocks:
        return {}
    if not os.path.exists(FAKETIME):
        raise ClusterError("--clocks needs Debian's package faketime: run tools/deps test")
    if not clock_file(plan, instance).exists():
        write_private(clock_file(plan, instance), "+0\n")
    return {"env": {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(clock_file(plan, instance)), "FAKETIME_CACHE_DURATION": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}}


def specs(plan):
    """Command lines of what is built."""
    out = {}
    for _, i in plan.instances():
        if programs.built(plan, i):
            spec, clock = programs.spec(plan, i, ["-c", str(conf_file(plan, i))]), shifted_clock(plan, i)
            out[i] = {**spec, "env": {**spec.get("env", {}), **clock["env"]}} if clock else spec
    return out
