"""The figure of the first page: what is stored is what the bank's scores give."""

from tools.website import landing


def test_the_stored_figure_is_of_the_scores_in_the_bank():
    assert landing.PATH.read_text("utf-8") == landing.figure(), "run python -m tools.website.landing"
