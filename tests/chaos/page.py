#!/usr/bin/python3
"""The table of docs/reliability.md from tests/chaos/results/*.json, so that the page says what the last runs showed."""
import json
import pathlib

from rows import ROWS

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "tests" / "chaos" / "results"
BEGIN, END = "<!-- table: tests/chaos/page.py -->", "<!-- end of table -->"


def worst(runs):
    w = [r["worst"] for r in runs]
    ready = [x["ready_ms"] for x in w]
    setups, failed = sum(x["setups"] for x in w), sum(x["setups_failed"] for x in w)
    return "%d dropped, silence %d ms, ready %s, %d of %d set-ups failed" % (
        sum(x["dropped"] for x in w), max(x["gap_ms"] for x in w), "never" if None in ready else "%.1f s" % (max(ready) / 1000), failed, setups)


def broken(runs):
    counts = {}
    for r in runs:
        for bound in r["broken"]:
            counts[bound] = counts.get(bound, 0) + 1
    return ", ".join("%s %d×" % (b, n) for b, n in sorted(counts.items())) or "–"


def line(row):
    path = RESULTS / (row.name + ".json")
    if not path.exists():
        return "| `%s` | %s | not run yet | | | | |" % (row.name, row.what)
    r = json.loads(path.read_text())
    held = sum(not x["broken"] for x in r["runs"])
    share = "%d of %d" % (held, len(r["runs"]))
    if held < len(r["runs"]):
        share = "**%s**" % share
    return "| `%s` | %s | %s | %s | %s | `%s` | %s |" % (row.name, row.what, share, broken(r["runs"]), worst(r["runs"]), r["command"], r["date"])


def write():
    if not PAGE.exists():
        return
    table = ["| row | what is done | runs that held | broken | worst figures | command | day |", "|---|---|---|---|---|---|---|"] + [line(r) for r in ROWS]
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    if not rest:
        raise SystemExit("%s has no line '%s'" % (PAGE, BEGIN))
    PAGE.write_text(head + BEGIN + "\n" + "\n".join(table) + "\n" + END + rest.partition(END)[2])


if __name__ == "__main__":
    write()
