"""Every model keeps the contract: the same options under the same names, the same answers to what users give."""

import ast
import copy
import inspect
import io
from pathlib import Path

import numpy as np
import pytest
import torch

import likelab
from likelab import contracts, training
from likelab.models.diffusion import Diffusion
from likelab.models.gaussian import Gaussian
from likelab.models.glow import ActNorm, Conv1x1, Coupling, FlowStep, Glow, Level, Split
from likelab.models.pixelcnn import PixelCNN
from likelab.models.pixelcnn_local import LocalPixelCNN
from likelab.models.vae import VAE

SHAPE = (3, 8, 8)
IMAGES = torch.randint(0, 256, (80, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
MODELS = {
    "Gaussian": lambda: Gaussian(SHAPE).fit(IMAGES),
    "VAE": lambda: VAE(SHAPE, latents=8, hidden=8, blocks=1),
    "PixelCNN": lambda: PixelCNN(SHAPE, channels=8, blocks=1),
    "LocalPixelCNN": lambda: LocalPixelCNN(SHAPE, channels=8),
    "Glow": lambda: Glow(SHAPE, steps=(2, 1), hidden=8),
    "constant volume": lambda: Glow(SHAPE, steps=(2, 1), hidden=8, affine=False, sigma=1.0),
    "Diffusion": lambda: Diffusion(SHAPE, hidden=8, wide=8, blocks=1),
}
STARTED = [name for name in MODELS if isinstance(MODELS[name](), contracts.DataDependent)]
NOISY = ["VAE", "Glow", "constant volume", "Diffusion"]


def build(name):
    """A model of the name, started, in evaluation mode."""
    torch.manual_seed(0)
    model = MODELS[name]()
    if isinstance(model, contracts.DataDependent):
        model.initialise(IMAGES, generator=torch.Generator().manual_seed(0))
    return model.eval()


@pytest.fixture(params=MODELS)
def model(request):
    return build(request.param)


def options_of(function):
    parameters = list(inspect.signature(function).parameters.values())
    return {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}, len(parameters)


def test_options_are_by_keyword_and_called_the_same(model):
    assert isinstance(model, contracts.DensityModel) and tuple(model.shape) == SHAPE
    assert options_of(model.log_prob) == ({"draws", "generator"}, 3)
    assert options_of(model.sample) == ({"temperature", "generator"}, 3)
    if isinstance(model, contracts.DataDependent):
        assert options_of(model.initialise) == ({"generator"}, 2)


CONTRACTS = ("forward", "forward_and_log_det", "inverse_and_log_det")  # explained once, by torch and by the contract


def public_functions(body, above=""):
    """(dotted name, function) of all functions in a module's or a class's body that others may call."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from public_functions(node.body, f"{above}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield above + node.name, node


def test_public_functions_say_what_they_do_and_give():
    bare, count = [], 0
    for path in sorted(Path(likelab.__file__).parent.rglob("*.py")):
        for name, function in public_functions(ast.parse(path.read_text("utf-8")).body):
            count += 1
            told = ast.get_docstring(function) or function.name in CONTRACTS
            if function.returns is None or not told:
                bare.append(f"{path.name}: {name}")
    assert bare == [] and count > 150


def test_scores_do_not_depend_on_batch_order_or_kind(model):
    with torch.no_grad():
        expected = model.log_prob(IMAGES[:6])
        assert expected.shape == (6,) and expected.isfinite().all()
        assert torch.allclose(model.log_prob(IMAGES[:6].flip(0)).flip(0), expected, rtol=1e-5)
        assert torch.allclose(model.log_prob(IMAGES[:6].numpy()), expected, rtol=1e-5)
        assert torch.allclose(torch.cat([model.log_prob(image[None]) for image in IMAGES[:6]]), expected, rtol=1e-5)


def test_no_images_no_scores(model):
    labels = np.zeros(80)
    for images in (IMAGES[:0], IMAGES.numpy()[labels == 10]):
        assert model.log_prob(images).shape == (0,)
    assert training.evaluate(model, IMAGES[:0]).shape == (0,)
    assert model.sample(0).shape == (0, *SHAPE) and model.sample(0).dtype == torch.uint8


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (torch.rand(2, *SHAPE), TypeError),
        (IMAGES[0], ValueError),
        (IMAGES[:, :1], ValueError),
        (IMAGES[:, :, :4], ValueError),
        (IMAGES.tolist(), TypeError),
        ("images", TypeError),
    ],
    ids=["floats", "no batch", "one channel", "another size", "a list", "a text"],
)
def test_anything_else_is_one_clear_error(model, images, error):
    with pytest.raises(error, match="images (must|have)"):
        model.log_prob(images)


def test_samples_follow_generator_and_temperature(model):
    def drawn(**options):
        return model.sample(40, generator=torch.Generator().manual_seed(1), **options).float()

    assert torch.equal(drawn(), drawn()) and drawn().shape == (40, *SHAPE)
    assert drawn(temperature=0.1).std(0).mean() < drawn().std(0).mean()  # a VAE keeps the noise of its pixels


@pytest.mark.parametrize("name", NOISY)
def test_noise_is_new_in_training_and_the_images_own_in_evaluation(name):
    model = build(name)
    with torch.no_grad():
        assert torch.equal(model.log_prob(IMAGES[:4]), model.log_prob(IMAGES[:4]))
        assert not torch.equal(model.log_prob(IMAGES[:4], draws=2), model.log_prob(IMAGES[:4]))
        model.train()
        assert not torch.equal(model.log_prob(IMAGES[:4]), model.log_prob(IMAGES[:4]))
        one, two = (model.log_prob(IMAGES[:4], generator=torch.Generator().manual_seed(2)) for _ in range(2))
        assert torch.equal(one, two)


@pytest.mark.parametrize(("name", "steps"), [("VAE", 30), ("Glow", 150)])
def test_a_loop_of_ones_own_does_not_learn_the_noise_by_heart(name, steps):
    """As every tutorial writes it. On the few images that it was trained on, old noise is no better than new."""
    model = build(name).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = -model.log_prob(IMAGES[:8]).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    with torch.no_grad():
        own = model.log_prob(IMAGES[:8]).mean()
        new = torch.stack([model.log_prob(IMAGES[:8], generator=torch.Generator().manual_seed(k)) for k in range(20)])
    assert abs(own - new.mean()) < 3 * new.mean(1).std(), "the images' own noise was learnt"


@pytest.mark.parametrize("name", STARTED)
def test_a_start_is_saved_and_happens_once_unasked(name):
    model, file = build(name), io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = MODELS[name]()
    assert not other.initialised
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.initialised
    before = copy.deepcopy(other.state_dict())
    training.fit(other, IMAGES[:60], IMAGES[60:], steps=1, lr=1e-12, warmup=0, evaluations=1)
    changed = max((a.double() - before[key].double()).abs().max() for key, a in other.state_dict().items())
    assert changed < 1e-6, "fit has started a model that was started"
    with pytest.warns(UserWarning, match="was initialised before"):
        other.initialise(IMAGES[:60])


@pytest.mark.parametrize("name", STARTED)
def test_a_start_from_one_image_is_finite_or_says_how_many_it_takes(name):
    for images in (IMAGES[:1], IMAGES[:1].expand(50, -1, -1, -1), torch.full((50, *SHAPE), 9, dtype=torch.uint8)):
        model = MODELS[name]()
        try:
            model.initialise(images)
        except ValueError as error:
            assert "at least" in str(error)
        else:
            assert all(value.isfinite().all() for value in model.state_dict().values())
            assert model.eval().log_prob(IMAGES[:3]).isfinite().all()
    with pytest.raises(ValueError, match="at least|no images"):
        MODELS[name]().initialise(IMAGES[:0])


def test_a_copy_and_another_thread_give_the_same(model):
    expected = model.log_prob(IMAGES[:3])
    assert torch.equal(copy.deepcopy(model).log_prob(IMAGES[:3]), expected)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert torch.allclose(model.log_prob(IMAGES[:3]), expected, rtol=1e-5)
    finally:
        torch.set_num_threads(threads)


def test_links_are_bijections():
    for link in (ActNorm(4), Conv1x1(4), Coupling(4, 4), FlowStep(4, 4), Level([FlowStep(4, 4)]), Split(4)):
        assert isinstance(link, contracts.Bijection)
