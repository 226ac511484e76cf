"""Callers: SIPp at a rate, beside what is measured; what came of its calls, and when.

    callers = Callers(stage, company, "plain", rate=60, seconds=40, talk_ms=2000).start()
    …; callers.wait()
    callers.between(t0, t1)              calls that ended well and badly in that time
    callers.answer_ms(t0, t1)            INVITE → 200 of each call, sorted
"""
import bisect
import csv
import pathlib
import subprocess
import time

from stage import ROOT, TRUNK

SIPP = ROOT / "tests" / "perf" / "sipp"
KEY = '<nop><action><exec play_pcap_audio="/usr/share/sip-tester/dtmf_2833_1.pcap"/></action></nop>'
SPEECH = '<nop><action><exec play_pcap_audio="/usr/share/sip-tester/g711a.pcap"/></action></nop>'


def quantile(values, of):
    """values sorted; of from 0 to 1; 0 when there are none."""
    return values[int(of * (len(values) - 1))] if values else 0


class Callers:
    """talk_ms: a number, or (least, most). seconds: how long calls begin; calls: instead of seconds. at_most: calls at once."""
    serial = 0

    def __init__(self, stage, company, what, rate, seconds=0, talk_ms=2000, calls=0, at_most=20000, scenario="caller", before_talk="",
                 after_talk="", answer_within_ms=20000, to=None, number=None):
        Callers.serial += 1
        self.dir = stage.dir / ("callers-%d" % Callers.serial)
        self.dir.mkdir()
        self.rate, self.calls = rate, calls or max(1, int(rate * seconds))
        host = TRUNK[company.tenant] if company else "127.0.0.1"
        port = stage.base + 600 + 10 * (Callers.serial % 30)
        talk = talk_ms if isinstance(talk_ms, tuple) else (talk_ms, talk_ms)
        pause = '<pause distribution="uniform" min="%d" max="%d"/>' % talk if talk[0] != talk[1] else '<pause milliseconds="%d"/>' % talk[0]
        self.most_s = self.calls / rate + talk[1] / 1000 + 60
        self.scenario = self.dir / (scenario + ".xml")
        text = (SIPP / (scenario + ".xml")).read_text()
        self.scenario.write_text(text.replace("@BEFORE_TALK@", before_talk).replace("@TALK@", pause).replace(
            "@AFTER_TALK@", after_talk))
        self.args = ["sipp", "-sf", str(self.scenario), "-s", number or company.number_of(what), "%s:%d" % (to or stage.sip), "-i", host, "-p",
                     str(port), "-mi", host, "-mp", str(port + 2), "-r", "%g" % rate, "-m", str(self.calls), "-l", str(at_most), "-nostdin", "-aa",
                     "-nd", "-trace_stat", "-stf", str(self.dir / "stat.csv"), "-fd", "1", "-trace_rtt", "-rtt_freq", "20", "-recv_timeout",
                     str(answer_within_ms), "-timeout", "%ds" % self.most_s]
        if rate != int(rate):
            self.args[self.args.index("-r"):self.args.index("-r") + 2] = ["-r", "%d" % (rate * 10), "-rp", "10000"]

    def start(self):
        self.log = open(self.dir / "log", "wb")
        self.p = subprocess.Popen(self.args, cwd=self.dir, stdout=self.log, stderr=self.log)
        return self

    def wait(self):
        try:
            self.p.wait(self.most_s + 60)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.log.close()
        self._read()
        return self

    def run(self):
        return self.start().wait()

    def stop(self):
        """No new calls; those that are up go on to their end."""
        self.p.send_signal(10)  # SIGUSR1

    def _read(self):
        self.rows = []  # (time, good, bad), as they add up
        with open(self.dir / "stat.csv") as f:
            for r in csv.DictReader(f, delimiter=";"):
                self.rows.append((float(r["CurrentTime"].split("\t")[-1]), int(r["SuccessfulCall(C)"]), int(r["FailedCall(C)"]),
                                  int(r["TotalCallCreated"])))
        self.good, self.bad = self.rows[-1][1:3]
        self.answers = []  # (time of the 200, ms)
        for path in self.dir.glob("*_rtt.csv"):
            for line in path.read_text().splitlines()[1:]:
                at, ms = line.split(";")[:2]
                self.answers.append((self.rows[0][0] + float(at) / 1000, float(ms)))  # SIPp counts from its start
        self.answers.sort()

    def _at(self, when, column):
        """A running total at a moment between two of SIPp's rows."""
        i = bisect.bisect([r[0] for r in self.rows], when)
        if i == 0 or i == len(self.rows):
            return self.rows[min(i, len(self.rows) - 1)][column]
        (t0, *_), (t1, *_) = self.rows[i - 1], self.rows[i]
        a, b = self.rows[i - 1][column], self.rows[i][column]
        return a + (b - a) * (when - t0) / (t1 - t0) if t1 > t0 else b

    def between(self, t0, t1):
        """(good, bad, begun) as fractions: the total is known once a second."""
        return tuple(self._at(t1, c) - self._at(t0, c) for c in (1, 2, 3))

    def answer_ms(self, t0=0, t1=float("inf")):
        return sorted(ms for at, ms in self.answers if t0 <= at <= t1)

    def why(self):
        """SIPp's last words, for calls that failed."""
        return "\n".join((pathlib.Path(self.dir) / "log").read_text(errors="replace").splitlines()[-12:])


def until(when):
    time.sleep(max(0, when - time.time()))
