"""Calls over WebRTC: the same packets as messages of a data channel, unordered and never sent again by it.

Needs the ``rtc`` extra (aiortc). The event loop of WebRTC runs in a thread of its own; the ends of a call stay as they
are and see a `Link`.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from typing import Any

from nvc.live.link import Link

_LABEL = "nvc"
_CONNECT = 20.0  # seconds


class RtcUnavailable(ImportError, ValueError):
    """aiortc is not installed."""


class RtcError(OSError):
    """The two ends did not find each other."""


class ChannelLink:
    """One end of a data channel."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: Any) -> None:
        self._loop = loop
        self._channel = channel
        self._inbox: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        channel.on("message", self._take)

    def _take(self, message: bytes | str) -> None:
        if isinstance(message, bytes):
            self._inbox.put(message)

    def send(self, datagram: bytes) -> None:
        """As of `Link`."""
        if self._channel.readyState == "open":
            self._loop.call_soon_threadsafe(self._channel.send, datagram)

    def received(self) -> list[bytes]:
        """As of `Link`."""
        datagrams: list[bytes] = []
        while True:
            try:
                datagrams.append(self._inbox.get_nowait())
            except queue.Empty:
                return datagrams


class RtcPair:
    """Two peers of this program, connected through the network stack: ICE, DTLS, SCTP and all."""

    def __init__(self) -> None:
        """Connect them. Raises RtcUnavailable without aiortc, RtcError when it takes more than twenty seconds."""
        try:
            import aiortc
        except ImportError as error:
            raise RtcUnavailable("WebRTC needs the rtc extra: pip install 'nvc[rtc]'") from error
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="nvc-rtc", daemon=True)
        self._thread.start()
        self._peers: list[Any] = []
        work = asyncio.run_coroutine_threadsafe(self._connect(aiortc), self._loop)
        try:
            self.links: tuple[Link, Link] = work.result(_CONNECT)
        except BaseException as error:
            work.cancel()
            self.close()
            if isinstance(error, TimeoutError):
                raise RtcError("the WebRTC peers did not find each other") from error
            raise

    def __enter__(self) -> RtcPair:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._loop.is_closed():
            return
        closing = asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop)
        try:
            closing.result(5.0)
        except TimeoutError:
            closing.cancel()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5.0)
        self._loop.close()

    async def _hang_up(self) -> None:
        await asyncio.gather(*(peer.close() for peer in self._peers), return_exceptions=True)

    async def _connect(self, aiortc: Any) -> tuple[Link, Link]:
        configuration = aiortc.RTCConfiguration(iceServers=[])  # nobody outside is asked
        caller, callee = (aiortc.RTCPeerConnection(configuration) for _ in range(2))
        self._peers = [caller, callee]
        here = caller.createDataChannel(_LABEL, ordered=False, maxRetransmits=0)
        opened, arrived = asyncio.Event(), self._loop.create_future()
        here.on("open", opened.set)
        callee.on("datachannel", arrived.set_result)
        await caller.setLocalDescription(await caller.createOffer())
        await callee.setRemoteDescription(caller.localDescription)
        await callee.setLocalDescription(await callee.createAnswer())
        await caller.setRemoteDescription(callee.localDescription)
        there = await arrived
        links = ChannelLink(self._loop, here), ChannelLink(self._loop, there)
        await opened.wait()
        return links
