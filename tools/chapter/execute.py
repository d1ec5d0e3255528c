"""Run chapters and store their outputs, from the real pair of data sets only.

    python -m tools.chapter.execute                     all chapters
    python -m tools.chapter.execute book/05_glow.ipynb  some

A chapter is left untouched where the real images are not at hand, a cell fails, or its outputs break one of
the rules for outputs (tools/chapter/rules.py).
"""

import base64
import os
import time

import nbformat
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from likelab import files
from likelab.errors import DataError
from tools.chapter import chapters, claimed, digests, rules

CELL_TIMEOUT = 900  # seconds


class Refused(RuntimeError):
    """Why nothing was stored, in words for the person at the terminal."""


def real_pair():
    """What the running example stands on, {"real": True, "train": "CIFAR-10, 3,600 of 50,000 images", …}.

    Kernels that this process starts later get the real pair too. Raises Refused where it cannot be had.
    """
    os.environ["LIKELAB_PAIR"] = "real"
    from likelab import data

    try:
        pair = data.pair()
    except data.DataError as error:
        raise Refused(f"outputs come from the real images, and they are not at hand. {error}") from error
    if not pair.real:
        raise Refused("outputs come from the real images, and likelab.data.pair() gives stand-ins.")
    sets = {name: getattr(pair, name) for name in ("train", "validation", "inside", "outside")}
    return {"real": True} | {name: f"{images.name}, {images.count}" for name, images in sets.items()}


def execute(path, pair):
    """Run one chapter and store its outputs. Raises Refused or DataError, with the file untouched."""
    before = path.read_bytes()
    nb = chapters.read(path)
    fresh = digests.of(nb, path.parent) | {"data": pair}  # taken now: what the run below starts from
    with claimed.recorded() as record:
        run(nb, path.parent)
        stated = claimed.read(record)
    clean(nb)
    nb.metadata.setdefault("likelab", {}).update(
        fresh=fresh, claims={id: told["values"] for id, told in stated.items()}
    )
    if findings := rules.for_outputs(nb):
        raise Refused("\n".join(findings))
    if path.read_bytes() != before:
        raise Refused("the file changed while it ran.")
    if picture := landing_picture(nb):
        files.write(path.parent / "_static" / "svhn-anomaly.png", picture)
    chapters.write(nb, path)


def landing_picture(nb):
    """The picture of the cell tagged `landing`, which the first page shows; None in a chapter without one."""
    cells = [cell for cell in chapters.code_cells(nb) if chapters.has_tag(cell, "landing")]
    found = [o.data["image/png"] for cell in cells for o in cell.outputs if "image/png" in o.get("data", {})]
    return base64.b64decode(found[0]) if found else None


class Kernels(AsyncKernelManager):
    """Starts kernels of this Python, whatever other one a user has installed as "python3"."""

    def _kernel_spec_manager_default(self):
        return KernelSpecManager(kernel_dirs=[])


def run(nb, folder):
    """Execute the cells in a new kernel, with a line for each. Raises Refused where one fails."""
    client = NotebookClient(
        nb,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        record_timing=False,
        kernel_manager_class=Kernels,
    )
    cells = [(index, cell) for index, cell in enumerate(nb.cells) if cell.cell_type == "code"]
    with client.setup_kernel(env=os.environ | chapters.KERNEL):
        for number, (index, cell) in enumerate(cells, start=1):
            start = time.perf_counter()
            line = cell.source.split("\n")[0].removeprefix("# @title ")[:70]
            print(f"  {number:2d} of {len(cells)}  {line:70s}", end="", flush=True)
            try:
                client.execute_cell(cell, index)
            except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
                print()
                raise Refused(f"code cell {number} failed.\n{error}") from error
            print(f" {time.perf_counter() - start:6.1f} s", flush=True)


def clean(nb):
    """Keep what a reader should see: no timings, no text that was overwritten, streams in one piece."""
    nb.metadata.pop("widgets", None)
    nb.metadata.update(nbformat.from_dict(chapters.METADATA))
    for cell in chapters.code_cells(nb):
        cell.metadata.pop("execution", None)
        outputs = []
        for output in cell.outputs:
            if output.output_type == "stream" and (same := last_stream(outputs, output.name)):
                same.text += output.text
            else:
                outputs.append(output)
        for output in outputs:
            if output.output_type == "stream":
                output.text = on_terminal(output.text)
            elif "text/html" in output.get("data", {}):
                # A trusted JupyterLab would prefer the widget, whose model died with the kernel.
                output.data.pop("application/vnd.jupyter.widget-view+json", None)
        cell.outputs = [output for output in outputs if output.get("text", "text").strip()]


def last_stream(outputs, name):
    """The last stream of that name, unless something other than a stream came after it."""
    for output in reversed(outputs):
        if output.output_type != "stream":
            return None
        if output.name == name:
            return output
    return None


def on_terminal(text):
    """Text as a terminal shows it in the end: what follows a carriage return overwrites its line.

    A line that overwriting left empty goes.
    """
    lines = []
    for written in text.split("\n"):
        line = ""
        for piece in written.split("\r"):
            line = piece + line[len(piece) :]
        if line.strip() or "\r" not in written:
            lines.append(line.rstrip() if "\r" in written else line)
    return "\n".join(lines)


def main():
    parser = chapters.parser(__doc__)
    parser.add_argument("chapters", nargs="*")
    options = parser.parse_args()
    try:
        pair = real_pair()
    except Refused as error:
        print(f"Nothing executed: {error}")
        return 1
    failed = False
    for path in chapters.chosen(options.chapters):
        start = time.perf_counter()
        print(path.name)
        try:
            execute(path, pair)
            print(f"{path.name}: stored, {time.perf_counter() - start:.0f} s")
        except (Refused, DataError) as error:
            failed = True
            print(f"{path.name}: untouched; {error}")
    return failed


if __name__ == "__main__":
    chapters.command(main)
