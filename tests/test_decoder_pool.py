"""A pool gives every stream what a decoder of its own would, and draws for all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from nvc import cuda_drawing
from nvc.cuda_drawing import BATCHES, BatchDrawer
from nvc.decoder import Decoder
from nvc.decoder_pool import DecoderPool
from nvc.drawing import PlainDrawer
from nvc.encoder import Encoder
from nvc.models import zoo
from nvc.models.model import Model
from nvc.pose import HeadMotion

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model() -> Model:
    return zoo.load("tiny-64")  # type: ignore[return-value]


@pytest.fixture(scope="module")
def streams(model: Model) -> dict[object, list[bytes]]:
    """Packets of four streams: one unit group a frame, other parts of the clip in each."""
    from nvc.demo import make_clip

    clip = make_clip(seconds=0.8, side=64)
    result: dict[object, list[bytes]] = {}
    for name in range(4):
        encoder = Encoder(width=64, height=64, frame_rate=25, model=model, device="cpu")
        frames = clip[2 * name : 2 * name + 8]
        packets = [b"".join(unit.to_bytes() for unit in encoder.encode(frame)) for frame in frames]
        result[name] = [*packets, b"".join(unit.to_bytes() for unit in encoder.flush())]
    return result


def alone(model: Model, packets: list[bytes]) -> list[np.ndarray]:
    decoder = Decoder(model=model, device="cpu")
    return [picture for packet in packets for picture in decoder.decode(packet)]


def test_every_stream_gets_its_own_pictures_in_common_batches(model: Model, streams: dict) -> None:
    pool = DecoderPool(model=model, device="cpu")
    got: dict[object, list[np.ndarray]] = {name: [] for name in streams}
    for step in range(len(streams[0])):
        for name, result in pool.decode({name: packets[step] for name, packets in streams.items()}).items():
            assert result.error is None
            got[name] += result.pictures
    for name, packets in streams.items():
        wanted = alone(model, packets)
        assert len(got[name]) == len(wanted) == 8
        assert all(np.array_equal(a, b) for a, b in zip(got[name], wanted, strict=True))
    assert max(pool.batches) == 4


def test_an_error_of_one_stream_leaves_the_others_alone(model: Model, streams: dict) -> None:
    pool = DecoderPool(model=model, device="cpu")
    pool.decode({name: packets[0] for name, packets in streams.items()})
    second = pool.decode({0: b"\xff" * 20, **{name: streams[name][1] for name in (1, 2, 3)}})
    assert second[0].error is not None and not second[0].pictures
    assert all(len(second[name].pictures) == 1 for name in (1, 2, 3))
    assert pool.decoder(0).conceal() is not None
    pool.close(0)
    assert pool.decoder(0).conceal() is None
    assert pool.decode({}) == {}


def test_streams_may_join_while_others_run(model: Model, streams: dict) -> None:
    pool = DecoderPool(model=model, device="cpu")
    assert len(pool.decode({0: streams[0][0]})[0].pictures) == 1
    both = pool.decode({name: streams[name][0] for name in (1, 2, 3)} | {0: streams[0][1]})
    assert [len(both[name].pictures) for name in range(4)] == [1, 1, 1, 1]


def batch_drawn(
    drawer: BatchDrawer | PlainDrawer, model: Model, clip: np.ndarray, counts: list[int]
) -> list[np.ndarray]:
    generator = torch.Generator().manual_seed(1)
    requests = []
    with torch.inference_mode():
        for k, count in enumerate(counts):
            motion = HeadMotion.from_vector(0.1 * torch.randn(count, 7 + model.config.expression, generator=generator))
            picture = np.ascontiguousarray(clip[k].transpose(1, 2, 0))
            device = getattr(drawer, "_device", CPU)
            moved = HeadMotion.from_vector(motion.vector().to(device))
            source = drawer.prepare(
                picture, model.mean_keypoints.to(device), HeadMotion.from_vector(moved.vector()[:1])
            )
            requests.append((source, moved))
        return [np.stack(some) for some in drawer.draw_many(requests)]


def check(drawer: BatchDrawer, on_device: Model, model: Model, clip: np.ndarray, least: float) -> None:
    counts = [3, 1, BATCHES[-1] + 2]
    got = batch_drawn(drawer, on_device, clip, counts)
    wanted = batch_drawn(PlainDrawer(model, CPU), model, clip, counts)
    for a, b in zip(got, wanted, strict=True):
        assert a.shape == b.shape
        error = np.mean((a.astype(float) - b.astype(float)) ** 2)
        assert error == 0 or 10 * np.log10(255**2 / error) > least


def test_batches_of_any_size_give_the_pictures_of_the_model(model: Model, small_clip: np.ndarray) -> None:
    check(BatchDrawer(model, CPU), model, model, small_clip, 60)


def test_half_precision_keeps_what_is_copied(face_clip: np.ndarray) -> None:
    model = zoo.load("lite-256")
    motion = torch.zeros(1, 7 + model.config.expression)
    motion[0, 1] = 0.1
    picture = np.ascontiguousarray(face_clip[0].transpose(1, 2, 0))
    drawn = []
    for drawer in (BatchDrawer(model, CPU, dtype=torch.bfloat16), PlainDrawer(model, CPU)):  # type: ignore[arg-type]
        with torch.inference_mode():
            still = HeadMotion.from_vector(torch.zeros_like(motion))
            source = drawer.prepare(picture, model.mean_keypoints, still)
            drawn.append(next(iter(drawer.draw(source, HeadMotion.from_vector(motion)))).astype(float))
    assert 45 < 10 * np.log10(255**2 / np.mean((drawn[0] - drawn[1]) ** 2)) < 200


class FakeGraphs:
    """Stands in for torch where there is no GPU: a graph does what was captured anew when it is replayed."""

    def __init__(self) -> None:
        stream = Mock()
        self.cuda = Mock(Stream=lambda: stream, current_stream=lambda: stream, stream=lambda s: nullcontext())
        self.cuda.CUDAGraph, self.cuda.graph = Mock, self._capture
        self.replays = 0

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)

    def empty(self, *size: object, pin_memory: bool = False, **how: object) -> torch.Tensor:
        return torch.empty(*size, **how)  # type: ignore[call-overload]

    @contextmanager
    def _capture(self, graph: Mock, **how: object) -> Iterator[None]:
        def replay() -> None:
            self.replays += 1
            made = next(g for g in self.made if g._graph is graph)
            made._drawn.copy_(self.step(made._inputs, made._motions))

        graph.replay = replay
        yield


def test_what_a_graph_holds_follows_its_streams(
    model: Model, small_clip: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeGraphs()
    monkeypatch.setattr(cuda_drawing, "torch", fake)
    drawer = BatchDrawer(model, CPU)
    drawer._capture = True
    fake.step = drawer._step  # type: ignore[attr-defined]
    fake.made = []  # type: ignore[attr-defined]
    real = cuda_drawing._Graph.__init__

    def noted(self: object, *arguments: object) -> None:
        fake.made.append(self)  # type: ignore[attr-defined]
        real(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(cuda_drawing._Graph, "__init__", noted)
    plain = PlainDrawer(model, CPU)
    for counts in ([3, 1], [1, 2], [1, 1], [1, 1]):
        got, wanted = (batch_drawn(d, model, small_clip, counts) for d in (drawer, plain))
        for a, b in zip(got, wanted, strict=True):
            error = np.mean((a.astype(float) - b.astype(float)) ** 2)
            assert error == 0 or 10 * np.log10(255**2 / error) > 60
    assert set(drawer._graphs) == {4, 2} and fake.replays == 4


@pytest.mark.needs_cuda
def test_graphs_on_a_gpu_give_the_pictures_of_the_cpu(small_clip: np.ndarray) -> None:
    device = torch.device("cuda")
    on_device = zoo.load("tiny-64", device=device)
    drawer = BatchDrawer(on_device, device, dtype=torch.float32)  # type: ignore[arg-type]
    check(drawer, on_device, zoo.load("tiny-64"), small_clip, 45)  # type: ignore[arg-type]
    assert drawer._graphs, "no graph was captured"


@pytest.mark.needs_cuda
def test_a_gpu_decodes_the_default_model_within_the_tolerance(face_clip: np.ndarray) -> None:
    encoder = Encoder(width=256, height=256, frame_rate=25, device="cpu")
    packets = [b"".join(unit.to_bytes() for unit in encoder.encode(frame)) for frame in face_clip]
    pictures = []
    for device in ("cpu", "cuda"):
        decoder = Decoder(device=device)
        pictures.append(np.stack([p for packet in packets for p in decoder.decode(packet)]).astype(float))
    assert 10 * np.log10(255**2 / np.mean((pictures[0] - pictures[1]) ** 2)) > 45


@pytest.mark.parametrize("demanded", [False, True])
def test_a_missing_gpu_skips_unless_there_must_be_one(demanded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import conftest

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("NVC_FAIL_WITHOUT_CUDA", "1" if demanded else "0")
    item = Mock()
    conftest.pytest_collection_modifyitems([item])
    assert item.add_marker.called is not demanded
