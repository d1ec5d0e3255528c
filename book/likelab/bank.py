"""The bank of reference runs: models trained for longer than a chapter can wait, with their scores.

    load("glow", pair)                 the model, ready to evaluate
    scores("glow", images, pair)       bits per dimension of each image; what is not in the bank is computed
    scores("classifier", images, pair)    of a classifier, the logits of each image
    card("glow", pair)                 how it was trained, on what, and what came out

A run is three files in `book/bank`: a card (`.json`), weights (`.pt`) and scores (`.npz`). A weight file holds
tensors by name and the version of its format, nothing else. Which images the scores are of is told by keys, eight
bytes an image, in a fourth file (`.keys`) that all runs with the same images share. The SHA-256 digests of all three
stand in the card, and are compared before a byte of a file is interpreted. `make bank` makes the files. The
Gaussian has no weight file: its covariance would be larger than all other runs, and is fitted in seconds.
"""

import functools
import hashlib
import importlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from likelab import bits, files, training
from likelab.data import Pair
from likelab.errors import DataError

FOLDER = Path(__file__).resolve().parents[1] / "bank"
ROLES = ("train", "validation", "inside", "outside")
MODELS = {  # module: class
    "gaussian": "Gaussian",
    "vae": "VAE",
    "pixelcnn": "PixelCNN",
    "pixelcnn_local": "LocalPixelCNN",
    "glow": "Glow",
    "diffusion": "Diffusion",
    "classifier": "Classifier",
}
TOLD = {"model": str, "architecture": dict, "weights": str | None, "scores": str, "keys": str}  # by every card
FORMAT = 1
REMEDY = "Restore the file from the repository, or train it anew: make bank."


def stem(name: str, pair: Pair | None = None, seed: int = 0) -> str:
    """The name of a run's files: "glow", its second seed "glow-1", trained on stand-ins "glow-standin"."""
    standin = "" if pair is None or pair.real else "-standin"
    return f"{name}{standin}" + (f"-{seed}" if seed else "")


def card(name: str, pair: Pair | None = None, seed: int = 0) -> dict:
    """How a run was trained, on what, and what came out, as a dictionary.

    name: "glow", "vae", …; pair: where it holds stand-ins, the run that was trained on them; seed: 0 to 3.
    Raises DataError where there is no such run or its card is not one.
    """
    path = FOLDER / f"{stem(name, pair, seed)}.json"
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in FOLDER.glob("*.json"))) or "none"
        raise DataError.about(path, "the card of a run", error.strerror, f"There are {known}. {REMEDY}") from error
    except (ValueError, RecursionError) as error:  # empty, cut off, markers of a merge, another encoding
        raise DataError.about(path, "the card of a run", f"no JSON ({error})", REMEDY) from error
    if not isinstance(found, dict):
        raise DataError.about(path, "the card of a run", "something else", REMEDY)
    wrong = [key for key, kind in TOLD.items() if key not in found or not isinstance(found[key], kind)]
    if wrong or found["model"] not in MODELS:
        raise DataError.about(path, "the card of a run", f"no {wrong[0] if wrong else 'known model'} in it", REMEDY)
    return found


def build(model: str, architecture: dict) -> nn.Module:
    """An untrained model, as a card describes it: a name of MODELS, and the arguments of its class."""
    options = dict(architecture)
    if "activation" in options:
        options["activation"] = getattr(nn, options["activation"])
    return getattr(importlib.import_module(f"likelab.models.{model}"), MODELS[model])(**options)


def load(name: str, pair: Pair | None = None, seed: int = 0) -> nn.Module:
    """A trained model, ready to evaluate, on the CPU. Arguments and errors as for `card` and `load_weights`.

    The Gaussian is fitted anew, to the pair's training images, in seconds; without a pair that is a ValueError. So is a
    run that keeps its scores only, as the further seeds of a model do.
    """
    described = card(name, pair, seed)
    if described["model"] == "gaussian":
        if pair is None:
            raise ValueError(f"{name} is fitted, not stored: give the pair whose training images it is fitted to")
        fitted = build("gaussian", described["architecture"]).fit(pair.train.images)
        fitted.ridge.fill_(described["ridge"])
        return fitted.eval()
    if described["weights"] is None:
        raise ValueError(f"{stem(name, pair, seed)} keeps its scores only, which bank.stored gives, and no weights")
    model = build(described["model"], described["architecture"])
    return load_weights(FOLDER / f"{stem(name, pair, seed)}.pt", described["weights"], model).eval()


def scores(name: str, images: torch.Tensor | np.ndarray, pair: Pair | None = None, seed: int = 0) -> np.ndarray:
    """Bits per dimension of uint8 images (N, C, H, W) under a run's model, float32 (N,); a classifier's logits (N, 10).

    Looked up by the images' pixels; images that the bank has not seen are evaluated now. Estimators as in
    `training.evaluate`: ELBO with one draw, exact, or one draw of dequantisation noise. Errors as for `load`.
    """
    images, described = bits.as_images(images), card(name, pair, seed)
    known = _scores(FOLDER / f"{stem(name, pair, seed)}.npz", described["scores"], described["keys"])
    wanted = keys(images)
    new = [i for i, key in enumerate(wanted.tolist()) if key not in known]
    shape = np.shape(next(iter(known.values())))  # of one image's
    missing = np.full(shape, np.nan)
    values = np.array([known.get(key, missing) for key in wanted.tolist()], dtype=np.float32).reshape(-1, *shape)
    if new:
        values[new] = evaluate(load(name, pair, seed), images[new]).numpy()
    return values


def evaluate(model: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """What the bank keeps of uint8 images (N, C, H, W): bits per dimension (N,), or a classifier's logits (N, 10)."""
    return model.logits(images) if hasattr(model, "logits") else training.evaluate(model, images)


def stored(name: str, pair: Pair | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Bits per dimension of the images that a run was evaluated on, {role: float32 (N,)}; needs no images.

    Of a classifier its logits, {role: float32 (N, 10)}.
    Roles are train, validation, inside and outside; which images they are stands in the card, under "data".
    Raises DataError where card or scores are missing or altered.
    """
    return _of_roles(_arrays(FOLDER / f"{stem(name, pair, seed)}.npz", card(name, pair, seed)["scores"]))


def watched(name: str, pair: Pair | None = None, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Scores of fixed test images along the training: steps (S,), {"inside": bits/dim (S, N), "outside": …}.

    Of a classifier its logits, (S, N, 10). Raises DataError as `stored` does, and ValueError for the Gaussian, which
    has no steps.
    """
    held = _arrays(FOLDER / f"{stem(name, pair, seed)}.npz", card(name, pair, seed)["scores"])
    if not held["steps"].size:
        raise ValueError(f"{name} was fitted in closed form: there were no steps at which it could be watched")
    return held["steps"], {role: held[f"watched: {role}"] for role in ("inside", "outside")}


def keys(images: torch.Tensor) -> np.ndarray:
    """A number for each uint8 image (N, C, H, W), made from its pixels alone, BLAKE2b: uint64 (N,)."""
    digests = [hashlib.blake2b(image.numpy().tobytes(), digest_size=8).digest() for image in images.cpu()]
    return np.frombuffer(b"".join(digests), dtype="<u8")


def keys_path(digest: str) -> Path:
    """The file of keys with this SHA-256 digest, which names it: runs of other images never overwrite it."""
    return FOLDER / f"images-{digest[:12]}.keys"


def seen(name: str, pair: Pair | None = None, seed: int = 0) -> dict[str, np.ndarray]:
    """Keys of the images that a run was evaluated on, {role: uint64 (N,)}, in the order of `stored`.

    Raises DataError where card, scores or keys are missing or altered.
    """
    described = card(name, pair, seed)
    return _seen(FOLDER / f"{stem(name, pair, seed)}.npz", described["scores"], described["keys"])[0]


def _seen(scores_path, digest, keys_digest):
    """Keys and scores of all images that a run was evaluated on, each {role: (N, …)}."""
    values, path = _of_roles(_arrays(scores_path, digest)), keys_path(keys_digest)
    ends = np.cumsum([len(values[role]) for role in ROLES])
    content = _content(path, keys_digest, "the keys of a run's images")
    if len(content) != 8 * ends[-1]:
        found = f"{len(content):,} bytes"
        raise DataError.about(path, f"8 bytes for each of {ends[-1]:,} scores of {scores_path.stem}", found, REMEDY)
    return dict(zip(ROLES, np.split(np.frombuffer(content, "<u8"), ends[:-1]), strict=True)), values


@functools.cache
def _scores(scores_path, digest, keys_digest):
    """{key of an image: bits per dimension, or logits} of all images that a run was evaluated on."""
    of_roles = zip(*(part.values() for part in _seen(scores_path, digest, keys_digest)), strict=True)
    return {key: value for some, values in of_roles for key, value in zip(some.tolist(), values.tolist(), strict=True)}


def _of_roles(held):
    """What a score file says of the images of each role."""
    kind = "logits" if "logits: train" in held else "bits"
    return {role: held[f"{kind}: {role}"] for role in ROLES}


def _arrays(path, digest):
    """The arrays of a score file, which holds numbers and nothing else."""
    content = _content(path, digest, "a file of scores")
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError.about(path, "arrays of numbers", f"something else ({error})", REMEDY) from error


def save_keys(sets: dict[str, torch.Tensor]) -> str:
    """Write the keys of uint8 images, {role: (N, C, H, W)}, to the file named after its digest. Returns the digest."""
    content = b"".join(keys(sets[role]).tobytes() for role in ROLES)
    return _write(keys_path(digest_of(content)), content)


def save_scores(path: str | Path, **arrays: np.ndarray) -> str:
    """Write arrays of numbers to `path`, whole or not at all. Returns the file's SHA-256 digest.

    Raises DataError, as the other two do, where nothing can be written there.
    """
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return _write(path, buffer.getvalue())


def save_weights(path: str | Path, state_dict: dict[str, torch.Tensor]) -> str:
    """Write the tensors of `state_dict` to `path`, whole or not at all. Returns the file's SHA-256 digest.

    Raises TypeError where something in it is no tensor.
    """
    not_tensors = [name for name, value in state_dict.items() if not isinstance(value, torch.Tensor)]
    if not_tensors:
        raise TypeError(f"a weight file holds tensors only, and {not_tensors[0]!r} is none")
    # clone: a view would bring along all of the memory that it is a view of
    weights = {name: value.detach().cpu().clone() for name, value in state_dict.items()}
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, "weights": weights}, buffer)
    return _write(path, buffer.getvalue())


def digest_of(content: bytes) -> str:
    """SHA-256, as cards hold it: 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def _write(path, content):
    files.write(path, content)
    return digest_of(content)


def load_weights(path: str | Path, digest: str, model: nn.Module) -> nn.Module:
    """Load a weight file, whose SHA-256 must be `digest`, into `model`, and return the model.

    Raises DataError where the file is missing, altered, of a newer format, holds something else than tensors, or the
    weights of another model; the model is then as it was.
    """
    path = Path(path)
    weights = _tensors(path, _content(path, digest, "a weight file"))
    _compare(path, weights, model.state_dict())
    model.load_state_dict(weights)
    return model


def _content(path, digest, what):
    """The bytes of a file whose SHA-256 must be `digest`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError.about(path, what, error.strerror, REMEDY) from error
    found = digest_of(content)
    if found != digest:
        found = f"{found[:12]}… ({len(content):,} bytes)"
        raise DataError.about(path, f"SHA-256 {digest[:12]}…, as in its card", found, REMEDY)
    return content


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
