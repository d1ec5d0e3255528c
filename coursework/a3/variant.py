"""What differs between cohorts in A3: the images, and conventions that stand in the text in words."""

FIRST = 2026  # the cohort of the book's own page
SIGNS = ["lower", "higher"]  # which score an anomaly has
LAYOUTS = [
    ("rows of pixels", "row by row, in a row pixel by pixel, in a pixel red, green, blue"),
    ("planes", "colour by colour, in a colour row by row"),
    ("columns of pixels", "column by column, in a column pixel by pixel, in a pixel red, green, blue"),
]
COPIES = [
    ("turned", "turned by half a circle"),
    ("brighter", "one grey level brighter, white staying white"),
    ("mirrored", "mirrored, left to right"),
    ("colours", "with red and blue exchanged"),
]
CENTRES = ["median", "mean", "midpoint"]
CENTRE_WORDS = {
    "median": "the median of the training images' bits",
    "mean": "the mean of the training images' bits",
    "midpoint": "half-way between the fewest and the most bits of a training image",
}
CHOICES = [("worst", "in the direction where it is worst"), ("mean", "in the mean of all directions")]


def draw(cohort: int) -> dict:
    """The constants of a cohort, {name: value}."""
    anomalous, (layout, layout_words) = pick(SIGNS, cohort), pick(LAYOUTS, cohort)
    copy, copy_words = pick(COPIES, cohort)
    centre, (choice, choice_words) = pick(CENTRES, cohort), pick(CHOICES, cohort)
    return {
        "COHORT": cohort,
        "ANOMALOUS": anomalous,
        "TOWARD": {"lower": -1, "higher": 1}[anomalous],
        "THREE_OF_FOUR": {"lower": 0.25, "higher": 0.75}[anomalous],
        "CUT": {"lower": 2.0, "higher": 9.0}[anomalous],
        "LAYOUT": layout,
        "LAYOUT_WORDS": layout_words,
        "COPY": copy,
        "COPY_WORDS": copy_words,
        "CENTRE": centre,
        "CENTRE_WORDS": CENTRE_WORDS[centre],
        "AWAY": {"median": 5.0, "mean": 4.0, "midpoint": 3.0}[centre],
        "CHOICE": choice,
        "CHOICE_WORDS": choice_words,
        "REPORT": {"worst": 0.5, "mean": 0.55}[choice],
    }


def pick(options, cohort):
    """The option of a cohort: the lists have other lengths, so years share single options, neighbours none."""
    return options[(cohort - FIRST) % len(options)]
