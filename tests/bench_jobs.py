"""Jobs for the pool's tests: worker processes import them by name."""

from __future__ import annotations

import os
import time


def double(job: int) -> int:
    """The job, doubled; an error for 13."""
    if job == 13:
        raise ValueError("thirteen is not doubled")
    return 2 * job


def exit_on_odd(job: int) -> int:
    """Kill the worker process for odd jobs, as a crash in a codec would."""
    if job % 2:
        os._exit(7)
    return job


def sleep_long_on_odd(job: int) -> int:
    """Never come back within a test's patience for odd jobs."""
    if job % 2:
        time.sleep(3600)
    return job
