"""The training loop: it learns, repeats itself, keeps the best weights, and stops on nonsense."""

import math
import subprocess
import sys

import pytest
import torch
from torch import nn

from likelab import training
from tests.conftest import ROOT


class Bernoullish(nn.Module):
    """Two numbers to learn: the odds of dark and bright pixels. Its likelihood is exact."""

    def __init__(self):
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(2))

    def log_prob(self, images, generator=None):
        bright = (images > 127).flatten(1).long()
        return (torch.log_softmax(self.logits, 0)[bright] - math.log(128)).sum(1)


def striped(n, share, seed):
    generator = torch.Generator().manual_seed(seed)
    bright = torch.rand(n, 1, 4, 4, generator=generator) < share
    return (bright * 255).to(torch.uint8)


def run(model=None, steps=200, **options):
    model = model or Bernoullish()
    options = {"lr": 0.05, "seed": 3} | options
    return model, training.fit(model, striped(200, 0.9, 1), striped(100, 0.9, 2), steps=steps, **options)


def test_it_finds_the_entropy():
    model, history = run()
    entropy = 7 - 0.9 * math.log2(0.9) - 0.1 * math.log2(0.1)
    assert history.validation[-1] == pytest.approx(entropy, abs=0.05)
    assert history.steps == [25, 50, 75, 100, 125, 150, 175, 200]


def test_same_seed_same_weights():
    one, two, other = run(steps=20)[0], run(steps=20)[0], run(steps=20, seed=4)[0]
    assert torch.equal(one.logits, two.logits)
    assert not torch.equal(one.logits, other.logits)


def test_the_best_weights_stay():
    seen = {}

    def spoil(step, model):
        seen[step] = model.logits.detach().clone()
        if step == 40:  # from here on the model is worse than it was
            with torch.no_grad():
                model.logits.copy_(torch.tensor([5.0, -5.0]))

    model, history = run(steps=80, lr=1e-3, evaluations=4, watch=spoil)
    assert history.best_step == 40 == history.steps[history.validation.index(min(history.validation))]
    assert torch.equal(model.logits.detach(), seen[40]) and list(seen) == [0, 20, 40, 60, 80]


def test_nonsense_stops_with_the_step():
    class Breaks(Bernoullish):
        calls = 0

        def log_prob(self, images, generator=None):
            self.calls += 1
            return super().log_prob(images) * (math.nan if self.calls == 8 else 1)

    with pytest.raises(training.TrainingError, match="nan at step 7 of 50"):
        run(Breaks(), steps=50, evaluations=1)


class Noisy(Bernoullish):
    """Its likelihood is of its noise, which it keeps."""

    def __init__(self):
        super().__init__()
        self.noise, self.threads = [], []

    def log_prob(self, images, generator=None):
        self.noise.append(torch.rand(len(images), generator=generator))
        self.threads.append(torch.get_num_threads())
        return self.noise[-1] * super().log_prob(images)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_halves_add_up_to_the_whole(two_threads, count):
    images, found = striped(count, 0.7, 0), []
    for halves in (False, True):
        model = Bernoullish().double()
        with training.Gradients(model, torch.Generator().manual_seed(0), halves) as gradients:
            found.append([gradients(images), *model.logits.grad.tolist()])
    model = Bernoullish().double()
    loss = -model.log_prob(images).mean() / 16 / math.log(2)
    loss.backward()
    for halves_or_whole in found:
        assert halves_or_whole == pytest.approx([loss.item(), *model.logits.grad.tolist()], rel=1e-12)


def test_halves_share_threads_but_no_noise(two_threads):
    model, images = Noisy(), striped(8, 0.5, 0)
    with training.Gradients(model, torch.Generator().manual_seed(0), halves=True) as gradients:
        gradients(images)
    assert model.threads == [1, 1] and torch.get_num_threads() == 2
    assert [len(noise) for noise in model.noise] == [4, 4] and not torch.equal(*model.noise)


def test_halves_repeat_themselves_and_learn(two_threads):
    one, two = (run(Noisy(), steps=60, evaluations=1, halves=True)[0] for _ in range(2))
    assert torch.equal(one.logits, two.logits)
    model, history = run(halves=True)
    assert history.validation[-1] < 7.5


def test_an_error_in_a_half_is_the_callers(two_threads):
    class Fails(Bernoullish):
        def log_prob(self, images, generator=None):
            raise ValueError("no such images")

    with pytest.raises(ValueError, match="no such images"):
        run(Fails(), halves=True)
    assert torch.get_num_threads() == 2


def test_one_thread_takes_the_batch_whole(two_threads):
    torch.set_num_threads(1)
    one, two = (run(Noisy(), steps=20, evaluations=1, halves=halves)[0] for halves in (False, True))
    assert torch.equal(one.logits, two.logits) and len(two.noise[0]) == 16


def test_float_images_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        training.fit(Bernoullish(), torch.rand(4, 1, 2, 2), striped(4, 0.5, 0), steps=1)


def test_learning_rate_warms_up_and_falls_to_zero():
    rates = [training.learning_rate(step, 100, 2.0, 10) for step in range(101)]
    assert (
        rates[0] == pytest.approx(0.2) and max(rates) == rates[9] == rates[10] == 2.0 and rates[100] == pytest.approx(0)
    )
    assert all(a < b for a, b in zip(rates[:9], rates[1:10], strict=True))
    assert all(a > b for a, b in zip(rates[10:], rates[11:], strict=False))


@pytest.mark.parametrize("name", ["VAE", "PixelCNN", "Glow"])
def test_it_uses_a_gpu_where_there_is_one(name):
    """In a process of its own: it sets up a device that stands in for the GPU (second_device.py)."""
    code = f"""
import copy
import sys
import torch
sys.path[:0] = {[str(ROOT), str(ROOT / "book")]}
from tests.support import second_device
from tests.conftest import ROOT
from likelab import training
from likelab.models.glow import Glow
from likelab.models.pixelcnn import PixelCNN
from likelab.models.vae import VAE
images = torch.randint(0, 256, (280, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
torch.manual_seed(0)
there = {{"VAE": VAE, "PixelCNN": PixelCNN, "Glow": lambda: Glow(steps=(1, 1), hidden=8)}}["{name}"]()
here, seen = copy.deepcopy(there), []
def watch(step, model):
    seen.append((step, next(model.parameters()).device.type, model.log_prob(images[:1]).device.type))
def fit(model, **options):
    return training.fit(model, images[:270], images[270:], steps=4, batch_size=2, evaluations=2, clip=10, **options)
expected = fit(here)
class Recorded(training.Gradients):
    def part(self, *arguments):
        trained.add(next(self.model.parameters()).device.type)
        return super().part(*arguments)
trained, training.Gradients, training.accelerator = set(), Recorded, lambda: second_device.DEVICE
with second_device.there():
    found = fit(there, watch=watch)
assert seen == [(0, "cpu", "cpu"), (2, "cpu", "cpu"), (4, "cpu", "cpu")], seen
assert trained == {{"second_device"}}, trained
for a, b in ((found.train, expected.train), (found.validation, expected.validation)):
    assert torch.allclose(torch.tensor(a), torch.tensor(b), atol=1e-4), (found, expected)
assert {{p.device.type for p in there.parameters()}} == {{"cpu"}}
assert torch.allclose(there.log_prob(images[:9]), here.log_prob(images[:9]), rtol=1e-4)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "training on second_device" in done.stderr


def test_an_interrupted_model_is_back_on_its_device(monkeypatch):
    model, moves = nn.Linear(1, 1), []
    monkeypatch.setattr(model, "to", moves.append)
    with pytest.raises(KeyboardInterrupt), training.placed(model, "second_device"):
        raise KeyboardInterrupt
    assert moves == ["second_device", torch.device("cpu")]
