"""What differs between cohorts in A2: conventions that stand in the text in words."""

import math

FIRST = 2026  # the cohort of the book's own page
KEPT = [
    ("odd", "those at the places 1, 3, 5, … (counted from 0)"),
    ("first", "those of the first half"),
    ("even", "those at the places 0, 2, 4, … (counted from 0)"),
    ("second", "those of the second half"),
]
SCALES = [
    ("softplus", r"s = \log(1 + e^{r}) + \tfrac12", math.log(2) + 0.5),
    ("sigmoid", r"s = 2\,\sigma(r) + 1", 2.0),
    ("tanh", r"s = 3\,e^{\tanh(r)}", 3.0),
]
ORDERS = [
    ("shift first", r"y = s\,(x + t)", 1.0),
    ("scale first", r"y = s\,x + t", 0.0),
]
EDGES = [0.05, 0.01, 0.1, 0.02, 0.03]
LEVELS = [100, 64, 200, 128, 50, 36, 80]
PRIORS = [
    ("logistic", r"the standard logistic, $p(z) = \sigma(z)\,\sigma(-z)$", math.log(4)),
    ("Laplace", r"the standard Laplace distribution, $p(z) = \tfrac12 e^{-|z|}$", math.log(2)),
    ("wide", r"the Gaussian of standard deviation 3", math.log(3 * math.sqrt(2 * math.pi))),
]
WAYS = [("forth", "of the map itself"), ("back", "of the inverse of the map")]
MIXES = [
    ("weight first", "new channels, as a column, are `weight` times the old ones"),
    ("weight last", "new channels, as a row, are the old ones times `weight`"),
    ("inverse", "new channels, as a column, are the inverse of `weight` times the old ones"),
]
POINTS = [
    ("colour", "the mean colour of the inside images, the same at every pixel"),
    ("image", "the mean image of the inside images"),
    ("grey", "mid grey, 127.5 in every number"),
]
SIGMAS = [2.0, 0.5, 4.0, 3.0]


def draw(cohort: int) -> dict:
    """The constants of a cohort, {name: value}."""
    kept, kept_words = pick(KEPT, cohort)
    scale, scale_formula, scale_at_zero = pick(SCALES, cohort)
    order, order_formula, inside_bracket = pick(ORDERS, cohort)
    edge, levels, sigma = pick(EDGES, cohort), pick(LEVELS, cohort), pick(SIGMAS, cohort)
    prior, prior_words, nats_at_zero = pick(PRIORS, cohort)
    mixing, mixing_words = pick(MIXES, cohort)
    way, way_words = pick(WAYS, cohort)
    point, point_words = pick(POINTS, cohort)
    moved = scale_at_zero * 6 if inside_bracket else scale_at_zero * 4 + 2  # 4 at r = 0, t = 2
    row = [1.0, 4.0, 1.0, 4.0] if kept in ("odd", "even") else [1.0, 1.0, 4.0, 4.0]
    keeps_ones = {"odd": False, "even": True, "first": True, "second": False}[kept]
    row = row if keeps_ones else row[::-1]
    return {
        "COHORT": cohort,
        "KEPT": kept,
        "KEPT_WORDS": kept_words,
        "SCALE": scale,
        "SCALE_FORMULA": scale_formula,
        "SCALE_AT_ZERO": round(scale_at_zero, 9),
        "ORDER": order,
        "ORDER_FORMULA": order_formula,
        "ROW": row,
        "MOVED": [round(moved, 9) if number == 4.0 else number for number in row],
        "EDGE": edge,
        "LEVELS": levels,
        "HALF_WAY": levels / 2,
        "PRIOR": prior,
        "PRIOR_WORDS": prior_words,
        "BITS_AT_ZERO": round(nats_at_zero / math.log(2), 9),
        "MIXING": mixing,
        "MIXING_WORDS": mixing_words,
        "MIXED": {"weight first": [3.0, 2.0], "weight last": [2.0, 3.0], "inverse": [0.25, 0.5]}[mixing],
        "STRETCH": -3 if mixing == "inverse" else 3,
        "WAY": way,
        "WAY_WORDS": way_words,
        "LOG_DET_OF_DOUBLING": round({"forth": 1, "back": -1}[way] * 3 * math.log(2), 9),
        "POINT": point,
        "POINT_WORDS": point_words,
        "SIGMA": sigma,
        "GAP": round(-(20**2 - 10**2) / (2 * sigma**2 * math.log(2)), 9),
    }


def pick(options, cohort):
    """The option of a cohort: the lists have other lengths, so years share single options, neighbours none."""
    return options[(cohort - FIRST) % len(options)]
