"""Figures as data, and the SVG and text made from them; `explore.js` draws the same from the same data.

A plot is plain JSON: panels with two axes and a list of marks. Where a mark wants a value it takes a number,
or the name of a control, of an output of the experiment's function or of one of its words. What is drawn
here is the static figure and the live widget; a test holds the script's drawing against it.
"""

import base64
import io
import math
import re
from collections.abc import Callable
from html import escape

import numpy as np
from PIL import Image

from .controls import ExploreError

FIELD = re.compile(r"\{(\w+)(?::(\d|%))?\}")


# The pieces an author writes ------------------------------------------------------------------------------


def plot(title, alt, size, panels, drag=None) -> dict:
    """One SVG of `size` (width, height), a template above it and a text for those who do not see it.

    drag: name of a slider that a pointer on the first panel moves along the panel's x-axis, or names of two, the
    second along the y-axis.
    """
    drag = [drag] if isinstance(drag, str) else drag
    width, height = size
    return {"title": title, "alt": alt, "width": width, "height": height, "panels": panels, "drag": drag}


def panel(box, x, y, marks) -> dict:
    """A rectangle `box` (left, top, width, height) with an axis each way and marks in drawing order.

    A panel of pictures or cells has no axis unless it has ticks.
    """
    return {"box": list(box), "x": x, "y": y, "marks": marks}


def axis(low, high, label="", ticks=()) -> dict:
    """From low to high; ticks are pairs (value, text template). No ticks and no label: only the scale."""
    ticks = [[value, "−" + text[1:] if text.startswith("-") else text] for value, text in ticks]
    return {"low": low, "high": high, "label": label, "ticks": ticks}


def bars(heights, tone, above=None) -> dict:
    """A histogram of equal bins over the x-axis; `above` draws only what lies right of that x."""
    return {"kind": "bars", "heights": heights, "tone": tone, "above": above}


def band(above) -> dict:
    """Shade everything right of x = above."""
    return {"kind": "band", "above": above}


def rule(at) -> dict:
    """A vertical line over the panel's full height."""
    return {"kind": "rule", "at": at}


def grip(at) -> dict:
    """A knob on top of a rule, seen where the plot can be dragged."""
    return {"kind": "grip", "at": at}


def line(start, end) -> dict:
    """A dashed straight line between two points, for reference."""
    return {"kind": "line", "start": list(start), "end": list(end)}


def trace(x, y, along, tone="") -> dict:
    """The path of (x, y) while the slider `along` runs through its range; tones: "dashed", "inside", "outside"."""
    return {"kind": "trace", "x": x, "y": y, "along": along, "tone": tone}


def curve(x, y) -> dict:
    """A line through the points of two lists; what lies above or below the panel is left out."""
    return {"kind": "curve", "x": x, "y": y}


def point(x, y) -> dict:
    """A dot, with thin lines down to both axes."""
    return {"kind": "point", "x": x, "y": y}


def dot(x, y) -> dict:
    """A ring, for one of several points."""
    return {"kind": "dot", "x": x, "y": y}


def dots(x, y, tone) -> dict:
    """Small dots at the points of two lists; those outside the panel are left out."""
    return {"kind": "dots", "x": x, "y": y, "tone": tone}


def sketch(d) -> dict:
    """Thin lines that no list of one length could hold: a path in SVG's language, in the units of the axes."""
    return {"kind": "sketch", "d": d}


def picture(href, x, y, width, height) -> dict:
    """A small image between (x, y), its upper left corner, and (x + width, y − height), its pixels left square."""
    return {"kind": "picture", "href": href, "x": x, "y": y, "width": width, "height": height}


def address(pixels, quality=None) -> str:
    """A picture as text for `picture`: uint8 (H, W, 3 or 4) -> a data address; without loss, or of some quality."""
    held, lossless = io.BytesIO(), quality is None
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(held, "WEBP", lossless=lossless, quality=100 if lossless else quality, method=6)
    return "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode()


def cells(values, columns, tones) -> dict:
    """A picture of equal cells over the whole panel, row by row from the top: value k has the look tones[k].

    Looks are "seen", "blind", "far", "empty" and "own", with "here" added for a frame; "" leaves the place free.
    """
    return {"kind": "cells", "values": values, "columns": columns, "tones": list(tones)}


def label(text, x, y, anchor="start", tone="", shift=(0, 0), room=0) -> dict:
    """A text template at (x, y), moved by `shift` units; left out where fewer than `room` units are free."""
    return {
        "kind": "label",
        "text": text,
        "x": x,
        "y": y,
        "anchor": anchor,
        "tone": tone,
        "shift": list(shift),
        "room": room,
    }


def nice_ticks(low, high, most=7) -> list:
    """At most `most` round values in [low, high] as (value, text), 1, 2 or 5 times a power of ten apart."""
    for step in (m * 10.0**e for e in range(-6, 7) for m in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            digits = max(0, -math.floor(math.log10(step) + 1e-9))
            return [(round(k * step, digits), fixed(k * step, digits)) for k in range(first, last + 1)]
    raise ValueError(f"no round ticks between {low} and {high}")


# Text -----------------------------------------------------------------------------------------------------


def fixed(number, digits) -> str:
    """Decimal text, halves rounded up: a rule that Python and JavaScript follow alike, unlike their own."""
    whole = math.floor(number * 10.0**digits + 0.5)
    text = str(abs(whole)).rjust(digits + 1, "0")
    if digits:
        text = text[:-digits] + "." + text[-digits:]
    return "-" + text if whole < 0 else text


def percent(share) -> str:
    """A share of 1 in words: a few images of many are neither none nor all."""
    if 0 < share < 0.005:
        return "under 1\u00a0%"
    if 0.995 <= share < 1:
        return "over 99\u00a0%"
    return fixed(100 * share, 0) + "\u00a0%"


def signed(value) -> str:
    """A number with its sign and two decimals."""
    return ("+" if value >= 0 else "\u2212") + fixed(abs(float(value)), 2)


def shown(value, how) -> str:
    """A value as text: `how` is a number of decimals, "%" for a share, or None for what is text already."""
    if how is None:
        return str(value)
    return percent(value) if how == "%" else fixed(value, int(how)).replace("-", "\u2212")


def lookup(values) -> Callable:
    """The look-up that drawing needs: a name to its value, a number to itself."""

    def state(name):
        if not isinstance(name, str):
            return name
        if name not in values:
            raise ExploreError(f"the figure names {name!r}, which no control, output or word is called here")
        return values[name]

    return state


def fill(template, state) -> str:
    """Fill a template's fields, `{name}`, `{name:2}` (decimals) or `{name:%}` (share); escaped for HTML."""
    return escape(FIELD.sub(lambda field: shown(state(field[1]), field[2]), template))


# Drawing: state maps a name or a number to its value, along gives an output over a slider's range ----------


def _n(number):
    return fixed(number, 1)


def plot_svg(plot, name, state, along) -> str:
    """The inside of one plot's <svg>; `name` makes the ids of its patterns unique on the page."""
    hatch = (
        f'<defs><pattern id="{escape(name)}-hatch" class="outside" width="5" height="5" '
        'patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<rect class="ground" width="5" height="5"></rect><path d="M1 0V5"></path></pattern></defs>'
    )
    return hatch + "".join(_panel(p, name, state, along) for p in plot["panels"])


def _panel(panel, name, state, along):
    left, top, width, height = panel["box"]
    right, base = left + width, top + height
    (x_low, x_high), (y_low, y_high) = ((state(a["low"]), state(a["high"])) for a in (panel["x"], panel["y"]))

    def X(value):
        return left + (state(value) - x_low) / (x_high - x_low) * width

    def Y(value):
        return base - (state(value) - y_low) / (y_high - y_low) * height

    def bars(mark):
        heights = state(mark["heights"])
        cut = left if mark["above"] is None else min(max(X(mark["above"]), left), right)
        path = f"M{_n(cut)} {_n(base)}"
        for i, value in enumerate(heights):
            end = left + (i + 1) / len(heights) * width
            if end > cut:
                path += f"V{_n(Y(value))}H{_n(end)}"
        part = "" if mark["above"] is None else " part"
        fill = f' style="fill:url(#{escape(name)}-hatch)"' if part and mark["tone"] == "outside" else ""
        return f'<path class="bars {mark["tone"]}{part}" d="{path}V{_n(base)}Z"{fill}></path>'

    def band(mark):
        cut = min(max(X(mark["above"]), left), right)
        return f'<rect class="band" x="{_n(cut)}" y="{_n(top)}" width="{_n(right - cut)}" height="{_n(height)}"></rect>'

    def rule(mark):
        return f'<path class="rule" d="M{_n(X(mark["at"]))} {_n(top)}V{_n(base)}"></path>'

    def grip(mark):
        return f'<circle class="grip" cx="{_n(X(mark["at"]))}" cy="{_n(top - 3)}" r="6"></circle>'

    def line(mark):
        (x0, y0), (x1, y1) = mark["start"], mark["end"]
        return f'<path class="line" d="M{_n(X(x0))} {_n(Y(y0))}L{_n(X(x1))} {_n(Y(y1))}"></path>'

    def trace(mark):
        xs, ys = along(mark["x"], mark["along"]), along(mark["y"], mark["along"])
        steps = [f"{_n(X(x))} {_n(Y(y))}" for x, y in zip(xs, ys, strict=True)]
        steps = [step for i, step in enumerate(steps) if i == 0 or step != steps[i - 1]]
        return f'<path class="trace {mark["tone"]}" d="M{"L".join(steps)}"></path>'

    def curve(mark):
        path, step = "", "M"
        for x, y in zip(state(mark["x"]), state(mark["y"]), strict=True):
            inside = top <= Y(y) <= base
            path += f"{step}{_n(X(x))} {_n(Y(y))}" if inside else ""
            step = "L" if inside else "M"
        return f'<path class="trace" d="{path}"></path>'

    def point(mark):
        x, y = _n(X(mark["x"])), _n(Y(mark["y"]))
        return (
            f'<path class="guide" d="M{_n(left)} {y}H{x}V{_n(base)}"></path>'
            f'<circle class="point" cx="{x}" cy="{y}" r="5.5"></circle>'
        )

    def dot(mark):
        return f'<circle class="dot" cx="{_n(X(mark["x"]))}" cy="{_n(Y(mark["y"]))}" r="4.5"></circle>'

    def dots(mark):
        path = ""
        for x, y in zip(map(X, state(mark["x"])), map(Y, state(mark["y"])), strict=True):
            if left <= x <= right and top <= y <= base:
                path += f"M{_n(x)} {_n(y)}h0"
        return f'<path class="dots {mark["tone"]}" d="{path}"></path>'

    def sketch(mark):
        wide, high = width / (x_high - x_low), height / (y_high - y_low)
        place = f"matrix({wide:.6f} 0 0 {-high:.6f} {left - wide * x_low:.6f} {base + high * y_low:.6f})"
        return f'<path class="sketch" transform="{place}" d="{escape(state(mark["d"]))}"></path>'

    def picture(mark):
        x, y = X(mark["x"]), Y(mark["y"])
        wide, high = X(mark["x"] + mark["width"]) - x, Y(mark["y"] - mark["height"]) - y
        return (
            f'<image class="picture" href="{escape(state(mark["href"]))}" x="{_n(x)}" y="{_n(y)}" '
            f'width="{_n(wide)}" height="{_n(high)}" preserveAspectRatio="none"></image>'
        )

    def cells(mark):
        values, columns = state(mark["values"]), mark["columns"]
        wide, high = width / columns, height / (len(values) / columns)
        out = ""
        for k, tone in enumerate(mark["tones"]):
            path = "".join(
                f"M{_n(left + i % columns * wide + 1)} {_n(top + i // columns * high + 1)}"
                f"h{_n(wide - 2)}v{_n(high - 2)}h{_n(2 - wide)}z"
                for i, value in enumerate(values)
                if value == k
            )
            fill = f' style="fill:url(#{escape(name)}-hatch)"' if tone == "blind" else ""
            out += f'<path class="cells {tone}" d="{path}"{fill}></path>' if tone and path else ""
        return out

    def label(mark):
        x, (dx, dy) = X(mark["x"]), mark["shift"]
        if (x - left if mark["anchor"] == "end" else right - x) < mark["room"]:
            return ""
        return (
            f'<text class="{mark["tone"]}" x="{_n(x + dx)}" y="{_n(Y(mark["y"]) + dy)}" '
            f'text-anchor="{mark["anchor"]}">{fill(mark["text"], state)}</text>'
        )

    draw = {
        "bars": bars,
        "band": band,
        "rule": rule,
        "grip": grip,
        "line": line,
        "trace": trace,
        "curve": curve,
        "point": point,
        "dot": dot,
        "dots": dots,
        "sketch": sketch,
        "picture": picture,
        "cells": cells,
        "label": label,
    }
    out = "".join(draw[mark["kind"]](mark) for mark in panel["marks"])
    if panel["x"]["ticks"] or not any(mark["kind"] in ("picture", "cells") for mark in panel["marks"]):
        out += f'<path class="axis" d="M{_n(left)} {_n(base)}H{_n(right)}"></path>'
    for value, text in panel["x"]["ticks"]:
        x = _n(X(value))
        out += f'<path class="axis" d="M{x} {_n(base)}v4"></path>'
        out += f'<text class="tick" x="{x}" y="{_n(base + 17)}" text-anchor="middle">{fill(text, state)}</text>'
    if panel["x"]["label"]:
        out += (
            f'<text x="{_n(left + width / 2)}" y="{_n(base + 35)}" text-anchor="middle">'
            f"{fill(panel['x']['label'], state)}</text>"
        )
    if panel["y"]["ticks"]:
        out += f'<path class="axis" d="M{_n(left)} {_n(top)}V{_n(base)}"></path>'
    for value, text in panel["y"]["ticks"]:
        y = Y(value)
        out += f'<path class="axis" d="M{_n(left)} {_n(y)}h-4"></path>'
        out += f'<text class="tick" x="{_n(left - 7)}" y="{_n(y + 4)}" text-anchor="end">{fill(text, state)}</text>'
    if panel["y"]["label"]:
        x, y = _n(left - 36), _n(top + height / 2)
        out += (
            f'<text x="{x}" y="{y}" text-anchor="middle" transform="rotate(-90 {x} {y})">'
            f"{fill(panel['y']['label'], state)}</text>"
        )
    return out


def table_html(table, state) -> str:
    """The numbers as a table: `columns` are (heading, output, how); scalars fill every row they stand in."""
    heads = "".join(f'<th scope="col">{fill(head, state)}</th>' for head, _, _ in table["columns"])
    columns = [[shown(value, how) for value in state(name)] for _, name, how in table["columns"]]
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in zip(*columns, strict=True)
    )
    return (
        f"<table><caption>{fill(table['caption'], state)}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )
