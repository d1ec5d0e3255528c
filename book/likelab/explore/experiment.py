"""What an experiment is: a pure function, its controls, and how a page or a kernel shows it."""

import json
import re
import sys
from html import escape
from pathlib import Path

from . import draw
from .controls import Choice, ExploreError
from .table import Computed, Table

MAX_BYTES = 60_000  # of HTML for one experiment, script and style sheet included

HERE = Path(__file__).parent
SCRIPT = (HERE / "explore.js").read_text("utf-8")
STYLE = (HERE / "explore.css").read_text("utf-8")


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
    def start(self) -> dict:
        """The settings at first."""
        return {control.name: control.start for control in self.controls}

    def pieces(self, settings, outputs=None) -> tuple[list, str, str]:
        """What changes with the settings, drawn: [(title, svg) …], summary and table, all HTML.

        outputs: the function's result at these settings; without it, what the table has stored.
        """
        state = draw.lookup(self.words | settings | (self.table.at(settings) if outputs is None else outputs))

        def along(output, control):
            return self.table.along(output, control, settings)

        plots = [
            (draw.fill(plot["title"], state), draw.plot_svg(plot, f"explore-{self.id}-{i}", state, along))
            for i, plot in enumerate(self.plots)
        ]
        return plots, draw.fill(self.summary, state), draw.table_html(self.details, state)

    def plots_html(self, plots) -> str:
        """The plots' frame around the titles and drawings that `pieces` gives."""
        frames = ""
        for plot, (title, svg) in zip(self.plots, plots, strict=True):
            alt = draw.fill(plot["alt"], draw.lookup(self.words))
            frames += (
                f'<div class="explore-plot" style="--w:{plot["width"]}">'
                f'<div class="explore-title">{title}</div>'
                f'<svg viewBox="0 0 {plot["width"]} {plot["height"]}" role="img" aria-label="{alt}"'
                f"{DRAG[len(plot['drag'] or ())]}>{svg}</svg></div>"
            )
        return f'<div class="explore-plots">{frames}</div>'

    def caption_html(self) -> str:
        """The caption, filled in."""
        return f"<figcaption>{draw.fill(self.caption, draw.lookup(self.words))}</figcaption>"

    def html(self) -> str:
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

    def widget(self) -> object:
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
