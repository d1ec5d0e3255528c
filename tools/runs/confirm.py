"""Keeping runs that were made by other code where today's code gives the same scores."""

from datetime import date

import numpy as np
import torch

from likelab import bank, data, training
from tools.runs.recipes import RUNS, changed, code_digest, images_of, state
from tools.runs.train import store

# What float32, summed in another order, changes in the score of an image: bits/dim, or a share of the score if that is
# more. An image of clothes has 5,482 bits/dim under the Glow of MNIST.
TOLERANCE, SHARE = 2e-4, 5e-5

# Parts of the names that weights had when the bank was made, {model: {old: new}}.
RENAMED = {
    "pixelcnn": {"rows": "vertical", "left": "horizontal", "across": "vertical_to_horizontal"},
    "pixelcnn_local": {"look": "inputs", "think": "hidden"},
    "vae": {
        "spread": "decoder.scale",
        "shrink": "encoder.scale",
        "log_std": "encoder.log_std",
        "encoder": "encoder.net",
        "decoder": "decoder.net",
    },
}


def confirm(name):
    """Score a run's images with today's code. Where no score has moved, its card is told so. -> (whether, in words).

    That is enough where code was rewritten and computes what it did before.
    """
    if (now := state(name)) in ("missing", "damaged"):
        return False, f"{now}: train it"
    card = bank.card(name)
    if other := changed(name, card):
        return False, f"another {' and '.join(other)} than in its card: train it"
    used, images = images_of(name)[0], images_seen(name)
    if images is None:
        return False, "the images of its scores are not here: set LIKELAB_DATA to a folder that has them"
    model, weights = bank.build(card["model"], card["architecture"]), None
    if card["model"] == "gaussian":
        model.fit(used.images).ridge.fill_(card["ridge"])
    else:
        held = bank.read_weights(bank.FOLDER / f"{name}.pt", card["weights"])
        weights = todays_names(card["model"], held, model.state_dict())
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            return False, f"its weights are not those of today's model: {' '.join(str(error).split())[:300]}"
        weights = None if weights.keys() == held.keys() else model.state_dict()
    stored = np.concatenate(list(bank.stored(name).values()))
    now = np.concatenate([training.evaluate(model.eval(), images[role]).numpy() for role in bank.ROLES])
    change = abs(now - stored)
    k = int(change.argmax())  # of a NaN, where there is one
    words = f"the largest change is {change[k]:.1e} bits/dim, of {stored[k]:.1f}"
    if not (change <= np.maximum(TOLERANCE, SHARE * abs(stored))).all():
        return False, f"scores have moved, {words}: train it"
    card["code"] = code_digest(RUNS[name][0])
    card["confirmed"] = {"date": date.today().isoformat(), "largest change": float(f"{change[k]:.1e}")}
    store(name, card, weights)
    return True, f"confirmed, {words}"


def images_seen(name):
    """The images that a run was scored on, {role: uint8 (N, C, H, W)}, or None where not all of them are here."""
    inside, outside = RUNS[name][3]
    train = data.load(inside, "train").images
    here = {"train": train, "validation": train, "inside": data.load(inside, "test").images}
    here["outside"] = data.load(outside, "test").images
    found = {}
    for role, wanted in bank.seen(name).items():
        place = {key: k for k, key in enumerate(bank.keys(here[role]).tolist())}
        if not place.keys() >= set(wanted.tolist()):
            return None
        found[role] = here[role][[place[key] for key in wanted.tolist()]]
    return found


def todays_names(model, held, wanted):
    """Stored weights under the names of `wanted`. What is trained was started, though older files do not say so."""
    if held.keys() == wanted.keys():
        return held
    renamed = RENAMED.get(model, {})
    weights = {".".join(renamed.get(part, part) for part in name.split(".")): value for name, value in held.items()}
    flags = [name for name in wanted.keys() - weights.keys() if name.rpartition(".")[2] == "initialised"]
    return weights | {name: torch.tensor(True) for name in flags}
