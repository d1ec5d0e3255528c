"""The book's small library ("likelihood lab"): data, units, training, figures, and the models its chapters build."""

import warnings

__version__ = "0.1.0"

if not __debug__:
    warnings.warn(
        "Python was started with -O or PYTHONOPTIMIZE, which drops every `assert`: the checks of the chapters check "
        "nothing. Unset it, and start anew.",
        stacklevel=2,
    )
