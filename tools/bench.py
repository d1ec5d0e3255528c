"""How fast does this book's Glow learn, next to a public one? Both train in turn on one machine.

    python tools/bench.py            the whole table, about a quarter of an hour
    python tools/bench.py --minutes 0.2 --slice 3     a quick look

The public one is `normflows` (Stimper et al. 2023), installed from the package index into an environment of its own
under _build/bench. Every contestant is a process that trains only while it is told to, a few seconds at a
time, in turn with the others, so that a machine that slows down slows them all. All see the same images, mirror
images, dequantisation, optimiser and clock; what differs is the model, the recipe where the table says so, and that
the book's models keep freed memory, as its training loop does; one row gives that to the public code too.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[1]
PUBLIC = ROOT / "_build" / "bench"
NORMFLOWS = "normflows==1.7.3"
DIMS = 3 * 32 * 32

# Contestant: (model, optimiser, batch size, peak learning rate, schedule, largest gradient norm).
SAME = {  # one architecture: 3 levels × 8 steps, 64 hidden channels, affine couplings
    "Glow of this book": ("same_glow", "adam", 64, 1e-3, "constant", None),
    "normflows": ("normflows_glow", "adam", 64, 1e-3, "constant", None),
    "normflows, memory kept": ("normflows_glow", "adam", 64, 1e-3, "constant", None),
}
KEPT = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(1 << 30)}  # training.keep_memory
RACE = {
    "Glow of this book, chapter 05": ("chapter_glow", "adam", 16, 5e-3, "cosine", 10),
    "normflows, its example's recipe": ("normflows_glow", "adamax", 64, 1e-3, "constant", None),
    "normflows, this book's recipe": ("normflows_glow", "adam", 16, 5e-3, "cosine", 10),
}


def likelab_glow(**architecture):
    sys.path.insert(0, str(ROOT / "book"))
    from likelab import training
    from likelab.models.glow import Glow

    training.keep_memory()  # as training.fit does
    model = Glow(**architecture)
    return model, model.log_density


def same_glow():
    return likelab_glow(steps=(8, 8, 8), hidden=64)


def chapter_glow():
    return likelab_glow(steps=(12, 6, 4), hidden=48)


def normflows_glow():
    """Its documentation's multi-scale Glow, in the same size; densities on the scale 0 to 256."""
    import normflows as nf

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
    model = nf.MultiscaleFlow(priors, flows, merges)
    return model, lambda y: model.log_prob(y / 256, None) - DIMS * math.log(256)


def rate_factor(schedule, step, share):
    """Learning rate over its peak after `step` steps, when `share` of the time is used."""
    warm = min(1, (step + 1) / 50)
    return warm * (0.5 * (1 + math.cos(math.pi * share)) if schedule == "cosine" else 1)


def work(contestant, folder, seconds):
    """Train on demand: each line on stdin is a number of seconds, each answer a line of JSON; "end" evaluates."""
    name, optimiser, batch_size, lr, schedule, clip = contestant
    torch.manual_seed(0)
    torch.set_num_threads(os.cpu_count())
    images = {name: torch.from_numpy(np.load(f"{folder}/{name}.npy")) for name in ("train", "inside", "outside")}
    model, log_density = {f.__name__: f for f in (same_glow, chapter_glow, normflows_glow)}[name]()
    generator, used, step, loss = torch.Generator().manual_seed(0), 0.0, 0, torch.tensor(math.nan)

    def noisy(batch):
        return batch.float() + torch.rand(batch.shape, generator=generator)

    began = time.perf_counter()
    with torch.no_grad():  # the first batch sets the actnorms; its time counts
        log_density(noisy(images["train"][torch.randperm(len(images["train"]), generator=generator)[:256]]))
    used += time.perf_counter() - began
    make = torch.optim.Adam if optimiser == "adam" else torch.optim.Adamax
    parameters = list(model.parameters())
    optimiser = make(parameters, lr=lr, **({"fused": True} if make is torch.optim.Adam else {}))
    for line in sys.stdin:
        if line.strip() == "end":
            break
        until, before, first = used + float(line), used, step
        while used < min(until, seconds):
            began = time.perf_counter()
            batch = images["train"][torch.randint(len(images["train"]), (batch_size,), generator=generator)]
            mirrored = torch.rand(batch_size, generator=generator) < 0.5
            batch = torch.where(mirrored[:, None, None, None], batch.flip(3), batch)
            loss = -log_density(noisy(batch)).mean() / (DIMS * math.log(2))
            optimiser.zero_grad()
            loss.backward()
            if clip:
                torch.nn.utils.clip_grad_norm_(parameters, clip)
            optimiser.param_groups[0]["lr"] = lr * rate_factor(schedule, step, used / seconds)
            optimiser.step()
            step += 1
            used += time.perf_counter() - began
        report = {"images": (step - first) * batch_size, "seconds": used - before, "loss": loss.item(), "step": step}
        report["done"] = used >= seconds
        print(json.dumps(report), flush=True)
    model.eval()
    found = {}
    with torch.no_grad():
        for which in ("inside", "outside"):
            log_p = torch.cat([log_density(noisy(batch)) for batch in images[which].split(100)])
            found[which] = (-log_p / (DIMS * math.log(2))).tolist()
    print(json.dumps(found | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}), flush=True)


class Contestant:
    def __init__(self, name, settings, folder, seconds):
        self.name, self.images, self.seconds, self.rates, self.done = name, 0, 0.0, [], False
        python = PUBLIC / "bin" / "python" if settings[0] == "normflows_glow" else sys.executable
        command = [python, __file__, "--work", json.dumps([settings, str(folder), seconds])]
        env = os.environ | (KEPT if name.endswith("memory kept") else {})
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=4, help="training time of each contestant in the race")
    parser.add_argument("--slice", type=float, default=10, help="seconds that one trains before the next one's turn")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        return work(*json.loads(options.work))
    sys.path.insert(0, str(ROOT / "book"))
    from likelab import bits, data

    public_environment()
    pair = data.pair()
    with tempfile.TemporaryDirectory() as folder:
        train = np.concatenate([pair.train.images.numpy(), pair.validation.images.numpy()])
        for name, images in ("train", train), ("inside", pair.inside.images), ("outside", pair.outside.images):
            np.save(f"{folder}/{name}.npy", np.asarray(images))
        print(
            f"{len(train):,} training images of {pair.train.name}; torch {torch.__version__}, {os.cpu_count()} cores\n"
        )
        print(f"Same architecture (3 × 8 steps, 64 hidden, affine, batch 64, Adam), {options.minutes * 15:.0f} s each")
        ours, *others = compete(SAME, folder, options.minutes * 15, options.slice / 4)
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
        for c in compete(RACE, folder, options.minutes * 60, options.slice):
            inside, outside = c.result["inside"], c.result["outside"]
            area = bits.auroc(inside, outside)
            print(
                f"  {c.name:32} {np.mean(inside):.3f}  {np.mean(outside):.3f}  AUROC {area:.3f}  {c.step:,} steps, "
                f"{c.images / c.seconds:.0f} images/s, peak {c.result['peak']:.2f} GB"
            )


if __name__ == "__main__":
    main()
