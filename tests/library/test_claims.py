import json

import numpy as np
import pytest
import torch

from likelab import claims


@pytest.fixture(autouse=True)
def nothing_stated(monkeypatch):
    monkeypatch.setattr(claims, "_stated", {})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0249961, "0.0250"),
        (-1.5e-7, "−1.50e−07"),
        (-3.14159, "−3.14"),
        (100.0, "100"),
        (999.7, "1,000"),
        (12345.6, "12,346"),
        (1.5e-7, "1.50e−07"),
        (4000, "4,000"),
        ("all of 16 draws", "all of 16 draws"),
        (np.float32(4.93), "4.93"),
        (torch.tensor(4.93), "4.93"),
    ],
)
def test_one_compact_line(capsys, value, shown):
    claims.check("07.1", "SVHN needs fewer bits", {"Glow": value, "all": True}, True)
    assert capsys.readouterr().out == f"Claim 07.1 holds: SVHN needs fewer bits — Glow {shown}, all True\n"


@pytest.mark.parametrize("no", [False, np.bool_(False), torch.tensor(False)])
def test_what_does_not_hold_raises_and_prints_nothing(capsys, no):
    with pytest.raises(claims.ClaimError, match=r"^Claim 07.1 does not hold: SVHN .+ bits — gap 0.500$"):
        claims.check("07.1", "SVHN needs fewer bits", {"gap": 0.5}, no)
    assert capsys.readouterr().out == ""
    assert issubclass(claims.ClaimError, AssertionError)


@pytest.mark.parametrize("yes", [True, np.True_, torch.tensor(True)])
def test_truth_of_any_library_counts(yes):
    claims.check("07.1", "SVHN needs fewer bits", {"gap": 0.5}, yes)


@pytest.mark.parametrize("no_truth", [1, None, "yes", [], np.array([True, True]), torch.ones(2) > 0, np.float64(1)])
def test_what_is_no_truth_value_is_refused(no_truth):
    with pytest.raises(TypeError, match="True or False"):
        claims.check("07.1", "SVHN needs fewer bits", {"gap": 0.5}, no_truth)


@pytest.mark.parametrize("bad", ["7.1", "07", "07.1a", "0710", "x07.1", ""])
def test_ids_name_chapter_and_number(bad):
    with pytest.raises(ValueError, match="is not the id of a claim"):
        claims.check(bad, "statement", {"n": 1}, True)


@pytest.mark.parametrize("bad", ["", " ", "two\nlines"])
def test_statements_are_one_line(bad):
    with pytest.raises(ValueError, match="one line"):
        claims.check("07.1", bad, {"n": 1}, True)


def test_a_cell_can_run_again_but_an_id_has_one_statement():
    claims.check("07.1", "statement", {"n": 1}, True)
    claims.check("07.1", "statement", {"n": 2}, True)
    with pytest.raises(ValueError, match="stated before"):
        claims.check("07.1", "another statement", {"n": 1}, True)


def test_numbers_are_recorded_whole_where_a_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv(claims.RECORD, str(tmp_path / "claims"))
    claims.check("07.1", "one", {"a": torch.tensor(4.5), "b": np.int64(1), "c": "yes"}, True, within=0.1)
    with pytest.raises(claims.ClaimError):
        claims.check("07.2", "another", {"n": 1 / 3}, False, within=None)
    assert [json.loads(line) for line in (tmp_path / "claims").read_text("utf-8").splitlines()] == [
        {"id": "07.1", "values": [4.5, 1, "yes"], "within": 0.1},
        {"id": "07.2", "values": [1 / 3], "within": None},
    ]


@pytest.mark.parametrize("nameless", [4.9, "yes", (4.9, 3.9), np.array([0.1, 0.2]), {" ": 1}, {"AUROC, Glow": 1}])
def test_numbers_have_names(nameless):
    with pytest.raises(ValueError, match="claim 07.1: name its numbers"):
        claims.check("07.1", "one", nameless, True)


@pytest.mark.parametrize("within", [0, -0.1, float("nan")])
def test_a_share_that_nothing_can_be_within_is_refused(within):
    with pytest.raises(ValueError, match="a share above 0"):
        claims.check("07.1", "one", {"n": 1.0}, True, within=within)
