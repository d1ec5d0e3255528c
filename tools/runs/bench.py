"""How fast do this book's models learn, next to a public Glow? All train in turn on one machine.

    python -m tools.runs.bench            the whole table, under half an hour
    python -m tools.runs.bench --minutes 0.2 --slice 3     a quick look
    python -m tools.runs.bench --only chapter              the book's own models in the race, and no installation

The public one is `normflows` (Stimper et al. 2023), installed from the package index into an environment of its own
under _build/bench. Every contestant is a process that trains only while it is told to, a few seconds at a
time, in turn with the others, so that a machine that slows down slows them all. All see the same images, mirror
images, dequantisation, optimiser and clock; what differs is the model, the recipe where the table says so, and the
loop: the book's models are trained as its chapters do it, with freed memory kept and a flow's batch in two halves side
by side (`training.keep_memory`, `training.Gradients`). One row takes the halves away, one gives all that to the public
code.
"""

import argparse
import importlib
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ROOT / "_build" / "bench"
NORMFLOWS = "normflows==1.7.3"
DIMS = 3 * 32 * 32

# Contestant: (model, loop, optimiser, batch size, peak learning rate, schedule, largest gradient norm). The loop is one
# of LOOPS: this book's, with the batch in "halves" or "whole", or "plain".
SAME = {  # one architecture: 3 levels × 8 steps, 64 hidden channels, affine couplings
    "Glow of this book": ("same_glow", "halves", "adam", 64, 1e-3, "constant", None),
    "… in whole batches": ("same_glow", "whole", "adam", 64, 1e-3, "constant", None),
    "normflows": ("normflows_glow", "plain", "adam", 64, 1e-3, "constant", None),
    "normflows, our loop": ("normflows_glow", "halves", "adam", 64, 1e-3, "constant", None),
}
RACE = {
    "VAE, chapter 03": ("chapter_vae", "whole", "adam", 8, 2e-3, "cosine", 10),
    "PixelCNN, chapter 04": ("chapter_pixelcnn", "whole", "adam", 4, 5e-3, "cosine", 10),
    "Glow, chapter 05": ("chapter_glow", "halves", "adam", 16, 5e-3, "cosine", 10),
    "normflows, its example's recipe": ("normflows_glow", "plain", "adamax", 64, 1e-3, "constant", None),
    "normflows, this book's recipe": ("normflows_glow", "plain", "adam", 16, 5e-3, "cosine", 10),
}


# A model has log_prob(images, generator) in nats, with noise from the generator.


def book_model(module, name, **architecture):
    return getattr(importlib.import_module(f"likelab.models.{module}"), name)(**architecture)


def same_glow():
    return book_model("glow", "Glow", steps=(8, 8, 8), hidden=64)


def chapter_glow():
    return book_model("glow", "Glow", steps=(12, 6, 4), hidden=48)


def chapter_vae():
    return book_model("vae", "VAE")


def chapter_pixelcnn():
    return book_model("pixelcnn", "PixelCNN")


def normflows_glow():
    """Its documentation's multi-scale Glow, in the same size."""
    import normflows as nf

    class Images(nf.MultiscaleFlow):
        def log_prob(self, images, generator):
            noisy = images.float() + torch.rand(images.shape, generator=generator)
            return super().log_prob(noisy / 256, None) - DIMS * math.log(256)

    levels, steps, hidden = 3, 8, 64
    priors, merges, flows = [], [], []
    for i in range(levels):
        channels = 3 * 2 ** (levels + 1 - i)
        blocks = [nf.flows.GlowBlock(channels, hidden, split_mode="channel", scale=True) for _ in range(steps)]
        flows.append([*blocks, nf.flows.Squeeze()])
        side = 32 // 2 ** (levels - i)
        if i > 0:
            merges.append(nf.flows.Merge())
        priors.append(nf.distributions.DiagGaussian((3 * 2 ** (levels - i + (i == 0)), side, side)))
    return Images(priors, flows, merges)


MODELS = {f.__name__: f for f in (same_glow, chapter_vae, chapter_pixelcnn, chapter_glow, normflows_glow)}


def rate_factor(schedule, step, share):
    """Learning rate over its peak after `step` steps, when `share` of the time is used."""
    warm = min(1, (step + 1) / 50)
    return warm * (0.5 * (1 + math.cos(math.pi * share)) if schedule == "cosine" else 1)


def plain(model, generator):
    def gradients(batch):
        loss = -model.log_prob(batch, generator).mean() / (DIMS * math.log(2))
        model.zero_grad()
        loss.backward()
        return loss.item()

    return gradients


def ours(model, generator, halves=False):
    from likelab import training

    training.keep_memory()
    return training.Gradients(model, generator, halves)


LOOPS = {"plain": plain, "whole": ours, "halves": partial(ours, halves=True)}


def work(contestant, folder, seconds):
    """Train on demand: each line on stdin is a number of seconds, each answer a line of JSON; "end" evaluates."""
    name, loop, optimiser, batch_size, lr, schedule, clip = contestant
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    images = {name: torch.from_numpy(np.load(f"{folder}/{name}.npy")) for name in ("train", "inside", "outside")}
    model, generator = MODELS[name](), torch.Generator().manual_seed(0)
    used, step, loss = 0.0, 0, math.nan

    began = time.perf_counter()
    first = images["train"][torch.randperm(len(images["train"]), generator=generator)[:256]]
    with torch.no_grad():  # a start from data; its time counts
        model.initialise(first) if hasattr(model, "initialise") else model.log_prob(first, generator)
    used += time.perf_counter() - began
    make = torch.optim.Adam if optimiser == "adam" else torch.optim.Adamax
    parameters = list(model.parameters())
    optimiser = make(parameters, lr=lr, **({"fused": True} if make is torch.optim.Adam else {}))
    gradients = LOOPS[loop](model, generator)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        until, before, first = used + float(line), used, step
        while used < min(until, seconds):
            began = time.perf_counter()
            batch = images["train"][torch.randint(len(images["train"]), (batch_size,), generator=generator)]
            mirrored = torch.rand(batch_size, generator=generator) < 0.5
            batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
            loss = gradients(batch)
            if clip:
                torch.nn.utils.clip_grad_norm_(parameters, clip)
            optimiser.param_groups[0]["lr"] = lr * rate_factor(schedule, step, used / seconds)
            optimiser.step()
            step += 1
            used += time.perf_counter() - began
        report = {"images": (step - first) * batch_size, "seconds": used - before, "loss": loss, "step": step}
        report["done"] = used >= seconds
        print(json.dumps(report), flush=True)
    model.eval()
    found = {}
    with torch.no_grad():
        for which in ("inside", "outside"):
            log_p = torch.cat([model.log_prob(batch, generator=generator) for batch in images[which].split(100)])
            found[which] = (-log_p / (DIMS * math.log(2))).tolist()
    print(json.dumps(found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}), flush=True)


class Contestant:
    def __init__(self, name, settings, folder, seconds):
        self.name, self.images, self.seconds, self.rates, self.done = name, 0, 0.0, [], False
        python = PUBLIC / "bin" / "python" if settings[0] == "normflows_glow" else sys.executable
        command = [python, __file__, "--work", json.dumps([settings, str(folder), seconds])]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        try:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            raise SystemExit(f"{self.name} stopped; its message is above") from None

    def train(self, seconds):
        answer = self.ask(seconds)
        self.images, self.seconds = self.images + answer["images"], self.seconds + answer["seconds"]
        if answer["seconds"] > 1:  # a last, shorter slice says little
            self.rates.append(answer["images"] / answer["seconds"])
        self.loss, self.step, self.done = answer["loss"], answer["step"], answer["done"]


def public_environment():
    """An environment of its own for the public code; made once."""
    if not (PUBLIC / "done").exists():
        print(f"installing {NORMFLOWS} into {PUBLIC.relative_to(ROOT)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", PUBLIC], check=True)
        wanted = [NORMFLOWS, f"torch=={torch.__version__.split('+')[0]}", f"numpy=={np.__version__}"]
        wanted += ["tqdm", "scikit-learn"]  # for this book's loop
        subprocess.run([PUBLIC / "bin" / "pip", "install", "--quiet", *wanted], check=True)
        (PUBLIC / "done").touch()


def compete(table, folder, seconds, slice_seconds):
    """Train all contestants for `seconds` each, a slice at a time in turn; yields them finished."""
    crowd = [Contestant(name, settings, folder, seconds) for name, settings in table.items()]
    while waiting := [c for c in crowd if not c.done]:
        for c in waiting:
            c.train(slice_seconds)
        status = "; ".join(f"{c.name} {c.seconds:.0f} s, {c.loss:.2f}" for c in crowd)
        print(f"\r\033[K{status}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    for c in crowd:
        c.result = c.ask("end")
        c.process.wait()
    return crowd


def sampling(n=16):
    """Seconds to draw n images from chapter 04's PixelCNN: (naive, cached), from the same noise."""
    model = chapter_pixelcnn()
    from likelab.models.pixelcnn import walk, walk_cached

    noise, seconds = model.eval().noise(n, torch.Generator().manual_seed(0)), []
    with torch.no_grad():
        for walker in (walk, walk_cached):
            walker(model, 1, lambda f, i, j: model.draw(f, noise[:1, :, i, j, None, None]))  # warm up
            began = time.perf_counter()
            walker(model, n, lambda f, i, j: model.draw(f, noise[:, :, i, j, None, None]))
            seconds.append(time.perf_counter() - began)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4, help="training time of each contestant in the race")
    parser.add_argument("--slice", type=float, default=10, help="seconds that one trains before the next one's turn")
    parser.add_argument("--only", default="", metavar="TEXT", help="contestants with this text in their name")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(*json.loads(options.work))
    from likelab import bits, data

    same, race = ({k: v for k, v in table.items() if options.only in k} for table in (SAME, RACE))
    if any(settings[0] == "normflows_glow" for settings in (same | race).values()):
        public_environment()
    pair = data.pair()
    with tempfile.TemporaryDirectory() as folder:
        train = np.concatenate([pair.train.images.numpy(), pair.validation.images.numpy()])
        for name, images in ("train", train), ("inside", pair.inside.images), ("outside", pair.outside.images):
            np.save(f"{folder}/{name}.npy", np.asarray(images))
        print(
            f"{len(train):,} training images of {pair.train.name}; torch {torch.__version__}, {os.cpu_count()} cores\n"
        )
        if same:
            print(
                f"Same architecture (3 × 8 steps, 64 hidden, affine, batch 64, Adam), {options.minutes * 15:.0f} s each"
            )
            ours, *others = compete(same, folder, options.minutes * 15, options.slice / 4)
            for c in (ours, *others):
                low, middle, high = np.quantile(c.rates, [0, 0.5, 1])
                print(f"  {c.name:22} {middle:4.0f} images/s ({low:.0f} to {high:.0f}), peak {c.result['peak']:.2f} GB")
            for c in others:
                ratios = np.array([a / b for a, b in zip(ours.rates, c.rates, strict=False)])
                low, middle, high = np.quantile(ratios, [0, 0.5, 1])
                print(f"  ratio to {c.name}, slice by slice: {middle:.2f} ({low:.2f} to {high:.2f})")
            print()
        print(
            f"{options.minutes:g} minutes of training each; {len(pair.inside):,} and {len(pair.outside):,} test images,"
        )
        print(f"one draw of noise; bits/dim of {pair.inside.name} and {pair.outside.name} test, AUROC of −log p")
        print("(VAE: ELBO; PixelCNN: exact; Glow: mean over dequantisation noise)")
        for c in compete(race, folder, options.minutes * 60, options.slice):
            inside, outside = c.result["inside"], c.result["outside"]
            area = bits.auroc(inside, outside)
            print(
                f"  {c.name:32} {np.mean(inside):.3f}  {np.mean(outside):.3f}  AUROC {area:.3f}  {c.step:,} steps, "
                f"{c.images / c.seconds:.0f} images/s, peak {c.result['peak']:.2f} GB"
            )
    naive, cached = sampling()
    print("\nSampling 16 images of 32×32 from chapter 04's PixelCNN, two ways from the same noise")
    print(f"  naive {naive:.1f} s, cached {cached:.2f} s: {naive / cached:.0f} times faster")


if __name__ == "__main__":
    main()
