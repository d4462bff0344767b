"""The studio: what it does without a page, and the page itself, driven by a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from streams import tiny

from benchmarks.clips import Clip, read_clip, write_playable
from nvc.cli import studio as studio_command
from nvc.demo import make_clip
from nvc.expression import ExpressionEdit
from nvc.studio.rival import code_like
from nvc.studio.session import Session, TooLong, Wishes, code
from nvc.transfer import Transfer
from nvc.video import VideoReader
from nvc.view import View

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


def silent(stage: str, done: int, total: int | None) -> None:
    """Nobody watches."""


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Ten frames of the demo clip at 256 x 256."""
    path = tmp_path_factory.mktemp("clip") / "talk.mp4"
    write_playable(Clip("talk", make_clip(seconds=0.4), Fraction(25)), path)
    return path


@pytest.fixture(scope="module")
def session(clip, tmp_path_factory) -> Session:
    return code(clip, tmp_path_factory.mktemp("session"), quality=5, crop="none", progress=silent)


def test_a_clip_becomes_three_videos_of_the_same_length(session):
    for path in (session.original_path, session.rival.path, session.plain_path):
        assert len(read_clip(path).frames) == session.frames == 10
    assert session.kbps > 0 and session.rival.kbps > 0


def test_x264_takes_no_more_than_nvc_unless_it_must(tmp_path):
    frames = list(np.ascontiguousarray(make_clip(seconds=0.4, side=64).transpose(0, 2, 3, 1)))
    coded = {
        kbps: code_like(frames, frame_rate=Fraction(25), kbps=kbps, path=tmp_path / "r.mp4") for kbps in (60.0, 0.1)
    }
    assert coded[60.0].kbps <= 60 and not coded[60.0].floor
    assert coded[0.1].floor and coded[0.1].kbps > 0.1


def test_a_preview_is_the_frame_that_is_drawn(session):
    drawn = list(VideoReader(session.plain_path).frames())
    shown = session.preview(4, Wishes())
    assert np.abs(shown.astype(int) - drawn[4]).mean() < 4  # the video has been through H.264
    assert np.array_equal(session.preview(99, Wishes()), session.preview(9, Wishes()))


def test_wishes_change_the_preview(session):
    plain = session.preview(2, Wishes())
    portrait = np.ascontiguousarray(plain[:, ::-1])
    wishes = [View(yaw=20)], [View(), ExpressionEdit.parse("jaw=1")], [View(), ExpressionEdit(), Transfer(portrait)]
    for wish in wishes:
        assert not np.array_equal(session.preview(2, Wishes(*wish)), plain)
    assert Wishes(View(yaw=50)).warnings()


def test_a_conventional_picture_is_shown_as_it_is(session):
    sequence, key, frame = session.coded[3]
    conventional = replace(session, coded=[(sequence, key, replace(frame, values=()))])
    shown = conventional.preview(0, Wishes(View(yaw=20)))
    assert np.array_equal(shown, list(VideoReader(session.plain_path).frames())[3])


def test_long_clips_are_refused(tmp_path, monkeypatch, clip):
    monkeypatch.setattr("nvc.studio.session.MOST_SECONDS", 0.2)
    with pytest.raises(TooLong, match="takes up to 0.2"):
        code(clip, tmp_path, quality=5, crop="none", progress=silent, model=tiny())


def test_a_wrong_model_is_told_before_anything_is_served(capsys):
    assert studio_command.main(["--model", "nobody", "--no-browser"]) == 4
    assert "no model 'nobody'" in capsys.readouterr().err


# The page


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Iterator[Any]:
    """The page in a headless browser, served; page, folder for screenshots, and what was asked of other machines."""
    pytest.importorskip("gradio", reason="Gradio is not installed: pip install 'nvc[studio]'")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    from nvc.studio.page import serve

    folder = Path(os.environ.get("NVC_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    served = serve(model="lite-256", host="127.0.0.1", port=0, browser=False, wait=False)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        tab = browser.new_page(viewport=dict(zip(("width", "height"), WIDTHS["desktop"], strict=True)))
        tab.set_default_timeout(240_000)
        foreign: list[str] = []
        tab.on(
            "request",
            lambda r: foreign.append(r.url) if r.url.startswith("http") and "127.0.0.1" not in r.url else None,
        )
        tab.goto(served.local_url)
        tab.wait_for_selector("#encode")
        yield tab, folder, foreign
        browser.close()
    served.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_from_clip_to_download(page, clip, tmp_path):
    tab, folder, foreign = page
    tab.click("#encode")  # nothing has been dropped yet
    tab.get_by_text("Drop a clip first.").first.wait_for()

    (tmp_path / "words.mp4").write_text("this is no video")
    tab.set_input_files("#clip input[type=file]", str(clip))
    tab.wait_for_selector("#clip video")
    tab.get_by_label("none (the clip is square)").check()
    tab.click("#encode")
    tab.get_by_text("10 frames.").first.wait_for()
    for name in ("original", "nvc", "x264"):
        tab.wait_for_selector(f"#video-{name} video")
    assert "kbit/s" in tab.inner_text("#video-nvc") and "kbit/s" in tab.inner_text("#video-x264")

    before = tab.get_attribute("#preview img", "src")
    move(tab, "yaw", "20")
    tab.wait_for_function("b => document.querySelector('#preview img')?.src !== b", arg=before)
    move(tab, "jaw", "1")
    tab.get_by_text("This is synthetic media").first.wait_for()
    tab.click("#draw")
    tab.get_by_text("nvc as wished").first.wait_for()

    for button, suffix in (("#download-nvc", ".nvc"), ("#download-mp4", ".mp4")):
        with tab.expect_download() as download:
            tab.click(button)
        path = tmp_path / f"got{suffix}"
        download.value.save_as(path)
        assert path.stat().st_size > 300
    assert VideoReader(tmp_path / "got.mp4").synthetic
    shoot(tab, folder, "coded")
    assert not foreign, f"the page asked others for {foreign[:3]}"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_another_portrait_and_an_error_in_a_sentence(page, clip, tmp_path):
    tab, folder, _ = page
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    tab.set_input_files("#portrait input[type=file]", str(tmp_path / "wall.png"))
    tab.get_by_text("No face was found in the portrait").first.wait_for()
    shoot(tab, folder, "error")
    assert "Traceback" not in tab.inner_text("body")


def move(tab: Any, name: str, value: str) -> None:
    """Put a number into a slider's field and leave it."""
    field = tab.locator(f"#{name} input[type=number]")
    field.fill(value)
    field.press("Enter")
    field.blur()


def shoot(tab: Any, folder: Path, name: str) -> None:
    """Screenshots at desktop and phone width; nothing may stick out sideways."""
    for width, (across, down) in WIDTHS.items():
        tab.set_viewport_size({"width": across, "height": down})
        tab.wait_for_timeout(800)
        tab.screenshot(path=str(folder / f"{name}-{width}.png"), full_page=True)
        assert tab.evaluate("document.documentElement.scrollWidth") <= across + 1
    tab.set_viewport_size(dict(zip(("width", "height"), WIDTHS["desktop"], strict=True)))
