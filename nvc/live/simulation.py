"""A call in virtual time: sender, two directions of a network, receiver. The same every time it is run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nvc.encoder import Frame
from nvc.live.network import Network
from nvc.live.receiver import Receiver, Shown
from nvc.live.sender import Sender

_STEP = 0.005  # seconds between looks at the network
_GOODBYES = 6  # how often the end of the call is said


@dataclass
class Call:
    """What came of a call: ``shown`` pictures, and ``outages``, seconds from each made-up picture to the next real one.

    An outage that the end of the call cuts short is counted as it stands.
    """

    shown: list[Shown] = field(default_factory=list)

    @property
    def concealed(self) -> int:
        """How many pictures were made up."""
        return sum(shown.concealed for shown in self.shown)

    @property
    def outages(self) -> list[float]:
        """Lengths of the runs of made-up pictures, in seconds."""
        lengths: list[float] = []
        began: float | None = None
        for shown in self.shown:
            if shown.concealed and began is None:
                began = shown.due
            elif not shown.concealed and began is not None:
                lengths.append(shown.due - began)
                began = None
        return lengths if began is None else [*lengths, self.shown[-1].due - began]


def simulate(
    frames: Iterable[Frame], sender: Sender, receiver: Receiver, *, there: Network, back: Network, frame_rate: float
) -> Call:
    """Send frames at their rate through ``there``, feedback through ``back``, until the receiver has shown them."""
    call, source, now, index = Call(), iter(frames), 0.0, 0
    goodbyes, ended_at = _GOODBYES, None
    while not receiver.ended and not receiver.silent(now):
        if ended_at is None and now >= index / frame_rate:
            frame = next(source, None)
            if frame is None:
                ended_at, farewell = now, sender.finish()
            else:
                _send(there, sender.frame(frame), now)
            index += 1
        if ended_at is not None and goodbyes and now >= ended_at:
            _send(there, farewell, now)
            goodbyes, ended_at = goodbyes - 1, now + 0.1
        for datagram in there.arrived(now):
            receiver.receive(datagram, now)
        call.shown += receiver.poll(now)
        _send(back, receiver.feedback(now), now)
        for datagram in back.arrived(now):
            _send(there, sender.feedback(datagram, now), now)
        now += _STEP
        if ended_at is not None and now > ended_at + 10:  # nothing has ever come
            break
    return call


def _send(network: Network, datagrams: Iterable[bytes], now: float) -> None:
    for datagram in datagrams:
        network.send(datagram, now)
