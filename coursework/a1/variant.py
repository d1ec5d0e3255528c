"""What differs between cohorts in A1: conventions that stand in the text in words, and that an answer depends on."""

import math

FIRST = 2026  # the cohort of the book's own page
SCALES = [(-2.0, 2.0), (0.0, 3.0), (-1.0, 1.0)]
LEVELS = [64, 100, 40, 128, 50, 200, 36]
LOGARITHMS = [("decimal", "pixel"), ("natural", "row"), ("decimal", "image"), ("natural", "pixel"), ("decimal", "row")]
AXES = [(-1, "last"), (0, "first"), (1, "second")]
ORDERS = [("green", "red", "blue"), ("blue", "green", "red"), ("red", "blue", "green"), ("green", "blue", "red")]
READINGS = [  # in words, and where the pixel lies that is read right before another: rows down, columns to the right
    ("rows, right to left", "row by row from the top, and within a row from right to left", (0, 1)),
    ("rows, upwards", "row by row from the bottom, and within a row from left to right", (0, -1)),
    ("columns", "column by column from the left, and within a column from top to bottom", (-1, 0)),
    ("columns, upwards", "column by column from the left, and within a column from bottom to top", (1, 0)),
]
DOMAINS = [((1, 2, 3), 3), ((3, 1, 2), 2), ((2, 1, 2), 5), ((1, 2, 2), 4)]


def draw(cohort: int) -> dict:
    """The constants of a cohort, {name: value}; two cohorts in a row share none of them."""
    (low, high), levels = pick(SCALES, cohort), pick(LEVELS, cohort)
    base, per = pick(LOGARITHMS, cohort)
    axis, axis_word = pick(AXES, cohort)
    reading, reading_words, (down, right) = pick(READINGS, cohort)
    shape, few = pick(DOMAINS, cohort)
    order = pick(ORDERS, cohort)
    base_number = {"natural": math.e, "decimal": 10.0}[base]
    ignorant = -48 * math.log(256) / math.log(base_number) / {"image": 1, "pixel": 16, "row": 4}[per]
    return {
        "COHORT": cohort,
        "LOW": low,
        "HIGH": high,
        "WIDTH": high - low,
        "MIDDLE": (low + high) / 2,
        "LEVELS": levels,
        "LAST_LEVEL": levels - 1,
        "BASE": base_number,
        "BASE_WORD": {"natural": "the natural logarithm", "decimal": "the logarithm to base 10"}[base],
        "PER": per,
        "PER_WORDS": {
            "image": "of the whole image",
            "pixel": "per pixel: divided by the number of pixels, each of which has C colours",
            "row": "per row: divided by the number of rows",
        }[per],
        "IGNORANT": round(ignorant, 6),
        "FLAT": round(-12 * math.log(high - low), 6),
        "AXIS": axis,
        "AXIS_WORD": axis_word,
        "PAIR_SHAPE": {-1: (1, 1, 2), 0: (2, 1, 1), 1: (1, 2, 1)}[axis],
        "ORDER": order,
        "ORDER_WORDS": ", then ".join(order),
        "READING": reading,
        "READING_WORDS": reading_words,
        "MASK_ROW": 1 + down,
        "MASK_COLUMN": 1 + right,
        "VIEW_ROW": 3 + down,
        "VIEW_COLUMN": 3 + right,
        "TINY_SHAPE": shape,
        "TINY_LEVELS": few,
        "TINY_LAST": few - 1,
        "HOW_MANY": few ** math.prod(shape),
    }


def pick(options, cohort):
    """The option of a cohort: the lists have other lengths, so years share single options, neighbours none."""
    return options[(cohort - FIRST) % len(options)]
