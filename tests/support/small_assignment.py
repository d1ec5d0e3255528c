"""An assignment of two items, small enough to be marked in a blink, and ways to answer it."""

import nbformat

from tools.course import assignment

MASTER = '''# %% [markdown]
# # Small
#
# Times **@FACTOR@**.

# %% tags=["setup"]

# %% tags=["given:tools"]
def near(answer, expected):
    """Whether an answer is what is expected."""
    return abs(answer - expected) < 1e-9

# %% tags=["item:times"]
def times(x):
    """x times FACTOR."""
    # BEGIN SOLUTION
    product_of_the_solution = FACTOR * x
    return product_of_the_solution
    # END SOLUTION

# %% tags=["check:times"]
assert near(times(1), FACTOR), "once"

# %% tags=["item:shout"]
def shout(words):
    """The words in capitals, and how many."""
    # BEGIN SOLUTION
    return words.upper(), len(words.split())
    # END SOLUTION

# %% tags=["check:shout"]
assert shout("ab") == ("AB", 1), "one word"

# %% [markdown] tags=["text:why"]
# *Write here.*
'''
CHECKS = """
from tools.course.assignment import hidden

VISIBLE = {"times": 1, "shout": 1}
TEXTS = {"why": 2}


@hidden("times", 2, "Other numbers")
def other_numbers(student, master):
    for number_that_nobody_may_know in (0, -3, 17.5):
        assert master.near(student.times(number_that_nobody_may_know), master.times(number_that_nobody_may_know))


@hidden("shout", 1, "More words than one")
def more_words(student, master):
    assert student.shout("a bc d") == master.shout("a bc d")
"""
VARIANT = "def draw(cohort):\n    return {'FACTOR': cohort - 2024}\n"
TIMES, SHOUT = "def times(x):\n    return x * 2", "def shout(words):\n    return [words.upper(), len(words.split(' '))]"


def write(folder):
    """Put the assignment `small` into a folder of masters."""
    (folder / "small").mkdir(parents=True)
    for name, text in (("master", MASTER), ("checks", CHECKS), ("variant", VARIANT)):
        (folder / "small" / f"{name}.py").write_text(text)


def load(cohort=2026):
    return assignment.load("small", cohort)


def answered(made, **sources):
    """The student's notebook with answers in place: {item: source}."""
    nb = made.notebook()
    for cell in nb.cells:
        for item, source in sources.items():
            if cell.id == f"{made.name}-item-{item}":
                cell.source = source
    return nb


def save(nb, path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(nb), "utf-8")
