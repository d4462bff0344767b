"""A network that loses, delays and reorders, made from a seed: the same every time."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a network does to datagrams.

    Attributes:
        loss: part of the datagrams that is lost, 0 to 1.
        burst: how many are lost in a row, on the mean (Gilbert-Elliott: a good state that loses nothing, a bad one that
            loses everything).
        delay: seconds that every datagram takes at least.
        jitter: seconds that it may take longer, uniformly; what is sent later may come earlier.
        reorder: part of the datagrams that is held back for ``held`` seconds more.
    """

    loss: float = 0.0
    burst: float = 3.0
    delay: float = 0.02
    jitter: float = 0.0
    reorder: float = 0.0
    held: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.loss < 1 or not 0 <= self.reorder <= 1:
            raise ValueError(f"loss and reorder are {self.loss} and {self.reorder}; they must be 0 to 1")
        if self.burst < 1 or min(self.delay, self.jitter, self.held) < 0:
            raise ValueError("burst must be 1 or more, and no time below 0")


class Network:
    """One direction of a path. Times are seconds of any one clock."""

    def __init__(self, conditions: Conditions, seed: int) -> None:
        self.conditions = conditions
        self._rng = random.Random(seed)
        self._bad = False
        self._under_way: list[tuple[float, int, bytes]] = []
        self._count = 0
        self.sent = self.lost = 0

    def send(self, datagram: bytes, now: float) -> None:
        """Take a datagram."""
        c, rng = self.conditions, self._rng
        leave = 1 / c.burst
        enter = leave * c.loss / (1 - c.loss)
        self._bad = rng.random() < (1 - leave if self._bad else min(1.0, enter))
        late = c.held if rng.random() < c.reorder else 0.0
        arrival = now + c.delay + c.jitter * rng.random() + late
        self.sent += 1
        self.lost += self._bad
        if not self._bad:
            self._count += 1
            heapq.heappush(self._under_way, (arrival, self._count, datagram))

    def arrived(self, now: float) -> list[bytes]:
        """The datagrams that have come by now, in the order of arrival."""
        datagrams = []
        while self._under_way and self._under_way[0][0] <= now:
            datagrams.append(heapq.heappop(self._under_way)[2])
        return datagrams
