"""Explorable figures: one pure function and its controls, live with a kernel and as HTML without one.

Finished experiments stand in modules of their own, `threshold`, `shell` and so on. `Experiment` with `Choice`, `Slider`
and the marks of `draw` is what they are made of, and what the next one is made of.
"""

from .core import Choice, Experiment, ExploreError, Slider
from .dials import dials
from .receptive import receptive_field
from .ruler import ruler
from .shell import shell
from .terms import Costs, terms
from .threshold import threshold
from .variances import variances
from .walk import latent_walk
from .warp import warp

__all__ = [
    "Choice",
    "Costs",
    "Experiment",
    "ExploreError",
    "Slider",
    "dials",
    "latent_walk",
    "receptive_field",
    "ruler",
    "shell",
    "terms",
    "threshold",
    "variances",
    "warp",
]
