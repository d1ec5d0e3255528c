"""Experiment: choose two anomaly scores, and see on which images they disagree."""

import numpy as np
from scipy import stats

from likelab import bits
from likelab.explore import Choice, Experiment, draw

ALARMS = 0.1  # share of the inside images that each score may flag
MOST = 100  # images of each set: the page stores every score of every image
WHO = ("both", "only the one across", "only the one upwards", "neither")


def disagreement(scores, sets, start=None, caption="", id="disagreement") -> Experiment:
    """Scatter two scores of the same images; each flags a tenth of the inside images, and some of the outside ones.

    scores: {name: (inside (N,), outside (M,))}, higher is stranger, all of the same images; sets: the two sets' names;
    start: two names, the first two if not given; caption: added to the figure's own. Only the first 100 images of each
    set are shown. Returns an Experiment. Raises ValueError where scores are of different numbers of images.
    """
    scores = {name: [np.asarray(part, dtype=float)[:MOST] for part in both] for name, both in scores.items()}
    sizes = {tuple(map(len, both)) for both in scores.values()}
    if len(sizes) != 1:
        raise ValueError(f"all scores must be of the same images, and there are {sorted(sizes)} of them")
    places = {name: placed(*both) for name, both in scores.items()}
    areas = {name: bits.auroc(*both) for name, both in scores.items()}

    def compare(across, upwards):
        (x_in, x_out, x_cut), (y_in, y_out, y_cut) = places[across], places[upwards]
        counts = [count(x > x_cut, y > y_cut) for x, y in ((x_in, y_in), (x_out, y_out))]
        return {
            "x_inside": x_in,
            "x_outside": x_out,
            "y_inside": y_in,
            "y_outside": y_out,
            "x_cut": x_cut,
            "y_cut": y_cut,
            "area_across": round(areas[across], 3),
            "area_upwards": round(areas[upwards], 3),
            "agreement": round(agreement(np.concatenate([x_in, x_out]), np.concatenate([y_in, y_out])), 2),
            "inside_counts": counts[0],
            "outside_counts": counts[1],
            "caught": counts[1][0],
            "first": counts[1][1],
            "second": counts[1][2],
            "missed": counts[1][3],
        }

    names, (first, second) = tuple(scores), start or list(scores)[:2]
    x = draw.axis(0, 100, "rank under {across}, % (right: stranger)", draw.nice_ticks(0, 100))
    y = draw.axis(0, 100, "rank under the other, %", draw.nice_ticks(0, 100))
    marks = [
        draw.rule("x_cut"),
        draw.line((0, "y_cut"), (100, "y_cut")),
        draw.dots("x_inside", "y_inside", "inside"),
        draw.dots("x_outside", "y_outside", "outside"),
    ]
    return Experiment(
        id,
        compare,
        [Choice("across", "Across", names, first), Choice("upwards", "Upwards", names, second)],
        [
            draw.plot(
                "Upwards: {upwards}",
                "A scatter plot of the ranks of images under two scores, inside images in one tone and outside images "
                "in the other, with a line for each score above which a tenth of the inside images lies. To the upper "
                "right both scores flag an image, to the upper left and the lower right one of them does.",
                (420, 390),
                [draw.panel((52, 14, 348, 326), x, y, marks)],
            )
        ],
        summary="AUROC {area_across:3} for {across} and {area_upwards:3} for {upwards}; rank correlation {agreement:2}."
        " Of {outside_total} outside images both flag {caught:0}, only {across} {first:0}, only {upwards} {second:0}, "
        "neither {missed:0}.",
        table={
            "caption": "Images flagged by {across} (across) and {upwards} (upwards)",
            "columns": [["Flagged by", "who", None], ["Inside", "inside_counts", 0], ["Outside", "outside_counts", 0]],
        },
        caption="{inside} (blue) and {outside} (orange), {inside_total} and {outside_total} images. Ranks are among "
        "all of them. Lines: above them lies a tenth of the inside images. {caption}",
        words={
            "caption": caption,
            "who": list(WHO),
            "inside": sets[0],
            "outside": sets[1],
            "inside_total": str(len(places[first][0])),
            "outside_total": str(len(places[first][1])),
        },
    )


def placed(inside, outside) -> tuple:
    """Ranks among all images, 0 to 100: of inside (N,) and of outside (M,), and the rank above which ALARMS lie."""
    ranks = stats.rankdata(np.concatenate([inside, outside]))
    ranks = np.round(100 * (ranks - 0.5) / len(ranks), 1)
    own = ranks[: len(inside)]
    return own, ranks[len(inside) :], round(float(np.quantile(own, 1 - ALARMS)), 2)


def count(first, second) -> list:
    """How many images both flag, the first alone, the second alone, neither. bool (N,), bool (N,) -> four numbers."""
    return [int(part.sum()) for part in (first & second, first & ~second, ~first & second, ~first & ~second)]


def agreement(x, y) -> float:
    """Spearman's rank correlation of (N,) and (N,); 0 where one of them does not vary."""
    return float(stats.spearmanr(x, y)[0]) if np.ptp(x) and np.ptp(y) else 0.0
