"""Explorable figures: one pure function and its controls, live with a kernel and as HTML without one.

`threshold`, `shell`, `terms`, `variances`, `dials`, `ruler` and `receptive_field` are finished experiments,
each in a module of its own. `Experiment` with `Choice`, `Slider` and the marks of `draw` is what they are made of,
and what the next one is made of.
"""

from .core import Choice, Experiment, ExploreError, Slider
from .dials import dials
from .receptive import receptive_field
from .ruler import ruler
from .shell import shell
from .terms import Costs, terms
from .threshold import threshold
from .variances import CHANNELS, variances

__all__ = [
    "CHANNELS",
    "Choice",
    "Costs",
    "Experiment",
    "ExploreError",
    "Slider",
    "dials",
    "receptive_field",
    "ruler",
    "shell",
    "terms",
    "threshold",
    "variances",
]
