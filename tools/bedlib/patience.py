"""How long to wait on a machine that others use too. A limit only ends what would hang, so it grows with the load."""
import os
import time

MOST = 8  # times as long


def crowding():
    """-> how many want each processor, as the last minute's load says; 1 when they are idle"""
    return min(max(os.getloadavg()[0] / len(os.sched_getaffinity(0)), 1), MOST)


def over(start, limit):
    """Whether `limit` seconds of a machine of one's own are over; no limit, never. `start` is time.monotonic()'s."""
    passed = time.monotonic() - start
    return bool(limit) and passed > limit and passed > limit * crowding()
