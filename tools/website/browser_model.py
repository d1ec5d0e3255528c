"""Write book/_static/ask/data.js: the models that score a reader's own picture, what the bank scored, and pictures.

    python -m tools.website.browser_model

The site is built without torch, so the file is stored; a test makes it anew and compares. It is a script and not JSON,
as a page that was opened from a disk may not fetch. Weights are whole numbers times a scale of their row, in base 64:
of 12 bits in the two wide convolutions of each block, which hold four fifths of all, else of 18.
"""

import json
from base64 import b64encode

import numpy as np
import torch
from torch import nn

from likelab import bank, files, standin
from tools.chapter import chapters

PATH = chapters.BOOK / "_static" / "ask" / "data.js"
MODELS = {"pixelcnn": "PixelCNN", "pixelcnn_local": "PixelCNN that sees 3×3"}
SIGNS = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", np.uint8)
FINE, COARSE = 3, 2  # signs a number, of six bits each
SCORE = 1e-4  # bits/dim: a stored score is a whole number of these
SEED = 0


def most(digits: int) -> int:
    """The largest of the whole numbers, both signs, that so many signs can say."""
    return 64**digits // 2 - 1


def encode(numbers: np.ndarray, digits: int) -> str:
    """Whole numbers, (N,), as base 64 with so many signs each, the first one the highest. Read by network.js."""
    moved = numbers.astype(np.int64) + 64**digits // 2
    places = 64 ** np.arange(digits - 1, -1, -1)
    return SIGNS[moved[:, None] // places % 64].tobytes().decode("ascii")


def layer(conv: nn.Conv2d, digits: int = FINE) -> dict:
    """A convolution for network.js: rows of weights in the order of its taps, each tap's channels together."""
    rows = conv.weight.detach().double().permute(0, 2, 3, 1).flatten(1).numpy()
    scale = np.array([float(f"{value:.6g}") for value in np.abs(rows).max(1) / most(digits)])
    whole = np.rint(rows / np.maximum(scale, 1e-30)[:, None])
    bias = [float(f"{value:.6g}") for value in conv.bias.tolist()]
    return {"digits": digits, "scale": scale.tolist(), "bias": bias, "weights": encode(whole.ravel(), digits)}


def network(model: nn.Module) -> dict:
    """All layers of a PixelCNN or a LocalPixelCNN, in their order, by the names that network.js has for them."""
    if not hasattr(model, "blocks"):
        hidden = [layer(part) for part in model.hidden if isinstance(part, nn.Conv2d)]
        return {"inputs": layer(model.inputs), "hidden": hidden, "head": layer(model.head)}
    blocks = [
        {
            "vertical": layer(block.vertical, COARSE),
            "horizontal": layer(block.horizontal, COARSE),
            "verticalToHorizontal": layer(block.vertical_to_horizontal),
            "out": layer(block.out),
        }
        for block in model.blocks
    ]
    first = {name: layer(getattr(model, name)) for name in ("vertical", "horizontal")}
    return {**first, "blocks": blocks, "head": layer(model.head)}


def scores(name: str) -> dict:
    """A run's stored scores of both test sets, sorted, and what its card says of the images."""
    told = bank.card(name)["data"]
    sets = {role: np.sort(bank.stored(name)[role]) for role in ("inside", "outside")}
    return {role: {"of": told[role], "scores": encode(np.rint(s / SCORE), FINE)} for role, s in sets.items()}


def pictures() -> dict[str, np.ndarray]:
    """Pictures to begin with, {name: uint8 (3, 32, 32)}: stand-ins, and samples of the PixelCNN. None is a real one."""
    (leaves, _), (plates, _) = (draw(4, SEED) for draw in (standin.leaves, standin.plates))
    model = bank.load("pixelcnn").double()  # else another machine's rounding could change a pixel, and all after it
    samples = model.sample(2, generator=torch.Generator().manual_seed(SEED)).numpy()
    named = {"leaf": leaves[:2], "plate": plates[:2], "sample": samples}
    return {f"{name} {i + 1}": images[i] for name, images in named.items() for i in range(2)}


def data() -> dict:
    """All that the page is given."""
    models = {
        name: {"label": label, "network": network(bank.load(name)), "sets": scores(name)}
        for name, label in MODELS.items()
    }
    # (H, W, C), as a browser has them
    shown = {name: b64encode(image.transpose(1, 2, 0).tobytes()).decode() for name, image in pictures().items()}
    return {"score": SCORE, "models": models, "pictures": shown}


def script() -> str:
    """The file's text."""
    head = "// Written by tools/website/browser_model.py from the bank of runs: do not edit.\n"
    return f"{head}globalThis.askData = {json.dumps(data(), ensure_ascii=False, separators=(',', ':'))};\n"


def main():
    files.write(PATH, script())
    print(f"{PATH.name} written")


if __name__ == "__main__":
    chapters.command(main)
