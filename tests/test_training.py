"""The training loop: it learns, repeats itself, keeps the best weights, and stops on nonsense."""

import math

import pytest
import torch
from torch import nn

from likelab import training


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
