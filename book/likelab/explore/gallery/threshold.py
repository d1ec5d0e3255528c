"""Experiment: reject what a model calls improbable, and see who is turned away."""

import math

import numpy as np

from likelab import bits
from likelab.explore import Choice, Experiment, ExploreError, Slider, draw

BINS = 60
KEPT = 0.7  # share of the first model's inside images that the threshold keeps at the start
SHOWN = 0.98  # share of every set that the axis must hold; a Gaussian has a tail four times as long
HEADROOM = 1.1  # of a panel's height over its tallest bar


def threshold(scores, inside, outside, caption="", id="threshold", choose="Model") -> Experiment:
    """Reject what a model calls improbable: how many of each set does a threshold turn away?

    scores: {model: (inside, outside)}, bits per dimension of the images, (N,) and (M,), the same images for
    every model. inside, outside: the sets' names, "CIFAR-10 test"; or, where each model was asked about sets
    of its own, {model: name}. caption: added to the figure's own. choose: label of the list of models.
    Returns an Experiment that starts where the first model keeps 70 % of the inside images. Its axis holds
    at least 98 % of every set; what lies beyond is counted in the last bar. Raises ExploreError for scores
    that are missing, not finite or not of the same images.
    """
    shared = isinstance(inside, str)
    inside, outside = (
        names if isinstance(names, dict) else dict.fromkeys(scores, names) for names in (inside, outside)
    )
    ranked = _ranked(scores, inside, outside, shared)
    slider = _slider(ranked)
    edges = np.array(slider.settings[:: (len(slider.settings) - 1) // BINS])
    counts = {model: [_bins(values, edges) for values in pair] for model, pair in ranked.items()}
    aurocs = {model: round(bits.auroc(*pair), 4) for model, pair in ranked.items()}
    counted = {model: [f"{len(values):,} images of" for values in pair] for model, pair in ranked.items()}
    first = next(iter(ranked))

    def turned_away(model, threshold):
        ranked_inside, ranked_outside = ranked[model]
        return {
            "inside": inside[model],
            "outside": outside[model],
            "n_inside": counted[model][0],
            "n_outside": counted[model][1],
            "inside_away": share_above(ranked_inside, threshold),
            "outside_away": share_above(ranked_outside, threshold),
            "auroc": aurocs[model],
            "edges": edges[:-1],
            "inside_bars": counts[model][0],
            "outside_bars": counts[model][1],
            # Each set has its own scale: shares are compared left and right of the line, not up and down.
            "inside_top": int(counts[model][0].max()) * HEADROOM,
            "outside_top": int(counts[model][1].max()) * HEADROOM,
            "inside_above": share_above(ranked_inside, edges[:-1]),
            "outside_above": share_above(ranked_outside, edges[:-1]),
        }

    return Experiment(
        id,
        turned_away,
        [Choice("model", choose, tuple(ranked), first), slider],
        [_histograms(slider), _roc()],
        summary="Rejecting above {threshold:2} bits/dim turns away {inside_away:%} of {inside} "
        "and {outside_away:%} of {outside}.",
        table={
            "caption": "{model}, {n_inside} {inside}, {n_outside} {outside}: how many are in each bar, and what "
            "share is turned away by a threshold at its left edge",
            "columns": [
                ["Above (bits/dim)", "edges", slider.digits],
                ["{inside}: images", "inside_bars", 0],
                ["{outside}: images", "outside_bars", 0],
                ["{inside}: turned away", "inside_above", "%"],
                ["{outside}: turned away", "outside_above", "%"],
            ],
        },
        caption=("{n_first} {first_inside}, {n_second} {first_outside}; " if shared else "")
        + f"{BINS} bars for each set, on its own scale. "
        f"What lies above {draw.fixed(slider.high, slider.digits)} bits/dim is counted in the last bar."
        + " {caption}"
        * bool(caption),
        words={
            "first_inside": inside[first] if shared else "the inside set",
            "first_outside": outside[first] if shared else "the outside set",
            "n_first": counted[first][0],
            "n_second": counted[first][1],
            "caption": caption,
        },
    )


def share_above(ranked, threshold) -> np.ndarray:
    """Share of the sorted scores (N,) greater than threshold, to four decimals; shaped like threshold."""
    return np.round(1 - np.searchsorted(ranked, threshold, side="right") / len(ranked), 4)


def _ranked(scores, inside, outside, shared):
    """Check the scores and sort each set of them; `shared`: the sets are the same for every model."""
    if not scores:
        raise ExploreError("control 'model' has no options: there are no scores")
    ranked = {}
    for model, pair in scores.items():
        sets = [np.sort(np.asarray(values, dtype=np.float64), axis=None) for values in pair]
        for name, values in zip((inside[model], outside[model]), sets, strict=True):
            if values.size == 0:
                raise ExploreError(f"control 'model', option {model!r}: there are no scores of {name}")
            if not np.isfinite(values).all():
                lost = np.sum(~np.isfinite(values))
                raise ExploreError(
                    f"control 'model', option {model!r}: {lost} of {values.size} scores of {name} are not finite"
                )
        sizes = [len(values) for values in sets]
        first = [len(values) for values in next(iter(ranked.values()), sets)]
        if shared and sizes != first:
            raise ExploreError(
                f"control 'model', option {model!r}: scores of {sizes} images where the first has {first}"
            )
        ranked[model] = sets
    return ranked


def _slider(ranked):
    """A range that all models share: from below every score, in whole bars of one to five round steps."""
    pairs = list(ranked.values())
    lowest = min(values[0] for pair in pairs for values in pair)
    highest = max(np.quantile(values, SHOWN) for pair in pairs for values in pair)
    for step in (m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5)):
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        low = round((math.ceil(lowest / step) - 1) * step, digits)
        per_bar = math.ceil((highest - low) / (BINS * step))
        if per_bar <= 5:
            break
    step = round(step, digits)
    high = round(low + BINS * max(per_bar, 1) * step, digits)
    kept = np.quantile(pairs[0][0], KEPT)
    start = round(low + min(max(round((kept - low) / step), 0), BINS * per_bar) * step, digits)
    return Slider("threshold", "Reject above", low, high, step, start, "bits/dim")


def _bins(ranked, edges):
    """Images in each bar: a score on an edge belongs to the bar on its left, as it is not above that edge."""
    below = np.searchsorted(ranked, edges, side="right")
    below[-1] = len(ranked)  # the last bar has what lies beyond the axis too
    return np.diff(below)


def _histograms(slider):
    def row(tone, top, ticks=(), label=""):
        marks = [
            draw.band("threshold"),
            draw.bars(f"{tone}_bars", tone),
            draw.bars(f"{tone}_bars", tone, above="threshold"),
            draw.rule("threshold"),
        ]
        x = draw.axis(slider.low, slider.high, label, ticks)
        return draw.panel((6, top, 354, 86), x, draw.axis(0, f"{tone}_top"), marks)

    def names(tone, rise):
        share = f"{{{tone}_away:%}} turned away"
        return [
            draw.label(f"{{{tone}}}", slider.low, f"{tone}_top", "start", f"{tone} name", (0, -rise)),
            draw.label(share, slider.high, f"{tone}_top", "end", f"{tone} name", (0, -rise)),
        ]

    upper = row("inside", 42)
    upper["marks"] += names("inside", 29)
    upper["marks"] += [
        draw.grip("threshold"),
        draw.label("‹ kept", "threshold", "inside_top", "end", "quiet", (-12, -6), room=58),
        draw.label("turned away ›", "threshold", "inside_top", "start", "quiet", (12, -6), room=104),
    ]
    lower = row("outside", 156, draw.nice_ticks(slider.low, slider.high), "bits per dimension")
    lower["marks"] += names("outside", 8)
    return draw.plot(
        "{model}: who is turned away?",
        "Two histograms on one axis of bits per dimension, {first_inside} above {first_outside}; "
        "a vertical line marks the threshold and everything right of it is turned away.",
        (366, 280),
        [upper, lower],
        drag="threshold",
    )


def _roc():
    ticks = [(0, "0"), (0.5, "50"), (1, "100")]
    marks = [
        draw.line((0, 0), (1, 1)),
        draw.label("chance", 0.52, 0.52, "end", "quiet", (-6, -4)),
        draw.trace("inside_away", "outside_away", "threshold"),
        draw.point("inside_away", "outside_away"),
    ]
    x = draw.axis(0, 1, "{inside} turned away, %", ticks)
    y = draw.axis(0, 1, "{outside} turned away, %", ticks)
    return draw.plot(
        "ROC curve, AUROC {auroc:2}",
        "ROC curve: share of {first_inside} turned away against share of {first_outside} turned away, with a point for "
        "the present threshold and a dashed diagonal for chance.",
        (292, 280),
        [draw.panel((46, 12, 230, 230), x, y, marks)],
    )
