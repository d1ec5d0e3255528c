"""The examples of the refresher run, one after another, as the page says."""

import re
import warnings

import pytest

from tools.chapter import chapters

PAGE = (chapters.BOOK / "refresher.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
HEADS = re.findall(r"^\*\*([^*]+?)\.\*\* ", PAGE, re.MULTILINE)


def test_every_paragraph_has_an_example_that_asserts():
    assert len(HEADS) == len(EXAMPLES) - 1 > 10  # the first example imports
    assert [head for head, code in zip(HEADS, EXAMPLES[1:], strict=True) if "assert " not in code] == []
    assert [line for code in EXAMPLES for line in code.splitlines() if len(line) > 88] == []


@pytest.fixture(scope="module")
def names():
    """The names that an example may use: those of the imports alone, and its own."""
    space = {}
    exec(EXAMPLES[0], space)
    return space


@pytest.mark.parametrize("code", EXAMPLES[1:], ids=HEADS)
def test_example(names, code):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exec(code, dict(names))
