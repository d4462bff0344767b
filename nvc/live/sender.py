"""The sending end of a call: frames in, datagrams out, feedback obeyed."""

from __future__ import annotations

import random
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path

from bitstream import UnitType
from nvc.encoder import Encoder, Frame
from nvc.key_placement import KeyPolicy
from nvc.live import rtp
from nvc.models import zoo
from nvc.models.interface import CodecModel
from nvc.rate import DEFAULT_QUALITY

_HISTORY = 512  # packets that can be sent again
_KEY_SPACING = 0.3  # seconds between key frames on request: the answer to the first may be on its way
REFRESH = 10.0


class Sender:
    """Encodes frames as they come and packs them. Times are seconds of any one clock."""

    def __init__(
        self,
        *,
        side: int,
        frame_rate: float | Fraction,
        model: str | Path | CodecModel = zoo.DEFAULT_MODEL,
        quality: int = DEFAULT_QUALITY,
        refresh: float = REFRESH,
        device: str = "auto",
        rng: random.Random | None = None,
    ) -> None:
        """Set up.

        Args:
            side: of the square frames, in pixels.
            frame_rate: frames a second.
            model, quality, device: as of `Encoder`.
            refresh: seconds between key frames at most.
            rng: where identifiers come from; for tests.
        """
        rate = Fraction(frame_rate).limit_denominator(100_000)
        self.encoder = Encoder(
            width=side,
            height=side,
            frame_rate=rate,
            model=model,
            quality=quality,
            key_policy=KeyPolicy.for_rate(float(rate), keyint=refresh),
            group_size=1,
            error_resilient=True,
            device=device,
        )
        rng = rng or random.SystemRandom()
        self.source = rng.getrandbits(32)
        origin = rng.getrandbits(32)
        self._packetiser = rtp.Packetiser(rate, source=self.source, sequence=rng.getrandbits(16), timestamp=origin)
        self._index = 0
        self._history: OrderedDict[int, bytes] = OrderedDict()
        self._asked = float("-inf")
        self._doubtful = False  # whether the next key frame is one that was asked for
        self._repeat: list[bytes] = []
        self.sent_bytes = 0
        self.resent_packets = 0
        self.keys_requested = 0

    def frame(self, frame: Frame) -> list[bytes]:
        """The datagrams of the next frame, uint8 [3, side, side] RGB."""
        units = self.encoder.encode(frame)
        datagrams = self._datagrams(self._packetiser.frame(self._index, units), advance=1)
        again, self._repeat = self._repeat, []
        if self._doubtful and any(unit.type is UnitType.KEYFRAME for unit in units):
            # Who asked has a bad path: the answer goes out once more a frame later, when a burst of losses is over.
            self._repeat, self._doubtful = datagrams, False
        self.sent_bytes += sum(map(len, again))
        return datagrams + again

    def finish(self) -> list[bytes]:
        """The datagrams that end the call; send them more than once, nothing says whether they arrived."""
        return self._datagrams(self._packetiser.frame(self._index, self.encoder.flush()), advance=0)

    def feedback(self, datagram: bytes, now: float) -> list[bytes]:
        """What a receiver says; the datagrams to send again. Anything else is ignored."""
        wish = rtp.parse_feedback(datagram, self.source)
        if wish.key_frame and now - self._asked >= _KEY_SPACING:
            self._asked = now
            self._doubtful = True
            self.keys_requested += 1
            self.encoder.request_key_frame()
        again = [self._history[number] for number in wish.again if number in self._history]
        self.resent_packets += len(again)
        self.sent_bytes += sum(map(len, again))
        return again

    def _datagrams(self, packets: list[rtp.Packet], *, advance: int) -> list[bytes]:
        self._index += advance
        datagrams = [packet.to_bytes() for packet in packets]
        for packet, datagram in zip(packets, datagrams, strict=True):
            self._history[packet.sequence] = datagram
            self._history.move_to_end(packet.sequence)
        while len(self._history) > _HISTORY:
            self._history.popitem(last=False)
        self.sent_bytes += sum(map(len, datagrams))
        return datagrams
