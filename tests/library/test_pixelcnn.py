"""The PixelCNN over random weights and shapes: causal by gradients, sums to one, sampled as stated, cached as naive."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F

from likelab import bits
from likelab.models.pixelcnn import PixelCNN, generate, generate_cached, shift_down, shift_right, with_ones
from likelab.models.pixelcnn_local import LocalPixelCNN
from likelab.models.vae import discretised_logistic, to_grey_levels


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """The networks are tiny: several threads would mostly wait for one another, on a busy machine most of all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def randomised(shape=(3, 8, 8), seed=0, size=0.3, dtype=torch.float64, **options):
    """A small PixelCNN with noise added to every weight, so that nothing is zero by chance."""
    torch.manual_seed(seed)
    model = PixelCNN(shape, **({"channels": 6, "blocks": 2, "mixtures": 2} | options)).to(dtype).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(size * torch.randn_like(weight))
    return model


def images(n, shape, levels=256, seed=0):
    return torch.randint(0, levels, (n, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def every_image(shape, levels):
    values = [torch.arange(levels, dtype=torch.uint8)] * math.prod(shape)
    return torch.cartesian_prod(*values).reshape(-1, *shape)


def influence(shape, blocks):
    """Sum over five random weights and images of |∂ log P(x_ic | past) / ∂ x_jd|: (C, H, W, C, H, W)."""
    total, dims = 0, math.prod(shape)
    for seed in range(5):
        model = randomised(shape, seed, blocks=blocks)
        copies = (torch.rand(1, *shape, dtype=torch.float64) - 0.5).repeat(dims, 1, 1, 1).requires_grad_()
        wanted = model.log_conditionals(copies).reshape(dims, dims).diagonal()  # of each copy, another number
        total = total + torch.autograd.grad(wanted.sum(), copies)[0].abs()
    return total.reshape(*shape, *shape)


@pytest.mark.parametrize("shape, blocks", [((3, 5, 5), 1), ((3, 4, 7), 2), ((1, 6, 6), 3), ((2, 3, 4), 0)], ids=str)
def test_causal_both_ways(shape, blocks):
    found = influence(shape, blocks).numpy()
    for c, i, j, d, k, m in itertools.product(*map(range, shape + shape)):
        value, where = found[c, i, j, d, k, m], f"{(c, i, j)} from {(d, k, m)}"
        before = (k, m, d) < (i, j, c)
        near = 1 <= i - k <= blocks + 2 and abs(j - m) <= blocks + 1
        near |= k == i and 1 <= j - m <= blocks + 2
        near |= (k, m) == (i, j) and d < c
        if (c, i, j) == (d, k, m):
            continue
        if not before:
            assert value == 0, f"sees the future: {where}"
        elif near:
            assert value > 0, f"misses its past: {where}"
        else:
            assert value == 0, f"sees beyond the field that is promised: {where}"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 1, 2), (2, 2, 1)], ids=str)
def test_probabilities_of_every_image_sum_to_one(shape, seed):
    model = randomised(shape, seed, levels=4, mixtures=1 + seed)
    with torch.no_grad():
        log_p = model.log_prob(every_image(shape, 4))
    assert log_p.shape == (4 ** math.prod(shape),)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_each_conditional_sums_to_one(seed):
    """Over the 256 levels of one number, with all before it given."""
    model, x8 = randomised((3, 3, 3), seed), images(1, (3, 3, 3), seed=seed)
    for c, i, j in ((0, 0, 0), (1, 1, 2), (2, 2, 1)):
        batch = x8.repeat(256, 1, 1, 1)
        batch[:, c, i, j] = torch.arange(256, dtype=torch.uint8)
        with torch.no_grad():
            log_p = model.log_conditionals(model.scaled(batch))[:, c, i, j]
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-8)


def test_log_prob_is_the_mixture_written_out():
    """Pixel by pixel, colour by colour, from the features, with loops in place of broadcasts."""
    model, x8 = randomised((3, 2, 3), 5, mixtures=3), images(2, (3, 2, 3))
    with torch.no_grad():
        x = model.scaled(x8)
        v = model.vertical(shift_down(with_ones(x)))
        h = v + model.horizontal(shift_right(with_ones(x)))
        for block in model.blocks:
            v, h = block(v, h)
        features = model.head(F.elu(h)).unflatten(1, (3, 10))
        for n in range(2):
            total = 0.0
            for i, j in itertools.product(range(2), range(3)):
                r, g, b = x[n, :, i, j].tolist()
                terms = []
                for k in range(3):
                    weight, *rest = features[n, k, :, i, j].tolist()
                    left = x[n, :, i, j - 1].tolist() if j else [0, 0, 0]
                    means = [mean + neighbour for mean, neighbour in zip(rest[:3], left, strict=True)]
                    log_scales, raw = [max(s, -7) for s in rest[3:6]], rest[6:]
                    alpha, beta, gamma = map(math.tanh, raw)
                    red, green, blue = means
                    means = red, green + alpha * (r - red), blue + beta * (r - red) + gamma * (g - green)
                    parts = sum(
                        discretised_logistic(*(torch.tensor(t, dtype=torch.float64) for t in (v, mean, log_scale)))
                        for v, mean, log_scale in zip((r, g, b), means, log_scales, strict=True)
                    )
                    terms.append((weight, parts))
                weights = torch.tensor([weight for weight, _ in terms], dtype=torch.float64)
                parts = torch.stack([part for _, part in terms])
                total += torch.logsumexp(weights.log_softmax(0) + parts, 0).item()
            assert model.log_prob(x8)[n].item() == pytest.approx(total, rel=1e-9)


def test_conditionals_add_up():
    model, x8 = randomised(), images(3, (3, 8, 8))
    with torch.no_grad():
        parts = model.log_conditionals(model.scaled(x8))
        assert parts.shape == (3, 3, 8, 8) and (parts <= 0).all()
        assert torch.allclose(parts.sum((1, 2, 3)), model.log_prob(x8))


def test_start_is_like_the_left_neighbour():
    """Untrained, an image of one level a row costs little, but for its first column, and noise costs a lot."""
    torch.manual_seed(0)
    model, noise = PixelCNN((3, 16, 16), 16, 2), images(4, (3, 16, 16))
    rows = noise[:, :, :, :1].expand(-1, -1, -1, 16)
    with torch.no_grad():
        similar, different = (
            -model.log_conditionals(model.scaled(x))[..., 1:].mean() / math.log(2) for x in (rows, noise)
        )
    assert similar < 7 < 8 < different


def test_shifts():
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    assert shift_down(x)[0, 0].tolist() == [[0, 0, 0], [0, 1, 2]]
    assert shift_right(x)[0, 0].tolist() == [[0, 0, 1], [0, 3, 4]]


@pytest.mark.parametrize("options", [{}, {"blocks": 0}, {"channels": 5, "blocks": 4, "mixtures": 3}], ids=str)
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 5, 9)], ids=str)
def test_cache_gives_the_same_image(shape, options):
    model = randomised(shape, 3, **options)
    noise = model.noise(3, generator=torch.Generator().manual_seed(1))

    def draw(mixture, i, j):
        return mixture.sample(noise[:, :, i, j, None, None])

    slow, fast = generate(model, 3, draw), generate_cached(model, 3, draw)
    assert slow.std() > 0.1 and torch.equal(slow, fast)
    assert torch.equal(model.sample(3, generator=torch.Generator().manual_seed(1)), to_grey_levels(slow))


def test_cache_agrees_in_float32_under_teacher_forcing():
    model, x8 = randomised((3, 12, 12), 4, dtype=torch.float32, size=0.1, channels=16), images(4, (3, 12, 12))
    x, cached = model.scaled(x8), []

    def follow(mixture, i, j):
        cached.append(mixture)
        return x[:, :, i, j, None, None]

    assert torch.equal(generate_cached(model, 4, follow), x)
    with torch.no_grad():
        whole = model.mixture(model.features(x), shift_right(x))
    for name in ("logits", "means", "log_scales", "coefficients"):
        found = torch.cat([getattr(mixture, name) for mixture in cached], -1).unflatten(-1, (12, 12))[..., 0, :, :]
        assert (found - getattr(whole, name)).abs().max() < 1e-4, name


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 1, 2)], ids=str)
@pytest.mark.parametrize("way", [generate, generate_cached])
def test_samples_come_out_as_often_as_stated(shape, way):
    model, draws = randomised(shape, 6, levels=4), 20_000
    noise = model.noise(draws, generator=torch.Generator().manual_seed(2))
    x = way(model, draws, lambda mixture, i, j: mixture.sample(noise[:, :, i, j, None, None]))
    with torch.no_grad():
        expected = draws * model.log_prob(every_image(shape, 4)).exp()
    place = 4 ** torch.arange(math.prod(shape) - 1, -1, -1)
    found = torch.bincount((to_grey_levels(x, 4).long().flatten(1) * place).sum(1), minlength=len(expected)).double()
    rare = expected < 5
    found, expected = (torch.cat([t[~rare], t[rare].sum()[None]]) for t in (found, expected))
    chi2, freedom = ((found - expected) ** 2 / expected).sum(), len(found) - 1
    assert freedom > 10 and abs(chi2 - freedom) < 4 * math.sqrt(2 * freedom)


def test_sample_gives_images_and_follows_the_generator():
    model = randomised()
    draws = [model.sample(2, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert draws[0].shape == (2, 3, 8, 8) and draws[0].dtype == torch.uint8
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("temperature", [0.3, 2.0])
def test_temperature_divides_logits_and_multiplies_scales(temperature):
    """On one pixel, 20,000 times: each level as often as the model says whose logits and scales were changed so."""
    model, n = randomised((1, 1, 1), 7, levels=8, mixtures=3), 20_000
    drawn = model.sample(n, temperature=temperature, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        nothing = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
        mixture = model.mixture(model.features(nothing), shift_right(nothing))
        mixture.logits, mixture.log_scales = mixture.logits / temperature, mixture.log_scales + math.log(temperature)
        every = (torch.arange(8, dtype=torch.float64) * 2 / 7 - 1)[:, None, None, None]
        expected = mixture.log_joint(every).exp().flatten()
    found = torch.bincount(drawn.flatten().long(), minlength=8) / n
    assert (found - expected).abs().max() < 4 * math.sqrt(0.25 / n)


def test_temperature_zero_takes_the_most_likely_logistic_and_its_mean():
    model = randomised()
    assert torch.equal(model.sample(2, temperature=0)[0], model.sample(2, temperature=0)[1])


@pytest.mark.parametrize("model", [PixelCNN, LocalPixelCNN])
@pytest.mark.parametrize("temperature", [-1.0, math.nan, math.inf])
def test_temperatures_that_make_no_sense(model, temperature):
    with pytest.raises(ValueError, match="temperature is"):
        model((3, 4, 4), channels=4).sample(1, temperature=temperature)


def test_log_prob_is_exact_and_depends_on_neither_batch_nor_generator():
    model, x8 = randomised(), images(5, (3, 8, 8))
    with torch.no_grad():
        whole = model.log_prob(x8)
        assert torch.allclose(model.log_prob(x8[[3, 0]]), whole[[3, 0]], rtol=1e-12)
        assert torch.equal(model.log_prob(x8, generator=torch.Generator().manual_seed(1)), whole)
        assert torch.equal(model.log_prob(x8, draws=3), whole)
        assert model.log_prob(x8[:0]).shape == (0,)


def test_it_learns():
    """Images of one grey level per image: after some steps the first pixel tells the others."""
    torch.manual_seed(0)
    model = PixelCNN((1, 4, 4), channels=8, blocks=1, mixtures=2)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        level = torch.randint(0, 256, (32, 1, 1, 1), dtype=torch.uint8, generator=generator)
        loss = bits.per_dim(model.log_prob(level.expand(-1, 1, 4, 4)), 16).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 5  # 7.2 at the start


def test_local_model_sees_four_neighbours_and_draws_from_them():
    torch.manual_seed(0)
    model = LocalPixelCNN((2, 5, 5), channels=8, mixtures=2).double()
    x = (torch.rand(20, 2, 5, 5, dtype=torch.float64) - 0.5).requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_conditionals(x)[:, 0, 2, 2].sum(), x)
    seen = {(i - 2, j - 2) for i, j in torch.nonzero(gradient.abs().sum((0, 1))).tolist()}
    assert seen - {(0, 0)} == {(-1, -1), (-1, 0), (-1, 1), (0, -1)}
    one, two = (model.sample(2, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert one.shape == (2, 2, 5, 5) and torch.equal(one, two)


SMALL = {"shape": (3, 8, 8), "channels": 4, "blocks": 1}


@pytest.mark.parametrize(
    ("action", "error", "words"),
    [
        (lambda: PixelCNN(**SMALL).log_prob(torch.zeros(1, 3, 8, 8)), TypeError, "not scaled to"),
        (lambda: PixelCNN(**SMALL).log_prob(images(1, (1, 8, 8))), ValueError, "built for"),
        (lambda: PixelCNN(**SMALL).log_prob(images(1, (3, 8, 12))), ValueError, "built for"),
        (lambda: PixelCNN(**SMALL).log_prob(images(1, (3, 8, 8))[0]), ValueError, r"one image is images\[None\]"),
        (lambda: PixelCNN(**SMALL, levels=4).log_prob(images(1, (3, 8, 8))), ValueError, "levels 0 to 3"),
        (lambda: PixelCNN(**SMALL, levels=1), ValueError, "2 to 256 levels"),
        (lambda: PixelCNN(**SMALL, levels=257), ValueError, "2 to 256 levels"),
        (lambda: PixelCNN(**SMALL, mixtures=0), ValueError, "at least one channel and one mixture"),
        (lambda: LocalPixelCNN((3, 8, 8), channels=0), ValueError, "at least one channel and one mixture"),
    ],
)
def test_bad_input(action, error, words):
    with pytest.raises(error, match=words):
        action()
