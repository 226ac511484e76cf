#!/usr/bin/python3
"""Breaks a cluster under load, and has an offline judge say what held.

    tests/chaos/chaos.py [--row NAME]… [--runs N] [--seed S] [--short] [--list]

Without --row every row. Prints what happens and the judge's words, and ends with 1 when a promise was broken. The evidence of a load stays in
build/chaos/STAMP-NAME; `tests/chaos/judge.py` on it judges again. Results: tests/chaos/results/ROW.json and the table in docs/reliability.md (--short and
--no-results: not). CHAOS_BASE: base port of the cluster (12000), CHAOS_NAME its name (chaos).
"""
import argparse
import dataclasses
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "lib"), str(HERE.parent.parent / "tools")]

import collect  # noqa: E402
import page  # noqa: E402
from inject import Injector  # noqa: E402
from plan import plan  # noqa: E402
from rows import BY_NAME, LOAD, ROOM, ROWS, SHORT, groups  # noqa: E402
from theatre import FULL, SMALL, TENANT, Theatre, say  # noqa: E402

ROOT = HERE.parent.parent


def options():
    p = argparse.ArgumentParser(description="Breaks a cluster under load; an offline judge says what held.")
    p.add_argument("--row", action="append", default=[], help="repeatable; one of --list")
    p.add_argument("--runs", type=int, default=0, help="of each row (as the table says)")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="makes the same plan again")
    p.add_argument("--short", action="store_true", help="a smaller load and one run of: " + " ".join(SHORT))
    p.add_argument("--no-results", action="store_true", help="only print")
    p.add_argument("--list", action="store_true", help="what rows there are")
    p.add_argument("--base", type=int, default=int(os.environ.get("CHAOS_BASE", "12000")))
    p.add_argument("--name", default=os.environ.get("CHAOS_NAME", "chaos"))
    o = p.parse_args()
    unknown = [r for r in o.row if r not in BY_NAME]
    if unknown:
        p.error("there is no row %s; --list shows them" % ", ".join(unknown))
    if o.short:
        o.row, o.runs, o.no_results = o.row or list(SHORT), o.runs or 1, True
    return o


class Load:
    """One cluster under load, and the faults of one group of rows in it."""

    def __init__(self, o, rows, seed):
        self.o, self.rows, self.seed = o, rows, seed
        self.name = rows[0].name if len(rows) == 1 else rows[0].group
        self.dir = ROOT / "build" / "chaos" / ("%s-%s" % (time.strftime("%Y%m%d-%H%M%S"), self.name))
        self.size = SMALL if o.short else FULL
        self.plan = plan(rows, o.runs, seed)

    def bounds(self, of):
        return {k: ROOM.get(k, v) if self.o.short and v is not None else v for k, v in of.items()}

    def write_plan(self, **moments):
        text = {"seed": self.seed, "tenant": TENANT, "size": dataclasses.asdict(self.size), "plan": self.plan, **moments, "load": self.bounds(LOAD),
                "rows": {r.name: {"bounds": self.bounds(r.bounds), "lasts_s": r.lasts_s, "faulty_setup": r.faulty_setup, "what": r.what} for r in self.rows}}
        (self.dir / "plan.json").write_text(json.dumps(text, indent=1) + "\n")

    def run(self):
        """The judge's verdict, or None when there is none to be had."""
        self.dir.mkdir(parents=True)
        say("\n== %s: %d runs, about %.0f s; seed %d; evidence in %s" % (self.name, len(self.plan), self.plan[-1]["at_s"] + 60, self.seed,
                                                                        self.dir.relative_to(ROOT)))
        theatre = Theatre(self.o.name, self.o.base, self.dir, self.size, self.seed, self.rows[0].setup)
        try:
            theatre.up().begin()
            self.injections(theatre)
        finally:
            theatre.down()
        subprocess.run([sys.executable, str(HERE / "judge.py"), str(self.dir)], check=False)
        path = self.dir / "verdict.json"
        return json.loads(path.read_text()) if path.exists() else None

    def injections(self, theatre):
        injector = Injector(theatre, self.dir, self.seed)
        stands = time.time()
        self.write_plan(stands_ms=stands * 1000, ends_ms=None)
        behind = 0.0  # what refilling has cost
        for p in self.plan:
            row = BY_NAME[p["row"]]
            if row.renew and p["run"] > 1:
                theatre.renew()
            if not theatre.refill():
                say("chaos: the load does not stand any more: %s" % theatre.figures())
            behind = max(behind, time.time() - stands - p["at_s"])
            time.sleep(max(0, stands + p["at_s"] + behind - time.time()))
            r = injector.run(p, row)
            say("chaos: run %d/%d %s: %s at %.1f s, ready after %s ms; %s" % (
                p["run"], len(self.plan), row.name, ",".join(r["victims"]) if len(r["victims"]) < 4 else "all", r["t0_ms"] / 1000 - stands,
                max((x if x is not None else 99999 for x in r["ready_ms"].values()), default="-"), theatre.figures()))
        theatre.end()
        self.write_plan(stands_ms=stands * 1000, ends_ms=time.time() * 1000)
        injector.snapshot(len(self.plan) + 1, "end")
        collect.collect(theatre, injector, self.dir)
        injector.close()


def keep(verdict, rows, o):
    """tests/chaos/results/ROW.json of each row that was run."""
    for row in rows:
        runs = [r for r in verdict["runs"] if r["row"] == row.name]
        again = "make chaos ROW=%s RUNS=%d SEED=%d" % (row.name, len(runs), verdict["seed"])
        text = {"row": row.name, "what": row.what, "date": time.strftime("%Y-%m-%d"), "seed": verdict["seed"], "command": again,
                "load": [r["broken"] for r in verdict["runs"] if r["row"] == "load"][0], "runs": runs}
        if len(rows) > 1:
            text["beside"] = [r.name for r in rows if r is not row]
            text["command"] = "make chaos ROW='%s' RUNS=%s SEED=%d" % (" ".join(r.name for r in rows), o.runs or row.runs, verdict["seed"])
        (HERE / "results" / (row.name + ".json")).write_text(json.dumps(text, indent=1, ensure_ascii=False) + "\n")


def tsv(results):
    """For `make test`: build/test-results/chaos.tsv."""
    path = ROOT / "build" / "test-results"
    path.mkdir(parents=True, exist_ok=True)
    (path / "chaos.tsv").write_text("".join("chaos\tchaos\t%s GT-15\t%s\t0\n" % r for r in results))


def main():
    o = options()
    if o.list:
        for r in ROWS:
            print("%-20s %3d runs of %3.0f s  %s" % (r.name, r.runs, r.takes_s, r.what))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the cluster goes with us
    results = []
    for rows in groups(o.row or [r.name for r in ROWS]):
        verdict = None
        try:
            verdict = Load(o, rows, o.seed).run()
        except Exception as e:  # the other rows are worth having; the exit status tells
            say("chaos: %s: %s: %s" % (rows[0].name, type(e).__name__, e))
        results += [(r["row"], "fail" if r["broken"] else "pass") for r in verdict["runs"]] if verdict else [(r.name, "fail") for r in rows]
        if verdict and not o.no_results:
            keep(verdict, rows, o)
            page.write()
    if o.short:
        tsv(results)
    good = sum(r[1] == "pass" for r in results)
    say("chaos: %d of %d runs kept every promise; seed %d" % (good, len(results), o.seed))
    return 0 if good == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())
