"""The process that owns a cluster's processes: starts, restarts what dies, and takes everything along when it goes.

It knows command lines (plan.json, read again at every start) and nothing about what they do; order and readiness are
`tools/cluster up`'s. Commands come as one JSON line each over a Unix socket in the cluster's directory.
"""
import ctypes
import fcntl
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time

BACKOFF_FIRST_S, BACKOFF_MAX_S, STABLE_S = 0.1, 5.0, 10.0  # PostgreSQL's orphans need the first tenth of a second to go
STOP_GRACE_S = 8.0
PATIENCE = float(os.environ.get("TRUNKLINE_PATIENCE") or 1)  # of programs that sanitizers or valgrind slow down
LOG_ROTATE_BYTES = 50 * 1024 * 1024
LOCK, SOCKET, SPECS = "supervisor.lock", "control.sock", "plan.json"
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def log(text):
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Backoff:
    """How long to wait before the next start: little the first time, twice as long each time that it dies again soon."""

    def __init__(self):
        self.deaths = 0  # in a row, none of them after it had stayed up

    def after(self, lived_s):
        """Seconds to wait after a life of lived_s."""
        if lived_s > STABLE_S:
            self.deaths = 0
        self.deaths += 1
        return min(BACKOFF_FIRST_S * 2 ** min(self.deaths - 1, 16), BACKOFF_MAX_S)


def ended(code):
    """What became of a process, for people: 'exit 2', 'signal SIGKILL'."""
    if code >= 0:
        return f"exit {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


class Child:
    """One supervised process. Times are of the monotonic clock, but for those that status shows to people."""

    def __init__(self, name):
        self.name, self.spec = name, None
        self.proc, self.wanted = None, False
        self.restarts, self.backoff, self.due = 0, Backoff(), None
        self.born, self.killing = None, None
        self.started, self.last_exit, self.last_exit_at, self.last_lived_s = None, None, None, None

    def start(self, spec, directory):
        self.spec, self.wanted, self.due = spec, True, None
        death = getattr(signal, spec.get("death_signal", "SIGKILL"))
        me = os.getpid()

        def tied():
            # After the change of user, which would clear it. The parent may be gone already.
            libc.prctl(PR_SET_PDEATHSIG, death, 0, 0, 0)
            if os.getppid() != me:
                os.kill(os.getpid(), signal.SIGKILL)

        user = {"user": spec["uid"], "group": spec["gid"], "extra_groups": []} if "uid" in spec else {}
        path = os.path.join(directory, "log", f"{self.name}.log")
        if os.path.exists(path) and os.path.getsize(path) > LOG_ROTATE_BYTES:
            os.replace(path, path + ".1")
        env = {k: v for k, v in os.environ.items() if not k.startswith(("TRUNKLINE_", "PG"))}
        env.update(spec.get("env", {}))
        with open(path, "ab") as out:
            self.proc = subprocess.Popen(spec["argv"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/", env=env,
                                         start_new_session=True, preexec_fn=tied, **user)
        self.started, self.born, self.killing = time.time(), time.monotonic(), None
        log(f"{self.name}: started, pid {self.proc.pid}")

    def reap(self):
        """Notices an exit; arranges the restart unless it was asked for."""
        if self.proc is None or self.proc.poll() is None:
            return
        lived = time.monotonic() - self.born
        self.last_exit, self.last_exit_at, self.last_lived_s = ended(self.proc.returncode), time.time(), round(lived, 1)
        log(f"{self.name}: pid {self.proc.pid} ended after {lived:.1f} s: {self.last_exit}")
        self.proc = self.killing = None
        if self.wanted:
            self.due = time.monotonic() + self.backoff.after(lived)

    def stop(self):
        self.wanted, self.due = False, None
        if self.proc and not self.killing:
            self.proc.send_signal(getattr(signal, self.spec.get("stop_signal", "SIGTERM")))
            self.proc.send_signal(signal.SIGCONT)
            self.killing = time.monotonic() + STOP_GRACE_S * PATIENCE

    def enforce(self):
        if self.proc and self.killing and time.monotonic() > self.killing:
            log(f"{self.name}: did not stop in {STOP_GRACE_S:.0f} s, killed")
            self.proc.kill()
            self.killing = time.monotonic() + STOP_GRACE_S * PATIENCE

    def state(self):
        if self.proc:
            return "stopping" if self.killing else "running"
        return "waiting" if self.due else "stopped"

    def describe(self):
        return {"state": self.state(), "pid": self.proc.pid if self.proc else None, "restarts": self.restarts,
                "deaths_in_a_row": self.backoff.deaths, "started": self.started, "last_exit": self.last_exit,
                "last_exit_at": self.last_exit_at, "last_lived_s": self.last_lived_s}


class Supervisor:
    def __init__(self, directory, watch_pid=None):
        self.dir, self.children, self.going = directory, {}, False
        self.sel = selectors.DefaultSelector()
        self.wake_r, self.wake_w = socket.socketpair()
        for s in (self.wake_r, self.wake_w):
            s.setblocking(False)
        signal.set_wakeup_fd(self.wake_w.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(s, self.on_signal)
        self.sel.register(self.wake_r, selectors.EVENT_READ, self.on_wake)
        self.listen()
        if watch_pid:
            self.parent = os.pidfd_open(watch_pid)
            self.sel.register(self.parent, selectors.EVENT_READ, self.on_parent_gone)

    def listen(self):
        os.chdir(self.dir)  # a relative name: the path of a socket may have 107 bytes only
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(SOCKET)
        os.chmod(SOCKET, 0o600)
        self.server.listen(16)
        self.sel.register(self.server, selectors.EVENT_READ, self.on_client)

    def on_signal(self, signum, _frame):
        log(f"{signal.Signals(signum).name}: going down")
        self.going = True

    def on_parent_gone(self):
        log("the process this cluster belongs to has ended: going down")
        self.sel.unregister(self.parent)
        self.going = True

    def on_wake(self):
        try:
            while self.wake_r.recv(512):
                pass
        except BlockingIOError:
            pass

    def on_client(self):
        conn, _ = self.server.accept()
        with conn:
            conn.settimeout(2.0)
            try:
                request = json.loads(conn.makefile("r").readline(1 << 16))
                answer = self.command(request)
            except (OSError, ValueError, KeyError, TypeError) as e:
                answer = {"error": f"{type(e).__name__}: {e}"}
            try:
                conn.sendall(json.dumps(answer).encode() + b"\n")
            except OSError:
                pass

    def command(self, r):
        do = r["do"]
        if do == "status":
            return {"pid": os.getpid(), "children": {n: c.describe() for n, c in self.children.items()}}
        if do == "down":
            self.going = True
            return {}
        if do == "start":
            return self.start(r["name"])
        child = self.children.get(r["name"])
        if child is None:
            return {"error": f"{r['name']} was never started here"}
        if do == "stop":
            child.stop()
            return {}
        if do == "signal":
            if child.proc is None:
                return {"error": f"{r['name']} is not running ({child.state()})"}
            child.proc.send_signal(int(r["signal"]))
            return {"pid": child.proc.pid}
        return {"error": f"unknown command {do!r}"}

    def start(self, name):
        with open(SPECS) as f:
            spec = json.load(f)[name]
        child = self.children.setdefault(name, Child(name))
        if child.proc:
            return {"error": f"{name} is still stopping"} if child.killing else {"pid": child.proc.pid}
        child.backoff, child.restarts = Backoff(), 0
        child.start(spec, self.dir)
        return {"pid": child.proc.pid}

    def turn(self):
        for c in self.children.values():
            c.reap()
            c.enforce()
            if c.due and time.monotonic() >= c.due:
                c.restarts += 1
                self.restart(c)

    def restart(self, c):
        try:
            with open(SPECS) as f:
                c.start(json.load(f)[c.name], self.dir)
        except (OSError, KeyError, ValueError, subprocess.SubprocessError) as e:
            log(f"{c.name}: cannot be started: {e}")
            c.due = time.monotonic() + c.backoff.after(0)

    def wait_s(self):
        times = [t for c in self.children.values() for t in (c.due, c.killing) if t]
        return max(0.0, min(times) - time.monotonic()) if times else None

    def run(self):
        while not self.going:
            for key, _ in self.sel.select(self.wait_s()):
                key.data()
            self.turn()
        self.shut()

    def shut(self):
        """Services first, so that they can still say goodbye to NATS and PostgreSQL; then those."""
        self.sel.unregister(self.server)
        self.server.close()
        backends = ("postgres", "nats", "nats-2", "nats-3", "kafka")
        for group in (False, True):
            children = [c for n, c in self.children.items() if (n in backends) == group]
            for c in children:
                c.stop()
            while any(c.proc for c in children):
                self.sel.select(0.05)
                self.on_wake()
                for c in children:
                    c.reap()
                    c.enforce()
        os.unlink(SOCKET)
        log("down")


def alive(directory):
    """Is a supervisor running there? It holds a lock for as long as it lives."""
    try:
        with open(os.path.join(directory, LOCK)) as f:
            fcntl.flock(f, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True


def ask(directory, request, timeout_s=5.0):
    """One command to the supervisor; ConnectionError when there is none."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(directory)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(timeout_s)
            s.connect(SOCKET)
            s.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(s.makefile("r").readline())
    finally:
        os.fchdir(here)
        os.close(here)


def take(lock):
    """Takes the lock of a cluster; tries a while, since alive() holds it for an instant."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05)
    return False


def main(directory, watch_pid):
    lock = open(os.path.join(directory, LOCK), "a")
    if not take(lock):
        return 1
    os.set_inheritable(lock.fileno(), False)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16) if hard != resource.RLIM_INFINITY else 1 << 16, hard))
    Supervisor(directory, watch_pid).run()
    return 0
