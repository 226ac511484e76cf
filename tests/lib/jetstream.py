"""What the NATS servers say of their streams, by their monitoring ports."""
import json
import urllib.request


def leader_of(ports, stream):
    """ports: {node: monitoring port}. The node that leads the stream, or None while there is none."""
    for port in ports.values():
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/jsz?streams=1" % port, timeout=3) as r:
                accounts = json.load(r).get("account_details", [])
        except OSError:
            continue
        for s in (s for a in accounts for s in a["stream_detail"] if s["name"] == stream):
            leader = s.get("cluster", {}).get("leader", "")
            if leader:
                return next(n for n in sorted(ports, reverse=True) if leader.endswith("-" + n))
    return None


def last_of(monitor, stream):
    """The sequence of the newest message; monitor: "http://host:port"."""
    with urllib.request.urlopen(monitor + "/jsz?streams=1", timeout=10) as r:
        accounts = json.load(r).get("account_details", [])
    return next(s["state"]["last_seq"] for a in accounts for s in a["stream_detail"] if s["name"] == stream)
