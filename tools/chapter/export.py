"""Write the cells tagged `export` to book/likelab/models: code has one home, the chapter that explains it.

    python -m tools.chapter.export           write the modules
    python -m tools.chapter.export --check   change nothing; say what differs, exit with 1

A chapter names its module in the notebook's metadata, `likelab: {exports: glow}`. The module gets the import
statements of the chapter, less those it does not use, then the export cells in their order.
"""

import sys
from subprocess import PIPE, run

from likelab import files
from tools.chapter import chapters

HEADER = '"""Exported from book/{name}, the chapter that explains it: edit that, then `make export`."""'


def module_text(nb, name):
    """Source of the module that chapter `name` exports. Raises ValueError where it would not stand alone."""
    imports, bodies = [], []
    for cell in chapters.code_cells(nb):
        lines = cell.source.splitlines()
        for node in chapters.tree(cell).body:
            if type(node).__name__ in ("Import", "ImportFrom"):
                span = slice(node.lineno - 1, node.end_lineno)
                imports.append("\n".join(lines[span]))
                lines[span] = [""] * (node.end_lineno - node.lineno + 1)
        if chapters.has_tag(cell, "export"):
            bodies.append("\n".join(lines))
    source = "\n".join([HEADER.format(name=name), *dict.fromkeys(imports), *bodies, ""])
    source = ruff("check", "--fix", "--exit-zero", "--select=F401,I", source=source)
    source = ruff("format", source=source)
    unclear = ruff("check", "--exit-zero", "--select=F811,F821", "--output-format=concise", source=source)
    if unclear:
        raise ValueError(f"{name}: its export cells and the chapter's imports make no module:\n{unclear}")
    return source


def ruff(*arguments, source):
    """Run ruff on a text, under the repository's settings."""
    place = "--stdin-filename=book/likelab/models/exported.py"
    command = [sys.executable, "-m", "ruff", *arguments, "--quiet", place, "-"]
    return run(command, input=source, stdout=PIPE, encoding="utf-8", cwd=chapters.ROOT, check=True).stdout


def modules(book=chapters.BOOK):
    """What likelab/models should hold: {file name: source}. Raises ValueError where a chapter is unclear."""
    found = {}
    for path in chapters.paths(book):
        nb = chapters.read(path)
        module = nb.metadata.get("likelab", {}).get("exports")
        cells = any(chapters.has_tag(cell, "export") for cell in nb.cells)
        if cells != bool(module):
            raise ValueError(f"{path.name}: the tag `export` and metadata `likelab: {{exports: …}}` go together")
        if module and f"{module}.py" in found:
            raise ValueError(f"{path.name}: another chapter exports likelab.models.{module} already")
        if module:
            found[f"{module}.py"] = module_text(nb, path.name)
    return found


def differences(book=chapters.BOOK):
    """Findings: each module that is not what its chapter exports, or that no chapter exports."""
    folder, wanted = book / "likelab" / "models", modules(book)
    unknown = sorted({path.name for path in folder.glob("*.py")} - {"__init__.py"} - set(wanted))
    findings = [f"likelab/models/{name}: no chapter exports it" for name in unknown]
    for name, source in wanted.items():
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != source:
            findings.append(f"likelab/models/{name}: differs from its chapter; run `make export`")
    return findings


def write(book=chapters.BOOK):
    """Write the modules. Raises ValueError where a chapter is unclear, and DataError where one cannot be written."""
    folder = book / "likelab" / "models"
    for name, source in modules(book).items():
        files.write(folder / name, source)


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 on a difference")
    options = parser.parse_args()
    try:
        if not options.check:
            write(chapters.BOOK)
        findings = differences(chapters.BOOK)
    except (ValueError, SyntaxError) as error:
        findings = [str(error)]
    print("\n".join(findings) or "likelab/models holds what the chapters export.")
    return bool(findings)


if __name__ == "__main__":
    chapters.command(main)
