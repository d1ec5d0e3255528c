"""Train the reference runs of the bank: `make bank`.

    python -m tools.runs.bank               what is missing or was made by other code
    python -m tools.runs.bank glow vae-1    some, whether they are there or not
    python -m tools.runs.bank --list        what there is to train, and what is there

Each run trains in a process of its own, one a core, or one after the other on a GPU where there is one. A run that
is finished is kept, so that an interrupted `make bank` goes on where it was. Logs: _build/bank/RUN.log.
"""

import argparse
import ast
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from datetime import date

from tools.chapter import chapters, digests

# Recipes of the chapters, with more steps. The first seed of a model trains longer than the others.
VAE = {"model": "vae", "architecture": {}, "batch_size": 8, "lr": 2e-3}
PIXELCNN = {"model": "pixelcnn", "architecture": {}, "batch_size": 4, "lr": 5e-3}
GLOW = {"model": "glow", "architecture": {"steps": [12, 6, 4], "hidden": 48}, "batch_size": 16, "lr": 5e-3}
CONSTANT_VOLUME = {"affine": False, "sigma": 1.0, "activation": "SiLU"}
GLOW_CV = GLOW | {"architecture": GLOW["architecture"] | CONSTANT_VOLUME, "lr": 3e-3}
FIXED_PRIOR = GLOW | {"architecture": GLOW["architecture"] | {"hidden": 32, "sigma": 1.0}}  # affine, as in the paper
SMALL = GLOW | {"architecture": {"shape": [1, 28, 28], "steps": [8, 8], "hidden": 48}}
LOCAL = PIXELCNN | {"model": "pixelcnn_local"}
PRICED_VAE = VAE | {"architecture": {"hidden": 16, "blocks": 1}}  # small: there are several of them
GAUSSIAN = {"model": "gaussian", "architecture": {}, "ridges": [0.5, 1, 1.5, 2, 3]}  # the best on validation images

CIFAR, LEAVES = ("cifar10", "svhn"), ("leaves", "plates")  # trained on the first, asked about the second
RUNS = {}  # name: (recipe, steps, seed, sets)
for name, recipe, longer, shorter in (
    ("vae", VAE, 12_000, 4_000),
    ("pixelcnn", PIXELCNN, 12_000, 4_000),
    ("glow", GLOW, 2_400, 900),
    ("glow_cv", GLOW_CV, 2_400, 900),
):
    RUNS[name] = (recipe, longer, 0, CIFAR)
    RUNS[f"{name}-1"] = (recipe, shorter, 1, CIFAR)
    RUNS[f"{name}-2"] = (recipe, shorter, 2, CIFAR)
    RUNS[f"{name}-standin"] = (recipe, shorter, 0, LEAVES)
for suffix, sets in (("", CIFAR), ("-standin", LEAVES)):
    RUNS[f"gaussian{suffix}"] = (GAUSSIAN, 0, 0, sets)
    RUNS[f"pixelcnn_local{suffix}"] = (LOCAL, 4_000, 0, sets)
    RUNS[f"glow_fixed{suffix}"] = (FIXED_PRIOR, 900 if suffix else 2_400, 0, sets)
for beta in (0.1, 1, 4, 16):  # of a nat of rate, in nats of distortion
    RUNS[f"vae_beta{beta}"] = (PRICED_VAE | {"beta": beta}, 6_000, 0, CIFAR)
RUNS["glow_svhn"] = (GLOW, 1_200, 0, CIFAR[::-1])
RUNS["glow_plates"] = (GLOW, 900, 0, LEAVES[::-1])
RUNS["glow_mnist"] = (SMALL, 900, 0, ("mnist", "fashionmnist"))
RUNS["glow_fashionmnist"] = (SMALL, 900, 0, ("fashionmnist", "mnist"))
CLIP, WATCHED = 10, 250

# The training file of shared development data is partial; what it holds is told by its number of digits.
SVHN_NOTE = (
    "4,000 of the 4,554 digits in the training file used here come from photographs of the official test set, none of "
    "them in the test file used here; on a complete test set these digits were trained on."
)


def code_digest(recipe):
    """Digest of the module that defines the run's model."""
    path = chapters.BOOK / "likelab" / "models" / f"{recipe['model']}.py"
    return digests.digest([ast.parse(path.read_text("utf-8"))])


def state(name):
    """Whether a run is "there", "missing", or "old": model, recipe or files are not those its card tells of."""
    from likelab import bank

    path = bank.FOLDER / f"{name}.json"
    if not path.exists():
        return "missing"
    card, recipe = json.loads(path.read_text("utf-8")), RUNS[name][0]
    wanted = {
        "code": code_digest(recipe),
        "architecture": recipe["architecture"],
        "recipe": described(name),
        "weights": file_digest(bank.FOLDER / f"{name}.pt"),  # None for the Gaussian
        "scores": file_digest(bank.FOLDER / f"{name}.npz"),
        "keys": file_digest(bank.keys_path(card.get("keys", ""))),
    }
    return "there" if all(key in card and card[key] == value for key, value in wanted.items()) else "old"


def file_digest(path):
    """SHA-256 of a file, None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else None


def described(name):
    """What `training.fit` is told, where digits are not mirrored; the price of the rate; the Gaussian's ridges."""
    recipe, steps, seed, (inside, _) = RUNS[name]
    if recipe is GAUSSIAN:
        return {"ridges": recipe["ridges"]}
    told = {"steps": steps, "batch_size": recipe["batch_size"], "lr": recipe["lr"], "clip": CLIP, "seed": seed}
    told |= {"flip": inside not in ("svhn", "mnist", "plates")}
    return told | ({"beta": recipe["beta"]} if "beta" in recipe else {})


def train(name, threads):
    """Train one run and write its files; the card last, so that a run without a card is not finished."""
    import numpy as np
    import torch

    from likelab import bank, bits, data, training

    recipe, _, seed, (inside, outside) = RUNS[name]
    torch.set_num_threads(threads)
    device = training.accelerator()
    used = data.load(inside, "train")[:4000]
    cut = len(used) - len(used) // 10
    sets = {
        "train": used[: min(cut, 1000)],
        "validation": used[cut:],
        "inside": data.load(inside, "test")[:1000],
        "outside": data.load(outside, "test")[:1000],
    }
    fixed = {role: sets[role].images[:WATCHED] for role in ("inside", "outside")}
    marks, along = [], {role: [] for role in fixed}

    def watch(step, trained):
        marks.append(step)
        for role, images in fixed.items():
            along[role].append(training.evaluate(model, images).numpy())
        trained.train()

    torch.manual_seed(seed)
    model = bank.build(recipe["model"], recipe["architecture"]).to(device)
    began = time.perf_counter()
    if recipe is GAUSSIAN:
        how = fit_gaussian(model, used[:cut].images, sets["validation"].images, recipe["ridges"])
    else:
        told = described(name)
        trained = priced(model, told.pop("beta")) if "beta" in told else model
        history = training.fit(trained, used[:cut].images, sets["validation"].images, **told, watch=watch)
        how = {
            "best_step": history.best_step,
            "history": {
                "steps": history.steps,
                "train": [round(value, 4) for value in history.train],
                "validation": [round(value, 4) for value in history.validation],
            },
        }
    seconds = time.perf_counter() - began
    found = {role: training.evaluate(model, part.images).numpy() for role, part in sets.items()}
    bank.FOLDER.mkdir(exist_ok=True)
    card = {
        "name": name,
        "seed": seed,
        "model": recipe["model"],
        "architecture": recipe["architecture"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "recipe": described(name),
        "data": {"trained on": f"{used.name} train, {cut:,} of {used.total:,} images"}
        | {role: f"{part.name} {part.split}, {len(part):,} of {part.total:,} images" for role, part in sets.items()},
        **how,
        "results": {
            key: {"images": len(values), "bits_per_dim": round(float(values.mean()), 4)}
            | (rate_and_distortion(model, sets[key].images) if "beta" in recipe else {})
            for key, values in found.items()
        }
        | {"auroc": round(bits.auroc(found["inside"], found["outside"]), 4)},
        "seconds": round(seconds),
        "machine": f"GPU {torch.cuda.get_device_name()}"
        if device.type == "cuda"
        else f"{threads} thread of {processor()}",
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "code": code_digest(recipe),
    }
    if inside == "svhn" and len(data.load("svhn", "train")) == 4554:
        card["note"] = SVHN_NOTE
    watched = {f"watched: {role}": np.stack(rows) for role, rows in along.items() if rows}
    card["keys"] = bank.save_keys({role: part.images for role, part in sets.items()})
    card["weights"] = None
    if recipe is not GAUSSIAN:
        card["weights"] = bank.save_weights(bank.FOLDER / f"{name}.pt", model.cpu().state_dict())
    card["scores"] = bank.save_scores(
        bank.FOLDER / f"{name}.npz",
        **{f"bits: {role}": values for role, values in found.items()},
        **watched,
        steps=np.array(marks),
    )
    (bank.FOLDER / f"{name}.json").write_text(json.dumps(card, indent=1, ensure_ascii=False) + "\n", "utf-8")


def priced(vae, beta):
    """A module that trains `vae` at a price: its log_prob is -(distortion + beta * rate), the ELBO for beta = 1 alone.

    Higgins et al. 2017, equation 4. The history of such a run is of this weighted sum, its scores are of the ELBO.
    """
    import torch

    class Priced(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vae, self.initialise = vae, vae.initialise

        def log_prob(self, images, generator=None):
            rate, distortion = self.vae.rate_and_distortion(images, generator=generator)
            return -distortion - beta * rate

    return Priced()


def rate_and_distortion(vae, images, batch_size=100):
    """Means over images of the two parts of minus the ELBO that `training.evaluate` scores, nats an image."""
    import torch

    with torch.no_grad():
        parts = [vae.rate_and_distortion(batch) for batch in images.split(batch_size)]
    return {
        part: round(torch.cat(values).mean().item(), 1)
        for part, values in zip(("rate", "distortion"), zip(*parts, strict=True), strict=True)
    }


def fit_gaussian(model, train, validation, ridges):
    """Fit in closed form, and choose the ridge on validation images. Returns what the card tells of it."""
    from likelab import training

    model.fit(train)
    cost = {}
    for ridge in ridges:
        model.ridge.fill_(ridge)
        cost[ridge] = training.evaluate(model, validation).mean().item()
    best = min(cost, key=cost.get)
    model.ridge.fill_(best)
    dims = len(model.mean)
    return {
        "parameters": dims + dims * (dims + 1) // 2,
        "ridge": best,
        "validation": {str(ridge): round(value, 4) for ridge, value in cost.items()},
    }


def processor():
    """The processor's name in words, as far as the system tells."""
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def together(names, jobs):
    """Train the runs, `jobs` at a time; a line when one ends. Returns how many failed."""
    logs = chapters.ROOT / "_build" / "bank"
    logs.mkdir(parents=True, exist_ok=True)
    waiting, running, failed, began = list(names), {}, 0, time.monotonic()
    while waiting or running:
        while waiting and len(running) < jobs:
            name = waiting.pop(0)
            threads = max(1, (os.cpu_count() or 1) // jobs)
            command = [sys.executable, "-m", "tools.runs.bank", "--train", name, "--threads", str(threads)]
            with open(logs / f"{name}.log", "w") as log:
                running[name] = subprocess.Popen(command, cwd=chapters.ROOT, stdout=log, stderr=log)
            print(f"{minutes(began)}  {name} begins", flush=True)
        time.sleep(0.5)
        for name, process in list(running.items()):
            if process.poll() is None:
                continue
            del running[name]
            failed += process.returncode != 0
            print(f"{minutes(began)}  {name} {outcome(name, process.returncode, logs)}", flush=True)
    return failed


def outcome(name, status, logs):
    if status:
        return f"FAILED, see {(logs / f'{name}.log').relative_to(chapters.ROOT)}"
    from likelab import bank

    card = json.loads((bank.FOLDER / f"{name}.json").read_text("utf-8"))
    result = card["results"]
    return (
        f"done in {card['seconds'] / 60:.1f} min: inside {result['inside']['bits_per_dim']:.3f}, "
        f"outside {result['outside']['bits_per_dim']:.3f} bits/dim, AUROC {result['auroc']:.3f}"
    )


def minutes(began):
    return f"{(time.monotonic() - began) / 60:6.1f} min"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="RUN")
    parser.add_argument("--list", action="store_true", help="say what there is, train nothing")
    parser.add_argument("--jobs", type=int, help="runs at a time (default: one a core; one on a GPU)")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        return train(options.train, options.threads)
    if unknown := set(options.names) - set(RUNS):
        parser.error(f"no run is called {', '.join(sorted(unknown))}; there are {', '.join(RUNS)}")
    if options.list:
        for name in RUNS:
            print(f"{name:20} {state(name)}")
        return None
    names = options.names or [name for name in RUNS if state(name) != "there"]
    import torch

    jobs = options.jobs or (1 if torch.cuda.is_available() else os.cpu_count() or 1)
    print(f"{len(names)} runs to train, {jobs} at a time", flush=True)
    return together(names, jobs)


if __name__ == "__main__":
    sys.exit(main())
