"""What the page "Ask a model yourself" is given: that it is of today's bank, and what its coarse weights change."""

import json
from base64 import b64decode

import numpy as np
import pytest
import torch

from likelab import bank, standin
from tests.support.asked import given, rounded
from tools.website import browser_model

REMEDY = "run python -m tools.website.browser_model"


def test_the_page_has_the_models_scores_and_pictures_of_today():
    made, stored = browser_model.data(), given()
    for name in ("leaf 1", "leaf 2", "plate 1", "plate 2"):  # other libraries may move a pixel by a grey level
        pair = [np.frombuffer(b64decode(data["pictures"].pop(name)), np.uint8).astype(int) for data in (made, stored)]
        assert np.abs(pair[0] - pair[1]).max() <= 1, REMEDY
    assert made == stored, REMEDY


@pytest.mark.parametrize("name", browser_model.MODELS)
def test_coarse_weights_hardly_change_a_score(name, record_property):
    model, network = bank.load(name), given()["models"][name]["network"]
    assert len(json.dumps(network, separators=(",", ":"))) <= 150_000
    grey = torch.tensor([0, 1, 128, 255], dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 32, 32)
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    sets = {"leaves": standin.leaves(8, 1)[0], "plates": standin.plates(8, 1)[0], "one grey": grey, "noise": noise}
    board = 255 * (torch.arange(32)[:, None] + torch.arange(32) & 1).to(torch.uint8)
    sets["chequerboard"] = board.expand(1, 3, 32, 32)
    for label, images in sets.items():
        exact, coarse = (bank.evaluate(one, torch.as_tensor(images)) for one in (model, rounded(name)))
        change, mean = (coarse - exact).abs().max().item(), exact.mean().item()
        words = f"{name} as the page has it, {label}: off by at most {change:.5f} of {mean:.2f} bits/dim"
        record_property("measured", words)
        assert change < {"noise": 0.005 * mean, "chequerboard": 0.006 * mean}.get(label, 1e-3), label
