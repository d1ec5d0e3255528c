"""The explorable figures: their numbers, their HTML without a kernel, their widgets with one."""

import base64
import io
import itertools
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from PIL import Image
from scipy import integrate, stats
from torch import nn

from likelab import bank, data, explore
from likelab.explore import draw, gallery
from likelab.explore import experiment as experiment_module
from likelab.explore.experiment import MAX_BYTES
from likelab.explore.gallery import new_units as line_units
from likelab.explore.gallery.dials import dials as show_dials
from likelab.explore.gallery.disagreement import disagreement
from likelab.explore.gallery.receptive_field import (
    BLIND,
    CHANNELS,
    KERNELS,
    SEEN,
    STACKS,
    field_of,
    see,
)
from likelab.explore.gallery.ruler import SCALES, read, ruler
from likelab.explore.gallery.shell import log_share_within, shell
from likelab.explore.gallery.stranger import CENTRES, REJECTED, SPREAD, judge, log_density, stranger
from likelab.explore.gallery.terms import terms as show_terms
from likelab.explore.gallery.threshold import BINS, share_above, threshold
from likelab.explore.gallery.warp import GRAIN, HALF, SHADES, density, grid_lines
from likelab.explore.gallery.warp import path as passed
from likelab.explore.gallery.warp import warp as show_warp
from likelab.explore.table import Computed, Table
from likelab.models.glow import FlowStep, Level
from likelab.models.pixelcnn import PixelCNN, shift_down, shift_right
from likelab.models.vae import discretised_logistic
from tests.support.experiments import (  # noqa: F401 (fixtures)
    BETAS,
    NAMES,
    OTHERS,
    costs,
    denoised,
    dials,
    experiment,
    grid,
    interpolation,
    known,
    moves,
    other,
    pairs,
    pictures,
    sample,
    scores,
    terms,
    variances,
    warp,
)
from tools.chapter import chapters


def test_every_finished_experiment_goes_through_these_tests():
    finished = {path.stem for path in Path(gallery.__file__).parent.glob("[!_]*.py")}
    assert finished <= {"threshold", *OTHERS}


# The numbers ----------------------------------------------------------------------------------------------


def test_known_anomalies_reorder_the_ranks():
    """The second method is last where nothing is known and first where all is; the ranks of a problem add up to 6."""
    at = [known().function(known=k, problems="all", method="b") for k in (0, 4)]
    assert [found["mine"] for found in at] == [3, 1]
    assert at[1]["best"] == "b"
    assert all(sum(found["ranks"]) == pytest.approx(6, abs=0.03) for found in at)
    assert at[0]["apart"] == pytest.approx(3.314 / np.sqrt(2) * np.sqrt(12 / 30), abs=0.01)
    with pytest.raises(explore.ExploreError, match="finite"):
        known(methods=["a", "b"])


def test_noise_levels_tell_what_is_paid_there():
    at = {k: denoised().function(level=k) for k in (1, 2, 5)}
    assert [at[k]["inside_bits"] for k in at] == [0.3, 0.5, 0.0] and at[2]["difference"] == "+0.30"
    assert at[1]["gamma"] == -12 and at[1]["grey"] == round(127.5 * math.exp(-6), 1)
    assert at[1]["noisy_0"] != at[2]["noisy_0"] != at[2]["guess_0"]
    with pytest.raises(explore.ExploreError, match="another number"):
        denoised(gammas=np.linspace(-12, 4, 4))


def test_new_units_divide_the_density_by_the_slope():
    for target in line_units.TARGETS:
        for part in (0, 0.4, 1):
            slope = np.gradient(line_units.units(part, target), line_units.FINE)[1:-1]
            left = stats.norm.logpdf(line_units.FINE)[1:-1] - np.log(slope)
            difference = left - line_units.log_density(part, target)[1:-1]
            assert np.ptp(difference) < 1e-4, (target, part)
    assert np.allclose(line_units.units(0, next(iter(line_units.TARGETS))), line_units.FINE / line_units.FINE[-1])


def test_new_units_turn_the_ranking():
    opposite, flat, right, left = line_units.TARGETS
    middle, side = line_units.OUTSIDE
    known = 2 / math.pi * math.atan(line_units.OUTSIDE[middle][1])  # of two half-normals, which is the larger?
    assert line_units.outside_found(0, opposite, middle) == pytest.approx(known, abs=1e-3)
    assert line_units.outside_found(1, opposite, middle) == pytest.approx(1 - known, abs=1e-3)
    assert (
        line_units.outside_found(0.5, opposite, side) == line_units.outside_found(1, flat, side) == pytest.approx(0.5)
    )
    mean, width = line_units.OUTSIDE[side]
    below = stats.norm.cdf(-mean / math.hypot(1, width))  # an outside point is left of an inside one
    assert line_units.outside_found(1, right, side) == pytest.approx(below, abs=1e-3)
    assert line_units.outside_found(1, left, side) == pytest.approx(1 - below, abs=1e-3)


def test_bars_in_new_units_hold_all_points():
    experiment = line_units.new_units()
    for settings in sample(experiment, 5):
        numbers = experiment.function(**settings)
        for name, width in (("new", 2), ("old", 8)):
            for tone in ("inside", "outside"):
                assert sum(numbers[f"{tone}_{name}"]) * width / line_units.BINS == pytest.approx(1, abs=0.03)


def test_shares_and_bars_count_images():
    rng = np.random.default_rng(0)
    for _ in range(5):
        # Whole tenths, so that scores fall on thresholds and on edges of bars.
        data = {"a": [np.round(rng.normal(4, 1, n), 1) for n in (57, 93)]}
        figure = threshold(data, **NAMES)
        edges = figure.controls[1].settings[:: (len(figure.controls[1].settings) - 1) // BINS]
        for settings in grid(figure)[::7]:
            numbers = figure.table.at(settings)
            for name, values in zip(("inside", "outside"), data["a"], strict=True):
                above = sum(x > settings["threshold"] for x in values) / len(values)
                assert numbers[f"{name}_away"] == pytest.approx(above, abs=5.1e-5)
                bars = [sum(a < x <= b for x in values) for a, b in zip(edges[:-1], edges[1:], strict=True)]
                bars[-1] += sum(x > edges[-1] for x in values)
                assert numbers[f"{name}_bars"] == bars and sum(bars) == len(values)


def test_the_axis_starts_below_every_score_and_ends_above_nearly_all(experiment):
    slider = experiment.controls[1]
    for pair in scores().values():
        for values in pair:
            assert share_above(np.sort(values), slider.low) == 1
            assert share_above(np.sort(values), slider.high) <= 0.02
    assert experiment.table.at(experiment.start)["inside_away"] == pytest.approx(0.30, abs=0.02)


def check_stored(experiment):
    """The page has the function's values over the whole grid. Returns them."""
    spec = json.loads(re.search(r'<script type="application/json">(.*?)</script>', experiment.html())[1])
    outputs, controls = spec["outputs"], experiment.controls
    assert bool(outputs) != bool(experiment.script)
    if experiment.script:
        return outputs
    for settings in grid(experiment):
        index = [control.settings.index(settings[control.name]) for control in controls]
        for name, value in experiment.function(**settings).items():
            stored = outputs[name]["values"]
            for axis in outputs[name]["axes"]:
                stored = stored[index[axis]]
            assert stored == np.asarray(value).tolist(), (name, settings)
    return outputs


def test_the_stored_table_is_the_function_on_the_whole_grid(experiment):
    outputs = check_stored(experiment)
    # An output is stored only along the controls it depends on.
    assert outputs["inside_away"]["axes"] == [0, 1] and outputs["inside_bars"]["axes"] == [0]
    assert outputs["edges"]["axes"] == []


def test_text_rounds_halves_up_and_a_few_are_not_none():
    assert [draw.fixed(x, 0) for x in (0.5, 1.5, 2.49, -0.6)] == ["1", "2", "2", "-1"]
    assert draw.fixed(4.6, 2) == "4.60" and draw.fixed(0.049, 1) == "0.0"
    shares = [draw.percent(x) for x in (0, 0.004, 0.005, 0.125, 0.9949, 0.996, 1)]
    assert [s.replace("\u00a0", " ") for s in shares] == [
        *("0 %", "under 1 %", "1 %", "13 %", "99 %", "over 99 %", "100 %")
    ]


# The HTML -------------------------------------------------------------------------------------------------


def test_stored_tables_of_the_other_experiments_are_their_functions(other):
    check_stored(other)
    assert len(other.html().encode()) < MAX_BYTES


def test_each_pair_has_its_own_names_and_counts():
    figure = pairs()
    there, back = (figure.pieces({"model": m, "threshold": figure.start["threshold"]}) for m in ("a → b", "b → a"))
    assert "of set a and" in there[1] and "of set b and" in back[1]
    assert "300 images of set a, 200 images of set b" in there[2] and "80 images of set b" in back[2]


def test_the_shell_counts_draws_also_where_floats_end():
    for d in (1, 2, 3, 10, 100):
        assert math.exp(log_share_within(d, 0.5)) == pytest.approx(stats.chi(d).cdf(0.5 * math.sqrt(d)), rel=1e-9)
    # By Stirling's formula: the logarithm falls by about (x - 1 - log x) / 2 a dimension, x = 1/4.
    slope = (log_share_within(3072, 0.5) - log_share_within(2072, 0.5)) / 1000
    assert slope == pytest.approx((1 - 0.25 - math.log(4)) / 2, rel=1e-3)
    figure = shell()
    draws = np.linalg.norm(np.random.default_rng(0).standard_normal((20_000, 3)), axis=1)
    shown = figure.function(d="3")
    assert shown["mean"] == pytest.approx(draws.mean(), abs=0.02)
    assert shown["spread"] == pytest.approx(draws.std(), abs=0.02)
    share = np.histogram(draws / math.sqrt(3), np.append(shown["edges"], 2.5))[0] / 200
    assert np.abs(share - shown["share"]).max() < 0.6 and shown["share"].sum() == pytest.approx(100, abs=0.2)


def test_the_width_of_the_prior_changes_the_size_of_a_gap_and_not_its_sign():
    figure = variances()
    for c_out, sign in ((1.0, 1), (2.0, -1)):
        at = {"c_in": 1.0, "c_out": c_out, "channel": "all channels", "shift": 0}
        shown = {sigma: figure.function(**at, sigma=sigma) for sigma in ("0.7", "1", "1.4")}
        assert {np.sign(values["measured"]) for values in shown.values()} == {sign}
        assert shown["1"]["measured"] == 1000 - 300 * c_out**2 and shown["1"]["predicted"] == 2000 - 600 * c_out**2
        assert shown["0.7"]["measured"] == round(shown["1"]["measured"] / 0.49)


def test_dials_show_the_scores_of_their_setting():
    figure = dials()
    rng, outside = np.random.default_rng(0), {}
    for contrast, blur, noise in itertools.product((0.5, 1.0), (0.0, 0.5), (0, 2, 4)):
        base = rng.normal(1 + 2 * contrast - blur + 0.5 * noise, 0.4, 50)
        if (contrast, blur, noise) == (0.5, 0.5, 2):
            wanted = {"Glow": base, "VAE": base + 0.5}
    outside = {model: rng.normal(2, 0.4, 80) for model in ("Glow", "VAE")}
    shown = figure.function(contrast=50, blur=0.5, noise=2)
    likelier = [np.mean(wanted[model] < np.median(outside[model])) for model in wanted]
    assert shown["likelier"] == pytest.approx(likelier, abs=1e-3) and 0 < min(likelier) < max(likelier)
    assert shown["means"] == pytest.approx([values.mean() for values in wanted.values()], abs=0.005)
    assert (shown["bars_0"].max(), shown["outside_1"].max()) == (9, 9)
    with pytest.raises(explore.ExploreError, match=r"no scores or no picture at \(0.5, 0, 0\)"):
        some = {"m": np.ones(3)}
        show_dials({(1, 0, 0): some, (0.5, 1, 0): some}, {(1, 0, 0): pictures(1)[0]}, some, ("a", "b"), "")


def test_terms_are_where_the_image_is():
    figure = terms()
    inside = costs(300, 1)
    own = costs(3, 6, places=True)
    shown = figure.function(image="plate", model="constant volume")
    assert shown["bits"] == pytest.approx(own.total[1], abs=0.005)
    assert shown["likelier_inside"] == pytest.approx(np.mean(inside.total > own.total[1]), abs=5e-5)
    assert shown["latent_at"] == pytest.approx(own.latent[1] - inside.latent.mean(), abs=6e-4)
    picture = Image.open(io.BytesIO(base64.b64decode(shown["photo"].split(",")[1])))
    assert np.array_equal(np.asarray(picture).transpose(2, 0, 1), pictures(3)[1])
    with pytest.raises(explore.ExploreError, match="'image' has 3 names, but there are 2 images"):
        show_terms(["a", "b", "c"], pictures(2), {"m": own}, {"m": inside}, {"m": inside}, ("A", "B"))


def test_the_ruler_reads_what_chapters_two_and_three_compute():
    """Bits are those of the model's discretised logistic; the flow's are the mean over the noise, by quadrature."""
    for settings in grid(ruler())[::5]:
        value, location, s = settings["value"], settings["location"], float(settings["scale"])
        shown = read(**settings)
        grey, mean = (torch.tensor([2 * x / 255 - 1], dtype=torch.float64) for x in (value, location))
        log_scale = torch.tensor([2 * s / 255], dtype=torch.float64).log()
        exact = -discretised_logistic(grey, mean, log_scale).item() / math.log(2)
        assert shown["bits"] == pytest.approx(exact, rel=1e-9, abs=1e-9)
        log_p = stats.logistic(location + 0.5, s).logpdf
        mean_log = integrate.quad(log_p, value, value + 1, points=[value + 0.5])[0]
        assert shown["reported"] == pytest.approx(-mean_log / math.log(2), abs=2e-4)
        assert shown["loss"] > -2e-4 and sum(shown["chance"]) == pytest.approx(1)
        if s >= 0.25:  # narrower bells escape the quadrature
            integral = integrate.quad(stats.logistic(location + 0.5, s).pdf, value, value + 1, points=[value + 0.5])[0]
            if integral > 1e-9:
                assert shown["integral"] == pytest.approx(-math.log2(integral), abs=1e-6)


def test_the_rulers_bound_is_tight_for_a_wide_bell_at_the_ends_too():
    assert all(read(value, value, "64")["loss"] < 1e-3 for value in (0, 128, 255))


def test_the_ruler_shows_what_its_question_asks():
    bits = {s: read(148, 128, s)["bits"] for s in SCALES}
    assert min(bits, key=bits.get) == "16" and bits["8"] < 8 < bits["4"]
    centred = {s: read(128, 128, s) for s in SCALES}
    assert centred["64"]["bits"] == pytest.approx(8, abs=0.001)  # density 1 / 4s at the location
    halvings = [centred[wide]["bits"] - centred[narrow]["bits"] for narrow, wide in itertools.pairwise(SCALES[4:])]
    assert min(halvings) > 0.97 and max(halvings) < 1.001
    assert centred["0.0625"]["bits"] < 0.001 and min(shown["reported"] for shown in centred.values()) > 0.4


def masked_conv():
    """Chapter 04's masked convolution, which no module holds."""
    cells = chapters.code_cells(chapters.read(chapters.BOOK / "04_pixelcnn.ipynb"))
    namespace = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    exec(next(cell.source for cell in cells if "class MaskedConv" in cell.source), namespace)
    return namespace["MaskedConv"]


def moved_by(network, row, column):
    """Which of 16 × 16 pixels have a gradient at one output of a random network, in float64."""
    x = torch.randn(1, 1, 16, 16, dtype=torch.float64, requires_grad=True)
    network(x)[0, :, row, column].sum().backward()
    return (x.grad[0, 0] != 0).numpy()


def one_stack(radius, layers):
    convolve = masked_conv()
    stack = [convolve(4 if k else 1, 4, 2 * radius + 1, "B" if k else "A") for k in range(layers)]
    return torch.nn.Sequential(*(part for layer in stack for part in (layer, torch.nn.Tanh()))).double()


def two_stacks(radius, layers):
    """Chapter 04's stacks with a kernel of any width: this row and those above it, this pixel and those to its left."""
    weights = lambda k, *shape: torch.randn(4, 4 if k else 1, *shape, dtype=torch.float64)  # noqa: E731
    kernels = [(weights(k, radius + 1, 2 * radius + 1), weights(k, 1, radius + 1)) for k in range(layers)]

    def network(x):
        v, h = shift_down(x), shift_right(x)
        for rows, left in kernels:
            v = torch.tanh(torch.nn.functional.conv2d(torch.nn.functional.pad(v, (radius, radius, radius, 0)), rows))
            h = torch.tanh(torch.nn.functional.conv2d(torch.nn.functional.pad(h, (radius, 0)), left) + v)
        return h

    return network


PLACES = ((8, 7), (15, 15), (6, 0), (0, 9), (13, 3))


@pytest.mark.parametrize("network", [one_stack, two_stacks])
@pytest.mark.parametrize(("radius", "layers"), [(1, 1), (1, 4), (1, 8), (2, 1), (2, 3), (3, 2), (3, 5)])
def test_the_receptive_field_is_where_gradients_are(network, radius, layers):
    torch.manual_seed(radius + 10 * layers)
    stack, name = network(radius, layers), STACKS[network is two_stacks]
    for row, column in PLACES:
        shown = see(row, column, "red", KERNELS[radius - 1], layers, name)
        field, seen = shown["field"].reshape(16, 16), moved_by(stack, row, column)
        assert np.array_equal(field == SEEN, seen), (row, column)
        assert shown["n_seen"] == seen.sum() and shown["n_seen"] + shown["n_blind"] + shown["n_far"] == shown["n_past"]
        assert list(shown["row_seen"]) == list(seen.sum(1))


@pytest.mark.parametrize("radius", [1, 2, 3])
def test_the_blind_spot_is_what_no_depth_reaches(radius):
    torch.manual_seed(radius)
    deep = one_stack(radius, 17)  # goes farther than the image is wide
    for row, column in PLACES:
        field = field_of(row, column, radius, 2, two_stacks=False)
        past = np.arange(256).reshape(16, 16) < 16 * row + column
        assert np.array_equal(field == BLIND, past & ~moved_by(deep, row, column)), (row, column)


@pytest.mark.parametrize("blocks", [0, 2])
def test_the_receptive_field_is_that_of_the_pixelcnn_colours_included(blocks):
    torch.manual_seed(blocks)
    model = PixelCNN((3, 16, 16), channels=6, blocks=blocks, mixtures=2).double()
    for weight in model.parameters():
        weight.data.add_(0.3 * torch.randn_like(weight))
    for (row, column), c in itertools.product(PLACES[:3], range(3)):
        x = (torch.rand(1, 3, 16, 16, dtype=torch.float64) - 0.5).requires_grad_()
        model.log_conditionals(x)[0, c, row, column].backward()
        moved = (x.grad[0] != 0).numpy()
        shown = see(row, column, CHANNELS[c], KERNELS[0], blocks + 1, STACKS[1])
        own = moved[:, row, column].copy()
        own[c] = False  # a number moves its own probability
        assert list(own) == [colour == 2 for colour in shown["colours"]]
        moved[:, row, column] = False
        for channel in moved:  # of a pixel that is seen, every colour
            assert np.array_equal(shown["field"].reshape(16, 16) == SEEN, channel)


def test_the_receptive_field_shows_what_its_question_asks():
    blind = {kernel: see(8, 7, "red", kernel, 8, STACKS[0])["n_blind"] for kernel in KERNELS}
    assert list(blind.values()) == [28, 12, 7]
    for layers, kernel in itertools.product(range(1, 9), KERNELS):
        masked, both = (see(8, 7, "red", kernel, layers, stack) for stack in STACKS)
        assert masked["row_seen"][7] < 16 and masked["n_blind"] == blind[kernel] and both["n_blind"] == 0
    corner = [see(15, 15, "blue", "7 × 7", layers, STACKS[1])["n_far"] for layers in range(1, 9)]
    assert corner.index(0) + 1 == 5 and see(15, 15, "blue", "3 × 3", 8, STACKS[1])["n_far"] > 0


def test_the_stranger_is_judged_by_bayes_rule():
    """Posterior and density are those of SciPy's Gaussians; each threshold rejects the share that it says."""
    classes = [stats.multivariate_normal(centre, SPREAD**2) for centre in CENTRES]
    for settings in sample(stranger()):
        x, y, shown = settings["x"], settings["y"], judge(**settings)
        densities = np.array([one.pdf([x, y]) / 3 for one in classes])
        assert shown["log_p"] == pytest.approx(math.log(densities.sum()))
        assert np.allclose(shown["shares"], densities / densities.sum())
        assert (shown["verdict"] == "accepts") == (shown["log_p"] >= shown["limit"])
    rng = np.random.default_rng(0)
    own = np.array(CENTRES)[rng.integers(3, size=40_000)] + SPREAD * rng.standard_normal((40_000, 2))
    for reject in REJECTED:
        share = (log_density(own) < judge(0, 0, reject)["limit"]).mean()
        assert share == pytest.approx(float(reject[:-2]) / 100, rel=0.15)


def test_far_away_the_softmax_is_sure_and_the_density_is_not():
    corners = [judge(x, y, "1 %") for x in (-6, 6) for y in (-6, 6)]
    assert min(shown["sure"] for shown in corners) > 0.999
    assert all(shown["verdict"] == "rejects" for shown in corners)
    assert judge(0, 0, "1 %")["sure"] == pytest.approx(1 / 3, abs=1e-3), "the middle is the one place without an idea"


def frame_of(address):
    """The picture at a data address, uint8 (3, H, W)."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))).transpose(2, 0, 1)


def test_an_interpolation_shows_the_frame_of_its_step_and_the_cost_of_its_price():
    frames = {beta: np.random.default_rng(k).integers(0, 256, (5, 3, 4, 4), np.uint8) for k, beta in enumerate(BETAS)}
    figure = interpolation(frames=frames)
    places = ["the start", *(f"{share}\u00a0% from start to end" for share in (25, 50, 75)), "the end"]
    for beta, (rate, distortion) in BETAS.items():
        for step in range(5):
            shown = figure.function(beta=beta, step=step)
            error = np.abs(frame_of(shown["frame"]).astype(int) - frames[beta][step])
            assert error.max() <= 255 / 23 / 2 + 0.5, "not the nearest of 24 levels"
            assert shown["place"] == places[step]
            assert (shown["rate"], shown["distortion"], shown["sum"]) == (rate, distortion, rate + distortion)
    verdicts = [figure.function(beta=beta, step=0)["verdict"] for beta in BETAS]
    assert verdicts == ["0.50 above the smallest", "the smallest sum of all", "1.10 above the smallest"]
    assert "The sum is smallest at β = 1" in figure.html()


def test_an_interpolation_with_stops_between_its_frames_is_refused():
    with pytest.raises(explore.ExploreError, match="'step': paths of 4 steps, or of several lengths, for 4 stops"):
        interpolation(stops=["a", "b", "c", "d"])
    with pytest.raises(explore.ExploreError, match="'step': paths of .* or of several lengths"):
        interpolation(frames={beta: pictures(4 + (beta == "1")) for beta in BETAS}, stops=["a", "b"])
    with pytest.raises(explore.ExploreError, match="'beta': there are frames of"):
        interpolation(costs={"1": (1, 1)})


@pytest.mark.parametrize("best", BETAS)
def test_the_line_of_equal_sums_stays_in_its_panel(best):
    """Also where one coordinate of the best run is close to the largest of its kind."""
    costs = BETAS | {best: (0.3, 0.1) if best == "1" else (BETAS[best][0] - 0.09, 0.05)}
    panel = interpolation(costs=costs).plots[1]["panels"][0]
    (line,) = (mark for mark in panel["marks"] if mark["kind"] == "line")
    for x, y in (line["start"], line["end"]):
        assert x + y == pytest.approx(sum(costs[best]))
        assert 0 <= x <= panel["x"]["high"] and 0 <= y <= panel["y"]["high"]


def test_the_interpolation_of_the_book_decodes_what_it_says():
    """Stored frames against latents that are interpolated here step by step, and the plane against the bank's cards."""
    nb = chapters.read(chapters.BOOK / "03_variational_autoencoder.ipynb")
    pages = [out.data.get("text/html", "") for cell in chapters.code_cells(nb) for out in cell.outputs if "data" in out]
    (page,) = (page for page in pages if 'data-explore-id="interpolation"' in page)
    stored = json.loads(re.search(r'<script type="application/json">(.*?)</script>', page)[1])
    outputs = {name: output["values"] for name, output in stored["outputs"].items()}
    betas = stored["controls"][0]["options"]
    leaf, plate = (data.load(name, "test").images[:1] for name in ("leaves", "plates"))
    for beta, frames, rate, distortion in zip(
        betas, outputs["frame"], outputs["rate"], outputs["distortion"], strict=True
    ):
        net, cost = bank.load(f"vae_beta{beta}"), bank.card(f"vae_beta{beta}")["results"]["inside"]
        noise = torch.randn(1, *net.latent_shape, generator=torch.Generator().manual_seed(3))
        with torch.no_grad():
            here, there = (net.encoder(net.scaled(image))[0] for image in (leaf, plate))
            for step, address in enumerate(frames):
                a, b, share = (here, there, step / 3) if step < 3 else (there, noise, step / 3 - 1)
                decoded = 127.5 * (1 + net.decoder(a + share * (b - a))[0][0].clamp(-1, 1))
                error = np.abs(frame_of(address) - decoded.numpy())
                assert error.mean() < 4 and np.quantile(error, 0.99) < 6.5, (beta, step)
        nats = 3072 * math.log(2)
        assert (rate * nats, distortion * nats) == pytest.approx((cost["rate"], cost["distortion"]), abs=3)


def test_what_is_warped_is_the_flows_own_forward_pass():
    """On a flow from chapter 05 with random weights: places, account, and back by the flow's own inverse."""
    torch.manual_seed(0)
    flow = Level([FlowStep(2, hidden=4, activation=nn.SiLU) for _ in range(3)]).double()
    points = torch.randn(50, 2, 1, 1, dtype=torch.float64)
    flow.initialise(points)
    flow.requires_grad_(False)
    for weight in flow.parameters():
        weight += 0.2 * torch.randn(weight.shape)

    def step(k):
        def function(places):
            z, log_det = flow[k].forward_and_log_det(torch.as_tensor(places, dtype=torch.float64)[:, :, None, None])
            return z[:, :, 0, 0].numpy(), log_det.numpy()

        return f"step {k}", function

    there, here = points[:, :, 0, 0].numpy(), points[0, :, 0, 0].tolist()
    figure = show_warp([step(k) for k in range(3)], there, {"first": here})
    z, log_det = flow.forward_and_log_det(points)
    last = figure.table.at({"layer": 3, "watch": "first"})
    assert [last["cloud_x"], last["cloud_y"]] == np.round(GRAIN * z[:, :, 0, 0].numpy()).T.tolist()
    rounded = torch.tensor([last["cloud_x"], last["cloud_y"]], dtype=torch.float64).T[:, :, None, None] / GRAIN
    back = flow.inverse_and_log_det(rounded)[0]
    assert (back - points).abs().max() < 0.1  # as the stored places are rounded
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).flatten(1).sum(1)
    assert last["there"] == pytest.approx(normal[0].item(), abs=0.011)
    assert last["volume"] == pytest.approx(log_det[0].item(), abs=0.011)
    rows = zip(last["row_volume"], last["row_there"], strict=True)
    assert {round(volume + there, 2) for volume, there in rows} == {round((normal + log_det)[0].item(), 2)}


def test_the_warped_density_integrates_to_one_after_every_move():
    figure, names = warp(), moves()
    for layer in range(4):
        fine = density(names[layer:], half=8, cells=400)
        assert fine.sum() * (16 / 400) ** 2 == pytest.approx(1, abs=0.002)
        shown = figure.table.at({"layer": layer, "watch": "a far one"})
        picture = Image.open(io.BytesIO(base64.b64decode(shown["shade"].split(",")[1])))
        stored = np.asarray(picture)[..., 3] / 255 * shown["peak"]
        cells = density(names[layer:])
        assert np.abs(stored - cells).max() <= shown["peak"] * 0.51 / SHADES + 0.01
        assert stored.sum() * (6 / len(cells)) ** 2 == pytest.approx(cells.sum() * (6 / len(cells)) ** 2, abs=0.05)
    # after the last move it is the standard normal, upright: the first row is the top one
    assert cells[0, 0] == pytest.approx(math.exp(-((3 * 39 / 40) ** 2)) / (2 * math.pi))
    top = density([("up", lambda p: (p - [0, 1], np.zeros(len(p))))])
    assert top.argmax() // len(top) < len(top) / 2


def test_the_grid_stays_on_its_lines():
    """The stored path runs along the warped lines, all that is seen of them; a linear move leaves them straight."""
    figure, lines = warp(), grid_lines()
    for layer in range(4):
        path = figure.table.at({"layer": layer, "watch": "a far one"})["grid"]
        parts = [[int(v) for v in re.findall(r"-?\d+", part)] for part in path.split("M")[1:]]
        corners = [np.reshape(part, (-1, 2)).cumsum(0) / GRAIN for part in parts]
        start, way = np.concatenate([c[:-1] for c in corners]), np.concatenate([np.diff(c, axis=0) for c in corners])
        places = passed(moves(), lines.reshape(-1, 2))[0][layer]
        for share in (0, 0.5, 1):
            away = [np.hypot(*(places - point).T).min() for point in start + share * way]
            assert max(away) < 1.7 / GRAIN, "a stroke where no line is"
        seen = places[(np.abs(places) <= HALF - 1 / GRAIN).all(1)][::11]
        offset = seen[:, None] - start
        share = np.clip((offset * way).sum(-1) / (way**2).sum(-1), 0, 1)[..., None]
        assert np.hypot(*(offset - share * way).T).min(0).max() < 1.7 / GRAIN, "a part of a line is not drawn"
        assert np.abs(start).max() <= HALF
        if layer < 2:
            assert {len(part) for part in parts} == {4}, "a straight line needs two corners"


def test_images_that_a_kernel_shows_are_never_in_the_page():
    """Photographs may be shown to whoever has them, and must not be stored."""
    secret = [f"photograph {k}" for k in range(40)]
    own = {model: costs(40, seed, places=True) for seed, model in enumerate(("Glow", "constant volume"))}
    figure = terms(here=(secret, pictures(40, seed=9), own))
    assert figure.html() == terms().html()
    box = figure.widget()
    assert box.controls["image"].options == tuple(secret)
    box.controls["image"].value = secret[39]
    assert figure.here.function(image=secret[39], model="Glow")["photo"] in box.children[-2].value


def test_html_is_the_same_every_time_and_small(experiment):
    again = threshold(scores(), **NAMES)
    assert again.html() == experiment.html()
    assert len(experiment.html().encode()) < MAX_BYTES
    five = {f"{name} {i}": pair for i in range(3) for name, pair in scores(1000, 1000).items()}
    assert len(threshold(five, **NAMES).html().encode()) < MAX_BYTES


def test_html_asks_no_other_host(experiment, other):
    for figure in (experiment, other):
        text = re.sub(r"data:image/webp;base64,[A-Za-z0-9+/=]+", "", figure.html())
        assert not re.search(r"https?:|//\w|@import|url\((?!#)", text)


# What an author is told -------------------------------------------------------------------------------------


def simple(function, *controls):
    return lambda: Table(function, controls)


SLIDER = explore.Slider("t", "T", 0.0, 1.0, 0.1, 0.5)
FINE = explore.Slider("t", "T", 0.0, 1.0, 0.0001, 0.5)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (simple(lambda t: {"y": t}, FINE), r"'t' has 10,001 settings.*at most 4,000"),
        (simple(lambda t: {"y": np.nan if t == 0.3 else t}, SLIDER), r"'y' is not finite at t = 0\.3"),
        (simple(lambda t: {"y": [1] * (1 + (t > 0.55))}, SLIDER), r"'y' changes from shape \(1,\).*t = 0\.6"),
        (simple(lambda t: {"y": 1} | ({"z": 2} if t > 0.9 else {}), SLIDER), r"'z' changes from nothing.*t = 1\.0"),
        (simple(lambda t: {"y": ["text"]}, SLIDER), r"'y' is neither a number, a text nor a list"),
        (simple(lambda t: {"y": None}, SLIDER), r"'y' is neither a number, a text nor a list"),
        (lambda: explore.Slider("t", "T", 0.0, 1.0, 0.3, 0.3).check(), r"control 't': high 1\.0"),
        (lambda: explore.Slider("t", "T", 0.0, 1.0, 0.1, 2.0).check(), r"control 't': start 2\.0"),
        (lambda: explore.Slider("t", "T", 1.0, 0.0, 0.1, 0.0).check(), r"control 't': a slider needs low < high"),
        (lambda: explore.Choice("m", "M", ("a", "a"), "a").check(), r"control 'm': two options are equal"),
        (lambda: explore.Choice("m", "M", ("a", "b"), "c").check(), r"control 'm': start 'c'"),
        (lambda: Computed(lambda t: {"y": 1 / t if t else np.inf}, [SLIDER]), r"'y' is not finite at t = 0\.0"),
        (lambda: threshold({}, **NAMES), r"control 'model' has no options"),
        (lambda: threshold({"a": ([], [1])}, **NAMES), r"'a': there are no scores of CIFAR-10 test"),
        (lambda: threshold({"a": ([1, 2], [1, np.inf])}, **NAMES), r"'a': 1 of 2 scores of SVHN test"),
        (lambda: threshold({"a": ([1, 2], [1]), "b": ([1], [1])}, **NAMES), r"'b': scores of \[1, 1\]"),
        (lambda: threshold({"a": ([1, 2], [3])}, **NAMES, id="A b"), r"id 'A b'"),
    ],
)  # fmt: skip
def test_a_wrong_experiment_is_refused_with_its_control_and_limit(build, message):
    with pytest.raises(explore.ExploreError, match=message):
        build()


def bare(**changes):
    """An experiment with next to nothing in it, to break in one place."""
    parts = {
        "id": "bare",
        "function": lambda t: {"y": [t, 1]},
        "controls": [SLIDER],
        "plots": [],
        "summary": "{t:1}",
        "table": {"caption": "", "columns": [["y", "y", 1]]},
        "caption": "",
    }
    return explore.Experiment(**(parts | changes))


def test_a_figure_that_is_too_heavy_or_names_what_is_not_there_is_refused():
    bare()
    with pytest.raises(explore.ExploreError, match="output 'y', stored for each setting of 't'"):
        bare(function=lambda t: {"y": RNG.random(1000)})
    with pytest.raises(explore.ExploreError, match="names 'z'"):
        bare(summary="{z}")


@pytest.mark.slow
def test_one_id_serves_one_cell_which_may_be_run_again():
    """In a kernel: a bundle of widget and HTML, no widget state stored, a second experiment of an id refused."""
    figure = "threshold({'a': ([1., 2.], [1., 3.])}, inside='in', outside='out'%s)"
    sources = [
        "from likelab.explore.gallery.threshold import threshold",
        figure % "",
        figure % "" + "  # elsewhere",
        figure % ", id='other'",
        "[%s for _ in range(2)]" % (figure % ", id='twice'"),
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    path = str(Path(explore.__file__).parents[2])
    client = NotebookClient(book, store_widget_state=False, resources={"metadata": {"path": path}})
    with client.setup_kernel():

        def run(number):
            return client.execute_cell(book.cells[number], number).outputs

        run(0)
        first = run(1)[0].data
        assert run(1)[0].data["text/html"] == first["text/html"]
        for number, id in ((2, "threshold"), (4, "twice")):
            with pytest.raises(CellExecutionError, match=f"already has an experiment with id '{id}'"):
                run(number)
        run(3)
    assert first.keys() == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
    assert first["application/vnd.jupyter.widget-view+json"]["model_id"] not in first["text/html"]
    assert "widgets" not in book.metadata


def test_a_cell_is_known_by_its_name_or_by_its_code(monkeypatch):
    def run(count, code, name=None):
        parent = {"metadata": {"cellId": name} if name else {}}
        kernel = SimpleNamespace(execution_count=count, user_ns={"In": ["", code]}, get_parent=lambda: parent)
        monkeypatch.setattr("IPython.get_ipython", lambda: kernel)
        experiment_module._claim("known")

    monkeypatch.setattr(experiment_module, "_claimed", {})
    run(1, "code", "cell")
    run(2, "edited code", "cell")
    run(3, "edited code", "cell of the notebook opened anew")
    for count, code, name in ((3, "edited code", "cell"), (4, "other code", "other cell"), (4, "other code", None)):
        with pytest.raises(explore.ExploreError, match="already has an experiment"):
            run(count, code, name)


# The live widget --------------------------------------------------------------------------------------------


def test_the_live_widget_shows_the_stored_table_over_its_whole_range(experiment):
    box = experiment.widget()
    summary, plots, table = box.children[-3:]
    model, slider = box.controls["model"], box.controls["threshold"]
    for settings in grid(experiment)[::-1]:
        model.value = settings["model"]
        slider.value = settings["threshold"] + 1e-12  # a front end's rounding error
        drawn, words, numbers = experiment.pieces(settings)
        assert words in summary.value and numbers in table.value
        assert plots.value == experiment.plots_html(drawn)


def test_disagreement_counts_images_that_one_score_flags_and_the_other_does_not():
    rng = np.random.default_rng(1)
    inside, outside = np.arange(100.0), np.concatenate([np.full(30, 200.0), np.full(70, -1.0)])
    same = disagreement({"a": (inside, outside), "again": (inside, outside), "b": (-inside, -outside)}, ("in", "out"))
    at = same.function("a", "again")
    assert at["outside_counts"] == [30, 0, 0, 70] and at["inside_counts"] == [10, 0, 0, 90]
    assert at["area_across"] == pytest.approx(0.3) and at["agreement"] == 1
    assert same.function("a", "b")["outside_counts"] == [0, 30, 70, 0]
    with pytest.raises(ValueError, match="the same images"):
        disagreement({"a": (inside, outside), "b": (inside[:5], rng.normal(size=100))}, ("in", "out"))
