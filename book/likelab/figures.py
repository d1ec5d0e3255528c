"""The house style of the book's figures: one look, readable on light and dark pages and without colour."""

import sys

import matplotlib.pyplot as plt
import numpy as np

from .palette import INK, INSIDE, LINES, MODELS, OUTSIDE, PAPER, TRAIN

WIDE = 7  # inches: as wide as the text of a page; what is drawn at 10 points can still be read on a phone
FILES_ONLY = ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")  # matplotlib's backends that show nothing


def use_style() -> None:
    """Set matplotlib's defaults for the whole notebook, where figures become SVG: sharp at any size.

    The face is opaque, as a notebook may be dark; the site has a version of each figure for either. Says in one line
    where a notebook's backend, which a cluster or a CI image may have set, shows no figures.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if hasattr(shell, "kernel") and plt.get_backend().lower() in FILES_ONLY:
        backend = plt.get_backend()
        print(f"Matplotlib's backend here is {backend}, which shows no figures: run %matplotlib inline, then go on.")
    elif hasattr(shell, "kernel") and "inline" in plt.get_backend():
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None})
    plt.rcParams.update(
        {
            "figure.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "text.color": INK,
            "axes.labelcolor": INK,
            "axes.edgecolor": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "font.size": 10,
            "legend.frameon": False,
            "figure.dpi": 160,  # of what is drawn with rasterized=True, such as thousands of points
            "savefig.bbox": "tight",
            "image.interpolation": "none",  # pixels as they are, enlarged by the page
            "svg.fonttype": "none",  # text stays text
            "svg.hashsalt": "likelab",  # the same figure is the same file
            "axes.prop_cycle": plt.cycler(color=[INSIDE, OUTSIDE, TRAIN, MODELS["PixelCNN"], MODELS["VAE"]]),
        }
    )


def look(model) -> dict:
    """Colour and style of line that a model has throughout the book, to be given to `plot`."""
    return {"color": MODELS[model], "linestyle": LINES[model]}


def one_legend(fig, **options) -> None:
    """Draw one legend above all panels of a figure, of what any of them names."""
    found = {}
    for ax in fig.axes:
        handles, names = ax.get_legend_handles_labels()
        found |= dict(zip(names, handles, strict=True))
    fig.legend(found.values(), found, loc="outside upper left", ncols=len(found), **options)


def show_with_png(fig) -> None:
    """Show a figure as SVG and as PNG, which the preview of the site is made of (the cell tagged `landing`)."""
    from IPython.core.pylabtools import print_figure
    from IPython.display import display

    shown = {"image/svg+xml": print_figure(fig, "svg", metadata={"Date": None})}
    shown["image/png"] = print_figure(fig, "png", dpi=110, base64=True)
    plt.close(fig)
    display(shown, raw=True)


def bits_histogram(sets, title, ax=None, bins=60) -> plt.Axes:
    """Draw bits per dimension of one or more image sets on a common axis, means marked; return the axes.

    sets: {"label": values (N,)} — the first is drawn as the inside set, the second as the outside set, a
    third (training images) as an outline.
    """
    ax = ax or plt.subplots(figsize=(7, 3))[1]
    sets = {name: np.asarray(values) for name, values in sets.items()}
    together = np.concatenate(list(sets.values()))
    low, high = np.quantile(together, [0.003, 0.99])
    edges = np.linspace(low - 0.05 * (high - low), high + 0.05 * (high - low), bins + 1)
    room = 1 + 0.12 * len(sets)  # above the bars, for the legend
    looks = ((INSIDE, "-", "stepfilled"), (OUTSIDE, "--", "stepfilled"), (TRAIN, ":", "step"))
    for (name, values), (colour, line, kind) in zip(sets.items(), looks, strict=False):
        ax.hist(
            np.clip(values, edges[0], edges[-1]),
            edges,
            density=True,
            histtype=kind,
            color=colour,
            alpha=0.4 if kind == "stepfilled" else 1,
            linestyle=line,
            label=f"{name}: mean {values.mean():.2f}",
        )
        if kind == "stepfilled":
            ax.hist(np.clip(values, edges[0], edges[-1]), edges, density=True, histtype="step", color=colour)
            ax.axvline(values.mean(), ymax=1 / room, color=colour, linestyle=line, linewidth=1.5)
    ax.set(title=title, xlabel="bits per dimension  (← likelier)", ylabel="share of images")
    ax.set_yticks([])
    ax.set_ylim(top=ax.get_ylim()[1] * room)
    ax.legend(loc="upper left", fontsize=9)  # what a phone shows of a wide figure first
    return ax


def image_grid(images, columns=8, ax=None, title=None) -> plt.Axes:
    """Tile uint8 images (N, C, H, W) into one picture with thin gaps; return the axes."""
    images = np.asarray(images)
    count, _, height, width = images.shape
    rows = -(-count // columns)
    sheet = np.zeros(
        (rows * (height + 2) + 2, columns * (width + 2) + 2, 4), dtype=np.uint8
    )  # clear: any page's ground
    for i, image in enumerate(images):
        top, left = 2 + (i // columns) * (height + 2), 2 + (i % columns) * (width + 2)
        sheet[top : top + height, left : left + width, :3] = image.transpose(1, 2, 0)  # one channel becomes three
        sheet[top : top + height, left : left + width, 3] = 255
    if ax is None:
        ax = plt.subplots(figsize=(columns * 0.8, rows * 0.8 + (0.3 if title else 0)))[1]
    ax.imshow(sheet)
    ax.axis("off")
    if title:
        ax.set_title(title)
    return ax


def diagram(boxes, arrows, size=(7, 3), title=None) -> plt.Axes:
    """Draw a diagram of boxes joined by arrows; return the axes.

    boxes: {name: (x, y, text)} or {name: (x, y, text, colour)}, centres in inches of `size`. arrows: (from, to) or
    (from, to, label), by the boxes' names.
    """
    fig, ax = plt.subplots(figsize=size)
    fig.subplots_adjust(0, 0, 1, 0.9 if title else 1)
    ax.set(xlim=(0, size[0]), ylim=(0, size[1]), title=title)
    ax.axis("off")
    drawn = {}
    for name, (x, y, text, *colour) in boxes.items():
        look = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": colour[0] if colour else INK}
        drawn[name] = ax.text(x, y, text, ha="center", va="center", fontsize=10, bbox=look).get_bbox_patch()
    for start, end, *label in arrows:
        (x0, y0), (x1, y1) = boxes[start][:2], boxes[end][:2]
        ends = {"patchA": drawn[start], "patchB": drawn[end], "shrinkA": 2, "shrinkB": 2}
        ax.annotate("", (x1, y1), (x0, y0), arrowprops={"arrowstyle": "-|>", "color": INK, **ends})
        if label:
            flat = abs(x1 - x0) > abs(y1 - y0)
            place = {"ha": "center", "va": "bottom"} if flat else {"ha": "left", "va": "center"}
            ax.text(
                (x0 + x1) / 2 + (0 if flat else 0.08),
                (y0 + y1) / 2 + (0.05 if flat else 0),
                *label,
                fontsize=9,
                **place,
            )
    return ax
