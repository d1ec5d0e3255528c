"""Experiment: where the draws of a Gaussian lie, and why its mode is not among them."""

import math

import numpy as np
from scipy import special, stats

from likelab.explore import Choice, Experiment, draw

BINS = 60
REACH = 2.5  # of the axis, in units of √d
DIMENSIONS = (1, 2, 3, 5, 10, 30, 100, 300, 1000, 3072)


def shell(marks=None, id="shell") -> Experiment:
    """Draws of a standard normal in d dimensions: how far from the mode do they lie?

    marks: {name: typical ‖z‖ / √d} of image sets, drawn as labelled lines. Returns an Experiment.
    """
    marks = marks or {}
    edges = np.linspace(0, REACH, BINS + 1)

    def distances(d):
        d = int(d.replace(",", ""))
        norm = stats.chi(d)
        below = norm.cdf(edges * math.sqrt(d))
        share = np.round(100 * np.diff(below), 2)
        return {
            "share": share,
            "top": round(float(share.max()) * 1.15, 2),
            "edges": np.round(edges[:-1], 3),
            "mean": round(float(norm.mean()), 2),
            "spread": round(float(norm.std()), 2),
            "ratio": round(d / 2 / math.log(10), 1),
            "half": in_words(log_share_within(d, 0.5) / math.log(10)),
        }

    axis = draw.axis(
        0, REACH, "distance from the mode, in units of √d", [(x, f"{x:g}") for x in (0, 0.5, 1, 1.5, 2, 2.5)]
    )
    panel = draw.panel((8, 40, 350, 160), axis, draw.axis(0, "top"), [draw.bars("share", "inside")])
    for k, (name, at) in enumerate(marks.items()):
        panel["marks"] += [draw.rule(at), draw.label(name, at, "top", "start", "quiet", (5, -8 + 15 * (k % 2)))]
    return Experiment(
        id,
        distances,
        [Choice("d", "Dimensions d", tuple(f"{d:,}" for d in DIMENSIONS), "3")],
        [
            draw.plot(
                "Where draws of a standard normal in {d} dimensions lie",
                "Histogram of the distance of a draw from the mode, in units of the square root of d; the more "
                "dimensions, the narrower the histogram around 1.",
                (366, 240),
                [panel],
            )
        ],
        summary="In {d} dimensions a draw lies {mean:2} ± {spread:2} from the mode. The density at the mode is "
        "10 to the power {ratio:1} times that of a typical draw. Share of draws closer than half of √d: {half}.",
        table={
            "caption": "d = {d}: draws in each bar",
            "columns": [["From (in √d)", "edges", 3], ["Share of draws, %", "share", 2]],
        },
        caption="Exact, from the χ distribution; nothing is drawn.",
    )


def log_share_within(d, part) -> float:
    """log P(‖z‖ < part · √d) for a standard normal in d dimensions, also where it is below the smallest float."""
    a, x = d / 2, d * part**2 / 2  # ‖z‖²/2 follows a gamma distribution
    return a * math.log(x) - x - math.lgamma(a + 1) + math.log(special.hyp1f1(1, a + 1, x))


def in_words(exponent) -> str:
    """The share 10**exponent as "12 %" or "1 in 10 to the power 40"."""
    share = 10.0**exponent
    return draw.percent(share) if share >= 0.005 else f"one in 10 to the power {draw.fixed(-exponent, 0)}"
