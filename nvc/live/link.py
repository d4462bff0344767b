"""What a call needs of a network: datagrams to the other end, and those that have come from it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable
from typing import Protocol

from nvc.live.network import Conditions, Network

Address = tuple[str, int]
_MAX_DATAGRAM = 65_536


class Link(Protocol):
    """One end of a path."""

    def send(self, datagram: bytes) -> None:
        """Send a datagram, or lose it; never waits."""

    def received(self) -> list[bytes]:
        """The datagrams that have come since the last call; never waits."""


class UdpLink:
    """A UDP socket; without a ``peer`` it answers the first one that is heard."""

    def __init__(self, *, peer: Address | None = None, bind: Address | None = None) -> None:
        """Raises OSError when the address is taken or not here."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._peer = peer
        if bind is not None:
            self._socket.bind(bind)

    @property
    def address(self) -> Address:
        """Where this end can be reached."""
        host, port = self._socket.getsockname()
        return host, port

    def __enter__(self) -> UdpLink:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def send(self, datagram: bytes) -> None:
        """As of `Link`."""
        if self._peer is None:
            return
        try:
            self._socket.sendto(datagram, self._peer)
        except (BlockingIOError, ConnectionRefusedError):
            return  # lost, as datagrams may be

    def received(self) -> list[bytes]:
        """As of `Link`."""
        datagrams: list[bytes] = []
        while True:
            try:
                datagram, address = self._socket.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return datagrams
            except ConnectionRefusedError:
                continue
            self._peer = self._peer or address
            if address == self._peer:
                datagrams.append(datagram)


class LossyLink:
    """A link whose sending loses, delays and reorders."""

    def __init__(
        self, link: Link, conditions: Conditions, seed: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._network = Network(conditions, seed)
        self._clock = clock

    def send(self, datagram: bytes) -> None:
        """As of `Link`."""
        self._network.send(datagram, self._clock())
        self._let_out()

    def received(self) -> list[bytes]:
        """As of `Link`."""
        self._let_out()
        return self._link.received()

    def _let_out(self) -> None:
        for datagram in self._network.arrived(self._clock()):
            self._link.send(datagram)


def send_all(link: Link, datagrams: Iterable[bytes]) -> None:
    """Send some datagrams."""
    for datagram in datagrams:
        link.send(datagram)
