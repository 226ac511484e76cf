#!/usr/bin/python3
"""The table of docs/performance.md from tests/perf/results/latest.json, so that the page says what the last run measured."""
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- table: tests/perf/page.py -->", "<!-- end of table -->"


def number(x):
    if x is None:
        return "–"
    if abs(x) >= 100000:
        return "%.2f M" % (x / 1e6)
    return "%.0f" % x if abs(x) >= 100 else "%.3g" % x


def line(r):
    missed = r["target"] is not None and (r["median"] < r["target"] if r["better"] == "higher" else r["median"] > r["target"])
    peer = "–" if r["peer"] is None else "%s (%s)" % (number(r["peer"]), r["peer_name"])
    target = "–" if r["target"] is None else ("≥ " if r["better"] == "higher" else "≤ ") + number(r["target"]) + (" **missed**" if missed else "")
    return "| `%s` | %s (%s–%s) | %s | %s | %s | %s |" % (r["name"], number(r["median"]), number(r["min"]), number(r["max"]), r["unit"], target,
                                                       peer, (r["conditions"] or "–").replace("|", "/"))


def main():
    rows = json.loads((ROOT / "tests/perf/results/latest.json").read_text())
    where = (ROOT / "tests/perf/results/machine.txt").read_text().strip()
    table = ["Last run, %s." % where, ""] + ["| name | median (min–max) | unit | target | peer | conditions |", "|---|---|---|---|---|---|"] + [line(r) for r in rows]
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    if not rest:
        raise SystemExit("%s has no line '%s'" % (PAGE, BEGIN))
    PAGE.write_text(head + BEGIN + "\n" + "\n".join(table) + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    main()
