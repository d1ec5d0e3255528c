"""What differs between cohorts in A3: the images, and conventions that stand in the text in words."""

from tools.course.assignment import Code

FIRST = 2026  # the cohort of the book's own page
SIGNS = ["lower", "higher"]  # which score an anomaly has
LAYOUTS = [
    ("rows of pixels", "row by row, in a row pixel by pixel, in a pixel red, green, blue"),
    ("planes", "colour by colour, in a colour row by row"),
    ("columns of pixels", "column by column, in a column pixel by pixel, in a pixel red, green, blue"),
]
COPIES = [
    ("turned", "rotated by 180°"),
    ("brighter", "made one grey level brighter (white stays white)"),
    ("mirrored", "mirrored from left to right"),
    ("colours", "with red and blue exchanged"),
]
CENTRES = ["median", "mean", "midpoint"]
CENTRE_WORDS = {
    "median": "the median of the training images' bits (of an even number, either of the middle two or their mean)",
    "mean": "the mean of the training images' bits",
    "midpoint": "half-way between the fewest and the most bits of a training image",
}
CHOICES = [
    ("worst", "in the direction where it is worst"),
    ("mean", "in the mean of all directions"),
    ("middle", "half-way between its worst and its best direction"),
]
TIES = [(0.5, "counts half"), (0.0, "does not count"), (1.0, "counts as told apart")]
RULES = [
    ("at most, beyond", "for **at most** the share `rate` of the validation images", "strictly beyond"),
    ("at most, at", "for **at most** the share `rate` of the validation images", "at or beyond"),
    ("under, beyond", "for **less than** the share `rate` of the validation images", "strictly beyond"),
]


def draw(cohort: int) -> dict:
    """The constants of a cohort, {name: value}."""
    anomalous, (layout, layout_words) = pick(SIGNS, cohort), pick(LAYOUTS, cohort)
    copy, copy_words = pick(COPIES, cohort)
    (ties, ties_words), (rule, rule_words, alarm_words) = pick(TIES, cohort), pick(RULES, cohort)
    centre, (choice, choice_words) = pick(CENTRES, cohort), pick(CHOICES, cohort)
    cut = {"at most, beyond": 3, "at most, at": 2, "under, beyond": 2}[rule]  # of the ten in the visible check
    return {
        "COHORT": cohort,
        "ANOMALOUS": anomalous,
        "TIES": ties,
        "TIES_WORDS": ties_words,
        "RULE": rule,
        "RULE_WORDS": rule_words,
        "ALARM_WORDS": alarm_words,
        "TOWARD": {"lower": -1, "higher": 1}[anomalous],
        "LOWER": Code("of_plates" if anomalous == "lower" else "of_test"),
        "HIGHER": Code("of_test" if anomalous == "lower" else "of_plates"),
        "THREE_OF_FOUR": {"lower": 0.25, "higher": 0.75}[anomalous],
        "CUT": {"lower": 0, "higher": 11}[anomalous] + {"lower": 1, "higher": -1}[anomalous] * cut,
        "LAYOUT": layout,
        "LAYOUT_WORDS": layout_words,
        "COPY": copy,
        "COPY_WORDS": copy_words,
        "CENTRE": centre,
        "CENTRE_WORDS": CENTRE_WORDS[centre],
        "AWAY": {"median": 5.0, "mean": 4.0, "midpoint": 3.0}[centre],
        "CHOICE": choice,
        "CHOICE_WORDS": choice_words,
        "REPORT": {"worst": 0.5, "mean": 0.55, "middle": 0.55}[choice],
    }


def pick(options, cohort):
    """The option of a cohort: the lists have other lengths, so years share single options, neighbours none."""
    return options[(cohort - FIRST) % len(options)]
