"""How fast do this book's models learn, next to a public Glow? `make bench`, on a machine that does nothing else.

    python -m tools.runs.bench                   the whole table, under half an hour
    python -m tools.runs.bench --minutes 0.2     a quick look
    python -m tools.runs.bench --only chapter    the book's own models, and nothing is installed

The public one is `normflows` (Stimper et al. 2023); it is installed from the package index into a folder of its own,
_build/bench. All are trained by `training.fit` on the same images. First their speeds are measured in turn, several
times over, so that a machine that slows down slows them all; then each trains for as many steps as fit into the
minutes at its speed.
"""

import argparse
import contextlib
import io
import math
import subprocess
import sys

import joblib
import torch
from torch import nn
from torch.utils import benchmark

from likelab import bank, bits, data, training
from likelab.errors import DataError
from likelab.models import pixelcnn
from tools.chapter import chapters
from tools.runs.recipes import CLIP, GLOW, PIXELCNN, VAE

PUBLIC = chapters.ROOT / "_build" / "bench"
NORMFLOWS = "normflows==1.7.3"
ROUNDS, STEPS, FEW = 5, 5, 100
SAMPLED = PIXELCNN["architecture"]
LIKE_NORMFLOWS = GLOW | {"architecture": {"steps": [8, 8, 8], "hidden": 64}}


class Normflows(nn.Module):
    """The multi-scale Glow of its documentation, 3 levels × 8 steps, 64 hidden channels, under this book's contract."""

    shape = (3, 32, 32)

    def __init__(self):
        import normflows as nf

        super().__init__()
        levels, priors, merges, flows = 3, [], [], []
        for i in range(levels):
            channels, side = 3 * 2 ** (levels + 1 - i), 32 // 2 ** (levels - i)
            blocks = [nf.flows.GlowBlock(channels, 64, split_mode="channel", scale=True) for _ in range(8)]
            flows.append([*blocks, nf.flows.Squeeze()])
            merges += [nf.flows.Merge()] if i > 0 else []
            priors.append(nf.distributions.DiagGaussian((3 * 2 ** (levels - i + (i == 0)), side, side)))
        self.flow = nf.MultiscaleFlow(priors, flows, merges)
        self.register_buffer("initialised", torch.tensor(False))

    def log_prob(self, images, *, draws=1, generator=None):
        """log p(x + u) at one draw of noise, in nats: uint8 (N, 3, 32, 32) -> (N,)."""
        noisy = bits.dequantise(images, generator=generator, fresh=self.training)
        return self.flow.log_prob(noisy / 256, None) - math.log(256) * images[0].numel()

    @torch.no_grad()
    def initialise(self, images, *, generator=None):
        """Its actnorms take their start from the first batch that they see."""
        self.log_prob(images, generator=generator)
        self.initialised.fill_(True)


def install():
    """Put the public code, without what it needs and the book has, into a folder of its own; once."""
    if not (PUBLIC / "normflows").is_dir():
        print(f"installing {NORMFLOWS} into {PUBLIC}", file=sys.stderr)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(PUBLIC), NORMFLOWS]
        if subprocess.run(pip).returncode:
            raise SystemExit(
                f"{NORMFLOWS} could not be installed; without it: python -m tools.runs.bench --only chapter"
            )
    sys.path.append(str(PUBLIC))


CONTESTANTS = {  # title: (recipe, the model where it is not the recipe's own)
    "VAE of chapter 03": (VAE, None),
    "PixelCNN of chapter 04": (PIXELCNN, None),
    "Glow of chapter 05": (GLOW, None),
    "Glow, size of normflows": (LIKE_NORMFLOWS, None),
    "normflows": (LIKE_NORMFLOWS, Normflows),
}


def fit(model, recipe, train, validation, steps, **options):
    """Train by the book's one loop, as the bank does."""
    told = {"batch_size": recipe["batch_size"], "lr": recipe["lr"], "clip": CLIP}
    return training.fit(model, train, validation, steps=steps, **told, **options)


def new(recipe, public):
    torch.manual_seed(0)
    return public() if public else bank.build(recipe["model"], recipe["architecture"])


def quiet():
    """Inside, nothing is said of the progress of a training."""
    return contextlib.redirect_stderr(io.StringIO())


def timer(title, statement, **names):
    return benchmark.Timer(statement, globals=names, sub_label=title, num_threads=joblib.cpu_count())


def speeds(contestants, images, seconds):
    """How long STEPS training steps and scoring FEW images take, {title: (Measurement, Measurement)}.

    images: uint8 (N, C, H, W). Each is timed for `seconds`, in ROUNDS parts that alternate with the others'.
    """
    timers = []
    for title, (recipe, public) in contestants.items():
        model, few = new(recipe, public), images[:FEW]
        with quiet():
            fit(model, recipe, images, few[:1], 1, evaluations=1)  # the start from data is not timed
        names = {"model": model, "recipe": recipe, "images": images, "few": few, "steps": STEPS}
        timers.append(timer(title, "fit(model, recipe, images, few[:1], steps, evaluations=1)", fit=fit, **names))
        timers.append(timer(title, "evaluate(model, few)", evaluate=training.evaluate, **names))
    with quiet():
        measured = [each.blocked_autorange(min_run_time=seconds / ROUNDS) for _ in range(ROUNDS) for each in timers]
    merged = benchmark.Measurement.merge(measured)
    return {title: tuple(one for one in merged if one.task_spec.sub_label == title) for title in contestants}


def race(recipe, public, pair, steps):
    """Train a new model. -> (its history, bits per dimension of the test images inside and outside, each (N,))."""
    model = new(recipe, public)
    history = fit(model, recipe, pair.train.images, pair.validation.images, steps)
    return history, *(training.evaluate(model, part.images) for part in (pair.inside, pair.outside))


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4, help="training time of each model (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="models with this text in their name")
    options = parser.parse_args(arguments)
    wanted = {title: contestant for title, contestant in CONTESTANTS.items() if options.only in title}
    if not wanted or not 0 < options.minutes < math.inf:
        parser.error(f"minutes are above 0, and models are {', '.join(CONTESTANTS)}")
    if any(public for _, public in wanted.values()):
        install()
    try:
        pair = data.pair()
    except DataError as error:
        sys.exit(str(error))
    print(f"torch {torch.__version__}, {joblib.cpu_count()} cores; {len(pair.train):,} images of {pair.train.name}\n")
    print("Images a second, median (and interquartile range as a share of it)")
    found = speeds(wanted, pair.train.images, 2.5 * options.minutes)
    for title, (steps, score) in found.items():
        size = wanted[title][0]["batch_size"]
        print(
            f"  {title:24} training {STEPS * size / steps.median:6.0f} ({steps.iqr / steps.median:.0%}), batches of "
            f"{size}; scoring {FEW / score.median:6.0f} ({score.iqr / score.median:.0%})"
        )
    sets = f"{pair.inside.name} and {pair.outside.name}"
    print(f"\n{options.minutes:g} minutes of training; bits/dim of test images, {sets}")
    for title, (recipe, public) in wanted.items():
        steps = max(1, round(60 * options.minutes / (found[title][0].median / STEPS)))
        history, inside, outside = race(recipe, public, pair, steps)
        print(
            f"  {title:24} {inside.mean():.3f}  {outside.mean():.3f}  AUROC {bits.auroc(inside, outside):.3f}  "
            f"{steps:,} steps in {history.seconds / 60:.1f} min"
        )
    print("\n" + sampling(bank.build("pixelcnn", SAMPLED), 4))


def sampling(model, n):
    """How long two ways take that draw the same n images from a PixelCNN, in words."""
    noise = model.eval().noise(n, generator=torch.Generator().manual_seed(0))
    names = {"model": model, "n": n, "choose": lambda mixture, i, j: mixture.sample(noise[:, :, i, j, None, None])}
    naive, cached = (
        timer(way.__name__, "way(model, n, choose)", way=way, **names).blocked_autorange(min_run_time=1e-3).median
        for way in (pixelcnn.generate, pixelcnn.generate_cached)
    )
    size, times = "×".join(map(str, model.shape[1:])), naive / cached
    return f"{n} images of {size} from a PixelCNN: naive {naive:.1f} s, cached {cached:.2f} s, {times:.0f} times faster"


if __name__ == "__main__":
    main()
