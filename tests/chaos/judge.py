#!/usr/bin/python3
"""Judges a chaos run from what it left in its directory, and from nothing else.

    tests/chaos/judge.py build/chaos/20261130-120000-kills

A fault's own time goes from its begin to that of the next. Prints each run with what broke, writes DIR/verdict.json, and ends with 1 when a promise was
broken.
"""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from evidence import INF, Evidence  # noqa: E402
from promises import PROMISES, attempts, drops, p99, refusals, setup_times, silences  # noqa: E402

SHOWN = 5


def runs_of(ev):
    """Each fault with its bounds and its time; before the first one, run 0: the load alone."""
    first = ev.injections[0]["t0_ms"] if ev.injections else ev.ended
    out = [{"run": 0, "row": "load", "victims": [], "t0_ms": ev.began, "t1_ms": ev.began, "ready_ms": {}, "faulty_setup": False,
            "bounds": {"voices": True, **ev.plan["load"]}, "from_ms": ev.began, "to_ms": first, "last": not ev.injections}]
    for n, i in enumerate(ev.injections):
        row = ev.plan["rows"][i["row"]]
        last = n + 1 == len(ev.injections)
        out.append({**i, "bounds": {"voices": True, **row["bounds"]}, "faulty_setup": row["faulty_setup"], "from_ms": i["t0_ms"],
                    "to_ms": INF if last else ev.injections[n + 1]["t0_ms"], "last": last})
    return out


def judge_run(ev, run):
    """{"broken": {bound: [sentence, …]}, "worst": figures}"""
    broken = {}
    for bound, (_, fn) in PROMISES.items():
        if run["bounds"].get(bound) is None:
            continue
        found = list(fn(ev, run))
        allowed = run["bounds"][bound] if bound in ("dropped", "double", "left") else 0
        if len(found) > allowed:
            broken[bound] = [x[1] for x in sorted(found, key=lambda x: x[0])]
    return {"run": run["run"], "row": run["row"], "victims": run["victims"], "t0_ms": run["t0_ms"], "broken": broken, "load": run.get("load"), "worst": figures(ev, run)}


def figures(ev, run):
    lo, hi = run["from_ms"], min(run["to_ms"], ev.ended)
    gaps = [ms for t, ms, _ in silences(ev) if lo <= t < hi]
    tries = [(bad, b, s) for b, s, bad, _ in attempts(ev) if lo <= b < hi]
    known = [ms for ms in run["ready_ms"].values() if ms is not None]
    return {"gap_ms": round(max(gaps, default=0)), "ready_ms": max(known, default=0) if len(known) == len(run["ready_ms"]) else None,
            "setups": len(tries), "setups_failed": sum(t[0] for t in tries), "dropped": sum(1 for t, _ in drops(ev) if lo <= t < hi),
            "setup_p99_ms": round(p99(setup_times(ev, lo, hi))), "fenced": round(refusals(ev, run))}


def judge(directory):
    ev = Evidence(directory)
    verdict = {"directory": str(directory), "seed": ev.plan["seed"], "calls": len(ev.callers), "own_stalls_ms": round(sum(b - a for a, b in ev.late)),
               "runs": [judge_run(ev, r) for r in runs_of(ev)]}
    (pathlib.Path(directory) / "verdict.json").write_text(json.dumps(verdict, indent=1, ensure_ascii=False) + "\n")
    return verdict


def show(verdict):
    for r in verdict["runs"]:
        w = r["worst"]
        print("%-4s run %3d  %-18s %-10s gap %4d ms, ready %s ms, %d of %d set-ups failed, %d dropped" % (
            "ok" if not r["broken"] else "FAIL", r["run"], r["row"], ",".join(r["victims"]) if len(r["victims"]) < 3 else "all", w["gap_ms"],
            w["ready_ms"], w["setups_failed"], w["setups"], w["dropped"]))
        for bound, texts in r["broken"].items():
            print("       broken: %s (%d)" % (PROMISES[bound][0], len(texts)))
            for text in texts[:SHOWN]:
                print("           %s" % text)
    bad = sum(bool(r["broken"]) for r in verdict["runs"])
    print("judge: %d calls, %d runs, %d with a broken promise; the telephones themselves stood still for %d ms" % (
        verdict["calls"], len(verdict["runs"]), bad, verdict["own_stalls_ms"]))
    return bad


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(1 if show(judge(sys.argv[1])) else 0)


if __name__ == "__main__":
    main()
