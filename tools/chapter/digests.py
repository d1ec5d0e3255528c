"""Digests of what made a chapter's outputs: its code, the modules of likelab that it imports, the runs it names.

Digests are of what is meant, not of bytes: of syntax trees, where layout, comments and docstrings do not count, and of
what a card says, whatever its line ends.
"""

import ast
import functools
import hashlib
import json
import re

from likelab.errors import DataError
from tools.chapter import chapters, setup_cell

# A card also says by which code its run was made, and whether today's gives the same: no output depends on that.
NOT_COUNTED = ("code", "confirmed")


def of(nb, book=chapters.BOOK):
    """{"code": digest, "library": {module: digest}, "bank": digest} for a chapter in the folder `book`.

    "bank" is there only where the chapter imports `likelab.bank`.
    """
    # How the setup cell begins does nothing where outputs are made, and changes with the repository's address.
    codes = [(setup_cell.own if chapters.has_tag(c, "setup") else str)(c.source) for c in chapters.code_cells(nb)]
    trees = [ast.parse(code) for code in codes]
    made = {"code": digest(trees), "library": library(trees, book)}
    return made | ({"bank": bank(trees, book)} if "likelab.bank" in made["library"] else {})


def bank(trees, book):
    """Digest of the cards of the runs that the trees use; a card holds the digests of its weights, scores and keys.

    Raises DataError for a damaged card.
    """
    cards = {}
    for path in runs(trees, sorted((book / "bank").glob("*.json"))):
        try:
            told = json.loads(path.read_text("utf-8"))
            cards[path.stem] = {key: value for key, value in told.items() if key not in NOT_COUNTED}
        except (ValueError, AttributeError) as error:
            remedy = "`make bank` trains the run anew."
            raise DataError.about(path, "the card of a run", "something else", remedy) from error
    return short(json.dumps(cards, sort_keys=True))


def runs(trees, cards):
    """Of the cards, those of runs whose names stand in the trees, with all seeds; all, where names are computed.

    Stored outputs come from the real pair, so that a run on stand-ins counts only under its full name.
    """
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    asked = [node.args[0] for node in nodes if is_asked_of_the_bank(node)]
    # bank.load(f"vae_beta{beta}") asks for every run whose name begins like that.
    begun = tuple(lead(argument) for argument in asked if isinstance(argument, ast.JoinedStr))
    computed = "" in begun or any(isinstance(argument, ast.Call | ast.BinOp) for argument in asked)
    real = {path: re.sub(r"-\d+$", "", path.stem) for path in cards if "-standin" not in path.stem}
    found = [path for path in cards if path.stem in named or real.get(path) in named]
    found += [path for path, name in real.items() if name.startswith(begun) and path not in found]
    return cards if computed or not found else sorted(found)


def is_asked_of_the_bank(node):
    return isinstance(node, ast.Call) and bool(node.args) and re.match(r"bank\.\w+$", ast.unparse(node.func))


def lead(text):
    """What an f-string begins with, before the first value."""
    first = text.values[0] if text.values else None
    return first.value if isinstance(first, ast.Constant) else ""


def digest(trees, *texts):
    return short(json.dumps([*(plain(tree) for tree in trees), *texts]))


def short(text):
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
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        found[module], more = described(path.read_text("utf-8"), package, *companions(path, module))
        waiting += more
    return dict(sorted(found.items()))


@functools.cache  # chapters share most modules
def described(source, package, *texts):
    """(digest of a module and the texts that belong to it, dotted names under likelab that it may import)."""
    tree = ast.parse(source)
    return digest([tree], *texts), imports(tree, package)


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


def companions(path, module):
    """The style sheet and the script that a module brings along: they lie beside it, and are called like it."""
    name = module.rpartition(".")[2]
    files = [path.parent / f"{name}{suffix}" for suffix in (".css", ".js")]
    return [file.read_text("utf-8") for file in files if file.is_file()]
