"""Write book/landing.html, the figure of the first page: a Glow's bits per dimension, and a threshold that moves.

    python -m tools.website.landing

It is chapter 07's experiment of the one model, from the scores in the bank. The site is built without torch, so the
figure is stored; a test makes it anew and compares. book/_static/landing.js moves it.
"""

from likelab import bank, files
from likelab.explore.experiment import SCRIPT, STYLE
from likelab.explore.gallery.threshold import threshold
from tools.chapter import chapters

PATH = chapters.BOOK / "landing.html"


def figure() -> str:
    """The figure as HTML."""
    scores, data = bank.stored("glow"), bank.card("glow")["data"]
    experiment = threshold(
        {"Glow": (scores["inside"], scores["outside"])}, "photographs", "house numbers", id="landing"
    )
    experiment.plots = experiment.plots[:1]  # without the ROC curve
    experiment.summary = (
        "A threshold of {threshold:2} bits turns away {inside_away:%} of the photographs and {outside_away:%} of the "
        "house numbers."
    )
    experiment.caption = f"A Glow. Photographs: {data['inside']}. House numbers: {data['outside']}."
    return experiment.html().replace(STYLE, "").replace(SCRIPT, "") + "\n"  # the site adds its own (extension.py)


if __name__ == "__main__":
    files.write(PATH, figure())
