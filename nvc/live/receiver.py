"""The receiving end of a call: datagrams in, one picture a frame time out, whatever the network does."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from bitstream import BitstreamError, End, Resync, make_unit
from nvc.decoder import Decoder
from nvc.live import rtp
from nvc.live.jitter import JitterBuffer
from nvc.models.interface import CodecModel
from nvc.renderer import Picture

DELAY = 0.15
_ASK_EVERY = 0.2  # seconds between requests for a key frame
_SILENCE = 2.0  # seconds without a packet after which the call is over
_TOO_LATE = 10  # packets in a row after their time, then frames are shown later
_WINDOW = 50  # packets that must all be early, by more than _WORTHWHILE seconds, before frames are shown earlier
_WORTHWHILE = 0.06
_BEHIND = 0.5  # seconds by which showing may be late before frames are left out
_END = make_unit(End()).to_bytes()[:1]  # how a packet begins that says that the call is over
_PAST = 64  # frames after their time for which a key frame may still come


@dataclass(frozen=True)
class Shown:
    """A picture at its time.

    ``index``: of the frame; ``picture``: uint8 [3, S, S] RGB; ``concealed``: it stands in for one that is not there;
    ``due``: when it is to be shown.
    """

    index: int
    picture: Picture
    concealed: bool
    due: float


class Receiver:
    """Decodes what arrives and hides what does not. Times are seconds of any one clock."""

    def __init__(
        self,
        *,
        delay: float = DELAY,
        retransmission: bool = True,
        model: str | Path | CodecModel | None = None,
        device: str = "auto",
    ) -> None:
        """Set up.

        Args:
            delay: seconds from the arrival of the first key frame until it is shown: what the network may be late.
            retransmission: ask for lost packets again.
            model, device: as of `Decoder`.
        """
        if not 0 <= delay <= 10:
            raise ValueError(f"delay is {delay}; it must be 0 to 10 seconds")
        self.decoder = Decoder(model=model, device=device)
        self._delay = delay
        self._retransmission = retransmission
        self._buffer = JitterBuffer(patience=delay)
        self._source: int | None = None
        self._origin: int | None = None  # timestamp of index 0
        self._known_keys = -1
        self._lost = False
        self._began = 0.0  # when index 0 would have been shown
        self._next = 0
        self._first: Picture | None = None
        self._heard: float | None = None
        self._wants_key = False
        self._asked = float("-inf")
        self.received_bytes = 0
        self.late_packets = 0
        self.skipped_frames = 0
        self._late_run = 0
        self._latest_late = -1
        self._slacks: list[float] = []

    def receive(self, datagram: bytes, now: float) -> None:
        """Take a datagram; what is not for this call is ignored."""
        try:
            packet = rtp.Packet.from_bytes(datagram)
        except rtp.NotRtp:
            return
        if self._source not in (None, packet.source):
            return
        if self._heard is None:
            self._asked = now  # the first key frame may be under way
        self._source, self._heard = packet.source, now
        self.received_bytes += len(datagram)
        if not self._buffer.put(packet, now):
            return
        if self._origin is None:
            if self._buffer.is_complete(packet.timestamp):
                self._start(packet, now)
        elif self._index_of(packet.timestamp) < self._next:
            self._late(packet, now)
        else:
            self._early(packet, now)

    def poll(self, now: float) -> list[Shown]:
        """The pictures whose time has come."""
        shown: list[Shown] = []
        while self._origin is not None and not self.ended:
            due = self._began + float(self._next / self._rate)
            if due > now or self._silent(due):
                break
            if now - due > _BEHIND and self._skip():
                continue
            picture, concealed = self._picture()
            if not self.decoder.ended:
                shown.append(Shown(self._next, picture, concealed, due))
            self._next += 1
        return shown

    def next_due(self) -> float | None:
        """When the next picture is to be shown; None before the first key frame."""
        return None if self._origin is None else self._began + float(self._next / self._rate)

    def feedback(self, now: float) -> list[bytes]:
        """What to tell the sender now."""
        if self._source is None:
            return []
        datagrams = []
        if self._retransmission and (numbers := self._buffer.missing(now)):
            datagrams.append(rtp.missing(self._source, numbers))
        if (self._wants_key or self._origin is None) and now - self._asked >= _ASK_EVERY:
            self._asked = now
            datagrams.append(rtp.picture_loss(self._source))
        return datagrams

    @property
    def ended(self) -> bool:
        """Whether the sender has said that the call is over."""
        return self.decoder.ended

    def silent(self, now: float) -> bool:
        """Whether nothing has come for so long that the call must be over."""
        return self._heard is not None and self._silent(now)

    @property
    def _rate(self) -> Fraction:
        sequence = self.decoder.sequence
        return Fraction(25) if sequence is None else sequence.frame_rate

    def _silent(self, now: float) -> bool:
        return self._heard is not None and now - self._heard > _SILENCE

    def _index_of(self, timestamp: int) -> int:
        """The index near the next one that has this timestamp: timestamps go round in thirteen hours."""
        ahead = (timestamp - self._timestamp_of(self._next) + (1 << 31) & 0xFFFFFFFF) - (1 << 31)
        return self._next + round(ahead * self._rate / rtp.CLOCK)

    def _timestamp_of(self, index: int) -> int:
        return (self._origin or 0) + rtp.ticks(index, self._rate) & 0xFFFFFFFF

    def _start(self, packet: rtp.Packet, now: float) -> None:
        """Begin with the first key frame that is whole."""
        pictures = self._decode(self._buffer.frame(packet.timestamp))
        key = self.decoder.key
        if not pictures or key is None:
            return  # its packets are kept: one before those that are here may be under way
        self._buffer.take(packet.timestamp)
        self._first, self._next = pictures[-1], key.presentation_index
        self._origin = packet.timestamp - rtp.ticks(self._next, self._rate)
        self._began = now + self._delay - float(self._next / self._rate)

    def _picture(self) -> tuple[Picture, bool]:
        """The picture of the frame that is due, and whether it had to be made up."""
        if self._first is not None:
            picture, self._first = self._first, None
            return picture, False
        packets = self._buffer.take(self._timestamp_of(self._next))
        pictures = self._decode(packets)
        if packets:
            self._late_run = 0
        if pictures:
            return pictures[-1], False
        self._lost = True
        concealed = self.decoder.conceal()
        if concealed is None:
            raise RuntimeError("a call that has begun has a picture")
        return concealed, True

    def _skip(self) -> bool:
        """Leave the frame out that is due, as there is no time to draw it; not where a key frame is."""
        timestamp = self._timestamp_of(self._next)
        packets = self._buffer.frame(timestamp)
        if self._first is not None or not packets or packets[-1].key_count != self._known_keys:
            return False
        if not self._buffer.frame(self._timestamp_of(self._next + 1)):
            return False  # the last one that is there is shown, and it may end the call
        self._buffer.take(timestamp)
        self.decoder.damage()
        self._lost = True
        self._next += 1
        self.skipped_frames += 1
        return True

    def _late(self, packet: rtp.Packet, now: float) -> None:
        """A packet whose frame has been shown: worth something only if it completes a key frame."""
        if packet.begins and packet.data[:1] == _END:
            with suppress(BitstreamError):
                self.decoder.decode(packet.data)
            return
        index = self._index_of(packet.timestamp)
        if index > self._latest_late:  # what is sent again says nothing of the path
            self._latest_late = index
            self._late_run += 1
        if self._late_run >= _TOO_LATE:  # not jitter: the path has become longer, or the sender is slow
            self._late_run = 0
            self._began = max(self._began, now + self._delay - float(index / self._rate))
        new_key = packet.key_count != self._known_keys
        if self._lost and new_key and index > self._next - _PAST and self._buffer.is_complete(packet.timestamp):
            self._decode(self._buffer.take(packet.timestamp))
            self.decoder.damage()  # the frames after it have been shown: motion goes on at the next one
            self._lost = True
        elif index <= self._next - _PAST or not new_key:
            self.late_packets += 1
            self._buffer.take(packet.timestamp)

    def _early(self, packet: rtp.Packet, now: float) -> None:
        """A packet whose frame is still to be shown: when all wait longer than they need, frames are shown earlier."""
        due = self._began + float(self._index_of(packet.timestamp) / self._rate)
        self._slacks.append(due - now)
        if len(self._slacks) == _WINDOW:
            spare = min(self._slacks) - self._delay
            self._slacks.clear()
            if spare > _WORTHWHILE:
                self._began -= spare

    def _decode(self, packets: list[rtp.Packet]) -> list[Picture]:
        """Pictures of a frame's packets; what is damaged gives none."""
        data = rtp.whole_units(packets)
        if not data:
            return []
        count = packets[-1].key_count
        before = self.decoder.key
        try:
            if self._lost and count == self._known_keys and before is not None:
                index = self._index_of(packets[-1].timestamp)
                mark = Resync(index, index - before.presentation_index)
                self.decoder.decode(make_unit(mark).to_bytes())
            pictures = self.decoder.decode(data)
        except BitstreamError:
            self._wants_key = self._lost = True
            return []
        if self.decoder.key is not before:
            self._known_keys = count
        self._wants_key = count != self._known_keys
        self._lost = self._lost and not pictures
        return pictures
