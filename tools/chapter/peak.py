"""Run a command, and write to a file how many MiB of memory the largest of its processes took at its peak.

    python tools/chapter/peak.py FILE COMMAND …

This is a process of its own, and imports little: on Linux a new process begins with the peak of the one it comes from.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

try:
    import resource
except ModuleNotFoundError:  # Windows
    resource = None


def accounted(process):
    """Wait for a process: the peak in MiB of resident memory of the largest of its tree, as the system keeps it."""
    process.wait()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, KiB elsewhere


def watched(process):
    """The same where the system does not: the tree is looked at five times a second."""
    import psutil

    peak = 0
    while process.poll() is None:
        try:
            top = psutil.Process(process.pid)
            memory = [one.memory_info() for one in (top, *top.children(recursive=True))]
            peak = max(peak, *(getattr(one, "peak_wset", one.rss) for one in memory))
        except psutil.NoSuchProcess:
            pass  # it has ended in between
        time.sleep(0.2)
    return peak / 2**20


def main(file, *command):
    """The command's exit status; 128 and more where a signal ended it."""
    process = subprocess.Popen(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which is waited for
    Path(file).write_text(str(accounted(process) if resource else watched(process)), "utf-8")
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
