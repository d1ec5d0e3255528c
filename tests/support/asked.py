"""What the page "Ask a model yourself" was given, read as its script reads it."""

import json

import numpy as np
import torch
from torch import nn

from likelab import bank
from tools.website import browser_model


def given() -> dict:
    """The stored data of the page."""
    text = browser_model.PATH.read_text("utf-8")
    return json.loads(text[text.index("{") : text.rindex("}") + 1])


def decode(text, digits) -> np.ndarray:
    """The whole numbers of `browser_model.encode`, (N,)."""
    value = {sign: i for i, sign in enumerate(browser_model.SIGNS.tobytes().decode())}
    signs = np.array([value[sign] for sign in text]).reshape(-1, digits)
    return signs @ 64 ** np.arange(digits - 1, -1, -1) - 64**digits // 2


def layers(part) -> list:
    """All layers of a network of the page, in their order."""
    if isinstance(part, dict) and "weights" in part:
        return [part]
    return [layer for inner in (part.values() if isinstance(part, dict) else part) for layer in layers(inner)]


@torch.no_grad()
def rounded(name) -> nn.Module:
    """A model of the bank, in double precision, with the weights that the page has."""
    model = bank.load(name).double()
    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for conv, layer in zip(convs, layers(given()["models"][name]["network"]), strict=True):
        rows = decode(layer["weights"], layer["digits"]).reshape(len(layer["scale"]), -1)
        weights = torch.tensor(rows * np.array(layer["scale"])[:, None])
        outputs, inputs, *size = conv.weight.shape
        conv.weight.copy_(weights.reshape(outputs, *size, inputs).permute(0, 3, 1, 2))
        conv.bias.copy_(torch.tensor(layer["bias"], dtype=torch.double))
    return model
