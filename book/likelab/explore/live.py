"""The experiment with a kernel: ipywidgets whose every change calls the author's function."""

import ipywidgets as widgets

from .controls import Choice
from .experiment import STYLE


def live(experiment) -> widgets.VBox:
    """Controls and figure of an Experiment in one box; box.controls maps their names to the widgets."""
    wide = {"description_width": "initial"}
    controls = {}
    for control in experiment.controls:
        if isinstance(control, Choice):
            controls[control.name] = widgets.Dropdown(
                options=control.settings, value=control.start, description=control.label, style=wide
            )
        else:
            controls[control.name] = widgets.FloatSlider(
                value=control.start,
                min=control.low,
                max=control.high,
                step=control.step,
                description=f"{control.label} ({control.unit})" if control.unit else control.label,
                readout_format=f".{control.digits}f",
                style=wide,
                layout=widgets.Layout(width="min(100%, 34rem)"),
            )
    summary, plots, table = widgets.HTML(), widgets.HTML(), widgets.HTML()

    def show(_=None):
        settings = {
            control.name: value if isinstance(control, Choice) else control.snap(value)
            for control in experiment.controls
            for value in [controls[control.name].value]
        }
        drawn, words, numbers = experiment.pieces(settings, experiment.function(**settings))
        summary.value, plots.value = f"<output>{words}</output>", experiment.plots_html(drawn)
        table.value = (
            '<details><summary>The numbers behind it</summary><div class="explore-table">'
            f"{numbers}</div></details>{experiment.caption_html()}"
        )

    for control in controls.values():
        control.observe(show, names="value")
    show()
    style = widgets.HTML(f"<style>{STYLE}</style>")
    box = widgets.VBox([style, *controls.values(), summary, plots, table])
    box.add_class("explore")
    box.controls = controls
    return box
