"""The local cluster: see tools/cluster. Python's standard library only."""
