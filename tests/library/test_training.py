"""The training loop: it learns, repeats itself, keeps the best weights, and stops on nonsense."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from likelab import training
from likelab.models.gaussian import Gaussian


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


def short(**options):
    return {"steps": 40, "evaluations": 4, "flip": False} | options


def spoils(step, how):
    """A watch that does something to the model at one step."""

    def watch(at, model):
        if at == step:
            how(model)

    return watch


def interrupt(_):
    raise KeyboardInterrupt


def set_logits(*values):
    def how(model):
        with torch.no_grad():
            model.logits.copy_(torch.tensor(values))

    return how


@pytest.mark.parametrize(
    ("how", "error"),
    [(interrupt, KeyboardInterrupt), (set_logits(math.nan, 0.0), training.TrainingError)],
    ids=["Ctrl-C", "divergence"],
)
def test_what_was_learnt_survives_an_error(how, error):
    seen = {}

    def watch(step, model):
        seen[step] = model.logits.detach().clone()
        if step == 20:
            how(model)

    model = Bernoullish()
    with pytest.raises(error) as raised:
        run(model, **short(watch=watch))
    assert raised.value.history.steps == [10, 20] and raised.value.history.best_step == 20
    assert torch.equal(model.logits.detach(), seen[20]) and not model.training
    assert raised.value.history.seconds > 0


def test_an_error_before_any_evaluation_leaves_the_weights():
    model = Bernoullish()
    with pytest.raises(training.TrainingError, match="nan at step 0") as raised:
        set_logits(math.nan, 0.0)(model)
        run(model, **short())
    assert raised.value.history.best_step == 0


class BlindFor(Bernoullish):
    """Its likelihood of the 100 validation images is NaN the first few times."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def log_prob(self, images, generator=None):
        log_prob = super().log_prob(images)
        if not self.training:
            self.times -= 1
            log_prob = log_prob * (math.nan if self.times >= 0 else 1)
        return log_prob


def test_a_first_evaluation_that_is_not_a_number_is_told_and_beaten():
    with pytest.warns(UserWarning, match="validation is nan at step 10"):
        model, history = run(BlindFor(1), **short())
    assert history.best_step in (20, 30, 40) and math.isnan(history.validation[0])
    assert math.isfinite(history.validation[history.steps.index(history.best_step)])


def test_no_finite_evaluation_is_an_error():
    with pytest.warns(UserWarning), pytest.raises(training.TrainingError, match="no evaluation in 40 steps was finite"):
        run(BlindFor(99), **short())


class Frozen(Bernoullish):
    def __init__(self):
        super().__init__()
        self.logits.requires_grad = False


class Bare(nn.Module):
    shape = (1, 4, 4)


NONE = torch.zeros(0, 1, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"steps": 0}, "steps is 0: give at least 1"),
        ({"evaluations": 0}, "evaluations is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"lr": 0.0}, "lr is 0.0: give a number above 0"),
        ({"lr": math.nan}, "lr is nan"),
        ({"clip": 0}, "clip is 0"),
        ({"warmup": -1}, "warmup is -1"),
        ({"model": Frozen()}, "all weights of Frozen are frozen"),
        ({"model": Bare()}, "Bare has no weights to train"),
        ({"model": Gaussian((1, 4, 4))}, "Gaussian has no weights to train: call its own fit"),
        ({"train": NONE}, "no training images"),
        ({"validation": NONE}, "no validation images"),
        ({"validation": torch.zeros(4, 3, 4, 4, dtype=torch.uint8)}, "images have shape"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_before_any_work(change, words):
    given = {"model": Bernoullish(), "train": striped(8, 0.5, 0), "validation": striped(8, 0.5, 1), "steps": 5} | change
    watched = []
    with pytest.raises(ValueError, match=words):
        training.fit(**given, watch=lambda *seen: watched.append(seen))
    assert watched == []


def test_numbers_may_be_of_numpy():
    _, history = run(steps=np.int64(8), evaluations=np.int32(2), batch_size=np.uint8(4))
    assert history.steps == [4, 8]


class Starts(Bernoullish):
    def __init__(self):
        super().__init__()
        self.register_buffer("initialised", torch.tensor(False))
        self.starts = []

    def initialise(self, images, generator=None):
        self.starts.append(len(images))
        self.initialised.fill_(True)


def test_only_what_was_not_started_is_started():
    model, _ = run(Starts(), **short())
    run(model, **short())
    other = Starts()
    other.load_state_dict(model.state_dict())
    run(other, **short())
    assert model.starts == [256] and other.starts == []


def test_evaluating_leaves_the_mode_and_takes_no_images():
    model, images = Bernoullish(), striped(8, 0.5, 0)
    for mode in (True, False):
        assert training.evaluate(model.train(mode), images).shape == (8,) and model.training is mode
    assert training.evaluate(model, images[:0]).shape == (0,)
    assert torch.equal(training.evaluate(model, images.numpy()), training.evaluate(model, images))


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


def test_an_interrupted_model_is_back_on_its_device(monkeypatch):
    model, moves = nn.Linear(1, 1), []
    monkeypatch.setattr(model, "to", moves.append)
    with pytest.raises(KeyboardInterrupt), training.placed(model, "second_device"):
        raise KeyboardInterrupt
    assert moves == ["second_device", torch.device("cpu")]
