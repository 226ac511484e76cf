"""Router core: build/release/bin/router-bench. Its rows go on; older ones, a scenario each, become the two figures."""
from programs import rows, run_program
from stage import say


def run(bench):
    say("router core: 100,000 agents, 10,000 queues, 5 skills an agent")
    found = rows(run_program("router-bench", ["--rounds", str(bench.rounds)]))
    scenarios = [r for r in found if "p99_9_ns" in r]
    for r in found:
        if r not in scenarios:
            bench.add(r)
    if not scenarios:
        return
    for r in scenarios:
        say("    %-26s %9d events/CPU-s, decision p50 %.1f µs, p99.9 %.1f µs, max %.0f µs" % (
            r["name"], r["median"], r["p50_ns"] / 1000, r["p99_9_ns"] / 1000, r["max_ns"] / 1000))
    names = {r["name"] for r in found}
    worst = min(scenarios, key=lambda r: r["median"])
    if "router_events_per_s" not in names:
        bench.result("router_events_per_s", [worst["min"], worst["median"], worst["max"]], "events per CPU-second", "higher", 2000000,
                     "the worst of router-bench: " + worst["name"])
    if "router_decision_p999_us" not in names:
        bench.result("router_decision_p999_us", [r["p99_9_ns"] / 1000 for r in scenarios], "µs", "lower", 20, "all scenarios of router-bench")
        bench.result("router_decision_max_us", [r["max_ns"] / 1000 for r in scenarios], "µs", "lower", 1000, "all scenarios of router-bench")
