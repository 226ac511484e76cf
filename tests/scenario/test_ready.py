"""What /readyz of each process says while a backend is away: held against the table of docs/operations.md (GT-15)."""
import pathlib
import re
import time
import urllib.error
import urllib.request

import pytest

TABLE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "operations.md"
NAMES = {"nats": "nats", "postgres": "postgresql", "kafka": "kafka"}  # component: what the services call it


def table():
    """{service: (needed, wanted)} of the table "not ready without"."""
    out = {}
    for line in TABLE.read_text().partition("## Restarting")[0].splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == 4 and re.fullmatch(r"[a-z]+(-[a-z]+)?", cells[0]) and cells[0] != "service":
            out[cells[0]] = tuple(set(c.strip() for c in cell.split(",")) - {"–"} for cell in cells[1:3])
    assert len(out) == 9, out
    return out


def readyz(port):
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/readyz" % port, timeout=5) as r:
            return r.status, r.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode()


def says(text):
    """The names behind "not ready:" or "degraded:"."""
    return {n.strip() for n in text.partition(":")[2].split(",")}


def as_promised(status, text, what, needed, wanted):
    if what in needed:
        return status == 503 and text.startswith("not ready: ") and what in says(text)
    if what in wanted:
        return status == 200 and text.startswith("ready, degraded: ") and what in says(text)
    return status == 200 and text == "ready\n"


def hold(cluster, what, seconds=40):
    """Until every process says of `what` what the table says; names those that do not."""
    rows = {n: (r["service"], r["ports"]["http"]) for n, r in cluster.status().items() if r["service"] in table()}
    deadline = time.monotonic() + seconds
    while True:
        answers = {n: (service, *readyz(port)) for n, (service, port) in rows.items()}
        wrong = {n: (code, text) for n, (service, code, text) in answers.items() if not as_promised(code, text, what, *table()[service])}
        if not wrong:
            return
        assert time.monotonic() < deadline, "without %s: %s" % (what, wrong)
        time.sleep(0.2)


@pytest.mark.parametrize("component", ["postgres", "kafka", "nats"])
def test_each_process_says_what_it_lacks_while_a_backend_is_away_GT_15(scene, component):
    scene.cluster.wait_ready(40)
    hold(scene.cluster, "nothing at all")
    scene.cluster.stop(component)
    try:
        hold(scene.cluster, NAMES[component])
    finally:
        scene.cluster.start(component)
    hold(scene.cluster, "nothing at all", 60)


def test_call_control_is_not_ready_without_a_media_engine_GT_15(scene):
    ports = {n: r["ports"]["http"] for n, r in scene.cluster.status().items() if r["service"] == "call-control"}
    engines = [n for n, r in scene.cluster.status().items() if r["service"] == "media"]
    for e in engines:
        scene.cluster.stop(e)
    try:
        deadline = time.monotonic() + 20
        while not all(readyz(p) == (503, "not ready: media engine\n") for p in ports.values()):
            assert time.monotonic() < deadline, {n: readyz(p) for n, p in ports.items()}
            time.sleep(0.1)
    finally:
        for e in engines:
            scene.cluster.start(e)
    scene.cluster.wait_ready(40)
