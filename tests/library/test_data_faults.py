"""Every fault of a download, a file or a machine: it is mended, or ends in one error that says what to do."""

import contextlib
import io
import json
import os
import resource
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from likelab import data, download, standin
from likelab.errors import DataError
from tests.conftest import ROOT
from tests.support import data_servers

SVHN = "svhn/test_32x32.mat"
CIFAR = "cifar-10-binary.tar.gz"
PARTS = data_servers.cifar_members().keys()


@pytest.fixture
def world(monkeypatch, tmp_path):
    with data_servers.small_world(monkeypatch, tmp_path / "home") as world:
        yield world


@pytest.fixture
def open_folder():
    """A folder that other users can reach (pytest's own ones cannot)."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@contextlib.contextmanager
def one_error(*words):
    """Expect one DataError whose message has file, expected, found and remedy, and `words`."""
    with pytest.raises(DataError) as caught:
        yield
    message = str(caught.value)
    assert all(word in message for word in (": expected ", "; found ", *words)), message
    assert message.rstrip(".").count(". ") >= 1, f"no remedy: {message}"


@contextlib.contextmanager
def room_for(size):
    """The system ends a write that would make a file larger, as it ends one for which there is no room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def load_svhn(world):
    images = data.load("svhn", "test")
    assert len(images) == 20 and images.real
    assert world.left_over() == [SVHN]


# --- The network ---------------------------------------------------------------------------------------

HTML = b"<html><body>Down for maintenance</body></html>"


FAULTS = {  # what the address does; what the error says of it
    "not found": (lambda content: data_servers.fails(404), "404 Not Found"),
    "server error": (lambda content: data_servers.fails(500), "500 Internal Server Error"),
    "no answer": (lambda content: data_servers.is_silent, "no answer in time"),
    "stalls in the middle": (data_servers.stalls, "no more bytes in time"),
    "breaks off in the middle": (data_servers.breaks_off, "the connection broke off"),
    "a page of HTML": (lambda content: data_servers.sends(HTML, Content_Type="text/html"), "46 bytes of text/html"),
    "too short": (lambda content: data_servers.sends(content[:-9]), "bytes of unknown type"),
    "too long": (lambda content: data_servers.sends(content + b"more"), "bytes of unknown type"),
    "too short, length unsaid": (lambda content: data_servers.sends(content[:-9], Content_Length=None), "only "),
    "without end": (lambda content: data_servers.never_ends, "more than "),
    "other content of the right length": (lambda content: data_servers.sends(bytes(len(content))), "another checksum"),
    "redirects in a circle": (
        lambda content: data_servers.redirects("/official/test_32x32.mat"),
        "redirects without end",
    ),
    "redirects to nowhere": (lambda content: data_servers.redirects("nonsense://"), "InvalidSchema"),
}


@pytest.mark.parametrize(("fault", "said"), FAULTS.values(), ids=FAULTS.keys())
class TestAnAddressThatFails:
    def test_for_good_ends_in_one_error_and_leaves_nothing(self, world, fault, said):
        content = world.publish_svhn()
        world.answer(SVHN, fault(content))
        with one_error(SVHN, f"{len(content):,} bytes", f"{world.server.url}/official/test_32x32.mat", said):
            data.load("svhn", "test")
        assert world.left_over() == []
        assert world.server.visits["/official/test_32x32.mat"] >= 3, "it was not tried again"

    def test_once_is_asked_again(self, world, fault, said):
        content = world.publish_svhn()
        world.answer(SVHN, data_servers.in_turn(fault(content), data_servers.sends(content)))
        load_svhn(world)

    def test_has_a_mirror(self, world, fault, said):
        content = world.publish_svhn()
        world.answer(SVHN, fault(content), data_servers.sends(content))
        load_svhn(world)


def test_nobody_listens(world):
    world.publish_svhn()
    world.addresses(SVHN, data_servers.closed_port())
    with one_error(SVHN, "no connection"):
        data.load("svhn", "test")


def test_a_host_without_a_name(world):
    world.publish_svhn()
    world.addresses(SVHN, "http://no-such-host.invalid")
    with one_error(SVHN, "no connection"):
        data.load("svhn", "test")


def test_a_redirect_is_followed(world):
    content = world.publish_svhn()
    world.server.pages["/elsewhere"] = data_servers.sends(content)
    world.answer(SVHN, data_servers.redirects("/elsewhere"))
    load_svhn(world)


def test_a_length_that_is_not_said(world):
    content = world.publish_svhn()
    world.answer(SVHN, data_servers.sends(content, Content_Length=None))
    load_svhn(world)


def test_a_packed_file_is_not_unpacked_on_the_way(world):
    """Some servers announce an archive as a packed page; clients that believe them unpack it."""
    content = world.publish_cifar()
    world.answer(CIFAR, data_servers.sends(content, Content_Encoding="gzip"))
    assert len(data.load("cifar10", "train")) == 100


def test_a_server_that_would_like_to_pack(world):
    content = world.publish_svhn()

    def packs(handler):
        asked = handler.headers["Accept-Encoding"]
        data_servers.sends(content if asked == "identity" else data_servers.zipped(content))(handler)

    world.answer(SVHN, packs)
    load_svhn(world)


def test_a_slow_address_is_passed_over(world, monkeypatch):
    monkeypatch.setattr(download, "GRACE", 0.3)
    content = world.publish_svhn()
    world.answer(SVHN, data_servers.trickles(content, 500), data_servers.sends(content))
    load_svhn(world)
    assert world.server.visits["/mirror/test_32x32.mat"] == 1


def test_a_slow_address_that_is_the_only_one_is_waited_for(world, monkeypatch):
    monkeypatch.setattr(download, "GRACE", 0.3)
    content = world.publish_svhn()
    world.answer(SVHN, data_servers.trickles(content, len(content) // 12))
    monkeypatch.setattr(download, "SLOW", 10 * len(content))
    load_svhn(world)
    assert world.server.visits["/official/test_32x32.mat"] == 2


def test_an_address_that_hardly_moves_is_given_up(world, monkeypatch):
    monkeypatch.setattr(download, "GRACE", 0.2)
    content = world.publish_svhn()
    world.answer(SVHN, data_servers.trickles(content, 20))
    with one_error(SVHN, "bytes a second"):
        data.load("svhn", "test")


# --- The archive ---------------------------------------------------------------------------------------


def without(members, name, **instead):
    return {key: value for key, value in members.items() if key != name} | instead


BATCH = "cifar-10-batches-bin/data_batch_3.bin"


@pytest.mark.parametrize(
    "replacement",
    [
        {},
        {"cifar-10-batches-bin/data_batch_9.bin": data_servers.cifar_file(seed=2)},
        {BATCH: data_servers.cifar_file(seed=7)},
        {BATCH: data_servers.cifar_file(seed=2) + b"more"},
        {f"../{BATCH}": data_servers.cifar_file(seed=2)},
        {f"/{BATCH}": data_servers.cifar_file(seed=2)},
        {BATCH: data_servers.link(BATCH, "/etc/passwd")},
        {BATCH: data_servers.link(BATCH, "cifar-10-batches-bin/test_batch.bin", tarfile.LNKTYPE)},
        {BATCH: data_servers.link(BATCH, "", tarfile.FIFOTYPE)},
        {BATCH: data_servers.link(BATCH, "", tarfile.FIFOTYPE, size=len(data_servers.cifar_file()))},
    ],
    ids=[
        "a member is missing",
        "another name",
        "other content",
        "too long",
        "points above its folder",
        "an absolute path",
        "a symbolic link",
        "a hard link",
        "a pipe",
        "a pipe that has a size",
    ],
)
def test_an_archive_with_a_wrong_member(world, replacement):
    """The checksum of the archive is right, so only the unpacking stands between it and the disk."""
    world.publish_cifar(without(data_servers.cifar_members(), BATCH) | replacement)
    with one_error(CIFAR, BATCH):
        data.load("cifar10", "test")
    assert world.left_over() == []


def test_an_archive_with_a_huge_member(world):
    """It is refused by its size, before the disk is filled with it."""
    world.publish_cifar(without(data_servers.cifar_members(), BATCH) | {BATCH: bytes(10_000_000)})
    with room_for(1_000_000), one_error(CIFAR, BATCH):
        data.load("cifar10", "test")
    assert world.left_over() == []


def test_an_archive_that_reaches_outside(world, tmp_path):
    """What else it holds has no effect: no path that leads out, no link in the place of the folder."""
    outside = tmp_path / "outside"
    outside.mkdir()
    evil = {
        "folder": data_servers.link("cifar-10-batches-bin", outside),
        "../../../escaped": b"escaped",
        str(outside / "escaped"): b"escaped",
    }
    world.publish_cifar({**evil, **data_servers.cifar_members()})
    assert len(data.load("cifar10", "train")) == 100
    assert world.left_over() == sorted(PARTS)
    assert not list(tmp_path.rglob("escaped")) and not list(outside.iterdir())


@pytest.mark.parametrize("keep", [0.1, 0.6, 0.99])
def test_an_archive_that_is_cut_off(world, keep):
    content = world.publish_cifar()
    content = content[: int(keep * len(content))]
    world.publish(CIFAR, content)
    with one_error(CIFAR):
        data.load("cifar10", "train")
    assert world.left_over() == []


def test_something_else_than_an_archive(world):
    world.publish_cifar()
    world.publish(CIFAR, HTML)
    with one_error(CIFAR):
        data.load("cifar10", "train")


# --- The files -----------------------------------------------------------------------------------------

MAT = data_servers.svhn_file()
PLAIN_MAT = data_servers.svhn_file(compress=False)
IMAGES, LABELS = data_servers.idx_images(), data_servers.idx_labels()
IDX = ("MNIST/raw/t10k-images-idx3-ubyte.gz", "MNIST/raw/t10k-labels-idx1-ubyte.gz")
TEST_BATCH = "cifar-10-batches-bin/test_batch.bin"
RECORD_10 = b"\x0a" + bytes(3072)


def mat_bomb():
    """X claims 26,032 images and is packed so well that two bytes stand for all of them."""
    good = data_servers.svhn_file(n=26_032, X=np.zeros((32, 32, 3, 26_032), np.uint8))
    return good[:140] + good[140:1500]


def hdf5():
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    return text.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(2000)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        pytest.param("cifar10", {TEST_BATCH: data_servers.cifar_file()[:-5]}, id="records: cut off"),
        pytest.param("cifar10", {TEST_BATCH: data_servers.cifar_file() + b"more"}, id="records: trailing bytes"),
        pytest.param("cifar10", {TEST_BATCH: data_servers.cifar_file() + RECORD_10}, id="records: label 10"),
        pytest.param("cifar10", {TEST_BATCH: b""}, id="records: empty"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(X=None)}, id="mat: no X"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(y=None, z=np.ones(3))}, id="mat: other keys"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(X=np.zeros((20, 3, 32, 32), "u1"))}, id="mat: shape"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(X=np.zeros((32, 32, 3, 20)))}, id="mat: type"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(X=np.zeros((32, 32, 3, 20), "i1"))}, id="mat: signed"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(y=np.ones((19, 1)))}, id="mat: a label too few"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(y=np.ones((1, 20)))}, id="mat: labels in a row"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(y=np.full((20, 1), 11))}, id="mat: label 11"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(y=np.full((20, 1), np.nan))}, id="mat: label nan"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(y=np.full((20, 1), 1 + 1j))}, id="mat: complex labels"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(X="text")}, id="mat: text"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(y={"a": 1})}, id="mat: a struct"),
        pytest.param("svhn", {SVHN: data_servers.svhn_file(n=0)}, id="mat: no images"),
        pytest.param("svhn", {SVHN: hdf5()}, id="mat: version 7.3"),
        pytest.param("svhn", {SVHN: HTML * 9}, id="mat: a page of HTML"),
        pytest.param("svhn", {SVHN: MAT[:100]}, id="mat: header cut off"),
        pytest.param("svhn", {SVHN: MAT[:-5]}, id="mat: cut off"),
        pytest.param("svhn", {SVHN: PLAIN_MAT[:-5]}, id="mat: uncompressed, cut off"),
        pytest.param("svhn", {SVHN: MAT + b"more"}, id="mat: trailing bytes"),
        pytest.param("svhn", {SVHN: mat_bomb()}, id="mat: promises too much"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(data_servers.idx_images(magic=2052))}, id="idx: magic"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(IMAGES[:4] + b"\0\0\0\x21" + IMAGES[8:])}, id="idx: count"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(IMAGES[:4] + b"\0\0\0\x01" + IMAGES[8:])}, id="idx: less"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(IMAGES[:4] + b"\xff" * 4 + IMAGES[8:])}, id="idx: huge"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(data_servers.idx_images(shape=(14, 56)))}, id="idx: shape"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(IMAGES)[:-5]}, id="idx: gzip cut off"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(IMAGES)[:300]}, id="idx: gzip cut off early"),
        pytest.param("mnist", {IDX[0]: data_servers.zipped(IMAGES) + b"more"}, id="idx: trailing bytes"),
        pytest.param("mnist", {IDX[0]: IMAGES}, id="idx: not gzipped"),
        pytest.param("mnist", {IDX[1]: data_servers.zipped(data_servers.idx_labels(19))}, id="idx: a label too few"),
        pytest.param("mnist", {IDX[1]: data_servers.zipped(LABELS[:-1] + b"\x0a")}, id="idx: label 10"),
        pytest.param("mnist", {IDX[1]: None}, id="idx: no labels"),
        pytest.param("mnist", {IDX[0]: None}, id="idx: no images"),
    ],
)
def test_a_wrong_file_of_the_reader(world, monkeypatch, tmp_path, name, files):
    """It is named, not used, not touched, and nothing is downloaded behind the reader's back."""
    own = tmp_path / "own"
    (culprit,) = files
    if name == "mnist":
        files = {IDX[0]: data_servers.zipped(IMAGES), IDX[1]: data_servers.zipped(LABELS)} | files
    paths = [data_servers.put(own, file, content) for file, content in files.items() if content is not None]
    monkeypatch.setenv("LIKELAB_DATA", str(own))
    before = [path.read_bytes() for path in paths]
    with one_error(str(own / culprit), "Replace the file, or remove it"):
        data.load(name, "test")
    assert [path.read_bytes() for path in paths] == before
    assert not world.server.visits


def test_more_records_than_there_are(world, monkeypatch, tmp_path):
    """Their number is refused before one of them is read."""
    path = data_servers.put(tmp_path, TEST_BATCH, b"")
    with path.open("wb") as file:
        file.truncate(3073 * 10_001)
    monkeypatch.setenv("LIKELAB_DATA", str(tmp_path))
    with one_error(str(path), "30,733,073 bytes"):
        data.load("cifar10", "test")


def test_a_damaged_file_in_the_cache_is_fetched_again(world):
    content = world.publish_svhn()
    data_servers.put(world.cache, SVHN, content[:-1] + b"!")
    load_svhn(world)
    assert (world.cache / SVHN).read_bytes() == content


def test_a_damaged_file_in_the_cache_is_not_believed_without_a_network(world):
    content = world.publish_svhn()
    data_servers.put(world.cache, SVHN, content[:-1] + b"!")
    world.addresses(SVHN, data_servers.closed_port())
    with one_error(SVHN, "no connection"):
        data.load("svhn", "test")


def test_a_readable_file_in_the_cache_that_is_not_the_published_one(world):
    """Good for LIKELAB_DATA, where files are the reader's; in the cache it is none of ours."""
    content = world.publish_svhn()
    data_servers.put(world.cache, SVHN, data_servers.svhn_file(seed=3))
    load_svhn(world)
    assert (world.cache / SVHN).read_bytes() == content


# --- The machine ---------------------------------------------------------------------------------------


def test_a_cache_that_cannot_be_written(world, monkeypatch, open_folder):
    world.publish_svhn()
    cache = open_folder / "cache"
    cache.mkdir(mode=0o555)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(download, "cache", lambda: cache)
    with data_servers.without_privileges(), one_error(str(cache), "Permission denied", "LIKELAB_DATA"):
        data.load("svhn", "test")
    assert not list(cache.iterdir())


def test_a_cache_that_cannot_be_written_but_has_the_files(world, monkeypatch, open_folder):
    content = world.publish_svhn()
    data_servers.put(open_folder / "cache", SVHN, content)
    (open_folder / "cache").chmod(0o555)
    monkeypatch.setattr(download, "cache", lambda: open_folder / "cache")
    with data_servers.without_privileges():
        assert len(data.load("svhn", "test")) == 20


def test_a_folder_of_the_reader_that_cannot_be_read(world, monkeypatch, open_folder):
    own = open_folder / "own"
    data_servers.put(own, SVHN, MAT)
    (own / "svhn").chmod(0)
    monkeypatch.setenv("LIKELAB_DATA", str(own))
    with data_servers.without_privileges(), one_error(str(own), "Permission denied"):
        data.load("svhn", "test")


def test_a_file_of_the_reader_that_cannot_be_read(world, monkeypatch, open_folder):
    path = data_servers.put(open_folder, SVHN, MAT)
    path.chmod(0)
    monkeypatch.setenv("LIKELAB_DATA", str(open_folder))
    with data_servers.without_privileges(), one_error(str(path), "Permission denied"):
        data.load("svhn", "test")


def test_a_file_in_the_place_of_the_cache(world):
    world.publish_svhn()
    data_servers.put(world.cache.parent, "likelab", b"in the way")
    with one_error(str(world.cache), "exists"):
        data.load("svhn", "test")


@pytest.mark.parametrize("file", [SVHN, CIFAR])
def test_a_full_disk(world, file):
    world.publish_svhn()
    world.publish_cifar()
    with room_for(20_000), one_error(str(world.cache), "too large", "make room"):
        data.load("svhn" if file == SVHN else "cifar10", "test")
    assert world.left_over() == []
    data.load("svhn" if file == SVHN else "cifar10", "test")  # and once there is room, it works


def test_no_home(world, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # what it does without a home
    with one_error("HOME", "LIKELAB_DATA"):
        data.load("svhn", "test")
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize("name", ["data and more", "données-日本語", "~tilde"])
def test_unusual_paths(world, monkeypatch, tmp_path, name):
    world.publish_cifar()
    monkeypatch.setenv("HOME", str(tmp_path / name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
    assert len(data.load("cifar10", "test")) == 20
    monkeypatch.setenv("LIKELAB_DATA", str(tmp_path / name / "likelab"))
    assert len(data.load("cifar10", "train")) == 100


@pytest.mark.parametrize("is_file", [False, True])
def test_a_data_folder_that_does_not_exist(world, monkeypatch, tmp_path, is_file):
    if is_file:
        (tmp_path / "nowhere").write_text("a file")
    monkeypatch.setenv("LIKELAB_DATA", str(tmp_path / "nowhere"))
    for ask in (lambda: data.load("mnist", "train"), data.pair):
        with one_error(str(tmp_path / "nowhere"), "LIKELAB_DATA", "unset it"):
            ask()


def test_files_of_the_reader_are_never_modified(world, monkeypatch, tmp_path):
    """Not even when the official ones are downloaded, because one split is missing."""
    own = tmp_path / "own"
    path = data_servers.put(own, SVHN, MAT)
    own.chmod(0o555)
    world.publish_svhn("train", n=30)
    monkeypatch.setenv("LIKELAB_DATA", str(own))
    before = path.stat(), path.read_bytes()
    assert len(data.load("svhn", "train")) == 30 and len(data.load("svhn", "test")) == 20
    assert (path.stat().st_mtime_ns, path.read_bytes()) == (before[0].st_mtime_ns, before[1])
    assert [str(file.relative_to(own)) for file in own.rglob("*") if file.is_file()] == [SVHN]
    own.chmod(0o755)


# --- Other processes, and ends before the end ----------------------------------------------------------

ANOTHER = """
import json, sys
sys.path.insert(0, sys.argv[1])
from likelab import download
addresses, checksums = json.loads(sys.argv[2])
download.ADDRESSES.update(addresses)
download.CHECKSUMS.update({path: tuple(checksum) for path, checksum in checksums.items()})
download.fetch(["cifar-10-batches-bin/test_batch.bin"])
print("done")
"""


@contextlib.contextmanager
def another_process(world):
    """A process in the same world that has begun to download CIFAR-10."""
    process = subprocess.Popen(
        [sys.executable, "-c", ANOTHER, ROOT / "book", json.dumps([download.ADDRESSES, download.CHECKSUMS])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(lambda: any("incoming" in file for file in world.left_over()) or process.poll() is not None)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_two_processes_at_once(world, monkeypatch):
    """One downloads, the other says that it waits, and finds the files."""
    content = world.publish_cifar()
    waiting = threading.Event()
    world.answer(CIFAR, data_servers.waits(content, waiting))

    class Watched(io.StringIO):
        def write(self, text):
            if "waiting for it" in text:
                waiting.set()
            return super().write(text)

    with another_process(world) as process:
        monkeypatch.setattr(sys, "stderr", Watched())
        assert len(data.load("cifar10", "train")) == 100
        output, errors = process.communicate(timeout=60)
        assert output == "done\n", errors
    assert waiting.is_set()
    assert world.server.visits[f"/official/{CIFAR}"] == 1
    assert world.left_over() == sorted(PARTS)


def test_a_process_that_is_killed(world):
    """What it leaves is not believed, stops nobody, and is cleared away."""
    content = world.publish_cifar()
    world.answer(CIFAR, data_servers.in_turn(data_servers.stalls(content), data_servers.sends(content)))
    with another_process(world) as process:
        process.kill()
        process.communicate()
    assert world.left_over() and not set(world.left_over()) & set(PARTS)
    assert len(data.load("cifar10", "train")) == 100
    assert world.left_over() == sorted(PARTS)


def test_a_reader_who_interrupts(world, monkeypatch):
    content = world.publish_cifar()
    world.answer(CIFAR, data_servers.sends(content))

    def interrupt(*_):
        raise KeyboardInterrupt

    for step in ("copyfileobj", "move"):  # while it unpacks, and as a file has arrived
        with monkeypatch.context() as patch:
            patch.setattr(download.shutil, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                data.load("cifar10", "train")
        assert world.left_over() == []
    assert len(data.load("cifar10", "train")) == 100


# --- The running example -------------------------------------------------------------------------------


@pytest.fixture
def quick_standins(monkeypatch):
    """Stand-ins take seconds to draw; here it is the network whose seconds count."""

    def blank(n, seed):
        return np.zeros((n, 3, 32, 32), np.uint8), np.zeros(n, np.int64)

    monkeypatch.setattr(standin, "leaves", blank)
    monkeypatch.setattr(standin, "plates", blank)


def check_standins(capsys, *words):
    """pair() gives stand-ins within five seconds, says so in one line, and remembers. Returns the seconds."""
    began = time.monotonic()
    pair = data.pair()
    seconds = time.monotonic() - began
    assert seconds < 5
    parts = (pair.train, pair.validation, pair.inside, pair.outside)
    assert [len(part) for part in parts] == [3600, 400, 1000, 1000]
    assert [part.name for part in parts] == ["Leaves", "Leaves", "Leaves", "Plates"]
    assert not pair.real and not any(part.real for part in parts)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "stand-ins" in said and all(word in said for word in words), said
    began = time.monotonic()
    assert data.pair() is pair and time.monotonic() - began < 0.01
    assert capsys.readouterr() == ("", "")
    return seconds


@pytest.mark.usefixtures("quick_standins")
class TestPair:
    def test_one_real_set_and_no_network(self, world, monkeypatch, tmp_path, capsys):
        own = tmp_path / "own"
        for file, content in data_servers.cifar_members().items():
            data_servers.put(own, file, content)
        monkeypatch.setenv("LIKELAB_DATA", str(own))
        world.publish_svhn()
        world.addresses(SVHN, data_servers.closed_port())
        check_standins(capsys, "since SVHN cannot be found")

    def test_no_network(self, world, capsys):
        world.publish_cifar()
        world.publish_svhn()
        for file in (CIFAR, SVHN):
            world.addresses(file, data_servers.closed_port())
        assert check_standins(capsys, "CIFAR-10 and SVHN cannot be found") < 2

    def test_a_network_that_accepts_and_never_answers(self, world, capsys):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            world.publish_cifar()
            world.publish_svhn()
            for file in (CIFAR, SVHN):
                host = f"http://127.0.0.1:{silent.getsockname()[1]}"
                world.addresses(file, host, f"{host}/mirror")
            check_standins(capsys, "network does not answer")

    def test_standins_are_drawn_while_the_network_is_asked(self, world, monkeypatch, capsys):
        """Drawing takes seconds; after a wait for a silent network they would be too many."""
        drawn = standin.leaves

        def slowly(n, seed):
            time.sleep(1.5)
            return drawn(n, seed)

        monkeypatch.setattr(standin, "leaves", slowly)  # called twice: train and test
        with socket.create_server(("127.0.0.1", 0)) as silent:
            world.publish_cifar()
            world.publish_svhn()
            for file in (CIFAR, SVHN):
                world.addresses(file, f"http://127.0.0.1:{silent.getsockname()[1]}")
            check_standins(capsys, "network does not answer")

    def test_a_network_that_answers_one_letter_a_second(self, world, capsys):
        """No wait for a single answer is ever long."""

        def dribbles(handler):
            for letter in "HTTP/1.0 200 OK\r\nX: " + 60 * "x":
                handler.wfile.write(letter.encode())
                handler.wfile.flush()
                if handler.server.over.wait(0.5):
                    return

        world.publish_cifar()
        world.publish_svhn()
        for file in (CIFAR, SVHN):
            world.answer(file, dribbles, dribbles)
        check_standins(capsys)

    def test_names_that_are_not_resolved(self, world, monkeypatch, capsys):
        """The search for a host's name has no time limit of its own."""
        over = threading.Event()

        def search(*_, **__):
            over.wait(30)
            raise socket.gaierror("no such host")

        monkeypatch.setattr(socket, "getaddrinfo", search)
        world.publish_cifar()
        world.publish_svhn()
        check_standins(capsys)
        over.set()

    def test_a_network_that_sends_one_of_the_two(self, world, capsys):
        """The other one is then not downloaded in vain."""
        world.publish_cifar()
        world.publish_svhn()
        world.answer(SVHN, data_servers.fails(404), data_servers.fails(503))
        check_standins(capsys)
        assert world.left_over() == []

    def test_a_network_that_dies_after_its_first_answer(self, world, capsys):
        world.publish_cifar()
        content = world.publish_svhn()
        world.answer(SVHN, data_servers.breaks_off(content), data_servers.stalls(content))
        check_standins(capsys, "download failed")

    def test_a_network_that_works(self, world, capsys):
        world.publish_cifar()
        world.publish_svhn()
        pair = data.pair()
        assert pair.real
        assert [len(part) for part in (pair.train, pair.validation, pair.inside, pair.outside)] == [
            90,
            10,
            20,
            20,
        ]
        said = capsys.readouterr().out
        assert said.count("\n") == 1 and "CIFAR-10 train 100 of 50,000 images" in said

    def test_an_official_address_that_is_dead_costs_no_wait(self, world):
        """The mirrors that have answered are asked for the files, not the addresses that have not."""
        world.publish_cifar()
        world.publish_svhn()
        for file in (CIFAR, SVHN):
            name = Path(file).name
            world.server.pages[f"/official/{name}"] = data_servers.fails(404)
        assert data.pair().real
        assert world.server.visits[f"/official/{CIFAR}"] == 1

    def test_forced_to_be_real(self, world, monkeypatch):
        world.publish_cifar()
        world.publish_svhn()
        world.answer(SVHN, data_servers.fails(404))
        monkeypatch.setenv("LIKELAB_PAIR", "real")
        with one_error(SVHN, "404"):
            data.pair()
        world.publish_svhn()
        assert data.pair().real, "an error must not be remembered"

    def test_forced_to_be_standins(self, world, monkeypatch, capsys):
        world.publish_cifar()
        world.publish_svhn()
        monkeypatch.setenv("LIKELAB_PAIR", "standin")
        check_standins(capsys, "as LIKELAB_PAIR asks")
        assert not world.server.visits

    def test_forced_to_be_something_else(self, world, monkeypatch):
        monkeypatch.setenv("LIKELAB_PAIR", "fake")
        with one_error("LIKELAB_PAIR", "'fake'", "real or standin"):
            data.pair()

    def test_a_wrong_file_is_an_error_and_no_reason_for_standins(self, world, monkeypatch, tmp_path):
        for file, content in {**data_servers.cifar_members(), SVHN: MAT[:-5]}.items():
            data_servers.put(tmp_path / "own", file, content)
        monkeypatch.setenv("LIKELAB_DATA", str(tmp_path / "own"))
        with one_error(SVHN):
            data.pair()
