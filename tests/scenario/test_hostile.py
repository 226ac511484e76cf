"""The short form of `make hostile`: twenty thousand malformed messages and good calls beside them (GT-15)."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "hostile"))
import hostile  # noqa: E402


def test_good_calls_go_on_beside_twenty_thousand_malformed_messages_GT_15(scene, trunk):
    problems, figures = hostile.run(scene.cluster, scene.acme, trunk, seed=4711, sip=20000, media=3000, other=300)
    assert not problems, figures
