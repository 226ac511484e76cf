"""Kamailio from Debian's packages as a pure stateful proxy, under the same callers and telephones, in the same run."""
import re
import shutil
import socket
import subprocess
import time

from load import Callers, until
from meter import children, cpu_of
from stage import ROOT, Phones, say

MODULES = "/usr/lib/x86_64-linux-gnu/kamailio/modules"


def free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", port))


class Kamailio:
    def __init__(self, stage):
        self.port, phones = stage.base + 70, stage.base + 580
        free(self.port)
        modules = subprocess.run(["find", "/usr/lib", "-name", "tm.so", "-path", "*kamailio*"], stdout=subprocess.PIPE, text=True).stdout
        text = (ROOT / "tests" / "perf" / "kamailio.cfg").read_text()
        text = text.replace("@PORT@", str(self.port)).replace("@PHONES@", str(phones))
        if modules:
            text = text.replace(MODULES, modules.splitlines()[0].rpartition("/")[0])
        conf = stage.dir / "kamailio.cfg"
        conf.write_text(text)
        self.log = open(stage.dir / "kamailio.log", "wb")
        self.phones = Phones(phones, phones + 2)
        self.p = subprocess.Popen(["kamailio", "-DD", "-E", "-f", str(conf), "-m", "256", "-M", "16", "-w", str(stage.dir)], cwd=stage.dir,
                                  stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        time.sleep(1)
        if self.p.poll() is not None:
            raise RuntimeError("kamailio does not start: " + (stage.dir / "kamailio.log").read_text()[-400:])

    def cpu(self):
        return sum(cpu_of(p) for p in [self.p.pid, *children(self.p.pid)])

    def close(self):
        self.p.terminate()
        try:
            self.p.wait(10)
        except subprocess.TimeoutExpired:
            self.p.kill()
        self.phones.close()
        self.log.close()


def run(bench, rate):
    if not shutil.which("kamailio"):
        say("    kamailio is not installed (tools/deps bench): no peer")
        return
    bench.stage.up()
    version = re.search(r"kamailio ([\d.]+)", subprocess.run(["kamailio", "-v"], stdout=subprocess.PIPE, text=True).stdout)
    say("peer: Kamailio %s as stateful proxy, same callers and telephones, %g calls/s" % (version.group(1) if version else "?", rate))
    k = Kamailio(bench.stage)
    try:
        callers = Callers(bench.stage, None, "", rate, 4 + bench.rounds * bench.window_s, 2000, to=("127.0.0.1", k.port), number="100").start()
        until(time.time() + 4)
        looks = [(time.time(), k.cpu())]
        for _ in range(bench.rounds):
            until(looks[-1][0] + bench.window_s)
            looks.append((time.time(), k.cpu()))
        callers.wait()
    finally:
        k.close()
    values = [callers.between(a[0], b[0])[0] / (b[1] - a[1]) for a, b in zip(looks, looks[1:])]
    bench.result("peer_kamailio_calls_per_cpu_s", values, "calls per CPU-second", "higher", None,
                 "stateful proxy, no queue, no agents, no events: the upper end; %g calls/s, %d of %d failed" % (
                     rate, callers.bad, callers.bad + callers.good), limit=4000)
