"""The house style of figures."""

import sys
import types

import matplotlib.pyplot as plt
import pytest

from likelab import figures


@pytest.mark.parametrize(
    ("kernel", "backend", "told"),
    [
        (True, "agg", True),
        (True, "PDF", True),
        (True, "module://matplotlib_inline.backend_inline", False),
        (True, "QtAgg", False),
        (False, "agg", False),  # a script saves its figures
    ],
)
def test_a_notebook_that_would_show_no_figures_says_so(monkeypatch, capsys, kernel, backend, told):
    shell = types.SimpleNamespace(**{"kernel": None} if kernel else {})
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(plt, "get_backend", lambda: backend)
    with plt.rc_context():
        figures.use_style()
    said = capsys.readouterr().out
    assert said == (
        f"Matplotlib's backend here is {backend}, which shows no figures: run %matplotlib inline, then go on.\n"
        if told
        else ""
    )
