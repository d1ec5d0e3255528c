"""What a newcomer's machine may lack or have half, and the one line that says what to do."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT

OFFLINE = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}


@pytest.fixture
def house(tmp_path):
    """A repository that needs no package."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools/setup_venv.py", tmp_path / "tools")
    (tmp_path / "requirements-site.txt").write_text("# nothing\n")
    return tmp_path


def setup(house, python=sys.executable, requirements="requirements-site.txt"):
    """Exit status, output, and lines of complaint; no package index can be reached."""
    command = [sys.executable, house / "tools/setup_venv.py", requirements]
    environment = os.environ | OFFLINE | {"PYTHON": str(python)}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    return run.returncode, run.stdout, run.stderr.splitlines()


def interpreter(folder, version, status):
    """A program that answers the script's question as a Python of that version would."""
    path = folder / f"python{version}"
    path.write_text(f"#!/bin/sh\necho {version}\nexit {status}\n")
    path.chmod(0o755)
    return path


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
    code, output, complaints = setup(house, interpreter(house, version, status))
    assert code == 1 and output == ""
    assert len(complaints) == 1 and remedy in complaints[0]
    assert not (house / ".venv").exists()


def test_no_network_is_said_in_one_line_and_the_next_run_begins_anew(house):
    (house / "requirements-site.txt").write_text("a-package-that-is-nowhere==1\n")
    code, _, complaints = setup(house)
    assert code == 1
    assert len(complaints) == 1 and "connect to the network" in complaints[0]
    (house / "requirements-site.txt").write_text("# nothing\n")
    code, output, complaints = setup(house)
    assert (code, complaints) == (0, []) and "beginning it anew" in output


def test_what_is_damaged_is_made_anew_and_the_rest_is_left_alone(house):
    assert setup(house)[0] == 0
    assert setup(house) == (0, "", [])
    python = house / ".venv/bin/python"

    def dangling():
        python.unlink()
        python.symlink_to(house / "gone")

    def no_pip():
        shutil.rmtree(next(house.glob(".venv/lib/python*/site-packages/pip")))

    for damage in (dangling, no_pip):
        damage()
        code, output, complaints = setup(house)
        assert (code, complaints) == (0, []), damage.__name__
        assert "beginning it anew" in output
        assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0

    (house / ".venv/kept").touch()
    (house / "requirements-site.txt").write_text("# changed\n")
    code, output, _ = setup(house)
    assert code == 0 and "Installing requirements-site.txt" in output
    assert (house / ".venv/kept").exists(), "new pins need no new environment"


def wheel(folder, version):
    """An empty package of a version, as pip installs it."""
    info = f"nothing-{version}.dist-info"
    with zipfile.ZipFile(folder / f"nothing-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: nothing\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return archive.filename


def test_a_second_file_that_wants_another_version_leaves_nothing_to_repair(house):
    (house / "requirements-site.txt").write_text(f"{wheel(house, 2)}\n")
    (house / "requirements.txt").write_text(f"{wheel(house, 1)}\n")
    assert setup(house)[0] == setup(house, requirements="requirements.txt")[0] == 0
    assert setup(house)[:2] == setup(house, requirements="requirements.txt")[:2] == (0, "")
