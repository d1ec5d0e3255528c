"""nbval's verdict is real: what should fail fails, and only that."""

import re
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.support import small_chapter
from tools.chapter import chapters, run_chapters

SETUP = "from likelab import claims\n\ninside, outside = 'CIFAR-10', 'SVHN'"
CHECK = 'claims.check("05.%d", f"{outside} needs fewer bits than {inside}, by 0.5", (4.93, -3.95), True)'
STORED = "Claim 05.%d holds: SVHN needs fewer bits than CIFAR-10, by 0.5 (4.93, -3.95)\n"

# What a cell says now, against STORED: (what replaces what in CHECK).
PASS = {
    "the same": ("", ""),
    "decimals": ("-3.95", "3.9512"),
    "exponent": ("4.93", "1.2e-7"),
    "thousands": ("4.93", "4000"),
    "bound": ("0.5", "12.25"),
    "other sets": ("{outside} needs fewer bits than {inside}", "Plates needs fewer bits than Leaves"),
}
FAIL = {
    "statement": ("fewer", "more"),
    "sets swapped": ("{outside} needs fewer bits than {inside}", "{inside} needs fewer bits than {outside}"),
    "another set": ("{inside}", "FashionMNIST"),
    "fewer values": ("(4.93, -3.95)", "4.93"),
    "no number": ("4.93", "float('nan')"),
    "does not hold": ("True", "False"),
    "another id": ("05.", "05.9"),
    "no claim": ("claims.check", "str"),
    "error": ("claims.check", "claims.chekc"),
}


def chapter(folder, changes):
    """A chapter whose claim cells were executed as CHECK and then edited."""
    cells = [new_code_cell(SETUP, execution_count=1)]
    for number, (old, new) in enumerate(changes, start=1):
        source = (CHECK % number).replace(old, new) if old else CHECK % number
        stored = [new_output("stream", name="stdout", text=STORED % number)]
        tags = {"tags": ["nbval-check-output"]}
        cells.append(new_code_cell(source, metadata=tags, outputs=stored, execution_count=number + 1))
    return small_chapter.save(new_notebook(cells=cells), folder / "05_small.ipynb")


@pytest.fixture
def likelab_importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(chapters.BOOK))


def test_numbers_and_set_names_may_change(tmp_path, likelab_importable):
    path = chapter(tmp_path, PASS.values())
    before = path.read_bytes()
    passed, text = run_chapters.verdict(path, "standin")
    assert passed, text
    assert path.read_bytes() == before


def test_anything_else_fails(tmp_path, likelab_importable):
    passed, text = run_chapters.verdict(chapter(tmp_path, FAIL.values()), "standin")
    failed = {int(number) for number in re.findall(r"^FAILED .*::Cell (\d+)", text, re.M)}
    assert not passed
    assert failed == set(range(1, len(FAIL) + 1)), text


def test_the_kernel_gets_the_pair(tmp_path):
    cell = new_code_cell("import os\nassert os.environ['LIKELAB_PAIR'] == 'standin'", execution_count=1)
    path = small_chapter.save(new_notebook(cells=[cell]), tmp_path / "05_small.ipynb")
    assert run_chapters.verdict(path, "standin")[0]
    assert not run_chapters.verdict(path, "real")[0]


def test_a_claim_that_was_never_stored_fails(tmp_path):
    path = small_chapter.save(small_chapter.notebook(), tmp_path / "05_small.ipynb")
    passed, text = run_chapters.verdict(path, "standin")
    assert not passed
    assert "nothing to compare with" in text


def test_every_chapter_once_and_the_anomaly_on_both():
    paths = [Path("02_bits.ipynb"), Path("05_glow.ipynb"), Path("07_anomaly.ipynb")]

    def planned(real, everything):
        return [(path.name[:2], pair) for path, pair in run_chapters.plan(paths, real, everything)]

    once = [("02", "real"), ("02", "standin"), ("05", "real"), ("07", "real"), ("07", "standin")]
    assert planned(real=True, everything=False) == once
    assert planned(real=True, everything=True) == sorted([*once, ("05", "standin")])
    for everything in (False, True):
        assert planned(False, everything) == [("02", "standin"), ("05", "standin"), ("07", "standin")]


@pytest.mark.parametrize("results", [[True, True, True], [True, False, True]])
def test_the_exit_status_and_the_table(tmp_path, monkeypatch, capsys, results):
    names = ["02_bits.ipynb", "05_glow.ipynb", "07_anomaly.ipynb"]
    outcomes = dict(zip(names, results, strict=True))
    monkeypatch.setattr("sys.argv", ["run_chapters.py"])
    monkeypatch.setattr(run_chapters, "real_at_hand", lambda: False)
    monkeypatch.setattr(chapters, "chosen", lambda names: [Path(name) for name in outcomes])
    monkeypatch.setattr(run_chapters, "verdict", lambda path, pair: (outcomes[path.name], "what nbval said"))
    assert bool(run_chapters.main()) == (not all(results))
    lines = capsys.readouterr().out.splitlines()
    assert "stand-ins only" in lines[0]
    table = lines[-5:-2]
    assert [line.split()[0] for line in table] == names
    assert [line.endswith("FAILED") for line in table] == [not result for result in results]
    assert lines[-1] == f"{sum(results)} passed, {3 - sum(results)} failed"
    assert ("what nbval said" in lines) == (not all(results))
