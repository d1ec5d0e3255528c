"""Experiment: an image of each set at every noise level, what a denoiser makes of it, and what is paid there."""

import math

import numpy as np

from likelab.explore import Experiment, ExploreError, Slider, draw

QUALITY = 60  # of the pictures, of which a page has many
SIDE = 104  # of a picture in the drawing
GAP = 8


def noise_levels(gammas, noisy, guesses, inside, outside, sets, pictures, caption="", id="noise-levels") -> Experiment:
    """Slide the noise level, and see two images with noise, a denoiser's guess of each, and the bits paid.

    gammas: the logarithm of noise over signal at each of K levels, rising. noisy, guesses: for both images uint8
    (2, K, 3, H, W), images that may be published. inside, outside: bits per dimension that test images pay for a
    unit of γ there, means over images, (K,). sets: names of both sets; pictures: of both images. Returns an
    Experiment. Raises ExploreError where the numbers of levels differ.
    """
    if not len(gammas) == len(noisy[0]) == len(guesses[0]) == len(inside) == len(outside):
        raise ExploreError(f"control 'level' has {len(gammas)} settings, but pictures or bits have another number")
    shown = {
        (kind, i, k): draw.address(np.asarray(image).transpose(1, 2, 0), QUALITY)
        for kind, both in (("noisy", noisy), ("guess", guesses))
        for i in range(2)
        for k, image in enumerate(both[i])
    }

    def at(level):
        k = level - 1
        out = {f"{kind}_{i}": shown[kind, i, k] for kind in ("noisy", "guess") for i in range(2)}
        out |= {"gamma": round(float(gammas[k]), 2), "grey": round(127.5 * math.exp(float(gammas[k]) / 2), 1)}
        out |= {"inside_bits": round(float(inside[k]), 3), "outside_bits": round(float(outside[k]), 3)}
        out["difference"] = draw.signed(inside[k] - outside[k])
        out |= {"gammas": np.round(gammas, 1), "row_in": np.round(inside, 3), "row_out": np.round(outside, 3)}
        return out

    return Experiment(
        id,
        at,
        [Slider("level", "Noise level", 1, len(gammas), 1, len(gammas) // 2)],
        [_pictures(), _curves(gammas, max(np.max(inside), np.max(outside)))],
        summary="γ = {gamma:1}: noise of {grey:1} grey levels beside an image at full strength. Each unit of γ costs "
        "{inside} {inside_bits:3} bits/dim here, and {outside} {outside_bits:3}: {difference}.",
        table={
            "caption": "Bits/dim for a unit of γ, means over test images",
            "columns": [["γ", "gammas", 1], ["{inside}", "row_in", 3], ["{outside}", "row_out", 3]],
        },
        caption="Noise is given in grey levels beside the image at full strength, σ/α. {caption}",
        words={
            "inside": sets[0],
            "outside": sets[1],
            "first": pictures[0],
            "second": pictures[1],
            "caption": caption,
        },
    )


def _pictures():
    panels = []
    for i, name in enumerate(("{first}", "{second}")):
        for j, (kind, title) in enumerate((("noisy", "noisy"), ("guess", "guess"))):
            left, top = 8 + (2 * i + j) * (SIDE + GAP), 24
            marks = [
                draw.picture(f"{kind}_{i}", 0, SIDE, SIDE, SIDE),
                draw.label(f"{name}, {title}" if j == 0 else title, 0, SIDE, "start", "quiet", (0, -6)),
            ]
            panels.append(draw.panel((left, top, SIDE, SIDE), draw.axis(0, SIDE), draw.axis(0, SIDE), marks))
    return draw.plot(
        "The images with noise, and the guesses",
        "Two images with the present noise, and beside each the denoiser's guess of the image.",
        (4 * (SIDE + GAP) + 8, SIDE + 34),
        panels,
    )


def _curves(gammas, top):
    x = draw.axis(
        float(gammas[0]),
        float(gammas[-1]),
        "γ, logarithm of noise over signal",
        draw.nice_ticks(float(gammas[0]), float(gammas[-1])),
    )
    y = draw.axis(0, 1.15 * float(top), "bits/dim for a unit of γ", draw.nice_ticks(0, 1.15 * float(top)))
    marks = [
        draw.trace("gamma", "inside_bits", "level", "inside"),
        draw.trace("gamma", "outside_bits", "level", "outside"),
        draw.rule("gamma"),
        draw.point("gamma", "inside_bits"),
        draw.dot("gamma", "outside_bits"),
        draw.label("{inside}", float(gammas[-1]), 1.15 * float(top), "end", "inside", (0, 12)),
        draw.label("{outside}", float(gammas[-1]), 1.15 * float(top), "end", "outside", (0, 28)),
    ]
    return draw.plot(
        "Where the bits are paid",
        "Two curves of bits per dimension for a unit of the noise level, of inside and of outside images.",
        (460, 250),
        [draw.panel((52, 14, 396, 180), x, y, marks)],
    )
