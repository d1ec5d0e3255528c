"""Run chapters as Colab does: from a published release, in an empty folder, with none of the site's packages.

    python -m tools.chapter.colab                     every chapter
    python -m tools.chapter.colab book/05_glow.ipynb  some chapters

The repository is copied, given an address and a release by fork.py and release.py of tools/website, and put where git
finds it under that address. The environment has only what Colab has: an older Jupyter, and of the packages here
those that SHARED names, with what they need. Colab's own versions are tried in its image, by .github/workflows.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement

from tools.chapter import chapters, run_chapters

ENVIRONMENT = chapters.ROOT / "_build" / "colab"
REQUIREMENTS = chapters.ROOT / "requirements-colab.txt"
SHARED = ("torch", "numpy", "scipy", "matplotlib", "scikit-learn", "pooch", "tqdm", "ipykernel", "setuptools")
ADDRESS, RELEASE = "https://github.com/someone/book", "99.0.0"
# What git tells its hooks of the repository that they are of; git that runs inside one would work there.
OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_PREFIX")
# Colab is recognised by a module that its kernels have loaded.
STARTUP = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"
CELL_TIMEOUT = 900  # seconds


def closure(names):
    """Distributions of this environment: the named ones, and what they need."""
    found, waiting = {}, list(names)
    while waiting:
        name = waiting.pop()
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # needed on another platform or Python
        key = distribution.metadata["Name"].lower().replace("_", "-")
        if key in found:
            continue
        found[key] = distribution
        for line in distribution.requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return found


def environment():
    """Python of the environment, which is made where it is not there or out of date. Raises CalledProcessError."""
    own = {line.split("==")[0] for line in REQUIREMENTS.read_text("utf-8").splitlines() if "==" in line}
    shared = {name: found for name, found in closure(SHARED).items() if name not in own}
    record = {name: found.version for name, found in sorted(shared.items())}
    record |= {"here": sys.prefix, "colab": REQUIREMENTS.read_text("utf-8")}
    stamp, python = ENVIRONMENT / "made.json", ENVIRONMENT / "bin" / "python"
    if stamp.exists() and json.loads(stamp.read_text("utf-8")) == record:
        return python
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    venv.create(ENVIRONMENT, symlinks=True)
    (packages,) = ENVIRONMENT.glob("lib/python*/site-packages")
    for found in shared.values():
        for top in {file.parts[0] for file in found.files} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(found.locate_file(top))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
    subprocess.run([*pip, f"--target={packages}", f"--requirement={REQUIREMENTS}"], check=True)
    kernel = ENVIRONMENT / "kernels" / "python3"
    kernel.mkdir(parents=True)
    arguments = [str(python), "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": arguments, "display_name": "Python 3", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec), "utf-8")
    startup = ENVIRONMENT / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "colab.py").write_text(STARTUP, "utf-8")
    stamp.write_text(json.dumps(record), "utf-8")
    return python


def fork(target):
    """Copy the repository as it is here to `target`, and give the copy ADDRESS. Returns the copy."""
    ignored = shutil.ignore_patterns(".git", ".venv*", "_build", "__pycache__", ".*_cache", ".hypothesis")
    shutil.copytree(chapters.ROOT, target, ignore=ignored)
    subprocess.run([sys.executable, "-m", "tools.website.fork", ADDRESS], cwd=target, check=True, stdout=DEVNULL)
    return target


def publish(folder):
    """Publish the repository as it is here under ADDRESS, as RELEASE. Returns (book/ of the release, git's settings).

    On main, behind the release, likelab cannot be imported: a chapter that takes it from there fails.
    """
    source, served = fork(folder / "source"), folder / "github" / "someone" / "book"
    person = {f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {key: value for key, value in os.environ.items() if key not in OF_A_HOOK}
    nobody = kept | person | {"GIT_CONFIG_GLOBAL": ""}

    def run(*command):
        done = subprocess.run(command, cwd=source, env=nobody, stdout=PIPE, stderr=STDOUT, encoding="utf-8")
        if done.returncode:
            raise RuntimeError(f"{' '.join(map(str, command))} failed: {done.stdout}")

    def commit(message):
        run("git", "add", "--all")
        run("git", "commit", "--quiet", f"--message={message}")

    run("git", "init", "--quiet", "--initial-branch=main")
    commit("as it is")
    run(sys.executable, "-m", "tools.website.release", RELEASE)
    run("git", "clone", "--quiet", "--bare", source, served)
    run("git", "-C", served, "config", "core.compression", "0")  # the copies go no further than this machine
    run("git", "-C", served, "config", "pack.window", "0")
    (source / "book" / "likelab" / "__init__.py").write_text("raise ImportError('not the release')\n", "utf-8")
    commit("what came later")
    run("git", "push", "--quiet", served, "main")
    run("git", "checkout", "--quiet", f"v{RELEASE}")
    return source / "book", rewritten(served.parents[1])


def rewritten(folder):
    """Settings under which git looks for GitHub's repositories in a folder of this machine."""
    return {
        "GIT_CONFIG_GLOBAL": "",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{folder.as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }


class Kernels(AsyncKernelManager):
    """Starts kernels of the environment, whatever kernels there are elsewhere."""

    def _kernel_spec_manager_default(self):
        return KernelSpecManager(kernel_dirs=[str(ENVIRONMENT / "kernels")], ensure_native_kernel=False)


def run(nb, folder, settings, colab=True):
    """Run a notebook in a folder, in a new kernel of the environment. Raises CellExecutionError.

    settings: what else stands in the process's environment. colab: whether the kernel says that it is Colab's.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    profile = {"IPYTHONDIR": str(ENVIRONMENT / ("ipython" if colab else "none"))}
    client = NotebookClient(nb, timeout=CELL_TIMEOUT, resources={"metadata": {"path": str(folder)}})
    client.kernel_manager_class = Kernels
    return client.execute(env=kept | chapters.KERNEL | profile | settings)


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("chapters", nargs="*")
    chosen = chapters.chosen(parser.parse_args().chapters)
    pair = {"LIKELAB_PAIR": "real" if run_chapters.real_at_hand() else "standin"}
    environment()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        book, settings = publish(Path(folder))
        for path in chosen:
            start = time.perf_counter()
            try:
                with tempfile.TemporaryDirectory() as empty:
                    run(chapters.read(book / path.name), empty, settings | pair)
            except CellExecutionError as error:
                failed += 1
                print(error, flush=True)
            print(f"{path.name:32s} as in Colab {time.perf_counter() - start:8.1f} s", flush=True)
    print(f"\n{len(chosen) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
