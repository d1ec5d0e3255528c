"""The house style of figures."""

import sys
import types

import matplotlib.pyplot as plt
import pytest

from likelab import figures, palette


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
    asked = {}
    inline = types.SimpleNamespace(set_matplotlib_formats=lambda *formats, **options: asked.update({formats: options}))
    monkeypatch.setitem(sys.modules, "matplotlib_inline.backend_inline", inline)
    with plt.rc_context():
        figures.use_style()
    said = capsys.readouterr().out
    assert said == (
        f"Matplotlib's backend here is {backend}, which shows no figures: run %matplotlib inline, then go on.\n"
        if told
        else ""
    )
    assert asked == ({("svg",): {"metadata": {"Date": None}}} if kernel and "inline" in backend else {})


def test_each_colour_has_one_for_dark_pages_that_stands_out():
    def luminance(colour):
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(p * w for p, w in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    def contrast(a, b):
        low, high = sorted([luminance(a), luminance(b)])
        return (high + 0.05) / (low + 0.05)

    used = [palette.INK, palette.INSIDE, palette.OUTSIDE, palette.TRAIN, *palette.MODELS.values()]
    assert len(set(used)) == len(used) and set(used) < set(palette.DARK)
    for colour in used:
        assert contrast(colour, palette.PAPER) > 4.5, colour
        assert contrast(palette.DARK[colour], "#14181e") > 4.5, colour  # the ground of the theme's dark pages


def test_one_legend_names_each_thing_once():
    fig, axes = plt.subplots(1, 3, layout="constrained")
    for ax in axes:
        ax.plot([0, 1], label="inside")
    axes[1].plot([1, 0], label="outside")
    figures.one_legend(fig)
    assert [text.get_text() for text in fig.legends[0].texts] == ["inside", "outside"]
    plt.close(fig)
