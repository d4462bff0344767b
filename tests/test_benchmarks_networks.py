"""The benchmark of networks tells time, ratio and picture of every way to draw, and what the model must cost."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from benchmarks import network_costs, networks
from nvc.models import zoo


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict:
    path = tmp_path_factory.mktemp("networks") / "networks.json"
    threads = torch.get_num_threads()
    try:
        assert networks.main(["--rounds", "1", "--no-paper", "--profile", "-o", str(path)]) == 0
    finally:
        torch.set_num_threads(threads)
    return json.loads(path.read_text())


def test_every_way_to_draw_has_a_time_and_a_distance(result: dict) -> None:
    first, *others = result["rows"]
    assert first["times_the_first"] == 1.0 and first["psnr_to_the_first"] is None
    assert len(others) >= 2
    for row in others:
        assert row["ms_median"] > 0 and row["times_the_first"] > 0
        assert row["psnr_to_the_first"] > 45, row["subject"]


def test_the_floor_is_the_cost_that_the_model_promises(result: dict) -> None:
    cost = result["floor"]["lite-256"]
    assert 5 < cost["gflop"] < 6 and 10 < cost["megabytes_half_precision"] < 200


def test_the_profile_names_operators_and_the_text_has_all_rows(result: dict) -> None:
    assert len(result["profile"]) == 2
    assert all(rows and rows[0]["ms"] >= rows[-1]["ms"] for rows in result["profile"].values())
    text = networks.as_text(result)
    assert all(row["subject"] in text for row in result["rows"])


def test_streams_are_drawn_together_and_counted() -> None:
    model = zoo.load("tiny-64")
    clip = np.random.default_rng(0).integers(0, 255, (8, 3, 64, 64), np.uint8)
    drawer = networks.FastDrawer(model, workers=2)  # type: ignore[arg-type]
    scene = network_costs.scene_of(model, clip)
    rows = networks.streams_of(drawer, scene, torch.device("cpu"), rounds=1)
    assert [row["streams"] for row in rows] == [1, 4, 16, 64] and all(row["fps"] > 0 for row in rows)


def test_the_published_network_is_ready_for_inference() -> None:
    model = networks.paper_model()
    assert model.config.name == "paper-256"
    assert not next(iter(model.modules())).training
    assert not any(parameter.requires_grad for module in model.modules() for parameter in module.parameters())
