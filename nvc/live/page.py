"""A page that shows a call: the sent and the received pictures side by side, bitrate and latency."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import av
import numpy as np

from nvc import colour
from nvc.colour import ColourSpec, Matrix
from nvc.encoder import Frame
from nvc.live.receiver import Receiver, Shown
from nvc.live.sender import Sender

_PAGE = Path(__file__).with_name("page.html")
_WINDOW = 3.0  # seconds over which the bitrate is a mean
_REMEMBERED = 512  # frames whose time of sending is kept
_BOUNDARY = "frame"


class CallPage:
    """An HTTP server on this computer; tell it what is sent and what is shown."""

    def __init__(self, sender: Sender, receiver: Receiver, *, port: int = 0, path: str = "UDP") -> None:
        """``port``: 0 takes any that is free. Raises OSError when it is taken."""
        self._sender = sender
        self._receiver = receiver
        self._path = path
        self._fresh = threading.Condition()
        self._pictures: dict[str, tuple[int, np.ndarray]] = {}
        self._sent_at: dict[int, float] = {}
        self._bytes: deque[tuple[float, int]] = deque([(time.monotonic(), 0)], maxlen=500)
        self._latencies: deque[float] = deque(maxlen=25)
        self._frames = self._concealed = 0
        self._hiding = self._over = False
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"page": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="nvc-page", daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """Where to look."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> CallPage:
        return self

    def __exit__(self, *error: object) -> None:
        with self._fresh:
            self._over = True
            self._fresh.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)

    def sent(self, index: int, frame: Frame) -> None:
        """A frame, uint8 [3, S, S], is being sent."""
        self._sent_at[index] = time.monotonic()
        self._sent_at.pop(index - _REMEMBERED, None)
        self._show("sent", np.asarray(frame))

    def shown(self, shown: Shown) -> None:
        """A picture is being shown."""
        now = time.monotonic()
        self._frames, self._concealed = self._frames + 1, self._concealed + shown.concealed
        self._hiding = shown.concealed
        self._bytes.append((now, self._receiver.received_bytes))
        if shown.index in self._sent_at and not shown.concealed:
            self._latencies.append(now - self._sent_at[shown.index])
        self._show("shown", shown.picture)

    def stats(self) -> dict[str, Any]:
        """What the page tells."""
        entries = list(self._bytes)
        since = next(entry for entry in entries if entry[0] >= entries[-1][0] - _WINDOW)
        seconds = entries[-1][0] - since[0]
        return {
            "path": self._path,
            "kbps": 8e-3 * (entries[-1][1] - since[1]) / seconds if seconds else 0.0,
            "latency_ms": 1000 * float(np.median(self._latencies)) if self._latencies else 0.0,
            "frames": self._frames,
            "concealed": self._concealed,
            "hiding": self._hiding,
            "key_requests": self._sender.keys_requested,
            "over": self._over,
        }

    def next_picture(self, name: str, after: int) -> tuple[int, bytes] | None:
        """The first picture after number ``after`` as JPEG, and its number; None when the call is over."""
        with self._fresh:
            self._fresh.wait_for(lambda: self._over or self._pictures.get(name, (after,))[0] > after)
            if self._over:
                return None
            number, picture = self._pictures[name]
        return number, _jpeg(picture)

    def _show(self, name: str, picture: np.ndarray) -> None:
        with self._fresh:
            number = self._pictures.get(name, (0,))[0] + 1
            self._pictures[name] = (number, picture)
            self._fresh.notify_all()


class _Handler(BaseHTTPRequestHandler):
    page: CallPage

    def do_GET(self) -> None:  # the name that http.server wants
        """Page, statistics, or an endless picture."""
        if self.path == "/":
            self._answer("text/html; charset=utf-8", _PAGE.read_bytes())
        elif self.path == "/stats":
            self._answer("application/json", json.dumps(self.page.stats()).encode())
        elif self.path in ("/sent", "/shown"):
            self._stream(self.path[1:])
        else:
            self.send_error(404)

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, name: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.end_headers()
        number = 0
        try:
            while (found := self.page.next_picture(name, number)) is not None:
                number, data = found
                head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
                self.wfile.write(head.encode() + data + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return  # the page was closed

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal belongs to the call."""


def _jpeg(picture: np.ndarray) -> bytes:
    """uint8 [3, S, S] RGB as JPEG."""
    rgb = np.ascontiguousarray(picture.transpose(1, 2, 0))
    frame = colour.rgb_to_frame(rgb, pixel_format="yuvj444p", spec=ColourSpec(Matrix.BT601, full_range=True))
    codec: Any = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = rgb.shape[1], rgb.shape[0], "yuvj444p"
    codec.time_base = Fraction(1, 25)
    codec.options = {"qmin": "2", "qmax": "3"}
    frame.pts = None
    return b"".join(bytes(packet) for packet in [*codec.encode(frame), *codec.encode(None)])
