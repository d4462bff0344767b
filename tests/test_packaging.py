"""What is installed is complete: packages, tables, commands, pinned versions."""

from __future__ import annotations

import configparser
import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("bitstream", "nvc", "benchmarks")


@pytest.fixture(scope="module")
def settings() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines() if line.strip()]


def canonical(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name[0]).lower()


COMMANDS = [
    line.split("=", 1)[1].strip()
    for line in (ROOT / "setup.cfg").read_text().splitlines()
    if re.match(r"\s+nvc-\w+ = nvc\.cli\.", line)
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """A wheel of a copy of the tree, built without network or isolation."""
    tree = tmp_path_factory.mktemp("tree")
    for name in (*SOURCES, "spec", "setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__", "results", "vectors")
        shutil.copytree(source, tree / name, ignore=ignore) if source.is_dir() else shutil.copy(source, tree)
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    run = subprocess.run([sys.executable, "-c", build, str(tree)], cwd=tree, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    return zipfile.ZipFile(next(tree.glob("*.whl")))


def test_every_package_is_listed(settings):
    found = {
        ".".join(path.parent.relative_to(ROOT).parts) for name in SOURCES for path in (ROOT / name).rglob("__init__.py")
    }
    assert found <= set(lines(settings["options"]["packages"]))


def test_the_wheel_holds_code_tables_and_type_marks(wheel):
    names = set(wheel.namelist())
    sources = {
        str(path.relative_to(ROOT))
        for name in SOURCES
        for path in (ROOT / name).rglob("*.py")
        if "results" not in path.parts
    }
    assert sources <= names
    assert {f"bitstream/{path.relative_to(ROOT)}" for path in (ROOT / "spec" / "tables").iterdir()} <= names
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "nvc" / "weights").glob("*.safetensors")} <= names
    assert "bitstream/py.typed" in names


def test_an_installed_bitstream_finds_its_tables(wheel, tmp_path):
    wheel.extractall(tmp_path)
    program = (
        "import bitstream, bitstream.tables as t, sys; print(bitstream.__file__); assert 'torch' not in sys.modules"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(str(tmp_path))


@pytest.mark.parametrize("target", COMMANDS)
def test_every_command_exists(target):
    module, function = target.split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_build_file_holds_the_build_system_alone():
    assert set(tomllib.loads((ROOT / "pyproject.toml").read_text())) == {"build-system"}


def test_every_dependency_is_pinned(settings):
    pinned = {}
    for line in lines((ROOT / "constraints.txt").read_text()):
        if not line.startswith("#"):
            name, version = line.split("==")
            pinned[canonical(name)] = version
    needed = lines(settings["options"]["install_requires"])
    for extra in ("crop", "metrics", "bench", "demo", "studio", "train", "dev"):
        needed += lines(settings["options.extras_require"][extra])
    missing = {canonical(requirement) for requirement in needed} - set(pinned) - {"nvc"}
    assert not missing


def test_licence_is_the_one_that_is_declared(settings):
    assert settings["metadata"]["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
