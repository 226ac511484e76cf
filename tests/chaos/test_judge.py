#!/usr/bin/python3
"""The judge can fail: of a run that kept every promise one thing is changed, and the judge names what it broke (GT-15).

Runs by itself (TAP, for tools/run-tests) and under pytest.
"""
import pathlib
import sys
import tempfile
import types

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE / "limits")]

from evidence import Leg  # noqa: E402
from goodrun import FAULT_S, ON_CALL, RESERVED, GoodRun, ms  # noqa: E402
from judge import judge  # noqa: E402
from noisy import ALONE, BESIDE, NOISE, Window, told  # noqa: E402
from overload import STANDING, judged  # noqa: E402
from plan import SPARE_S, plan  # noqa: E402
from rows import BY_NAME, ROWS  # noqa: E402


def verdicts(run):
    """{bound: sentences} of the load before the fault, and of the fault's run."""
    with tempfile.TemporaryDirectory() as d:
        run.write(d)
        return judge(d)["runs"]


def broken(run):
    """Of the fault's run; that of the load before it must be clean."""
    before, after = verdicts(run)
    assert not before["broken"], before["broken"]
    return after["broken"]


def only(run, *bounds):
    found = broken(run)
    assert set(found) == set(bounds), "wanted %s, the judge says %s" % (bounds, found)
    return found


def entry(run, leg, ev):
    return next(r for r in run.journal[leg] if r["ev"] == ev)


def without(run, leg, *evs):
    run.journal[leg] = [r for r in run.journal[leg] if r["ev"] not in evs]


def test_a_run_that_kept_every_promise_is_let_pass():
    only(GoodRun())


def test_a_talking_call_that_gets_a_bye_from_nobody_is_dropped():
    run = GoodRun()
    caller, agent = run.legs["l1"]
    without(run, caller, "bye-sent", "bye-answered")
    entry(run, caller, "over").update(t=ms(22), why="bye")
    run.note(caller, 22, "bye-received")
    entry(run, agent, "bye-received")["t"] = ms(22.01)
    entry(run, agent, "over")["t"] = ms(22.02)
    for leg in (caller, agent):
        entry(run, leg, "rtp")["last"] = ms(22) - 10
    assert len(only(run, "dropped")["dropped"]) == 1, "one call, told once"


def test_a_waiting_call_that_gets_a_bye_is_dropped():
    run = GoodRun()
    caller, agent = run.legs["w4"]
    del run.journal[agent]
    run.journal[caller] = run.journal[caller][:3]
    run.note(caller, 22, "bye-received")
    run.note(caller, 22, "rtp", sent=1, packets=9, lost=0, gaps=0, longest_ms=21, first=ms(5), last=ms(22) - 10, who=0)
    run.note(caller, 22, "over", why="bye")
    assert "dropped" in broken(run)


def test_a_bye_that_is_answered_481_or_never_shows_a_lost_call():
    for change in ({"ev": "bye-answered", "status": 481}, {"ev": "timeout", "method": "BYE"}):
        run = GoodRun()
        caller, agent = run.legs["s2"]
        entry(run, caller, "bye-answered").update(change)
        if change["ev"] == "timeout":
            entry(run, caller, "over")["why"] = "timeout"
        only(run, "dropped")


def test_an_agent_who_hangs_up_drops_no_call():
    run = GoodRun()
    caller, agent = run.legs["s2"]
    without(run, caller, "bye-sent", "bye-answered")
    without(run, agent, "bye-received")
    run.note(agent, 28, "bye-sent")
    run.note(caller, 28.005, "bye-received")
    only(run)


def test_a_silence_in_a_voice_is_heard():
    run = GoodRun()
    run.note(run.legs["l1"][0], 22.08, "gap", **{"from": ms(22), "ms": 80, "who": 2, "then": 2, "lost": 3})
    only(run, "gap_ms")


def test_a_silence_while_the_telephones_stood_still_themselves_is_not_held_against_anybody():
    run = GoodRun()
    run.note(run.legs["l1"][0], 22.08, "gap", **{"from": ms(22), "ms": 80, "who": 2, "then": 2, "lost": 3})
    run.late.append((22.07, 50))
    only(run)


def test_music_that_stops_is_heard():
    run = GoodRun()
    run.note(run.legs["w3"][0], 22.5, "gap", **{"from": ms(22), "ms": 500, "who": 0, "then": 0, "lost": 0})
    only(run, "gap_ms")


def test_a_voice_that_never_comes_back_is_a_silence_and_no_re_anchored_call():
    run = GoodRun()
    entry(run, run.legs["l1"][1], "rtp")["last"] = ms(20.5)
    only(run, "gap_ms", "reanchor_s")


def test_a_call_that_is_re_anchored_too_late_is_told_from_one_in_time():
    for back, bounds in ((22.5, ("gap_ms",)), (24, ("gap_ms", "reanchor_s"))):
        run = GoodRun()
        run.note(run.legs["l1"][0], back, "gap", **{"from": ms(20), "ms": (back - 20) * 1000, "who": 2, "then": 2, "lost": 9})
        only(run, *bounds)


def test_one_way_audio_is_heard():
    run = GoodRun()
    caller, agent = run.legs["s2"]
    without(run, agent, "heard")
    only(run, "voices")


def test_an_answer_whose_call_stood_still_before_it_could_say_so_may_stay_silent_and_an_earlier_one_may_not():
    for answered, bounds in ((FAULT_S - 0.02, set()), (FAULT_S - 0.2, {"voices"})):
        run = GoodRun()
        run.call("short", "s9", "3000", invited=19.5, rang=19.6, answered=answered, over=22.5)
        for leg in run.legs["s9"]:
            without(run, leg, "heard")
        assert {b for v in verdicts(run) for b in v["broken"]} == bounds


def test_swapped_parties_are_heard():
    run = GoodRun()
    run.note(run.legs["s2"][0], 26, "heard", who=2)
    only(run, "voices")


def test_a_process_that_is_ready_late_or_never_is_seen():
    for late in (5100, None):
        run = GoodRun()
        run.ready_ms = late
        only(run, "ready_s")


def failing_call(run, at):
    run.note("c99", at, "invite", id=99, group="short", user="+4955", number="+49", call_id="sip-99")
    run.note("c99", at + 0.1, "refused", status=503)
    run.note("c99", at + 0.1, "over", why="refused")


def test_a_call_that_fails_right_after_the_fault_may_and_later_may_not():
    run = GoodRun()
    failing_call(run, 21)
    only(run)
    run = GoodRun()
    failing_call(run, 24)
    only(run, "setup_s")


def test_a_caller_who_gave_up_waiting_for_an_answer_counts_as_failed():
    run = GoodRun()
    run.note("c99", 23, "invite", id=99, group="short", user="+4955", number="+49", call_id="sip-99")
    run.note("c99", 33, "impatient")
    run.note("c99", 33, "cancel-sent")
    run.note("c99", 33.1, "over", why="cancelled")
    only(run, "setup_s")


def test_set_up_that_takes_longer_during_the_fault_is_seen():
    run = GoodRun()
    entry(run, run.legs["s2"][1], "rings")["t"] += 70
    with tempfile.TemporaryDirectory() as d:
        run.write(d)
        path = pathlib.Path(d, "injections.jsonl")
        path.write_text(path.read_text().replace('"t1_ms": %d' % ms(20), '"t1_ms": %d' % ms(29)))
        assert set(judge(d)["runs"][1]["broken"]) == {"p99_ms"}


def swap(run):
    """w4, who came later, is given an agent first."""
    for name, at in (("w3", 29), ("w4", 24)):
        run.event(name, "reserved").time_ms = ms(at)
        next(e for e in run.agent_events if e.call_id == name).time_ms = ms(at)


def test_a_caller_served_before_one_who_came_earlier_is_seen():
    run = GoodRun()
    swap(run)
    only(run, "order")


def test_who_came_to_a_process_that_stood_still_at_once_may_be_passed_and_who_came_earlier_may_not():
    for came, bounds in ((FAULT_S - 0.01, ()), (FAULT_S - 0.2, ("order",))):
        run = GoodRun()
        swap(run)
        run.event("w3", "enqueued").time_ms = ms(came)
        only(run, *bounds)


def test_an_agent_given_to_a_call_whose_holder_stands_still_counts_from_then():
    run = GoodRun()
    run.event("w3", "reserved").time_ms = ms(30)  # told late; w4 was told at 29
    only(run)


def test_a_caller_of_higher_priority_may_pass():
    run = GoodRun()
    swap(run)
    run.event("w4", "enqueued").enqueued.priority = 5
    only(run)


def test_a_call_that_lost_its_time_of_arrival_is_seen():
    run = GoodRun()
    e = run.fact("w3", 23, "enqueued", queue="wait", arrival_ms=ms(23), service_level_ms=5000)
    run.events.remove(e)
    run.events.insert(run.events.index(run.event("w3", "reserved")), e)
    e.seq = 3
    for kind, seq in (("reserved", 4), ("agent_answered", 5), ("call_ended", 6)):
        run.event("w3", kind).seq = seq
    for e in run.events:
        e.id = "%s.%d" % (e.call_id, e.seq)
    run.event("w3", "call_ended").call_ended.last_seq = 6
    only(run, "order")


def test_an_agent_who_rang_at_the_fault_and_was_forgotten_is_seen():
    run = GoodRun()
    caller, agent = run.legs["w2"]
    without(run, agent, "acked", "heard")
    entry(run, agent, "over")["t"] = ms(38)
    assert "connect_s" in broken(run)


def test_an_agent_with_two_calls_is_seen_by_the_telephone():
    run = GoodRun()
    run.call("short", "s3", "3000", invited=26, rang=26.02, answered=26.3, over=30)
    run.agent_events = run.agent_events[:-3]  # the books know nothing of it
    run.seqs["3000"] -= 3
    only(run, "double")


def test_an_agent_reserved_while_on_a_call_is_seen_in_the_books():
    run = GoodRun()
    run.state("1000", 25, ON_CALL, RESERVED, "x", "long")
    run.agent_events.sort(key=lambda e: e.time_ms)
    for e in [e for e in run.agent_events if e.agent_id == "1000"][2:]:
        e.seq = 3 if e.agent_state_changed.to == RESERVED else 4
        e.id = "chaos.1000.%d" % e.seq
    assert "double" in broken(run)


def test_a_reservation_that_the_next_leader_takes_over_is_the_same_one_if_the_call_is():
    for call, bounds in (("w2", set()), ("w3", {"double"})):
        run = GoodRun()
        run.state("2000", 20.5, RESERVED, RESERVED, call, "wait")
        run.agent_events[-1].agent_state_changed.cause = "taken-over"
        run.agent_events.sort(key=lambda e: e.time_ms)
        for seq, e in enumerate((e for e in run.agent_events if e.agent_id == "2000"), 1):
            e.seq, e.id = seq, "chaos.2000.%d" % seq
        assert set(broken(run)) - {"books"} == bounds, broken(run)


def test_a_call_that_is_missing_in_kafka_is_seen():
    run = GoodRun()
    run.events = [e for e in run.events if e.call_id != "s2"]
    only(run, "books")


def test_a_lost_event_and_a_missing_end_are_seen():
    for kind in ("agent_answered", "call_ended"):
        run = GoodRun()
        run.events.remove(run.event("s2", kind))
        assert "books" in broken(run)


def test_the_same_event_twice_is_no_harm_but_two_ends_are():
    run = GoodRun()
    run.events.append(run.event("s2", "agent_answered"))
    only(run)
    run = GoodRun()
    run.fact("s2", 28, "call_ended", ended_ms=ms(28), disposition="answered", last_seq=6)
    assert "books" in broken(run)


def test_events_of_a_call_in_the_wrong_order_are_seen():
    run = GoodRun()
    at = run.events.index(run.event("s2", "agent_answered"))
    run.events[at], run.events[at - 1] = run.events[at - 1], run.events[at]
    only(run, "books")


def test_an_agent_whose_story_has_a_hole_is_seen():
    run = GoodRun()
    run.agent_events.remove([e for e in run.agent_events if e.agent_id == "3000"][4])
    only(run, "books")


def test_reports_that_differ_from_a_recount_are_seen():
    run = GoodRun()
    run.reports_off = 1
    only(run, "books")


def test_a_recording_that_is_lost_is_seen():
    run = GoodRun()
    run.recordings_lost.add("s2")
    only(run, "books")


def test_a_recording_that_had_hardly_begun_when_its_engine_was_killed_need_not_be_there():
    for answered, moved, lost in ((FAULT_S - 0.5, 27.5, False), (FAULT_S - 0.5, 24, True), (FAULT_S - 1.5, 27.5, True), (FAULT_S - 0.5, None, False),
                                  (FAULT_S - 1.5, None, True)):
        run = GoodRun()
        run.recordings_lost.add("s2")
        run.event("s2", "agent_answered").time_ms = ms(answered)
        if moved is None:  # it ended before another engine had it
            assert any("recording" in text for text in broken(run).get("books", [])) == lost
            continue
        run.fact("s2", moved, "media_reanchored", from_instance="media-1", to_instance="media-2")
        run.events.insert(run.events.index(run.event("s2", "call_ended")), run.events.pop())
        moved, ended = run.event("s2", "media_reanchored"), run.event("s2", "call_ended")
        moved.seq, ended.seq, moved.id, ended.id = ended.seq, moved.seq, ended.id, moved.id
        ended.call_ended.last_seq = ended.seq
        found = broken(run)
        assert any("recording" in text for text in found.get("books", [])) == lost, found


def test_a_call_the_books_call_abandoned_although_it_talked_is_seen():
    run = GoodRun()
    run.event("s2", "call_ended").call_ended.disposition = "abandoned"
    only(run, "books")


def test_a_stuck_agent_and_a_signed_out_one_are_seen():
    for state in ("ON_CALL", "RESERVED", "BUSY", "SIGNED_OUT"):
        run = GoodRun()
        run.agents[0]["state"] = state
        only(run, "left")


def test_a_ghost_of_a_call_is_seen():
    run = GoodRun()
    run.left["cc-1 trunkline_calls"] = 1.0
    only(run, "left")


def test_old_epochs_that_nobody_refused_are_seen():
    run = GoodRun()
    run.fenced = 0
    only(run, "fenced")


def test_a_stream_that_does_not_resume_or_has_lost_agents_is_seen():
    run = GoodRun()
    run.desk = run.desk[:2]
    only(run, "streams_s")
    run = GoodRun()
    run.desk[2] = (20.9, "there", 2)
    only(run, "streams_s")


def test_a_promise_that_a_row_does_not_make_is_not_judged():
    run = GoodRun()
    run.fenced, run.bounds["fenced"] = 0, None
    only(run)


def test_a_seed_makes_the_same_plan_again_and_another_one_another():
    rows = [r for r in ROWS if r.group == "kills"]
    assert plan(rows, 5, 7) == plan(rows, 5, 7) != plan(rows, 5, 8)
    assert sorted(p["row"] for p in plan(rows, 5, 7)) == sorted(r.name for r in rows for _ in range(5))


def test_nobody_is_killed_again_before_it_counts_as_stable():
    for seed in range(20):
        last = {}
        for p in plan([BY_NAME["kill-router"], BY_NAME["kill-sip-edge"], BY_NAME["kill-random"]], 10, seed):
            assert p["at_s"] - last.get(p["victim"], -99) >= SPARE_S, (seed, p)
            last[p["victim"]] = p["at_s"]


# ---- overload ----
def leg(group, at, *notes):
    """A caller's; notes: (ms later, event, more)."""
    out = Leg("c1")
    out.note({"ev": "invite", "t": at, "id": 1, "call_id": "1", "group": group})
    for later, ev, more in notes:
        out.note({"ev": ev, "t": at + later, **more})
    return out


def talk(group, at, answered=200):
    return leg(group, at, (300, "up", {}), (800, "bye-sent", {}), (810, "bye-answered", {"status": answered}), (810, "over", {"why": "hung-up"}))


def no(group, at, status=503, retry_after=5, after=20):
    return leg(group, at, (after, "refused", {"status": status, "retry_after": retry_after}), (after, "over", {"why": "refused"}))


def overload():
    """100 a second for 10 s, of which 10 a second are served, and 10 s after it."""
    legs = [(no if i % 10 else talk)("storm", i * 10) for i in range(1000)]
    return legs + [talk("standing", -5000) for _ in range(STANDING)] + [talk("after", 10001 + i * 100) for i in range(100)]


def overload_breaks(*legs, lost=None):
    """The numbers of the promises that do not hold when these come to those, and one group's go."""
    kept = [x for x in overload() if x.group != lost] + list(legs)
    return [i for i, (_, _, holds) in enumerate(judged(kept, 10, 0, 10000)) if not holds]


RATE, DROPPED, STAND, ADMITTED, REFUSED, ELSE, RECOVERED = range(7)


def test_an_overload_that_kept_every_promise_is_let_pass():
    assert overload_breaks() == []


def test_an_overload_in_which_a_call_is_lost_is_not():
    assert overload_breaks(leg("storm", 5, (300, "up", {}), (400, "bye-received", {}), (400, "over", {"why": "bye"}))) == [DROPPED]
    assert overload_breaks(talk("storm", 5, answered=503)) == [DROPPED]
    assert overload_breaks(leg("storm", 5, (300, "up", {}))) == [DROPPED]
    assert overload_breaks(lost="standing") == [STAND]


def test_an_overload_that_refuses_late_or_without_a_word_is_not():
    assert overload_breaks(*[no("storm", 5, after=700) for _ in range(20)]) == [REFUSED]
    assert overload_breaks(no("storm", 5, retry_after=0), no("storm", 5, status=480)) == [ELSE]
    assert overload_breaks(*[leg("storm", 5, (9000, "over", {"why": "timeout"}))] * 2) == [ELSE]


def test_an_overload_that_serves_late_or_too_few_is_not():
    assert overload_breaks(*[leg("storm", 5, (9000, "up", {}), (9500, "bye-answered", {"status": 200}), (9500, "over", {"why": "hung-up"}))] * 20) == [ADMITTED]
    assert overload_breaks(lost="storm") == [RATE, REFUSED]


def test_an_overload_after_which_calls_are_still_refused_is_not():
    assert overload_breaks(no("after", 41000)) == [RECOVERED]
    assert overload_breaks(no("after", 39000)) == []


def main():
    failed = 0
    tests = [(n, f) for n, f in sorted(globals().items()) if n.startswith("test_")]
    for i, (name, test) in enumerate(tests, 1):
        text = name.removeprefix("test_").replace("_", " ")
        try:
            test()
            print("ok %d - %s" % (i, text))
        except Exception as e:
            failed += 1
            print("not ok %d - %s\n# %s: %s" % (i, text, type(e).__name__, e))
    return 1 if failed else 0


# ---- a noisy neighbour ----
def neighbours(*b):
    """(callers of B who were not served, p99 alone, p99 beside) of 100 calls of B before A comes, at 10 s, and those."""
    windows = [Window(what, t0, t0 + 10000, types.SimpleNamespace(ours=1, seconds=10), 0.5) for what, t0 in ((ALONE, 0), (BESIDE, 10000))]
    mine = [talk(ALONE, i * 100) for i in range(100)] + list(b)
    return told(windows, mine, [(no if i % 2 else talk)(NOISE, 10000 + i) for i in range(1000)])


def test_a_neighbour_who_is_served_as_before_is_let_pass_GT_3_1_2d():
    assert neighbours(*(talk(ALONE, 10000 + i * 100) for i in range(100))) == ([], 300, 300)


def test_a_neighbour_who_is_refused_or_waits_is_seen_GT_3_1_2d():
    bad, _, _ = neighbours(no(ALONE, 10500), leg(ALONE, 10600), talk(ALONE, 10700), no(ALONE, 30000))
    assert [x.began for x in bad] == [10500, 10600]
    late = leg(ALONE, 11000, (900, "up", {}), (1400, "bye-sent", {}), (1410, "bye-answered", {"status": 200}), (1410, "over", {"why": "hung-up"}))
    assert neighbours(late) == ([], 300, 900)


if __name__ == "__main__":
    sys.exit(main())
