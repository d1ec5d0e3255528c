"""Experiment: which numbers of an image the prediction for one of them may depend on, in a PixelCNN."""

from pathlib import Path

import numpy as np

from likelab.explore import Choice, Experiment, Slider, draw

SIDE = 16  # pixels of the image, both ways
CHANNELS = ("red", "green", "blue")
KERNELS = ("3 × 3", "5 × 5", "7 × 7")
STACKS = ("one masked stack", "two stacks")
FRAME = 7  # of a mask, as wide as the widest kernel
FUTURE, FAR, BLIND, SEEN, OWN = range(5)


def receptive_field(row=8, column=7, channel="green", layers=4, id="receptive-field") -> Experiment:
    """Choose a number of an image and a network, and see what the prediction for it may depend on.

    The networks are those of chapter 04: a stack of masked convolutions, mask A first, or a vertical and a
    horizontal stack with shifted input; colours of the pixel itself enter through the mixture. Returns an Experiment.
    """
    return Experiment(
        id,
        see,
        [
            Slider("row", "Row", 0, SIDE - 1, 1, row),
            Slider("column", "Column", 0, SIDE - 1, 1, column),
            Slider("layers", "Layers", 1, 8, 1, layers),
            Choice("channel", "Channel", CHANNELS, channel),
            Choice("kernel", "Kernel", KERNELS, KERNELS[0]),
            Choice("stack", "Network", STACKS, STACKS[0]),
        ],
        [_image(), _network()],
        summary="With {stack} of {layers:0} layers, the {channel} of row {row:0}, column {column:0} may depend on "
        "{n_seen:0} of the {n_past:0} pixels before it, and on {before} of its own. {n_blind:0} are in the blind spot, "
        "which no depth reaches; {n_far:0} are out of reach at this depth.",
        table={
            "caption": "Pixels before row {row:0}, column {column:0}, by the row they are in",
            "columns": [
                ["Row", "rows", 0],
                ["Seen", "row_seen", 0],
                ["Blind spot", "row_blind", 0],
                ["Out of reach", "row_far", 0],
            ],
        },
        caption="Rows and columns count from 0, from the upper left; all three colours of a pixel that is seen are "
        "seen. Click or drag on the image to choose a pixel. Framed in the kernels: the place that is computed.",
        script=Path(__file__).with_suffix(".js").read_text("utf-8"),
    )


def see(row, column, channel, kernel, layers, stack) -> dict:
    """The outputs of the experiment at one setting; `receptive_field.js` computes the same."""
    radius, two, own = int(kernel[0]) // 2, stack == STACKS[1], CHANNELS.index(channel)
    field = field_of(row, column, radius, layers, two)
    up, right = _offsets(FRAME, FRAME // 2, FRAME // 2)
    past = (up > 0) | ((up == 0) & (right < 0))
    kept = (up >= 0, (up == 0) & (right <= 0)) if two else (past, past | ((up == 0) & (right == 0)))
    wide = np.maximum(abs(up), abs(right))
    masks = [np.where(wide > radius, 0, 1 + mask + 2 * (wide == 0)).ravel() for mask in kept]
    far, blind, seen = ((field == kind).sum(1) for kind in (FAR, BLIND, SEEN))
    return {
        "field": field.ravel(),
        "colours": [2 if c < own else 1 if c == own else 0 for c in range(3)],
        "before": ("no colour", "the red", "the red and the green")[own],
        "first": masks[0],
        "second": masks[1],
        "first_name": "vertical stack" if two else "mask A: first layer",
        "second_name": "horizontal stack" if two else "mask B: later layers",
        "n_past": SIDE * row + column,
        "n_seen": seen.sum(),
        "n_blind": blind.sum(),
        "n_far": far.sum(),
        "rows": np.arange(SIDE),
        "row_seen": seen,
        "row_blind": blind,
        "row_far": far,
    }


def field_of(row, column, radius, layers, two_stacks, side=SIDE) -> np.ndarray:
    """What each pixel is to the one at (row, column): FUTURE, FAR, BLIND, SEEN or OWN. -> (side, side)

    Kernels are 2 · radius + 1 wide. Each layer goes at most `radius` pixels up, left and right. In a masked stack it
    may go right only while it goes up: a pixel further right than `radius` for each row up is blind at any depth.
    """
    up, right = _offsets(side, row, column)
    reach = radius * layers
    if two_stacks:
        seen = np.where(up == 0, right >= -reach - 1, (up <= reach + 1) & (abs(right) <= reach))
        blind = np.zeros_like(seen)
    else:
        seen = (up <= reach) & (right >= -reach) & (right <= radius * np.minimum(up, layers))
        blind = (up > 0) & (right > radius * up)
    field = np.where(seen, SEEN, np.where(blind, BLIND, FAR))
    field[(up < 0) | ((up == 0) & (right > 0))] = FUTURE
    field[row, column] = OWN
    return field


def _offsets(side, row, column):
    """Rows up and columns to the right from (row, column) to each pixel, (side, side) both."""
    return np.broadcast_arrays(row - np.arange(side)[:, None], np.arange(side) - column)


def _image():
    place = draw.axis(-0.5, SIDE - 0.5, "", [(k, str(k)) for k in (0, 5, 10, 15)])
    return draw.plot(
        "Seen: {n_seen:0}; in the blind spot: {n_blind:0}",
        "A grid of 16 by 16 pixels. Filled are the pixels that the chosen one may depend on, above it and to its left; "
        "hatched are those in the blind spot, a wedge above it and to its right; grey are those out of reach; the "
        "pixels after it are empty.",
        (336, 336),
        [
            draw.panel(
                (26, 8, 304, 304),
                place | {"label": ""},
                place | {"low": SIDE - 0.5, "high": -0.5},
                [draw.cells("field", SIDE, ("empty", "far", "blind", "seen", "own"))],
            )
        ],
        drag=("column", "row"),
    )


def _network():
    looks = ("own", "seen", "blind", "far", "empty")
    names = ("the pixel", "seen", "blind spot: at no depth", "out of reach", "not said yet")
    unit = draw.axis(0, 1)

    def mask(left, output):
        marks = [
            draw.cells(output, FRAME, ("", "empty", "seen", "empty here", "seen here")),
            draw.label(f"{{{output}_name}}", 0, 1, "start", "", (1, -6)),
        ]
        return draw.panel((left, 24, 112, 112), unit, unit, marks)

    colours = [draw.cells("colours", 3, ("empty", "own", "seen"))]
    colours += [draw.label(letter, (k + 0.5) / 3, 0, "middle", "", (0, 15)) for k, letter in enumerate("RGB")]
    colours += [draw.label("colours of the pixel itself", 0, 1, "start", "", (1, -6))]
    key = [draw.cells(list(range(len(looks))), 1, looks)]
    key += [draw.label(text, 1, 1 - (k + 0.5) / len(looks), "start", "", (8, 4)) for k, text in enumerate(names)]
    return draw.plot(
        "How the network looks back",
        "Two kernels, the cells that are kept filled; the three colours of the pixel itself, those before the chosen "
        "one filled; a key to the looks of the cells.",
        (300, 336),
        [
            mask(4, "first"),
            mask(150, "second"),
            draw.panel((4, 170, 57, 19), unit, unit, colours),
            draw.panel((4, 228, 19, 95), unit, unit, key),
        ],
    )
