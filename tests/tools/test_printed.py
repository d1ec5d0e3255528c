"""What a tagged cell printed, and the weekly workflow, which shows chapter 10's table of kernels with it."""

import re
import shlex

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools.chapter import chapters, printed

WEEKLY = yaml.safe_load((chapters.ROOT / ".github/workflows/weekly.yml").read_text("utf-8"))
COMMANDS = [step.get("run", "") for step in WEEKLY["jobs"]["published"]["steps"]]


def cell(text, *tags):
    outputs = [new_output("stream", name="stdout", text=text)]
    return new_code_cell("print()", metadata={"tags": list(tags)}, outputs=outputs)


def test_text_of_the_tagged_cells_and_of_no_others():
    nb = new_notebook(cells=[cell("no\n"), cell("kernel 1\n", "hide-input", "crops"), cell("kernel 2\n", "crops")])
    assert printed.printed(nb, "crops") == "kernel 1\nkernel 2"


def test_a_table_as_text():
    shown = cell("kernel 1\n", "crops")
    bundle = {"text/html": "<table>…</table>", "text/plain": "Gaps\n\nkernel   gap\nnearest    1"}
    shown.outputs.append(new_output("execute_result", bundle, execution_count=1))
    assert printed.printed(new_notebook(cells=[shown]), "crops") == "kernel 1\nGaps\n\nkernel   gap\nnearest    1"


@pytest.mark.parametrize("cells", [[], [cell("text", "other")], [cell(" \n", "crops")]])
def test_nothing_printed_is_said(cells):
    with pytest.raises(SystemExit, match="make execute"):
        printed.printed(new_notebook(cells=cells), "crops")


def test_the_weekly_workflow_shows_a_table_that_the_chapter_has():
    (shown,) = [shlex.split(run) for run in COMMANDS if "chapter.printed" in run]
    name, tag = shown[shown.index("tools.chapter.printed") + 1 :][:2]
    (path,) = chapters.chosen([name])
    (found,) = [cell for cell in chapters.code_cells(chapters.read(path)) if chapters.has_tag(cell, tag)]
    assert "pair.outside.count" in found.source  # the table says whether the images are the published ones
    (executed,) = [run for run in COMMANDS if run.startswith("make execute")]
    run = chapters.chosen(re.search('CHAPTERS="(.*)"', executed).group(1).split())
    assert path in run and [some.name[:2] for some in run] == ["07", "10"]


def test_an_issue_tells_of_every_weekly_job():
    jobs = set(WEEKLY["jobs"]) - {"report"}
    assert set(WEEKLY["jobs"]["report"]["needs"]) == jobs
    body = WEEKLY["jobs"]["report"]["steps"][0]["env"]["BODY"]
    assert {job for job in jobs if f"needs.{job}.result" in body} == jobs
