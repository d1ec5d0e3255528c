"""Experiment: data and samples on a line, what the best discriminator says of them, and where it sends the samples."""

import numpy as np

from likelab.explore import Choice, Experiment, Slider, draw

REACH = 6.0  # of the line that is shown
BINS = 40
WIDTHS = ("0.5", "1", "2")
MIDDLES = REACH * ((2 * np.arange(BINS) + 1) / BINS - 1)
FINE = np.linspace(-30, 30, 12_001)  # of the integrals; a hundredth of the narrowest density's width apart


def two_densities(caption="", id="two-densities") -> Experiment:
    """Move samples along a line on which the data have N(0, 1): best discriminator, its value, the samples' push.

    Exact, but for sums in place of integrals. caption: added to the figure's own. Returns an Experiment.
    """

    def game(centre, width):
        found = measure(centre, float(width))
        heights = [np.round(np.exp(log_normal(MIDDLES, *at)), 3) for at in ((0, 1), (centre, float(width)))]
        best = np.round(best_discriminator(MIDDLES, centre, float(width)), 2)
        return {
            "middles": np.round(MIDDLES, 2),
            "data": heights[0],
            "samples": heights[1],
            "best": best,
            "top": 0.9 if width == "0.5" else 0.46,
            "at": centre,
            "divergence": round(found["divergence"] / np.log(2), 3),
            "hinge": round(found["hinge"], 2),
            "saturating": round(found["saturating"], 3),
            "not_saturating": round(found["non-saturating"], 3),
            "saturating_text": draw.signed(found["saturating"]),
            "not_saturating_text": draw.signed(found["non-saturating"]),
        }

    line = draw.axis(-REACH, REACH, "place on the line", draw.nice_ticks(-REACH, REACH))
    centre = draw.rule("centre")
    densities = [draw.bars("data", "inside"), draw.bars("samples", "outside"), centre]
    half = draw.line((-REACH, 0.5), (REACH, 0.5))
    share = draw.axis(0, 1, "best D", [(0, "0"), (0.5, "½"), (1, "1")])
    centres = draw.axis(-4, 4, "centre of the samples", draw.nice_ticks(-4, 4))
    push = draw.axis(-5, 5, "push on the samples", draw.nice_ticks(-4, 4))
    marks = [
        draw.line((-4, 0), (4, 0)),
        centre,
        draw.trace("at", "saturating", "centre"),
        draw.trace("at", "not_saturating", "centre", "dashed"),
        draw.point("centre", "saturating"),
        draw.label("solid: saturating, log(1 − D)", -4, -5, "start", "quiet", (6, -24)),
        draw.label("dashed: non-saturating, −log D", -4, -5, "start", "quiet", (6, -8)),
    ]
    return Experiment(
        id,
        game,
        [
            Slider("centre", "Centre of the samples", -4, 4, 0.5, 3, ""),
            Choice("width", "Width of the samples", WIDTHS, "1"),
        ],
        [
            draw.plot(
                "Data (blue), samples (orange), and the best D",
                "Above, two densities on a line: the data's stays, the samples' moves. Below, the best discriminator: "
                "near one where only data are, near zero where only samples are, one half where both are as dense.",
                (420, 290),
                [
                    draw.panel((62, 14, 344, 100), draw.axis(-REACH, REACH), draw.axis(0, "top", "density"), densities),
                    draw.panel((62, 134, 344, 100), line, share, [half, centre, draw.curve("middles", "best")]),
                ],
                drag="centre",
            ),
            draw.plot(
                "The samples' push: {saturating_text} and {not_saturating_text}",
                "Two curves of the push on the samples against their centre. Dashed, non-saturating: the further away "
                "the samples are, the harder it sends them back. Solid, saturating: strongest at a middle distance, "
                "and nearly nothing far away.",
                (420, 290),
                [draw.panel((62, 14, 344, 220), centres, push, marks)],
                drag="centre",
            ),
        ],
        summary="Samples at {centre:1}, width {width}: Jensen–Shannon divergence {divergence:3} bits of at most 1; the "
        "hinge loss cannot go below {hinge:2} of 2. Push on the samples: {saturating_text} saturating, "
        "{not_saturating_text} non-saturating.",
        table={
            "caption": "Samples at {centre:1}, width {width}",
            "columns": [
                ["Place", "middles", 2],
                ["Density of data", "data", 3],
                ["Density of samples", "samples", 3],
                ["Best D", "best", 2],
            ],
        },
        caption="The data have mean 0 and width 1. The push is the force on the centre of the samples, with the best D "
        "held fixed: minus the derivative of the generator's loss; below zero it points to the left. {caption}",
        words={"caption": caption},
    )


def log_normal(x, mean, width) -> np.ndarray:
    """log N(x; mean, width²) in nats, shaped like x."""
    return -0.5 * ((x - mean) / width) ** 2 - np.log(width * np.sqrt(2 * np.pi))


def best_discriminator(x, centre, width) -> np.ndarray:
    """p/(p + q) at x, for data N(0, 1) and samples N(centre, width²). Goodfellow et al. 2014, proposition 1."""
    return 1 / (1 + np.exp(log_normal(x, centre, width) - log_normal(x, 0, 1)))


def measure(centre, width) -> dict:
    """What the game is worth at its best discriminator, and how it pushes the centre of the samples.

    Returns {"divergence": Jensen-Shannon, nats; "hinge": least hinge loss, 2 ∫ min(p, q); "saturating",
    "non-saturating": minus the derivative of the generator's loss by the samples' centre, D held fixed}.
    """
    log_p, log_q = log_normal(FINE, 0, 1), log_normal(FINE, centre, width)
    p, q, step = np.exp(log_p), np.exp(log_q), FINE[1] - FINE[0]
    log_mean = np.logaddexp(log_p, log_q) - np.log(2)
    best = np.exp(log_p - np.log(2) - log_mean)
    slope = (FINE - centre) / width**2 - FINE  # of log p − log q
    return {
        "divergence": float(step * (p * (log_p - log_mean) + q * (log_q - log_mean)).sum() / 2),
        "hinge": float(step * 2 * np.minimum(p, q).sum()),
        "saturating": float(step * (q * best * slope).sum()),
        "non-saturating": float(step * (q * (1 - best) * slope).sum()),
    }
