"""Experiment: one image, the terms of its likelihood, and its place among others."""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np

from likelab.explore import Choice, Experiment, ExploreError, draw

BINS = 42
COLOURS = 12
ROWS = (("total", "all terms"), ("latent", "latent term"), ("volume", "volume term"))
SIDE = 128  # of a picture in the drawing


@dataclass
class Costs:
    """Bits per dimension of images under one model, (N,) each, and where in the image they arise, (N, H, W)."""

    latent: np.ndarray
    volume: np.ndarray
    where: np.ndarray | None = None  # bits per dimension at each pixel

    @property
    def total(self) -> np.ndarray:
        """All terms, bits per dimension, (N,)."""
        return self.latent + self.volume


def terms(names, images, costs, inside, outside, sets, here=None, caption="", id="terms", stored=True) -> Experiment:
    """Pick an image, see where its bits arise and which term of the likelihood they belong to.

    names: of the images to pick from; images: uint8 (N, 3, H, W); costs: {model: Costs of these images}, with
    `where`. inside, outside: {model: Costs} of test images, for the histograms; sets: the names of both sets.
    here: (names, images, costs) that a running kernel shows in place of these, where the images of the sets may
    not be published. Returns an Experiment. Raises ExploreError where names, images and costs differ in number.
    """
    for model, cost in costs.items():
        if not len(names) == len(images) == len(cost.total) == len(cost.where):
            raise ExploreError(
                f"control 'image' has {len(names)} names, but there are {len(images)} images and "
                f"{len(cost.total)} costs under {model!r}"
            )
    low, high, edges = _edges(inside, outside)
    heat = {model: _heat_range(cost.where) for model, cost in costs.items()}
    photos = {
        name: draw.address(np.asarray(image).transpose(1, 2, 0)) for name, image in zip(names, images, strict=True)
    }
    maps = {(n, m): _heat_map(c.where[i], *heat[m]) for m, c in costs.items() for i, n in enumerate(names)}
    mean = {model: {row: getattr(inside[model], row).mean() for row, _ in ROWS} for model in costs}

    def place(model, image):
        i, out = names.index(image), {"photo": photos[image], "map": maps[image, model]}
        own = costs[model]
        for row, _ in ROWS:
            value = getattr(own, row)[i] - mean[model][row]
            out[f"{row}_at"] = round(float(np.clip(value, low, high)), 3)
            out[f"{row}_value"] = draw.signed(value)
            for tone, group in (("inside", inside), ("outside", outside)):
                values = getattr(group[model], row) - mean[model][row]
                bars = np.histogram(np.clip(values, low, high), edges)[0]
                out[f"{row}_{tone}"] = np.round(bars / bars.max(), 2)
        out["bits"] = round(float(own.total[i]), 2)
        out["likelier_inside"] = round(float((inside[model].total > own.total[i]).mean()), 4)
        out["likelier_outside"] = round(float((outside[model].total > own.total[i]).mean()), 4)
        busy = np.sort(own.where[i].ravel())
        out["busiest"] = round(float(busy[-len(busy) // 5 :].mean()), 1)
        out["calmest"] = round(float(busy[: len(busy) // 5].mean()), 1)
        out["edges"] = np.round(edges[:-1], 2)
        return out

    return Experiment(
        id,
        place,
        [
            Choice("image", "Image", tuple(names), names[0]),
            Choice("model", "Model", tuple(costs), next(iter(costs))),
        ],
        [_pictures(), _histograms(low, high)],
        summary="Under {model}, this image needs {bits:2} bits/dim. It is likelier than {likelier_inside:%} of "
        "{inside_set} and {likelier_outside:%} of {outside_set}. Its most expensive fifth of pixels takes {busiest:1} "
        "bits/dim, its cheapest fifth {calmest:1}.",
        table={
            "caption": "{model}: images in each bar, as a share of the fullest; bits/dim over the mean of {inside_set}",
            "columns": [
                ["From", "edges", 2],
                *(
                    [f"{{{tone}_set}}, {label}", f"{row}_{tone}", 2]
                    for row, label in ROWS
                    for tone in ("inside", "outside")
                ),
            ],
        },
        caption="Zero is the mean of {inside_set} in each row; left is likelier. {caption}",
        words={"inside_set": sets[0], "outside_set": sets[1], "caption": caption},
        here=here and terms(*here, inside, outside, sets, caption=caption, id=id, stored=False),
        stored=stored,
    )


def _edges(inside, outside):
    """Bars that all rows and models share: bits/dim around the inside mean, 99.5 % of every set on the axis."""
    ends = []
    for model in inside:
        for row, _ in ROWS:
            mean = getattr(inside[model], row).mean()
            ends += [np.quantile(getattr(g[model], row) - mean, (0.005, 0.99)) for g in (inside, outside)]
    low = np.floor(2 * min(end[0] for end in ends)) / 2
    high = np.ceil(2 * max(end[1] for end in ends)) / 2
    return float(low), float(high), np.linspace(low, high, BINS + 1)


def _heat_range(where):
    low, high = np.quantile(where, (0.02, 0.98))
    return float(low), float(high)


def _heat_map(where, low, high):
    """Dark below low, bright above high; few colours, as a page has many of these."""
    levels = np.clip(np.round(COLOURS * (where - low) / (high - low)), 0, COLOURS) / COLOURS
    return draw.address(np.uint8(255 * plt.get_cmap("magma")(levels)[..., :3]))


def _pictures():
    sheet = (10, 24, 2 * SIDE + 14, SIDE)
    width = sheet[2]
    marks = [
        draw.picture("photo", 0, SIDE, SIDE, SIDE),
        draw.picture("map", SIDE + 14, SIDE, SIDE, SIDE),
        draw.label("the image", 0, SIDE, "start", "quiet", (0, -7)),
        draw.label("its bits", SIDE + 14, SIDE, "start", "quiet", (0, -7)),
        draw.label("bright: many bits", SIDE + 14, 0, "start", "quiet", (0, 16)),
    ]
    return draw.plot(
        "{image}",
        "The chosen image, and beside it a map of the bits that each of its pixels takes: bright pixels take many.",
        (width + 20, SIDE + 48),
        [draw.panel(sheet, draw.axis(0, width), draw.axis(0, SIDE), marks)],
    )


def _histograms(low, high):
    panels = []
    for k, (row, label) in enumerate(ROWS):
        last = k == len(ROWS) - 1
        ticks = draw.nice_ticks(low, high)
        x = draw.axis(low, high, "bits/dim more than {inside_set} on average" if last else "", ticks if last else ())
        marks = [
            draw.bars(f"{row}_inside", "inside"),
            draw.bars(f"{row}_outside", "outside"),
            draw.rule(f"{row}_at"),
            draw.label(f"{label}: {{{row}_value}}", low, 1, "start", "name", (2, -6)),
        ]
        if k == 0:
            marks += [
                draw.label("{inside_set}", high, 1, "end", "inside name", (0, -6)),
                draw.label("{outside_set}", high, 1, "end", "outside name", (0, 10)),
            ]
        panels.append(draw.panel((6, 26 + 84 * k, 380, 54), x, draw.axis(0, 1.05), marks))
    return draw.plot(
        "Its place, term by term",
        "Three rows of histograms, one for all terms together, one for the latent term, one for the volume term; each "
        "shows {inside_set} and {outside_set}, and a line for the chosen image.",
        (392, 294),
        panels,
    )
