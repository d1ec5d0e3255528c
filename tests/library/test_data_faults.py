"""Every fault of a download, a file or a machine: it is mended, or ends in one error that says what to do."""

import contextlib
import errno
import io
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tarfile
import threading
import types
from pathlib import Path

import filelock
import numpy as np
import pytest

from likelab import data, download, standin
from likelab.errors import DataError
from tests.conftest import ROOT
from tests.support import data_servers
from tests.support.data_servers import BATCHES, CIFAR, MNIST, SVHN, put, zipped


@pytest.fixture
def world(monkeypatch, tmp_path):
    with data_servers.small_world(monkeypatch, tmp_path / "home") as world:
        yield world


@pytest.fixture
def quick_standins(monkeypatch):
    """Stand-ins take seconds to draw; here it is the network that counts."""

    def blank(n, seed):
        return np.zeros((n, 3, 32, 32), np.uint8), np.zeros(n, np.int64)

    monkeypatch.setattr(standin, "leaves", blank)
    monkeypatch.setattr(standin, "plates", blank)


@contextlib.contextmanager
def one_error(*words):
    """Expect one DataError whose message has file, expected, found and remedy, and `words`."""
    with pytest.raises(DataError) as caught:
        yield
    message = str(caught.value)
    assert all(word in message for word in (": expected ", "; found ", *words)), message
    assert message.rstrip(".").count(". ") >= 1, f"no remedy: {message}"


def load_svhn(world):
    images = data.load("svhn", "test")
    assert len(images) == 20 and images.official
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
    "redirects in a circle": (lambda content: data_servers.redirects("/official/test_32x32.mat"), "without end"),
    "redirects to nowhere": (lambda content: data_servers.redirects("nonsense://"), "InvalidSchema"),
}
SLOW = {"no answer", "stalls in the middle"}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_address_that_fails_for_good_ends_in_one_error_and_leaves_nothing(world, monkeypatch, fault):
    page, said = FAULTS[fault]
    if fault in SLOW:
        monkeypatch.setattr(download, "TIMEOUTS", (5, 0.1))
    content = world.publish_svhn()
    world.answer(SVHN, page(content))
    with one_error(SVHN, f"{len(content):,} bytes", f"{world.server.url}/official/test_32x32.mat", said):
        data.load("svhn", "test")
    assert world.left_over() == []
    assert world.visits["/official/test_32x32.mat"] >= 2, "it was not tried again"


@pytest.mark.parametrize("then", ["again", "mirror"])
@pytest.mark.parametrize("fault", sorted(FAULTS.keys() - SLOW))
def test_an_address_that_fails_once_is_asked_again_and_has_a_mirror(world, fault, then):
    content = world.publish_svhn()
    bad, good = FAULTS[fault][0](content), data_servers.sends(content)
    world.answer(SVHN, *([bad, good] if then == "mirror" else [data_servers.in_turn(bad, good)]))
    load_svhn(world)


def page_that_packs(content):
    def page(handler):
        asked = handler.headers["Accept-Encoding"]
        data_servers.sends(content if asked == "identity" else zipped(content))(handler)

    return page


ODD = {  # what a server may do with a good file
    "a redirect": lambda content: data_servers.in_turn(data_servers.redirects("?"), data_servers.sends(content)),
    "a length that is not said": lambda content: data_servers.sends(content, Content_Length=None),
    "a file announced as a packed page": lambda content: data_servers.sends(content, Content_Encoding="gzip"),
    "a server that would like to pack": page_that_packs,
}


@pytest.mark.parametrize("odd", ODD)
def test_what_a_server_may_do_with_a_good_file(world, odd):
    content = world.publish_cifar()
    world.answer(CIFAR, ODD[odd](content))
    assert len(data.load("cifar10", "train")) == 100


@pytest.mark.parametrize("mirror", [True, False])
def test_a_slow_address_is_passed_over_and_taken_where_it_is_the_only_one(world, monkeypatch, mirror):
    seconds = iter(range(10**9))  # at each look at the clock another one has passed
    monkeypatch.setattr(download, "time", types.SimpleNamespace(monotonic=lambda: next(seconds)))
    content = world.publish_svhn()
    monkeypatch.setattr(download, "SLOW", 2 * len(content))
    monkeypatch.setattr(download, "GRACE", 0)
    good = data_servers.sends(content)
    world.answer(SVHN, good, good if mirror else None)
    if mirror:  # which is given time
        world.answer(SVHN, good, lambda handler: (monkeypatch.setattr(download, "GRACE", 1e9), good(handler)))
    load_svhn(world)
    asked = {"/official/test_32x32.mat": 1, "/mirror/test_32x32.mat": 1}
    assert world.visits == (asked if mirror else {"/official/test_32x32.mat": 2})


def test_an_address_that_hardly_moves_is_given_up(world, monkeypatch):
    hours = iter(range(0, 10**9, 10_000))
    monkeypatch.setattr(download, "time", types.SimpleNamespace(monotonic=lambda: next(hours)))
    world.answer(SVHN, data_servers.sends(world.publish_svhn()))
    with one_error(SVHN, "bytes a second"):
        data.load("svhn", "test")


UNREACHABLE = {  # the address; what is said
    "nobody listens": (data_servers.closed_port(), "no connection"),
    "a host without a name": ("http://no-such-host.invalid", "no connection"),
}


@pytest.mark.parametrize(("host", "said"), UNREACHABLE.values(), ids=UNREACHABLE.keys())
def test_without_a_network_the_error_says_where_was_searched_and_for_what(world, host, said):
    world.addresses(CIFAR, host)
    own = world.own({"cifar-10-batches-py/data_batch_1": b"\x80\x02never opened", "cifar-10-python.tar.gz": b""})
    with one_error(said, str(own), "LIKELAB_DATA", str(world.cache), *BATCHES[:5], str(own / "cifar-10-batches-py"),
                   str(own / "cifar-10-python.tar.gz"), "pickles", "binary version"):  # fmt: skip
        data.load("cifar10", "train")


def test_the_remedy_of_that_error_works(world):
    """Put the file that it names into the folder that LIKELAB_DATA names."""
    content = world.publish_cifar()
    world.dead()
    world.own({"a file": b""})
    with one_error(f"put {CIFAR} into a folder that LIKELAB_DATA names"):
        data.load("cifar10", "train")
    world.own({CIFAR: content})
    assert data.load("cifar10", "train").official


@pytest.mark.usefixtures("quick_standins")
@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_dead_proxy_is_named_without_its_password(world, monkeypatch, capsys, name):
    world.publish_pair()
    proxy = data_servers.closed_port()
    monkeypatch.setenv(name, proxy.replace("//", "//user:secret@"))
    with one_error(f"{name}={proxy}"):
        data.load("svhn", "test")
    pair = data.pair()
    said = capsys.readouterr().out
    assert not pair.real and f"{name}={proxy}" in said and "secret" not in said and not world.visits


@pytest.fixture
def secure(world, tmp_path):
    """The server shows a certificate that nobody knows. Returns the file of the certificate."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=company"]
    command = ["openssl", "req", "-x509", *kind, "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    world.server.socket = context.wrap_socket(world.server.socket, server_side=True)
    world.server.url = world.server.url.replace("http:", "https:")
    return certificate


@pytest.mark.usefixtures("quick_standins")
def test_a_certificate_of_a_company_is_named_and_the_remedy_works(world, secure, monkeypatch, capsys):
    world.publish_pair()
    with one_error("certificate is not accepted (self-signed certificate", "REQUESTS_CA_BUNDLE"):
        data.load("svhn", "test")
    assert not data.pair().real and "REQUESTS_CA_BUNDLE" in capsys.readouterr().out
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure))
    load_svhn(world)


def test_a_bundle_of_certificates_that_is_not_there(world, secure, monkeypatch):
    world.publish_svhn()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(secure) + "-gone")
    with one_error(SVHN, "certificate.pem-gone", "unset the environment variable REQUESTS_CA_BUNDLE"):
        data.load("svhn", "test")


# --- The archive ---------------------------------------------------------------------------------------

MEMBERS = data_servers.cifar_members()


def with_batch(content):
    return data_servers.archive({**MEMBERS, BATCHES[2]: content})


ARCHIVES = {  # none of these is the official one, though its checksum is right
    "a member is missing": data_servers.archive({name: MEMBERS[name] for name in BATCHES if name != BATCHES[2]}),
    "other content": with_batch(data_servers.cifar_file(seed=7)),
    "too long": with_batch(MEMBERS[BATCHES[2]] + b"more"),
    "a link": with_batch("/etc/passwd"),
    "a link to another member": with_batch("test_batch.bin"),
    "cut off": data_servers.archive(MEMBERS)[:9000],
    "a page of HTML": HTML,
}


@pytest.mark.parametrize("content", ARCHIVES.values(), ids=ARCHIVES.keys())
def test_an_archive_that_is_not_the_official_one(world, content):
    world.publish_cifar()
    world.publish(CIFAR, content)
    with one_error(CIFAR):
        data.load("cifar10", "train")
    assert world.left_over() == []


@pytest.mark.parametrize("content", [c for a, c in ARCHIVES.items() if a not in ("other content", "too long")])
def test_an_archive_of_the_reader_that_cannot_be_read(world, content):
    """It is opened, but nothing of it is ever written to a disk."""
    own = world.own({CIFAR: content})
    with one_error(f"{own / CIFAR}, member cifar-10-batches-bin/", "Replace the file, or remove it"):
        data.load("cifar10", "train")
    assert [path.name for path in own.rglob("*")] == [CIFAR] and not world.visits


# --- The files -----------------------------------------------------------------------------------------

MAT, PLAIN_MAT = data_servers.svhn_file(), data_servers.svhn_file(compress=False)
IMAGES, LABELS = data_servers.idx_images(), data_servers.idx_labels()
TEST_BATCH = BATCHES[5]


def hdf5():
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    return text.ljust(512, b"\0") + b"\x89HDF\r\n\x1a\n" + bytes(2000)


def svhn(**variables):
    return {SVHN: data_servers.svhn_file(**variables)}


WRONG = {
    "records: cut off": {TEST_BATCH: data_servers.cifar_file()[:-5]},
    "records: trailing bytes": {TEST_BATCH: data_servers.cifar_file() + b"more"},
    "records: label 10": {TEST_BATCH: data_servers.cifar_file() + b"\x0a" + bytes(3072)},
    "records: more than there are": {TEST_BATCH: bytes(3073 * 10_001)},
    "records: empty": {TEST_BATCH: b""},
    "mat: no X": svhn(X=None),
    "mat: other keys": svhn(y=None, z=np.ones(3)),
    "mat: shape": svhn(X=np.zeros((20, 3, 32, 32), "u1")),
    "mat: type": svhn(X=np.zeros((32, 32, 3, 20))),
    "mat: signed": svhn(X=np.zeros((32, 32, 3, 20), "i1")),
    "mat: a label too few": svhn(y=np.ones((19, 1))),
    "mat: labels in a row": svhn(y=np.ones((1, 20))),
    "mat: label 11": svhn(y=np.full((20, 1), 11)),
    "mat: label nan": svhn(y=np.full((20, 1), np.nan)),
    "mat: complex labels": svhn(y=np.full((20, 1), 1 + 1j)),
    "mat: text": svhn(X="text"),
    "mat: a struct": svhn(y={"a": 1}),
    "mat: no images": svhn(n=0),
    "mat: version 7.3": {SVHN: hdf5()},
    "mat: a page of HTML": {SVHN: HTML * 9},
    "mat: header cut off": {SVHN: MAT[:100]},
    "mat: cut off": {SVHN: MAT[:-5]},
    "mat: uncompressed, cut off": {SVHN: PLAIN_MAT[:-5]},
    "mat: trailing bytes": {SVHN: MAT + b"more"},
    "idx: magic": {MNIST[0]: zipped(data_servers.idx_images(magic=2052))},
    "idx: count": {MNIST[0]: zipped(IMAGES[:4] + b"\0\0\0\x21" + IMAGES[8:])},
    "idx: less": {MNIST[0]: zipped(IMAGES[:4] + b"\0\0\0\x01" + IMAGES[8:])},
    "idx: huge": {MNIST[0]: zipped(IMAGES[:4] + b"\xff" * 4 + IMAGES[8:])},
    "idx: shape": {MNIST[0]: zipped(data_servers.idx_images(shape=(14, 56)))},
    "idx: gzip cut off": {MNIST[0]: zipped(IMAGES)[:-5]},
    "idx: gzip cut off early": {MNIST[0]: zipped(IMAGES)[:300]},
    "idx: another checksum": {MNIST[0]: zipped(IMAGES)[:-8] + bytes(8)},
    "idx: trailing bytes": {MNIST[0]: zipped(IMAGES) + b"more"},
    "idx: raw, cut off": {MNIST[0]: IMAGES[:-5]},
    "idx: a label too few": {MNIST[1]: zipped(data_servers.idx_labels(19))},
    "idx: label 10": {MNIST[1]: zipped(LABELS[:-1] + b"\x0a")},
    "idx: no labels": {MNIST[1]: None},
    "idx: no images": {MNIST[0]: None},
}


@pytest.mark.parametrize("files", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_of_the_reader(world, files):
    """It is named, not used, not touched, and nothing is downloaded behind the reader's back."""
    (culprit,) = files
    name = {"cifar-10-batches-bin": "cifar10", "svhn": "svhn", "MNIST": "mnist"}[culprit.partition("/")[0]]
    if name == "mnist":
        files = {MNIST[0]: zipped(IMAGES), MNIST[1]: zipped(LABELS)} | files
    own = world.own({file: content for file, content in files.items() if content is not None})
    before = data_servers.snapshot(own)
    with one_error(str(own / culprit), "Replace the file, or remove it"):
        data.load(name, "test")
    assert data_servers.snapshot(own) == before and not world.visits


def test_a_damaged_file_in_the_cache_is_fetched_again_and_never_believed(world):
    content = world.publish_svhn()
    for other in (content[:-1] + b"!", data_servers.svhn_file(seed=3)):  # the second would do in LIKELAB_DATA
        put(world.cache, SVHN, other)
        load_svhn(world)
        assert (world.cache / SVHN).read_bytes() == content
    put(world.cache, SVHN, content[:-1] + b"!")
    world.dead()
    with one_error(SVHN, "no connection"):
        data.load("svhn", "test")


# --- The machine ---------------------------------------------------------------------------------------


def refuses(number):
    """What the system says instead of doing anything."""

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    return refuse


class FullDisk(io.BytesIO):
    write = refuses(errno.ENOSPC)


def no_locks(*_, **__):
    raise NotImplementedError("FileLock is not supported on this file system")


REFUSALS = {  # what fails as the cache is written; what is said
    "no right to write": ((Path, "mkdir"), refuses(errno.EACCES), "Permission denied"),
    "a file in its place": ((Path, "mkdir"), refuses(errno.EEXIST), "File exists"),
    "a disk that is full": ((download, "open"), lambda *_: FullDisk(), "No space left"),
    "no right to replace a file": ((os, "replace"), refuses(errno.EACCES), "Permission denied"),
    "a file system without locks": ((filelock.FileLock, "acquire"), no_locks, "not supported"),
}


@pytest.mark.parametrize(("place", "fault", "said"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_cache_that_cannot_be_written(world, place, fault, said):
    world.publish_svhn()
    with world.monkeypatch.context() as patch, one_error(str(world.cache), said, "make room", "LIKELAB_DATA"):
        patch.setattr(*place, fault, raising=False)
        data.load("svhn", "test")
    assert world.left_over() == []
    load_svhn(world)  # once it is mended, it works


@pytest.mark.parametrize("place", [(Path, "is_file"), (Path, "open"), (Path, "read_text")])
def test_what_the_reader_has_that_cannot_be_read(world, monkeypatch, place):
    own = world.own({SVHN: MAT, "PROVENANCE": b""})
    with one_error(str(own), "Permission denied"), monkeypatch.context() as patch:
        patch.setattr(*place, refuses(errno.EACCES))
        data.load("svhn", "test")


@pytest.mark.parametrize("home", ["says so", "leaves the tilde"])
def test_no_home(world, monkeypatch, home):
    def os_cache(project):
        if home == "says so":
            raise RuntimeError("Could not determine home directory.")
        return Path("~/.cache") / project

    monkeypatch.setattr(download.pooch, "os_cache", os_cache)
    with one_error("HOME", "LIKELAB_DATA"):
        data.load("svhn", "test")


@pytest.mark.parametrize("is_file", [False, True])
def test_a_data_folder_that_does_not_exist(world, monkeypatch, tmp_path, is_file):
    """The message names the absolute path that was tried."""
    monkeypatch.chdir(tmp_path)
    if is_file:
        put(tmp_path, "nowhere", b"a file")
    monkeypatch.setenv("LIKELAB_DATA", "nowhere")
    for ask in (lambda: data.load("mnist", "train"), lambda: data.at_hand("mnist", "train"), data.pair, data.folder):
        with one_error(str(tmp_path / "nowhere"), "LIKELAB_DATA=nowhere", "unset it"):
            ask()


def test_tools_and_their_kernels_look_into_the_same_folder():
    """Tools run in the root, kernels in book/: the path is absolute before any of them starts."""
    code = "import os, tools; os.chdir('book'); print(os.environ['LIKELAB_DATA'])"
    environment = os.environ | {"LIKELAB_DATA": "tests"}
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert told.stdout.strip() == str(ROOT / "tests"), told.stderr


def test_a_folder_of_the_reader_that_lacks_a_split_is_not_filled(world):
    own = world.own({SVHN: MAT})
    before = data_servers.snapshot(own)
    world.publish_svhn("train", n=30)
    assert len(data.load("svhn", "train")) == 30 and len(data.load("svhn", "test")) == 20
    assert data_servers.snapshot(own) == before


# --- Other processes, and ends before the end ----------------------------------------------------------


def test_two_processes_at_once(world, monkeypatch):
    """One downloads, the other says that it waits, and finds the files."""
    content = world.publish_svhn()
    world.cache.mkdir(parents=True)
    other = filelock.FileLock(world.cache / ".svhn-test_32x32.mat.lock")

    class Watched(io.StringIO):
        def write(self, text):
            if "waiting for it" in text:
                put(world.cache, SVHN, content)
                other.release()
            return super().write(text)

    other.acquire()
    monkeypatch.setattr(sys, "stderr", Watched())
    load_svhn(world)
    assert "Another process is downloading" in sys.stderr.getvalue() and not world.visits


@pytest.mark.parametrize("file", [SVHN, CIFAR])
def test_what_a_killed_process_has_left_is_not_believed_and_is_cleared_away(world, file):
    content = world.publish_svhn() if file == SVHN else world.publish_cifar()
    incoming = world.cache / f".{file.replace('/', '-')}-incoming"
    put(incoming, f"{file}x1y2", content[:1000])
    put(incoming, file, content[:1000])
    put(incoming, BATCHES[0], b"half")
    data.load("svhn" if file == SVHN else "cifar10", "test")
    assert world.left_over() == ([SVHN] if file == SVHN else sorted(BATCHES))


@pytest.mark.parametrize("step", [(shutil, "move"), (tarfile.TarFile, "extractall"), (os, "replace")])
def test_a_reader_who_interrupts(world, step):
    """While a file arrives, is unpacked, or is put in its place."""
    world.publish_cifar()

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with world.monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(*step, interrupt)
        data.load("cifar10", "train")
    assert world.left_over() == []
    assert len(data.load("cifar10", "train")) == 100


# --- The running example -------------------------------------------------------------------------------


def check_standins(capsys, *words):
    """pair() gives stand-ins, says why in one line, and remembers."""
    pair = data.pair()
    parts = (pair.train, pair.validation, pair.inside, pair.outside)
    assert [len(part) for part in parts] == [3600, 400, 1000, 1000]
    assert [part.name for part in parts] == ["Leaves", "Leaves", "Leaves", "Plates"]
    assert not pair.real and not any(part.real for part in parts)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "stand-ins" in said and all(word in said for word in words), said
    assert data.pair() is pair and capsys.readouterr() == ("", "")
    return said


def letter_by_letter(handler):
    """No wait for a single letter is ever long, but the answer takes half a minute."""
    for letter in "HTTP/1.0 200 OK\r\nX: " + 60 * "x":
        handler.wfile.write(letter.encode())
        handler.wfile.flush()
        if handler.server.over.wait(0.5):
            return


DEAD = {  # what both addresses of both files do; what is said
    "silent": (data_servers.is_silent, "no answer in 0 seconds"),
    "letter by letter": (letter_by_letter, "no answer in 0 seconds"),
    "not found": (data_servers.fails(404), "404 Not Found"),
    "nobody listens": (None, "no connection"),
}


@pytest.mark.usefixtures("quick_standins")
class TestThePair:
    @pytest.mark.parametrize(("page", "said"), DEAD.values(), ids=DEAD.keys())
    def test_a_dead_network(self, world, monkeypatch, capsys, page, said):
        """The wait for it is PROBE seconds, once, whatever it does."""
        world.publish_pair()
        for file in (CIFAR, SVHN) if page else ():
            world.answer(file, page, page)
        if page is None:
            world.dead()
        monkeypatch.setattr(download, "PROBE", 0.3 if "0 seconds" in said else 30)
        check_standins(capsys, "since CIFAR-10 and SVHN cannot be found here and the network does not answer", said)
        assert world.left_over() == []

    def test_names_that_are_not_resolved(self, world, monkeypatch, capsys):
        """The search for a host's name has no time limit of its own: it goes on while the stand-ins are there."""
        over, ended = threading.Event(), []

        def search(*_, **__):
            over.wait(60)
            ended.append(True)
            raise socket.gaierror("no such host")

        monkeypatch.setattr(socket, "getaddrinfo", search)
        monkeypatch.setattr(download, "PROBE", 0.1)
        world.publish_pair()
        check_standins(capsys)
        assert not ended
        over.set()

    def test_a_dead_network_costs_three_seconds_and_the_standins_are_drawn_meanwhile(self, world, monkeypatch):
        assert download.PROBE <= 3
        drawing, blank = threading.Event(), standin.leaves
        monkeypatch.setattr(standin, "leaves", lambda n, seed: (drawing.set(), blank(n, seed))[1])
        monkeypatch.setattr(download, "answering", lambda files: ({"any": []}, [str(drawing.wait(60))]))
        assert not data.pair().real and drawing.is_set()

    def test_where_was_searched_is_said(self, world, capsys):
        world.dead()
        own = world.own({"cifar-10-batches-py/data_batch_1": b""})
        said = check_standins(capsys, str(own), CIFAR, *BATCHES, SVHN, f"{own / 'cifar-10-batches-py'} is not read")
        assert said.count("Searched") == 1

    def test_a_network_that_sends_one_of_the_two(self, world, capsys):
        """The other one is then not downloaded in vain."""
        world.publish_pair()
        world.answer(SVHN, data_servers.fails(404), data_servers.fails(503))
        check_standins(capsys)
        assert world.left_over() == []

    def test_a_network_that_dies_after_its_first_answer(self, world, monkeypatch, capsys):
        content = world.publish_pair()
        world.answer(SVHN, data_servers.breaks_off(content), data_servers.breaks_off(content))
        check_standins(capsys, "download failed")

    def test_a_network_that_works(self, world, capsys):
        world.publish_pair()
        pair = data.pair()
        assert pair.real
        parts = (pair.train, pair.validation, pair.inside, pair.outside)
        assert [len(part) for part in parts] == [90, 10, 20, 20]
        said = capsys.readouterr().out
        assert said.count("\n") == 1 and "CIFAR-10 train 100 of 50,000 images;" in said

    def test_the_mirrors_that_have_answered_are_asked_for_the_files(self, world):
        world.publish_pair()
        for file in (CIFAR, SVHN):
            world.server.pages[f"/official/{Path(file).name}"] = data_servers.fails(404)
        assert data.pair().real
        assert world.visits[f"/official/{CIFAR}"] == 1

    def test_forced_to_be_real(self, world, monkeypatch):
        world.publish_pair()
        world.answer(SVHN, data_servers.fails(404))
        monkeypatch.setenv("LIKELAB_PAIR", "real")
        with one_error(SVHN, "404"):
            data.pair()
        world.publish_svhn()
        assert data.pair().real, "an error must not be remembered"

    def test_forced_to_be_standins(self, world, monkeypatch, capsys):
        world.publish_pair()
        monkeypatch.setenv("LIKELAB_PAIR", "standin")
        check_standins(capsys, "as LIKELAB_PAIR asks")
        assert not world.visits

    def test_forced_to_be_something_else(self, world, monkeypatch):
        monkeypatch.setenv("LIKELAB_PAIR", "fake")
        with one_error("LIKELAB_PAIR", "'fake'", "real or standin"):
            data.pair()

    def test_a_wrong_file_is_an_error_and_no_reason_for_standins(self, world):
        world.own({**MEMBERS, SVHN: MAT[:-5]})
        with one_error(SVHN):
            data.pair()
