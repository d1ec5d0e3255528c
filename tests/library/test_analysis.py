"""The estimators of chapters 09 and 10, as the chapters define them, against exact values on small cases."""

import ast
import functools
import math

import numpy as np
import pytest
import torch
from scipy.fft import dctn, idctn
from torch import nn
from torch.func import jvp

from likelab.models.gaussian import Gaussian
from likelab.models.glow import Glow
from tools.chapter import chapters


def defined(chapter, names, given):
    """Functions of a chapter by name, in a namespace that holds `given`."""
    (path,) = [path for path in chapters.paths() if path.name.startswith(chapter)]
    space = dict(given)  # the functions' globals: what is put in later they see
    for cell in chapters.code_cells(chapters.read(path)):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef) and node.name in names:
                exec(compile(ast.Module([node], []), path.name, "exec"), space)
    assert set(names) <= space.keys()
    return space


@pytest.fixture(scope="module")
def flow():
    torch.manual_seed(0)
    small = Glow((3, 4, 4), steps=(2, 2), hidden=8, affine=False, sigma=1.3, activation=nn.SiLU, whiten=False)
    small.initialise(torch.randint(0, 256, (64, 3, 4, 4), dtype=torch.uint8))
    small = small.eval().double().requires_grad_(False)
    for weight in small.parameters():
        weight += 0.2 * torch.randn(weight.shape, dtype=torch.float64)
    return small


@pytest.fixture(scope="module")
def start():
    return 256 * torch.rand(1, 3, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


NINE = ("encoded", "velocity", "along", "curvature", "random_signs", "squared_products")


def test_curvature_along_every_axis_adds_up_to_the_trace_of_the_hessian(flow, start):
    curvature = defined("09", NINE, {"torch": torch, "jvp": jvp, "functools": functools})["curvature"]
    hessian = torch.autograd.functional.hessian(lambda y: flow.log_density(y.reshape(1, 3, 4, 4))[0], start.flatten())
    axes = torch.eye(48, dtype=torch.float64).reshape(48, 3, 4, 4)
    assert torch.allclose(curvature(flow, start, axes), hessian.diagonal(), rtol=1e-7, atol=1e-12)


@pytest.mark.slow
def test_hutchinson_by_both_products_is_the_exact_trace(flow, start):
    space = defined("09", NINE, {"torch": torch, "jvp": jvp, "functools": functools, "x0": start})
    signs = space["random_signs"](4000, seed=0).double()
    by_jvp, bend, by_vjp = space["squared_products"](flow, start, signs)

    def encoded(y):
        return torch.cat([level.flatten() for level in flow.encode(y.reshape(1, 3, 4, 4))[0]])

    z = encoded(start.flatten())
    jacobian = torch.autograd.functional.jacobian(encoded, start.flatten())
    bent = torch.autograd.functional.hessian(lambda y: encoded(y) @ z, start.flatten())
    for values, exact in ((by_jvp, (jacobian**2).sum()), (by_vjp, (jacobian**2).sum()), (bend, bent.trace())):
        assert (values.mean() - exact).abs() < 4 * values.std() / math.sqrt(len(values))
    assert by_jvp.std() > 0


def test_waves_keep_lengths_and_products():
    waves = defined("10", ("waves",), {"np": np, "dctn": dctn})["waves"]
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3 * 32 * 32))
    assert np.allclose((waves(a) * waves(b)).sum((1, 2, 3)), (a * b).sum(1))
    assert np.allclose(idctn(waves(a), axes=(2, 3), norm="ortho").reshape(5, -1), a)


def test_a_gaussians_gap_is_its_directions_contributions():
    rng = torch.Generator().manual_seed(0)
    inside, outside = (torch.randint(0, high, (200, 3, 2, 2), dtype=torch.uint8, generator=rng) for high in (256, 90))
    gaussian = Gaussian(shape=(3, 2, 2)).fit(inside, mirror=False)
    gaussian.ridge.fill_(1.5)
    ten = defined("10", ("deviations", "moments", "halves"), {"gaussian": gaussian})
    gap = gaussian.log_prob(outside).mean() - gaussian.log_prob(inside).mean()
    variances, of_train = gaussian.variances().flip(0), gaussian.eigenvalues.flip(0)
    assert torch.allclose(ten["moments"](inside), of_train), "the training images' moments are the eigenvalues"
    halves = ten["halves"](variances, of_train, ten["moments"](inside), ten["moments"](outside))
    assert sum(halves).sum().item() == pytest.approx(gap.item(), rel=1e-9)
    assert halves[1].abs().max() < 1e-9, "there is no over-fitting to the training images themselves"
