"""The page that shows how to write an experiment: its code runs, and its limits are those that there are."""

import itertools
import math
import re

import numpy as np
import pytest
from scipy import stats

from likelab.explore import Choice, Experiment, ExploreError, Slider, draw
from tools.chapter import chapters

PAGE = (chapters.BOOK / "authoring.md").read_text("utf-8")
CODE = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]


def made(code=CODE):
    """What the code of the page defines; its last line, which shows the experiment, as `shown`."""
    head, last = code.rstrip().rsplit("\n", 1)
    names = {}
    exec(f"{head}\nshown = {last}", names)
    return names


def test_the_code_on_the_page_makes_an_experiment():
    figure = made()["shown"]
    for width in figure.controls[0].settings[::4]:
        stored = figure.table.at({"width": width})
        surprise = stats.norm(0, 1).expect(lambda x, s=width: -stats.norm(0, s).logpdf(x))
        assert stored["bits"] == pytest.approx(surprise / math.log(2), abs=6e-4)
        assert stored["wasted"] >= 0 and (stored["wasted"] == 0) == (width == 1)
    box = figure.widget()
    box.controls["width"].value = 4
    assert "A model of width 4.00 spends 3.37 bits on a draw, 1.32 more than it need." in box.children[2].value


def test_it_is_fifteen_lines_and_answers_its_question():
    assert sum(bool(line.strip()) for line in CODE.splitlines()) <= 15
    bits = made()["bits"]
    assert bits(0.5) - bits(1) > 2 * (bits(2) - bits(1)), "too narrow costs more, as the title says"


MISTAKES = {  # what is replaced in the code: by what
    "at most 4,000 are stored. Make its step larger": ("0.125, 1)", "0.0005, 1)"),
    "give the same names and shapes at every setting": ('"row": ROW}', '"row": ROW[: int(4 * width)]}'),
    "is not finite at": ('"bits": bits(width)', '"bits": bits(width) if width > 1 else math.inf'),
    "coarsen or round": ('"row": ROW}', '"row": ROW, "more": [width + k / 7 for k in range(400)]}'),
    "is no whole number of steps": ("0.125, 1)", "0.125, 1.1)"),
    "which no control, output or word is called here": ("{wasted:2}", "{lost:2}"),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_end_in_what_the_page_says(message):
    before, after = MISTAKES[message]
    assert message in PAGE and CODE.count(before) == 1
    with pytest.raises(ExploreError) as caught:
        made(CODE.replace(before, after))
    assert message in str(caught.value)


def test_every_message_on_the_page_is_tested_here_or_with_the_kernels():
    quoted = re.findall(r"^\| [^|]+ \| ([^|]+) \|$", PAGE, re.M)[1:]
    others = {"this kernel already has an experiment with id"}  # tests/test_explore.py, in a kernel
    assert set(quoted) - {"---"} == set(MISTAKES) | others


def test_the_constructors_are_as_the_page_says():
    slider, choice = Slider("a", "A", 0, 1, 0.5, 0, "nats"), Choice("b", "B", ("x", "y"), "y")
    axis = draw.axis(0, 1)
    plot = draw.plot("t", "alt", (100, 100), [draw.panel((0, 0, 100, 100), axis, axis, [draw.rule("a")])], drag="a")
    table = {"caption": "c", "columns": [["n", "n", 0]]}
    figure = Experiment("both", lambda a, b: {"n": [a]}, [slider, choice], [plot], "{a:1} {b}", table, "")
    shown = [figure.pieces({"a": a, "b": b})[1] for a, b in itertools.product(slider.settings, "xy")]
    assert shown[-1] == "1.0 y" and len(set(shown)) == np.prod([3, 2])
