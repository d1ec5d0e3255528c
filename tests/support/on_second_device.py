"""Tests on a device that is not the CPU. tests/library/test_devices.py runs them, in a process of their own."""

import copy

import pytest
import torch

from likelab import training
from likelab.models.gaussian import Gaussian
from likelab.models.glow import Glow
from likelab.models.pixelcnn import PixelCNN
from likelab.models.pixelcnn_local import LocalPixelCNN
from likelab.models.vae import VAE
from tests.support import second_device

SHAPE = (3, 8, 8)
IMAGES = torch.randint(0, 256, (280, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
MODELS = {
    "Gaussian": lambda: Gaussian(SHAPE).fit(IMAGES),
    "VAE": lambda: VAE(SHAPE, latents=8, hidden=8, blocks=1),
    "PixelCNN": lambda: PixelCNN(SHAPE, channels=8, blocks=1),
    "LocalPixelCNN": lambda: LocalPixelCNN(SHAPE, channels=8),
    "Glow": lambda: Glow(SHAPE, steps=(1, 1), hidden=8),
}
TRAINED = [name for name in MODELS if name != "Gaussian"]


def build(name):
    torch.manual_seed(0)
    return MODELS[name]()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_works_where_its_weights_are(name):
    model = build(name)
    if hasattr(model, "initialise"):
        model.initialise(IMAGES)
    model.eval()

    def answers():
        with torch.no_grad():
            return model.log_prob(IMAGES[:4]), model.sample(2, generator=torch.Generator().manual_seed(1))

    here = answers()
    with second_device.there():
        model.to(second_device.DEVICE)
        there = answers()
        assert {result.device.type for result in there} == {"second_device"}
        assert torch.allclose(there[0].cpu(), here[0], rtol=1e-4) and torch.equal(there[1].cpu(), here[1])


@pytest.mark.parametrize("name", TRAINED)
def test_it_is_trained_there_and_comes_back(name, monkeypatch, capfd):
    there, seen, asked = build(name), [], set()
    here = copy.deepcopy(there)

    def fit(model, **options):
        options |= {"steps": 4, "batch_size": 2, "evaluations": 2, "clip": 10}
        return training.fit(model, IMAGES[:270], IMAGES[270:], **options)

    def watch(step, model):
        seen.append((step, next(model.parameters()).device.type, model.eval().log_prob(IMAGES[:1]).device.type))

    class Recorded(type(there)):
        def log_prob(self, *arguments, **options):
            asked.add((self.training, next(self.parameters()).device.type))
            return super().log_prob(*arguments, **options)

    expected = fit(here)
    there.__class__ = Recorded
    monkeypatch.setattr(training, "accelerator", lambda: second_device.DEVICE)
    with second_device.there():
        found = fit(there, watch=watch)
    assert seen == [(0, "cpu", "cpu"), (2, "cpu", "cpu"), (4, "cpu", "cpu")]
    assert {device for training_mode, device in asked if training_mode} == {"second_device"}
    assert {p.device.type for p in there.parameters()} == {"cpu"}
    for a, b in ((found.train, expected.train), (found.validation, expected.validation)):
        assert torch.allclose(torch.tensor(a), torch.tensor(b), rtol=2e-3)  # Adam makes much of the last digit
    assert torch.allclose(there.log_prob(IMAGES[:9]), here.log_prob(IMAGES[:9]), rtol=5e-3)
    assert "training on second_device" in capfd.readouterr().err
