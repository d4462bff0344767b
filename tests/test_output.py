"""Output files: whole or not at all, and never over another unless asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nvc.output import OutputExists, new_file


def test_the_file_appears_only_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "a.nvc"
    with new_file(target) as path:
        assert path.parent == tmp_path and path.suffix == ".nvc"
        path.write_bytes(b"new")
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.nvc"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_after_an_error(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error), new_file(tmp_path / "a.nvc") as path:
        path.write_bytes(b"half")
        raise error
    assert os.listdir(tmp_path) == []


def test_an_existing_file_stays_unless_forced(tmp_path: Path) -> None:
    target = tmp_path / "a.nvc"
    target.write_bytes(b"old")
    with pytest.raises(OutputExists, match="a.nvc exists; use -f"), new_file(target):
        raise AssertionError("the body must not run")
    with pytest.raises(ZeroDivisionError), new_file(target, force=True):
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    with new_file(target, force=True) as path:
        path.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_a_file_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "a.nvc"
    with pytest.raises(OutputExists), new_file(target) as path:
        path.write_bytes(b"mine")
        target.write_bytes(b"theirs")
    assert target.read_bytes() == b"theirs"
    assert os.listdir(tmp_path) == ["a.nvc"]


def test_places_that_cannot_be_written_fail_before_the_work(tmp_path: Path) -> None:
    for target in (tmp_path / "missing" / "a.nvc", tmp_path, Path("/proc/a.nvc")):
        with pytest.raises(OSError), new_file(target):
            raise AssertionError("the body must not run")


def test_devices_are_written_in_place() -> None:
    with new_file("/dev/null") as path:
        assert path == Path("/dev/null")
        path.write_bytes(b"gone")
    assert not Path("/dev/null").is_file()
