"""Tables of results."""

import re

import numpy as np
import pytest
import torch

from likelab.tables import Table

ROWS = [{"model": "Glow <1>", "bits": 3.7812, "images": 1000}, {"model": "VAE", "bits": torch.tensor(-0.5)}]


def test_text_has_aligned_columns():
    assert repr(Table(ROWS, "Bits per dimension")).splitlines() == [
        "Bits per dimension",
        "",
        "model      bits  images",
        "Glow <1>   3.78   1,000",
        "VAE       −0.50       –",
    ]


def test_html_says_what_heads_what_and_lets_nothing_through():
    html = Table(ROWS, "Bits & more", digits={"bits": 1})._repr_html_()
    assert (
        "<caption>Bits &amp; more</caption>" in html
        and '<th scope="row" style="text-align: left">Glow &lt;1&gt;' in html
    )
    assert re.findall(r"<td style=\"text-align: (\w+)\">([^<]+)", html) == [
        ("right", "3.8"),
        ("right", "1,000"),
        ("right", "−0.5"),
        ("right", "–"),
    ]
    assert html.count('scope="col"') == 3


def test_shares_are_numbers_too():
    table = Table([{"name": "a", "caught": "4.5%", "best": "12", "gain": -1}], "Shares")
    assert table.numeric == [False, True, False, True]
    assert table.cells == [["a", "4.5\N{NO-BREAK SPACE}%", "12", "−1"]]


@pytest.mark.parametrize("rows", [9, 10])
def test_a_long_table_can_be_sorted(rows):
    html = Table([{"n": np.int64(k), "text": "a"} for k in range(rows)], "Numbers")._repr_html_()
    assert ("data-sortable" in html) == (rows == 10)


@pytest.mark.parametrize(("rows", "caption"), [([], "Nothing"), (ROWS, "")])
def test_a_table_has_rows_and_a_caption(rows, caption):
    with pytest.raises(ValueError, match="a row at least, and a caption"):
        Table(rows, caption)
