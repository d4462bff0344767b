"""Calls go on, whatever the network does: loss, bursts, reordering, garbage. All in virtual time."""

from __future__ import annotations

import functools
import random
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitstream import Unit, UnitType
from nvc.live import rtp
from nvc.live.jitter import JitterBuffer
from nvc.live.network import Conditions, Network
from nvc.live.receiver import Receiver
from nvc.live.sender import Sender
from nvc.live.simulation import Call, simulate
from nvc.models import zoo
from nvc.models.interface import CodecModel

RATE = Fraction(25)


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    """Four seconds of the demo clip at 64 x 64."""
    from nvc.demo import make_clip

    return list(make_clip(seconds=4, side=64))


@functools.cache
def zoo_tiny() -> CodecModel:
    return zoo.load("tiny-64")


@pytest.fixture(scope="module")
def stream(clip: list[np.ndarray]) -> list[bytes]:
    """Datagrams of six frames."""
    sender = Sender(side=64, frame_rate=RATE, model=zoo_tiny(), rng=random.Random(3), device="cpu")
    return [datagram for frame in clip[:6] for datagram in sender.frame(frame)]


def call(
    clip: list[np.ndarray], there: Conditions, *, back: Conditions | None = None, seed: int = 1, **options
) -> Call:
    model = zoo_tiny()
    sender = Sender(side=64, frame_rate=RATE, model=model, refresh=2.0, rng=random.Random(seed), device="cpu")
    receiver = Receiver(model=model, device="cpu", **options)
    directions = {"there": Network(there, seed), "back": Network(back or Conditions(), seed + 1)}
    return simulate(clip, sender, receiver, **directions, frame_rate=float(RATE))


def test_without_loss_every_frame_is_shown_in_time(clip: list[np.ndarray]) -> None:
    result = call(clip, Conditions())
    assert [shown.index for shown in result.shown] == list(range(len(clip)))
    assert not result.concealed and not result.outages
    times = np.diff([shown.due for shown in result.shown])
    assert np.allclose(times, 1 / 25)


def test_reordering_within_the_delay_changes_nothing(clip: list[np.ndarray]) -> None:
    calm = call(clip, Conditions())
    wild = call(clip, Conditions(jitter=0.06, reorder=0.3, held=0.04))
    assert not wild.concealed
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(calm.shown, wild.shown, strict=True))


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("retransmission", [True, False])
def test_with_loss_the_call_recovers_within_a_second(clip: list[np.ndarray], loss: float, retransmission: bool) -> None:
    conditions = Conditions(loss=loss, jitter=0.02, reorder=0.05)
    result = call(clip, conditions, back=Conditions(loss=loss), retransmission=retransmission, seed=5)
    indices = [shown.index for shown in result.shown]
    assert indices == list(range(indices[0], indices[0] + len(indices)))
    assert len(indices) > 0.8 * len(clip)
    assert max(result.outages, default=0.0) < 1.0


def test_lost_motion_needs_no_key_frame(clip: list[np.ndarray]) -> None:
    model = zoo_tiny()
    sender = Sender(side=64, frame_rate=RATE, model=model, rng=random.Random(0), device="cpu")
    receiver = Receiver(model=model, retransmission=False, device="cpu")
    result = []
    for index, frame in enumerate(clip[:20]):
        now = index / 25
        for datagram in sender.frame(frame):
            if index not in (8, 9, 10):
                receiver.receive(datagram, now)
        result += receiver.poll(now)
        assert not receiver.feedback(now)
    for index in range(20, 25):
        result += receiver.poll(index / 25)
    result = result[:20]
    assert [shown.index for shown in result if shown.concealed] == [8, 9, 10]
    assert sender.keys_requested == 0
    calm = call(clip[:20], Conditions(), seed=0)
    exact = [shown.picture for shown in calm.shown]
    assert all(np.array_equal(a.picture, b) for a, b in zip(result[11:], exact[11:], strict=True))


def test_a_lost_key_frame_is_asked_for_and_sent(clip: list[np.ndarray]) -> None:
    model = zoo_tiny()
    sender = Sender(side=64, frame_rate=RATE, model=model, refresh=0.4, rng=random.Random(0), device="cpu")
    receiver = Receiver(model=model, retransmission=False, device="cpu")
    shown = []
    for index, frame in enumerate(clip[:60]):
        now = index / 25
        for datagram in sender.frame(frame):
            if index != 10:  # the refresh
                receiver.receive(datagram, now)
        shown += receiver.poll(now)
        for datagram in receiver.feedback(now):
            assert rtp.parse_feedback(datagram, sender.source).key_frame
            sender.feedback(datagram, now)
    assert sender.keys_requested >= 1
    concealed = [s.index for s in shown if s.concealed]
    assert concealed[0] == 10 and len(concealed) < 25 and not shown[-1].concealed


def test_a_key_frame_that_was_asked_for_goes_out_twice(clip: list[np.ndarray]) -> None:
    sender = Sender(side=64, frame_rate=RATE, model=zoo_tiny(), rng=random.Random(0), device="cpu")
    first = sender.frame(clip[0])
    assert not set(first) & set(sender.frame(clip[1]))
    sender.feedback(rtp.picture_loss(sender.source), 1.0)
    answer = sender.frame(clip[2])
    assert len(answer) > 1 and sender.encoder.statistics.key_frames[-1][0] == 2
    assert sender.frame(clip[3])[-len(answer) :] == answer
    assert not set(answer) & set(sender.frame(clip[4]))


def test_a_key_frame_that_comes_late_is_not_lost(clip: list[np.ndarray]) -> None:
    model = zoo_tiny()
    sender = Sender(side=64, frame_rate=RATE, model=model, refresh=0.4, rng=random.Random(0), device="cpu")
    receiver = Receiver(model=model, retransmission=False, delay=0.05, device="cpu")
    shown, late = [], []
    for index, frame in enumerate(clip[:20]):
        now = index / 25
        datagrams = sender.frame(frame)
        if index == 10:
            late = datagrams
        for datagram in late if index == 13 else [] if index == 10 else datagrams:
            receiver.receive(datagram, now)
        shown += receiver.poll(now)
    concealed = [s.index for s in shown if s.concealed]
    assert concealed[0] == 10 and concealed[-1] <= 13 and not shown[-1].concealed


def test_garbage_and_strangers_are_ignored(clip: list[np.ndarray]) -> None:
    model = zoo_tiny()
    sender = Sender(side=64, frame_rate=RATE, model=model, rng=random.Random(0), device="cpu")
    stranger = Sender(side=64, frame_rate=RATE, model=model, rng=random.Random(9), device="cpu")
    receiver = Receiver(model=model, device="cpu")
    noise = random.Random(2)
    shown = []
    for index, frame in enumerate(clip[:15]):
        now = index / 25
        for datagram in sender.frame(frame):
            receiver.receive(datagram, now)
        huge = b"\x80\x60" + bytes(10) + b"\xc0" + bytes(5000)
        for datagram in [*stranger.frame(clip[50]), huge, noise.randbytes(40), b"", b"\x80", b"\x80\x60" + bytes(20)]:
            receiver.receive(datagram, now)
            assert sender.feedback(datagram, now) == []
        shown += receiver.poll(now)
    assert len(shown) > 8 and not any(s.concealed for s in shown)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1500), st.integers(1, 255)), min_size=1, max_size=8))
def test_damaged_datagrams_never_break_the_receiver(stream: list[bytes], damage: list[tuple[int, int, int]]) -> None:
    receiver = Receiver(model=zoo_tiny(), device="cpu")
    datagrams = [bytearray(datagram) for datagram in stream]
    for which, place, flip in damage:
        datagram = datagrams[which % len(datagrams)]
        datagram[place % len(datagram)] ^= flip
    for index, datagram in enumerate(datagrams):
        receiver.receive(bytes(datagram), index / 100)
        receiver.feedback(index / 100)
    receiver.poll(0.4)


@given(
    st.lists(st.tuples(st.sampled_from([UnitType.MOTION, UnitType.KEYFRAME]), st.integers(0, 4000)), max_size=6),
    st.integers(0, 0xFFFF),
)
def test_units_survive_packing_and_parts_of_units_are_left_out(sizes: list[tuple[UnitType, int]], first: int) -> None:
    units = [Unit(kind, bytes([k]) * size, crc=kind is not UnitType.MOTION) for k, (kind, size) in enumerate(sizes)]
    packets = rtp.Packetiser(RATE, source=3, sequence=first).frame(0, units)
    assert all(len(packet.to_bytes()) <= rtp.MAX_DATAGRAM for packet in packets)
    assert [rtp.Packet.from_bytes(packet.to_bytes()) for packet in packets] == packets
    assert rtp.whole_units(packets) == b"".join(unit.to_bytes() for unit in units)
    whole = {unit.to_bytes() for unit in units}
    for gone in range(len(packets)):
        rest = rtp.whole_units(packets[:gone] + packets[gone + 1 :])
        assert len(rest) <= sum(map(len, whole)) * len(units)
        left = rest
        while left:  # whatever is left is whole units
            unit = next(unit for unit in sorted(whole, key=len, reverse=True) if left.startswith(unit))
            left = left[len(unit) :]


def test_missing_packets_are_named_around_the_wrap_of_numbers() -> None:
    numbers = [0xFFFE, 0xFFFF, 0, 5, 40]
    assert rtp.parse_feedback(rtp.missing(9, numbers), 9).again == tuple(numbers)
    assert rtp.parse_feedback(rtp.missing(9, numbers), 8) == rtp.Feedback()
    assert rtp.parse_feedback(rtp.picture_loss(9), 9) == rtp.Feedback(key_frame=True)


def test_the_buffer_asks_for_gaps_after_a_moment_and_not_for_ever() -> None:
    buffer = JitterBuffer()
    for number in (0xFFFF, 2):
        buffer.put(rtp.Packet(number, number, 1, True, True, True, 0, b"x"), 0.0)
    assert buffer.missing(0.0) == []
    assert buffer.missing(0.03) == [0, 1]
    assert buffer.missing(0.04) == []
    buffer.put(rtp.Packet(1, 1, 1, True, True, True, 0, b"x"), 0.05)
    assert [buffer.missing(0.1 * k) for k in range(1, 9)].count([0]) == 3


def test_a_network_loses_what_it_promises_in_bursts() -> None:
    network = Network(Conditions(loss=0.1, burst=4.0), seed=1)
    for k in range(20_000):
        network.send(bytes([k % 256]), float(k))
    assert 0.08 < network.lost / network.sent < 0.12
    assert len(network.arrived(1e9)) == network.sent - network.lost
    with pytest.raises(ValueError, match="loss"):
        Conditions(loss=1.0)


def test_timestamps_go_round_and_indices_go_on() -> None:
    packets = rtp.Packetiser(RATE, source=1, timestamp=0xFFFFFFFF - 1000)
    first, second = (packets.frame(k, [Unit(UnitType.MOTION, b"", crc=False)])[0].timestamp for k in (0, 1))
    assert second - first & 0xFFFFFFFF == 3600 and second < first


def test_a_slow_sender_is_waited_for(clip: list[np.ndarray]) -> None:
    sender = Sender(side=64, frame_rate=RATE, model=zoo_tiny(), rng=random.Random(0), device="cpu")
    receiver = Receiver(model=zoo_tiny(), retransmission=False, delay=0.1, device="cpu")
    shown = []
    for index, frame in enumerate(clip[:60]):
        now = index / 25 + (0.6 if index > 15 else 0.0)  # from frame 16 on everything is later
        for datagram in sender.frame(frame):
            receiver.receive(datagram, now)
        shown += receiver.poll(now)
    for index in range(60, 75):
        shown += receiver.poll(index / 25)
    assert sum(s.concealed for s in shown) < 40 and not shown[-1].concealed


def test_a_receiver_that_cannot_keep_up_leaves_frames_out(clip: list[np.ndarray]) -> None:
    sender = Sender(side=64, frame_rate=RATE, model=zoo_tiny(), rng=random.Random(0), device="cpu")
    receiver = Receiver(model=zoo_tiny(), retransmission=False, delay=0.1, device="cpu")
    shown = []
    for index, frame in enumerate(clip[:60]):
        now = index / 25
        for datagram in sender.frame(frame):
            receiver.receive(datagram, now)
        if index < 10 or index > 40:  # a second without time to draw
            shown += receiver.poll(now)
    indices = [s.index for s in shown]
    assert receiver.skipped_frames > 5 and len(indices) + receiver.skipped_frames == indices[-1] + 1
    assert not any(s.concealed for s in shown)


def test_an_end_that_comes_late_is_an_end(clip: list[np.ndarray]) -> None:
    sender = Sender(side=64, frame_rate=RATE, model=zoo_tiny(), rng=random.Random(0), device="cpu")
    receiver = Receiver(model=zoo_tiny(), retransmission=False, delay=0.1, device="cpu")
    for index, frame in enumerate(clip[:8]):
        for datagram in sender.frame(frame):
            receiver.receive(datagram, index / 25)
    receiver.poll(0.7)
    assert not receiver.ended
    for datagram in sender.finish():
        receiver.receive(datagram, 0.7)
    assert receiver.ended and not receiver.poll(2.0)


def test_after_a_stall_the_delay_comes_down_again(clip: list[np.ndarray]) -> None:
    sender = Sender(side=64, frame_rate=RATE, model=zoo_tiny(), rng=random.Random(0), device="cpu")
    receiver = Receiver(model=zoo_tiny(), retransmission=False, delay=0.1, device="cpu")
    delays = []
    for index, frame in enumerate([*clip, *clip][:160]):
        now = index / 25 + (0.6 if 15 < index < 40 else 0.0)
        for datagram in sender.frame(frame):
            receiver.receive(datagram, now)
        delays += [(shown.index, now - shown.index / 25) for shown in receiver.poll(now)]
    assert max(delay for index, delay in delays if index < 60) > 0.5
    assert max(delay for index, delay in delays if index > 140) < 0.2
