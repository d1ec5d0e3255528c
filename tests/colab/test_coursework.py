"""A student's way: from the button for Colab, through the visible checks, to full points."""

import re

import pytest
from nbformat.v4 import new_code_cell

from tests.colab.test_colab import published  # noqa: F401 - a fixture
from tools.chapter import chapters, colab
from tools.course import assignment, students, submission

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", assignment.names())
def test_from_the_button_to_full_points(environment, published, tmp_path, name):
    answers = __import__(f"coursework.{name}.wrong", fromlist=["wrong"])
    nb = chapters.read(published[0] / "coursework" / f"{name}.ipynb")
    for cell in nb.cells:
        item = cell.id.removeprefix(f"{name}-item-")
        cell.source = answers.ANSWERS.get(item, cell.source) if item != cell.id else cell.source
    nb.cells.insert(2, new_code_cell(answers.IMPORTS))
    (tmp_path / "colab").mkdir()
    done = colab.run(nb, tmp_path / "colab", published[1])
    printed = "".join(output.get("text", "") for cell in chapters.code_cells(done) for output in cell.outputs)
    made = assignment.load(name, students.COHORT)
    assert re.findall(r"Check of (\w+) passed", printed) == made.items
    (tmp_path / "work").mkdir()
    found = submission.mark(made, made.world(), done, tmp_path / "work")
    assert found["points"] == {item: made.points(item) for item in made.items} and found["notes"] == []
