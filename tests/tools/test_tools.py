"""The tools that export, convert and execute chapters, on a small one."""

import os
import subprocess
import sys
import types

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.support import small_chapter
from tools.chapter import chapters, convert, digests, execute, export, rules, setup_cell


@pytest.fixture
def book(tmp_path):
    return small_chapter.book(tmp_path)


def test_chapters_are_named_by_path_or_name(tmp_path, monkeypatch):
    both = [tmp_path / "02_a.ipynb", tmp_path / "05_b.ipynb"]
    monkeypatch.setattr(chapters, "paths", lambda book: both)
    assert chapters.chosen([]) == both
    assert chapters.chosen(["05_b"]) == chapters.chosen(["book/05_b.ipynb"]) == both[1:]
    with pytest.raises(SystemExit, match="No chapter 03_c; there are 02_a, 05_b"):
        chapters.chosen(["05_b", "03_c"])


# --- export ---


def test_export_and_back(book):
    nb = small_chapter.notebook()
    nb.cells[3].source = f"import math\nfrom torch import nn\n\n\n# A bound.\nBITS=8\n\n\n{small_chapter.MODEL}"
    nb.cells.insert(4, new_code_cell("hidden = 1"))
    nb.cells.insert(5, new_code_cell("def double(x):\n    return 2 * x", metadata={"tags": ["export"]}))
    small_chapter.save(nb, book / "05_small.ipynb")
    assert export.differences(book) == ["likelab/models/small.py: differs from its chapter; run `make export`"]
    export.write(book)
    assert export.differences(book) == []
    text = (book / "likelab" / "models" / "small.py").read_text()
    docstring, rest = text.split("\n\n", 1)
    assert "05_small.ipynb" in docstring
    assert (
        rest
        == f"import math\n\n# A bound.\nBITS = 8\n\n\n{small_chapter.MODEL}\n\n\ndef double(x):\n    return 2 * x\n"
    )


def test_an_edited_module_is_found(book):
    small_chapter.save(small_chapter.notebook(), book / "05_small.ipynb")
    export.write(book)
    with (book / "likelab" / "models" / "small.py").open("a") as file:
        file.write("# edited by hand\n")
    assert "differs from its chapter" in export.differences(book)[0]


def test_a_module_without_chapter_is_found(book):
    (book / "likelab" / "models" / "orphan.py").write_text("")
    assert export.differences(book) == ["likelab/models/orphan.py: no chapter exports it"]


def test_a_chapter_may_export_to_likelab_itself(book):
    nb, file = small_chapter.notebook(), book / "likelab" / "small.py"
    nb.metadata.likelab = {"exports": "likelab.small"}
    small_chapter.save(nb, book / "05_small.ipynb")
    export.write(book)
    assert export.differences(book) == [] and "class Model" in file.read_text()
    assert rules.redefinitions({"05_small.ipynb": nb}, book) == []  # its own code, written to where others import it
    (book / "likelab" / "by_hand.py").write_text('"""Nobody exports this, and nobody has to."""\n')
    file.rename(book / "likelab" / "orphan.py")
    assert export.differences(book) == [
        "likelab/orphan.py: no chapter exports it",
        "likelab/small.py: differs from its chapter; run `make export`",
    ]


def test_a_chapter_that_exports_nothing(book):
    nb = small_chapter.notebook()
    nb.cells[3].metadata.clear()
    nb.metadata.clear()
    small_chapter.save(nb, book / "05_small.ipynb")
    assert export.modules(book) == {}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda nb: nb.metadata.clear(), "go together"),
        (lambda nb: nb.cells[3].metadata.clear(), "go together"),
        (lambda nb: nb.cells[2].update(source="import torch"), "Undefined name `math`"),
        (lambda nb: nb.cells[2].update(source="hidden = 1\nimport math\nmath = None\n"), None),
        (lambda nb: nb.cells[3].update(source="import math\n" + "\n\n\n".join([small_chapter.MODEL] * 2)), "Model"),
    ],
)
def test_what_makes_no_module(book, change, said):
    nb = small_chapter.notebook()
    change(nb)
    small_chapter.save(nb, book / "05_small.ipynb")
    if said is None:
        export.modules(book)
    else:
        with pytest.raises(ValueError, match=said):
            export.modules(book)


def test_two_chapters_for_one_module(book):
    small_chapter.save(small_chapter.notebook(), book / "05_small.ipynb")
    small_chapter.save(small_chapter.notebook(), book / "06_small.ipynb")
    with pytest.raises(ValueError, match="06_small.ipynb: another chapter exports"):
        export.modules(book)


# --- convert ---

TEXT = f"""\
# ---
# jupyter:
#   likelab:
#     exports: small
# ---

# %% [markdown]
# # A small chapter

# %% tags=["setup"]

# %%
{small_chapter.IMPORTS}

# %% tags=["export"]
{small_chapter.MODEL}

# %% mystnb={{"image": {{"alt": "A rising line: \\"steep\\"."}}}}
display( [1, 2] )

# %%
same = 1

# %% [markdown]
# A formula, $x^2$.
"""


def test_convert_keeps_tags_alt_text_and_module():
    nb = convert.to_notebook(TEXT)
    nbformat.validate(nb)
    assert nb.metadata == chapters.METADATA | {"likelab": {"exports": "small"}}
    assert nb.cells[1].source == setup_cell.source()
    assert nb.cells[1].metadata.tags == setup_cell.TAGS
    assert nb.cells[3].metadata.tags == ["export"]
    assert nb.cells[4].metadata.mystnb.image.alt == 'A rising line: "steep".'
    assert nb.cells[4].source == "display([1, 2])"
    assert nb.cells[6].source == "A formula, $x^2$."


def test_convert_is_the_same_each_time_and_changes_what_changed():
    first, second = convert.to_notebook(TEXT), convert.to_notebook(TEXT)
    assert nbformat.writes(first) == nbformat.writes(second)
    edited = convert.to_notebook(TEXT.replace("same = 1", "other = 2"))
    ids = [[cell.id for cell in nb.cells] for nb in (first, edited)]
    assert [a == b for a, b in zip(*ids, strict=True)] == [True] * 5 + [False, True]
    twice = convert.to_notebook(TEXT + "\n# %%\nsame = 1\n")
    assert len({cell.id for cell in twice.cells}) == 8


def test_what_a_chapter_imports_follows_the_setup_and_counts():
    text = TEXT.replace('tags=["setup"]\n', 'tags=["setup"]\nfrom likelab import bits\n')
    nb = convert.to_notebook(text)
    assert nb.cells[1].source == setup_cell.source() + setup_cell.OWN + "from likelab import bits"
    assert rules.setup_first(nb, setup_cell.source()) == []
    assert setup_cell.own(nb.cells[1].source) == "from likelab import bits"
    assert '# %% tags=["setup", "hide-input"]\nfrom likelab import bits\n' in convert.to_text(nb)
    assert nbformat.writes(convert.to_notebook(convert.to_text(convert.to_notebook(text)))) == nbformat.writes(
        convert.to_notebook(text)
    )
    with_bits, without = digests.of(convert.to_notebook(text)), digests.of(convert.to_notebook(TEXT))
    assert with_bits["code"] != without["code"]
    assert "likelab.bits" in with_bits["library"] and "likelab.bits" not in without["library"]


def test_folded_cells_have_their_title_as_label_and_are_forms_in_colab():
    text = TEXT + '\n# %% tags=["hide-input"]\n# @title A table of bits\nother = 2\n'
    cell = convert.to_notebook(text).cells[-1]
    assert cell.metadata.cellView == "form"
    assert cell.metadata.mystnb == dict.fromkeys(("code_prompt_show", "code_prompt_hide"), "A table of bits")
    assert convert.to_text(convert.to_notebook(text)).rstrip().endswith(text[-60:].rstrip())


def test_convert_there_and_back():
    nb = convert.to_notebook(TEXT)
    text = convert.to_text(nbformat.from_dict(nb))
    assert setup_cell.source() not in text
    assert nbformat.writes(convert.to_notebook(text)) == nbformat.writes(convert.to_notebook(TEXT))


def test_convert_keeps_outputs_of_unchanged_code_only():
    old = convert.to_notebook(TEXT)
    for count, cell in enumerate(chapters.code_cells(old), start=1):
        cell.execution_count, cell.outputs = count, [new_output("stream", text=f"{count}\n")]
    old.metadata.likelab.fresh = {"code": "0"}
    new = convert.to_notebook(TEXT.replace("same = 1", "other = 2").replace("A formula", "The formula"), old)
    counts = [cell.execution_count for cell in chapters.code_cells(new)]
    assert counts == [1, 2, 3, 4, None]
    assert [len(cell.outputs) for cell in chapters.code_cells(new)] == [1, 1, 1, 1, 0]
    assert new.metadata.likelab.fresh == {"code": "0"}  # so the rules see that the outputs are old
    chapters.code_cells(old)[0].source = "another setup cell"  # on which no output depends
    assert chapters.code_cells(convert.to_notebook(TEXT, old))[0].execution_count == 1


@pytest.mark.parametrize("text", [TEXT.replace('tags=["setup"]', ""), TEXT + '\n# %% tags=["setup"]\n'])
def test_convert_wants_one_setup_cell(text):
    with pytest.raises(ValueError, match="tagged `setup`"):
        convert.to_notebook(text)


# --- setup cell ---


def run_setup(folder, source, colab, environment=None):
    """Run the cell as a script in `folder`; afterwards say where it is and what it imports."""
    script = "import sys, types\n" + ("sys.modules['google.colab'] = types.ModuleType('colab')\n" if colab else "")
    script += source + "\nprint(os.getcwd(), likelab.__file__, sep='\\n')"
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)


@pytest.fixture
def hosted(tmp_path, monkeypatch):
    """A repository that git finds at https://github.com/someone/book, and a folder with nothing in it."""
    remote = tmp_path / "github" / "someone" / "book"
    remote.mkdir(parents=True)
    small_chapter.book(remote)
    for key, value in {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{remote.parents[1].as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "GIT_CONFIG_GLOBAL": "",
        **{f"GIT_{who}_{what}": "a@b.c" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }.items():
        monkeypatch.setenv(key, value)
    git(remote, "init", "--quiet", "--initial-branch=main")
    commit(remote)
    (remote / "_config.yml").write_text('repository: {url: "https://github.com/someone/book"}\n')
    empty = tmp_path / "colab" / "content"
    empty.mkdir(parents=True)
    return remote, empty


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def commit(folder):
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=as it is")


def release(remote, version):
    """Give likelab in the repository another version. Returns the setup cell of that version."""
    (remote / "book" / "likelab" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    commit(remote)
    return setup_cell.source(remote)


@pytest.mark.parametrize("place", ["book", ".", "coursework"])
def test_setup_finds_the_library_in_the_repository(book, place):
    """Beside it, and where VS Code or papermill start the kernel: in the repository's root, in another folder."""
    (book.parent / place).mkdir(exist_ok=True)
    run = run_setup(book.parent / place, setup_cell.source(book.parent), colab=False)
    assert run.stdout.splitlines() == [str(book), str(book / "likelab" / "__init__.py")]


def test_a_relative_folder_of_data_starts_where_the_kernel_did(book):
    source = setup_cell.source(book.parent) + "\nprint(os.environ['LIKELAB_DATA'])"
    run = run_setup(book.parent, source, colab=False, environment=os.environ | {"LIKELAB_DATA": "data"})
    assert run.stdout.splitlines()[0] == str(book.parent / "data")


@pytest.mark.parametrize(
    ("address", "open_as", "remedy"),
    [
        ("OWNER/REPO", "Downloads/05_glow.ipynb", "Clone the repository that it comes from, and open the chapter"),
        (
            "someone/book",
            "05_glow (1).ipynb",
            "https://colab.research.google.com/github/someone/book/blob/main/book/05_glow.ipynb",
        ),
        ("someone/book", None, "Clone https://github.com/someone/book and open the chapter from its folder book/"),
    ],
)
def test_a_chapter_alone_leads_to_one_that_runs(book, tmp_path_factory, address, open_as, remedy):
    alone = tmp_path_factory.mktemp("alone") / "below"
    alone.mkdir()
    source = setup_cell.source(book.parent).replace("/OWNER/REPO", f"/{address}")
    environment = {key: value for key, value in os.environ.items() if key != "JPY_SESSION_NAME"}
    environment |= {"JPY_SESSION_NAME": open_as} if open_as else {}  # as JupyterLab tells its kernels
    run = run_setup(alone, source, colab=False, environment=environment)
    said = run.stderr.splitlines()[-1]
    assert said.startswith(f"Stop: likelab is not beside this notebook, which runs in {alone}. ")
    assert remedy in said


def test_setup_in_colab_takes_the_release_it_names(hosted):
    remote, empty = hosted
    source = release(remote, "1.0.0")
    git(remote, "tag", "v1.0.0")
    release(remote, "2.0.0")
    run = run_setup(empty, source, colab=True)
    assert run.stdout.splitlines()[0] == str(empty / "likelihood-book" / "book"), run.stderr
    assert run.stdout.splitlines()[1].startswith(str(empty))


def test_setup_in_colab_takes_main_where_there_is_no_release(hosted):
    remote, empty = hosted
    run = run_setup(empty, release(remote, "1.0.0"), colab=True)
    assert run.stdout.splitlines()[0] == str(empty / "likelihood-book" / "book"), run.stderr


def test_setup_stops_at_another_version(hosted):
    remote, empty = hosted
    source = release(remote, "1.0.0")
    release(remote, "2.0.0")
    run = run_setup(empty, source, colab=True)
    assert run.stdout == ""
    assert "notebook is of release 1.0.0, likelab of 2.0.0" in run.stderr


def test_setup_stops_at_the_placeholder(hosted, book):
    run = run_setup(hosted[1], setup_cell.source(book.parent), colab=True)
    assert "does not know its address" in run.stderr


def test_setup_stops_where_nothing_can_be_cloned(hosted):
    remote, empty = hosted
    source = setup_cell.source(remote).replace("someone/book", "someone/nothing")
    assert "could not be cloned" in run_setup(empty, source, colab=True).stderr


def test_setup_in_a_wrong_folder_says_one_line(tmp_path):
    nb = new_notebook(cells=[new_code_cell(setup_cell.source())])
    NotebookClient(nb, allow_errors=True, resources={"metadata": {"path": tmp_path}}).execute()
    (output,) = nb.cells[0].outputs
    assert output.output_type == "error"
    assert output.traceback == [output.evalue]
    assert f"likelab is not beside this notebook, which runs in {tmp_path}. Clone " in output.evalue
    assert "\n" not in output.evalue


def test_the_setup_cell_is_written_into_chapters(book):
    nb = small_chapter.executed()
    nb.cells[1].source = "old"
    path = small_chapter.save(nb, book / "05_small.ipynb")
    assert setup_cell.write(book.parent) == [path]
    assert rules.setup_first(chapters.read(path), setup_cell.source(book.parent)) == []
    assert chapters.read(path).metadata.language_info == chapters.METADATA["language_info"]
    assert setup_cell.write(book.parent) == []  # and what is right is left alone


# --- execute ---

PAIR = {"real": True, "train": "CIFAR-10, 3,600 of 50,000 images"}
PROGRESS = (
    "import sys\nfor n in range(3):\n    print(f'\\r{n} of 2', end='', file=sys.stderr, flush=True)\n    print(n)"
)


def test_execute_stores_outputs_and_what_made_them(book, capsys):
    nb = small_chapter.notebook()
    nb.metadata.language_info.version = "3.0.0"
    nb.cells.insert(4, new_code_cell(PROGRESS))
    path = small_chapter.save(nb, book / "05_small.ipynb")
    execute.execute(path, PAIR)
    done = chapters.read(path)
    assert rules.for_text(done, setup_cell.source()) == rules.for_outputs(done) == []
    assert rules.stale(done, book) == rules.appearance(done, book) == []
    assert done.metadata.likelab.fresh.data == PAIR
    assert done.metadata.language_info == chapters.METADATA["language_info"]
    streams = {output.name: output.text for output in done.cells[4].outputs}
    assert streams == {"stderr": "2 of 2", "stdout": "0\n1\n2\n"}
    assert done.cells[6].outputs[0].text == small_chapter.CLAIM_LINE
    assert all("execution" not in cell.metadata for cell in done.cells)
    assert " 6 of 6  Claim " in capsys.readouterr().out
    first = path.read_bytes()
    execute.execute(path, PAIR)
    assert path.read_bytes() == first


def test_the_kernel_shows_figures(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")  # as clusters and CI images do
    nb = new_notebook(cells=[new_code_cell("import matplotlib.pyplot as plt\nplt.plot([0, 1])")])
    execute.run(nb, tmp_path)
    assert "image/png" in nb.cells[0].outputs[-1].data


def test_the_kernel_is_of_this_python(tmp_path, monkeypatch):
    """Whatever else a user has installed under the name python3."""
    other = tmp_path / "kernels" / "python3"
    other.mkdir(parents=True)
    (other / "kernel.json").write_text(
        '{"argv": ["/another/python"], "display_name": "Python 3", "language": "python"}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    assert KernelSpecManager().get_kernel_spec("python3").argv == ["/another/python"]  # so it would be taken
    assert execute.Kernels(kernel_name="python3").kernel_spec.argv[0] == sys.executable


@pytest.mark.parametrize("tags", [[], ["landing"]])
def test_nothing_is_stored_where_a_figure_is_missing(book, monkeypatch, tags):
    """Neither the chapter, nor nothing over the picture of the first page."""
    path = small_chapter.save(small_chapter.executed(), book / "05_small.ipynb")
    before = path.read_bytes()
    done = small_chapter.executed()
    done.cells[4].metadata.tags, done.cells[4].outputs = tags, []
    monkeypatch.setattr(execute, "run", lambda nb, folder: nb.update(done))
    with pytest.raises(execute.Refused, match="alt text and no figure"):
        execute.execute(path, PAIR)
    assert path.read_bytes() == before and not (book / "_static").exists()


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("print('x' * 2_000_001)", "MB"),
        ("import os\nos._exit(1)", "failed"),
    ],
)
def test_execute_leaves_a_chapter_alone(book, source, said):
    nb = small_chapter.notebook()
    nb.cells.append(new_code_cell(source))
    path = small_chapter.save(nb, book / "05_small.ipynb")
    before = path.read_bytes()
    with pytest.raises(execute.Refused, match=said):
        execute.execute(path, PAIR)
    assert path.read_bytes() == before


def test_execute_keeps_an_edit_made_meanwhile(book, monkeypatch):
    path = small_chapter.save(small_chapter.executed(), book / "05_small.ipynb")
    edited = small_chapter.executed()
    edited.cells[0].source += " And more."
    monkeypatch.setattr(execute, "run", lambda nb, folder: small_chapter.save(edited, path))
    with pytest.raises(execute.Refused, match="changed while it ran"):
        execute.execute(path, PAIR)
    assert chapters.read(path) == edited


def fake_data(pair):
    data = types.ModuleType("likelab.data")
    data.DataError = type("DataError", (RuntimeError,), {})
    data.pair = pair
    return data


def images(name):
    return types.SimpleNamespace(name=name, count="1 of 2 images")


def test_only_the_real_pair_will_do(monkeypatch):
    import likelab

    monkeypatch.setenv("LIKELAB_PAIR", "standin")
    inside, outside = images("CIFAR-10"), images("SVHN")
    sets = {"train": inside, "validation": inside, "inside": inside, "outside": outside}
    pair = types.SimpleNamespace(real=True, **sets)
    data = fake_data(lambda: pair)
    monkeypatch.setattr(likelab, "data", data, raising=False)
    monkeypatch.setitem(sys.modules, "likelab.data", data)
    described = execute.real_pair()
    assert execute.os.environ["LIKELAB_PAIR"] == "real"
    assert described["real"] is True and described["outside"] == "SVHN, 1 of 2 images"
    pair.real = False
    with pytest.raises(execute.Refused, match="stand-ins"):
        execute.real_pair()

    def nothing_there():
        raise data.DataError("svhn/test_32x32.mat: expected a file; found none.")

    data.pair = nothing_there
    with pytest.raises(execute.Refused, match=r"not at hand.*test_32x32.mat"):
        execute.real_pair()


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\nb\n", "a\nb\n"),
        ("10%\r50%\r100%\n", "100%\n"),
        ("long line\rshort\n", "shortline\n"),
        ("done \r     \r", ""),
        ("done \r     \rnext\n", "next\n"),
        ("a\n\n  b  \n", "a\n\n  b  \n"),
        ("a\r\nb\r\n", "a\nb\n"),
    ],
)
def test_streams_are_stored_as_a_terminal_shows_them(written, shown):
    assert execute.on_terminal(written) == shown


def test_streams_stay_on_their_side_of_a_figure():
    nb = small_chapter.executed()
    cell = nb.cells[4]
    figure = cell.outputs[0]
    cell.outputs = [new_output("stream", name="stdout", text=text) for text in ("a\n", "b\n")]
    cell.outputs += [figure, new_output("stream", name="stdout", text="c\n")]
    execute.clean(nb)
    assert [output.get("text") for output in cell.outputs] == ["a\nb\n", None, "c\n"]


# --- digests ---


def test_digests_are_the_same_in_every_python():
    """Stored digests are compared by other versions of Python, whose trees have other empty fields."""
    source = "class A(B):\n    def f(self, x: int = 1, *rest, **more):\n        return [f'{x!r:>3}', {**more}, None]\n"
    nb = new_notebook(cells=[new_code_cell(source)])
    assert digests.of(nb)["code"] == "cffd425c586e4484"
