"""Every experiment live in a kernel: with this environment's ipywidgets, and with the older ones of Colab."""

import sysconfig

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.conftest import ROOT
from tests.support import experiments
from tools.chapter import colab

pytestmark = pytest.mark.slow

# Colab's environment lacks what tests are made of; that is found behind its own packages.
MOVE = f"""
import sys
sys.path[:0] = {[str(ROOT), str(ROOT / "book")]}
sys.path.append({sysconfig.get_path("purelib")!r})
import ipywidgets
from tests.support import experiments
from tests.support.page_experiment import move_about
every = [build() for build in experiments.EVERY.values()]
print(ipywidgets.__version__, min(map(move_about, every)), len(every))
every[0]
"""


@pytest.mark.parametrize("version", ["8.", "7.7."])
def test_every_widget_shows_its_table(version, environment):
    """Moved by a front end's messages; see `move_about`."""
    nb = new_notebook(cells=[new_code_cell(MOVE)])
    if version == "7.7.":
        colab.run(nb, ROOT, {})
    else:
        NotebookClient(nb).execute()
    said, shown = nb.cells[0].outputs
    installed, moves, count = said.text.split()
    assert installed.startswith(version) and int(moves) > 20 and int(count) == len(experiments.EVERY)
    assert shown.data.keys() == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
