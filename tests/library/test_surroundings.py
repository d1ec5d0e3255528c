"""What a session, a start-up file or a cluster may have set before the first cell, and what users give to models.

A table of surroundings and a table of arguments: in the first, models score, sample and train as everywhere else; for
the second there is an answer, or one error that names the argument.
"""

import contextlib
import copy
import os
import pickle
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from likelab import bits, training
from likelab.models.gaussian import Gaussian
from likelab.models.glow import Glow
from likelab.models.pixelcnn import PixelCNN
from likelab.models.vae import VAE
from tools.chapter import chapters

SHAPE = (3, 8, 8)
IMAGES = torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
MODELS = {
    "Gaussian": lambda: Gaussian(SHAPE).fit(IMAGES),
    "VAE": lambda: VAE(SHAPE, latents=8, hidden=8, blocks=1),
    "PixelCNN": lambda: PixelCNN(SHAPE, channels=8, blocks=1),
    "Glow": lambda: Glow(SHAPE, steps=(1, 1), hidden=8),
}
TRAINED = [name for name in MODELS if name != "Gaussian"]


def label(value):
    """A case's name: processes that share the tests must all see the same, so it holds no address."""
    return re.sub(r" at 0x\w+", "", str(value))


def build(name):
    torch.manual_seed(0)
    model = MODELS[name]()
    if hasattr(model, "initialise"):
        model.initialise(IMAGES, generator=torch.Generator().manual_seed(0))
    return model.eval()


def fit(model, **options):
    options = {"steps": 2, "batch_size": 2, "evaluations": 1} | options
    return training.fit(model, IMAGES[:30], IMAGES[30:], **options).validation[-1]


def answers(model):
    """Scores with the images' own noise and with a generator's, and samples."""
    chance = [torch.Generator().manual_seed(1) for _ in range(2)]
    scores = model.log_prob(IMAGES[:3]), model.log_prob(IMAGES[:3], generator=chance[0])
    return *(score.detach() for score in scores), model.sample(2, generator=chance[1])


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextlib.contextmanager
def strict():
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


SURROUNDINGS = {
    "default dtype float64": lambda: default_dtype(torch.float64),
    "default dtype bfloat16": lambda: default_dtype(torch.bfloat16),
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "deterministic algorithms": deterministic,
    "warnings and numpy's events are errors": strict,
    "another default device": lambda: torch.device("meta"),
    "narrow prints": lambda: np.printoptions(precision=1, threshold=1),
}


@pytest.mark.parametrize("around", SURROUNDINGS)
@pytest.mark.parametrize("name", MODELS)
def test_scores_and_samples_are_the_same(name, around):
    model = build(name)
    expected = answers(model)
    with SURROUNDINGS[around]():
        found = answers(model)
    for one, other in zip(expected, found, strict=True):
        assert one.dtype == other.dtype and torch.allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("around", [name for name in SURROUNDINGS if name != "another default device"])
@pytest.mark.parametrize("name", TRAINED)
def test_training_is_the_same(name, around):
    one, other = build(name), build(name)
    expected = fit(one)
    with SURROUNDINGS[around]():
        assert fit(other) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_noise_keeps_its_precision(name):
    """In training mode too, where it comes from torch's own source of chance."""
    model, drawn = build(name).train(), []
    for dtype in (torch.float32, torch.float64):
        with default_dtype(dtype):
            torch.manual_seed(3)
            drawn.append((model.log_prob(IMAGES[:2]).detach(), model.sample(2)))
            assert bits.dequantise(IMAGES[:0]).dtype == bits.dequantise(IMAGES[:2], fresh=True).dtype == torch.float32
            assert bits.normal_noise(IMAGES[:0], (2,)).dtype == torch.float32
    assert all(torch.equal(one, other) for one, other in zip(*drawn, strict=True))


GIVEN = {
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "a view with steps": lambda x: torch.stack([x, x], 1)[:, 1],
    "an array that runs backwards": lambda x: x.numpy()[:, :, ::-1].copy()[:, :, ::-1],
    "an array in Fortran's order": lambda x: np.asfortranarray(x.numpy()),
    "a read-only array": lambda x: np.frombuffer(x.numpy().tobytes(), np.uint8).reshape(x.shape),
    "one image three times": lambda x: x[:1].expand(3, -1, -1, -1),
}


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("name", MODELS)
def test_images_may_lie_in_memory_in_any_way(name, given):
    model, images = build(name), GIVEN[given](IMAGES[:3])
    plain = bits.as_images(images).clone(memory_format=torch.contiguous_format)
    assert torch.allclose(model.log_prob(images), model.log_prob(plain), rtol=1e-6)


PUT_THROUGH = {
    "deepcopy": copy.deepcopy,
    "deepcopy after a step": lambda model: copy.deepcopy(stepped(model)),
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "float64 and back": lambda model: model.double().float() if next(model.parameters(), None) is not None else model,
    "torch.compile": lambda model: torch.compile(model, backend="eager"),
}


def stepped(model):
    log_prob = model.train().log_prob(IMAGES[:2])
    if log_prob.requires_grad:
        log_prob.sum().backward()
    return model.eval()


@pytest.mark.parametrize("way", PUT_THROUGH)
@pytest.mark.parametrize("name", MODELS)
def test_a_model_survives(name, way):
    model = build(name)
    expected = answers(model)
    for one, other in zip(expected, answers(PUT_THROUGH[way](model)), strict=True):
        assert torch.allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("given", "error", "named"),
    [
        ({"n": -1}, ValueError, "n is -1"),
        ({"n": 2.0}, TypeError, "n must be a whole number"),
        ({"n": "3"}, TypeError, "n must be a whole number"),
        ({"n": None}, TypeError, "n must be a whole number"),
        ({"temperature": -1}, ValueError, "temperature is -1"),
        ({"temperature": float("nan")}, ValueError, "temperature is nan"),
        ({"temperature": float("inf")}, ValueError, "temperature is inf"),
        ({"generator": 3}, TypeError, "generator must be one of torch's"),
        ({"generator": np.random.default_rng(0)}, TypeError, "generator must be one of torch's"),
    ],
    ids=label,
)
def test_sampling_names_the_argument_that_is_wrong(name, given, error, named):
    with pytest.raises(error, match=named):
        build(name).sample(**{"n": 2} | given)


@pytest.mark.parametrize("n", [0, 2, np.int64(2), np.uint8(2), torch.tensor(2), True], ids=repr)
@pytest.mark.parametrize("name", MODELS)
def test_any_whole_number_of_samples(name, n):
    assert build(name).sample(n, temperature=np.float64(0.5)).shape == (int(n), *SHAPE)


@pytest.mark.parametrize("name", ["VAE", "Glow"])
@pytest.mark.parametrize(
    ("given", "error", "named"),
    [
        ({"draws": 0}, ValueError, "draws is 0"),
        ({"draws": 2.0}, TypeError, "draws must be a whole number"),
        ({"draws": None}, TypeError, "draws must be a whole number"),
        ({"generator": 3}, TypeError, "generator must be one of torch's"),
    ],
    ids=label,
)
def test_scoring_names_the_argument_that_is_wrong(name, given, error, named):
    with pytest.raises(error, match=named):
        build(name).log_prob(IMAGES[:2], **given)


@pytest.mark.parametrize(
    ("given", "error", "named"),
    [
        ({"seed": "3"}, TypeError, "seed must be a whole number"),
        ({"seed": None}, TypeError, "seed must be a whole number"),
        ({"seed": 1.0}, TypeError, "seed must be a whole number"),
        ({"steps": 0}, ValueError, "steps is 0"),
        ({"steps": 1e3}, TypeError, "steps must be a whole number"),
        ({"evaluations": -1}, ValueError, "evaluations is -1"),
        ({"batch_size": "16"}, TypeError, "batch_size must be a whole number"),
        ({"lr": None}, ValueError, "lr is None"),
        ({"lr": "x"}, ValueError, "lr is 'x'"),
        ({"clip": "a"}, ValueError, "clip is 'a'"),
        ({"clip": 0}, ValueError, "clip is 0"),
        ({"warmup": None}, ValueError, "warmup is None"),
    ],
    ids=label,
)
def test_training_names_the_argument_that_is_wrong_before_any_work(given, error, named):
    model = MODELS["VAE"]()
    with pytest.raises(error, match=named):
        fit(model, **given)
    assert not model.initialised


def test_training_takes_what_is_a_number():
    whole = {name: np.int64(2) for name in ("steps", "batch_size", "evaluations", "seed")}
    numpys = whole | {"lr": np.float32(1e-3), "clip": np.float64(1), "warmup": np.int64(0)}
    ours = {name: value.item() for name, value in numpys.items()}
    assert fit(build("VAE"), **numpys) == fit(build("VAE"), **ours)
    assert np.isfinite(fit(build("VAE"), seed=-1)) and np.isfinite(fit(build("VAE"), batch_size=100))


def test_a_batch_holds_at_least_one_image():
    with pytest.raises(ValueError, match="batch_size is 0"):
        training.evaluate(build("VAE"), IMAGES, batch_size=0)


def test_a_model_built_in_inference_mode_says_so():
    with torch.inference_mode():
        model = build("Glow")
    with pytest.raises(ValueError, match="built in torch.inference_mode"):
        fit(model)


@pytest.mark.parametrize("name", TRAINED)
def test_weights_that_are_not_numbers_give_no_pictures(name):
    model = build(name)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    assert model.log_prob(IMAGES[:2]).isnan().all()
    with pytest.raises(RuntimeError, match="NaN|range of the numbers"):
        model.sample(2)


def started(code, *options, **environment):
    """What a new Python says, on both streams, of code that runs beside likelab."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "MKL_", "PYTHON"))}
    command = [sys.executable, *options, "-c", code]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "encoding": "utf-8"}
    done = subprocess.run(command, env=kept | environment, cwd=chapters.BOOK, **streams)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.slow
def test_threads_are_as_many_as_the_processors_that_the_process_may_use():
    """A container's share of a machine, as joblib reads it, here from a variable; torch sees all processors."""
    code = "from likelab import training; import torch; print(torch.get_num_threads())"
    assert started(code, OMP_NUM_THREADS="3", LOKY_MAX_CPU_COUNT="1") == "1\n"


def test_python_without_checks_is_told():
    assert "drops every `assert`" in started("import likelab", "-O")
    assert started("import likelab") == started("import likelab", PYTHONWARNINGS="error") == ""
