"""House rules for chapters. Each takes a notebook and returns findings: sentences, none if all is well."""

import ast
import re

import nbformat

from tools.chapter import chapters, digests, export, setup_cell
from tools.website import crossrefs

MEGABYTES = 2
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
CLAIM = re.compile(r"^Claim (\d\d\.\d+) holds: ", re.M)
PLUMBING = re.compile(r"\bclaims\.check\(|\bplt\.(?:subplots|show|figure)\(|\bTable\(")
FULL_PATH = re.compile(r"(?<![\w.:/~])(/|[A-Z]:\\)[\w.-]+[/\\][\w./\\-]+")
WIDGET = "application/vnd.jupyter.widget-view+json"
SECTIONS = ("What the paper found, what we found", "Exercises", "Summary", "Sources")
# A change in these alters how outputs look, not what they say.
APPEARANCE = ("likelab.figures", "likelab.palette", "likelab.tables", "likelab.explore")


def for_text(nb, setup):
    """All rules that need no outputs; `setup` is the source of the setup cell."""
    found = [
        *language(nb),
        *plain_python(nb),
        *setup_first(nb, setup),
        *folds(nb),
        *title(nb),
        *sections(nb),
        *markdown_images(nb),
    ]
    return [*found, *plain_markdown(nb), *citations(nb)]


def for_outputs(nb):
    """All rules about stored outputs that need nothing but the notebook."""
    checks = (errors, order, alt_texts, figures, claim_cells, widget_state, machine_paths, size, real)
    return [finding for check in checks for finding in check(nb)]


def numbered(nb):
    """(number as nbval counts them, cell) of each code cell."""
    return enumerate(cell for cell in nb.cells if cell.cell_type == "code")


def language(nb):
    """The notebook says what files of its language are called: without that, nbconvert writes a .txt."""
    if nb.metadata.get("language_info", {}).get("file_extension") != ".py":
        return ["its metadata does not say that it is Python; run `python -m tools.chapter.setup_cell`"]
    return []


def plain_python(nb):
    """Every code cell is Python that parses: no % or ! lines, which export and digests could not read."""
    findings = []
    for number, cell in numbered(nb):
        try:
            chapters.tree(cell)
        except SyntaxError as error:
            findings.append(f"code cell {number} is not plain Python: {error.msg}, line {error.lineno}")
    return findings


def setup_first(nb, setup):
    """The first code cell is the setup cell, letter by letter up to the chapter's own imports."""
    first = next((cell for _, cell in numbered(nb)), None)
    if first is None or not chapters.has_tag(first, "setup") or first.source.partition(setup_cell.OWN)[0] != setup:
        return ["the first code cell is not the setup cell; run `python -m tools.chapter.setup_cell`"]
    return []


def folds(nb):
    """Cells that draw or claim start folded, and a cell that does has a title."""
    findings = []
    for number, cell in numbered(nb):
        folded = chapters.has_tag(cell, "hide-input")
        if folded and not chapters.TITLE.match(cell.source):
            findings.append(f"code cell {number}: it is folded, so its first line must be `# @title …`")
        if not folded and (plumbing := PLUMBING.search(cell.source)):
            findings.append(f"code cell {number}: {plumbing[0]} is plumbing; tag it hide-input, with a `# @title …`")
    return findings


def title(nb):
    """The chapter opens with a heading of the first level, and has no other."""
    heads = [index for index, cell in enumerate(nb.cells) if re.search(r"^# \S", prose(cell), re.M)]
    if heads != [0]:
        return ["one heading of the first level must stand in the first cell, and nowhere else"]
    return []


def sections(nb):
    """The chapter has the parts every chapter has."""
    text = "\n".join(prose(cell) for cell in nb.cells)
    headings = re.findall(r"^#+ +(.+?) *$", text, re.M)
    findings = [f'no section "{name}"' for name in SECTIONS if name not in headings]
    return findings + ([] if "You will" in text else ['no objectives: "You will" stands nowhere'])


def prose(cell):
    """The text of a markdown cell without its fenced code, where # is a comment."""
    if cell.cell_type != "markdown":
        return ""
    return re.sub(r"^(```+|~~~+)[^\n]*\n.*?^\1", "", cell.source, flags=re.M | re.S)


def markdown_images(nb):
    """Every image in the text says what it shows."""
    images = [image for cell in nb.cells for image in re.findall(r"!\[\s*\]\(.*?\)", prose(cell))]
    return [f"an image without alt text: {image}" for image in images]


def plain_markdown(nb):
    """The text is Markdown that Colab and JupyterLab show: no roles and directives of the site's."""
    text = [cell for cell in nb.cells if cell.cell_type == "markdown"]
    found = [mark for cell in text for mark in re.findall(r"^:::.*|^```+\{.*|\{[\w:]+\}`[^`]*`", cell.source, re.M)]
    remedy = "write plain Markdown or HTML (citations: tools/chapter/convert.py)"
    return [f"Colab would show {mark!r} as it stands: {remedy}" for mark in found]


def citations(nb):
    """A link to a paper of the references names its authors and its year."""
    return [
        f"references.bib has another name or year: {link}" for c in nb.cells for link in crossrefs.miscited(prose(c))
    ]


def errors(nb):
    """No stored error."""
    return [
        f"code cell {number}: a stored error, {output.ename}"
        for number, cell in numbered(nb)
        for output in cell.outputs
        if output.output_type == "error"
    ]


def order(nb):
    """Execution counts run 1, 2, 3 … without a gap."""
    counts = [cell.execution_count for cell in chapters.code_cells(nb)]
    if counts != list(range(1, len(counts) + 1)):
        what = "some cells were not executed" if None in counts else f"execution counts are {counts}"
        return [f"{what}: run `make execute`"]
    return []


def alt_texts(nb):
    """Every figure says in words what it shows: in the cell's metadata, or in the HTML itself."""
    findings = []
    for number, cell in numbered(nb):
        data = [output.data for output in cell.outputs if "data" in output]
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if any(mime in bundle for bundle in data for mime in IMAGES) and not alt.strip():
            findings.append(f"code cell {number}: a figure without alt text")
        html = "".join(bundle.get("text/html", "") for bundle in data)
        for tag in re.findall(r"<img\b[^>]*>", html):
            if not re.search(r"\balt=([\"'])\s*[^\"'\s]", tag):
                findings.append(f"code cell {number}: an <img> without alt text")
    return findings


def figures(nb):
    """Every cell with an alt text shows a figure, and the cell tagged `landing` the picture of the first page."""
    findings = []
    for number, cell in numbered(nb):
        shown = {mime for output in cell.outputs for mime in output.get("data", {})}
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        if alt.strip() and not shown & {*IMAGES, "text/html"}:
            findings.append(f"code cell {number}: alt text and no figure: run `make execute`")
        if chapters.has_tag(cell, "landing") and "image/png" not in shown:
            findings.append(f"code cell {number}: tagged `landing` and no picture: run `make execute`")
    return findings


def claim_cells(nb):
    """A cell that prints claims is compared by nbval, and prints nothing else."""
    findings = []
    for number, cell in numbered(nb):
        lines = "".join(output.get("text", "not text") for output in cell.outputs).splitlines()
        claims = [line for line in lines if CLAIM.match(line)]
        if bool(claims) != chapters.has_tag(cell, "nbval-check-output"):
            findings.append(f"code cell {number}: claims and the tag nbval-check-output go together")
        elif claims and claims != lines:
            findings.append(f"code cell {number}: it prints more than claims")
    return findings


def claim_ids(notebooks):
    """Claims carry the number of their chapter, and one of their own. `notebooks`: {file name: notebook}."""
    findings = []
    for name, nb in notebooks.items():
        text = "".join(o.get("text", "") for cell in chapters.code_cells(nb) for o in cell.outputs)
        ids = [match.group(1) for match in CLAIM.finditer(text)]
        findings += [f"{name}: claim {id} is of another chapter" for id in ids if id[:2] != name[:2]]
        findings += [f"{name}: two claims {id}" for id in sorted(set(ids)) if ids.count(id) > 1]
    return findings


def widget_state(nb):
    """No widget needs a kernel to be seen: no stored state, and HTML beside every widget."""
    findings = ["the notebook stores widget state"] if "widgets" in nb.metadata else []
    for number, cell in numbered(nb):
        if any(WIDGET in o.get("data", {}) and "text/html" not in o.data for o in cell.outputs):
            findings.append(f"code cell {number}: a widget without HTML beside it, so the page shows nothing")
    return findings


def machine_paths(nb):
    """No output names a file by its full path, as warnings do."""
    findings = []
    for number, cell in numbered(nb):
        for output in cell.outputs:
            if found := FULL_PATH.search(output.get("text", "")):
                findings.append(f"code cell {number}: an output names a file of one machine, {found.group()}")
    return findings


def size(nb):
    """The file stays below two megabytes."""
    megabytes = len(nbformat.writes(nb).encode()) / 1e6
    return [f"the notebook takes {megabytes:.1f} MB, more than {MEGABYTES}"] if megabytes > MEGABYTES else []


def real(nb):
    """Outputs come from the real pair, by the note that tools/chapter/execute.py made."""
    data = fresh(nb).get("data", {})
    return [] if data.get("real") is True else ["its outputs are not from the real pair: run `make execute`"]


def stale(nb, book=chapters.BOOK):
    """Outputs are as new as the code and the library that made them."""
    parts = [part for part in changed(nb, book) if not part.startswith(APPEARANCE)]
    return [f"outputs are older than {part}: run `make execute`" for part in parts]


def appearance(nb, book=chapters.BOOK):
    """Warnings: modules that changed how outputs look since they were stored."""
    parts = [part for part in changed(nb, book) if part.startswith(APPEARANCE)]
    return [f"figures are older than {part}: `make execute` renews them" for part in parts]


def changed(nb, book):
    """The parts whose digests differ from those stored with the outputs."""
    stored, now = fresh(nb), digests.of(nb, book)
    if "code" not in stored:
        return ["the first digest"]
    library = stored.get("library", {}), now["library"]
    modules = [name for name in sorted(set().union(*library)) if library[0].get(name) != library[1].get(name)]
    parts = {"code": "the chapter's code", "bank": "the runs of the bank"}
    return [text for part, text in parts.items() if stored.get(part) != now.get(part)] + modules


def fresh(nb):
    return nb.metadata.get("likelab", {}).get("fresh", {})


def redefinitions(notebooks, book=chapters.BOOK):
    """No chapter redefines what it could import. `notebooks`: {file name: notebook}, in reading order.

    Functions and classes are compared with all public names of likelab, variables with exported names alone:
    `pair = data.pair()` is what a chapter should say.
    """
    exported = {}  # name -> the chapter that exports it first
    for name, nb in notebooks.items():
        for cell in chapters.code_cells(nb):
            if chapters.has_tag(cell, "export"):
                for bound, _ in definitions(chapters.tree(cell).body):
                    exported.setdefault(bound, name)
    models = book / "likelab" / "models"
    library = {
        bound: file.relative_to(book).as_posix()
        for file in sorted((book / "likelab").rglob("*.py"))
        if models not in file.parents and not export.is_exported(file)
        for bound, kind in definitions(ast.parse(file.read_text("utf-8")).body)
        if kind != "variable"
    }
    findings = []
    for name, nb in notebooks.items():
        for number, cell in numbered(nb):
            for bound, kind in definitions(chapters.tree(cell).body):
                home = library.get(bound) if kind != "variable" else None
                if not (chapters.has_tag(cell, "export") and exported[bound] == name):
                    home = home or exported.get(bound)
                if home and not bound.startswith("_"):
                    findings.append(f"{name}, code cell {number}: redefines {bound}, which comes from {home}")
    return findings


def definitions(body):
    """(name, "class" | "function" | "variable") that statements bind, but for what functions bind inside."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield node.name, "class"
        elif isinstance(node, ast.FunctionDef):
            yield node.name, "function"
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            for target in getattr(node, "targets", None) or [node.target]:
                yield from ((part.id, "variable") for part in ast.walk(target) if is_stored(part))
        else:
            for block in ("body", "orelse", "finalbody", "handlers"):
                yield from definitions(getattr(node, block, []))


def is_stored(node):
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
