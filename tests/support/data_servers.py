"""What the tests of the data need: small files in the official formats, and a server that misbehaves."""

import contextlib
import gzip
import hashlib
import io
import os
import socket
import struct
import tarfile
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import scipy.io

from likelab import data, download

# --- Small files in the official formats ---------------------------------------------------------------


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


def archive(members):
    """A tar archive, gzipped. members: name -> content, or a TarInfo."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, member in members.items():
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(member)
                tar.addfile(info, io.BytesIO(member))
    return target.getvalue()


def link(name, target, kind=tarfile.SYMTYPE, size=0):
    """A member of an archive that is a link, or another thing that is not a file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, str(target), size
    return info


def cifar_members():
    files = [*data.SOURCES["cifar10"].splits["train"][1], *data.SOURCES["cifar10"].splits["test"][1]]
    return {file: cifar_file(seed=seed) for seed, file in enumerate(files)}


def put(folder, file, content):
    """Write a file of a data folder and return its path."""
    path = Path(folder) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# --- A server that misbehaves --------------------------------------------------------------------------
# A page is a function of the request's handler.


def sends(content, **headers):
    """A good answer."""

    def page(handler):
        handler.send_response(200)
        for name, value in {"Content_Length": len(content), **headers}.items():
            if value is not None:
                handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(content)

    return page


def fails(status):
    return lambda handler: handler.send_error(status)


def redirects(to):
    def page(handler):
        handler.send_response(302)
        handler.send_header("Location", to)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return page


def breaks_off(content):
    """Promises all of `content`, sends half of it and hangs up."""

    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: len(content) // 2])

    return page


def stalls(content):
    """Promises all of `content`, sends half of it and keeps the line open."""
    return waits(content, threading.Event())


def waits(content, event):
    """Sends half of `content`, and the rest after `event`."""

    def page(handler):
        breaks_off(content)(handler)
        handler.wfile.flush()
        while not event.wait(0.05):
            if handler.server.over.is_set():
                return
        handler.wfile.write(content[len(content) // 2 :])

    return page


def trickles(content, step, pause=0.05):
    """Sends `step` bytes at a time."""

    def page(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        for start in range(0, len(content), step):
            handler.wfile.write(content[start : start + step])
            time.sleep(pause)

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

    def close(self):
        self.over.set()
        self.shutdown()
        self.server_close()


class World:
    """The small world of a test: an empty cache, a server with two addresses a file, published checksums."""

    def __init__(self, server, monkeypatch):
        self.server, self._monkeypatch = server, monkeypatch

    @property
    def cache(self):
        return download.cache()

    def publish(self, file, content, members=()):
        """Make `content` the official content of `file`, served at both addresses."""
        for path, bytes_ in {file: content, **dict(members)}.items():
            checksum = len(bytes_), hashlib.sha256(bytes_).hexdigest()
            self._monkeypatch.setitem(download.CHECKSUMS, path, checksum)
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
        self._monkeypatch.setitem(download.ADDRESSES, Path(file).parts[0], hosts)

    def publish_cifar(self, changed=None):
        """Publish CIFAR-10; its archive holds `changed` in the place of its members."""
        members = cifar_members()
        content = archive(members if changed is None else changed)
        self.publish("cifar-10-binary.tar.gz", content, members)
        return content

    def publish_svhn(self, split="test", n=20):
        content = svhn_file(n)
        self.publish(f"svhn/{split}_32x32.mat", content)
        return content

    def left_over(self):
        """Files in the cache, without the locks."""
        if not self.cache.exists():
            return []
        files = [path.relative_to(self.cache) for path in self.cache.rglob("*") if path.is_file()]
        return sorted(str(path) for path in files if path.suffix != ".lock")


@contextlib.contextmanager
def small_world(monkeypatch, home):
    """A World whose cache lies in the folder `home`; impatient, and deaf to the settings around the tests."""
    for name in ("LIKELAB_DATA", "LIKELAB_PAIR", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setattr(download, "PAUSES", (0.01, 0.01))
    monkeypatch.setattr(download, "TIMEOUTS", (1, 0.3))
    data.pair.cache_clear()
    server = Server()
    try:
        yield World(server, monkeypatch)
    finally:
        server.close()
        data.pair.cache_clear()


def closed_port():
    """The address of a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@contextlib.contextmanager
def without_privileges():
    """Act as an ordinary user: nothing is forbidden to root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
