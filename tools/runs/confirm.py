"""Keeping runs that were made by other code where today's code gives the same scores."""

from datetime import date

import torch

from likelab import bank, training
from tools.runs.recipes import GAUSSIAN, RUNS, changed, code_digest, images_of, state
from tools.runs.train import store

TOLERANCE = 2e-4  # bits/dim: what float32, summed in another order, changes in the score of an image

# Names that weights had when the bank was made: {model: {old: new}}, parts of dotted names.
RENAMED = {}


def confirm(name):
    """Score a run's images with today's code. Where no score has moved, its card is told so. -> (whether, in words).

    That is enough where code was rewritten and computes what it did before.
    """
    if (now := state(name)) in ("missing", "damaged"):
        return False, f"{now}: train it"
    card = bank.card(name)
    if other := changed(name, card):
        return False, f"another {' and '.join(other)} than in its card: train it"
    used, sets = images_of(name)
    images = {role: part.images for role, part in sets.items()}
    if bank.digest_of(bank.all_keys(images)) != card["keys"]:
        return False, "the images here are not those of its scores: set LIKELAB_DATA to a folder that has them"
    model, weights = bank.build(card["model"], card["architecture"]), None
    if RUNS[name][0] is GAUSSIAN:
        model.fit(used.images).ridge.fill_(card["ridge"])
    else:
        held = bank.read_weights(bank.FOLDER / f"{name}.pt", card["weights"])
        weights = todays_names(card["model"], held, model.state_dict())
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            return False, f"its weights are not those of today's model: {' '.join(str(error).split())[:300]}"
        weights = None if weights.keys() == held.keys() else model.state_dict()
    stored = bank.stored(name)
    found = {role: training.evaluate(model.eval(), images[role]).numpy() for role in images}
    moved = {role: float(abs(found[role] - stored[role]).max()) for role in images}
    largest = max(moved, key=moved.get)
    if not all(value <= TOLERANCE for value in moved.values()):
        return False, f"scores have moved, by up to {moved[largest]:.1e} bits/dim ({largest}): train it"
    card["code"] = code_digest(RUNS[name][0])
    card["confirmed"] = {"date": date.today().isoformat(), "largest change, bits/dim": float(f"{moved[largest]:.1e}")}
    store(name, card, weights)
    return True, f"confirmed: no score has moved by more than {moved[largest]:.1e} bits/dim"


def todays_names(model, held, wanted):
    """Stored weights under today's names. What is trained was started, though older files do not say so."""
    renamed = RENAMED.get(model, {})
    weights = {".".join(renamed.get(part, part) for part in name.split(".")): value for name, value in held.items()}
    flags = [name for name in wanted.keys() - weights.keys() if name.rpartition(".")[2] == "initialised"]
    return weights | {name: torch.tensor(True) for name in flags}
