"""Experiment: how the gap between two image sets follows from their spread, measured and predicted."""

from likelab.explore import Choice, Experiment, Slider, draw

WIDTHS = ("0.7", "1", "1.4")
CHANNELS = ("all channels", "red", "green", "blue")


def variances(contrasts, shifts, measured, predicted, inside, outside, caption="", id="variances") -> Experiment:
    """The gap of two image sets under the reader's hand: their contrasts, a brightness, the prior's width.

    contrasts, shifts: evenly spaced settings of contrast (1: as they are) and of the outside set's
    brightness. measured, predicted: functions (inside contrast, outside contrast, brightness,
    channels whose outside contrast changes) -> gap in nats for a prior of width 1; a width σ divides it by σ².
    inside, outside: names. Returns an Experiment.
    """

    def gap(c_in, c_out, channel, shift, sigma):
        scale = float(sigma) ** -2
        rows = [[round(scale * f(c_in, c, shift, channel)) for c in contrasts] for f in (measured, predicted)]
        at = contrasts.index(c_out)
        least, most = min(map(min, rows)), max(map(max, rows))
        span = max(most, 0) - min(least, 0)

        def tick(value):  # left out where it would run into the zero
            return draw.shown(value, 0) if abs(value) > 0.08 * span else ""

        return {
            "at": c_out,
            "measured": rows[0][at],
            "predicted": rows[1][at],
            "low": round(min(least, 0) - 0.06 * span),
            "high": round(max(most, 0) + 0.22 * span),  # room for the key
            # a table has rows: what the curves show
            "contrasts": list(contrasts),
            "row_measured": rows[0],
            "row_predicted": rows[1],
            "least": least,
            "most": most,
            "least_text": tick(least),
            "most_text": tick(most),
        }

    step = round(contrasts[1] - contrasts[0], 6)
    ticks = [(x, f"{x:g}") for x in (0, 0.5, 1, 1.5, 2) if contrasts[0] <= x <= contrasts[-1]]
    x = draw.axis(contrasts[0], contrasts[-1], "contrast of {outside}", ticks)
    y = draw.axis("low", "high", "gap, nats", [("least", "{least_text}"), (0, "0"), ("most", "{most_text}")])
    marks = [
        draw.line((contrasts[0], 0), (contrasts[-1], 0)),
        draw.rule("c_out"),
        draw.trace("at", "measured", "c_out"),
        draw.trace("at", "predicted", "c_out", "dashed"),
        draw.point("c_out", "measured"),
        draw.label("solid: measured", contrasts[-1], "high", "end", "quiet", (-2, 12)),
        draw.label("dashed: predicted", contrasts[-1], "high", "end", "quiet", (-2, 28)),
    ]
    return Experiment(
        id,
        gap,
        [
            Slider("c_in", f"Contrast of {inside}", 0.5, 1.5, 0.5, 1.0, "×"),
            Slider("c_out", f"Contrast of {outside}", contrasts[0], contrasts[-1], step, 1.0, "×"),
            Choice("channel", f"{outside}: contrast of", CHANNELS, CHANNELS[0]),
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
        summary="Measured gap {measured:0} nats; the second order predicts {predicted:0} nats. Above zero, {outside} "
        "is likelier; below, less likely.",
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
