"""The leaky bucket of live rate control: what has been sent and has not gone through the line yet.

The line drains ``bitrate`` bits a second; the bucket holds what ``delay_ms`` of it carry. Nothing that would make it
overflow is ever let in, so no byte waits longer than the delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

MIN_DELAY_MS, MAX_DELAY_MS = 20, 60_000


@dataclass(frozen=True)
class Option:
    """A way to send a frame: what it costs (bytes), and how good it is (any scale, higher is better)."""

    cost: int
    worth: float


class LeakyBucket:
    """Fill level in bits, as an exact fraction, so that nothing drifts over hours."""

    def __init__(self, *, bitrate: float, delay_ms: float, frame_rate: float | Fraction) -> None:
        """Set up; ``bitrate`` in bit/s. Raises ValueError for a value out of range."""
        if not 0 < bitrate < float("inf"):
            raise ValueError(f"bitrate is {bitrate}; it must be more than 0 bit/s")
        if not MIN_DELAY_MS <= delay_ms <= MAX_DELAY_MS:
            raise ValueError(f"the bucket's delay is {delay_ms} ms; it must be {MIN_DELAY_MS} to {MAX_DELAY_MS}")
        if frame_rate <= 0:
            raise ValueError(f"frame_rate is {frame_rate}; it must be more than 0")
        self.rate = Fraction(bitrate)  #: bit/s
        self._period = 1 / Fraction(frame_rate)
        self.capacity = self.rate * Fraction(delay_ms) / 1000  #: bits
        self.level = Fraction(0)  #: bits

    @property
    def room(self) -> int:
        """Whole bytes that fit now."""
        return int((self.capacity - self.level) // 8)

    @property
    def fullness(self) -> float:
        """0, empty, to 1, full."""
        return float(self.level / self.capacity)

    def tick(self) -> float:
        """A frame's time goes by: the line drains. Returns the bits that it could have carried besides."""
        left = self.level - self.rate * self._period
        self.level = max(Fraction(0), left)
        return float(self.level - left)

    def put(self, size: int) -> None:
        """Send so many bytes. Raises ValueError when they do not fit: ask ``room`` first."""
        if not 0 <= size <= self.room:
            raise ValueError(f"{size} bytes do not fit into the bucket, which has room for {self.room}")
        self.level += 8 * size

    def best(self, options: Sequence[Option]) -> int | None:
        """Which of some ways to send a frame is the best that fits, or None where none does.

        A fuller bucket looks at cost as well: with it full to the brim a byte must be worth as much as all the room
        is, so that one frame does not take what the next ones need.
        """
        fitting = [k for k, option in enumerate(options) if option.cost <= self.room]
        if not fitting:
            return None
        dearest = max(options[k].cost for k in fitting) or 1
        span = max(options[k].worth for k in fitting) - min(options[k].worth for k in fitting)
        price = span * self.fullness / (1.001 - self.fullness) / dearest
        return max(fitting, key=lambda k: (options[k].worth - price * options[k].cost, -options[k].cost))
