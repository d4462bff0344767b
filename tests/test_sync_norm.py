"""Batch norm over the batches of two gloo processes: the same as one process with the whole batch."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from training_processes import train_in_two_processes

from nvc.training.sync_norm import SyncedBatchNorm, convert_sync_norms


def network() -> nn.Sequential:
    """Two batch norms, in two and three dimensions, with something to learn around them."""
    torch.manual_seed(4)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Unflatten(1, (2, 2)),
        nn.BatchNorm3d(2, momentum=None),
        nn.Flatten(),
        nn.Linear(4 * 36, 1),
    ).train()


def whole_batch() -> Tensor:
    """Four pictures whose halves differ much in mean and size."""
    pictures = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(2))
    return (
        pictures * torch.tensor([1.0, 1.0, 5.0, 5.0])[:, None, None, None]
        + torch.tensor([0.0, 0, 3, 3])[:, None, None, None]
    )


def half_step(rank: int, out: Path) -> None:
    """What one of two processes does: a step on its half; its results go to a file."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    dist.init_process_group("gloo")
    net = network()
    assert convert_sync_norms(net) == 2
    wrapped = DistributedDataParallel(net)
    drawn = wrapped(whole_batch()[2 * rank : 2 * rank + 2])
    drawn.square().mean().backward()
    gradients = {name: p.grad for name, p in net.named_parameters()}
    torch.save({"drawn": drawn.detach(), "gradients": gradients, "state": net.state_dict()}, out / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_halves_normalise_and_learn_as_the_whole(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, test_sync_norm;"
        f"test_sync_norm.half_step(int(os.environ['RANK']), pathlib.Path({str(tmp_path)!r}))"
    )
    train_in_two_processes(["-c", script])
    halves = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    net = network()
    drawn = net(whole_batch())
    drawn.square().mean().backward()
    torch.testing.assert_close(torch.cat([h["drawn"] for h in halves]), drawn.detach(), atol=1e-5, rtol=1e-4)
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(halves[0]["gradients"][name], parameter.grad, atol=1e-5, rtol=1e-3)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(halves[0]["state"][name], value, atol=1e-5, rtol=1e-4)
        assert torch.equal(halves[0]["state"][name], halves[1]["state"][name])


def test_names_parameters_and_evaluation_stay_as_they_were() -> None:
    plain, net = network(), network()
    parameters = dict(net.named_parameters())
    assert convert_sync_norms(net) == 2 and isinstance(net[1], SyncedBatchNorm)
    assert all(p is parameters[name] for name, p in net.named_parameters())
    assert list(net.state_dict()) == list(plain.state_dict())
    torch.testing.assert_close(net.eval()(whole_batch()), plain.eval()(whole_batch()))
