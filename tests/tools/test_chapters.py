"""The chapters keep the house rules; and each rule finds what it is there to find."""

import warnings

import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.support import small_chapter
from tools.chapter import chapters, digests, execute, export, rules, setup_cell

NOTEBOOKS = {path.name: chapters.read(path) for path in chapters.paths()}
each_chapter = pytest.mark.parametrize("nb", NOTEBOOKS.values(), ids=NOTEBOOKS)


def test_the_table_of_contents_names_the_chapters_that_exist():
    toc = yaml.safe_load((chapters.ROOT / "_toc.yml").read_text("utf-8"))
    entries = [entry["file"].split("/")[-1] + ".ipynb" for part in toc["parts"] for entry in part["chapters"]]
    assert [name for name in entries if name[:2].isdigit()] == list(NOTEBOOKS)


def test_titles_have_the_numbers_by_which_the_text_calls_chapters():
    for name, nb in NOTEBOOKS.items():
        assert nb.cells[0].source.startswith(f"# {name[:2]} · "), name


@each_chapter
def test_text(nb):
    assert rules.for_text(nb, setup_cell.source()) == []


@each_chapter
def test_outputs(nb):
    assert rules.for_outputs(nb) == []


@each_chapter
def test_outputs_are_fresh(nb):
    for warning in rules.appearance(nb):
        warnings.warn(warning, stacklevel=1)
    assert rules.stale(nb) == []


def test_code_has_one_home():
    assert export.differences() == []
    assert rules.redefinitions(NOTEBOOKS) == []


def test_claims_are_numbered_by_chapter():
    assert rules.claim_ids(NOTEBOOKS) == []


# --- The rules themselves ---


def test_a_good_chapter_keeps_every_rule():
    assert rules.for_text(small_chapter.executed(), setup_cell.source()) == []
    assert rules.for_outputs(small_chapter.executed()) == []


def show(data):
    return new_code_cell("show()", outputs=[new_output("display_data", data)], execution_count=6)


BROKEN_TEXT = {
    "magic": (lambda nb: nb.cells.append(new_code_cell("%matplotlib inline")), "not plain Python"),
    "setup edited": (lambda nb: nb.cells[1].update(source=nb.cells[1].source + "\n"), "setup cell"),
    "setup untagged": (lambda nb: nb.cells[1].metadata.clear(), "setup cell"),
    "setup late": (lambda nb: nb.cells.insert(0, new_code_cell("import os")), "setup cell"),
    "no heading": (lambda nb: nb.cells[0].update(source="*You will* learn."), "first level"),
    "two headings": (lambda nb: nb.cells.append(new_markdown_cell("# Another")), "first level"),
    "no objectives": (lambda nb: nb.cells[0].update(source="# A small chapter"), "You will"),
    **{
        f"no {name}": (lambda nb, name=name: nb.cells[-1].update(source=small_chapter.END.replace(name, "")), name)
        for name in rules.SECTIONS
    },
    "directive": (lambda nb: nb.cells.append(new_markdown_cell(":::{dropdown} Answer\n42\n:::")), "Colab would show"),
    "role": (lambda nb: nb.cells.append(new_markdown_cell("See {doc}`05_glow`.")), "Colab would show"),
    "fenced directive": (lambda nb: nb.cells.append(new_markdown_cell("```{note}\nx\n```")), "Colab would show"),
    "wrong name": (
        lambda nb: nb.cells.append(new_markdown_cell("[Nobody (2019)](https://arxiv.org/abs/1810.09136)")),
        "another name or year",
    ),
    "image in text": (lambda nb: nb.cells.append(new_markdown_cell("![ ](a.png)")), "image without alt text"),
}


@pytest.mark.parametrize(("change", "finding"), BROKEN_TEXT.values(), ids=BROKEN_TEXT)
def test_a_broken_text_is_found(change, finding):
    nb = small_chapter.executed()
    change(nb)
    assert any(finding in found for found in rules.for_text(nb, setup_cell.source()))


def last_claims(text, tags=("nbval-check-output",)):
    def change(nb):
        nb.cells[5].outputs = [new_output("stream", name="stdout", text=text)]
        nb.cells[5].metadata.tags = list(tags)

    return change


WIDGET = {rules.WIDGET: {"model_id": "1"}}
BROKEN_OUTPUTS = {
    "error": (
        lambda nb: nb.cells[3].outputs.append(new_output("error", ename="ValueError", evalue="", traceback=[])),
        "ValueError",
    ),
    "not executed": (lambda nb: nb.cells[2].update(execution_count=None), "not executed"),
    "count from 2": (
        lambda nb: [cell.update(execution_count=cell.execution_count + 1) for cell in chapters.code_cells(nb)],
        "execution counts",
    ),
    "gap": (lambda nb: nb.cells[5].update(execution_count=9), "execution counts"),
    "no alt": (lambda nb: nb.cells[4].metadata.clear(), "figure without alt text"),
    "blank alt": (lambda nb: nb.cells[4].metadata.mystnb.image.update(alt=" "), "figure without alt text"),
    "no alt for svg": (
        lambda nb: nb.cells.append(show({"image/svg+xml": "<svg/>"})),
        "figure without alt text",
    ),
    "no alt in html": (lambda nb: nb.cells.append(show({"text/html": "<img src='a'>"})), "<img> without"),
    "empty alt in html": (
        lambda nb: nb.cells.append(show({"text/html": '<img alt="" src="a">'})),
        "<img> without",
    ),
    "claims not compared": (last_claims(small_chapter.CLAIM_LINE, tags=()), "nbval-check-output"),
    "nothing to compare": (last_claims("no claim\n"), "nbval-check-output"),
    "claims and more": (last_claims(small_chapter.CLAIM_LINE + "0.3\n"), "more than claims"),
    "widget state": (lambda nb: nb.metadata.update(widgets={}), "widget state"),
    "bare widget": (lambda nb: nb.cells.append(show(WIDGET)), "without HTML"),
    "path": (last_claims("/opt/python/warn.py:3: UserWarning\n"), "/opt/python/warn.py"),
    "too large": (lambda nb: nb.cells.append(new_markdown_cell("x" * 2_000_000)), "MB"),
    "stand-ins": (lambda nb: nb.metadata.likelab.fresh.data.update(real=False), "real pair"),
    "unknown data": (lambda nb: nb.metadata.likelab.pop("fresh"), "real pair"),
}


@pytest.mark.parametrize(("change", "finding"), BROKEN_OUTPUTS.values(), ids=BROKEN_OUTPUTS)
def test_a_broken_output_is_found(change, finding):
    nb = small_chapter.executed()
    change(nb)
    assert any(finding in found for found in rules.for_outputs(nb))


def test_what_the_rules_allow():
    nb = small_chapter.executed()
    nb.cells.append(show({"text/html": '<img alt="Two histograms" src="a">', **WIDGET}))
    nb.cells.append(new_code_cell(""))  # empty cells have no count
    nb.cells[3].outputs = [new_output("stream", name="stdout", text="see https://a.org/b/c.html, 3.9/4.9 bits/dim\n")]
    assert rules.for_outputs(nb) == []


def test_claim_ids():
    nb = small_chapter.executed()
    assert rules.claim_ids({"05_small.ipynb": nb}) == []
    assert "another chapter" in rules.claim_ids({"07_other.ipynb": nb})[0]
    nb.cells[5].outputs[0].text *= 2
    assert "two claims 05.1" in rules.claim_ids({"05_small.ipynb": nb})[0]


# --- Freshness ---


@pytest.fixture
def book(tmp_path):
    book = small_chapter.book(tmp_path)
    files = {
        "bits.py": "from .deep import other\n",
        "deep/__init__.py": "",
        "deep/other.py": "from likelab.deep import third\n",
        "deep/third.py": "import math\n",
        "figures.py": "import math\n",
        "training.py": "import math\n",
    }
    for name, text in files.items():
        (book / "likelab" / name).parent.mkdir(exist_ok=True)
        (book / "likelab" / name).write_text(text)
    return book


@pytest.fixture
def fresh(book):
    nb = small_chapter.executed()
    nb.cells[2].source += "\nfrom likelab import bits, figures"
    nb.metadata.likelab.fresh = digests.of(nb, book)
    assert rules.stale(nb, book) == rules.appearance(nb, book) == []
    return nb


def test_library_modules_are_followed(fresh):
    named = {"bits", "claims", "deep", "deep.other", "deep.third", "figures"}
    assert set(fresh.metadata.likelab.fresh.library) == {"likelab"} | {f"likelab.{name}" for name in named}


@pytest.mark.parametrize("module", ["bits", "deep/third", "claims"])
def test_a_changed_module_makes_outputs_old(book, fresh, module):
    with (book / "likelab" / f"{module}.py").open("a") as file:
        file.write("x = 1\n")
    assert rules.stale(fresh, book) == [
        f"outputs are older than likelab.{module.replace('/', '.')}: run `make execute`"
    ]


def test_a_changed_run_of_the_bank_makes_outputs_old(book, fresh):
    (book / "bank").mkdir()
    (book / "bank" / "glow.json").write_text("{}")
    assert rules.stale(fresh, book) == []  # a chapter that does not use the bank
    (book / "likelab" / "bank.py").write_text("")
    fresh.cells[2].source += "\nfrom likelab import bank"
    fresh.metadata.likelab.fresh = digests.of(fresh, book)
    assert rules.stale(fresh, book) == []
    (book / "bank" / "glow.json").write_text('{"steps": 2}')
    assert rules.stale(fresh, book) == ["outputs are older than the runs of the bank: run `make execute`"]


def test_a_new_look_only_warns(book, fresh):
    (book / "likelab" / "figures.py").write_text("x = 1\n")
    assert rules.stale(fresh, book) == []
    assert "likelab.figures" in rules.appearance(fresh, book)[0]


def test_changed_code_makes_outputs_old(book, fresh):
    fresh.cells[4].source = "display(1)"
    assert "the chapter's code" in rules.stale(fresh, book)[0]


def test_an_import_that_went_makes_outputs_old(book, fresh):
    fresh.metadata.likelab.fresh.library["likelab.gone"] = "0"
    assert "likelab.gone" in rules.stale(fresh, book)[0]


def test_layout_comments_docstrings_and_the_setup_cell_do_not_count(book, fresh):
    fresh.cells[4].source = f"# a dot\n{small_chapter.FIGURE.replace('(', '(  ')}"
    fresh.cells[1].source = "import os"
    (book / "likelab" / "bits.py").write_text('"""New words."""\n\n# and a comment\nfrom .deep import other\n')
    (book / "likelab" / "training.py").write_text("x = 'not imported'\n")
    (book / "likelab" / "__init__.py").write_text('"""Other words."""\n\n__version__ = "9.9.9"\n')
    assert rules.stale(fresh, book) == []


def test_outputs_without_digests_are_old(book, fresh):
    fresh.metadata.likelab.pop("fresh")
    assert rules.stale(fresh, book)


# --- One home ---


def redefined(book, *cells, name="07_later.ipynb"):
    later = small_chapter.executed()
    later.cells[3:] = cells
    return rules.redefinitions({"05_small.ipynb": small_chapter.executed(), name: later}, book)


@pytest.mark.parametrize(
    "source",
    [
        "class Model:\n    pass",
        "def Model():\n    pass",
        "Model = None",
        "a, (b, Model) = 1, (2, 3)",
        "Model: type = None",
        "if True:\n    Model = None",
        "try:\n    pass\nexcept ValueError:\n    Model = None",
        "def per_dim(x):\n    return x",
    ],
)
@pytest.mark.parametrize("tags", [[], ["export"]])
def test_a_redefinition_is_found(book, source, tags):
    (book / "likelab" / "bits.py").write_text("def per_dim(log_prob, dims):\n    return 1\n")
    findings = redefined(book, new_code_cell(source, metadata={"tags": tags}))
    assert len(findings) == 1 and "07_later.ipynb, code cell 2: redefines" in findings[0]


def test_a_chapter_may_not_redefine_its_own_export_either(book):
    nb = small_chapter.executed()
    nb.cells.append(new_code_cell("Model = None"))
    assert rules.redefinitions({"05_small.ipynb": nb}, book)


@pytest.mark.parametrize(
    "source",
    [
        "from likelab.models.small import Model",
        "def own():\n    Model = 1",
        "class Own:\n    Model = 1",
        "class Own:\n    def per_dim(self):\n        pass",
        "per_dim = 3.95",
        "Model.name = 1",
    ],
)
def test_what_is_no_redefinition(book, source):
    (book / "likelab" / "bits.py").write_text("def per_dim(log_prob, dims):\n    return 1\n")
    assert redefined(book, new_code_cell(source)) == []


def test_the_first_page_shows_the_stored_picture():
    pictures = [picture for path in chapters.paths() if (picture := execute.landing_picture(chapters.read(path)))]
    assert pictures == [(chapters.BOOK / "_static" / "svhn-anomaly.png").read_bytes()], "run `make execute`"
