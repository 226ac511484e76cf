"""chaos-phones: every telephone of a run, in one process (../chaos_phones)."""
import json
import pathlib
import subprocess
import threading

BIN = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "release" / "bin"


class Phones:
    """trunk: the callers' address; numbers: {group: what it dials}."""

    def __init__(self, server_port, log, trunk, agent_port, numbers, seed=1):
        self.p = subprocess.Popen([str(BIN / "chaos-phones"), "--server-port", str(server_port), "--caller-address", trunk, "--agent-port",
                                   str(agent_port), "--log", str(log), "--seed", str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True, bufsize=1)
        self.numbers, self.lock = numbers, threading.Lock()

    def ask(self, command):
        with self.lock:
            self.p.stdin.write(command + "\n")
            self.p.stdin.flush()
            answer = json.loads(self.p.stdout.readline())
        if "error" in answer:
            raise ValueError("chaos-phones: %s: %s" % (answer["error"], command))
        return answer

    def call(self, group, count=0, rate=10.0, keep=0, talk_ms=(0, 0), patience_ms=0, by_agent=0):
        return self.ask("call %s %s count=%d rate=%g keep=%d talk=%d-%d patience=%d by-agent=%d" % (
            group, self.numbers[group], count, rate, keep, *talk_ms, patience_ms, by_agent))

    def report(self):
        return self.ask("report")

    def close(self):
        self.p.stdin.close()
        self.p.wait(10)
