#!/usr/bin/python3
"""The demo itself; tools/demo starts it inside a running cluster. --how: only make the two tenants and say how to call."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "tests" / "lib"), str(pathlib.Path(__file__).resolve().parent)]
sys.dont_write_bytecode = True
import speech  # noqa: E402

SOUNDS = ROOT / "build" / "demo"
TENANTS = ("acme", "huaxia")


def step(text):
    print("\n== " + text, flush=True)


def trunkline(*args):
    """The command-line tool, as a person would use it; its words only when it fails."""
    command = [os.path.join(os.environ["TRUNKLINE_BIN"], "trunkline"), *args]
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if p.returncode:
        raise RuntimeError("trunkline %s: exit %d\n%s" % (" ".join(args), p.returncode, p.stdout))
    return p.stdout


def make_tenants(api):
    speech.prepare(str(SOUNDS))
    for tenant in TENANTS:
        shutil.copy(ROOT / "tools" / "demolib" / (tenant + ".yaml"), SOUNDS)
        made = trunkline("apply", "--file", str(SOUNDS / (tenant + ".yaml"))).splitlines()
        print("  trunkline apply --file %s: %d resources" % (os.path.relpath(SOUNDS / (tenant + ".yaml"), ROOT), len(made)), flush=True)
    wait_published(api)


def wait_published(api, timeout=15):
    """Until the services that handle calls have what was just made."""
    deadline = time.monotonic() + timeout
    for tenant in TENANTS:
        while True:
            t = api.admin.GetTenant(name="tenants/" + tenant)
            if t.published_version >= t.config_version:
                break
            if time.monotonic() > deadline:
                raise RuntimeError("tenant-manager has not published %s within %d s" % (tenant, timeout))
            time.sleep(0.05)


def demo(api):
    from page import Page
    from story import CALLERS, NAMES, Story
    recordings = SOUNDS / "recordings"
    shutil.rmtree(recordings, ignore_errors=True)
    shutil.rmtree(SOUNDS / "phones", ignore_errors=True)
    recordings.mkdir(parents=True)
    step("two tenants: acme (English) and huaxia (Mandarin)")
    make_tenants(api)
    step("six agents: their phones (baresip) register with digest, they sign in and say ready")
    story = Story(os.environ, api, str(SOUNDS), str(SOUNDS / "phones"))
    try:
        story.open()
        step("ten callers (baresip, through the gateways of both): one gives up, one agent's phone is not answered once")
        story.play()
        step("the last recordings, and what Kafka has of all this")
        page = Page(os.environ, story.leads, NAMES, str(recordings), len(CALLERS))
        page.settle()
    finally:
        story.close()
    return show(page)


def show(page):
    calls, kafka, indicators = page.calls(), page.kafka(), page.indicators()
    step("calls")
    print("\n".join(calls))
    step("Kafka")
    print("\n".join(kafka))
    step("indicators of the reports, against a recount from the raw events in Kafka")
    print("\n".join(indicators))
    for w in page.wrong:
        print("WRONG: " + w)
    print("recount: " + ("match" if not page.wrong else "DOES NOT MATCH, or something is missing (above)"))
    if not page.wrong:
        print(NEXT)
    return 1 if page.wrong else 0


NEXT = """
== where to look next
  make up                          the same two tenants, kept running, and how to call them with a softphone of yours
  build/demo/recordings/           the conversations above (MP3: left the caller, right the agent)
  tools/demolib/acme.yaml          a whole tenant in one file
  docs/architecture.md             how the processes hang together
  docs/operating-locally.md        look into a running cluster, break it, watch it mend itself
  make test                        everything this claims, as tests"""

HOW = """
Two tenants are set up. To call them yourself, on this machine, with any two softphones (or two accounts of one):

  the agent's phone    user 1001, password Demo-Alice-1001, domain (realm) acme.example, proxy/registrar {sip} (UDP or TCP)
  signs in             eval "$(tools/cluster env)"; export PATH="$TRUNKLINE_BIN:$PATH"; unset TRUNKLINE_TOKEN_FILE
                       trunkline login --tenant acme --agent 1001        (password as above)
                       trunkline agent sign-in; trunkline agent ready
  the caller's phone   no registration, no password: dial  sip:+49301000@{sip}  and press 1 when asked
                       (Mandarin: sip:+862083331000@{sip}; agents 8001 Demo-Wang-8001, 8002 Demo-Li-8002 of huaxia.example)

As a lead of acme, in another terminal:
                       eval "$(tools/cluster env)"; export PATH="$TRUNKLINE_BIN:$PATH" TRUNKLINE_TOKEN_FILE={lead}
  trunkline events watch                      every step of every call, as it happens
  trunkline calls list                        trunkline report summary
  trunkline recording list                    trunkline recording fetch ID
As the operator (the token that tools/cluster env names): trunkline tenant list; trunkline queue list --tenant acme …
All listens on 127.0.0.1 only. tools/cluster status shows the processes; make down stops them, their data stays."""


def own_addresses():
    """This machine's IPv4 addresses: a softphone here calls 127.0.0.1 from any of them, as it chooses."""
    p = subprocess.run(["ip", "-4", "-o", "addr", "show", "up"], stdout=subprocess.PIPE, text=True, check=True)
    found = [line.split()[3].split("/")[0] for line in p.stdout.splitlines()]
    return [a for a in found if not a.startswith("127.")]


def trust_softphones(api):
    """Callers do not register: they are known by the address they call from."""
    for tenant in TENANTS:
        trunk = api.admin.GetTrunk(name="tenants/%s/trunks/gateway" % tenant)
        addresses = list(dict.fromkeys([*trunk.addresses, *own_addresses()]))
        api.admin.UpdateTrunk(trunk={"name": trunk.name, "addresses": addresses}, update_mask="addresses")
    wait_published(api)


def how(api):
    step("two tenants: acme (English) and huaxia (Mandarin)")
    make_tenants(api)
    trust_softphones(api)
    lead = pathlib.Path(os.environ["TRUNKLINE_CLUSTER_PATH"]) / "secrets" / "acme-lead.token"
    lead.touch(mode=0o600)
    lead.write_text(api.token_for("acme", "SCOPE_SUPERVISOR", subject="lead:me") + "\n")
    print(HOW.format(sip=os.environ["TRUNKLINE_SIP"], lead=os.path.relpath(lead, ROOT)))
    return 0


def main():
    from api import Api
    try:
        return (how if sys.argv[1:] == ["--how"] else demo)(Api(os.environ))
    except KeyboardInterrupt:
        return 130
    except Exception as e:
        print("\ndemo: %s: %s" % (type(e).__name__, e), file=sys.stderr)
        print("demo: the logs of the services: .cluster/%s/log/, of the phones: build/demo/phones/*/log" % os.environ["TRUNKLINE_CLUSTER"],
              file=sys.stderr)
        if os.environ.get("DEMO_DEBUG"):
            raise
        return 1


sys.exit(main())
