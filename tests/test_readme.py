"""README promises nothing that is not so: commands and snippets run, links lead somewhere, figures were measured."""

from __future__ import annotations

import json
import re
import shlex
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from test_packaging import COMMANDS

from benchmarks import readme_picture
from benchmarks.clips import Clip, read_clip, write_playable
from nvc.demo import make_clip

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
MAINS = {f"nvc-{target.split('.')[2].split(':')[0]}": target.split(":")[0] for target in COMMANDS}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def run(command: str) -> int:
    name, *arguments = shlex.split(command)
    return import_module(MAINS[name]).main(arguments)


@pytest.fixture
def talk(tmp_path, monkeypatch) -> Path:
    """A folder with a short talk.mp4, to stand in."""
    monkeypatch.chdir(tmp_path)
    write_playable(Clip("talk", make_clip(seconds=0.4), Fraction(25)), tmp_path / "talk.mp4")
    return tmp_path


def test_first_screen_says_what_it_is_and_how_to_use_it():
    screen = "\n".join(README.splitlines()[:40])
    assert "neural video codec" in screen
    assert "nvc-encode talk.mp4 -o talk.nvc" in screen and "nvc-decode talk.nvc" in screen
    assert "import nvc" in screen


def test_the_two_commands_work(talk):
    encode, decode = blocks("sh")[0].strip().splitlines()
    assert run(encode) == 0 and run(decode) == 0
    assert len(read_clip(talk / "talk.mkv").frames) == 10


def test_nothing_is_overwritten_without_being_asked(talk):
    encode = blocks("sh")[0].strip().splitlines()[0]
    (talk / "talk.nvc").write_bytes(b"precious")
    assert run(encode) != 0
    assert (talk / "talk.nvc").read_bytes() == b"precious"
    assert run(f"{encode} -f") == 0


@pytest.mark.parametrize("snippet", blocks("python"))
def test_snippets_run(talk, snippet):
    variables: dict[str, Any] = {}
    exec(compile(snippet, "README.md", "exec"), variables)
    if "shown" in variables:
        assert [frame.shape for frame in variables["shown"]] == [(3, 256, 256)] * 3
    else:
        assert len(read_clip(talk / "talk.mkv").frames) == 10


def test_commands_are_those_that_are_installed():
    assert set(re.findall(r"^\| `(nvc-\w+)", README, re.MULTILINE)) == set(MAINS)


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE):
        assert f"\n{target}:" in makefile


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / document).read_text()):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_the_architecture_names_every_module_of_codec_and_format():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    modules = [*(ROOT / "nvc").glob("*.py"), *(ROOT / "bitstream").glob("*.py")]
    assert [path.name for path in modules if path.name != "__init__.py" and f"`{path.name}`" not in text] == []


def test_the_picture_says_what_was_measured():
    if not readme_picture.FIGURES.exists():
        assert "kbit/s**" not in README
        return
    figures = json.loads(readme_picture.FIGURES.read_text())
    assert readme_picture.block(figures) in README
    assert figures["nvc_bytes"] == sum(figures["nvc_bytes_by_unit"].values())
    assert figures["nvc_kbps"] == pytest.approx(figures["nvc_bytes"] * 8 / 1000 / (figures["frames"] / 25))


def test_the_picture_s_block_is_replaced_and_nothing_else():
    once = readme_picture.with_block(README, "@first@\n")
    assert "@first@\n" in once
    assert readme_picture.with_block(once, "two\n") == once.replace("@first@", "two")
    with pytest.raises(ValueError, match="marks"):
        readme_picture.with_block("nothing here", "one")


def test_this_project_speaks_of_itself_alone():
    for path in [*(ROOT / name for name in DOCUMENTS), *ROOT.glob("nvc/**/*.py"), *ROOT.glob("benchmarks/*.py")]:
        assert "/work/" not in path.read_text() and "../shared" not in path.read_text(), path
