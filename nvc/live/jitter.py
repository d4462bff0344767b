"""The jitter buffer: packets in any order, frames by their time; and which packets are missing."""

from __future__ import annotations

from collections import OrderedDict

from nvc.live.rtp import Packet

_KEPT = 4096  # packets held at most, whatever a sender does
_RETRY = 0.06  # seconds until a packet is asked for again
_TRIES = 4
_PATIENCE = 0.02  # seconds that a packet may come out of order before it is asked for


class JitterBuffer:
    """Holds the packets of frames that have not been shown. Times are seconds of any one clock."""

    def __init__(self, *, patience: float = 4 * _RETRY) -> None:
        """``patience``: seconds after which a packet is of no use any more and not asked for."""
        self._tries = max(1, min(_TRIES, int(patience / _RETRY)))
        self._frames: OrderedDict[int, dict[int, Packet]] = OrderedDict()  # timestamp, then extended sequence number
        self._highest: int | None = None
        self._wanted: dict[int, tuple[float, int]] = {}  # missing packet: when to ask next, how often asked
        self._count = 0

    def put(self, packet: Packet, now: float) -> bool:
        """Take a packet; whether it is new."""
        number = self._extended(packet.sequence)
        frame = self._frames.get(packet.timestamp, {})
        if number in frame:
            return False
        if self._count >= _KEPT:
            self.take(next(iter(self._frames)))
        self._note_gap(number, now)
        self._frames.setdefault(packet.timestamp, {})[number] = packet
        self._count += 1
        return True

    def frame(self, timestamp: int) -> list[Packet]:
        """The packets of a frame so far, in order."""
        frame = self._frames.get(timestamp, {})
        return [frame[number] for number in sorted(frame)]

    def take(self, timestamp: int) -> list[Packet]:
        """As :meth:`frame`, and forget them."""
        packets = self.frame(timestamp)
        self._count -= len(packets)
        self._frames.pop(timestamp, None)
        return packets

    def is_complete(self, timestamp: int) -> bool:
        """Whether the packets of a frame follow each other from the start of a unit to the marker."""
        frame = self._frames.get(timestamp, {})
        numbers = sorted(frame)
        if not numbers or not frame[numbers[0]].begins or not frame[numbers[-1]].marker:
            return False
        return numbers[-1] - numbers[0] + 1 == len(numbers)

    def missing(self, now: float) -> list[int]:
        """Sequence numbers to ask for now; each is given again after a while, a few times."""
        due = []
        for number, (when, tries) in list(self._wanted.items()):
            if when <= now:
                due.append(number & 0xFFFF)
                if tries + 1 == self._tries:
                    del self._wanted[number]
                else:
                    self._wanted[number] = (now + _RETRY, tries + 1)
        return due

    def _extended(self, sequence: int) -> int:
        if self._highest is None:
            return sequence
        ahead = (sequence - self._highest + 0x8000 & 0xFFFF) - 0x8000
        return self._highest + ahead

    def _note_gap(self, number: int, now: float) -> None:
        self._wanted.pop(number, None)
        if self._highest is None:
            self._highest = number
        first = max(self._highest + 1, number - 64)  # a longer gap is an outage: a key frame helps, not packets
        for lost in range(first, number):
            self._wanted[lost] = (now + _PATIENCE, 0)
        self._highest = max(self._highest, number)
