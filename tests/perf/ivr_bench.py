"""IVR calls: answered, 1 s of prompt, one RFC 4733 digit, hung up by the flow."""
import os

from load import KEY
from queue_bench import per_cpu
from stage import say

PEER = ("Asterisk 22", 135)


def run(bench):
    rate = float(os.environ.get("BENCH_IVR_RATE", "150"))
    say("IVR: answer, 1 s prompt, one digit, hang up; %g calls/s" % rate)
    company = bench.stage.company("small", 200)
    per_cpu(bench, "ivr_calls_per_cpu_s", company, "menu", rate, 1000, bench.window_s, "answer, 1 s prompt, one RFC 4733 digit, hang up", PEER,
            500, before_talk="", scenario="ivr", after_talk=KEY)
