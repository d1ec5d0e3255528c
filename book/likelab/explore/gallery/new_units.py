"""Experiment: give a line new units, bit by bit, and watch which of its places are the likely ones."""

import math

import numpy as np
from scipy import special

from likelab.explore import Choice, Experiment, Slider, draw

HALF = 4.0  # of the line that is shown; what lies beyond of either set is below one in 10,000
BINS = 30
FINE = np.linspace(-HALF, HALF, 4_001)
TARGETS = {  # what the density is to be in the end: log M at places x, nats, up to a constant
    "the opposite of what it was": lambda x: x**2 / 2,
    "the same everywhere": lambda x: np.zeros_like(x),
    "higher to the right": lambda x: 1.5 * x,
    "higher to the left": lambda x: -1.5 * x,
}
OUTSIDE = {"in the middle": (0.0, 0.4), "to the right": (1.2, 0.4)}  # mean and width


def new_units(caption="", id="new-units") -> Experiment:
    """Drag a line from its old units to new ones; the inside set has N(0, 1), the outside set is narrower.

    Exact, but for sums in place of integrals. caption: added to the figure's own. Returns an Experiment.
    """
    old = {"inside_old": _heights(FINE, 0, 1)} | {name: _heights(FINE, *OUTSIDE[name]) for name in OUTSIDE}

    def turn(part, target, outside):
        places = units(part, target)
        after = _heights(places, 0, 1), _heights(places, *OUTSIDE[outside])
        return {
            "inside_old": old["inside_old"],
            "outside_old": old[outside],
            "inside_new": after[0],
            "outside_new": after[1],
            "top": round(1.1 * float(after[0].max()), 3),
            "outside_top": round(1.1 * float(after[1].max()), 3),
            "bins": list(range(1, BINS + 1)),
            "at": part,
            "auroc": round(outside_found(part, target, outside), 3),
        }

    old_axis = draw.axis(-HALF, HALF, "place, in the old units", draw.nice_ticks(-HALF, HALF))
    new_axis = draw.axis(-1, 1, "place, in the new units", [(-1, "−1"), (0, "0"), (1, "1")])
    parts = draw.axis(0, 1, "how far the units have changed", [(0, "0"), (0.5, "½"), (1, "1")])
    share = draw.axis(0, 1, "AUROC", [(0, "0"), (0.5, "½"), (1, "1")])

    def rows(top, axis, inside, outside):
        quiet = axis | {"label": "", "ticks": []}
        return [
            draw.panel((16, top, 336, 56), quiet, draw.axis(0, inside[1]), [draw.bars(inside[0], "inside")]),
            draw.panel((16, top + 62, 336, 40), axis, draw.axis(0, outside[1]), [draw.bars(outside[0], "outside")]),
        ]

    return Experiment(
        id,
        turn,
        [
            Slider("part", "How far the units have changed", 0, 1, 0.1, 0, ""),
            Choice("target", "In the end the density is", tuple(TARGETS), next(iter(TARGETS))),
            Choice("outside", "The outside set lies", tuple(OUTSIDE), next(iter(OUTSIDE))),
        ],
        [
            draw.plot(
                "The same two sets, in old and in new units",
                "Four rows of bars. In the old units the inside set is a wide hump, and the outside set a narrow one. "
                "Below, the same two sets in the new units, in which some stretches of the line have become long and "
                "others short.",
                (366, 320),
                [
                    *rows(8, old_axis, ("inside_old", 0.44), ("outside_old", 1.1)),
                    *rows(164, new_axis, ("inside_new", "top"), ("outside_new", "outside_top")),
                ],
            ),
            draw.plot(
                "Outside scores higher: AUROC {auroc:2}",
                "A curve of the AUROC of the density's own score against how far the units have changed, with a line "
                "at one half, which is chance.",
                (330, 320),
                [
                    draw.panel(
                        (62, 14, 252, 246),
                        parts,
                        share,
                        [
                            draw.line((0, 0.5), (1, 0.5)),
                            draw.trace("at", "auroc", "part"),
                            draw.point("part", "auroc"),
                        ],
                    )
                ],
                drag="part",
            ),
        ],
        summary="Units changed by {part:1} of the way to a density that is {target}; outside set {outside}: an outside "
        "point scores higher than an inside point with probability {auroc:3}.",
        table={
            "caption": "Height of each bar, in the new units",
            "columns": [
                ["Bar, from the left", "bins", 0],
                ["Inside", "inside_new", 2],
                ["Outside", "outside_new", 2],
            ],
        },
        caption="The score of a point is −log of the true density of the inside set, in the units in use. Inside: "
        "mean 0, width 1. Each row of bars has its own scale. {caption}",
        words={"caption": caption},
    )


def log_density(part, target) -> np.ndarray:
    """log of the inside set's density in the new units, nats up to a constant, at the places FINE: (N,)."""
    return -(1 - part) * FINE**2 / 2 + part * TARGETS[target](FINE)


def units(part, target) -> np.ndarray:
    """The new coordinate of the places FINE, from −1 to 1: (N,). Its derivative is old density over new."""
    log_slope = -(FINE**2) / 2 - log_density(part, target)
    slope = np.exp(log_slope - log_slope.max())
    length = np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2)])
    return 2 * length / length[-1] - 1


def outside_found(part, target, outside) -> float:
    """AUROC of −log density in the new units: P(an outside point scores higher), ties count half."""
    score = np.round(-log_density(part, target), 9)
    inside, outside = (_masses(FINE, FINE, *at) for at in ((0, 1), OUTSIDE[outside]))
    levels, at = np.unique(score, return_inverse=True)
    mass = np.bincount(at, inside, len(levels))
    below = np.cumsum(mass) - mass / 2
    return float((outside * below[at]).sum())


def _masses(places, edges, mean, width):
    """Mass of N(mean, width²) about each of the places, half-way to its neighbours; it sums to 1."""
    between = np.concatenate([[-math.inf], (edges[1:] + edges[:-1]) / 2, [math.inf]])
    return np.diff(special.ndtr((between - mean) / width))


def _heights(places, mean, width):
    """Density of N(mean, width²) in BINS equal bars over the range of `places`, the coordinates of FINE."""
    edges = np.linspace(places[0], places[-1], BINS + 1)
    within = special.ndtr((np.interp(edges, places, FINE) - mean) / width)
    return np.round(np.diff(within) / (edges[1] - edges[0]), 2)
