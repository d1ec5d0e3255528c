"""Experiment: what one pixel costs under a discretised logistic, and what a flow would report."""

from pathlib import Path

import numpy as np

from likelab.explore import Choice, Experiment, Slider, draw

SCALES = ("0.0625", "0.125", "0.25", "0.5", "1", "2", "4", "8", "16", "32", "64")
CEILING = 24  # bits; dearer levels leave the picture
ROOM = 1.15  # of the probabilities' panel over its peak
PART = 100  # points of the density in the interval of one grey level


def ruler(value=148, location=128, scale="16", id="ruler") -> Experiment:
    """Move a pixel's value and a model's expectation of it, and read the bits: exact, and as a flow reports them.

    The model is a logistic cut into 256 levels, the lowest and the highest collecting what lies beyond; as a
    density on the scale 0 to 256 its location is the middle of a level's interval. Returns an Experiment.
    """
    level = "grey level"
    return Experiment(
        id,
        read,
        [
            Slider("value", "Value of the pixel", 0, 255, 1, value),
            Slider("location", "Location μ", 0, 255, 1, location),
            Choice("scale", "Scale s, in grey levels", SCALES, scale),
        ],
        [_levels(level), _interval()],
        summary="Value {value:0} with location {location:0} and scale {scale} costs {bits:2} bits, {saved:2} {verdict} "
        "than the 8 of ignorance. A flow with this density reports {reported:2} bits: the bound loses {loss:2}.",
        table={
            "caption": "Grey levels around the pixel; location {location:0}, scale {scale}",
            "columns": [["Grey level", "row", 0], ["Probability", "row_chance", 6], ["Bits", "row_bits", 2]],
        },
        caption="A discretised logistic. Levels 0 and 255 collect what lies beyond, which the integral over the pixel "
        f"leaves out, and may leave the upper panel, as levels that cost more than {CEILING} bits leave the lower one. "
        "The density is drawn as a share of its highest value over the pixel.",
        script=Path(__file__).with_suffix(".js").read_text("utf-8"),
    )


def read(value, location, scale) -> dict:
    """The outputs of the experiment at one setting; `ruler.js` computes the same."""
    s = float(scale)
    log_mass, log_integral = log_masses(location, s), log_masses(location, s, tails=False)
    x = value - 1 + (np.arange(3 * PART) + 0.5) / PART
    log_p = log_density(x, location, s)
    bound, highest = log_p[PART:-PART].mean(), log_p[PART:-PART].max()
    near = np.array([log_integral[v] if 0 <= v <= 255 else -np.inf for v in (value - 1, value, value + 1)])
    row = min(max(value - 8, 0), 239) + np.arange(17)
    chance, costs = np.exp(log_mass), -log_mass / np.log(2)
    bits, integral, reported = costs[value], -log_integral[value] / np.log(2), -bound / np.log(2)
    top = ROOM * chance[location]
    return {
        "chance": chance,
        "peak": chance[location],
        "top": top,
        "chances": np.minimum(chance, top),
        "costs": np.minimum(costs, CEILING),
        "bits": bits,
        "height": min(bits, CEILING),
        "p": chance[value],
        "off": abs(value - location),
        "saved": abs(8 - bits),
        "verdict": "fewer" if bits <= 8 else "more",
        # of the density over three grey levels, as shares of its highest value over the middle one
        "x": x,
        "density": np.exp(log_p - highest),
        "masses": np.minimum(np.exp(near - highest), 1.2),
        "bounds": [0, np.exp(bound - highest), 0],
        "reported": reported,
        "integral": integral,
        "loss": reported - integral,
        "from": value - 1,
        "next": value + 1,
        "end": value + 2,
        "row": row,
        "row_chance": chance[row],
        "row_bits": costs[row],
    }


def log_sigmoid(x) -> np.ndarray:
    """log σ(x), exact in both tails."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def log_masses(location, s, tails=True) -> np.ndarray:
    """log P of the 256 grey levels in nats, (256,). Salimans et al. 2017, eq. 2, on the scale 0 to 255.

    tails: whether the lowest and the highest level collect what lies beyond, as there; else all are as wide.
    """
    levels = np.arange(256.0)
    upper, lower = (levels + 0.5 - location) / s, (levels - 0.5 - location) / s
    if tails:
        upper[-1], lower[0] = np.inf, -np.inf
    return log_sigmoid(upper) + log_sigmoid(-lower) + np.log(-np.expm1(lower - upper))


def log_density(y, location, s) -> np.ndarray:
    """log p(y) of the logistic on the scale 0 to 256, where level v has the interval [v, v + 1)."""
    z = (y - location - 0.5) / s
    return log_sigmoid(z) + log_sigmoid(-z) - np.log(s)


def _levels(level):
    ticks = [(v, str(v)) for v in (0, 64, 128, 192, 255)]
    bits = [(b, str(b)) for b in range(0, CEILING + 1, 8)]
    upper = [
        draw.bars("chances", "inside"),
        draw.rule("value"),
        draw.grip("value"),
        draw.label("probability of each grey level", 0, "top", "start", "inside name", (0, -22)),
        draw.label("{p:%}", "value", "top", "start", "", (12, -2), room=80),
    ]
    lower = [
        draw.bars("costs", "outside"),
        draw.line((-0.5, 8), (255.5, 8)),
        draw.rule("value"),
        draw.point("value", "height"),
        draw.label("what it costs, in bits", 0, CEILING, "start", "outside name", (0, -10)),
    ]
    return draw.plot(
        "Value {value:0}: {bits:2} bits",
        "Two rows of bars over the grey levels 0 to 255: the probabilities, a bell at the location, and below them the "
        "bits that each level costs, a valley at the same place with walls that rise without end; a line marks the "
        "pixel's value, a dashed line the 8 bits of ignorance.",
        (420, 330),
        [
            draw.panel(
                (52, 42, 352, 92), draw.axis(-0.5, 255.5), draw.axis(0, "top", "", [("peak", "{peak:4}")]), upper
            ),
            draw.panel(
                (52, 170, 352, 116), draw.axis(-0.5, 255.5, level, ticks), draw.axis(0, CEILING, "", bits), lower
            ),
        ],
        drag="value",
    )


def _interval():
    marks = [
        draw.bars("bounds", "outside"),
        draw.bars("masses", "inside"),
        draw.curve("x", "density"),
        draw.label("the integral over the pixel: {integral:2} bits", "from", 1.2, "start", "inside name", (0, -25)),
        draw.label("exp of the mean of log p: {reported:2} bits", "from", 1.2, "start", "outside name", (0, -8)),
    ]
    x = draw.axis("from", "end", "value plus noise, y = x + u", [("value", "{value:0}"), ("next", "{next:0}")])
    return draw.plot(
        "The bound loses {loss:2} bits",
        "A density curve over three grey levels, the pixel's in the middle; behind it the mean density over each level "
        "as a bar; over the pixel's level a second, lower bar shows the exponential of the mean of the log-density.",
        (300, 330),
        [draw.panel((10, 42, 280, 244), x, draw.axis(0, 1.2), marks)],
    )
