"""PostgreSQL, NATS and Kafka of a cluster: their configuration files, first-time set-up and command lines."""
import base64
import json
import os
import pathlib
import pwd
import secrets
import shutil
import subprocess
import tempfile
import uuid
import hashlib

from .plan import HOST, ClusterError, cache_dir, write_private

DATABASE = "trunkline"
OWNER = "trunkline_owner"           # owns the tables: migrations only
ROLES = ["tenant_manager", "recorder", "reporting"]

# ---- PostgreSQL ------------------------------------------------------------------------------------------------------


def pg_bin(program):
    for d in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True):
        if int(d.parent.name) >= 15 and (d / program).exists():
            return str(d / program)
    found = shutil.which(program)
    if found:
        return found
    raise ClusterError(f"PostgreSQL's {program} is missing: run tools/deps")


def pg_user():
    """PostgreSQL refuses to run as root: then it runs as the package's user."""
    if os.getuid():
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        raise ClusterError("running as root, and there is no user 'postgres': run tools/deps") from None


def pg_dir(plan):
    """The cluster's pg directory, or, where that user cannot get there (a tree below /root), one in /var/tmp."""
    user, here = pg_user(), plan.path("pg")
    if user is None or all(os.stat(p).st_mode & 0o001 for p in plan.dir.parents if p.exists()):
        return here
    digest = hashlib.sha256(str(plan.dir).encode()).hexdigest()[:12]
    return pathlib.Path("/var/tmp") / f"trunkline-pg-{digest}"


def pg_prepare(plan):
    d, user = pg_dir(plan), pg_user()
    plan.path("secrets").mkdir(parents=True, exist_ok=True, mode=0o700)
    data = d / "data"
    if not plan.path("secrets", "postgres.password").exists():
        shutil.rmtree(data, ignore_errors=True)  # of an earlier cluster here: nobody knows its passwords any more
    for role in ["postgres", OWNER, *ROLES]:
        if not plan.path("secrets", f"{role}.password").exists():
            write_private(plan.path("secrets", f"{role}.password"), secrets.token_hex(24))
        line = f"{HOST}:{plan.port('postgres')}:*:{role}:{password(plan, role)}\n"
        write_private(plan.path("secrets", f"{role}.pgpass"), line)
    if not (data / "PG_VERSION").exists():
        d.mkdir(parents=True, exist_ok=True, mode=0o700)
        if user:
            os.chown(d, user.pw_uid, user.pw_gid)
        initdb(plan, data, user)
    conf = pg_conf(plan)
    auto = data / "conf.trunkline"
    auto.write_text(conf)
    if user:
        os.chown(auto, user.pw_uid, user.pw_gid)
    main = data / "postgresql.conf"
    if "conf.trunkline" not in main.read_text():
        with main.open("a") as f:
            f.write("\ninclude 'conf.trunkline'\n")


def initdb(plan, data, user):
    shutil.rmtree(data, ignore_errors=True)
    with tempfile.NamedTemporaryFile("w") as pw:
        pw.write(password(plan, "postgres") + "\n")
        pw.flush()
        if user:
            os.chown(pw.name, user.pw_uid, user.pw_gid)
        r = subprocess.run([pg_bin("initdb"), "-D", data, "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={pw.name}",
                            "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-sync"],
                           capture_output=True, text=True, cwd="/", **as_user(user))
    if r.returncode:
        raise ClusterError(f"initdb failed: {r.stderr.strip()}")


def as_user(user):
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def password(plan, role):
    return plan.path("secrets", f"{role}.password").read_text()


def pg_conf(plan):
    return f"""# written by tools/cluster
listen_addresses = '{HOST}'
port = {plan.port('postgres')}
unix_socket_directories = ''
max_connections = 100
shared_buffers = 64MB
password_encryption = scram-sha-256
log_line_prefix = '%m [%p] %u@%d '
log_min_duration_statement = 500
"""


def pg_argv(plan):
    return [pg_bin("postgres"), "-D", str(pg_dir(plan) / "data")]


def conninfo(plan, role):
    return (f"host={HOST} port={plan.port('postgres')} dbname={DATABASE} user={role} sslmode=disable connect_timeout=5 "
            f"passfile={plan.path('secrets', role + '.pgpass')}")


def psql(plan, db, sql):
    env = {**os.environ, "PGPASSFILE": str(plan.path("secrets", "postgres.pgpass"))}
    cmd = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", str(plan.port("postgres")), "-U", "postgres", "-d", db]
    r = subprocess.run(cmd, input=sql, capture_output=True, text=True, env=env)
    if r.returncode:
        raise ClusterError(f"PostgreSQL set-up failed: {r.stderr.strip()}")
    return r.stdout


def pg_roles(plan):
    """The database, an owner for migrations, and a role per service that can never go around row-level security."""
    stamp = plan.path("secrets", ".roles-made")
    if stamp.exists():
        return
    sql = ""
    for role in [OWNER, *ROLES]:
        sql += (f"DO $$ BEGIN CREATE ROLE {role} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n"
                f"ALTER ROLE {role} NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD '{password(plan, role)}';\n")
    psql(plan, "postgres", sql)
    if "1" not in psql(plan, "postgres", f"\\t\nSELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"):
        psql(plan, "postgres", f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
    psql(plan, DATABASE, f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC;\n"
         f"ALTER SCHEMA public OWNER TO {OWNER};\n"
         f"GRANT CONNECT ON DATABASE {DATABASE} TO {', '.join(ROLES)}; GRANT USAGE ON SCHEMA public TO {', '.join(ROLES)};\n")
    stamp.touch()


# ---- NATS ------------------------------------------------------------------------------------------------------------

# What each service may write besides tl.> (messages between services): KV buckets and events. Everybody may read KV,
# but nobody the account's or server's own API, and nobody deletes or empties a stream.
WRITES = {
    "tenant-manager": ["$KV.config.>", "$KV.prompts.>", "$KV.revoked.>", "$KV.quota.*.api", "ev.*.config.>", "ev.*.audit.>", "ev.*.system.>", "ev.*.recording.>"],  # TenantPurged
    "sip-edge": ["$KV.legs.>", "$KV.bindings.>", "ev.*.system.>"],
    "media": ["ev.*.system.>"],
    "call-control": ["$KV.calls.>", "$KV.quota.>", "$KV.agents.>", "ev.*.call.>", "ev.*.agent.>", "ev.*.recording.>", "ev.*.system.>"],
    "router": ["$KV.agents.>", "ev.*.agent.>", "ev.*.call.>", "ev.*.system.>"],
    "agent-desk": ["$KV.agents.>", "$KV.seats.>", "$KV.quota.*.api", "ev.*.agent.>", "ev.*.system.>"],
    "recorder": ["ev.*.recording.>", "$KV.quota.*.recordings", "$KV.quota.*.api", "$KV.rotation.*.recorder", "ev.*.system.>"],
    "event-bridge": ["$KV.positions.>"],
    "reporting": ["$KV.quota.*.api", "$KV.rotation.*.reporting", "ev.*.system.>"],
}
COMMON_WRITES = ["tl.>", "$KV.leases.>", "$JS.API.>", "$JS.ACK.>", "$JS.FC.>", "_INBOX.>"]
COMMON_READS = ["tl.>", "_INBOX.>", "$KV.>", "ev.>"]
NEVER = ["$JS.API.ACCOUNT.>", "$JS.API.SERVER.>", "$JS.API.STREAM.DELETE.>", "$JS.API.STREAM.PURGE.>",
         "$JS.API.STREAM.SNAPSHOT.>", "$JS.API.STREAM.RESTORE.>"]


# event-bridge gives back to EVENTS what is in Kafka; of the other streams it may empty none either.
MAY = {"event-bridge": ["$JS.API.STREAM.PURGE.EVENTS"]}


def never(name):
    """Denials weigh more than permissions, so who may purge one stream gets that family by the list of the others."""
    if name not in MAY:
        return NEVER
    kv = ["calls", "agents", "legs", "leases", "config", "prompts", "bindings", "seats", "recordings", "positions", "quota", "revoked", "rotation"]
    return [s for s in NEVER if ".PURGE." not in s] + [f"$JS.API.STREAM.PURGE.KV_{b}" for b in kv]


def nats_user(name, writes):
    return {"user": name, "permissions": {"publish": {"allow": writes + MAY.get(name, []), "deny": never(name)},
                                          "subscribe": {"allow": COMMON_READS}}}


def nats_conf_file(plan, node):
    return plan.path("conf", f"{node}.conf")


def nats_store(plan, node):
    return plan.path(node)


def nats_cluster(plan, node, tls):
    """The routes of a JetStream cluster; nothing for a single server."""
    if plan.nats == 1:
        return {}
    return {"cluster": {"name": f"trunkline-{plan.name}", "listen": plan.addr(f"{node}-route"), "tls": {**tls, "timeout": 5},
                        "routes": [f"nats-route://{plan.addr(f'{n}-route')}" for n in plan.nats_nodes()]}}


def nats_conf(plan, node="nats"):
    pki = plan.path("pki")
    tls = {"cert_file": str(pki / "nats.pem"), "key_file": str(pki / "nats.key"), "ca_file": str(pki / "ca.pem")}
    jetstream = {"store_dir": str(nats_store(plan, node)), "max_memory_store": 256 * 1024 * 1024,
                 "max_file_store": 20 * 1024 * 1024 * 1024}
    if plan.durability == "power":
        jetstream["sync_interval"] = "always"
    users = [nats_user(s, COMMON_WRITES + w) for s, w in WRITES.items()]
    # The observer reads; of JetStream's interface it gets what reading needs.
    users.append({"user": "observer", "permissions": {
        "publish": {"allow": ["$JS.API.STREAM.INFO.>", "$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.MSG.GET.>",
                              "$JS.API.DIRECT.GET.>", "$JS.API.CONSUMER.>", "$JS.API.INFO", "$JS.ACK.>", "_INBOX.>"]},
        "subscribe": {"allow": [">"]}}})
    return json.dumps({
        "server_name": f"trunkline-{plan.name}" if plan.nats == 1 else f"trunkline-{plan.name}-{node}",
        "listen": plan.addr(node),
        "http": plan.addr(f"{node}-monitor"),
        "max_payload": 8 * 1024 * 1024,
        "max_pending": 256 * 1024 * 1024,
        "ping_interval": "3s",
        "ping_max": 2,
        "write_deadline": "10s",
        "jetstream": jetstream,
        "tls": {**tls, "verify_and_map": True, "timeout": 5},
        "authorization": {"users": users},
        **nats_cluster(plan, node, tls),
    }, indent=1) + "\n"


def nats_server(plan):
    """Of a cluster the one with the short election (deploy/nats/fast-election), where somebody has built it."""
    fast = cache_dir() / "bin" / "nats-server-fast-election"
    return fast if plan.nats > 1 and os.access(fast, os.X_OK) else cache_dir() / "bin" / "nats-server"


def nats_argv(plan, node):
    server = os.environ.get("TRUNKLINE_NATS_SERVER") or str(nats_server(plan))
    if not os.access(server, os.X_OK):
        raise ClusterError(f"no nats-server at {server}: run tools/deps")
    return [server, "-c", str(nats_conf_file(plan, node))]


def nats_env():
    """Half of the cores: on few cores a wake-up that finds no second scheduler thread costs half."""
    return {"GOMAXPROCS": str(max(1, (os.cpu_count() or 2) // 2))}


# ---- Kafka -----------------------------------------------------------------------------------------------------------


def kafka_conf(plan):
    return f"""# written by tools/cluster
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{plan.addr('kafka-controller')}
listeners=PLAINTEXT://{plan.addr('kafka')},CONTROLLER://{plan.addr('kafka-controller')}
advertised.listeners=PLAINTEXT://{plan.addr('kafka')}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={plan.path('kafka')}
num.partitions=4
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
log.cleaner.dedupe.buffer.size=8388608
"""


KAFKA_LOG4J = """Configuration:
  Appenders:
    Console:
      name: STDERR
      target: SYSTEM_ERR
      PatternLayout:
        pattern: "[%d] %p %m (%c)%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        - ref: STDERR
    Logger:
      - name: kafka.server.KafkaRaftServer
        level: INFO
"""


def java(plan, memory):
    lib = cache_dir() / "kafka" / "lib"
    if not lib.is_dir():
        raise ClusterError(f"Kafka's jars are not in {lib}: run tools/deps")
    if not shutil.which("java"):
        raise ClusterError("java is missing: run tools/deps")
    return ["java", f"-Xmx{memory}m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
            f"-Dlog4j2.configurationFile={plan.path('conf', 'kafka-log.yaml')}", "-cp", f"{lib}/*"]


def kafka_prepare(plan):
    write_private(plan.path("conf", "kafka.properties"), kafka_conf(plan))
    write_private(plan.path("conf", "kafka-log.yaml"), KAFKA_LOG4J)
    if plan.path("kafka", "meta.properties").exists():
        return
    cluster_id = "-"
    while cluster_id.startswith("-"):  # would be taken for an option
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    r = subprocess.run([*java(plan, 128), "kafka.tools.StorageTool", "format", "--ignore-formatted", "-t", cluster_id, "-c",
                        str(plan.path("conf", "kafka.properties"))], capture_output=True, text=True)
    if r.returncode:
        raise ClusterError(f"Kafka's storage could not be formatted: {(r.stderr or r.stdout).strip()[-400:]}")


def kafka_argv(plan):
    return [*java(plan, 256), "kafka.Kafka", str(plan.path("conf", "kafka.properties"))]


# ---- all -------------------------------------------------------------------------------------------------------------


def prepare(plan):
    """Everything the three need before their first start; quick when it is all there."""
    pg_prepare(plan)
    for node in plan.nats_nodes():
        nats_store(plan, node).mkdir(parents=True, exist_ok=True)
        write_private(nats_conf_file(plan, node), nats_conf(plan, node))
    kafka_prepare(plan)


def specs(plan):
    """Command lines for the supervisor."""
    user = pg_user()
    pg = {"argv": pg_argv(plan), "stop_signal": "SIGINT", "death_signal": "SIGQUIT"}
    if user:
        pg["uid"], pg["gid"] = user.pw_uid, user.pw_gid
    nats = {n: {"argv": nats_argv(plan, n), "env": nats_env()} for n in plan.nats_nodes()}
    return {"postgres": pg, **nats, "kafka": {"argv": kafka_argv(plan)}}


def wipe(plan):
    shutil.rmtree(pg_dir(plan), ignore_errors=True)
    shutil.rmtree(plan.dir, ignore_errors=True)
