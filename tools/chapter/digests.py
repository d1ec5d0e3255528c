"""Digests of what made a chapter's outputs: its code, the modules of likelab that it imports, the bank it uses.

Digests are of syntax trees: layout, comments and docstrings do not count.
"""

import ast
import hashlib
import json

from tools.chapter import chapters


def of(nb, book=chapters.BOOK):
    """{"code": digest, "library": {module: digest}, "bank": digest} for a chapter in the folder `book`.

    "bank" is there only where the chapter imports `likelab.bank`.
    """
    # The setup cell does nothing where outputs are made, and changes with the address of the repository.
    trees = [chapters.tree(cell) for cell in chapters.code_cells(nb) if not chapters.has_tag(cell, "setup")]
    made = {"code": digest(trees), "library": library(trees, book)}
    return made | ({"bank": bank(book)} if "likelab.bank" in made["library"] else {})


def bank(book):
    """Digest of all cards of the bank; a card holds the digests of its weights, scores and keys."""
    cards = sorted((book / "bank").glob("*.json"))
    return hashlib.sha256(b"".join(card.name.encode() + card.read_bytes() for card in cards)).hexdigest()[:16]


def digest(trees):
    text = json.dumps([plain(tree) for tree in trees])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def plain(node):
    """A syntax tree as lists and strings. The text of ast.dump differs between versions of Python."""
    if isinstance(node, list):
        return [plain(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if value is not None and value != []]
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
        fields = [(name, value[1:] if name == "body" else value) for name, value in fields]
    if isinstance(node, ast.Module):
        fields = [(name, [item for item in value if not is_version(item)]) for name, value in fields]
    return [type(node).__name__, *([name, plain(value)] for name, value in fields)]


def is_version(node):
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"


def library(trees, book):
    """Digests of the modules of likelab that the trees import, directly or through one another."""
    found, waiting = {}, sorted(set().union(*(imports(tree, "") for tree in trees)))
    while waiting:
        module = waiting.pop()
        path = place(module, book)
        if path is None or module in found:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        found[module] = digest([tree])
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        waiting += imports(tree, package)
    return dict(sorted(found.items()))


def imports(tree, package):
    """Dotted names under likelab that a tree may import; `package` is where relative imports start."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    parts = [name.split(".") for name in names if name.split(".")[0] == "likelab"]
    return {".".join(name[: n + 1]) for name in parts for n in range(len(name))}  # packages are imported too


def place(module, book):
    """The file of a module, or None where the name is no module."""
    path = book.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in candidates if file.is_file()), None)
