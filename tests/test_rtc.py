"""A call over a WebRTC data channel, and the page that shows it in a browser."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.request
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from nvc.demo import make_clip
from nvc.live.call import CallReport, call_oneself
from nvc.live.link import LossyLink
from nvc.live.network import Conditions
from nvc.live.page import CallPage
from nvc.live.receiver import Receiver, Shown
from nvc.live.sender import Sender
from nvc.models import zoo

pytest.importorskip("aiortc", reason="the rtc extra is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


class RunningCall:
    """A call over WebRTC with its page, in a thread."""

    def __init__(self, *, seconds: float, loss: float = 0.0) -> None:
        from nvc.live.rtc import RtcPair

        model = zoo.load("tiny-64")
        rate = Fraction(10)
        clip = make_clip(seconds=2, side=64, frame_rate=10)
        frames = (clip[k % len(clip)] for k in range(int(seconds * rate)))
        self.sender = Sender(side=64, frame_rate=rate, model=model, device="cpu")
        self.receiver = Receiver(model=model, delay=0.4, device="cpu")
        self.shown: list[Shown] = []
        self.report: CallReport | None = None
        self.page = CallPage(self.sender, self.receiver, path="WebRTC")

        def show(shown: Shown) -> None:
            self.shown.append(shown)
            self.page.shown(shown)

        def work() -> None:
            with RtcPair() as pair:
                here = LossyLink(pair.links[0], Conditions(loss=loss, delay=0.0), seed=1)
                links = (here, pair.links[1])
                self.report = call_oneself(
                    frames, self.sender, self.receiver, links, show, frame_rate=float(rate), sent=self.page.sent
                )

        self._thread = threading.Thread(target=work)
        self._thread.start()

    def wait(self) -> None:
        self._thread.join(60)
        self.page.__exit__()


@pytest.fixture
def running() -> Iterator[RunningCall]:
    call = RunningCall(seconds=12)
    yield call
    call.wait()


def test_a_call_over_webrtc_shows_what_is_sent_and_hides_losses() -> None:
    call = RunningCall(seconds=4, loss=0.1)
    call.wait()
    assert call.report is not None and call.report.frames == len(call.shown) > 20
    indices = [shown.index for shown in call.shown]
    assert indices == sorted(set(indices))
    assert sum(shown.concealed for shown in call.shown) < len(call.shown) / 2


def browser() -> str:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here")
    return found


@pytest.mark.slow
def test_a_browser_shows_both_pictures_with_bitrate_and_latency(running: RunningCall, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = browser()
    with playwright.sync_playwright() as engine:
        window = engine.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        page = window.new_page(viewport={"width": 900, "height": 700})
        page.goto(running.page.address)
        page.wait_for_function("Number(document.getElementById('frames').textContent) > 10", timeout=60_000)
        page.wait_for_function("document.getElementById('shown').naturalWidth == 64", timeout=30_000)
        page.wait_for_function("document.getElementById('sent').naturalWidth == 64", timeout=30_000)
        assert float(page.inner_text("#kbps")) > 0
        assert float(page.inner_text("#latency")) > 0
        assert "WebRTC" in page.inner_text("h1")
        page.screenshot(path=str(tmp_path / "call.png"))
        window.close()
    assert (tmp_path / "call.png").stat().st_size > 5_000


def test_the_page_tells_the_same_without_a_browser(running: RunningCall) -> None:
    with urllib.request.urlopen(running.page.address + "shown", timeout=60) as stream:
        data = b""
        while data.count(b"\xff\xd9") < 2:
            data += stream.read(512)
    picture = data[data.index(b"\xff\xd8") : data.index(b"\xff\xd9") + 2]
    import av

    codec = av.CodecContext.create("mjpeg", "r")
    frame = codec.decode(av.Packet(picture))[0]
    assert (frame.width, frame.height) == (64, 64) and np.ptp(frame.to_ndarray(format="rgb24").astype(int)) > 20
    stats = json.loads(urllib.request.urlopen(running.page.address + "stats", timeout=30).read())
    assert stats["frames"] > 0 and stats["path"] == "WebRTC" and not stats["over"]
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(running.page.address + "etc/passwd", timeout=30)
