"""Of several NATS servers the one that leads a stream, by their monitoring ports."""
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
