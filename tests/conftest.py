"""Shared fixtures. Nothing here reads a file from outside the repository."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import settings

settings.register_profile("nvc", deadline=None)  # a busy machine is no failure
settings.load_profile("nvc")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs CUDA where there is none, unless NVC_FAIL_WITHOUT_CUDA says that there must be one."""
    if torch.cuda.is_available() or os.environ.get("NVC_FAIL_WITHOUT_CUDA") == "1":
        return
    for item in items:
        if item.get_closest_marker("needs_cuda"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(autouse=True)
def _keep_generators() -> Iterator[None]:
    """No test sees random numbers that another test has drawn."""
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()
    yield
    torch.set_rng_state(torch_state)
    np.random.set_state(numpy_state)


@pytest.fixture(scope="session")
def small_clip() -> np.ndarray:
    """Twelve frames of the demo clip at 64 x 64, uint8 [12, 3, 64, 64] RGB."""
    from nvc.demo import make_clip

    return make_clip(seconds=0.48, side=64)


@pytest.fixture(scope="session")
def face_clip() -> np.ndarray:
    """Five frames of the demo clip at 256 x 256, uint8 [5, 3, 256, 256] RGB: a face that detectors find."""
    from nvc.demo import make_clip

    return make_clip(seconds=0.2)
