"""What an experiment is: a pure function, its controls, and the table of its values over all settings."""

import itertools
import json
import math
import re
import sys
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from pathlib import Path

import numpy as np

from . import draw

MAX_SETTINGS = 4_000  # points of the grid; at a millisecond a call the author waits four seconds
MAX_BYTES = 60_000  # of HTML for one experiment, script and style sheet included

HERE = Path(__file__).parent
SCRIPT = (HERE / "explore.js").read_text("utf-8")
STYLE = (HERE / "explore.css").read_text("utf-8")


class ExploreError(ValueError):
    """An experiment that cannot be shown as declared; the message names the control and the limit."""


@dataclass(frozen=True)
class Choice:
    """A list to choose from. name: the function's argument; options: the texts shown, passed as they are."""

    name: str
    label: str
    options: tuple
    start: str

    @property
    def settings(self):
        return list(self.options)

    def check(self):
        if len(set(self.options)) != len(self.options):
            raise ExploreError(f"control {self.name!r}: two options are equal among {self.options}")
        if self.start not in self.options:
            raise ExploreError(f"control {self.name!r}: start {self.start!r} is not among {self.options}")

    def spec(self):
        return {"kind": "choice", "name": self.name, "options": self.settings}


@dataclass(frozen=True)
class Slider:
    """Numbers from low to high, `step` apart, both ends included. unit: shown beside the number."""

    name: str
    label: str
    low: float
    high: float
    step: float
    start: float
    unit: str = ""

    @property
    def digits(self):
        return max(0, -Decimal(repr(self.step)).as_tuple().exponent)

    @property
    def settings(self):
        count = round((self.high - self.low) / self.step) + 1
        return [round(self.low + i * self.step, self.digits) for i in range(count)]

    def snap(self, value):
        """The setting nearest to a value, which may carry a widget's rounding error."""
        return round(self.low + round((value - self.low) / self.step) * self.step, self.digits)

    def check(self):
        numbers = (self.low, self.high, self.step, self.start)
        if not all(math.isfinite(x) for x in numbers) or self.step <= 0 or self.high <= self.low:
            raise ExploreError(f"control {self.name!r}: a slider needs low < high and a step above 0")
        for what, value in (("low", self.low), ("high", self.high), ("start", self.start)):
            if not self.low <= value <= self.high or abs(self.snap(value) - value) > 1e-9:
                raise ExploreError(
                    f"control {self.name!r}: {what} {value} is no whole number of steps of {self.step} "
                    f"from {self.low}, or lies outside {self.low} to {self.high}"
                )
        if round(self.low, self.digits) != self.low:
            raise ExploreError(f"control {self.name!r}: low {self.low} has more decimals than step {self.step}")

    def spec(self):
        return {
            "kind": "slider",
            "name": self.name,
            "low": self.low,
            "step": self.step,
            "digits": self.digits,
            "count": len(self.settings),
            "unit": self.unit,
        }


class Table:
    """A function's values over the grid of its controls, each output stored along the axes it varies on."""

    def __init__(self, function, controls):
        """function(**settings) gives a dict of numbers, texts or 1-D arrays, alike in names and shapes everywhere.

        Raises ExploreError where the grid is too large, a value is not finite or a name or a shape changes.
        """
        self.names = [control.name for control in controls]
        self.settings = [control.settings for control in controls]
        shape = tuple(len(settings) for settings in self.settings)
        if math.prod(shape) > MAX_SETTINGS:
            largest = max(controls, key=lambda control: len(control.settings)).name
            raise ExploreError(
                f"control {largest!r} has {max(shape):,} settings, which makes a grid of "
                f"{math.prod(shape):,}; at most {MAX_SETTINGS:,} are stored. Make its step larger"
            )
        rows = _rows(function, self.names, list(itertools.product(*self.settings)))
        self.columns = {}
        for name in rows[0]:
            values = np.stack([row[name] for row in rows]).reshape(shape + rows[0][name].shape)
            axes = []
            for axis in reversed(range(len(shape))):
                if np.array_equal(values, np.broadcast_to(values.take([0], axis), values.shape)):
                    values = np.asarray(values.take(0, axis))  # it does not depend on this control
                else:
                    axes.insert(0, axis)
            self.columns[name] = (axes, values)

    def _index(self, settings):
        return [options.index(settings[name]) for name, options in zip(self.names, self.settings, strict=True)]

    def at(self, settings):
        """All outputs at one setting {control: value}, as the function gave them (numbers or lists)."""
        index = self._index(settings)
        return {name: values[tuple(index[a] for a in axes)].tolist() for name, (axes, values) in self.columns.items()}

    def along(self, output, control, settings):
        """One output over the whole range of a control, the other controls as in `settings`."""
        index, moved = self._index(settings), self.names.index(control)
        axes, values = self.columns[output]
        index[moved] = slice(None)
        path = values[tuple(index[axis] for axis in axes)]
        return (path if moved in axes else np.broadcast_to(path, len(self.settings[moved]))).tolist()

    def spec(self):
        return {name: {"axes": axes, "values": values.tolist()} for name, (axes, values) in self.columns.items()}


class Computed:
    """Read like a Table, but nothing is stored: the page computes the function's values with a script."""

    def __init__(self, function, controls):
        """Raises ExploreError where a Table would, at the ends of the controls."""
        self.function = function
        self.settings = {control.name: control.settings for control in controls}
        ends = [dict.fromkeys((settings[0], settings[-1])) for settings in self.settings.values()]
        _rows(function, list(self.settings), list(itertools.product(*ends)))

    def at(self, settings):
        point = [settings[name] for name in self.settings]
        return {name: value.tolist() for name, value in _rows(self.function, self.settings, [point])[0].items()}

    def along(self, output, control, settings):
        return [self.at(settings | {control: value})[output] for value in self.settings[control]]

    def spec(self):
        return {}


def _rows(function, names, points):
    """The function's outputs at each point as arrays, alike in names and shapes, or an ExploreError."""

    def at(point):
        return ", ".join(f"{name} = {value!r}" for name, value in zip(names, point, strict=True))

    def shape(array):
        return "nothing" if array is None else f"shape {array.shape}"

    rows = []
    for point in points:
        row = {}
        for name, value in function(**dict(zip(names, point, strict=True))).items():
            array = np.asarray(value)
            text = array.dtype.kind == "U" and array.ndim == 0
            if array.ndim > 1 or not (text or array.dtype.kind in "iufb"):
                raise ExploreError(f"output {name!r} is neither a number, a text nor a list of numbers at {at(point)}")
            if not text and not np.isfinite(array).all():
                raise ExploreError(f"output {name!r} is not finite at {at(point)}")
            row[name] = array
        rows.append(row)
        for name in rows[0].keys() | row.keys():
            first, here = rows[0].get(name), row.get(name)
            if first is None or here is None or first.shape != here.shape:
                raise ExploreError(
                    f"output {name!r} changes from {shape(first)} to {shape(here)} "
                    f"at {at(point)}: give the same names and shapes at every setting"
                )
    return rows


class Experiment:
    """An explorable figure. As the last line of a cell it shows itself, live and as HTML in one bundle.

    id: unique in its notebook, lower-case letters, digits and hyphens; names the figure in the page.
    function, controls: function(**settings) -> {output: number, text or 1-D array}, pure; one argument a control.
    plots: made by `draw.plot`; summary, caption: templates as in `draw.fill`; table: {"caption", "columns"},
    see `draw.table_html`. words: {name: text} for templates, where names come from data or readers. here: another
    experiment that a kernel shows in this one's place: the same figure of images that must not be published. stored:
    False for that other one, which is never written to a page and may be as large as it likes. script: where the
    function is cheap arithmetic, the same function in JavaScript, from an object of settings to one of outputs. The
    page then computes, and controls may be as fine as they like.
    Raises ExploreError at once where the experiment cannot be stored or shown.
    """

    def __init__(
        self, id, function, controls, plots, summary, table, caption, words=None, here=None, stored=True, script=None
    ):
        if not re.fullmatch(r"[a-z][a-z0-9-]*", id):
            raise ExploreError(f"id {id!r}: use lower-case letters, digits and hyphens, a letter first")
        for control in controls:
            control.check()
        self.id, self.function, self.controls = id, function, list(controls)
        self.plots, self.summary, self.details, self.caption = plots, summary, table, caption
        self.words, self.here, self.script = words or {}, here, script
        self.table = (Computed if script else Table)(function, self.controls)
        if not stored:
            return
        size = len(self.html().encode())
        if size > MAX_BYTES and script:
            raise ExploreError(f"experiment {id!r} takes {size:,} bytes, more than {MAX_BYTES:,}: show fewer numbers")
        if size > MAX_BYTES:
            heaviest = max(self.table.columns, key=lambda name: self.table.columns[name][1].size)
            axes = ", ".join(repr(self.table.names[axis]) for axis in self.table.columns[heaviest][0])
            raise ExploreError(
                f"experiment {id!r} takes {size:,} bytes, more than {MAX_BYTES:,}. Most numbers are in "
                f"output {heaviest!r}, stored for each setting of {axes or 'no control'}: coarsen or round"
            )
        _claim(id)

    @property
    def start(self):
        return {control.name: control.start for control in self.controls}

    def pieces(self, settings, outputs=None):
        """What changes with the settings, drawn: [(title, svg) …], summary and table, all HTML.

        outputs: the function's result at these settings; without it, what the table has stored.
        """
        state = _state(self.words | settings | (self.table.at(settings) if outputs is None else outputs))

        def along(output, control):
            return self.table.along(output, control, settings)

        plots = [
            (draw.fill(plot["title"], state), draw.plot_svg(plot, f"explore-{self.id}-{i}", state, along))
            for i, plot in enumerate(self.plots)
        ]
        return plots, draw.fill(self.summary, state), draw.table_html(self.details, state)

    def plots_html(self, plots):
        """The plots' frame around the titles and drawings that `pieces` gives."""
        frames = ""
        for plot, (title, svg) in zip(self.plots, plots, strict=True):
            alt = draw.fill(plot["alt"], _state(self.words))
            frames += (
                f'<div class="explore-plot" style="--w:{plot["width"]}">'
                f'<div class="explore-title">{title}</div>'
                f'<svg viewBox="0 0 {plot["width"]} {plot["height"]}" role="img" aria-label="{alt}"'
                f"{DRAG[len(plot['drag'] or ())]}>{svg}</svg></div>"
            )
        return f'<div class="explore-plots">{frames}</div>'

    def caption_html(self):
        return f"<figcaption>{draw.fill(self.caption, _state(self.words))}</figcaption>"

    def html(self):
        """The experiment for a page without a kernel: no id, order or number in it is random."""
        plots, summary, table = self.pieces(self.start)
        spec = {
            "id": self.id,
            "controls": [control.spec() for control in self.controls],
            "outputs": self.table.spec(),
            "words": self.words,
            "plots": self.plots,
            "summary": self.summary,
            "table": self.details,
        }
        data = json.dumps(spec, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
        # Known to the page by the experiment's id, before the script that calls it.
        own = f'<script>(globalThis.exploreFunctions ??= {{}})["{self.id}"] =\n{self.script}</script>'
        return (
            f'<figure class="explore" data-explore-id="{self.id}"><style>{STYLE}</style>'
            # Hidden and disabled until the script runs: a control that does nothing would mislead, also in an
            # untrusted notebook, where only the second attribute survives.
            '<div class="explore-controls" hidden>'
            f"{''.join(map(_control_html, self.controls))}</div>"
            f'<output aria-live="polite">{summary}</output>{self.plots_html(plots)}'
            "<details><summary>The numbers behind it</summary>"
            '<div class="explore-table" tabindex="0" role="region" aria-label="The numbers behind it">'
            f"{table}</div></details>{self.caption_html()}"
            f'<script type="application/json">{data}</script></figure>'
            f"{own if self.script else ''}<script>{SCRIPT}</script>"
        )

    def widget(self):
        """The experiment for a running kernel, made of ipywidgets that versions 7.7 and 8 both have."""
        from .live import live  # ipywidgets are needed where a kernel shows the figure, not to make the page

        return live(self.here or self)

    def _repr_mimebundle_(self, include=None, exclude=None):
        model = {"version_major": 2, "version_minor": 0, "model_id": self.widget().model_id}
        text = f"Explorable figure {self.id!r}: {', '.join(control.label for control in self.controls)}"
        return {
            "application/vnd.jupyter.widget-view+json": model,
            "text/html": self.html(),
            "text/plain": text,
        }


def _state(values):
    """The look-up that drawing needs: a name to its value, a number to itself."""

    def state(name):
        if not isinstance(name, str):
            return name
        if name not in values:
            raise ExploreError(f"the figure names {name!r}, which no control, output or word is called here")
        return values[name]

    return state


DRAG = ("", " data-drag", ' data-drag="xy"')  # by the number of sliders that a pointer on a plot moves

# Without the last, JupyterLab would take a slider's arrow keys for its own.
FIELD = 'autocomplete="off" disabled data-lm-suppress-shortcuts="true"'


def _control_html(control):
    name, label = escape(control.name), escape(control.label)
    if isinstance(control, Choice):
        options = "".join(
            f"<option{' selected' if option == control.start else ''}>{escape(option)}</option>"
            for option in control.options
        )
        field = f'<select name="{name}" {FIELD}>{options}</select>'
        return f'<label class="explore-choice"><span>{label}</span>{field}</label>'
    reading = escape(f"{draw.fixed(control.start, control.digits)} {control.unit}".strip())
    field = (
        f'<input type="range" name="{name}" min="{control.low}" max="{control.high}" step="{control.step}" '
        f'value="{control.start}" aria-valuetext="{reading}" {FIELD}>'
    )
    # The reading is no part of the name: a screen reader has it as the value.
    label = f'{label} <b class="explore-reading" aria-hidden="true">{reading}</b>'
    return f'<label class="explore-slider"><span>{label}</span>{field}</label>'


_claimed = {}


def _claim(id):
    """Refuse a second experiment of the same id in one kernel, but let a cell be run again."""
    ipython = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if ipython is None or "google.colab" in sys.modules:
        return  # no page in the making, or a front end that does not say which cell is running
    parent = getattr(ipython, "get_parent", dict)()
    # A cell is known by the name that JupyterLab gives it, so its code may be edited, or by its code: nbclient
    # and nbval give no name, and a notebook opened anew has new ones.
    cells = {parent.get("metadata", {}).get("cellId"), ipython.user_ns.get("In", [""])[-1]} - {None}
    run, known = _claimed.get(id, (None, cells))
    if run == ipython.execution_count or not known & cells:
        raise ExploreError(
            f"this kernel already has an experiment with id {id!r}: give this one another "
            "(or restart the kernel, if this is the same cell with its code changed)"
        )
    _claimed[id] = (ipython.execution_count, cells)
