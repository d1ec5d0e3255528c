"""The process that runs a submission, and the parent's end of the line to it.

Where Linux allows it, the process gets name spaces of its own: no network, no other processes, all files read-only but
for its folder, the masters and the other submissions out of sight, and no powers to change that. Started by root it
becomes `nobody`, who may not fork without end either, if `nobody` can read this Python. This keeps accidents and pranks
in, and is no security boundary: grade in a container what you would not run yourself.
"""

import base64
import contextlib
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import torch

from tools.chapter import chapters

CHILD = Path(__file__).with_name("child.py")
CELL, CALL, SUBMISSION, RESTARTS = 10, 5, 120, 4  # seconds of a cell, of a call, of a submission; new starts of one
START = 60  # seconds of starting, and of a cell that is known to end: on a busy machine torch takes long to load
LARGEST = 32 << 20  # bytes of an answer
ENDS = {9: "it was killed: too much memory?", 11: "it crashed (segmentation fault)", 24: "it computed for too long"}
ARRAYS = {f"{order}{kind}" for kind in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "b1", "f8") for order in "<|"}
# $1 the process's folder, which it finds at /mnt, as others may not follow the path; the further arguments up to -- are
# folders to hide, after it stands the command.
ALONE = """mount --make-rprivate / && mount --bind "$1" /mnt || exit 1
while read -r _ _ _ _ place _; do mount -o remount,bind,ro "$place" 2>/dev/null; done </proc/self/mountinfo
mount -o remount,bind,rw /mnt && cd /mnt && export HOME=/mnt TMPDIR=/mnt || exit 1
while shift; [ "$1" != -- ]; do mount -t tmpfs -o ro,size=4k none "$1" || exit 1; done
shift; exec "$@"
"""
POWERLESS = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
NOBODY = [*POWERLESS, "--reuid=65534", "--regid=65534", "--clear-groups"]
SPACES = ["--mount", "--net", "--pid", "--ipc", "--fork"]


class Died(Exception):
    """The process is no more, or does not answer; the text says why."""


class Refused(Exception):
    """The submission's code raised an error, or gave back what is no answer."""


@functools.cache
def isolation():
    """The strongest name spaces that work here, as (first words, last words) of a command; ([], []) for none."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    spaces = ["unshare", *([] if root else ["--user", "--map-root-user"]), *SPACES]
    for person in [NOBODY, POWERLESS] if root else [POWERLESS]:
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as hide:
            os.chmod(folder, 0o777)
            # nobody may not get to the Python that root has at home, and would start another
            trial = command(spaces, person, folder, [hide], "-c", f"import os; assert os.__file__ == {os.__file__!r}")
            with contextlib.suppress(OSError):
                if subprocess.run(trial, capture_output=True).returncode == 0:
                    return spaces, person
    return [], []


def command(spaces, person, folder, hide, *arguments):
    """How Python is started."""
    python = [sys.executable, "-B", *map(str, arguments)]
    if not spaces:
        return python
    return [*spaces, "sh", "-c", ALONE, "sh", str(folder), *map(str, hide), "--", *person, *python]


class Session:
    """A submission's process. It is started at the first request, and anew after it died, without what killed it."""

    def __init__(self, folder, hide=()):
        self.folder, self.hide = folder, list(hide)
        with contextlib.suppress(OSError):  # for whoever it runs as; a folder of somebody else's stays as it is
            os.chmod(folder, os.stat(folder).st_mode | 0o777)
        self.ran, self.process, self.line, self.starts = [], None, None, 0
        self.end = time.monotonic() + SUBMISSION

    def run(self, source, seconds=None):
        """Run a cell, for at most some seconds, else CELL. Raises Refused with its error, and Died."""
        told = self.ask({"run": source}, seconds or CELL)
        if "error" in told:
            raise Refused(f"{told['error']}: {told['text']}")
        self.ran.append(source)

    def call(self, name, arguments):
        """What a function of the submission gives back, as plain numbers, text, lists and tensors.

        Raises Refused where it raises, gives back something else, or changes its arguments; Died.
        """
        told = self.ask({"call": name, "arguments": [to_plain(part) for part in arguments]}, CALL)
        if "error" in told:
            raise Refused(f"{told['error']}: {told['text']}")
        if told.get("changed"):
            raise Refused("it changes its arguments in place")
        try:
            return from_plain(told["value"])
        except (KeyError, TypeError, ValueError) as error:
            raise Died("it tampered with its answers") from error

    @contextlib.contextmanager
    def again(self, first):
        """Another process, in which one more cell ran first, then all that ran in this one."""
        other = Session(self.folder, self.hide)
        other.end = self.end
        try:
            for source in [first, *self.ran]:
                with contextlib.suppress(Refused):
                    other.run(source, START)
            yield other
        finally:
            other.stop()

    def ask(self, request, seconds):
        """Send a request and wait for its answer. Raises Died."""
        if self.process is None:
            self.start()
        return self.exchange(request, seconds)

    def start(self):
        if self.starts > RESTARTS:
            raise Died(f"it was started {RESTARTS + 1} times, and died each time")
        self.starts += 1
        self.line, theirs = socket.socketpair()
        self.received = b""
        spaces, person = isolation()
        arguments = [CHILD, theirs.fileno(), chapters.BOOK]
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
        options = {
            "cwd": self.folder,
            "env": kept | {"HOME": str(self.folder), "TMPDIR": str(self.folder)},
            "pass_fds": [theirs.fileno()],
        }
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        started = command(spaces, person, self.folder, self.hide, *arguments)
        self.process = subprocess.Popen(started, start_new_session=True, **options, **streams)
        theirs.close()
        self.exchange(None, START)
        for source in self.ran:
            self.exchange({"run": source}, START)

    def exchange(self, request, seconds):
        deadline = min(time.monotonic() + seconds, self.end)
        try:
            if request is not None:
                self.line.settimeout(max(deadline - time.monotonic(), 0.01))
                self.line.sendall(json.dumps(request).encode() + b"\n")
            while b"\n" not in self.received:
                self.line.settimeout(max(deadline - time.monotonic(), 0.01))
                part = self.line.recv(1 << 20)
                if not part:
                    raise Died(self.stop(3) or "it ended its process")
                self.received += part
                if len(self.received) > LARGEST:
                    self.stop()
                    raise Died(f"its answer is larger than {LARGEST >> 20} MiB")
            told, self.received = self.received.split(b"\n", 1)
            told = json.loads(told)
            if not isinstance(told, dict) or self.received:
                raise ValueError("not one answer")
            return told
        except TimeoutError:
            late = time.monotonic() >= self.end
            self.stop()
            raise Died(f"it took more than {SUBMISSION if late else seconds} s{' in all' if late else ''}") from None
        except (ConnectionError, BrokenPipeError):
            raise Died(self.stop(3) or "it ended its process") from None
        except (ValueError, RecursionError):
            self.stop()
            raise Died("it tampered with its answers") from None

    def stop(self, seconds=0):
        """Kill the process with all that it started, and say how it ended by itself, if it did within some seconds."""
        if self.process is None:
            return ""
        how = ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = self.process.wait(seconds)
            signal = -status if status < 0 else status - 128  # a shell adds 128
            how = ENDS.get(signal, f"it ended its process, with status {status}")
        with contextlib.suppress(psutil.Error):
            parent = psutil.Process(self.process.pid)
            for each in [*parent.children(recursive=True), parent]:
                each.kill()
        with contextlib.suppress(OSError, AttributeError):
            os.killpg(self.process.pid, 9)
        self.process.wait()
        self.line.close()
        self.process = None
        return how


class Source:
    """A function that a check gives to the student's, as source code; called here, it is the function itself."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        made = {}
        exec(text, made)
        self.function = made[name]

    def __call__(self, *arguments):
        return self.function(*arguments)


def to_plain(value):
    """An argument as JSON."""
    if isinstance(value, Source):
        return {"source": value.text, "name": value.name}
    if callable(value):  # of a cell that was given, so that the process has it too
        return {"given": value.__name__}
    if isinstance(value, np.ndarray | torch.Tensor):
        value = np.ascontiguousarray(np.asarray(value))
        text = base64.b64encode(value.tobytes()).decode()
        return {"array": text, "type": value.dtype.str, "shape": list(value.shape)}
    if isinstance(value, list | tuple):
        return [to_plain(part) for part in value]
    return value


def from_plain(value):
    """An answer's numbers, text and tensors. Raises ValueError, KeyError or TypeError where it is not what it says."""
    if isinstance(value, list):
        return tuple(from_plain(part) for part in value)
    if not isinstance(value, dict):
        return value
    if value["type"] not in ARRAYS:
        raise ValueError(f"an array of {value['type']!r}")
    flat = np.frombuffer(base64.b64decode(value["array"], validate=True), value["type"])
    return torch.from_numpy(flat.reshape([int(size) for size in value["shape"]]).copy())
