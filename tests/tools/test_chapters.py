"""The chapters keep the house rules; and each rule finds what it is there to find."""

import re
import warnings

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from likelab.errors import DataError
from tests.support import small_chapter
from tools.chapter import chapters, digests, execute, export, rules, setup_cell

NOTEBOOKS = {path.name: chapters.read(path) for path in chapters.paths()}
each_chapter = pytest.mark.parametrize("nb", NOTEBOOKS.values(), ids=NOTEBOOKS)


def test_chapters_are_those_of_the_table_of_contents(tmp_path):
    book = small_chapter.book(tmp_path)
    for name in ("05_small", "03_other"):
        small_chapter.save(small_chapter.notebook(), book / f"{name}.ipynb")
    for name in ("05_small-Copy1", "Untitled", "06_draft"):
        (book / f"{name}.ipynb").write_text("no notebook")
    assert chapters.paths(book) == [book / "05_small.ipynb", book / "03_other.ipynb"]


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
    "no language": (lambda nb: nb.metadata.pop("language_info"), "does not say that it is Python"),
    "magic": (lambda nb: nb.cells.append(new_code_cell("%matplotlib inline")), "not plain Python"),
    "setup edited": (lambda nb: nb.cells[1].update(source=nb.cells[1].source + "\n"), "setup cell"),
    "setup untagged": (lambda nb: nb.cells[1].metadata.clear(), "setup cell"),
    "setup late": (lambda nb: nb.cells.insert(0, new_code_cell("import os")), "setup cell"),
    "a fold without a title": (lambda nb: nb.cells[5].update(source=small_chapter.CLAIM.split("\n")[1]), "# @title"),
    "a claim in sight": (lambda nb: nb.cells[5].metadata.tags.remove("hide-input"), "claims.check( is plumbing"),
    "a plot in sight": (lambda nb: nb.cells[4].update(source="plt.subplots()"), "plt.subplots( is plumbing"),
    "a table in sight": (lambda nb: nb.cells[4].update(source="Table(rows, '')"), "Table( is plumbing"),
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
    "alt, no figure": (lambda nb: nb.cells[4].update(outputs=[]), "alt text and no figure"),
    "alt, text alone": (
        lambda nb: nb.cells[4].update(outputs=[new_output("stream", text="<Figure size 640x480>")]),
        "alt text and no figure",
    ),
    "landing, no picture": (lambda nb: nb.cells[5].metadata.tags.append("landing"), "`landing` and no picture"),
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


RUNS = ("gaussian", "glow", "glow-1", "glow-standin", "glow_cv", "vae_beta1", "vae_beta4")
OLD_BANK = ["outputs are older than the runs of the bank: run `make execute`"]


@pytest.fixture
def banking(book, fresh):
    """banking(code): the chapter with more code, fresh, in a book with a bank of RUNS."""
    (book / "bank").mkdir()
    (book / "likelab" / "bank.py").write_text("")
    for name in RUNS:
        (book / "bank" / f"{name}.json").write_text('{\n "steps": 2,\n "code": "0"\n}\n')

    def banking(code):
        fresh.cells[2].source += f"\nfrom likelab import bank\n{code}"
        fresh.metadata.likelab.fresh = digests.of(fresh, book)
        assert rules.stale(fresh, book) == []
        return fresh

    return banking


def test_a_chapter_that_does_not_use_the_bank(book, fresh):
    (book / "bank").mkdir()
    (book / "bank" / "glow.json").write_text("no card")
    assert rules.stale(fresh, book) == []


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ('bank.load("glow", pair)', {"glow", "glow-1"}),
        ('for run in ("glow_cv", "gaussian"):\n    bank.scores(run, images)', {"glow_cv", "gaussian"}),
        ('RUNS = {"Glow": "glow_cv"}\nbank.card(RUNS["Glow"])', {"glow_cv"}),
        ('for beta in (1, 4):\n    bank.stored(f"vae_beta{beta}")', {"vae_beta1", "vae_beta4"}),
        ('bank.watched("glow-standin")', {"glow-standin"}),  # the real pair is what outputs come from
        ('bank.load("gl" + "ow")', set(RUNS)),
        ("bank.load(f'{name}_cv')", set(RUNS)),
        ("bank.load(name)", set(RUNS)),
    ],
)
def test_a_changed_run_makes_the_chapters_old_that_use_it(book, banking, code, used):
    nb = banking(code)
    for name in RUNS:
        path = book / "bank" / f"{name}.json"
        before = path.read_text()
        path.write_text(before.replace("2", "3"))
        assert rules.stale(nb, book) == (OLD_BANK if name in used else []), name
        path.write_text(before)


def test_digests_of_cards_are_of_what_they_say(book, banking):
    """A clone with Windows' line ends has the same runs, and so has one where today's code was seen to agree."""
    nb = banking('bank.load("glow")')
    path = book / "bank" / "glow.json"
    for text in ('{\r\n "steps": 2,\r\n "code": "0"\r\n}\r\n', '{"confirmed": {}, "code": "1", "steps": 2}'):
        path.write_bytes(text.encode())
        assert rules.stale(nb, book) == []
    path.write_text('<<<<<<< ours\n{"steps": 2}\n')
    with pytest.raises(DataError, match=r"glow\.json: expected the card of a run; found something else. `make bank`"):
        rules.stale(nb, book)


def test_line_ends_do_not_count(book, fresh):
    for path in [path for path in (book / "likelab").rglob("*") if path.suffix in (".py", ".js", ".css")]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert rules.stale(fresh, book) == rules.appearance(fresh, book) == []


# --- Experiments ---


@pytest.fixture
def two(book):
    """Two chapters with an experiment each: the threshold, and the ruler, which brings a script along."""
    found = []
    for name in ("threshold", "ruler"):
        nb = small_chapter.executed()
        nb.cells[2].source += f"\nfrom likelab.explore.gallery.{name} import {name}"
        nb.metadata.likelab.fresh = digests.of(nb, book)
        found.append(nb)
    return found


@pytest.mark.parametrize(
    ("file", "old"),
    [
        ("gallery/threshold.py", [1, 0]),
        ("gallery/ruler.py", [0, 1]),
        ("gallery/ruler.js", [0, 1]),
        ("gallery/warp.py", [0, 0]),
        ("gallery/receptive_field.js", [0, 0]),
        ("explore.js", [1, 1]),
        ("explore.css", [1, 1]),
        ("draw.py", [1, 1]),
    ],
)
def test_a_change_in_one_experiment_makes_only_its_chapters_figures_old(book, two, file, old):
    path = book / "likelab" / "explore" / file
    path.write_text(path.read_text("utf-8") + "\nx = 1\n", "utf-8")
    assert [len(rules.appearance(nb, book)) for nb in two] == old
    assert [rules.stale(nb, book) for nb in two] == [[], []]  # an old look is said, and is no failure


def test_every_chapter_depends_on_its_own_experiments_alone():
    for name, nb in NOTEBOOKS.items():
        code = "\n".join(cell.source for cell in chapters.code_cells(nb))
        own = set(re.findall(r"^from likelab\.explore\.gallery\.(\w+) import", code, re.M))
        followed = {module.rpartition(".")[2] for module in digests.of(nb)["library"] if ".gallery." in module}
        assert followed == own, name


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
    package = book / "likelab" / "__init__.py"
    package.write_text(
        package.read_text().replace(setup_cell.version(), "9.9.9").replace("\n", "\n\n# other words\n", 1)
    )
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
