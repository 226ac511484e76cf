"""SIGTERM to each service with a call up: it ends with 0 in its time, and no sanitizer or valgrind has anything to say (GT-15).

SHUTDOWN_PROGRAM=valgrind (tools/valgrind): the service runs so first, and serves a call.
"""
import os

import pytest
from world import AGENT, CALLER, MENU

PROGRAM = os.environ.get("SHUTDOWN_PROGRAM", "")
ONLY = os.environ.get("SHUTDOWN_ONLY", "").split()
INSTANCES = ["tm-1", "rep-1", "rec-1", "bridge-1", "desk-1", "router-1", "router-2", "cc-1", "cc-2", "edge-1", "media-1", "media-2"]


def talk(scene, agent, user):
    call = scene.call("main", user).wait_hears(MENU, 0.1)
    call.press("1")
    leg = agent.phone.wait_call()
    call.wait_hears(AGENT, 0.5)
    leg.wait_hears(CALLER, 0.5)
    return call, leg


@pytest.mark.parametrize("instance", INSTANCES)
def test_a_service_that_is_told_to_end_with_a_call_up_ends_in_time_with_0_GT_15(scene, instance):
    if ONLY and instance.rpartition("-")[0] not in ONLY:
        pytest.skip("not asked for")
    there = scene.cluster.status()
    if instance not in there:
        pytest.skip("there is one media engine")
    if PROGRAM:
        scene.cluster.tool("restart", instance, "--program", PROGRAM, "--wait", "60", timeout=120)
    agent = scene.agent("1001", answers=0.05)
    call, leg = talk(scene, agent, "+4917095001")
    call.hang_up()
    leg.wait_ended()
    scene.wait_state(agent, "READY")
    call, leg = talk(scene, agent, "+4917095002")
    scene.cluster.stop(instance)
    end = scene.cluster.status()[instance]["last_exit"]
    scene.cluster.tool("start", instance, "--program", "", "--wait", "60", timeout=120)
    assert end == "exit 0", end
    scene.cluster.tool("check")
    if not instance.startswith("media") or "media-2" in there:  # of the only engine the audio goes with it
        assert call.state == "up", call
        call.wait_hears(AGENT, 0.3)
    if call.state == "up":
        call.hang_up()
    leg.wait_ended()
