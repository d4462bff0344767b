"""A call over UDP sockets: a sender and a receiver in threads of one program, or each in its own."""

from __future__ import annotations

import queue
import random
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nvc.encoder import Frame
from nvc.live.network import Conditions, Network
from nvc.live.receiver import Receiver, Shown
from nvc.live.sender import Sender

Address = tuple[str, int]

_TICK = 0.004  # seconds that a loop sleeps at most
_MAX_DATAGRAM = 65_536
_GOODBYES = 3
_NOBODY = 10.0  # seconds after which a receiver that hears nothing gives up


@dataclass(frozen=True)
class CallReport:
    """What a call was like: frames shown, those made up, kbit/s received, and how long seconds without a real frame."""

    frames: int
    concealed: int
    kilobits: float
    longest_outage: float

    def summary(self) -> str:
        """One line for people."""
        return (
            f"{self.frames} frames, {self.concealed} concealed, {self.kilobits:.1f} kbit/s, "
            f"longest outage {self.longest_outage:.2f} s"
        )


class LossyPath:
    """Sends datagrams through a socket as a bad network would: some late, some never."""

    def __init__(self, send: Callable[[bytes], object], conditions: Conditions, seed: int) -> None:
        self._send = send
        self._network = Network(conditions, seed)

    def send(self, datagrams: Iterable[bytes]) -> None:
        """Take datagrams."""
        now = time.monotonic()
        for datagram in datagrams:
            self._network.send(datagram, now)
        self.pump()

    def pump(self) -> None:
        """Let out what is due."""
        for datagram in self._network.arrived(time.monotonic()):
            self._send(datagram)


def send_call(
    frames: Iterable[Frame], sender: Sender, target: Address, *, frame_rate: float, conditions: Conditions, seed: int
) -> None:
    """Send frames at their rate to ``target`` until there are no more. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.setblocking(False)
        path = LossyPath(lambda datagram: channel.sendto(datagram, target), conditions, seed)
        begin = time.monotonic()
        for index, frame in enumerate(frames):
            _wait_until(begin + index / frame_rate, lambda: _listen(channel, sender, path))
            path.send(sender.frame(frame))
        farewell = sender.finish()
        for _ in range(_GOODBYES):
            path.send(farewell)
            _wait_until(time.monotonic() + 0.1, lambda: _listen(channel, sender, path))


def receive_call(
    channel: socket.socket, receiver: Receiver, show: Callable[[Shown], None], *, stop: threading.Event
) -> CallReport:
    """Show what comes from the first sender that is heard, until it ends, falls silent, or ``stop`` is set."""
    channel.setblocking(False)
    sender: Address | None = None
    began = time.monotonic()
    frames = concealed = 0
    outage = longest = 0.0
    last = began
    while not (receiver.ended or stop.is_set()):
        now = time.monotonic()
        for datagram, address in _received(channel):
            sender = sender or address
            if address == sender:
                receiver.receive(datagram, now)
        for shown in receiver.poll(now):
            outage = outage + shown.due - last if shown.concealed else 0.0
            last, longest = shown.due, max(longest, outage)
            frames, concealed = frames + 1, concealed + shown.concealed
            show(shown)
        for datagram in receiver.feedback(now):
            if sender is not None:
                channel.sendto(datagram, sender)
        if receiver.silent(now) or (sender is None and now - began > _NOBODY):
            break
        time.sleep(_TICK)
    seconds = max(1e-3, time.monotonic() - began)
    return CallReport(frames, concealed, 8e-3 * receiver.received_bytes / seconds, longest)


def loopback_call(
    frames: Iterable[Frame],
    sender: Sender,
    receiver: Receiver,
    show: Callable[[Shown], None],
    *,
    frame_rate: float,
    conditions: Conditions | None = None,
    seed: int | None = None,
) -> CallReport:
    """A call from this program to itself through real sockets on the loopback interface."""
    errors: queue.Queue[BaseException] = queue.Queue()
    stop = threading.Event()
    seed = random.randrange(1 << 30) if seed is None else seed
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        target = channel.getsockname()

        def work() -> None:
            try:
                send_call(
                    frames, sender, target, frame_rate=frame_rate, conditions=conditions or Conditions(), seed=seed
                )
            except BaseException as error:
                errors.put(error)
                stop.set()

        thread = threading.Thread(target=work, name="nvc-sending", daemon=True)
        thread.start()
        report = receive_call(channel, receiver, show, stop=stop)
        thread.join(5.0)
    if not errors.empty():
        raise errors.get()
    return report


def _listen(channel: socket.socket, sender: Sender, path: LossyPath) -> None:
    now = time.monotonic()
    for datagram, _ in _received(channel):
        path.send(sender.feedback(datagram, now))
    path.pump()


def _received(channel: socket.socket) -> Iterator[tuple[bytes, Address]]:
    while True:
        try:
            yield channel.recvfrom(_MAX_DATAGRAM)
        except (BlockingIOError, ConnectionRefusedError):
            return


def _wait_until(when: float, work: Callable[[], None]) -> None:
    while True:
        work()
        rest = when - time.monotonic()
        if rest <= 0:
            return
        time.sleep(min(_TICK, rest))
