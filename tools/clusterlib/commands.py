"""The commands of tools/cluster."""
import contextlib
import fcntl
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from . import backends, health, pki, programs, services, supervisor
from .plan import BACKENDS, ENGINES, EVERY, HOST, INSTANCES, NATS, ROOT, ClusterError, Plan, clusters_dir, service_of, write_private

HOPELESS_RESTARTS = 5

# Started together, waited for together.
STAGES = [BACKENDS, ["tm-1"], [i for _, i in EVERY if i != "tm-1"]]


def say(text):
    print(text, flush=True)


def found(name):
    plan = Plan.load(name)
    if plan is None:
        raise ClusterError(f"there is no cluster {name!r} here; tools/cluster up --name {name} makes one")
    return plan


def ask(plan, **request):
    try:
        answer = supervisor.ask(plan.dir, request)
    except (OSError, ValueError):
        raise ClusterError(f"cluster {plan.name!r} is not running; tools/cluster up --name {plan.name} starts it") from None
    if "error" in answer:
        raise ClusterError(answer["error"])
    return answer


def check_instance(plan, name):
    if name not in plan.components():
        raise ClusterError(f"{name!r} is no component; there are: {' '.join(plan.components())}")


# ---- up --------------------------------------------------------------------------------------------------------------


def overrides(settings, old):
    """--set SERVICE.KEY=VALUE…; without any, those of last time stay."""
    out = {}
    for s in settings or []:
        path, eq, value = s.partition("=")
        service, dot, key = path.partition(".")
        if not eq or not dot or service not in dict(INSTANCES):
            raise ClusterError(f"--set {s!r}: wanted SERVICE.KEY=VALUE, e.g. media.rtp.address=127.0.0.1")
        out.setdefault(service, {})[key] = int(value) if value.lstrip("-").isdigit() else value
    return out if settings else old


def make_plan(args):
    old = Plan.load(args.name)
    base = args.base or (old.base if old else None) or int(os.environ.get("TRUNKLINE_BASE", 0)) or default_base(args.name)
    variant = os.environ.get("TRUNKLINE_VARIANT") or "release"
    nats = args.nats or (old.nats if old else 1)
    durability = args.durability or (old.durability if old else "process")
    engines = args.engines or (old.engines if old else len(ENGINES))
    plan = Plan(args.name, base, variant, overrides(args.set, old.overrides if old else {}), engines, nats, durability,
                args.clocks or bool(old and old.clocks), args.pool if args.pool is not None else old.pool if old else "")
    if plan.pool and (plan.pool == "shared" or not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", plan.pool)):
        raise ClusterError(f"--pool {plan.pool!r}: 1 to 63 of a-z, 0-9 and '-', and not shared")
    if old and old.pool != plan.pool and supervisor.alive(plan.dir):
        raise ClusterError(f"cluster {plan.name!r} is running with --pool {old.pool or chr(39) * 2}; take it down first")
    if old and old.engines != engines and supervisor.alive(plan.dir):
        raise ClusterError(f"cluster {plan.name!r} is running with --engines {old.engines}; take it down first")
    if old and old.nats != nats and not args.fresh:
        raise ClusterError(f"cluster {plan.name!r} has {old.nats} NATS, and its streams do not move: up --fresh forgets them")
    if old and old.base != base and supervisor.alive(plan.dir):
        raise ClusterError(f"cluster {plan.name!r} is running with base {old.base}; take it down first")
    return plan


def default_base(name):
    from .plan import DEFAULT_BASE, DEFAULT_NAME
    if name == DEFAULT_NAME:
        return DEFAULT_BASE
    raise ClusterError(f"--base is needed the first time cluster {name!r} comes up (another cluster's plus or minus 4000)")


def wanted(plan, only):
    names = [i for s, i in plan.instances() if not only or s in only or i in only]
    for o in only:
        if not any(o in pair for pair in EVERY):
            raise ClusterError(f"--only {o!r}: no such service or instance")
    return plan.backends() + [i for i in names if programs.built(plan, i)], [i for i in names if not programs.built(plan, i)]


def check_ports(plan):
    """Nobody else may sit on the cluster's ports; said before anything starts."""
    import socket
    for c in plan.components():
        for label, port in plan.ports_of(c):
            kinds = [socket.SOCK_DGRAM, socket.SOCK_STREAM] if label == "sip" else [socket.SOCK_STREAM]
            for kind in kinds if label != "rtp" else [socket.SOCK_DGRAM]:
                with socket.socket(socket.AF_INET, kind) as s:
                    if kind == socket.SOCK_STREAM:
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        s.bind((HOST, port))
                    except OSError as e:
                        raise ClusterError(f"port {port} ({c} {label}) cannot be used: {e.strerror}; another cluster? "
                                           f"take it down, or choose another --base (see tools/cluster list)") from None


def start_supervisor(plan, watch_pid):
    check_ports(plan)
    with open(plan.log_file("supervisor"), "ab") as log:
        cmd = [sys.executable, str(ROOT / "tools" / "cluster"), "_supervise", str(plan.dir), str(watch_pid or 0)]
        env = {**os.environ, "TRUNKLINE_PATIENCE": str(programs.patience(plan.variant))}
        subprocess.Popen(cmd, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/", env=env)
    deadline = time.time() + 10
    while time.time() < deadline:
        with contextlib.suppress(OSError, ValueError):
            return supervisor.ask(plan.dir, {"do": "status"})
        time.sleep(0.02)
    raise ClusterError(f"the supervisor did not start; see {plan.log_file('supervisor')}")


def prepare(plan):
    """Files of everything; returns the specs that changed since they were written last."""
    pki.prepare(plan)
    services.prepare(plan)
    backends.prepare(plan)
    specs = {**backends.specs(plan), **services.specs(plan)}
    write_private(plan.path(supervisor.SPECS), json.dumps(specs, indent=1) + "\n")
    return specs


def outdated(plan, instance, started):
    """The program or its configuration is newer than the process."""
    if instance in BACKENDS:
        return instance in NATS and backends.nats_conf_file(plan, instance).stat().st_mtime > started
    files = [programs.binary(plan, instance), services.conf_file(plan, instance)]
    return any(f.stat().st_mtime > started for f in files)


def restart_outdated(plan):
    children = ask(plan, do="status")["children"]
    for name, c in children.items():
        if name in plan.components() and c["state"] == "running" and outdated(plan, name, c["started"]):
            say(f"  {name}: its program or configuration is newer, restarting")
            stop_and_wait(plan, name)


def wait_ready(plan, names, deadline, t0):
    """Prints a line as each becomes ready; names that did not by the deadline are returned with their reason."""
    left = {n: "not asked yet" for n in names}
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        while left and time.time() < deadline:
            for n, why in zip(list(left), pool.map(lambda n: health.not_ready(plan, n), list(left))):
                left[n] = why
                if not why:
                    del left[n]
                    ports = " ".join(f"{label}:{port}" for label, port in plan.ports_of(n))
                    say(f"  {n:<12} ready after {time.time() - t0:4.1f} s   {ports}")
            if left:
                time.sleep(0.05)
                if hopeless(plan, left):
                    break
    return left


def hopeless(plan, names):
    """All that is waited for ends again and again (a configuration it refuses?): no use in waiting longer."""
    children = ask(plan, do="status")["children"]
    return all(children.get(n, {}).get("deaths_in_a_row", 0) > HOPELESS_RESTARTS for n in names)


def tail(path, lines):
    try:
        with open(path, "rb") as f:
            f.seek(0, os.SEEK_END)
            f.seek(max(0, f.tell() - 65536))
            return f.read().decode("utf-8", "replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def complain(plan, late):
    for name, why in late.items():
        c = ask(plan, do="status")["children"].get(name, {})
        say(f"  {name}: NOT ready: {why}" + (f" (last end: {c['last_exit']}, {c['restarts']} restarts)" if c.get("last_exit") else ""))
        for line in tail(plan.log_file(name), 5):
            say(f"      {line[:200]}")
    raise ClusterError(f"not ready: {' '.join(late)}; the rest keeps running. tools/cluster logs NAME shows more")


def up(args):
    plan = make_plan(args)
    if args.fresh:
        down_plan(plan, wipe=True)
    plan.path("log").mkdir(parents=True, exist_ok=True)
    os.chmod(plan.dir, 0o755)
    with open(plan.path("up.lock"), "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        bring_up(plan, args)
    return 0


def bring_up(plan, args):
    t0 = time.time()
    say(f"cluster {plan.name}: base port {plan.base}, data in {shown(plan.dir)}")
    plan.save()
    programs.choose(plan, args.program)
    names, unbuilt = (plan.backends(), []) if args.backends_only else wanted(plan, args.only)
    prepare(plan)
    if not supervisor.alive(plan.dir):
        start_supervisor(plan, args.watch_pid)
    else:
        restart_outdated(plan)
    late = {}
    for stage in STAGES:
        now = [n for n in stage if n in names]
        for n in now:
            ask(plan, do="start", name=n)
        late.update(wait_ready(plan, now, time.time() + args.wait * programs.patience(plan.variant), t0))
        if stage is BACKENDS:
            if late:
                complain(plan, late)
            backends.pg_roles(plan)
    if unbuilt:
        say(f"  skipped, because {shown(plan.binary('*'))} is not built: {' '.join(unbuilt)}")
    if late:
        complain(plan, late)
    say(f"cluster {plan.name}: up, {len(names)} processes in {time.time() - t0:.1f} s" +
        (f" ({len(unbuilt)} instances are not built)" if unbuilt else ""))


def shown(path):
    """A path as short as it can be said from here."""
    try:
        return str(pathlib.Path(path).relative_to(pathlib.Path.cwd()))
    except ValueError:
        return str(path)


# ---- down ------------------------------------------------------------------------------------------------------------


def down_plan(plan, wipe=False):
    was = supervisor.alive(plan.dir)
    if was:
        with contextlib.suppress(OSError, ValueError):
            supervisor.ask(plan.dir, {"do": "down"})
        deadline = time.time() + 40
        while supervisor.alive(plan.dir):
            if time.time() > deadline:
                raise ClusterError(f"the supervisor of {plan.name!r} does not end; see {plan.log_file('supervisor')}")
            time.sleep(0.05)
    if wipe:
        backends.wipe(plan)
    return was


def down(args):
    plan = Plan.load(args.name)
    if plan is None:
        say(f"cluster {args.name}: there is none")
        return 0
    was = down_plan(plan, args.wipe)
    say(f"cluster {plan.name}: {'down' if was else 'was not running'}{', its data removed' if args.wipe else ''}")
    return 0


# ---- run -------------------------------------------------------------------------------------------------------------


def run(args):
    """Up, a command with the cluster's environment, down: whatever happens."""
    if not args.command:
        raise ClusterError("run: which command? e.g. tools/cluster run --name t1 --base 28000 -- make itest")
    args.watch_pid = os.getpid()
    command = args.command[1:] if args.command[0] == "--" else args.command
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rc = 1
    try:
        up(args)
        rc = subprocess.run(command, env={**os.environ, **environment(found(args.name))}).returncode
    finally:
        plan = Plan.load(args.name)
        if plan and not args.keep:
            down_plan(plan)
            rc = report(plan) or rc
            if args.fresh and rc == 0:
                backends.wipe(plan)
            if rc:
                say(f"cluster {plan.name}: down; its logs and data stay in {shown(plan.dir)} until it comes up --fresh again")
    return rc


def report(plan):
    """Says what the logs hold that they should not; 1 if anything."""
    found_ = programs.findings(plan)
    for component, text in found_:
        say(f"cluster {plan.name}: {component}:")
        for line in text.splitlines():
            say(f"    {line[:220]}")
    if found_:
        say(f"cluster {plan.name}: {len(found_)} findings in the logs of {', '.join(sorted({c for c, _ in found_}))}")
    return 1 if found_ else 0


def check(args):
    """Crashes and reports of sanitizers in the logs of a cluster that runs or ran."""
    return report(found(args.name))


# ---- looking ---------------------------------------------------------------------------------------------------------


def gather(plan):
    children = ask(plan, do="status")["children"]
    names = [n for n in plan.components() if n in children]
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return list(pool.map(lambda n: row(plan, n, children[n]), names))


def row(plan, name, c):
    r = {"name": name, "service": service_of(name) or name, "ports": dict(plan.ports_of(name)), **c}
    r["health"], r["degraded"], r["rss_mib"], r["cpu_s"], r["lag"] = "", "", None, None, None
    if c["pid"]:
        missing, r["degraded"] = health.look(plan, name)
        r["health"] = missing or "ready"
        rss, cpu = health.usage(c["pid"])
        r["rss_mib"], r["cpu_s"] = round(rss, 1), round(cpu, 2)
        r["uptime_s"] = round(time.time() - c["started"], 1)
        r["lag"] = health.lag(plan, name) if service_of(name) else None
    return r


def violations(plan):
    """What NATS refused to a service: always a mistake worth seeing."""
    return [line for n in plan.nats_nodes() for line in tail(plan.log_file(n), 2000)
            if "Permissions Violation" in line or "Authorization" in line]


def status(args):
    plan = found(args.name)
    rows = gather(plan)
    if args.json:
        print(json.dumps({"name": plan.name, "base": plan.base, "components": rows}, indent=1))
        return 0
    say(f"cluster {plan.name}, base port {plan.base}, data in {shown(plan.dir)}")
    say(f"{'NAME':<12}{'STATE':<10}{'PID':>8} {'RESTARTS':>8} {'UP':>8} {'RSS MiB':>8} {'CPU s':>8} {'LAG':>6}  {'HEALTH':<10} PORTS")
    for r in rows:
        ports = " ".join(f"{k}:{v}" for k, v in r["ports"].items())
        say(f"{r['name']:<12}{r['state']:<10}{r['pid'] or '-':>8} {r['restarts']:>8} {r.get('uptime_s', '-'):>8} "
            f"{show(r['rss_mib']):>8} {show(r['cpu_s']):>8} {show(r['lag']):>6}  {well(r):<10} {ports}{last_end(r)}")
    bad = violations(plan)
    if bad:
        say(f"NATS refused something {len(bad)} times, last: {bad[-1][:160]}")
    return 0 if all(r["health"] == "ready" for r in rows) else 1


def well(r):
    return f"ready, degraded: {r['degraded']}" if r["degraded"] else r["health"] or "-"


def last_end(c):
    """Why, when and after how long a component died last; nothing of one that never did."""
    if not c["last_exit"]:
        return ""
    return f"  (last end: {c['last_exit']} {max(0, time.time() - c['last_exit_at']):.0f} s ago, after {c['last_lived_s']} s)"


def show(value):
    return "-" if value is None else value


def list_clusters(_args):
    for d in sorted(clusters_dir().glob("*/cluster.json")):
        plan = Plan.load(d.parent.name)
        say(f"{plan.name:<16} base {plan.base}  {'running' if supervisor.alive(plan.dir) else 'down'}")
    return 0


def logs(args):
    plan = found(args.name)
    names = [args.component] if args.component else [n for n in ["supervisor", *plan.components()] if plan.log_file(n).exists()]
    if args.component and args.component != "supervisor":
        check_instance(plan, args.component)
    if args.follow:
        os.execvp("tail", ["tail", "-n", str(args.lines), "-F", *[str(plan.log_file(n)) for n in names]])
    for n in names:
        for line in tail(plan.log_file(n), args.lines):
            print(line if args.component else f"{n}: {line}")
    return 0


def environment(plan):
    """What the command-line tool and tests need to reach this cluster. operator.token is tenant-manager's first token."""
    p = plan.path
    env = {
        "TRUNKLINE_CLUSTER": plan.name,
        "TRUNKLINE_CLUSTER_PATH": plan.dir,
        "TRUNKLINE_BASE": plan.base,
        "TRUNKLINE_CA_FILE": p("pki", "ca.pem"),
        "TRUNKLINE_TOKEN_FILE": p("secrets", "operator.token"),
        "TRUNKLINE_ADMIN": plan.addr("tenant-manager"),
        "TRUNKLINE_DESK": plan.addr("agent-desk"),
        "TRUNKLINE_RECORDER": plan.addr("recorder"),
        "TRUNKLINE_REPORTING": plan.addr("reporting"),
        "TRUNKLINE_SIP": plan.addr("sip"),
        "TRUNKLINE_SIPS": plan.addr("sip-tls"),
        "TRUNKLINE_KAFKA_BROKERS": plan.addr("kafka"),
        "TRUNKLINE_NATS_URL": services.nats_url(plan),
        "TRUNKLINE_NATS_MONITOR": f"http://{plan.addr('nats-monitor')}",
        "TRUNKLINE_NATS_CA_FILE": p("pki", "ca.pem"),
        "TRUNKLINE_NATS_CERT_FILE": p("pki", "observer.pem"),
        "TRUNKLINE_NATS_KEY_FILE": p("pki", "observer.key"),
        "TRUNKLINE_DB": backends.conninfo(plan, "postgres"),
        "TRUNKLINE_BIN": ROOT / "build" / ("release" if plan.variant == "valgrind" else plan.variant) / "bin",
        "TRUNKLINE_PATIENCE": programs.patience(plan.variant),
    }
    return {k: str(v) for k, v in env.items()}


def env(args):
    for key, value in environment(found(args.name)).items():
        print(f"export {key}={shlex.quote(value)}")
    return 0


# ---- single components -----------------------------------------------------------------------------------------------


def signal_number(text):
    name = text.lstrip("-").upper()
    if name.isdigit() and int(name) in list(signal.Signals):
        return int(name)
    full = name if name.startswith("SIG") else f"SIG{name}"
    if full in signal.Signals.__members__:
        return int(signal.Signals[full])
    raise ClusterError(f"{text!r} is no signal; e.g. -9, -STOP, -CONT, -TERM")


def kill(args):
    plan = found(args.name)
    check_instance(plan, args.component)
    number = signal_number(args.signal)
    pid = ask(plan, do="signal", name=args.component, signal=number)["pid"]
    say(f"{args.component}: {signal.Signals(number).name} sent to pid {pid}")
    return 0


def clock(args):
    """Sets the wall clock of one service off by so many seconds, or of all."""
    plan = found(args.name)
    if not plan.clocks:
        raise ClusterError(f"cluster {plan.name!r} has no clocks of its own: up --clocks")
    names = [i for _, i in INSTANCES] if args.component == "all" else [args.component]
    for n in names:
        if service_of(n) is None:
            raise ClusterError(f"{n!r} is no instance of a service; there are: {' '.join(i for _, i in INSTANCES)}, or all")
        with open(services.clock_file(plan, n), "w") as f:  # in place: the library has it open by name
            f.write(f"{args.seconds:+d}\n")
    say(f"{args.component}: wall clock off by {args.seconds} s within a second")
    return 0


def stop_and_wait(plan, name):
    ask(plan, do="stop", name=name)
    deadline = time.time() + 2 * supervisor.STOP_GRACE_S * programs.patience(plan.variant)
    while ask(plan, do="status")["children"][name]["state"] != "stopped":
        if time.time() > deadline:
            raise ClusterError(f"{name} does not stop; see tools/cluster logs {name}")
        time.sleep(0.02)


def stop(args):
    plan = found(args.name)
    check_instance(plan, args.component)
    stop_and_wait(plan, args.component)
    say(f"{args.component}: stopped, and stays so until 'start'")
    return 0


def start(args):
    plan = found(args.name)
    check_instance(plan, args.component)
    t0 = time.time()
    if service_of(args.component):
        programs.choose(plan, [f"{args.component}={args.program}"] if args.program is not None else [])
        if not programs.built(plan, args.component):
            raise ClusterError(f"{shown(programs.binary(plan, args.component))} is not built: run make")
    prepare(plan)
    ask(plan, do="start", name=args.component)
    late = wait_ready(plan, [args.component], t0 + args.wait * programs.patience(plan.variant), t0)
    if late:
        complain(plan, late)
    return 0


# Who is replaced when, one after the other: what takes no calls first, the holder of the audio last.
ROLLING = ["tm-1", "rep-1", "rec-1", "bridge-1", "desk-1", "router-1", "router-2", "cc-1", "cc-2", "edge-1", "media-1", "media-2"]


def restart(args):
    plan = found(args.name)
    if not args.component and not args.rolling:
        raise ClusterError("restart: which component? or --rolling for every service, one after the other")
    for name in [args.component] if args.component else rolling(plan):
        args.component = name
        check_instance(plan, name)
        stop_and_wait(plan, name)
        start(args)
    return 0


def rolling(plan):
    """The instances that run, in the order of their replacement; what the list does not know comes before media."""
    runs = [n for n in ask(plan, do="status")["children"] if service_of(n)]
    known = [n for n in ROLLING if n in runs]
    new = [n for n in runs if n not in ROLLING]
    return known[:-1] + new + known[-1:]
