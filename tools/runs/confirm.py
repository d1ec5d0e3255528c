"""Keeping runs that were made by other code where today's code gives the same scores."""

from datetime import date

import numpy as np

from likelab import bank, data
from likelab.errors import DataError
from tools.runs.recipes import RUNS, changed, code_digest, images_of, state, told_of
from tools.runs.train import store

# What float32, summed in another order, changes in the score of an image: bits/dim, or a share of the score if that is
# more. An image of clothes has 5,482 bits/dim under the Glow of MNIST.
TOLERANCE, SHARE = 2e-4, 5e-5
HERE = 0.9  # of a run's images; the stand-ins, drawn on another machine, differ by a grey level in two of a hundred


def confirm(name):
    """Score a run's images with today's code. Where no score has moved, its card says so. -> (whether, in words).

    That is enough where code was rewritten and computes what it did before.
    """
    if (now := state(name)) in ("missing", "damaged"):
        return False, f"{now}: train it"
    card = bank.card(name)
    if other := changed(name, card):
        return False, f"another {' and '.join(other)} than in its card: train it"
    (used, sets), (images, stored) = images_of(name), seen_and_stored(name)
    total = sum(len(keys) for keys in bank.seen(name).values())
    if len(stored) < HERE * total:
        few = f"{len(stored):,} of the {total:,} images of its scores are here"
        return False, f"{few}: set LIKELAB_DATA to a folder that has them, or train it"
    model = bank.build(card["model"], card["architecture"])
    if card["model"] == "gaussian":
        model.fit(used.images).ridge.fill_(card["ridge"])
    elif card["weights"] is None:
        return False, "it keeps its scores only: train it"
    else:
        try:
            bank.load_weights(bank.FOLDER / f"{name}.pt", card["weights"], model)
        except DataError as error:
            return False, f"its weights are not those of today's model: {error}"
    scored = np.concatenate([bank.evaluate(model.eval(), part).numpy() for part in images])
    change = abs(scored - stored)
    if labelled := stored.ndim == 2:  # logits: of each image the one that has changed most
        most = change.argmax(1)[:, None]
        change, stored = (np.take_along_axis(values, most, 1)[:, 0] for values in (change, stored))
    k = int(change.argmax())  # of a NaN, where there is one
    unit = "nats" if labelled else "bits/dim"
    words = f"the largest change of {len(stored):,} scores is {change[k]:.1e} {unit}, of {stored[k]:.1f}"
    if not (change <= np.maximum(TOLERANCE, SHARE * abs(stored))).all():
        return False, f"scores have moved, {words}: train it"
    card["code"] = code_digest(RUNS[name][0])
    # More may be known of the same images today; where a data set has grown, they are others than those of the run.
    card["data"] |= {key: now for key, now in told_of(used, sets).items() if now.startswith(card["data"].get(key, "?"))}
    card["confirmed"] = {
        "date": date.today().isoformat(),
        "scores": f"{len(stored):,} of {total:,}",
        "largest change": float(f"{change[k]:.1e}"),
    }
    store(name, card)
    return True, f"confirmed, {words}"


def seen_and_stored(name):
    """Those of a run's images that are here, [uint8 (N, C, H, W) of each role], and their scores, (all N of them,)."""
    inside, outside = RUNS[name][3]
    train = data.load(inside, "train").images
    here = {"train": train, "validation": train, "inside": data.load(inside, "test").images}
    here["outside"] = data.load(outside, "test").images
    images, scores, stored = [], [], bank.stored(name)
    for role, keys in bank.seen(name).items():
        place = {key: k for k, key in enumerate(bank.keys(here[role]).tolist())}
        found = [(place[key], k) for k, key in enumerate(keys.tolist()) if key in place]
        images.append(here[role][[k for k, _ in found]])
        scores.append(stored[role][[k for _, k in found]])
    return images, np.concatenate(scores)
