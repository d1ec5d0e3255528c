"""The bank of reference runs. So far its ground: weight files that can be trusted.

A weight file holds tensors by name and the version of its format, nothing else. Its SHA-256 digest stands
in the card of its run, and is compared before a byte of the file is interpreted.
"""

import hashlib
import io
import os
from pathlib import Path

import torch

from likelab.formats import DataError

FORMAT = 1
REMEDY = "Restore the file from the repository, or train it anew: make bank."


def save_weights(path, state_dict):
    """Write the tensors of `state_dict` to `path`, whole or not at all. Returns the file's SHA-256 digest."""
    not_tensors = [name for name, value in state_dict.items() if not isinstance(value, torch.Tensor)]
    if not_tensors:
        raise TypeError(f"a weight file holds tensors only, and {not_tensors[0]!r} is none")
    # clone: a view would bring along all of the memory that it is a view of
    weights = {name: value.detach().cpu().clone() for name, value in state_dict.items()}
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "weights": weights}, buffer)
    beside = Path(path).with_name(Path(path).name + ".part")
    try:
        beside.write_bytes(buffer.getvalue())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def load_weights(path, digest, model):
    """Load a weight file, whose SHA-256 must be `digest`, into `model`, and return the model.

    Raises DataError where the file is missing, altered, of a newer format or of another model; the model is
    then as it was.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError.about(path, "a weight file", error.strerror, REMEDY) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        found = f"{found[:12]}… ({len(content):,} bytes)"
        raise DataError.about(path, f"SHA-256 {digest[:12]}…, as in its card", found, REMEDY)
    weights = _tensors(path, content)
    _compare(path, weights, model.state_dict())
    model.load_state_dict(weights)
    return model


def _tensors(path, content):
    """The tensors of a weight file, by name. With weights_only, unpickling builds tensors, no more."""
    try:
        held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        what = f"something else ({type(error).__name__})"
        raise DataError.about(path, "a file of tensors and nothing else", what, REMEDY) from error
    version = held.get("format") if isinstance(held, dict) else None
    if type(version) is not int or version != FORMAT:
        raise DataError.about(path, f"format {FORMAT}", f"format {version}", f"Update the book. {REMEDY}")
    weights = held.get("weights")
    if not isinstance(weights, dict) or not all(map(_is_plain, weights.values())):
        raise DataError.about(path, "tensors by name", "something else among them", REMEDY)
    return weights


def _is_plain(value):
    return isinstance(value, torch.Tensor) and value.layout == torch.strided


def _compare(path, weights, wanted):
    """See that the file has just the tensors that the model has, with the same shapes and types."""
    wrong = [
        *(f"no {name}" for name in wanted.keys() - weights.keys()),
        *(f"also {name}" for name in weights.keys() - wanted.keys()),
        *(
            f"{name} {_kind(weights[name])} instead of {_kind(wanted[name])}"
            for name in wanted.keys() & weights.keys()
            if _kind(weights[name]) != _kind(wanted[name])
        ),
    ]
    if wrong:
        found = ", ".join(sorted(wrong)[:3]) + (f" and {len(wrong) - 3} more differences" if wrong[3:] else "")
        remedy = f"The model's code has changed since these weights were trained, or they are another's. {REMEDY}"
        raise DataError.about(path, f"the {len(wanted)} tensors of the model", found, remedy)


def _kind(tensor):
    return f"{tensor.dtype} {tuple(tensor.shape)}"
