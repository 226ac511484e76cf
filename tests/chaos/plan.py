"""What happens when: from a seed, and from nothing else. The same seed and rows make the same plan.

    plan(rows, runs, seed)   [{"run": 1, "row": "kill-router", "at_s": 3.2, "victim": "@router-leader"}, …]

at_s is counted from the moment when the load stands. A process that was killed is left alone for SPARE_S, so that the restart after the next kill is not
delayed as that of a process which dies again and again.
"""
import random

MOMENT_S = 1.5    # each fault comes at a random moment within so much
SPARE_S = 11.0    # tools/cluster takes a process for stable after 10 s
OURS = ("edge-1", "cc-1", "cc-2", "router-1", "router-2", "desk-1", "tm-1", "rec-1", "bridge-1", "rep-1")


def _order(rows, runs, rng):
    """Each row as often as it has runs, shuffled, without the same row twice in a row where that can be had."""
    left, out = {r.name: runs or r.runs for r in rows}, []
    by_name = {r.name: r for r in rows}
    while any(left.values()):
        names = [n for n in left if left[n] and not (out and out[-1].name == n)] or [n for n in left if left[n]]
        name = rng.choices(names, weights=[left[n] for n in names])[0]
        left[name] -= 1
        out.append(by_name[name])
    return out


def plan(rows, runs, seed):
    rng = random.Random(seed)
    at, last, out = 3.0, {}, []
    for n, row in enumerate(_order(rows, runs, rng), 1):
        victim = rng.choice(row.victims)
        if victim == "@random":
            victim = rng.choice(OURS)
        at += rng.uniform(0, MOMENT_S)
        same = [t for v, t in last.items() if v == victim or "router" in v and "router" in victim or "all" in v]
        at = max([at] + [t + SPARE_S for t in same])
        out.append({"run": n, "row": row.name, "at_s": round(at, 3), "victim": victim})
        last[victim] = at + row.lasts_s
        at += row.takes_s
    return out
