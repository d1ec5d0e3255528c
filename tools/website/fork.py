"""Give the book the address of your repository: in _config.yml, and in the setup cell of every chapter.

    python -m tools.website.fork https://github.com/you/your-book

What else depends on the address (the buttons above a page, the site's own address) is made from _config.yml when
the site is built.
"""

import re
import sys

from likelab import files
from tools.chapter import chapters, setup_cell

ADDRESS = re.compile(r"https://github\.com/[\w-]+/[\w.-]+")


def main(address):
    address = address.removesuffix("/").removesuffix(".git")
    if not ADDRESS.fullmatch(address):
        sys.exit(f"{address!r} is no repository: give its address, make fork ADDRESS=https://github.com/you/your-book")
    config, line = chapters.ROOT / "_config.yml", r'^(repository: \{url: ")[^"]+'
    text, count = re.subn(line, rf"\g<1>{address}", config.read_text("utf-8"), flags=re.M)
    if count != 1:
        sys.exit('_config.yml has no line that begins with `repository: {url: "`: write the address there yourself')
    files.write(config, text)
    written = setup_cell.write(chapters.ROOT)
    print(f"_config.yml and {len(written)} setup cells name {address}. Commit them, then make book.")


if __name__ == "__main__":
    chapters.command(main, *sys.argv[1:2] or [""])
