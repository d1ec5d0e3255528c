"""Experiment: interpolation in the latent spaces of VAEs that were trained at several prices of the rate."""

import math

import numpy as np

from likelab.explore import Choice, Experiment, ExploreError, Slider, draw

LEVELS = 24  # of a channel in a stored frame; all 256 would make the page twice as heavy
SIDE = 216  # of a frame in the drawing


def latent_interpolation(frames, costs, stops, start="1", caption="", id="interpolation") -> Experiment:
    """Choose the price of the rate, interpolate in latent space, see the rate and distortion that it buys.

    frames: {β: uint8 (T, 3, H, W)}, the path's points decoded, by β as a text. costs: {β: (rate, distortion)},
    bits per dimension. stops: names of points of the path, evenly spaced, both ends among them. start: the first
    β shown. Returns an Experiment. Raises ExploreError where T points cannot be spaced so, or β differ.
    """
    if frames.keys() != costs.keys():
        raise ExploreError(f"control 'beta': there are frames of {list(frames)}, but costs of {list(costs)}")
    steps = {len(path) - 1 for path in frames.values()}
    last = steps.pop()
    if steps or last % (len(stops) - 1):
        raise ExploreError(f"control 'step': paths of {last} steps, or of several lengths, for {len(stops)} stops")
    stride = last // (len(stops) - 1)
    pictures = {
        beta: [draw.address(coarse(frame).transpose(1, 2, 0)) for frame in path] for beta, path in frames.items()
    }
    rates, distortions = ([round(float(cost[k]), 3) for cost in costs.values()] for k in (0, 1))
    sums = [round(rate + distortion, 3) for rate, distortion in zip(rates, distortions, strict=True)]
    best = min(sums)

    def show(beta, step):
        k = list(frames).index(beta)
        passed, onward = divmod(int(step), stride)
        return {
            "frame": pictures[beta][int(step)],
            "place": f"{draw.percent(onward / stride)} from {stops[passed]} to {stops[passed + 1]}"
            if onward
            else f"the {stops[passed]}",
            "rate": rates[k],
            "distortion": distortions[k],
            "sum": sums[k],
            "verdict": "the smallest sum of all" if sums[k] == best else f"{sums[k] - best:.2f} above the smallest",
            # a table has rows: all prices
            "betas": [float(name) for name in frames],
            "rates": rates,
            "distortions": distortions,
            "sums": sums,
        }

    return Experiment(
        id,
        show,
        [
            Choice("beta", "β, the price of the rate", tuple(frames), start),
            Slider("step", "Step along the path", 0, last, 1, 0, f"of {last}"),
        ],
        [_frame(stops, last), _plane(list(frames), rates, distortions)],
        summary="Decoded: {place}. At β = {beta} the rate is {rate:2} and the distortion {distortion:2}, together "
        "{sum:2} bits/dim, {verdict}.",
        table={
            "caption": "Bits per dimension, mean over the images",
            "columns": [
                ["β", "betas", max(len(beta.partition(".")[2]) for beta in frames)],
                ["Rate", "rates", 2],
                ["Distortion", "distortions", 2],
                ["Sum", "sums", 2],
            ],
        },
        caption=f"Frames are means of the decoder in {LEVELS} levels. {{caption}}",
        words={"caption": caption},
    )


def coarse(image) -> np.ndarray:
    """uint8 -> the nearest of LEVELS evenly spaced grey levels, uint8, same shape."""
    return np.uint8(np.round(np.round(np.asarray(image) * ((LEVELS - 1) / 255)) * (255 / (LEVELS - 1))))


def _frame(stops, last):
    stride = last // (len(stops) - 1)
    x = draw.axis(0, last, "", [(k * stride, name) for k, name in enumerate(stops)])
    return draw.plot(
        "{place}",
        f"A point of a path in latent space from {' to '.join(stops)}, decoded; the larger β, the more blurred.",
        (SIDE + 40, SIDE + 48),
        [
            draw.panel(
                (20, 20, SIDE, SIDE), x, draw.axis(0, 1), [draw.picture("frame", 0, 1, last, 1), draw.grip("step")]
            )
        ],
        drag="step",
    )


def _plane(betas, rates, distortions):
    """Distortion over rate: a dot for each run, and the line of all pairs with the smallest sum."""
    right, top = (math.ceil(1.05 * max(values)) for values in (rates, distortions))
    best = min(range(len(betas)), key=lambda k: rates[k] + distortions[k])
    total = rates[best] + distortions[best]
    ends = [(max(0, total - top), min(total, top)), (min(total, right), max(0, total - right))]
    marks = [
        draw.line(*ends),
        draw.label(f"same sum as β = {betas[best]}", 0.22 * total, 0.78 * total, "start", "quiet", (7, -4)),
        draw.point("rate", "distortion"),
    ]
    for beta, rate, distortion in zip(betas, rates, distortions, strict=True):
        far = rate > right / 2
        marks += [
            draw.dot(rate, distortion),
            draw.label(
                f"β = {beta}", rate, distortion, "end" if far else "start", "name", (8, -12) if far else (10, -8)
            ),
        ]
    x = draw.axis(0, right, "rate, bits/dim", draw.nice_ticks(0, right))
    y = draw.axis(0, top, "distortion, bits/dim", draw.nice_ticks(0, top))
    return draw.plot(
        f"The sum is smallest at β = {betas[best]}",
        "Distortion against rate, a dot for each β; the larger, the less rate and the more distortion. A dashed line "
        "has the sum of the best run; the other dots lie above it.",
        (400, 290),
        [draw.panel((56, 14, 332, 228), x, y, marks)],
    )
