"""Make .venv hold what a list asks for, or say in one line what to do instead.

    python3 tools/environment.py requirements-site.txt

The Makefile calls it before everything else. It runs with Python 3.6, so that a Python too old for the book still
gets as far as the line that says so. PYTHON in the environment names the interpreter that .venv is to have.
An environment that is damaged, unfinished or was moved is begun anew.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
STAMP = VENV / "made.json"  # no JSON while an installation runs
FITTING = ("3.11", "3.12", "3.13")
NVIDIA = Path("/proc/driver/nvidia")
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
NO_NETWORK = "Failed to establish|NewConnection|name resolution|timed out|unreachable|refused|ProxyError"
# Into .venv and whole, whatever a person's shell or pip.conf says; where packages come from is theirs to say.
OWN = {"PIP_PREFIX": str(VENV), "PIP_ROOT": "/", "PIP_USER": "0", "PIP_NO_DEPS": "0", "PIP_DRY_RUN": "0"}
PIP = ["-m", "pip", "install", "--target=", "--disable-pip-version-check", "--progress-bar=off", "--retries=2"]


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
    return sorted({name for folder in folders for name in os.listdir(folder)} - {"__pycache__"})


def missing(requirements):
    """Names that a list, and those that it includes, pins to a version that is not in .venv."""

    def plain(distribution):
        return re.sub("[-_.]+", "-", distribution).lower()

    there = {plain(re.sub(r"(\+.*)?\.dist-info$", "", name)) for name in contents()}  # torch 2.13.0+cpu is a 2.13.0
    text = (ROOT / requirements).read_text(encoding="utf-8")
    pins = re.findall(r"^([\w.-]+)==([^\s;#]+)\s*(?:#.*)?$", text, re.M)
    found = [name for name, version in pins if plain(f"{name}-{version}") not in there]
    return found + [name for included in re.findall(r"^-r (\S+)$", text, re.M) for name in missing(included)]


def reachable(address, seconds):
    """Whether an address answers in that time, looking up its name included, which urllib sets no limit to."""
    answers = []

    def ask():
        with contextlib.suppress(Exception):
            answers.append(urllib.request.urlopen(address, timeout=seconds))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers)


def source_of_torch(wanted):
    """pip's option for torch's build for CPUs: on Linux the usual one brings gigabytes for NVIDIA's GPUs."""
    if "torch" not in wanted or sys.platform != "linux" or NVIDIA.exists() or shutil.which("nvidia-smi"):
        return []
    if reachable(f"{CPU_BUILDS}/torch/", seconds=3):
        return [f"--extra-index-url={CPU_BUILDS}"]
    print(f"{CPU_BUILDS} does not answer: torch comes from pip's own index, maybe with CUDA's gigabytes.", flush=True)
    return []


def make_environment(python):
    if VENV.exists():
        print("What lies in .venv is damaged, unfinished or of another Python: beginning it anew.", flush=True)
        shutil.rmtree(VENV)
    VENV.mkdir()
    STAMP.touch()
    made = subprocess.run([python, "-m", "venv", str(VENV)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode:
        sys.exit(f"{python} -m venv .venv failed: {made.stdout.decode(errors='replace').strip()[-300:]}")


def install(requirements):
    print(f"Installing {requirements} into .venv: one to five minutes the first time …", flush=True)
    command = [str(VENV / "bin/python"), *PIP, *source_of_torch(missing(requirements)), "-r", str(ROOT / requirements)]
    log = []
    with subprocess.Popen(
        command,
        env={**os.environ, **OWN},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        close_fds=False,  # pip holds the lock as well: it may outlive this process
    ) as run:
        for line in run.stdout:
            log.append(line.decode(errors="replace").strip())
            if re.search("Downloading .* [MG]B|Installing collected", log[-1]):
                print(f"  {log[-1][:100]}", flush=True)
    said = "\n".join(log)
    if run.returncode and re.search(NO_NETWORK, said):
        sys.exit("pip cannot reach its package index: connect to the network or set pip's proxy, then make again.")
    if run.returncode:
        print("\n".join(log[-15:]))
        remedy = "If a list contradicts its lock, `make lock`. Then" if "(constraint)" in said else "Mend that, then"
        sys.exit(f"pip could not install {requirements}; what it said stands above. {remedy} make again.")
    names = missing(requirements)
    if names:
        sys.exit(f"pip says that it is done, but .venv lacks {names[0]}: look for the cause in `pip config list`.")


def main(requirements):
    lock = open(__file__, "a")  # noqa: SIM115 (held to the end: of two makes at once, the second waits)
    os.set_inheritable(lock.fileno(), True)
    fcntl.flock(lock, fcntl.LOCK_EX)
    # In an activated environment "python3" would be the very one that may have to go.
    os.environ["PATH"] = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != VENV / "bin")
    wanted = os.environ.get("PYTHON")
    lists = sorted([*ROOT.glob("requirements*.txt"), *ROOT.glob("locks/*.txt")])
    asked = "".join(path.read_text(encoding="utf-8") for path in lists)

    made = {"venv": str(VENV), "contents": [], "lists": {}}  # a person's own .venv is taken over
    with contextlib.suppress(FileNotFoundError):
        try:
            made = json.loads(STAMP.read_text(encoding="utf-8"))
        except ValueError:
            made = None
    version, has_pip = probe(VENV / "bin/python", "import pip._internal.cli.main")
    whole = has_pip and made and made["venv"] == str(VENV) and set(made["contents"]) <= set(contents())
    if not whole or version not in FITTING or wanted and version != probe(find_python(wanted))[0]:
        make_environment(find_python(wanted))
        made = {"venv": str(VENV), "lists": {}}
    elif made["lists"].get(requirements) == asked:
        return
    STAMP.write_text("", encoding="utf-8")
    install(requirements)
    made["lists"][requirements] = asked
    STAMP.write_text(json.dumps({**made, "contents": contents()}), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit("\nInterrupted: the next make begins the installation anew.")
