"""Make .venv hold what a requirements file names, or say in one line what to do instead.

    python3 tools/setup_venv.py requirements-site.txt

The Makefile calls it before everything else. It needs only the standard library and Python 3.8, so that a
Python too old for the book still gets as far as the line that says so. Where all is there it takes a fraction
of a second. An environment that is damaged, or whose installation was interrupted, is begun anew.
The environment variable PYTHON names the interpreter to use.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
UNFINISHED = VENV / "unfinished"  # there while an installation runs
FITTING = ("3.11", "3.12", "3.13")
NO_NETWORK = "Failed to establish|NewConnection|name resolution|timed out|unreachable|refused|ProxyError"


def probe(python, statement="pass"):
    """(version or None, whether `statement` ran) of an interpreter; a dangling link has no version."""
    code = f"import sys; print('%d.%d' % sys.version_info[:2], flush=True); {statement}"
    try:
        run = subprocess.run([str(python), "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return None, False
    return run.stdout.decode().strip() or None, run.returncode == 0


def find_python(name):
    """Command of a Python that fits and can make environments: `name` if given, else the first one there."""
    unfit, lacking = [], []
    for command in [name] if name else ["python3", "python3.13", "python3.12", "python3.11"]:
        version, can_make = probe(command, "import venv, ensurepip")
        if version in FITTING and can_make:
            return command
        if version:
            (lacking if version in FITTING else unfit).append(version)
    if lacking:
        package = f"python{lacking[0]}-venv"
        sys.exit(f"Python {lacking[0]} has no venv module: run `sudo apt install {package}`, then make again.")
    found = f"this is {unfit[0]}" if unfit else f"{name or 'python3'} does not run"
    remedy = "Install one of them, or name it: make book PYTHON=/path/to/python3.13"
    sys.exit(f"The book needs Python 3.11, 3.12 or 3.13; {found}. {remedy}")


def contents():
    """Names of all commands, modules and distributions: what a finished environment must still have."""
    folders = [VENV / "bin", *VENV.glob("lib/python*/site-packages")]
    return sorted({path.name for folder in folders for path in folder.glob("*")} - {"__pycache__"})


def damaged():
    """Whether an installation did not finish, or something it brought is gone, or .venv was moved."""
    there = set(contents())
    records = [json.loads(path.read_text(encoding="utf-8")) for path in VENV.glob("*.installed")]
    return UNFINISHED.exists() or any(r["venv"] != str(VENV) or not there.issuperset(r["contents"]) for r in records)


def make_environment(python):
    if VENV.exists():
        print("What lies in .venv is damaged, unfinished or of another Python: beginning it anew.", flush=True)
        shutil.rmtree(VENV)
    VENV.mkdir()
    UNFINISHED.touch()
    made = subprocess.run([python, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        sys.exit(f"{python} -m venv .venv failed: {made.stdout.decode(errors='replace').strip()[-300:]}")


def install(requirements):
    print(f"Installing {requirements} into .venv: one to five minutes the first time …", flush=True)
    pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--disable-pip-version-check", "--retries=2"]
    log = []
    with subprocess.Popen(
        [*pip, "--progress-bar=off", "-r", str(ROOT / requirements)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as run:
        for line in run.stdout:
            log.append(line.decode(errors="replace").strip())
            if re.search("Downloading .* [MG]B|Installing collected", log[-1]):
                print(f"  {log[-1][:100]}", flush=True)
    if run.returncode and re.search(NO_NETWORK, "\n".join(log)):
        sys.exit("pip cannot reach its package index: connect to the network or set pip's proxy, then make again.")
    if run.returncode:
        print("\n".join(log[-15:]))
        sys.exit(f"pip could not install {requirements}; what it said stands above. Mend that, then make again.")


def main(requirements):
    lock = open(__file__)  # noqa: SIM115 (held to the end: of two makes at once, the second waits)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # In an activated environment "python3" would be the very one that may have to go.
    os.environ["PATH"] = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != VENV / "bin")
    wanted = os.environ.get("PYTHON")
    stamp = VENV / f"{requirements}.installed"
    pins = "".join(path.read_text(encoding="utf-8") for path in sorted(ROOT.glob("requirements*.txt")))

    version, has_pip = probe(VENV / "bin/python", "import pip._internal.cli.main")
    other = wanted and version != probe(find_python(wanted))[0]
    if version not in FITTING or not has_pip or other or damaged():
        make_environment(find_python(wanted))
    elif stamp.exists() and json.loads(stamp.read_text(encoding="utf-8"))["pins"] == pins:
        return
    UNFINISHED.touch()
    install(requirements)
    # Also into the records of other files: what they had installed may have another version now.
    now, there = {"venv": str(VENV), "contents": contents()}, VENV.glob("*.installed")
    records = {path: json.loads(path.read_text(encoding="utf-8")) for path in there} | {stamp: {"pins": pins}}
    for path, record in records.items():
        path.write_text(json.dumps({**record, **now}), encoding="utf-8")
    UNFINISHED.unlink()


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("\nInterrupted: the next make begins the installation anew.")
