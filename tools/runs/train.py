"""One run of the bank: trained by one process, or by several together, and stored."""

import contextlib
import json
import os
import platform
import tempfile
import time
from datetime import date
from pathlib import Path

import joblib
import numpy as np
import torch
from torch import distributed

from likelab import bank, bits, data, files, training
from likelab.models import classifier
from tools.runs.recipes import RUNS, code_digest, described, images_of, keeps_weights, told_of

WATCHED = 250  # test images of each set that are scored along the training

# The training file of shared development data is partial; what it holds is told by its number of digits.
SVHN_NOTE = (
    "4,000 of the 4,554 digits in the training file used here come from photographs of the official test set, none of "
    "them in the test file used here; on a complete test set these digits were trained on."
)


def train(name, threads=None):
    """Train one run and store it. Processes that torchrun started train it together, and the first one stores it."""
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    threads = threads or max(1, joblib.cpu_count() // processes)
    torch.set_num_threads(threads)
    with process_group(processes):
        rank, processes = training.processes()
        made = trained(name, f"{threads} thread{'s' * (threads > 1)} of {processor()}")
        if processes > 1:
            made[0]["machine"] = f"{processes} processes, each {made[0]['machine']}"
        if rank == 0:
            store(name, *made)


@contextlib.contextmanager
def process_group(processes):
    """Inside, the processes that torchrun started are one group: over NCCL where each has a GPU, else over gloo."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    own_gpu = torch.cuda.device_count() >= processes
    if own_gpu:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if own_gpu else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def trained(name, machine):
    """A run, trained: its card, weights (None where they are not kept), arrays of scores, and images by role."""
    recipe, _, seed, (inside, _) = RUNS[name]
    used, sets = images_of(name)
    fixed = {role: sets[role].images[:WATCHED] for role in ("inside", "outside")}
    marks, along = [], {role: [] for role in fixed}

    def watch(step, _):
        marks.append(step)
        for role, images in fixed.items():
            along[role].append(bank.evaluate(model, images).numpy())

    torch.manual_seed(seed)
    device = training.accelerator()
    model = bank.build(recipe["model"], recipe["architecture"]).to(device)
    began = time.perf_counter()
    if recipe["model"] == "gaussian":
        how = fit_gaussian(model, used.images, sets["validation"].images, recipe["ridges"])
    else:
        told = described(name)
        if recipe["model"] == "classifier":
            history = classifier.fit_classifier(model, used, sets["validation"], **told, watch=watch)
        else:
            objective = Priced(model, told.pop("beta")) if "beta" in told else model
            objective = Mutated(model, told.pop("mutated")) if "mutated" in told else objective
            history = training.fit(objective, used.images, sets["validation"].images, **told, watch=watch)
        how = {
            "best_step": history.best_step,
            "history": {
                "steps": history.steps,
                "train": [round(value, 4) for value in history.train],
                "validation": [round(value, 4) for value in history.validation],
            },
        }
    seconds = time.perf_counter() - began
    if recipe["model"] == "classifier":
        model.cpu()  # whose logits a reader's machine gives to the last digits
    found = {role: bank.evaluate(model, part.images).numpy() for role, part in sets.items()}
    card = {
        "name": name,
        "seed": seed,
        "model": recipe["model"],
        "architecture": recipe["architecture"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "recipe": described(name),
        "data": told_of(used, sets),
        **how,
        "results": results(found, sets, model if "beta" in recipe else None),
        "seconds": round(seconds),
        "machine": f"GPU {torch.cuda.get_device_name()}" if device.type == "cuda" else machine,
        "torch": torch.__version__,
        "date": date.today().isoformat(),
        "code": code_digest(recipe),
    }
    if inside == "svhn" and len(data.load("svhn", "train")) == 4554:
        card["note"] = SVHN_NOTE
    kind = "logits" if recipe["model"] == "classifier" else "bits"
    arrays = {f"{kind}: {role}": values for role, values in found.items()} | {"steps": np.array(marks)}
    arrays |= {f"watched: {role}": np.stack(rows) for role, rows in along.items() if rows}
    weights = model.state_dict() if keeps_weights(name) else None
    return card, weights, arrays, {role: part.images for role, part in sets.items()}


def store(name, card, weights=None, arrays=None, images=None):
    """Write a run's card, and what else is given of its files: all of them, or none where the disk is full.

    They are written beside the others first and then put in their places, the card last.
    """
    bank.FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=bank.FOLDER) as folder:
        beside = Path(folder)
        if images is not None:
            card["keys"] = bank.save_keys(images)
            card["weights"] = None
        if weights is not None:
            card["weights"] = bank.save_weights(beside / f"{name}.pt", weights)
        if arrays is not None:
            card["scores"] = bank.save_scores(beside / f"{name}.npz", **arrays)
        files.write(beside / f"{name}.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
        for path in sorted(beside.iterdir(), key=lambda path: path.suffix == ".json"):
            os.replace(path, bank.FOLDER / path.name)


def results(found, sets, priced=None):
    """What a card tells of the scores of each role, and the AUROC; of a VAE trained at a price also its two terms."""
    if found["inside"].ndim == 2:
        return labelled(found, sets)
    told = {
        role: {"images": len(values), "bits_per_dim": round(float(values.mean()), 4)} for role, values in found.items()
    }
    for role in told if priced else ():
        told[role] |= rate_and_distortion(priced, sets[role].images)
    return told | {"auroc": round(bits.auroc(found["inside"], found["outside"]), 4)}


def labelled(found, sets):
    """The same of logits (N, classes); the score is one minus the largest probability. Cross-entropy in nats."""
    told, score = {}, {}
    for role, values in found.items():
        logits, labels = torch.from_numpy(values).double(), sets[role].labels
        score[role] = 1 - logits.softmax(1).amax(1)
        told[role] = {"images": len(logits), "confidence": round(1 - score[role].mean().item(), 4)}
        if role != "outside":  # whose labels are of other things
            right = (logits.argmax(1) == labels).double().mean().item()
            cost = torch.nn.functional.cross_entropy(logits, labels).item()
            told[role] |= {"accuracy": round(right, 4), "cross_entropy": round(cost, 4)}
    return told | {"auroc": round(bits.auroc(score["inside"], score["outside"]), 4)}


class Priced(torch.nn.Module):
    """Trains a VAE at a price: its log_prob is -(distortion + beta * rate), the ELBO for beta = 1 alone.

    Higgins et al. 2017, equation 4. The history of such a run is of this weighted sum, its scores are of the ELBO.
    """

    def __init__(self, vae, beta):
        super().__init__()
        self.vae, self.beta, self.shape, self.initialise = vae, beta, vae.shape, vae.initialise

    @property
    def initialised(self):
        return self.vae.initialised

    def log_prob(self, images, *, draws=1, generator=None):
        """As the VAE's, in nats: uint8 (N, C, H, W) -> (N,). One draw, whatever `draws` is."""
        rate, distortion = self.vae.rate_and_distortion(images, generator=generator)
        return -distortion - self.beta * rate


class Mutated(torch.nn.Module):
    """Trains a model on images with a share `rate` of their numbers replaced by uniform ones, drawn anew each time.

    The background model of Ren et al. 2019: it learns what is common to all images, and little of what these show.
    """

    def __init__(self, model, rate):
        super().__init__()
        self.model, self.rate, self.shape = model, rate, model.shape

    def log_prob(self, images, *, generator=None):
        """Of the mutated images, in nats: uint8 (N, C, H, W) -> (N,). Evaluated, they are mutated in the same way."""
        drawn = generator if self.training else torch.Generator().manual_seed(0)
        noise = torch.randint(0, bits.LEVELS, images.shape, dtype=images.dtype, generator=drawn)
        chosen = torch.rand(images.shape, generator=drawn) < self.rate
        mutated = torch.where(chosen.to(images.device), noise.to(images.device), images)
        return self.model.log_prob(mutated, generator=generator)


def rate_and_distortion(vae, images, batch_size=100):
    """Means over images of the two parts of minus the ELBO that `training.evaluate` scores, nats an image."""
    with torch.no_grad():
        parts = [vae.rate_and_distortion(batch) for batch in images.split(batch_size)]
    return {
        part: round(torch.cat(values).mean().item(), 1)
        for part, values in zip(("rate", "distortion"), zip(*parts, strict=True), strict=True)
    }


def fit_gaussian(model, train, validation, ridges):
    """Fit in closed form, and choose the ridge on validation images. Returns what the card tells of it."""
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
