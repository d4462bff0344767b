"""A call in real time: a sender and a receiver, each in its own loop, over whatever links them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from nvc.encoder import Frame
from nvc.live.link import Link, send_all
from nvc.live.receiver import Receiver, Shown
from nvc.live.sender import Sender

_TICK = 0.004  # seconds that a loop sleeps at most
_GOODBYES = 6
_NOBODY = 20.0  # seconds after which a receiver that hears nothing gives up


@dataclass(frozen=True)
class CallReport:
    """What a call was like.

    ``frames`` shown and how many of them were ``concealed``; ``skipped``: not shown for want of time to draw them;
    ``kilobits`` received a second, headers counted; ``longest_outage``: seconds without a real frame.
    """

    frames: int
    concealed: int
    skipped: int
    kilobits: float
    longest_outage: float

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.frames} frames, {self.concealed} concealed, {self.skipped} left out, {self.kilobits:.1f} kbit/s, "
            f"longest outage {self.longest_outage:.2f} s"
        )


def send_call(
    frames: Iterable[Frame],
    sender: Sender,
    link: Link,
    *,
    frame_rate: float,
    stop: threading.Event,
    sent: Callable[[int, Frame], None] = lambda index, frame: None,
) -> None:
    """Send frames at their rate until there are no more, or ``stop`` is set; ``sent`` is told of each at its time."""
    begin = time.monotonic()
    for index, frame in enumerate(frames):
        _until(begin + index / frame_rate, lambda: _obey(sender, link))
        if stop.is_set():
            break
        sent(index, frame)
        send_all(link, sender.frame(frame))
    farewell = sender.finish()
    for _ in range(_GOODBYES):
        send_all(link, farewell)
        _until(time.monotonic() + 0.1, lambda: _obey(sender, link))


def receive_call(receiver: Receiver, link: Link, show: Callable[[Shown], None], *, stop: threading.Event) -> CallReport:
    """Show what comes, until the sender ends the call or falls silent, or ``stop`` is set."""
    began = last = time.monotonic()
    heard: float | None = None
    frames = concealed = 0
    outage = longest = 0.0
    while not (receiver.ended or stop.is_set()):
        now = time.monotonic()
        for datagram in link.received():
            receiver.receive(datagram, now)
            heard = heard or now
        for shown in receiver.poll(now):
            outage = outage + shown.due - last if shown.concealed else 0.0
            last, longest = shown.due, max(longest, outage)
            frames, concealed = frames + 1, concealed + shown.concealed
            show(shown)
        send_all(link, receiver.feedback(now))
        if receiver.silent(now) or (heard is None and now - began > _NOBODY):
            break
        time.sleep(_TICK)
    seconds = max(1e-3, time.monotonic() - (heard or began))
    return CallReport(frames, concealed, receiver.skipped_frames, 8e-3 * receiver.received_bytes / seconds, longest)


def call_oneself(
    frames: Iterable[Frame],
    sender: Sender,
    receiver: Receiver,
    links: tuple[Link, Link],
    show: Callable[[Shown], None],
    *,
    frame_rate: float,
    sent: Callable[[int, Frame], None] = lambda index, frame: None,
) -> CallReport:
    """Both ends of a call in this program: the sender's loop in a thread, ``links`` its end and the receiver's."""
    errors: list[BaseException] = []
    stop = threading.Event()
    _warm_up(sender, receiver)

    def work() -> None:
        try:
            send_call(frames, sender, links[0], frame_rate=frame_rate, stop=stop, sent=sent)
        except BaseException as error:
            errors.append(error)
            stop.set()

    thread = threading.Thread(target=work, name="nvc-sending", daemon=True)
    thread.start()
    try:
        report = receive_call(receiver, links[1], show, stop=stop)
    finally:
        stop.set()
        thread.join(5.0)
    if errors:
        raise errors[0]
    return report


def _warm_up(sender: Sender, receiver: Receiver) -> None:
    """Code and draw two grey frames: the first of a network takes longer than a frame has."""
    grey = np.full((3, sender.encoder.side, sender.encoder.side), 128, np.uint8)
    for _ in range(2):
        for unit in sender.encoder.encode(grey):
            receiver.decoder.decode(unit.to_bytes())
    sender.encoder.reset()
    receiver.decoder.reset()


def _obey(sender: Sender, link: Link) -> None:
    now = time.monotonic()
    for datagram in link.received():
        send_all(link, sender.feedback(datagram, now))


def _until(when: float, work: Callable[[], None]) -> None:
    while True:
        work()
        rest = when - time.monotonic()
        if rest <= 0:
            return
        time.sleep(min(_TICK, rest))
