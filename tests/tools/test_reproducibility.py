"""The page that compares the book with the paper is of today, leaves nothing out, and its verdicts can fail."""

import collections

import pytest

from likelab.errors import DataError
from tools.chapter import chapters
from tools.runs.recipes import RUNS
from tools.website import reproducibility

ALL_ROWS = reproducibility.ROWS + reproducibility.LATER_ROWS
COMPARED = {what: condition for what, _, _, (_, condition) in ALL_ROWS if condition}


def test_the_page_is_of_today():
    page = (chapters.BOOK / "reproducibility.md").read_text("utf-8")
    assert page == reproducibility.page(), "run python -m tools.website.reproducibility"


def test_the_page_has_a_row_for_each_claim_and_run():
    text = reproducibility.page()
    assert all(f"| {name} |" in text for name in (*RUNS, *reproducibility.claims()))


class Numbers(collections.defaultdict):
    """Any number that a comparison asks for: one of a card, four of a claim, which has a digit first."""

    def __init__(self, number):
        super().__init__()
        self.number = number

    def __missing__(self, name):
        return [self.number] * 4 if name[0].isdigit() else self.number


@pytest.mark.parametrize("what", COMPARED)
def test_every_verdict_can_fail(what):
    verdicts = {reproducibility.verdict(COMPARED[what], Numbers(x)) for x in (-9.0, -0.1, 0.0, 0.1, 0.9, 9.0)}
    assert "**differs**" in verdicts and verdicts <= {"agrees", "**differs**"}


def test_what_is_not_compared_says_so():
    rest = [what for what, *_ in ALL_ROWS if what not in COMPARED]
    assert reproducibility.verdict(None, {}) == "not compared" and len(COMPARED) > 2 * len(rest) > 0


def test_a_mean_is_compared_within_its_tolerance_and_an_order_by_means_and_areas():
    _, mean = reproducibility.mean("x", 2.0)
    assert [mean({"x": value}) for value in (1.89, 1.91, 2.09, 2.11)] == [False, True, True, False]
    _, likelier = reproducibility.likelier("x")
    found = [likelier({"x.gap": gap, "x.auroc": area}) for gap, area in ((1, 0.1), (1, 0.9), (-1, 0.1))]
    assert found == [True, False, False]


def test_numbers_of_cards_and_claims_are_filled_in():
    stated = {"07.13": ("a statement", "0.1, 1,371")}
    assert reproducibility.filled("{x:.2f} and {07.13}", {"x": 1.234}, stated) == "1.23 and 0.1, 1,371 (claim 07.13)"


def test_numbers_that_a_claim_states(monkeypatch):
    stated = {"09.1": ("gaps", "1,371, -2.5, 9.77e-15"), "07.12": ("always", "yes")}
    monkeypatch.setattr(reproducibility, "claims", lambda: stated)
    values = reproducibility.measured()
    assert values["09.1"] == [1371, -2.5, 9.77e-15] and values["07.12"] == []
    assert values["glow.gap"] >= values["glow.least gap"] > 0


def test_a_claim_that_is_missing_is_one_line_with_a_remedy(monkeypatch):
    monkeypatch.setattr(reproducibility, "claims", dict)
    with pytest.raises(DataError, match="'An ensemble does not cure it'; found no claim 07.13. Run make execute"):
        reproducibility.page()
