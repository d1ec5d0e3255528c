"""An experiment as a page has it, read back from the page: what stands there after a move is held against it."""

import json
from html import unescape

import numpy as np

from likelab.explore import Choice, Experiment, Slider, draw
from likelab.explore.gallery.receptive_field import receptive_field
from likelab.explore.gallery.ruler import ruler
from likelab.explore.gallery.stranger import stranger
from likelab.explore.table import Table
from tests.support.experiments import sample

COMPUTED = {"ruler": ruler, "receptive-field": receptive_field, "stranger": stranger}  # by the page's own script


class PageExperiment(Experiment):
    """Controls, numbers and words of a figure.explore in a browser. Its marks may be those of an older `draw`."""

    def __init__(self, figure):
        """figure: a locator. Where the page computes, the numbers are those of the library's own function."""
        spec = json.loads(figure.locator('script[type="application/json"]').text_content())
        self.figure, self.id, self.words, self.plots = figure, spec["id"], spec["words"], spec["plots"]
        self.summary, self.details = spec["summary"], spec["table"]
        self.controls = [_control(**control) for control in spec["controls"]]
        if not spec["outputs"]:
            self.table = COMPUTED[self.id]().table
            return
        self.table = Table.__new__(Table)
        self.table.names = [control.name for control in self.controls]
        self.table.settings = [control.settings for control in self.controls]
        self.table.columns = {n: (column["axes"], np.array(column["values"])) for n, column in spec["outputs"].items()}

    def look(self):
        """(settings of the controls in the page, all it shows as HTML).

        Its summary, titles and table must be what Python makes of these settings.
        """
        at, texts, all = self.figure.evaluate(
            """(figure) => [
                Object.fromEntries(Array.from(figure.querySelectorAll("[name]"), (field) => [field.name, field.value])),
                [...figure.querySelectorAll("output, .explore-title, .explore-table")].map((e) => e.innerHTML),
                figure.innerHTML,
            ]"""
        )
        settings = {
            control.name: at[control.name] if isinstance(control, Choice) else control.snap(float(at[control.name]))
            for control in self.controls
        }
        state = draw.lookup(self.words | settings | self.table.at(settings))
        titles = [draw.fill(plot["title"], state) for plot in self.plots]
        expected = [draw.fill(self.summary, state), *titles, draw.table_html(self.details, state)]
        assert [*map(unescape, texts)] == [*map(unescape, expected)], f"{self.id} at {settings}"
        return settings, all


def _control(kind, name, **spec):
    if kind == "choice":
        return Choice(name, name, tuple(spec["options"]), spec["options"][0])
    low, step = spec["low"], spec["step"]
    high = round(low + (spec["count"] - 1) * step, spec["digits"])
    return Slider(name, name, low, high, step, low, spec["unit"])


def move_about(experiment):
    """Move a live widget as a front end does, to a sample of its settings; it must show what the page has stored.

    Returns the number of moves.
    """
    box, places = experiment.widget(), sample(experiment)
    for at in places:
        for control in experiment.controls:
            value = at[control.name]
            if isinstance(control, Choice):
                box.controls[control.name].set_state({"index": control.settings.index(value)})
            else:
                box.controls[control.name].set_state({"value": value + 1e-12})  # a front end's rounding error
        drawn, words, numbers = experiment.pieces(at)
        summary, plots, table = (part.value for part in box.children[-3:])
        assert words in summary and numbers in table and plots == experiment.plots_html(drawn), (experiment.id, at)
    return len(places)
