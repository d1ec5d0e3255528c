"""What the tests of the data need: small files in the official formats, and a server that misbehaves."""

import contextlib
import gzip
import hashlib
import io
import socket
import struct
import tarfile
import threading
import types
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pooch
import scipy.io

from likelab import data, download

# --- Small files in the official formats ---------------------------------------------------------------

SVHN, CIFAR = "svhn/test_32x32.mat", "cifar-10-binary.tar.gz"
BATCHES = download.ARCHIVES[CIFAR]
MNIST = ("MNIST/raw/t10k-images-idx3-ubyte.gz", "MNIST/raw/t10k-labels-idx1-ubyte.gz")


def cifar_file(n=20, seed=0):
    """Records of CIFAR-10's binary version."""
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (n, 3073), np.uint8)
    records[:, 0] = np.arange(n) % 10
    return records.tobytes()


def svhn_file(n=20, seed=0, compress=True, **replaced):
    """Digits of SVHN, written by scipy. replaced: other values for X and y, or None to leave them out."""
    rng = np.random.default_rng(seed)
    variables = {
        "X": rng.integers(0, 256, (32, 32, 3, n), np.uint8),
        "y": (np.arange(n)[:, None] % 10 + 1).astype(np.uint8),
        **replaced,
    }
    target = io.BytesIO()
    wanted = {name: values for name, values in variables.items() if values is not None}
    scipy.io.savemat(target, wanted, do_compression=compress)
    return target.getvalue()


def idx_images(n=20, seed=0, magic=2051, shape=(28, 28)):
    """Images in MNIST's format, not yet gzipped."""
    values = np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)
    return struct.pack(">4I", magic, n, *shape) + values.tobytes()


def idx_labels(n=20, magic=2049):
    return struct.pack(">2I", magic, n) + bytes(i % 10 for i in range(n))


def zipped(content):
    return gzip.compress(content, mtime=0)


def archive(members, mode="w:gz"):
    """A tar archive. members: name -> content, or the path that a link of this name leads to."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode=mode) as tar:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(member, str):
                info.type, info.linkname = tarfile.SYMTYPE, member
                tar.addfile(info)
            else:
                info.size = len(member)
                tar.addfile(info, io.BytesIO(member))
    return target.getvalue()


def cifar_members():
    return {file: cifar_file(seed=seed) for seed, file in enumerate(BATCHES)}


def put(folder, file, content):
    """Write a file of a data folder and return its path."""
    path = Path(folder) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- A server that misbehaves --------------------------------------------------------------------------
# A page is a function of the request's handler.


def sends(content, status=200, part=None, **headers):
    """An answer: good, unless another status or other headers are asked for, or only `part` bytes of it are sent."""

    def page(handler):
        handler.send_response(status)
        for name, value in {"Content_Length": len(content), **headers}.items():
            if value is not None:
                handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(content[:part])

    return page


def fails(status):
    return lambda handler: handler.send_error(status)


def redirects(to):
    return sends(b"", status=302, Location=to)


def breaks_off(content):
    """Promises all of `content`, sends half of it and hangs up."""
    return sends(content, part=len(content) // 2)


def stalls(content):
    """Promises all of `content`, sends half of it and keeps the line open."""

    def page(handler):
        breaks_off(content)(handler)
        handler.wfile.flush()
        handler.server.over.wait(30)

    return page


def never_ends(handler):
    """Does not say how long its answer is, and does not stop."""
    handler.send_response(200)
    handler.end_headers()
    while not handler.server.over.is_set():
        handler.wfile.write(b"x" * 65536)


def is_silent(handler):
    handler.server.over.wait(30)


def in_turn(*pages):
    """One page after the other; the last one stays."""
    visits = iter(pages[:-1])
    return lambda handler: next(visits, pages[-1])(handler)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.visits[self.path] += 1
        page = self.server.pages.get(self.path, fails(404))
        with contextlib.suppress(ConnectionError):  # whoever asked has gone
            page(self)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Serves on this machine what `pages` says: path -> page. `visits` counts the requests for each path."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages, self.visits, self.over = {}, Counter(), threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def handle_error(self, *_):
        """Whoever hangs up in a handshake is no matter of the tests."""

    def close(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class World:
    """The small world of a test: an empty cache, a server with two addresses a file, published checksums."""

    def __init__(self, server, monkeypatch, home):
        self.server, self.monkeypatch, self.home = server, monkeypatch, home

    @property
    def cache(self):
        return download.cache()

    @property
    def visits(self):
        """How often the addresses were asked, {"/official/test_32x32.mat": 1, …}."""
        return dict(self.server.visits)

    def publish(self, file, content, members=()):
        """Make `content` the official content of `file`, served at both addresses."""
        for path, bytes_ in {file: content, **dict(members)}.items():
            checksum = len(bytes_), hashlib.sha256(bytes_).hexdigest()
            self.monkeypatch.setitem(download.CHECKSUMS, path, checksum)
        self.addresses(file, f"{self.server.url}/official", f"{self.server.url}/mirror")
        self.answer(file, sends(content), sends(content))

    def answer(self, file, official, mirror=None):
        """What the two addresses of `file` do. Without a mirror there is only one address."""
        name = Path(file).name
        self.server.pages[f"/official/{name}"] = official
        if mirror:
            self.server.pages[f"/mirror/{name}"] = mirror
        else:
            self.addresses(file, f"{self.server.url}/official")

    def addresses(self, file, *hosts):
        self.monkeypatch.setitem(download.ADDRESSES, Path(file).parts[0], hosts)

    def publish_cifar(self, changed=None):
        """Publish CIFAR-10; its archive holds `changed` in the place of its members."""
        members = cifar_members()
        content = archive(members if changed is None else changed)
        self.publish(CIFAR, content, members)
        return content

    def publish_svhn(self, split="test", n=20):
        content = svhn_file(n)
        self.publish(f"svhn/{split}_32x32.mat", content)
        return content

    def publish_pair(self):
        self.publish_cifar()
        return self.publish_svhn()

    def dead(self):
        """No address of any file answers."""
        for file in download.ADDRESSES:
            self.addresses(file, closed_port())

    def own(self, files):
        """Make a folder with these files, {path: content}, the one that LIKELAB_DATA names. Returns it."""
        for file, content in files.items():
            put(self.home / "own", file, content)
        self.monkeypatch.setenv("LIKELAB_DATA", str(self.home / "own"))
        return self.home / "own"

    def left_over(self):
        """Files in the cache, without the locks."""
        files = [path.relative_to(self.cache) for path in self.cache.rglob("*") if path.is_file()]
        return sorted(path.as_posix() for path in files if path.suffix != ".lock")


def snapshot(folder):
    """All that can be seen of the files below a folder."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def small_world(monkeypatch, home):
    """A World whose cache lies in the folder `home`; it never waits, and is deaf to the settings around the tests."""
    proxies = [f"{name}_proxy" for name in ("http", "https", "all", "no")]
    for name in ("LIKELAB_DATA", "LIKELAB_PAIR", "REQUESTS_CA_BUNDLE", *proxies, *map(str.upper, proxies)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: home / "cache" / project)
    monkeypatch.setattr("pooch.core.time", types.SimpleNamespace(sleep=lambda seconds: None))
    monkeypatch.setattr(data, "DEBIAN", home / "debian")
    data.pair.cache_clear()
    server = Server()
    try:
        yield World(server, monkeypatch, home)
    finally:
        server.close()
        data.pair.cache_clear()


def closed_port():
    """The address of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
