"""By how much every wait and every bound of the tests is stretched: sanitizers and valgrind slow the programs down.

TRUNKLINE_PATIENCE is set by `tools/cluster run` from the variant (3 for asan, 6 for tsan); 1 by default. Only waits for conditions and
generous bounds pass through here, never what is measured.
"""
import os

FACTOR = float(os.environ.get("TRUNKLINE_PATIENCE") or 1)


def patient(seconds):
    return seconds * FACTOR
