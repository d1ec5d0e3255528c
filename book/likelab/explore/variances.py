"""Experiment: how the gap between two image sets follows from their spread, measured and predicted."""

from . import draw
from .core import Choice, Experiment, Slider

WIDTHS = ("0.7", "1", "1.4")


def variances(contrasts, shifts, measured, predicted, inside, outside, caption="", id="variances"):
    """The gap of two image sets under the reader's hand: their contrasts, a brightness, the prior's width.

    contrasts, shifts: evenly spaced settings of both sets' contrast (1: as they are) and of the outside set's
    brightness. measured, predicted: functions (inside contrast, outside contrast, brightness) -> gap in nats for
    a prior of width 1; a width σ divides it by σ². inside, outside: names. Returns an Experiment.
    """

    def gap(c_in, c_out, shift, sigma):
        scale = float(sigma) ** -2
        here = scale * measured(c_in, c_out, shift), scale * predicted(c_in, c_out, shift)
        ends = [scale * f(c_in, c, shift) for f in (measured, predicted) for c in (contrasts[0], contrasts[-1])]
        span = max(ends) - min(ends)
        return {
            "at": c_out,
            "measured": round(here[0]),
            "predicted": round(here[1]),
            "measured_end": round(ends[1]),
            "predicted_end": round(ends[3]),
            "low": round(min(*ends, 0) - 0.06 * span),
            "high": round(max(*ends, 0) + 0.06 * span),
            # a table has rows: what the curves show
            "contrasts": list(contrasts),
            "row_measured": [round(scale * measured(c_in, c, shift)) for c in contrasts],
            "row_predicted": [round(scale * predicted(c_in, c, shift)) for c in contrasts],
            "least": round(min(ends)),
            "most": round(max(ends)),
            "verdict": "likelier" if here[0] > 0 else "less likely",
            "forecast": "likelier" if here[1] > 0 else "less likely",
        }

    step = round(contrasts[1] - contrasts[0], 6)
    ticks = [(x, f"{x:g}") for x in (0, 0.5, 1, 1.5, 2) if contrasts[0] <= x <= contrasts[-1]]
    x = draw.axis(contrasts[0], contrasts[-1], "contrast of {outside}", ticks)
    y = draw.axis("low", "high", "gap, nats", [("least", "{least}"), (0, "0"), ("most", "{most}")])
    marks = [
        draw.line((contrasts[0], 0), (contrasts[-1], 0)),
        draw.rule("c_out"),
        draw.trace("at", "measured", "c_out"),
        draw.trace("at", "predicted", "c_out", "dashed"),
        draw.point("c_out", "measured"),
        draw.label("measured", contrasts[-1], "measured_end", "end", "quiet", (-2, 17)),
        draw.label("predicted", contrasts[-1], "predicted_end", "end", "quiet", (-2, 17)),
    ]
    return Experiment(
        id,
        gap,
        [
            Slider("c_in", f"Contrast of {inside}", contrasts[0], contrasts[-1], step, 1.0, "×"),
            Slider("c_out", f"Contrast of {outside}", contrasts[0], contrasts[-1], step, 1.0, "×"),
            Slider("shift", f"Brightness of {outside}", shifts[0], shifts[-1], shifts[1] - shifts[0], 0, "grey levels"),
            Choice("sigma", "Width σ of the prior", WIDTHS, "1"),
        ],
        [
            draw.plot(
                "Above zero, {outside} is likelier",
                "Two curves of the gap in nats against the contrast of the outside set: solid as measured, "
                "dashed as predicted by the second order. Both fall as the contrast grows.",
                (420, 290),
                [draw.panel((62, 14, 344, 224), x, y, marks)],
                drag="c_out",
            )
        ],
        summary="{outside} is {verdict}: measured gap {measured:0} nats. The second order predicts {predicted:0} nats, "
        "{forecast}.",
        table={
            "caption": "Gap in nats, with the other settings as they are",
            "columns": [
                ["Contrast of {outside}", "contrasts", 2],
                ["Measured", "row_measured", 0],
                ["Predicted", "row_predicted", 0],
            ],
        },
        caption="Contrast is taken about the mean of the training images. {caption}",
        words={"inside": inside, "outside": outside, "caption": caption},
    )
