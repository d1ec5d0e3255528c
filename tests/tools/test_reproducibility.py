"""The page that compares the book with the paper is of today, and leaves nothing out."""

from tools.runs.recipes import RUNS
from tools.website import reproducibility


def test_the_reproducibility_page_is_of_today():
    assert reproducibility.PAGE.read_text("utf-8") == reproducibility.page(), (
        "run python -m tools.website.reproducibility"
    )


def test_the_page_has_a_row_for_each_claim_and_run():
    text = reproducibility.page()
    assert len(reproducibility.ROWS) >= 20
    assert all(f"| {name} |" in text for name in (*RUNS, *reproducibility.claims()))
