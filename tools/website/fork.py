"""Give the book the address of your repository: in _config.yml, CITATION.cff and the setup cell of every chapter.

    python -m tools.website.fork https://github.com/you/your-book

What else depends on the address (the buttons above a page, the site's own address) is made from _config.yml when
the site is built.
"""

import re
import sys

from likelab import files
from tools.chapter import chapters, setup_cell

PLACES = {"_config.yml": "repository: {url: ", "CITATION.cff": "repository-code: "}
ADDRESS = re.compile(r"https://github\.com/[\w-]+/[\w.-]+")


def main(address):
    address = address.removesuffix("/").removesuffix(".git")
    if not ADDRESS.fullmatch(address):
        sys.exit(f"{address!r} is no repository: give its address, make fork ADDRESS=https://github.com/you/your-book")
    texts = {}
    for name, line in PLACES.items():
        path, place = chapters.ROOT / name, rf'^({re.escape(line)}")[^"]+'
        if name == "CITATION.cff" and not path.exists():
            continue
        texts[path], count = re.subn(place, rf"\g<1>{address}", path.read_text("utf-8"), flags=re.M)
        if count != 1:
            sys.exit(f'{name} has no line that begins with `{line}"`: write the address there yourself')
    for path, text in texts.items():
        files.write(path, text)
    written = setup_cell.write(chapters.ROOT)
    names = ", ".join(path.name for path in texts)
    print(f"{names} and {len(written)} setup cells name {address}. Commit them, then make book.")


if __name__ == "__main__":
    chapters.command(main, *sys.argv[1:2] or [""])
