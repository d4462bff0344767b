"""Run independent jobs: on worker processes here, or on a Ray cluster. One job's failure is one failed outcome.

A worker that dies (out of memory, a crash in a codec) or that exceeds the time limit is replaced, and only its job is
lost. `concurrent.futures` does neither: a dead worker breaks its whole pool, and a stuck one cannot be stopped.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Job = TypeVar("Job")
Run = Callable[[Any], Any]

DEFAULT_TIMEOUT = 1800.0
"""Seconds that one job may take."""


class Executor(Enum):
    """Where jobs run."""

    PROCESSES = "processes"
    RAY = "ray"


class ExecutorUnavailable(ValueError):
    """The engine asked for is not installed."""


@dataclass(frozen=True)
class Outcome(Generic[Job]):
    """What became of a job: a value, or an error in one line."""

    job: Job
    value: Any = None
    error: str | None = None


def run_all(
    jobs: Sequence[Job],
    run: Run,
    *,
    executor: Executor = Executor.PROCESSES,
    workers: int = 1,
    timeout: float = DEFAULT_TIMEOUT,
) -> Iterator[Outcome[Job]]:
    """Outcomes in the order of completion. `run` must be importable by name; jobs and values must pickle.

    Raises `ValueError` for less than one worker and `ExecutorUnavailable` without Ray.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; at least 1 is needed")
    if executor is Executor.RAY:
        yield from _run_on_ray(jobs, run, timeout)
    else:
        yield from _run_on_processes(jobs, run, min(workers, max(1, len(jobs))), timeout)


class _Worker:
    """A process that runs one job after another."""

    def __init__(self, run: Run) -> None:
        context = multiprocessing.get_context("spawn")  # a forked torch may deadlock in its thread pool
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, run), daemon=True)
        self._process.start()
        theirs.close()
        self.job: Any = None
        try:
            self.connection.recv()  # it is up; starting must not count against a job's time
        except EOFError:
            self._process.join()
            raise RuntimeError(f"a worker did not start: exit code {self._process.exitcode}") from None
        self.deadline = float("inf")

    def assign(self, job: Any, timeout: float) -> None:
        self.job, self.deadline = job, time.monotonic() + timeout
        self.connection.send(job)

    def result(self) -> Outcome[Any]:
        """The outcome of the assigned job, which has arrived or whose process has died."""
        try:
            value, error = self.connection.recv()
        except EOFError:
            self._process.join()
            return Outcome(self.job, error=f"the worker died with exit code {self._process.exitcode}")
        return Outcome(self.job, value, error)

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection, run: Run) -> None:
    """Body of a worker process: say that it is up, then answer jobs."""
    connection.send("ready")
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(_attempt(run, job))


def _attempt(run: Run, job: Any) -> tuple[Any, str | None]:
    try:
        return run(job), None
    except Exception as error:  # whatever went wrong is the job's result, and the others go on
        place = traceback.extract_tb(error.__traceback__)[-1]
        return None, f"{type(error).__name__}: {error} ({place.filename}:{place.lineno})"


def _run_on_processes(jobs: Sequence[Job], run: Run, workers: int, timeout: float) -> Iterator[Outcome[Job]]:
    waiting = deque(jobs)
    busy: list[_Worker] = []
    idle: list[_Worker] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < workers:
                worker = idle.pop() if idle else _Worker(run)
                worker.assign(waiting.popleft(), timeout)
                busy.append(worker)
            patience = max(0.0, min(worker.deadline for worker in busy) - time.monotonic())
            ready = wait([worker.connection for worker in busy], patience)
            for worker in [w for w in busy if w.connection in ready]:
                busy.remove(worker)
                yield worker.result()
                idle.append(worker) if worker.is_alive() else worker.stop()
            for worker in [w for w in busy if w.deadline <= time.monotonic()]:
                busy.remove(worker)
                worker.stop()
                yield Outcome(worker.job, error=f"took longer than {timeout:g} s")
    finally:
        for worker in busy + idle:
            worker.stop()


def ray_environment() -> dict[str, dict[str, str]]:
    """Ray's runtime environment: workers import from where this process does."""
    return {"env_vars": {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}}


def _run_on_ray(jobs: Sequence[Job], run: Run, timeout: float) -> Iterator[Outcome[Job]]:
    try:
        import ray
    except ImportError as error:
        raise ExecutorUnavailable("--executor ray needs Ray: pip install 'nvc[ray]'") from error
    if not ray.is_initialized():
        # Joins the cluster of RAY_ADDRESS, whose nodes need nvc installed, or starts one on this machine.
        ray.init(log_to_driver=False, runtime_env=ray_environment())
    remote = ray.remote(max_retries=0)(_attempt)
    running = {remote.remote(run, job): job for job in jobs}
    while running:
        ready, _ = ray.wait(list(running), num_returns=1, timeout=timeout)
        if not ready:
            for reference, job in running.items():
                ray.cancel(reference, force=True)
                yield Outcome(job, error=f"nothing finished within {timeout:g} s")
            return
        job = running.pop(ready[0])
        try:
            value, error_line = ray.get(ready[0])
            yield Outcome(job, value, error_line)
        except ray.exceptions.RayError as error:
            yield Outcome(job, error=f"the worker died: {str(error).strip().splitlines()[-1]}")
