"""Two processes that train together, over gloo on this machine, end where one process does."""

import os
import subprocess
import sys

import pytest
import torch

from likelab import bank, training
from tests.conftest import ROOT

MODELS = {
    "pixelcnn": {"shape": [3, 8, 8], "channels": 4, "blocks": 1},
    "glow": {"shape": [3, 8, 8], "steps": [1, 1], "hidden": 4},
    "vae": {"shape": [3, 8, 8], "latents": 4, "hidden": 4, "blocks": 1},
}


def trained(name):
    """A small model, trained for a few steps. Its images are smooth, so that gradients are far from zero."""
    generator = torch.Generator().manual_seed(1)
    corners = torch.rand(80, 3, 2, 2, generator=generator)
    images = (torch.nn.functional.interpolate(corners, scale_factor=4, mode="bilinear") * 255).to(torch.uint8)
    torch.manual_seed(2 + training.processes()[0])  # what the second one begins with must not matter
    model = bank.build(name, MODELS[name])
    history = training.fit(model, images[:60], images[60:], steps=12, batch_size=8, lr=1e-2, clip=10, evaluations=3)
    return {"weights": model.state_dict(), "validation": history.validation, "train": history.train}


def main(folder):
    """What each of the two processes does."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    found = {name: trained(name) for name in MODELS}
    torch.save(found, f"{folder}/{training.processes()[0]}.pt")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What the two have found, [{model: …}, {model: …}]."""
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*command, "-m", "tests.library.test_parallel_training", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "book")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_both_end_with_the_same_weights(both, name):
    one, two = (found[name]["weights"] for found in both)
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert both[0][name]["train"] == both[1][name]["train"]


@pytest.mark.slow
def test_two_processes_find_the_weights_of_one(both):
    """Of a model without noise. The sums are taken in another order, and Adam's first steps enlarge that: 1e-5."""
    alone, together = trained("pixelcnn"), both[0]["pixelcnn"]
    begun = bank.build("pixelcnn", MODELS["pixelcnn"]).state_dict()
    for key, value in alone["weights"].items():
        assert torch.allclose(together["weights"][key], value, rtol=0, atol=1e-5), key
        assert (value - begun[key]).abs().max() > 1e-3, f"{key} was not trained"
    assert together["validation"] == pytest.approx(alone["validation"], abs=1e-5)


if __name__ == "__main__":
    main(sys.argv[1])
