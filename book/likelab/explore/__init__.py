"""Explorable figures: one pure function and its controls, live with a kernel and as HTML without one.

`threshold` is a finished experiment. `Experiment` with `Choice`, `Slider` and the marks of `draw` is what it
is made of, and what the next one is made of.
"""

from .core import Choice, Experiment, ExploreError, Slider
from .experiments import threshold

__all__ = ["Choice", "Experiment", "ExploreError", "Slider", "threshold"]
