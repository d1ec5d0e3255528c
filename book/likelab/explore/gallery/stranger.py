"""Experiment: three classes in the plane and a stranger: what the softmax says of it, and what the density says."""

import math
from pathlib import Path

import numpy as np

from likelab.explore import Choice, Experiment, Slider, draw

NAMES = ("A", "B", "C")
CENTRES = ((0.0, 3.2), (-2.771, -1.6), (2.771, -1.6))  # of three equally frequent classes, on a circle
SPREAD = 0.8  # their standard deviation in every direction
HALF = 6  # of the side of the square that is shown
LOWEST = -42  # nats; the density's axis begins there
CELLS = 60  # of the density's picture, a side
REJECTED = ("1 %", "5 %", "20 %")  # of the classes' own points


def stranger(x=3.0, y=2.5, reject="5 %", id="stranger") -> Experiment:
    """Move a point through a plane with three classes; read the exact posterior of the classes, and the density.

    Returns an Experiment.
    """
    return Experiment(
        id,
        judge,
        [
            Slider("x", "Stranger, to the right", -HALF, HALF, 0.1, x),
            Slider("y", "Stranger, upwards", -HALF, HALF, 0.1, y),
            Choice("reject", "Threshold rejects, of the classes' own points,", REJECTED, reject),
        ],
        [_plane(), _softmax(), _density()],
        summary="Softmax is {sure:%} sure that the stranger is of class {favourite}. Its log-density is {log_p:1} "
        "nats, {side} the threshold of {limit:1}: the density {verdict} it.",
        table={
            "caption": "The stranger at ({x:1}, {y:1})",
            "columns": [
                ["Class", "names", None],
                ["Its probability", "shares", 3],
                ["Standard deviations away", "away", 1],
            ],
        },
        caption="Three Gaussian classes, equally frequent. The probabilities are the exact posterior, by Bayes' rule: "
        "no network is better. Circles: where the density is at the threshold. Dashed: where two classes are equally "
        "probable. Dots: 40 points of each class.",
        words={"names": list(NAMES), "shade": _picture()}
        | dict(zip(("points_x", "points_y"), _points().T.tolist(), strict=True)),
        script=Path(__file__).with_suffix(".js").read_text("utf-8"),
    )


def judge(x, y, reject) -> dict:
    """The outputs of the experiment at one setting; `stranger.js` computes the same. Densities in nats."""
    away = np.hypot(*(np.array([x, y]) - CENTRES).T) / SPREAD
    log_joint = log_peak() - away**2 / 2
    log_p = float(np.logaddexp.reduce(log_joint))
    shares = np.exp(log_joint - log_p)
    share = int(reject[:-2]) / 100
    limit = log_peak() + math.log(share)
    radius = draw.fixed(SPREAD * math.sqrt(-2 * math.log(share)), 3)
    turn = f"a{radius} {radius} 0 1 0"
    twice = draw.fixed(2 * float(radius), 3)
    circles = "".join(
        f"M{draw.fixed(a - float(radius), 3)} {draw.fixed(b, 3)}{turn} {twice} 0{turn} -{twice} 0" for a, b in CENTRES
    )
    return {
        "shares": shares,
        "sure": shares.max(),
        "favourite": NAMES[int(shares.argmax())],
        "away": away,
        "log_p": log_p,
        "limit": limit,
        "side": "above" if log_p >= limit else "below",
        "verdict": "accepts" if log_p >= limit else "rejects",
        "circles": circles,
    }


def log_peak() -> float:
    """log of one class's share of the density at its centre, in nats. -> a number."""
    return -math.log(3 * 2 * math.pi * SPREAD**2)


def log_density(points) -> np.ndarray:
    """log p of points (N, 2) in nats: (N,)."""
    squares = ((np.asarray(points)[:, None] - CENTRES) ** 2).sum(2) / SPREAD**2
    return np.logaddexp.reduce(log_peak() - squares / 2, axis=1)


def _points():
    noise = np.random.default_rng(0).standard_normal((3, 40, 2))
    return np.round((np.array(CENTRES)[:, None] + SPREAD * noise).reshape(-1, 2), 2)


def _picture():
    """The density as the opacity of one colour: it suits a light and a dark page."""
    middle = HALF * ((2 * np.arange(CELLS) + 1) / CELLS - 1)
    height = np.exp(log_density(np.stack(np.meshgrid(middle, middle[::-1]), -1).reshape(-1, 2)))
    pixels = np.empty((CELLS, CELLS, 4), np.uint8)
    pixels[...] = (0x3B, 0x6F, 0xB6, 0)
    pixels[..., 3] = np.round(200 / 16 * np.round(16 * height / height.max())).reshape(CELLS, CELLS)
    return draw.address(pixels)


def _plane():
    ticks = [(v, draw.fixed(v, 0)) for v in (-4, 0, 4)]
    axis = draw.axis(-HALF, HALF, "", ticks)
    opposite = [(-2 * a, -2 * b) for a, b in CENTRES]
    marks = [
        draw.picture("shade", -HALF, HALF, 2 * HALF, 2 * HALF),
        draw.dots("points_x", "points_y", "inside"),
        *(draw.line((0, 0), end) for end in opposite),
        draw.sketch("circles"),
        *(draw.label(name, a, b, "middle", "name", (0, 5)) for name, (a, b) in zip(NAMES, CENTRES, strict=True)),
        draw.point("x", "y"),
    ]
    return draw.plot(
        "The stranger, and three classes",
        "A square of the plane with three round clouds of points, A above, B below on the left and C below on the "
        "right, a circle around each, three dashed boundaries that meet in the middle, and a point that can be moved.",
        (322, 322),
        [draw.panel((28, 8, 286, 286), axis, axis, marks)],
        drag=("x", "y"),
    )


def _softmax():
    x = draw.axis(0, 3, "class", [(k + 0.5, name) for k, name in enumerate(NAMES)])
    y = draw.axis(0, 1.02, "probability", [(0, "0"), (0.5, "0.5"), (1, "1")])
    return draw.plot(
        "Softmax: {sure:%} sure of {favourite}",
        "Three bars, the probabilities of the classes at the stranger's place. They sum to one.",
        (230, 322),
        [draw.panel((48, 14, 168, 250), x, y, [draw.bars("shares", "inside")])],
    )


def _density():
    x = draw.axis(LOWEST, 0, "log p of the stranger, nats", [(v, draw.fixed(v, 0)) for v in (-40, -30, -20, -10, 0)])
    marks = [
        draw.band("limit"),
        draw.rule("limit"),
        draw.dot("log_p", 0.4),
        draw.label("accepted", 0, 1, "end", "quiet", (0, -6)),
        draw.label("rejected", LOWEST, 1, "start", "quiet", (0, -6)),
    ]
    return draw.plot(
        "Density: {verdict} it",
        "A line of log-densities with a threshold; right of it lies what is accepted. A ring shows the stranger.",
        (330, 134),
        [draw.panel((16, 24, 300, 60), x, draw.axis(0, 1), marks)],
    )
