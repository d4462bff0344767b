"""The job pool: every job has an outcome, and a job that fails, crashes or hangs takes no other with it."""

from __future__ import annotations

import sys
from fractions import Fraction

import bench_jobs
import pytest

from benchmarks.clips import Clip, write_lossless
from benchmarks.pool import Executor, ExecutorUnavailable, ray_environment, run_all
from benchmarks.rd import load_results
from nvc.cli import bench
from nvc.demo import make_clip


def outcomes(jobs, run, **options):
    return {outcome.job: (outcome.value, outcome.error) for outcome in run_all(jobs, run, **options)}


def test_every_job_is_run_once():
    assert outcomes([1, 2, 3, 4], bench_jobs.double, workers=2) == {n: (2 * n, None) for n in (1, 2, 3, 4)}


def test_an_exception_is_that_job_s_outcome_and_the_others_go_on():
    found = outcomes([12, 13, 14], bench_jobs.double)
    assert found[12] == (24, None) and found[14] == (28, None)
    assert found[13][0] is None
    assert "ValueError: thirteen is not doubled" in found[13][1]


def test_a_dying_worker_is_replaced():
    found = outcomes([0, 1, 2, 3, 4], bench_jobs.exit_on_odd, workers=2)
    assert [found[n] for n in (0, 2, 4)] == [(0, None), (2, None), (4, None)]
    assert all("exit code 7" in found[n][1] for n in (1, 3))


def test_a_hanging_job_is_stopped():
    found = outcomes([1, 2], bench_jobs.sleep_long_on_odd, workers=2, timeout=3)
    assert found[2] == (2, None)
    assert "longer than 3 s" in found[1][1]


def test_no_jobs_give_no_outcomes():
    assert outcomes([], bench_jobs.double) == {}


def test_no_workers_are_refused():
    with pytest.raises(ValueError, match="workers"):
        outcomes([1], bench_jobs.double, workers=0)


def test_ray_that_is_missing_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorUnavailable, match="Ray"):
        outcomes([1], bench_jobs.double, executor=Executor.RAY)


@pytest.fixture(scope="module")
def ray_cluster():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=ray_environment())
    yield ray
    ray.shutdown()


def test_a_ray_cluster_of_two_workers_gives_the_same_outcomes(ray_cluster):
    found = outcomes([12, 13, 14], bench_jobs.double, executor=Executor.RAY)
    assert found[12] == (24, None) and found[14] == (28, None)
    assert "thirteen" in found[13][1]


@pytest.mark.slow
def test_a_benchmark_on_a_ray_cluster_leaves_the_same_figures(ray_cluster, tmp_path):
    write_lossless(Clip("small", make_clip(seconds=0.16, side=176), Fraction(25)), tmp_path / "small.mkv")
    arguments = ["rd", str(tmp_path / "small.mkv"), "--codecs", "x264", "--quick", "--no-faces", "-o"]
    assert bench.main([*arguments, str(tmp_path / "here")]) == 0
    assert bench.main([*arguments, str(tmp_path / "there"), "--executor", "ray"]) == 0
    here, there = (
        {r["point"]: (r["bytes"], r["quality"]) for r in load_results([tmp_path / name])} for name in ("here", "there")
    )
    assert here == there and len(here) == 2
