"""Tar archives, plain or compressed: read as if they were hostile, written so that equal folders give equal bytes."""
