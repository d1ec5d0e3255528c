"""Show as Markdown what a chapter's cells with some tag have printed, such as the table of chapter 10's kernels.

    python -m tools.chapter.printed book/10_where_the_gap_lives.ipynb crops

The workflow weekly.yml does, after it has run the chapter on the published files.
"""

from tools.chapter import chapters


def printed(nb, tag):
    """The text that cells tagged `tag` have printed, in one piece. Raises SystemExit where there is none."""
    cells = [cell for cell in chapters.code_cells(nb) if chapters.has_tag(cell, tag)]
    text = "".join(output.get("text", "") for cell in cells for output in cell.outputs)
    if not text.strip():
        raise SystemExit(f"No cell tagged {tag!r} has printed anything: run `make execute`, or look for another tag.")
    return text


def main():
    """Print the text between fences, under the chapter's name."""
    parser = chapters.parser(__doc__)
    parser.add_argument("chapter")
    parser.add_argument("tag")
    options = parser.parse_args()
    (path,) = chapters.chosen([options.chapter])
    print(f"`{path.name}`, {options.tag}\n\n```\n{printed(chapters.read(path), options.tag).rstrip()}\n```")


if __name__ == "__main__":
    chapters.command(main)
