"""The studio's page."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from nvc.cli.exits import exit_of, one_line
from nvc.expression import ExpressionEdit, control_names, settings_from
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.rate import DEFAULT_QUALITY
from nvc.studio.session import MOST_SECONDS, Session, Wishes, code
from nvc.transfer import Transfer, TransferMode, read_portrait
from nvc.view import FAR_PITCH, FAR_ROLL, FAR_YAW, View

ANGLES = (("yaw", FAR_YAW), ("pitch", FAR_PITCH), ("roll", FAR_ROLL))
BOTH_WAYS = ("brow", "gaze_x", "gaze_y")
SLIDERS = tuple(name for name in control_names() if name not in ("blink_left", "blink_right"))
_KEPT_SECONDS = 3600
_SYSTEM_FONTS = ["system-ui", "sans-serif"]  # others would be fetched from far away
_CSS = ".clips video {max-height: 300px} .said {min-height: 2em} footer {display: none !important}"


class StudioUnavailable(ImportError, ValueError):
    """Gradio is not installed."""


def _gradio() -> Any:
    try:
        import gradio
    except ImportError:
        raise StudioUnavailable("nvc-studio needs Gradio: pip install 'nvc[studio]'") from None
    return gradio


@contextmanager
def _sentences(gradio: Any) -> Iterator[None]:
    """What goes wrong is shown as a sentence; only mistakes of the program are not."""
    try:
        yield
    except Exception as error:
        if exit_of(error) is None:
            raise
        sentence = one_line(error)
        raise gradio.Error(sentence[:1].upper() + sentence[1:] + ".", print_exception=False) from error


class Studio:
    """The page's functions: each takes what the page's fields hold."""

    def __init__(self, model: str | Path | CodecModel = zoo.DEFAULT_MODEL) -> None:
        self._gradio = _gradio()
        self._model = model

    def encode(self, video: str | None, quality: float, crop: str, told: Callable[..., Any]) -> tuple[Any, ...]:
        """Code the clip; returns session, the three videos, what to say, the file, and the last frame's number."""
        gr = self._gradio
        with _sentences(gr):
            if not video:
                raise ValueError("drop a clip first")
            folder = Path(tempfile.mkdtemp(prefix="nvc-studio-"))
            report = partial(_report, told)
            session = code(
                Path(video), folder, quality=int(quality), crop=crop.split()[0], progress=report, model=self._model
            )
            drawn = session.plain_path
        said = [
            f"{session.frames} frames. nvc: **{session.kbps:.2f} kbit/s**, x264: **{session.rival.kbps:.2f} kbit/s**"
        ]
        said += ["x264 cannot go lower at this size"] if session.rival.floor else []
        said += list(session.warnings)
        return (
            session,
            gr.update(value=str(session.original_path), label="Original"),
            gr.update(value=str(drawn), label=f"nvc, {session.kbps:.2f} kbit/s"),
            gr.update(value=str(session.rival.path), label=f"x264, {session.rival.kbps:.2f} kbit/s"),
            "; ".join(said) + ".",
            gr.update(value=str(session.nvc_path), interactive=True),
            gr.update(value=str(drawn), interactive=True),
            gr.update(maximum=max(1, session.frames - 1), value=0),
            session.preview(0, Wishes()),
        )

    def preview(self, session: Session | None, index: float, *fields: Any) -> tuple[Any, str]:
        """One frame as wished, and what to say about it."""
        with _sentences(self._gradio):
            wishes = self.wishes(*fields)
            if session is None:
                raise ValueError("encode a clip first")
            return session.preview(int(index), wishes), _said(wishes)

    def draw(self, session: Session | None, fields: tuple[Any, ...], told: Callable[..., Any]) -> tuple[Any, Any, str]:
        """The whole clip as wished: the video, the download, what to say."""
        gr = self._gradio
        with _sentences(gr):
            wishes = self.wishes(*fields)
            if session is None:
                raise ValueError("encode a clip first")
            path = session.draw(wishes, partial(_report, told))
        label = f"nvc as wished, {session.kbps:.2f} kbit/s"
        return gr.update(value=str(path), label=label), gr.update(value=str(path), interactive=True), _said(wishes)

    def wishes(
        self,
        yaw: float,
        pitch: float,
        roll: float,
        frontal: bool,
        strength: float,
        portrait: str | None,
        mode: str,
        *amounts: float,
    ) -> Wishes:
        """The fields as wishes."""
        edit = ExpressionEdit(settings_from(dict(zip(SLIDERS, amounts, strict=True))), strength)
        transfer = None
        if portrait:
            transfer = Transfer(read_portrait(portrait), TransferMode(mode))
        return Wishes(View(yaw=yaw, pitch=pitch, roll=roll, frontal=frontal), edit, transfer)


def _discard(session: Session | None) -> None:
    if session is not None:
        session.discard()


def _said(wishes: Wishes) -> str:
    said = list(wishes.warnings())
    if wishes.staging().synthetic:
        said.append("this is synthetic media, and the file will say so")
    return "; ".join(said)[:1].upper() + "; ".join(said)[1:] + ("." if said else "")


def _report(told: Callable[..., Any], stage: str, done: int, total: int | None) -> None:
    told(done / total if total else None, desc=f"{stage}, frame {done}" if done else stage)


def build(model: str | Path | CodecModel = zoo.DEFAULT_MODEL) -> Any:
    """The page, a `gradio.Blocks`; ``launch()`` serves it. Raises StudioUnavailable without Gradio."""
    gr = _gradio()
    studio = Studio(model)
    with gr.Blocks(title="nvc studio", analytics_enabled=False) as page:
        session = gr.State(time_to_live=_KEPT_SECONDS, delete_callback=_discard)
        gr.Markdown("# nvc studio\nA talking head at a few kilobits a second. Everything stays on this machine.")
        video, quality, crop, encode = _input_row(gr)
        said = gr.Markdown(elem_id="said", elem_classes="said")
        videos = _video_row(gr)
        with gr.Row():
            nvc_file = gr.DownloadButton("Download .nvc", interactive=False, elem_id="download-nvc")
            mp4_file = gr.DownloadButton("Download .mp4", interactive=False, elem_id="download-mp4")
        index, picture, draw, fields = _wish_rows(gr)

        def on_encode(clip: str | None, q: float, c: str, progress: Any = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
            return studio.encode(clip, q, c, progress)

        def on_draw(known: Session | None, *values: Any, progress: Any = gr.Progress()) -> tuple[Any, ...]:  # noqa: B008
            return studio.draw(known, values, progress)

        outputs = [session, *videos, said, nvc_file, mp4_file, index, picture]
        encode.click(on_encode, [video, quality, crop], outputs, show_progress_on=[said, *videos])
        draw.click(on_draw, [session, *fields], [videos[1], mp4_file, said], show_progress_on=[videos[1]])
        for field in (index, *fields):
            moved = field.release if isinstance(field, gr.Slider) else field.change
            moved(studio.preview, [session, index, *fields], [picture, said], show_progress="minimal")
    return page


def _input_row(gr: Any) -> tuple[Any, Any, Any, Any]:
    with gr.Row():
        video = gr.Video(
            label=f"Your clip, up to {MOST_SECONDS:g} seconds", sources=["upload"], elem_id="clip", height=220
        )
        with gr.Column():
            quality = gr.Slider(0, 9, value=DEFAULT_QUALITY, step=1, label="Quality, 0 (fewest bytes) to 9")
            crops = ["auto (look for the face)", "none (the clip is square)"]
            crop = gr.Radio(crops, value=crops[0], label="Crop")
            encode = gr.Button("Encode", variant="primary", elem_id="encode")
    return video, quality, crop, encode


def _video_row(gr: Any) -> list[Any]:
    with gr.Row(elem_classes="clips"):
        titles = ("Original", "nvc", "x264 at the same rate")
        return [
            gr.Video(
                label=title, interactive=False, loop=True, min_width=220, elem_id=f"video-{title.split()[0].lower()}"
            )
            for title in titles
        ]


def _wish_rows(gr: Any) -> tuple[Any, Any, Any, list[Any]]:
    gr.Markdown("## The receiver's wishes\nThese cost no bits: the same file is drawn in another way.")
    with gr.Row():
        with gr.Column():
            picture = gr.Image(label="One frame, as wished", interactive=False, elem_id="preview", height=300)
            index = gr.Slider(0, 1, value=0, step=1, label="Frame", elem_id="frame")
            draw = gr.Button("Draw the whole clip like this", elem_id="draw")
        with gr.Column():
            angles = [
                gr.Slider(-most, most, value=0, step=1, label=f"{name.capitalize()}, degrees", elem_id=name)
                for name, most in ANGLES
            ]
            frontal = gr.Checkbox(label="Hold the head frontal", elem_id="frontal")
            portrait = gr.Image(
                label="Another portrait", type="filepath", sources=["upload"], height=180, elem_id="portrait"
            )
            modes = [(f"{mode.value} motion", mode.value) for mode in reversed(TransferMode)]
            mode = gr.Radio(modes, value=TransferMode.RELATIVE.value, label="What passes over to the portrait")
        with gr.Column():
            strength = gr.Slider(
                0, 2, value=1, step=0.1, label="Strength of expression, 0 is neutral", elem_id="strength"
            )
            amounts = [
                gr.Slider(
                    -1 if name in BOTH_WAYS else 0,
                    1,
                    value=0,
                    step=0.05,
                    label=name.replace("_", " ").capitalize(),
                    elem_id=name,
                )
                for name in SLIDERS
            ]
    return index, picture, draw, [*angles, frontal, strength, portrait, mode, *amounts]


def serve(*, model: str | Path | CodecModel, host: str, port: int, browser: bool, wait: bool = True) -> Any:
    """Serve the page; returns it when ``wait`` is False, and what it listens at as ``page.local_url``."""
    gr = _gradio()
    page = build(model)
    theme = gr.themes.Soft(font=_SYSTEM_FONTS, font_mono=["ui-monospace", "monospace"])
    page.queue(default_concurrency_limit=1).launch(
        server_name=host,
        server_port=port or None,
        inbrowser=browser,
        prevent_thread_lock=not wait,
        quiet=not wait,
        share=False,
        footer_links=[],
        theme=theme,
        css=_CSS,
    )
    return page
