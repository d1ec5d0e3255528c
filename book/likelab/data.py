"""The images of the book: real ones from disk or the network, synthetic ones made on the spot.

    load("cifar10", "test")     real images, or a DataError; never anything else under that name
    pair()                      the running example: CIFAR-10 and SVHN, or stand-ins for both
    python -m likelab.data      what is there, and where; names download; --verify checks the files

Files are looked for in the folder that LIKELAB_DATA names, then in the user's cache; what is in neither
is downloaded into the cache. A file in LIKELAB_DATA belongs to the reader: it may hold any whole number
of images and is never touched. A file in the cache is believed only while its checksum is the published one.
"""

import argparse
import functools
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from likelab import download
from likelab.errors import DataError
from likelab.formats import read_cifar10, read_idx, read_svhn


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one split of one data set, in the order of its files."""

    name: str  # as it stands in captions: "CIFAR-10"
    split: str  # "train" or "test"
    images: torch.Tensor = field(repr=False)  # uint8 (N, C, H, W)
    labels: torch.Tensor = field(repr=False)  # int64 (N,)
    total: int  # images in the complete split
    real: bool  # False for the synthetic stand-ins

    def __len__(self):
        return len(self.images)

    def __getitem__(self, part: slice):
        """The images of a slice, as a set of their own."""
        if not isinstance(part, slice):
            raise TypeError("take a slice of an ImageSet, or index its .images and .labels")
        return replace(self, images=self.images[part], labels=self.labels[part])

    @property
    def count(self):
        """How many of how many: "4,000 of 50,000 images"."""
        return f"{len(self):,} of {self.total:,} images"


@dataclass(frozen=True, eq=False)
class Pair:
    """The running example: models learn from `train` and are asked about `inside` and `outside`."""

    train: ImageSet  # at most 3,600 images
    validation: ImageSet  # at most 400, the ones that follow
    inside: ImageSet  # at most 1,000 test images of the same data set
    outside: ImageSet  # at most 1,000 test images of the other one
    real: bool


# --- What there is -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    title: str
    read: Callable  # (paths, total) -> images, labels
    splits: dict  # split -> images in the complete split, paths of its files


def _mnist_like(title, folder):
    def files(part):
        return [f"{folder}/raw/{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]

    return _Source(title, read_idx, {"train": (60_000, files("train")), "test": (10_000, files("t10k"))})


_CIFAR = [f"cifar-10-batches-bin/data_batch_{i}.bin" for i in range(1, 6)]
_CIFAR_TEST = "cifar-10-batches-bin/test_batch.bin"

SOURCES = {
    "cifar10": _Source("CIFAR-10", read_cifar10, {"train": (50_000, _CIFAR), "test": (10_000, [_CIFAR_TEST])}),
    "svhn": _Source(
        "SVHN",
        read_svhn,
        {"train": (73_257, ["svhn/train_32x32.mat"]), "test": (26_032, ["svhn/test_32x32.mat"])},
    ),
    "mnist": _mnist_like("MNIST", "MNIST"),
    "fashionmnist": _mnist_like("FashionMNIST", "FashionMNIST"),
}

# --- Reading -------------------------------------------------------------------------------------------


def load(name, split):
    """Load "cifar10", "svhn", "mnist", "fashionmnist" or a stand-in, "leaves" or "plates"; "train" or "test".

    Returns an ImageSet of all images that the files hold: those of LIKELAB_DATA, else of the user's cache,
    else a download. Raises DataError where the files cannot be had or read, ValueError for an unknown name.
    """
    known = (*SOURCES, *STANDINS)
    if name not in known or split not in ("train", "test"):
        raise ValueError(f"there is no {name!r}, {split!r}: choose from {', '.join(known)}, and train or test")
    if name in STANDINS:
        return _make_standin(name, split)
    return _read(name, split, _find(name, split) or _fetch(name, split))


def _files(name, split):
    return SOURCES[name].splits[split][1]


def _find(name, split):
    """The folder with a split's files: LIKELAB_DATA, or the cache if they are the published ones, or None."""
    own = _own_folder()
    if own:
        with download.using(own, "a folder that can be read"):
            if any((own / file).exists() for file in _files(name, split)):
                return own
    with download.using(download.cache(), "a folder that can be read"):
        good = all(download.is_good(download.cache(), file) for file in _files(name, split))
    return download.cache() if good else None


def _fetch(name, split, **options):
    download.fetch(_files(name, split), **options)
    return download.cache()


def _read(name, split, folder):
    source = SOURCES[name]
    total, files = source.splits[split]
    arrays = source.read([folder / file for file in files], total)
    images, labels = (torch.from_numpy(np.array(array, order="C")) for array in arrays)
    return ImageSet(source.title, split, images, labels, total, real=True)


def _own_folder():
    """The folder that LIKELAB_DATA names, or None."""
    named = os.environ.get("LIKELAB_DATA")
    if not named:
        return None
    folder = Path(os.path.expanduser(named))
    if not os.path.isdir(folder):
        remedy = "Correct LIKELAB_DATA, or unset it: the official files are then downloaded."
        raise DataError.about(named, "the folder that LIKELAB_DATA names", "no such folder", remedy)
    return folder


STANDINS = {"leaves": "Leaves", "plates": "Plates"}
_STANDIN_SPLITS = {"train": (4_000, 1), "test": (1_000, 2)}  # images, seed


def _make_standin(name, split):
    from likelab import standin  # here, because fonts take their time to load

    n, seed = _STANDIN_SPLITS[split]
    images, labels = getattr(standin, name)(n, seed)
    return ImageSet(STANDINS[name], split, torch.from_numpy(images), torch.from_numpy(labels), n, real=False)


# --- The running example -------------------------------------------------------------------------------

PAIR = (("cifar10", "train"), ("cifar10", "test"), ("svhn", "test"))


@functools.cache
def pair():
    """The running example: CIFAR-10 against SVHN, or Leaves against Plates; both real or both stand-ins.

    The environment variable LIKELAB_PAIR forces "real" or "standin". Without it the pair is real if its files
    are on this machine or the network begins to send them within three seconds. Prints one line that says
    which; the answer holds for as long as the kernel runs. Raises DataError for files that are there but
    wrong, and where LIKELAB_PAIR=real cannot be had.
    """
    answers = {"real": "", "standin": "as LIKELAB_PAIR asks"}
    forced = os.environ.get("LIKELAB_PAIR")
    if forced and forced not in answers:
        remedy = "Set one of them, or unset LIKELAB_PAIR."
        raise DataError.about("LIKELAB_PAIR", " or ".join(answers), repr(forced), remedy)
    missing = [] if forced else [(name, split) for name, split in PAIR if not _find(name, split)]
    with ThreadPoolExecutor(1) as pool:
        # Drawn while the network is asked: three seconds each, and a dead network may cost five in all.
        drawing = pool.submit(_draw_standins) if missing or forced == "standin" else None
        why = answers[forced] if forced else _bring_pair(missing)
        parts = drawing.result() if why else [load(name, split) for name, split in PAIR]
    listed = ", ".join(f"{part.name} {part.split} {part.count}" for part in parts)
    print(f"Images: {listed} ({f'stand-ins, {why}' if why else 'real'}).")
    train, inside, outside = parts
    used = train[:4000]
    cut = len(used) - len(used) // 10
    return Pair(used[:cut], used[cut:], inside[:1000], outside[:1000], real=not why)


def _draw_standins():
    return [load("leaves", "train"), load("leaves", "test"), load("plates", "test")]


def _bring_pair(missing):
    """Bring what is missing of the real pair to this machine. Returns "", or why that failed."""
    titles = " and ".join(dict.fromkeys(SOURCES[name].title for name, _ in missing))
    answering = download.answering([file for key in missing for file in _files(*key)])
    if not all(answering.values()):
        return f"since {titles} cannot be found here and the network does not answer"
    try:
        for key in missing:
            _fetch(*key, urls=answering, rounds=1)
    except DataError:
        return f"since {titles} cannot be found here and the download failed"
    return ""


# --- The command line ----------------------------------------------------------------------------------


def main(arguments=None):
    """List the real sets, download them by name, or verify them; returns the exit status."""
    parser = argparse.ArgumentParser("python -m likelab.data", description="The data sets of the book.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"download what is not here: {', '.join(SOURCES)}")
    parser.add_argument("--verify", action="store_true", help="compare all files with the published checksums")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(SOURCES))
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(SOURCES)}")
    status = 0
    for name in options.names or SOURCES:
        for split in SOURCES[name].splits:
            try:
                if options.names and not _find(name, split):
                    _fetch(name, split)
                state = _state(name, split, options.verify)
            except DataError as error:
                state, status = str(error), 1
            print(f"{name:13}{split:6} {state}")
    return status


def _state(name, split, verify):
    """One split in words: how many images are where. Raises DataError for files that are there but wrong."""
    remedy = f"python -m likelab.data {name} downloads it"
    folder = _find(name, split)
    if not folder:
        damaged = [path for file in _files(name, split) if (path := download.cache() / file).exists()]
        if damaged:
            raise DataError.about(damaged[0], "all published files", "a damaged or a missing one", f"{remedy}.")
        return f"not here; {remedy}"
    images = _read(name, split, folder)
    state = "complete" if len(images) == images.total else "partial"
    if verify:
        good = all(download.is_good(folder, file) for file in _files(name, split))
        state += ", as published" if good else ", not the published files, but readable"
    return f"{images.count}, {state}, in {folder}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. Nothing half downloaded is kept.")
