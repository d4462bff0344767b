"""Live calls: RTP packets, a jitter buffer, a sender and a receiver that know no socket and no clock of their own."""

from __future__ import annotations

from nvc.live.receiver import Receiver, Shown
from nvc.live.sender import Sender

__all__ = ["Receiver", "Sender", "Shown"]
