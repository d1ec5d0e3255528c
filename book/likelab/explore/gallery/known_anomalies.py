"""Experiment: settings are chosen by so many known anomalies: how do the methods rank then?"""

import numpy as np

from likelab import choosing
from likelab.explore import Choice, Experiment, ExploreError, Slider, draw


def known_anomalies(areas, methods, caption="", id="known-anomalies") -> Experiment:
    """Mean ranks of methods over problems, with the critical difference, by how many anomalies the settings know.

    areas: {group of problems: test AUROC (K + 1, problems, methods)}; row n holds the settings chosen by n known
    anomalies a problem, row 0 those chosen by none. methods: their names. caption: added to the figure's own. Returns
    an Experiment that starts with no known anomaly. Raises ExploreError for arrays that do not fit or are not finite.
    """
    areas = {group: np.asarray(values, np.float64) for group, values in areas.items()}
    if not areas or len({(len(values), values.shape[-1]) for values in areas.values()}) > 1:
        raise ExploreError(
            "control 'problems': each option needs results (K + 1, problems, methods), K and methods alike"
        )
    for group, values in areas.items():
        if values.ndim != 3 or values.shape[-1] != len(methods) or not np.isfinite(values).all():
            raise ExploreError(f"control 'problems', option {group!r}: not a finite number for each of {len(methods)}")
    ranks = {group: np.array([choosing.mean_ranks(level) for level in values]) for group, values in areas.items()}
    first, count = next(iter(areas)), len(methods)

    def ranking(known, problems, method):
        level = int(known)
        own, widths = ranks[problems][level], areas[problems].shape[1]
        apart = choosing.critical_difference(count, widths)
        bars = "".join(
            f"M{draw.fixed(max(r - apart / 2, 0.5), 2)} {count - k}H{draw.fixed(min(r + apart / 2, count + 0.5), 2)}"
            for k, r in enumerate(own)
        )
        best = int(own.argmin())
        return {
            "ranks": np.round(own, 2),
            **{f"rank_{k}": round(float(own[k]), 2) for k in range(count)},
            "bars": bars,
            "areas": np.round(areas[problems][level].mean(0), 3),
            "best": methods[best],
            "best_rank": round(float(own[best]), 2),
            "apart": round(apart, 2),
            "number": f"{widths} problems",
            "mine": round(float(own[methods.index(method)]), 2),
            "mine_area": round(float(areas[problems][level][:, methods.index(method)].mean()), 3),
            "at": level,
            "words": ("Usual settings" if level == 0 else f"Settings chosen by {level}")
            + (" known anomalies" if level > 1 else " known anomaly" if level else ""),
        }

    most = len(areas[first]) - 1
    row_ticks = [(count - k, name) for k, name in enumerate(methods)]
    rank_ticks = [(k, str(k)) for k in range(1, count + 1)]
    across = draw.axis(0.5, count + 0.5, "mean rank (1 is best)", rank_ticks)
    rows = draw.axis(0.4, count + 0.6, "", row_ticks)
    marks = [draw.sketch("bars"), *(draw.dot(f"rank_{k}", count - k) for k in range(count)), draw.rule("best_rank")]
    along = draw.axis(0, most, "known anomalies a problem", draw.nice_ticks(0, most))
    upwards = draw.axis(count + 0.5, 0.5, "mean rank", rank_ticks)
    return Experiment(
        id,
        ranking,
        [
            Slider("known", "Known anomalies a problem", 0, most, 1, 0, ""),
            Choice("problems", "Problems", tuple(areas), first),
            Choice("method", "Method", tuple(methods), methods[0]),
        ],
        [
            draw.plot(
                "Ranks over {number}; bars that overlap are not told apart",
                "A row for each method with a dot at its mean rank and a bar, half the critical difference to either "
                "side; a vertical line at the best rank.",
                (420, 280),
                [draw.panel((104, 14, 302, 214), across, rows, marks)],
            ),
            draw.plot(
                "{method}: from choosing blindly to choosing well",
                "A curve of the chosen method's mean rank against the number of known anomalies, with a point at the "
                "present number; upwards is better.",
                (360, 280),
                [
                    draw.panel(
                        (56, 14, 290, 214),
                        along,
                        upwards,
                        [draw.trace("at", "mine", "known"), draw.point("at", "mine")],
                    )
                ],
                drag="known",
            ),
        ],
        summary="{words}: over {number}, {best} has the best mean rank, {best_rank:2}; {method} has {mine:2}, and a "
        "mean AUROC of {mine_area:3}. Ranks nearer than {apart:2} are not told apart.",
        table={
            "caption": "{words}, {number}",
            "columns": [["Method", "names", None], ["Mean rank", "ranks", 2], ["Mean AUROC", "areas", 3]],
        },
        caption="At 0 each method keeps its usual settings. {caption}",
        words={"caption": caption, "names": list(methods)},
    )
