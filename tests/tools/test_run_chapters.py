"""nbval's verdict is real: what should fail fails, and only that."""

import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.support import small_chapter
from tools.chapter import chapters, peak, run_chapters

SETUP = "from likelab import claims\n\ninside, outside = 'CIFAR-10', 'SVHN'"
CHECK = 'claims.check("05.%d", f"{outside} needs fewer bits than {inside}, by 0.5", {inside: 4.93, "gap": -3.95}, True)'
STORED = "Claim 05.%d holds: SVHN needs fewer bits than CIFAR-10, by 0.5 — CIFAR-10 4.93, gap −3.95\n"

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
    "fewer values": ('{inside: 4.93, "gap": -3.95}', '{"gap": 4.93}'),
    "no number": ("4.93", "float('nan')"),
    "does not hold": ("True", "False"),
    "another id": ("05.", "05.9"),
    "no claim": ("claims.check", "str"),
    "error": ("claims.check", "claims.chekc"),
}


# The kernel knows the pair: true of one run below, and not of the other.
PAIR_IS = "import os\nassert os.environ['LIKELAB_PAIR'] == 'standin'"


def chapter(folder, changes, *sources):
    """A chapter whose claim cells were executed as CHECK and then edited; further cells have no output."""
    cells = [new_code_cell(SETUP, execution_count=1)]
    for number, (old, new) in enumerate(changes, start=1):
        source = (CHECK % number).replace(old, new) if old else CHECK % number
        stored = [new_output("stream", name="stdout", text=STORED % number)]
        tags = {"tags": ["nbval-check-output"]}
        cells.append(new_code_cell(source, metadata=tags, outputs=stored, execution_count=number + 1))
    cells += [new_code_cell(source, execution_count=i) for i, source in enumerate(sources, start=len(cells) + 1)]
    return small_chapter.save(new_notebook(cells=cells), folder / "05_small.ipynb")


@pytest.fixture
def likelab_importable(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(chapters.BOOK))


BLOCK = 300  # MiB


def test_numbers_and_set_names_may_change(tmp_path, likelab_importable):
    large = f"block = bytearray({BLOCK} << 20)\nfor i in range(0, len(block), 4096):\n    block[i] = 1"
    path = chapter(tmp_path, PASS.values(), large, PAIR_IS)
    before = path.read_bytes()
    result = run_chapters.verdict(path, "standin", threads=1)
    assert result.passed, result.said
    assert len(result.claims) == len(PASS) and result.claims["05.1"] == {"values": [4.93, -3.95], "within": 0.02}
    assert path.read_bytes() == before
    assert BLOCK < result.peak < 2 * BLOCK, "the memory is that of the chapter's process"


def test_anything_else_fails(tmp_path, likelab_importable):
    result = run_chapters.verdict(chapter(tmp_path, FAIL.values(), PAIR_IS), "real")
    failed = {int(number) for number in re.findall(r"^FAILED .*::Cell (\d+)", result.said, re.M)}
    assert not result.passed
    assert failed == set(range(1, len(FAIL) + 2)), result.said


def test_a_claim_that_was_never_stored_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(run_chapters, "run", lambda *_: run_chapters.Result(True, "", 400, 60))
    path = small_chapter.save(small_chapter.notebook(), tmp_path / "05_small.ipynb")
    result = run_chapters.verdict(path, "standin")
    assert not result.passed
    assert "nothing to compare with" in result.said


DATA = {"real": True, "inside": "CIFAR-10, 1,000 of 10,000 images", "outside": "SVHN, 9 of 9 images, not the file: x"}


def a_run_with(monkeypatch, tmp_path, values, stored=(3.95, 5, "yes"), within=0.02, data=DATA):
    """The verdict on a chapter whose outputs and whose run have these numbers in claim 05.1."""
    nb = small_chapter.executed()
    nb.metadata.likelab.update(fresh={"data": DATA}, claims={"05.1": list(stored)})
    found = {"05.1": {"values": list(values), "within": within}}
    monkeypatch.setattr(run_chapters, "run", lambda *_: run_chapters.Result(True, "", 400, 60, found))
    monkeypatch.setattr(run_chapters, "images", lambda: data)
    return run_chapters.verdict(small_chapter.save(nb, tmp_path / "05_small.ipynb"), "real")


@pytest.mark.parametrize("moved", [(3.86, 5, "yes"), (3.95, 6, "yes"), (3.95, 5, "no"), (-3.95, 5, "yes"), (3.95, 5)])
def test_a_number_that_moved_fails_by_its_name(monkeypatch, tmp_path, moved):
    result = a_run_with(monkeypatch, tmp_path, moved)
    assert not result.passed and "claim 05.1 was 3.950, 5, yes and is " in result.said


def test_what_moves_within_its_share_or_stands_on_other_images_passes(monkeypatch, tmp_path):
    assert a_run_with(monkeypatch, tmp_path, (3.90, 5, "yes")).passed
    assert a_run_with(monkeypatch, tmp_path, (3.0, 5, "yes"), within=0.3).passed
    assert a_run_with(monkeypatch, tmp_path, (9.0, 5, "yes"), within=None).passed
    elsewhere = DATA | {"outside": DATA["outside"].replace(": x", ": provenance unknown")}
    assert not a_run_with(monkeypatch, tmp_path, (9.0, 5, "yes"), data=elsewhere).passed, "the same images"
    assert a_run_with(monkeypatch, tmp_path, (9.0, 5, "yes"), data=DATA | {"outside": "SVHN, 9 of 9 images"}).passed
    assert a_run_with(monkeypatch, tmp_path, (9.0, 5, "yes"), data={}).passed


@pytest.mark.parametrize("most", [1000, 1432])
def test_a_chapter_that_takes_more_than_a_gibibyte_fails_in_one_line(tmp_path, monkeypatch, most):
    monkeypatch.setattr(run_chapters, "run", lambda *_: run_chapters.Result(True, "", most, 60))
    result = run_chapters.verdict(small_chapter.save(small_chapter.executed(), tmp_path / "05_small.ipynb"), "standin")
    assert result.passed == (most < 1024)
    if not result.passed:
        assert result.said.count("\n") == 1
        assert "05_small.ipynb took 1,432 MiB of memory at its peak, and may take 1,024" in result.said


def test_where_the_system_keeps_no_account_the_memory_is_looked_at(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    polls = iter([None, None, 0])
    seen = peak.watched(SimpleNamespace(pid=os.getpid(), poll=lambda: next(polls)))
    assert seen == pytest.approx(psutil.Process().memory_info().rss / 2**20, rel=0.5)


def test_every_chapter_once_and_the_anomaly_on_both():
    paths = [Path("02_bits.ipynb"), Path("05_glow.ipynb"), Path("07_anomaly.ipynb")]

    def planned(real, everything):
        return [(path.name[:2], pair) for path, pair in run_chapters.plan(paths, real, everything)]

    once = [("02", "real"), ("02", "standin"), ("05", "real"), ("07", "real"), ("07", "standin")]
    assert planned(real=True, everything=False) == once
    assert planned(real=True, everything=True) == sorted([*once, ("05", "standin")])
    for everything in (False, True):
        assert planned(False, everything) == [("02", "standin"), ("05", "standin"), ("07", "standin")]


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("results", [[True, True, True], [True, False, True]])
def test_the_exit_status_and_the_table(monkeypatch, capsys, results, jobs):
    names = ["02_bits.ipynb", "05_glow.ipynb", "07_anomaly.ipynb"]
    outcomes, threads = dict(zip(names, results, strict=True)), set()

    def verdict(path, pair, given):
        threads.add(given)
        return run_chapters.Result(outcomes[path.name], "what nbval said", peak=700, seconds=90)

    monkeypatch.setattr("sys.argv", ["run_chapters.py", f"--jobs={jobs}"])
    monkeypatch.setattr(run_chapters, "real_at_hand", lambda: False)
    monkeypatch.setattr(run_chapters, "cpu_count", lambda: 6)
    monkeypatch.setattr(chapters, "chosen", lambda names: [Path(name) for name in outcomes])
    monkeypatch.setattr(run_chapters, "verdict", verdict)
    assert bool(run_chapters.main()) == (not all(results))
    assert threads == {None if jobs == 1 else 3}, "all processors where a chapter runs alone, else its share"
    lines = capsys.readouterr().out.splitlines()
    assert "stand-ins only" in lines[0]
    table = [line.split() for line in lines[-5:-2]]
    assert [row[0] for row in table] == names
    assert [row[-1] == "FAILED" for row in table] == [not result for result in results]
    assert all(row[2:5] == ["1.5", "700", "MiB"] for row in table)
    assert lines[-1] == f"{sum(results)} passed, {3 - sum(results)} failed"
    assert ("what nbval said" in lines) == (not all(results))


def test_what_waits_does_not_start_after_ctrl_c(monkeypatch):
    started, cancelled = [], threading.Event()
    shutdown = ThreadPoolExecutor.shutdown

    def interrupted(path, pair, threads):
        started.append(path)
        if len(started) == 1:
            raise KeyboardInterrupt
        cancelled.wait()
        return run_chapters.Result(True, "", 0, 0)

    def shut_down(pool, wait=True, cancel_futures=False):
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        cancelled.set()
        shutdown(pool, wait=True)

    monkeypatch.setattr(run_chapters, "verdict", interrupted)
    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", shut_down)
    with pytest.raises(KeyboardInterrupt):
        run_chapters.run_all([(Path(f"{n:02d}_a.ipynb"), "standin") for n in range(20)], jobs=1)
    assert len(started) <= 2
