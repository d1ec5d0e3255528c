"""Explorable figures: one pure function and its controls, live with a kernel and as HTML without one.

Finished experiments are in `gallery`. `Experiment` with `Choice`, `Slider` and the marks of `draw` is what they are
made of, and what the next one is made of.
"""

from . import draw
from .controls import Choice, ExploreError, Slider
from .experiment import Experiment

__all__ = ["Choice", "Experiment", "ExploreError", "Slider", "draw"]
