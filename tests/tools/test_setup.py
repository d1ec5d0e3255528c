"""The environment of `make`: what a newcomer's machine may lack or have half. The lists of packages and their locks."""

import functools
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pip
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import likelab
from tools.chapter import chapters, colab

ROOT = chapters.ROOT
SITE = "requirements-site.txt"
ALONE = {"requirements-otter.txt", "requirements-nbgrader.txt"}  # installed beside nothing of ours
LISTS = sorted({path.name for path in ROOT.glob("locks/*.txt")} - ALONE)
posix = pytest.mark.skipif(sys.platform == "win32", reason="the Makefile, which calls it, wants a POSIX shell")

# Stands for pip: installs empty distributions, or does what FAKE says. `log` tells when it began and ended.
FAKE_PIP = """
import os, pathlib, re, sys, time
site, fake = pathlib.Path(__file__).parents[1], os.environ["FAKE"]
log = open(pathlib.Path(sys.argv[-1]).parent / "log", "a")
print("begin", file=log, flush=True)
time.sleep(0.5 if fake == "slow" else 0)
print("end", file=log, flush=True)
if fake.startswith("ERROR"):
    sys.exit(fake)
for pin in re.findall("^.*==.*$", pathlib.Path(sys.argv[-1]).read_text() if fake != "elsewhere" else "", re.M):
    (site / (pin.replace("==", "-") + ".dist-info")).mkdir(exist_ok=True)
"""


class House:
    """A repository with a list of one package; `python` makes environments with that folder as their pip."""

    def __init__(self, folder, pip):
        self.folder, self.venv, self.log = folder, folder / ".venv", folder / "log"
        self.script, self.list = folder / "tools/environment.py", folder / SITE
        self.script.parent.mkdir()
        shutil.copy(ROOT / "tools/environment.py", self.script)
        self.list.write_text("one==1\n")
        self.python = interpreter(
            folder / "python",
            f'[ "$1 $2" = "-m venv" ] || exec "{sys.executable}" "$@"\n'
            f'"{sys.executable}" -m venv --without-pip "$3" && cd "$3"/lib/python*/site-packages && ln -s "{pip}" pip',
        )

    def start(self, fake="", **settings):
        environment = os.environ | {"PYTHON": str(self.python), "FAKE": fake} | settings
        command = [sys.executable, "-S", self.script, SITE]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def setup(self, fake="", **settings):
        """Exit status, output, and lines of complaint."""
        run = self.start(fake, **settings)
        output, complaints = run.communicate()
        return run.returncode, output, complaints.splitlines()

    def refused(self, *arguments, **settings):
        """The one line of a refusal."""
        code, _, complaints = self.setup(*arguments, **settings)
        assert code == 1 and len(complaints) == 1
        return complaints[0]


def interpreter(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def house(tmp_path):
    fake = tmp_path / "pip"
    (fake / "_internal/cli").mkdir(parents=True)
    (fake / "_internal/cli/main.py").touch()
    (fake / "__main__.py").write_text(FAKE_PIP)
    return House(tmp_path, fake)


@posix
@pytest.mark.parametrize(
    ("version", "status", "remedy"),
    [
        ("3.10", 0, "needs Python 3.11, 3.12 or 3.13; this is 3.10"),
        ("3.14", 0, "needs Python 3.11, 3.12 or 3.13; this is 3.14"),
        ("3.12", 1, "sudo apt install python3.12-venv"),
        ("", 127, "does not run"),
    ],
)
def test_an_unfit_python_is_refused_in_one_line(house, version, status, remedy):
    unfit = interpreter(house.folder / "unfit", f"echo {version}\nexit {status}")
    assert remedy in house.refused(PYTHON=str(unfit))
    assert not house.venv.exists()


@posix
@pytest.mark.parametrize(
    ("fake", "remedy"),
    [
        ("ERROR: Failed to establish a new connection", "connect to the network"),
        ("ERROR: The user requested (constraint) one==2", "`make lock`"),
        ("ERROR: no room", "what it said stands above"),
        ("elsewhere", "lacks one: look for the cause in `pip config list`"),
    ],
)
def test_what_stops_pip_is_said_in_one_line_and_the_next_run_begins_anew(house, fake, remedy):
    assert remedy in house.refused(fake)
    code, output, complaints = house.setup()
    assert (code, complaints) == (0, []) and "beginning it anew" in output
    assert house.setup() == (0, "", []), "what is whole is left alone"


@posix
def test_what_is_damaged_or_was_moved_is_made_anew_and_new_pins_are_added(house):
    assert house.setup()[0] == 0

    def dangling():
        (house.venv / "bin/python").unlink()
        (house.venv / "bin/python").symlink_to(house.folder / "gone")

    def without_a_package():
        next(house.venv.glob("lib/python*/site-packages/one-1.dist-info")).rmdir()

    def moved():
        text = (house.venv / "made.json").read_text()
        (house.venv / "made.json").write_text(text.replace(str(house.venv), "/elsewhere/.venv"))

    for damage in (dangling, without_a_package, moved):
        damage()
        code, output, complaints = house.setup()
        assert (code, complaints) == (0, []) and "beginning it anew" in output, damage.__name__

    house.list.write_text("one==2\n")
    code, output, _ = house.setup()
    assert code == 0 and output.startswith(f"Installing {SITE}")


@posix
def test_two_at_once_wait_for_each_other_and_for_a_pip_that_was_left_behind(house):
    first = house.start("slow")
    while not house.log.exists():
        assert first.poll() is None
    first.kill()
    second, third = house.start(), house.start()
    said = [run.communicate()[0] for run in (first, second, third)][1:]
    assert second.returncode == third.returncode == 0
    assert house.log.read_text().split() == ["begin", "end"] * 2
    assert sorted("beginning it anew" in text for text in said) == [False, True] and "" in said


def wheel(folder, name, version):
    """An empty package, as pip installs it."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return archive.filename


@pytest.fixture
def served(tmp_path):
    """(folder, address) of a server on this machine."""

    class Files(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    (tmp_path / "served").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=tmp_path / "served")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / "served", f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere pip's own index has builds for the CPU alone")


def without_nvidia(house, cpu_builds):
    """Let the script take that address for PyTorch's, and find no driver, should there be one."""
    script = house.script.read_text().replace("/proc/driver/nvidia", "/nowhere").replace("nvidia-smi", "nowhere")
    house.script.write_text(script.replace("https://download.pytorch.org/whl/cpu", cpu_builds))
    house.list.write_text("torch==1\n")


@linux
@pytest.mark.slow
def test_the_real_pip_takes_the_cpu_build_and_puts_it_into_the_environment(tmp_path, served):
    folder, address = served
    wheel(folder / "cpu/torch", "torch", "1+cpu")
    wheel(tmp_path / "plain", "torch", "1")
    (tmp_path / "pip.conf").write_text(f"[install]\ntarget = {tmp_path}/conf\n[global]\nuser = true\ndry-run = true\n")
    settings = {"PIP_TARGET": f"{tmp_path}/target", "PIP_PREFIX": f"{tmp_path}/prefix", "PIP_ROOT": f"{tmp_path}/root"}
    settings |= {"PIP_CONFIG_FILE": f"{tmp_path}/pip.conf", "PIP_USER": "1", "PIP_FIND_LINKS": f"{tmp_path}/plain"}
    house = House(tmp_path, Path(pip.__file__).parent)
    without_nvidia(house, f"{address}/cpu")
    assert house.setup(PIP_INDEX_URL=f"{address}/none", no_proxy="127.0.0.1", **settings)[0] == 0
    assert next(house.venv.glob("lib/python*/site-packages/torch-*")).name == "torch-1+cpu.dist-info"
    assert not {"conf", "target", "prefix", "root"} & set(os.listdir(tmp_path))


@linux
def test_where_pytorchs_index_does_not_answer_torch_comes_from_pips_own_and_one_that_is_there_is_left_alone(house):
    without_nvidia(house, "http://127.0.0.1:9/cpu")
    assert "http://127.0.0.1:9/cpu does not answer" in house.setup(no_proxy="127.0.0.1")[1]
    house.list.write_text("torch==1  # and nothing else\n")
    code, output, _ = house.setup()
    assert code == 0 and output.startswith("Installing") and "does not answer" not in output


# --- Lists and locks ---


def requirements(path):
    """{name: version or "", markers that hold here} of a list and of those that it includes."""
    found = {}
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("-r "):
            found |= requirements(path.parent / line[3:])
        elif line and not line.startswith(("#", "-c ")):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("name", LISTS)
def test_a_lock_covers_its_list_and_all_that_it_brings(name):
    asked, locked = requirements(ROOT / name), requirements(ROOT / "locks" / name)
    assert f"-c locks/{name}" in (ROOT / name).read_text("utf-8").splitlines()
    for package, version in asked.items():
        assert version in ("", locked.get(package)), f"{name} and its lock differ in {package}: run `make lock`"
    installed = colab.closure(asked)
    assert "jupyterlab" in asked or set(asked) <= {canonicalize_name(key) for key in installed}
    for package, found in installed.items():
        version = found.version.split("+")[0]
        assert locked.get(canonicalize_name(package)) == version, f"locks/{name} lacks {package}: run `make lock`"


def test_all_lists_agree_and_readers_install_no_tools_of_ours():
    locked = {name: requirements(ROOT / "locks" / name) for name in LISTS}
    versions = {}
    for name in LISTS:
        for package, version in locked[name].items():
            assert versions.setdefault(package, version) == version, f"{package} in locks/{name}: run `make lock`"
    assert not {"playwright", "hypothesis", "pytest", "ruff", "sphinx"} & set(locked["requirements.txt"])
    assert "torch" not in locked[SITE]


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == likelab.__version__
    assert {"cff-version", "message", "title", "authors", "date-released"} <= set(citation)
