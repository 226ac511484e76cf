"""Readiness and figures of a cluster's components, asked from outside."""
import http.client
import os
import re
import socket
import subprocess

from . import backends
from .plan import HOST, NATS

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def http_get(port, path, timeout_s=1.0):
    """(status, body) or (None, why not)."""
    try:
        conn = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
        conn.request("GET", path)
        r = conn.getresponse()
        return r.status, r.read(1 << 20).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as e:
        return None, getattr(e, "strerror", None) or str(e) or "no answer"


def tcp_open(port):
    try:
        socket.create_connection((HOST, port), timeout=1.0).close()
        return True
    except OSError:
        return False


def postgres_ready(plan):
    r = subprocess.run([backends.pg_bin("pg_isready"), "-q", "-t", "1", "-h", HOST, "-p", str(plan.port("postgres"))])
    return "" if r.returncode == 0 else "does not answer"


def look(plan, component):
    """(what is missing, what it goes on without): two texts, empty when all is well."""
    if component == "postgres":
        return postgres_ready(plan), ""
    if component == "kafka":
        return "" if tcp_open(plan.port("kafka")) else "does not answer", ""
    if component in NATS:
        status, body = http_get(plan.port(f"{component}-monitor"), "/healthz")
    else:
        status, body = http_get(plan.http_port(component), "/readyz")
    text = " ".join(body.split())[:100]
    if status != 200:
        return text or f"HTTP {status}", ""
    return "", text.removeprefix("ready, degraded: ") if text.startswith("ready, degraded: ") else ""


def not_ready(plan, component):
    """Empty when the component is ready to work, else what is missing."""
    return look(plan, component)[0]


def lag(plan, instance):
    """Sum of the gauge trunkline_lag, or None where a service has none."""
    status, body = http_get(plan.http_port(instance), "/metrics")
    values = re.findall(r"^trunkline_lag(?:\{[^}]*\})? (-?[0-9.e+]+)", body, re.M) if status == 200 else []
    return int(sum(float(v) for v in values)) if values else None


def usage(pid):
    """(resident MiB, CPU seconds) of a process and its children (PostgreSQL is many)."""
    rss = ticks = 0
    for p in [pid, *descendants(pid)]:
        try:
            with open(f"/proc/{p}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12]) + (int(fields[13]) + int(fields[14]) if p == pid else 0)
        rss += int(fields[21]) * PAGE
    return rss / 1048576, ticks / CLOCK_TICKS


def descendants(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            children = [int(c) for c in f.read().split()]
    except OSError:
        return []
    return children + [g for c in children for g in descendants(c)]
