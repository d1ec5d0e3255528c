"""Experiment: what contrast, blur and noise do to the likelihood of images, under several models at once."""

import numpy as np

from likelab.explore import Experiment, ExploreError, Slider, draw

BINS = 20
HEIGHT = 9  # of the tallest bar; whole numbers keep the page small
QUALITY = 60  # of the picture, of which a page has many
SIDE = 150  # of the picture in the drawing


def dials(scores, pictures, outside, sets, picture, caption="", id="dials") -> Experiment:
    """Turn contrast, blur and noise of an image set, and see its histogram under each model against another set.

    scores: {(contrast, blur, noise): {model: bits per dimension (N,)}} for every combination of evenly spaced
    settings (contrast as a share of 1, blur in pixels, noise in grey levels); pictures: {the same settings: uint8
    (3, H, W)}, an image that may be published; outside: {model: bits per dimension (M,)} of the other set as it is.
    sets: the names of both sets; picture: of the image. Returns an Experiment. Raises ExploreError where a
    combination is missing.
    """
    contrasts, blurs, noises = (sorted(set(values)) for values in zip(*scores, strict=True))
    models = list(outside)
    for at in ((c, b, n) for c in contrasts for b in blurs for n in noises):
        if at not in scores or at not in pictures:
            raise ExploreError(f"controls 'contrast', 'blur' and 'noise': no scores or no picture at {at}")
    every = [row[model] for row in scores.values() for model in models]
    low, high = float(np.floor(min(map(np.min, every)))), float(np.ceil(np.quantile(np.concatenate(every), 0.995)))
    edges = np.linspace(low, high, BINS + 1)

    def bars(values):
        counts = np.histogram(np.clip(values, low, high), edges)[0]
        return np.round(HEIGHT * counts / counts.max()).astype(int)

    def turned(contrast, blur, noise):
        here = scores[contrast / 100, blur, noise]
        likelier = [round(float((here[model] < np.median(outside[model])).mean()), 3) for model in models]
        out = {
            "picture": draw.address(pictures[contrast / 100, blur, noise].transpose(1, 2, 0), QUALITY),
            "means": [round(float(here[model].mean()), 2) for model in models],
            "outside_means": [round(float(outside[model].mean()), 2) for model in models],
            "likelier": likelier,
            "range": " to ".join(dict.fromkeys(map(draw.percent, (min(likelier), max(likelier))))),
            "under": "under every model" if min(likelier) == max(likelier) else "depending on the model",
        }
        for k, model in enumerate(models):
            out |= {f"bars_{k}": bars(here[model]), f"outside_{k}": bars(outside[model]), f"share_{k}": likelier[k]}
        return out

    def slider(name, label, values, start, unit):
        return Slider(name, label, values[0], values[-1], round(values[1] - values[0], 6), start, unit)

    return Experiment(
        id,
        turned,
        [
            slider("contrast", "Contrast", [round(100 * c) for c in contrasts], round(100 * contrasts[-1]), "%"),
            slider("blur", "Blur", blurs, blurs[0], "pixels"),
            slider("noise", "Noise", noises, noises[0], "grey levels"),
        ],
        [_picture(), _histograms(models, low, high)],
        summary="{range} of {inside}, {under}, are likelier than the median of {outside}.",
        table={
            "caption": "{n_inside} {inside} at these settings, {n_outside} {outside} as they are: mean bits/dim, and "
            "the share of the first that is likelier than the median of the second",
            "columns": [
                ["Model", "models", None],
                ["{inside}", "means", 2],
                ["{outside}", "outside_means", 2],
                ["Likelier", "likelier", "%"],
            ],
        },
        caption=f"Bars are scaled to the tallest of each set; what needs more than {high:.0f} bits/dim is counted in "
        "the last. {caption}",
        words={
            "inside": sets[0],
            "outside": sets[1],
            "picture_name": picture,
            "n_inside": len(every[0]),
            "n_outside": len(outside[models[0]]),
            "models": models,
            "caption": caption,
        },
    )


def _picture():
    return draw.plot(
        "What the dials do",
        "One image under the present contrast, blur and noise.",
        (SIDE + 20, SIDE + 44),
        [
            draw.panel(
                (10, 10, SIDE, SIDE),
                draw.axis(0, SIDE),
                draw.axis(0, SIDE),
                [
                    draw.picture("picture", 0, SIDE, SIDE, SIDE),
                    draw.label("{picture_name}", 0, 0, "start", "quiet", (0, 18)),
                ],
            )
        ],
    )


def _histograms(models, low, high):
    panels = []
    for k, model in enumerate(models):
        last = k == len(models) - 1
        ticks = draw.nice_ticks(low, high) if last else ()
        marks = [
            draw.bars(f"outside_{k}", "outside"),
            draw.bars(f"bars_{k}", "inside"),
            draw.label(f"{model}: {{share_{k}:%}}", high, HEIGHT, "end", "name", (0, -4)),
        ]
        if k == 0:
            marks += [
                draw.label("{inside}", low, HEIGHT, "start", "inside name", (0, -22)),
                draw.label("{outside}", high, HEIGHT, "end", "outside name", (0, -22)),
            ]
        x = draw.axis(low, high, "bits per dimension" if last else "", ticks)
        panels.append(draw.panel((8, 40 + 62 * k, 400, 44), x, draw.axis(0, HEIGHT), marks))
    return draw.plot(
        "Likelier than the median of {outside}",
        "A row of histograms for each model: bits per dimension of {inside} at the present settings and of {outside} "
        "as they are.",
        (418, 62 * len(models) + 62),
        panels,
    )
