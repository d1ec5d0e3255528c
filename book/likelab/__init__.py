"""The book's small library ("likelihood lab"): data, units, training, figures, and the models its chapters build."""

__version__ = "0.1.0"
