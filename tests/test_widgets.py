"""Every experiment live in a kernel: under this environment's ipywidgets, and under the older ones of Colab.

The older ones are installed beside this environment, into _build, where they stay.
"""

import os
import re
import subprocess
import sys

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import setup_venv
from conftest import ROOT

COLAB = ("ipywidgets==7.7.1", "ipython_genutils==0.2.0")
WALK = """
import ipywidgets, test_explore, twins
from likelab import explore
threshold = explore.threshold(test_explore.scores(), **test_explore.NAMES)
others = {name: build() for name, build in test_explore.OTHERS.items()}
print(ipywidgets.__version__, min(map(twins.walk, [threshold, *others.values()])), *others)
threshold
"""


@pytest.fixture(scope="module")
def colab():
    """Folder of the ipywidgets that Colab has."""
    folder = ROOT / "_build" / COLAB[0]
    if not folder.exists():
        begun = folder.with_suffix(".begun")  # what an interrupted installation leaves is not taken for a whole one
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--retries=1", "--upgrade"]
        run = subprocess.run([*pip, "-q", "--no-deps", "--target", begun, *COLAB], capture_output=True, text=True)
        if re.search(setup_venv.NO_NETWORK, run.stderr):
            pytest.skip(f"{COLAB[0]} is not at hand, and pip has no network to bring it")
        assert run.returncode == 0, run.stderr
        begun.rename(folder)
    return folder


@pytest.mark.parametrize("version", ["8.", "7.7."])
def test_every_widget_shows_its_table_over_its_whole_range(version, request):
    """In a real kernel, moved by a front end's messages; see `twins.walk`."""
    folders = [ROOT / name for name in ("tests", "tools", "book")]
    if version == "7.7.":
        folders.insert(0, request.getfixturevalue("colab"))
    client = NotebookClient(new_notebook(cells=[new_code_cell(WALK)]), store_widget_state=False)
    with client.setup_kernel(env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, folders))}):
        said, shown = client.execute_cell(client.nb.cells[0], 0).outputs
    installed, moves, *others = said.text.split()
    assert installed.startswith(version) and int(moves) > 40 and len(others) >= 4
    assert shown.data.keys() == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
