"""The images of the book: real ones from disk or the network, synthetic ones made on the spot.

    load("cifar10", "test")     real images, or a DataError; never anything else under that name
    pair()                      the running example: CIFAR-10 and SVHN, or stand-ins for both
    python -m likelab.data      what is there, and where; names download; --verify checks the files

Files are looked for in the folder that LIKELAB_DATA names, then in the user's cache, then where Debian keeps
FashionMNIST; what is nowhere is downloaded into the cache. A file in LIKELAB_DATA belongs to the reader: it may hold
any whole number of images and is never touched. Where it is not the published one captions say so, and add what the
text file PROVENANCE in that folder says of the set, in a line like "svhn: cut anew from the published photographs". A
file in the cache is believed only while its checksum is the published one.
"""

import argparse
import contextlib
import functools
import os
import posixpath
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from likelab import download
from likelab.errors import DataError
from likelab.formats import File, read_cifar10, read_idx, read_svhn


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one split of one data set, in the order of its files."""

    name: str  # as it stands in captions: "CIFAR-10"
    split: str  # "train" or "test"
    images: torch.Tensor = field(repr=False)  # uint8 (N, C, H, W)
    labels: torch.Tensor = field(repr=False)  # int64 (N,)
    total: int  # images in the complete split
    real: bool  # False for the synthetic stand-ins
    official: bool = False  # whether the bytes of its files are the published ones
    provenance: str = "provenance unknown"  # where images come from that are real and not official

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, part: slice) -> "ImageSet":
        """The images of a slice, as a set of their own. Raises TypeError for another index."""
        if not isinstance(part, slice):
            raise TypeError("take a slice of an ImageSet, or index its .images and .labels")
        return replace(self, images=self.images[part], labels=self.labels[part])

    @property
    def count(self) -> str:
        """How many of how many, "4,000 of 50,000 images"; of images that are not the published ones also that."""
        counted = f"{len(self):,} of {self.total:,} images"
        return f"{counted}, not the published file: {self.provenance}" if self.real and not self.official else counted


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
    read: Callable  # (files, total) -> images, labels
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

# --- Where it is ---------------------------------------------------------------------------------------

DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # of the package dataset-fashion-mnist
PICKLES = ("cifar-10-batches-py", "cifar-10-python.tar.gz")


def folder() -> Path | None:
    """The folder that LIKELAB_DATA names, absolute from its first use on, or None where it names none.

    Raises DataError where there is no such folder.
    """
    named = os.environ.get("LIKELAB_DATA")
    if not named:
        return None
    place = os.path.abspath(os.path.expanduser(named))
    if not os.path.isdir(place):
        remedy = "Correct LIKELAB_DATA, or unset it: the official files are then downloaded."
        raise DataError.about(place, f"the folder that LIKELAB_DATA={named} names", "no such folder", remedy)
    os.environ["LIKELAB_DATA"] = place  # a relative path means this one, whatever folder the process goes to later
    return Path(place)


def at_hand(name: str, split: str) -> bool:
    """Whether `load` of a real set needs no network. Raises DataError for a LIKELAB_DATA that cannot be used."""
    return bool(_find(name, split))


def _files(name, split):
    return SOURCES[name].splits[split][1]


def _find(name, split):
    """The files of a split on this machine: a list of `File`, empty where a download is needed."""
    own, cache = folder(), download.cache()
    if own and (found := _find_in(own, name, split)):
        return found
    with download.using(cache, "a folder that can be read"):
        if all(download.is_good(cache, file) for file in _files(name, split)):
            return _cached(name, split)
    return _find_in(DEBIAN, name, split) if name == "fashionmnist" else []


def _cached(name, split):
    return [File(download.cache() / file, digest=download.CHECKSUMS[file][1]) for file in _files(name, split)]


def _find_in(place, name, split):
    """The files of a split in a folder of the reader's. Of CIFAR-10 some will do; of the others, all are named."""
    found = {}
    with download.using(place, "a folder that can be read"):
        for file in _files(name, split):
            there = (candidate for candidate in _candidates(place, file) if _is_there(candidate, place, file))
            found[file] = next(there, None)
    if name == "cifar10" or not any(found.values()):
        return [candidate for candidate in found.values() if candidate]
    return [candidate or File(place / file) for file, candidate in found.items()]


def _candidates(place, file):
    """Where a published file may lie: as published, as torchvision keeps it, in the root; gzipped or not; packed."""
    home, name = posixpath.split(file)
    stem, top = name.removesuffix(".gz"), home.partition("/")[0]
    debian = ["fashion-mnist"] if top == "FashionMNIST" else []
    for inner in (home, home.lower(), top, top.lower(), top.upper(), *debian, ""):
        for ending in dict.fromkeys((name, stem, f"{stem}.gz")):
            yield File(place / inner / ending)
    for archive in download.downloads([file]):
        if archive != file:
            yield from (File(place / packed, member=file) for packed in (archive, archive.removesuffix(".gz")))


def _is_there(candidate, place, file):
    if not candidate.path.is_file() or candidate.path.parent != place or "MNIST" not in file:
        return candidate.path.is_file()
    # In the root, files of MNIST and FashionMNIST have the same names: of these the digest decides.
    with contextlib.suppress(OSError, EOFError, ValueError, zlib.error):
        candidate.read(50_000_000)
    fashion = download.is_published(f"FashionMNIST/raw/{posixpath.basename(file)}", candidate.digest)
    return fashion == file.startswith("FashionMNIST")


def _searched(*keys):
    """Where splits were looked for, and under which names; and what is there that is never read."""
    own, files = folder(), [file for key in keys for file in _files(*key)]
    places = " and ".join([f"{own} (LIKELAB_DATA)"] * bool(own) + [str(download.cache())])
    told = f"Searched: {places}, for {', '.join(dict.fromkeys([*download.downloads(files), *files]))}"
    told += " (gzipped or not, in this folder or at the top)."
    for path in [own / file for file in PICKLES] if own and ("cifar10" in dict(keys)) else []:
        if path.exists():
            told += f" {path} is not read, because it holds pickles, which can run any code: put the binary version of "
            told += f"these images, {next(iter(download.ARCHIVES))}, beside it."
    return told


# --- Reading -------------------------------------------------------------------------------------------


def load(name: str, split: str) -> ImageSet:
    """Load "cifar10", "svhn", "mnist", "fashionmnist" or a stand-in, "leaves" or "plates"; "train" or "test".

    Returns an ImageSet of all images that the files hold: images uint8 (N, 3, 32, 32), of the two MNISTs
    (N, 1, 28, 28), labels int64 (N,). The files are those of LIKELAB_DATA, else of the user's cache, else a download.
    Raises DataError where they cannot be had or read, ValueError for an unknown name.
    """
    known = (*SOURCES, *STANDINS)
    if name not in known or split not in ("train", "test"):
        raise ValueError(f"there is no {name!r}, {split!r}: choose from {', '.join(known)}, and train or test")
    if name in STANDINS:
        return _make_standin(name, split)
    return _read(name, split, _find(name, split) or _fetch(name, split))


def _fetch(name, split, **options):
    """The files of a split, brought into the cache. Raises DataError."""
    try:
        download.fetch(_files(name, split), **options)
    except DataError as error:
        raise DataError(f"{error} {_searched((name, split))}") from error
    return _cached(name, split)


def _read(name, split, files):
    source = SOURCES[name]
    total, published = source.splits[split]
    images, labels = (torch.from_numpy(np.array(array, order="C")) for array in source.read(files, total))
    official = all(any(download.is_published(path, file.digest) for path in published) for file in files)
    note = {} if official else {"provenance": _note(name)}
    return ImageSet(source.title, split, images, labels, total, real=True, official=official, **note)


def _note(name):
    """What the file PROVENANCE in the reader's folder says of a set. Raises DataError where it cannot be read."""
    own = folder()
    path = own / "PROVENANCE" if own else None
    if path and path.exists():
        with download.using(path, "a text file that can be read"):
            for line in path.read_text("utf-8", errors="replace").splitlines():
                key, _, note = line.partition(":")
                if key.strip().lower() == name and note.strip():
                    return " ".join(note.split()).rstrip(".")
    return ImageSet.provenance


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
def pair() -> Pair:
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
    missing = [] if forced else [key for key in PAIR if not at_hand(*key)]
    with ThreadPoolExecutor(1) as pool:
        # Drawn while the network is asked: three seconds each, and a dead network may cost five in all.
        drawing = pool.submit(_draw_standins) if missing or forced == "standin" else None
        why = answers[forced] if forced else _bring_pair(missing)
        parts = drawing.result() if why else [load(name, split) for name, split in PAIR]
    listed = "; ".join(f"{part.name} {part.split} {part.count}" for part in parts)
    print(f"Images ({f'stand-ins, {why}' if why else 'real'}): {listed}.")
    train, inside, outside = parts
    used = train[:4000]
    cut = len(used) - len(used) // 10
    return Pair(used[:cut], used[cut:], inside[:1000], outside[:1000], real=not why)


def _draw_standins():
    return [load("leaves", "train"), load("leaves", "test"), load("plates", "test")]


def _bring_pair(missing):
    """Bring what is missing of the real pair to this machine. Returns "", or why that failed."""
    titles = " and ".join(dict.fromkeys(SOURCES[name].title for name, _ in missing))
    why = f"since {titles} cannot be found here and the "
    told = f". {_searched(*missing)}".rstrip(".") if folder() and missing else ""
    urls, reasons = download.answering([file for key in missing for file in _files(*key)])
    if not all(urls.values()):
        return f"{why}network does not answer: {', '.join(reasons)}{told}"
    try:
        for key in missing:
            _fetch(*key, urls=urls, tries=1)
    except DataError:
        return f"{why}download failed{told}"
    return ""


# --- The command line ----------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """List the real sets, download them by name, or verify them; returns the exit status."""
    parser = argparse.ArgumentParser("python -m likelab.data", description="The data sets of the book.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"download what is not here: {', '.join(SOURCES)}")
    parser.add_argument("--verify", action="store_true", help="fail where a file is not the published one")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(SOURCES))
    if unknown:
        parser.error(f"no set is called {', '.join(unknown)}; there are {', '.join(SOURCES)}")
    status = 0
    for name in options.names or SOURCES:
        for split in SOURCES[name].splits:
            try:
                files = _find(name, split) or (_fetch(name, split) if options.names else [])
                state, good = _state(name, split, files)
            except DataError as error:
                state, good, status = str(error), True, 1
            status = status or int(options.verify and not good)
            print(f"{name:13}{split:6} {state}")
    return status


def _state(name, split, files):
    """One split in words, and whether it is as published or not here. Raises DataError for files that are wrong."""
    if not files:
        remedy = f"python -m likelab.data {name} downloads it"
        damaged = [path for file in _files(name, split) if (path := download.cache() / file).exists()]
        if damaged:
            raise DataError.about(damaged[0], "all published files", "a damaged or a missing one", f"{remedy}.")
        return f"not here; {remedy}. {_searched((name, split))}", True
    images = _read(name, split, files)
    size = "complete" if len(images) == images.total else "partial"
    places = ", ".join(dict.fromkeys(str(file.path if file.member else file.path.parent) for file in files))
    return f"{images.count}; {size}{', as published' * images.official}, in {places}", images.official


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped. Nothing half downloaded is kept.")
