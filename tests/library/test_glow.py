"""Glow's pieces and the whole, over random weights and shapes, in float64 against automatic differentiation."""

import math

import pytest
import torch
from torch import nn

from likelab import bits, contracts
from likelab.models.glow import ActNorm, Conv1x1, Coupling, FlowStep, Glow, Level, Split, squeeze, unsqueeze

SHAPES = [(4, 2, 4), (6, 4, 2), (2, 1, 1), (12, 3, 3)]


def shaken(module, seed, size=0.2):
    """Every weight moved at random, so that nothing is zero by luck."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            weight.add_(size * torch.randn(weight.shape, generator=generator, dtype=torch.float64).to(weight.dtype))
    return module


def jacobian_log_det(function, x):
    """log|det ∂f/∂x| for each image of x, rows by reverse mode. -> (N,)"""
    found = []
    for image in x:
        jacobian = torch.func.jacrev(lambda v: function(v[None]).flatten())(image)
        found.append(torch.linalg.slogdet(jacobian.reshape(image.numel(), -1))[1])
    return torch.stack(found)


def bijections(channels):
    return {
        "actnorm": ActNorm(channels),
        "1×1 convolution": Conv1x1(channels),
        "affine coupling": Coupling(channels, 5),
        "additive coupling": Coupling(channels, 5, affine=False),
        "smooth coupling": Coupling(channels, 5, activation=nn.SiLU),
        "step": FlowStep(channels, 5),
        "whitened step": FlowStep(channels, 5, whiten=True),
        "level": Level([FlowStep(channels, 5, whiten=True), FlowStep(channels, 5)]),
    }


def started(link, x):
    """The link, started from x where its start depends on data."""
    if hasattr(link, "initialise"):
        link.initialise(x)
    return link


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", bijections(2))
def test_bijection(name, shape):
    torch.manual_seed(sum(shape))
    x = torch.rand(64, *shape, dtype=torch.float64) - 0.5
    link = shaken(started(bijections(shape[0])[name].double(), x), seed=sum(shape)).eval()
    assert isinstance(link, contracts.Bijection)
    x = x[:3]
    z, log_det = link.forward_and_log_det(x)
    back, log_det_back = link.inverse_and_log_det(z)
    assert z.shape == x.shape and log_det.shape == log_det_back.shape == (3,)
    assert (back - x).abs().max() < 1e-10
    assert (log_det + log_det_back).abs().max() < 1e-9
    assert torch.allclose(log_det, jacobian_log_det(lambda v: link.forward_and_log_det(v)[0], x), atol=1e-9)
    truth_back = jacobian_log_det(lambda v: link.inverse_and_log_det(v)[0], z)
    assert torch.allclose(log_det_back, truth_back, atol=1e-9)


@pytest.mark.parametrize("name", bijections(2))
def test_inverse_in_float32(name):
    torch.manual_seed(0)
    x = torch.rand(64, 12, 16, 16) - 0.5
    link = shaken(started(bijections(12)[name], x), seed=1, size=0.02)
    assert (link.inverse_and_log_det(link.forward_and_log_det(x)[0])[0] - x).abs().max() < 1e-5


@pytest.mark.parametrize("learned", [True, False])
def test_split_is_the_conditional_normal(learned):
    torch.manual_seed(0)
    split = shaken(Split(6, learned).double(), seed=2)
    x = torch.randn(3, 6, 4, 4, dtype=torch.float64)
    (h, noise), log_det = split.forward_and_log_det(x)
    mean, log_scale = split.mean_and_log_scale(h)
    expected = torch.distributions.Normal(mean, log_scale.exp()).log_prob(x[:, 3:]).flatten(1).sum(1)
    assert torch.allclose(torch.distributions.Normal(0.0, 1.0).log_prob(noise).flatten(1).sum(1) + log_det, expected)
    back, log_det_back = split.inverse_and_log_det((h, noise))
    assert torch.allclose(back, x) and torch.allclose(log_det_back, -log_det)
    assert learned or (log_det == 0).all()


@pytest.mark.parametrize("shape", [(2, 1, 4, 4), (3, 3, 8, 6), (1, 5, 2, 2)])
def test_squeeze_keeps_each_block_together(shape):
    x = torch.arange(math.prod(shape)).reshape(shape)
    z = squeeze(x)
    for row in range(2):
        for column in range(2):
            assert torch.equal(z[:, 2 * row + column :: 4], x[:, :, row::2, column::2])
    assert torch.equal(unsqueeze(z), x)


def small_glow(seed=0, dtype=torch.float64, size=0.05, **options):
    options = {"shape": (3, 8, 8), "steps": (2, 2), "hidden": 6} | options
    torch.manual_seed(seed)
    model = Glow(**options).to(dtype)
    model.initialise(torch.randint(0, 256, (64, *options["shape"]), dtype=torch.uint8))
    return shaken(model, seed, size).eval()


def flat(latents):
    return torch.cat([z.flatten(1) for z in latents], 1)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shape": (1, 4, 8), "steps": (1, 1)},
        {"shape": (3, 4, 4), "steps": (3,), "whiten": False},
        {"affine": False, "sigma": 0.5, "activation": nn.SiLU},
    ],
    ids=["learned priors", "grey", "one level", "constant volume"],
)
def test_whole_model(options):
    model = small_glow(seed=1, **options)
    y = 256 * torch.rand(2, *model.shape, dtype=torch.float64)
    latents, log_det = model.encode(y)
    assert (model.decode(latents) - y).abs().max() < 1e-8
    assert flat(latents).shape == (2, math.prod(model.shape))
    assert torch.allclose(log_det, jacobian_log_det(lambda v: flat(model.encode(v)[0]), y), atol=1e-8)
    assert torch.equal(model.log_density(y), model.log_prior(latents) + log_det)


def test_constant_volume_is_one_number():
    model = small_glow(affine=False, sigma=0.5)
    _, log_det = model.encode(256 * torch.rand(20, 3, 8, 8, dtype=torch.float64))
    assert log_det.std() < 1e-9
    _, varying = small_glow().encode(256 * torch.rand(20, 3, 8, 8, dtype=torch.float64))
    assert varying.std() > 1e-3


def test_density_integrates_to_one():
    """Over images of 1×2×2 pixels: importance sampling, five standard errors.

    The proposal is Student's t with 5 degrees of freedom, placed and spread like the model's own samples: a normal
    of fixed spread misses the tails of a flow that stretches space, and reads too little while its error looks small.
    """
    model, freedom, draws = small_glow(shape=(1, 2, 2), steps=(3,), size=0.3), 5.0, 200_000
    torch.manual_seed(5)
    own = model.decode([torch.randn(20_000, 4, 1, 1, dtype=torch.float64)]).detach().flatten(1)
    centre, root = own.mean(0), torch.linalg.cholesky(torch.cov(own.T))
    u = (
        torch.randn(draws, 4, dtype=torch.float64)
        * (freedom / torch.distributions.Chi2(freedom).sample((draws, 1))) ** 0.5
    )
    proposal = -0.5 * (freedom + 4) * torch.log1p((u**2).sum(1) / freedom) - root.diag().log().sum()
    proposal += math.lgamma((freedom + 4) / 2) - math.lgamma(freedom / 2) - 2 * math.log(freedom * math.pi)
    with torch.no_grad():
        weights = (model.log_density((centre + u @ root.T).reshape(draws, 1, 2, 2)) - proposal).exp()
    error = weights.std().item() / math.sqrt(draws)
    assert error < 0.01 and abs(weights.mean().item() - 1) < 5 * error


def test_log_prob_is_the_mean_over_stated_draws():
    model = small_glow()
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    by_hand = torch.stack([model.log_density(bits.dequantise(images, draw=draw)) for draw in range(3)]).mean(0)
    assert torch.allclose(model.log_prob(images, draws=3), by_hand)
    assert torch.equal(model.log_prob(images)[2:], model.log_prob(images[2:]))
    assert torch.equal(model.log_prob(images), model.log_density(bits.dequantise(images)))


def test_density_is_differentiable():
    model = small_glow(activation=nn.SiLU)
    y = (256 * torch.rand(1, 3, 8, 8, dtype=torch.float64)).requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_density(y).sum(), y)
    direction = torch.randn_like(y)
    with torch.no_grad():
        slope = (model.log_density(y + 1e-4 * direction) - model.log_density(y - 1e-4 * direction)) / 2e-4
    assert torch.allclose((gradient * direction).sum(), slope.squeeze(), rtol=1e-5)


def test_samples_are_images_and_come_from_the_prior():
    model = small_glow(sigma=0.7, affine=False, dtype=torch.float32)
    generator = torch.Generator().manual_seed(3)
    drawn = model.sample(5, generator=generator)
    assert drawn.shape == (5, 3, 8, 8) and drawn.dtype == torch.uint8
    assert torch.equal(model.sample(5, generator=torch.Generator().manual_seed(3)), drawn)
    assert model.sample(3, temperature=0).float().std(0).max() == 0
    with torch.no_grad():
        model.decode = lambda latents: torch.cat([z.flatten(1) for z in latents], 1) * 20 + 128
        latents = (model.sample(400).float() - 128) / 20
    assert latents.std() == pytest.approx(0.7, rel=0.03)


def test_initialisation_travels_with_the_weights():
    model = small_glow()
    other = Glow(shape=(3, 8, 8), steps=(2, 2), hidden=6).double()
    other.load_state_dict(model.state_dict())
    assert other.initialised and model.initialised
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    assert torch.equal(other.eval().log_prob(images), model.log_prob(images))


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_without_a_start_it_refuses_in_either_mode(mode):
    model = getattr(Glow((3, 8, 8), (2, 2), 6), mode)()
    with pytest.raises(RuntimeError, match="never started: call initialise"):
        model.log_prob(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="never started"):
        model.sample(1)


def degenerate(kind):
    """First images that have few directions, or none."""
    image = torch.randint(0, 256, (1, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return {
        "one image": image,
        "one image, many times": image.expand(64, -1, -1, -1),
        "grey images with three channels": image[:, :1].expand(-1, 3, -1, -1),
        "one grey level": torch.full((64, 3, 8, 8), 7, dtype=torch.uint8),
        "a dead channel": torch.cat([image[:, :2], torch.zeros_like(image[:, :1])], 1),
    }[kind]


KINDS = ["one image", "one image, many times", "grey images with three channels", "one grey level", "a dead channel"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_a_start_from_degenerate_images_is_finite(kind, seed):
    torch.manual_seed(seed)
    model = Glow((3, 8, 8), (2, 2), 6)
    model.initialise(degenerate(kind), generator=torch.Generator().manual_seed(seed))
    assert all(value.isfinite().all() for value in model.state_dict().values())
    model.eval()
    y = 256 * torch.rand(4, 3, 8, 8)
    assert model.log_density(y).isfinite().all()
    assert model.sample(4).shape == (4, 3, 8, 8)
    loss = -model.log_density(y).mean()
    loss.backward()
    assert all(weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None)


def test_no_images_no_start():
    with pytest.raises(ValueError, match="no images to start from"):
        Glow((3, 8, 8), (2, 2), 6).initialise(torch.zeros(0, 3, 8, 8, dtype=torch.uint8))


def test_a_second_start_sets_the_same_parts_anew_and_says_so():
    model, fresh = small_glow(dtype=torch.float32), Glow((3, 8, 8), (2, 2), 6)
    images = torch.randint(0, 256, (64, 3, 8, 8), dtype=torch.uint8)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.warns(UserWarning, match="Glow was initialised before") as warned:
        model.initialise(images, generator=torch.Generator().manual_seed(1))
    assert warned[0].filename == __file__
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    starts = {f"levels.{k}.{step}.norm.{part}" for k in (0, 1) for step in (0, 1) for part in ("shift", "log_scale")}
    assert changed == starts | {f"levels.{k}.0.mix.weight" for k in (0, 1)}
    first = {name: value.clone() for name, value in fresh.state_dict().items()}
    fresh.initialise(images)
    differs = {name for name, value in fresh.state_dict().items() if not torch.equal(value, first[name])}
    assert {name for name in differs if "initialised" not in name} == changed


@pytest.mark.parametrize("sigma", [0, 0.0, -1.0, math.nan, math.inf])
def test_a_prior_without_width_is_refused(sigma):
    with pytest.raises(ValueError, match="sigma is .*above 0"):
        Glow(sigma=sigma)


def test_a_blown_up_inverse_is_an_error_not_a_picture():
    model = small_glow(dtype=torch.float32)
    with pytest.raises(RuntimeError, match="left the range"):
        model.sample(1, temperature=1e38)


def test_whitening_saves_bits_at_the_start():
    """On images whose channels and neighbours are strongly correlated."""
    torch.manual_seed(0)
    coarse = torch.rand(300, 1, 4, 4).repeat_interleave(2, 2).repeat_interleave(2, 3)
    images = (200 * coarse + 50 * torch.rand(300, 3, 8, 8)).to(torch.uint8)
    costs = []
    for whiten in (False, True):
        model = Glow(shape=(3, 8, 8), steps=(2, 2), hidden=6, whiten=whiten)
        model.initialise(images[:256])
        costs.append(bits.per_dim(model.eval().log_prob(images[256:]), 192).mean().item())
    assert costs[1] < costs[0] - 0.2


@pytest.mark.parametrize(
    "action, error, words",
    [
        (lambda m: m.log_prob(torch.rand(1, 3, 8, 8)), TypeError, "not scaled"),
        (lambda m: m.log_prob(torch.zeros(1, 1, 8, 8, dtype=torch.uint8)), ValueError, r"built for \(3, 8, 8\)"),
        (lambda m: m.log_prob(torch.zeros(1, 3, 16, 16, dtype=torch.uint8)), ValueError, r"built for \(3, 8, 8\)"),
        (lambda m: Glow(shape=(3, 12, 12), steps=(1, 1, 1)), ValueError, "halve each side 3 times"),
        (lambda m: m.log_prob(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), draws=0), ValueError, "at least 1"),
    ],
)
def test_bad_input(action, error, words):
    with pytest.raises(error, match=words):
        action(small_glow())


def test_singular_convolution_is_named():
    model = small_glow()
    with torch.no_grad():
        model.levels[0][0].mix.weight[1] = model.levels[0][0].mix.weight[0]
    with pytest.raises(RuntimeError, match="singular"):
        model.sample(1)
