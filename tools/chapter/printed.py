"""Show as Markdown what a chapter's cells with some tag have shown as text, such as the table of chapter 10's kernels.

    python -m tools.chapter.printed book/10_where_the_gap_lives.ipynb crops

The workflow weekly.yml does, after it has run the chapter on the published files.
"""

from tools.chapter import chapters


def printed(nb, tag):
    """What cells tagged `tag` have printed, and their tables as text. Raises SystemExit where there is nothing."""
    outputs = [o for cell in chapters.code_cells(nb) if chapters.has_tag(cell, tag) for o in cell.outputs]
    shown = [output.get("text", "") or output.get("data", {}).get("text/plain", "") for output in outputs]
    text = "\n".join(part.rstrip("\n") for part in shown)
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
