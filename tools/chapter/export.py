"""Write the cells tagged `export` to modules of book/likelab: code has one home, the chapter that explains it.

    python -m tools.chapter.export           write the modules
    python -m tools.chapter.export --check   change nothing; say what differs, exit with 1

A chapter names its module in the notebook's metadata: `likelab: {exports: glow}` for likelab/models/glow.py, and
`likelab: {exports: likelab.scores}` for likelab/scores.py, which is no model. The module gets the import statements of
the chapter, less those it does not use, then the export cells in their order.
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


def module_file(module):
    """Where a module named in a chapter's metadata lies in likelab: "glow" -> models/glow.py."""
    within = module.removeprefix("likelab.") if module.startswith("likelab.") else f"models.{module}"
    return within.replace(".", "/") + ".py"


def modules(book=chapters.BOOK):
    """What chapters export: {file in likelab: source}. Raises ValueError where a chapter is unclear."""
    found = {}
    for path in chapters.paths(book):
        nb = chapters.read(path)
        module = nb.metadata.get("likelab", {}).get("exports")
        cells = any(chapters.has_tag(cell, "export") for cell in nb.cells)
        if cells != bool(module):
            raise ValueError(f"{path.name}: the tag `export` and metadata `likelab: {{exports: …}}` go together")
        if module and module_file(module) in found:
            raise ValueError(f"{path.name}: another chapter exports likelab/{module_file(module)} already")
        if module:
            found[module_file(module)] = module_text(nb, path.name)
    return found


def is_exported(path):
    """Whether a module says of itself that a chapter exports it."""
    return path.read_text("utf-8").startswith(HEADER.partition("{")[0])


def differences(book=chapters.BOOK):
    """Findings: each module that is not what its chapter exports, or that no chapter exports."""
    folder, wanted = book / "likelab", modules(book)
    held = {path.relative_to(folder).as_posix() for path in folder.glob("models/*.py")} - {"models/__init__.py"}
    held |= {path.name for path in folder.glob("*.py") if is_exported(path)}
    findings = [f"likelab/{name}: no chapter exports it" for name in sorted(held - set(wanted))]
    for name, source in wanted.items():
        if not (folder / name).exists() or (folder / name).read_text("utf-8") != source:
            findings.append(f"likelab/{name}: differs from its chapter; run `make export`")
    return findings


def write(book=chapters.BOOK):
    """Write the modules. Raises ValueError where a chapter is unclear, and DataError where one cannot be written."""
    for name, source in modules(book).items():
        files.write(book / "likelab" / name, source)


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
    print("\n".join(findings) or "likelab holds what the chapters export.")
    return bool(findings)


if __name__ == "__main__":
    chapters.command(main)
