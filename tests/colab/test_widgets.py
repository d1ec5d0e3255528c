"""Every experiment live in a kernel: with this environment's ipywidgets, and with the older ones of Colab."""

import sysconfig

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.conftest import ROOT
from tools.chapter import colab

# Colab's environment lacks what tests are made of; that is found behind its own packages.
WALK = f"""
import sys
sys.path[:0] = {[str(ROOT), str(ROOT / "book")]}
sys.path.append({sysconfig.get_path("purelib")!r})
import ipywidgets
from likelab.explore.gallery.threshold import threshold
from tests.support import experiments
from tests.support.page_experiment import move_everywhere
first = threshold(experiments.scores(), **experiments.NAMES)
others = {{name: build() for name, build in experiments.OTHERS.items()}}
print(ipywidgets.__version__, min(map(move_everywhere, [first, *others.values()])), len(others))
first
"""


@pytest.mark.parametrize("version", ["8.", "7.7."])
def test_every_widget_shows_its_table_over_its_whole_range(version, request):
    """Moved by a front end's messages; see `move_everywhere`."""
    nb = new_notebook(cells=[new_code_cell(WALK)])
    if version == "7.7.":
        request.getfixturevalue("environment")
        colab.run(nb, ROOT, {})
    else:
        NotebookClient(nb).execute()
    said, shown = nb.cells[0].outputs
    installed, moves, others = said.text.split()
    assert installed.startswith(version) and int(moves) > 40 and int(others) >= 5
    assert shown.data.keys() == {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"}
