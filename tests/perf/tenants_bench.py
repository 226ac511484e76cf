"""Many tenants on one cluster (1,000 of 100 agents each): the restart of each service, a change of configuration to its effect in each, the
API at a rate.

A cluster of its own, which is gone before the other benchmarks begin. BENCH_TENANTS (1000), BENCH_TENANT_AGENTS (100), BENCH_CHANGES (200),
BENCH_API_RATE (200 a second), BENCH_API_SECONDS (30); BENCH_TENANTS_PARTS: some of "restart change api".
"""
import os
import signal
import time

import api_load
import config_change
import plot
from meter import memory_of
from restart import Restart, peak_kb
from stage import say
from tenants import Tenants

TENANTS, AGENTS = int(os.environ.get("BENCH_TENANTS", "1000")), int(os.environ.get("BENCH_TENANT_AGENTS", "100"))
CHANGES = int(os.environ.get("BENCH_CHANGES", "200"))
RATE, SECONDS = int(os.environ.get("BENCH_API_RATE", "200")), int(os.environ.get("BENCH_API_SECONDS", "30"))
PLOT = "docs/restart.png"
SETTLE_S = 3  # what a service does once it is ready, and its readiness did not wait for


def restarts(bench, tenants, empty, conditions):
    """Twice each service, by SIGTERM and by SIGKILL; empty: PSS of each in KB before there were tenants."""
    say("      %-10s %8s %10s %10s %10s %10s" % ("restart", "signal", "wall s", "CPU s", "CPU s +%ds" % SETTLE_S, "peak MiB"))
    walls, cpus = {}, {}
    for name in tenants.services():
        for sig in (signal.SIGTERM, signal.SIGKILL):
            r = Restart(tenants.cluster, name, sig)
            time.sleep(SETTLE_S)
            say("      %-10s %8s %10.2f %10.2f %10.2f %10.1f" % (name, sig.name, r.wall_s, r.cpu_s, r.cpu_until_now(), peak_kb(r.pid) / 1024))
            walls[name], cpus[name] = max(walls.get(name, 0), r.wall_s), max(cpus.get(name, 0), r.cpu_s)
    tenants.cluster.wait_ready()
    tenants.look_again()
    memory = {n: (memory_of(tenants.meter.pids[n])[0] - empty[n]) / tenants.n for n in empty}
    plot.restarts([(n, walls[n], cpus[n]) for n in walls], conditions, PLOT)
    for what, found, unit, target in (("restart_s", walls, "s from exec to ready", 3), ("restart_cpu_s", cpus, "s of its CPU until it is ready", None),
                                      ("memory_kb_per_tenant", memory, "KB PSS, more than without tenants", None)):
        most = max(found, key=found.get)
        bench.result("tenants_" + what, [found[most]], unit, "lower", target, "%s; the most: %s; all: %s" % (
            conditions, most, ", ".join("%s %.2f" % x for x in found.items())))


def changes(bench, tenants, conditions):
    found = config_change.run(tenants, CHANGES)
    for p, name in ((0.5, "p50"), (0.99, "p99"), (1, "max")):
        each = {n: percentile(v, p) for n, v in found.items()}
        most = max(each, key=each.get)
        bench.result("config_change_%s_ms" % name, [each[most]], "ms from the request to its effect", "lower", 1000 if name == "p99" else None,
                     "%s; %d changes; the slowest: %s; all: %s" % (conditions, CHANGES, most, ", ".join("%s %.0f" % x for x in each.items())))


def api(bench, tenants, conditions):
    found = api_load.run(tenants, RATE, SECONDS)
    conditions = "%s; %d requests a second for %d s: %s; %d failed" % (conditions, RATE, SECONDS, api_load.MIX, found.failed)
    for p, name in ((0.5, "p50"), (0.99, "p99"), (1, "max")):
        bench.result("api_%s_ms" % name, [percentile(found.ms, p)], "ms at the client, from when the request was due", "lower",
                     20 if name == "p99" else None, conditions)
    bench.result("api_server_p99_ms", [found.server_p99_ms], "ms at tenant-manager, from headers to answer", "lower", 20,
                 "from the histogram; p50 %.2f; waiting for a connection to PostgreSQL: p50 %.2f, p99 %.2f" % (
                     found.server_p50_ms, found.wait_p50_ms, found.wait_p99_ms))
    bench.result("api_cpu_ms_per_request", [sum(found.cpu_ms.values())], "ms of CPU", "lower", None,
                 ", ".join("%s %.2f" % x for x in found.cpu_ms.items()))


def percentile(values, p):
    return sorted(values)[min(len(values) - 1, int(len(values) * p))]


def run(bench):
    parts = os.environ.get("BENCH_TENANTS_PARTS", "restart change api").split()
    tenants, conditions = Tenants(TENANTS, AGENTS), "%d tenants of %d agents" % (TENANTS, AGENTS)
    try:
        tenants.up()
        for name in tenants.services():  # just started, as those that are compared with it
            Restart(tenants.cluster, name, signal.SIGKILL)
        time.sleep(SETTLE_S)
        tenants.look_again()
        empty = {n: memory_of(tenants.meter.pids[n])[0] for n in tenants.services()}
        tenants.make()
        if "restart" in parts:
            restarts(bench, tenants, empty, conditions)
        if "change" in parts:
            changes(bench, tenants, conditions)
        if "api" in parts:
            api(bench, tenants, conditions)
    finally:
        tenants.down()
