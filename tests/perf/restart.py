"""A service ended and started anew by the supervisor: how long until it is ready, what that took."""
import os
import pathlib
import time
import urllib.error
import urllib.request

from meter import HZ, children, cpu_of


def started_at(pid):
    """Seconds since the epoch."""
    ticks = int(pathlib.Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()[19])
    return time.time() - float(pathlib.Path("/proc/uptime").read_text().split()[0]) + ticks / HZ


def ready_at(port, timeout=60):
    """When /readyz says yes; it must have been refused before."""
    deadline, gone = time.time() + timeout, False
    while time.time() < deadline:
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/readyz" % port, timeout=1):
                if gone:
                    return time.time()
        except (urllib.error.URLError, OSError):
            gone = True
        time.sleep(0.005)
    raise RuntimeError("not ready within %d s" % timeout)


def peak_kb(pid):
    """The most that was ever resident."""
    text = pathlib.Path("/proc/%d/status" % pid).read_text()
    return int(text.partition("VmHWM:")[2].split()[0])


def pid_of(supervisor, name):
    """By its configuration file: asking tools/cluster would take a third of a second, in which the process goes on."""
    for pid in children(supervisor):
        try:
            if ("/%s.yaml" % name) in pathlib.Path("/proc/%d/cmdline" % pid).read_text():
                return pid
        except OSError:
            continue
    raise RuntimeError("%s does not run" % name)


class Restart:
    """wall_s: from exec to ready; cpu_s: spent until then; pid of the new process."""

    def __init__(self, cluster, name, signal):
        row = cluster.status()[name]
        supervisor = int(pathlib.Path("/proc/%d/stat" % row["pid"]).read_text().rpartition(")")[2].split()[1])
        os.kill(row["pid"], signal)  # the supervisor starts it again after 0.1 s
        at = ready_at(row["ports"]["http"])
        self.pid = pid_of(supervisor, name)
        self.cpu_s = cpu_of(self.pid)
        self.wall_s = at - started_at(self.pid)

    def cpu_until_now(self):
        return cpu_of(self.pid)
