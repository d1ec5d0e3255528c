"""Experiment: a flow in the plane, move by move, with the account of one point's density."""

import math

import numpy as np

from likelab.explore import Choice, Experiment, Slider, draw

HALF = 3  # of the side of the squares that are shown
GRAIN = 40  # drawn coordinates are whole multiples of 1/40, about a unit of the drawing
GRID = 2.4, 1.8  # the grid covers this much of the plane each way from the centre
APART = 0.6  # its lines
FINE = 3000  # places on a line, of which those stay that its shape needs
CELLS = 40  # of the density's picture, a side
SHADES = 16


def warp(moves, points, watched, choose="Point", caption="", id="warp") -> Experiment:
    """Scrub through the moves of a flow in the plane: grid, points and density are carried along.

    moves: [(name, function)] from the data to the latents; each function takes points (N, 2) to their images (N, 2)
    and the log|det| of its Jacobian at each, (N,), in nats. The latents' density is a standard normal. points: data
    to draw, (N, 2); watched: {name: (x, y)} of points whose account can be followed, chosen under the label `choose`.
    Returns an Experiment.
    """
    clouds, lines = path(moves, points)[0], path(moves, grid_lines().reshape(-1, 2))[0]
    drawn = [as_path(lines[k].reshape(-1, FINE, 2)) for k in range(len(moves) + 1)]
    shades = [density(moves[k:]) for k in range(len(moves) + 1)]
    accounts = {name: _account(moves, at) for name, at in watched.items()}

    def after(layer, watch):
        layer = int(layer)  # a live slider gives a float
        volume, there, place = accounts[watch]
        x, y = place[layer]
        return {
            "grid": drawn[layer],
            "cloud_x": _grains(clouds[layer][:, 0]),
            "cloud_y": _grains(clouds[layer][:, 1]),
            "shade": _picture(shades[layer]),
            "peak": round(float(shades[layer].max()), 2),
            "name": moves[layer - 1][0] if layer else "data space",
            "watch_x": _grains([x]),
            "watch_y": _grains([y]),
            "volume": volume[layer],
            "there": there[layer],
            "passed": layer,
            "now": [layer, layer],
            "terms": [volume[layer], there[layer]],
            "volume_text": draw.signed(volume[layer]),
            "there_text": draw.signed(there[layer]),
            "total": round(volume[0] + there[0], 2),
            "total_text": draw.signed(volume[0] + there[0]),
            # a table has rows: the whole way of the point
            "row": list(range(len(moves) + 1)),
            "row_x": np.round(place[:, 0], 2),
            "row_y": np.round(place[:, 1], 2),
            "row_volume": volume,
            "row_there": there,
        }

    ends = [value for account in accounts.values() for terms in account[:2] for value in terms]
    return Experiment(
        id,
        after,
        [
            Slider("layer", "Moves made", 0, len(moves), 1, 0, f"of {len(moves)}"),
            Choice("watch", choose, tuple(watched), next(iter(watched))),
        ],
        [_square_of_points(), _square_of_density(), _account_plot(len(moves), min(ends), max(ends))],
        summary="After {layer:0} of {moves} moves ({name}): log|det| so far {volume_text} nats, log-density where the "
        "point is now {there_text} nats. Together {total_text} nats: log p of the point.",
        table={
            "caption": "{watch}: its way to the latents; nats",
            "columns": [
                ["Moves made", "row", 0],
                ["x", "row_x", 2],
                ["y", "row_y", 2],
                ["log|det| so far", "row_volume", 2],
                ["Log-density there", "row_there", 2],
            ],
        },
        caption=f"{len(points)} points of data; what leaves a frame is not drawn. The density stands out most where it "
        "is highest after as many moves. {caption}",
        words={"moves": str(len(moves)), "caption": caption},
    )


def path(moves, points) -> tuple[np.ndarray, np.ndarray]:
    """Where points (N, 2) are before the first move and after each, and the log|det| up to there.

    Returns ((K + 1, N, 2), (K + 1, N) in nats).
    """
    places, volumes = [np.asarray(points, dtype=float)], [np.zeros(len(points))]
    for _, move in moves:
        place, log_det = move(places[-1])
        places.append(np.asarray(place, dtype=float))
        volumes.append(volumes[-1] + np.asarray(log_det, dtype=float))
    return np.stack(places), np.stack(volumes)


def log_density(moves, points) -> np.ndarray:
    """log p (N,) in nats of points (N, 2), under a standard normal pulled through the moves."""
    places, volumes = path(moves, points)
    return volumes[-1] - (places[-1] ** 2).sum(1) / 2 - math.log(2 * math.pi)


def density(moves, half=HALF, cells=CELLS) -> np.ndarray:
    """Density at the middles of a square's equal cells, (cells, cells), the first row at the top."""
    middle = half * ((2 * np.arange(cells) + 1) / cells - 1)
    points = np.stack(np.meshgrid(middle, middle[::-1]), -1).reshape(-1, 2)
    return np.exp(log_density(moves, points)).reshape(cells, cells)


def grid_lines() -> np.ndarray:
    """Upright and level lines over the plane of the data, as points (lines, FINE, 2)."""
    lines = []
    for axis, (across, along) in enumerate((GRID, GRID[::-1])):
        for at in np.arange(-across, across + APART / 2, APART):
            line = np.full((FINE, 2), at)
            line[:, 1 - axis] = np.linspace(-along, along, FINE)
            lines.append(line)
    return np.stack(lines)


def as_path(lines) -> list:
    """Lines (lines, FINE, 2) as one path in grains, cut off at the frame, with no more corners than it takes."""
    out = ""
    for line in lines:
        seen = (np.abs(line) <= HALF).all(1)
        for part in np.split(line, np.flatnonzero(np.diff(seen)) + 1):
            if len(part) > 1 and (np.abs(part[0]) <= HALF).all():
                corners = _grains(_simplified(part))
                steps = np.diff(corners, axis=0)
                steps = steps[steps.any(1)]
                if len(steps):
                    text = " ".join(map(str, corners[0])) + "l" + " ".join(map(str, steps.ravel()))
                    out += "M" + text.replace(" -", "-")
    return out


def _simplified(line):
    """Those points of a line that keep it within 0.9 grains of all of them. Douglas and Peucker 1973."""
    start, way = line[0], line[-1] - line[0]
    offset = line - start
    share = np.clip(offset @ way / max(way @ way, 1e-12), 0, 1)
    far = np.hypot(*(offset - share[:, None] * way).T)
    k = int(far.argmax())
    if GRAIN * far[k] < 0.9:
        return line[[0, -1]]
    return np.concatenate([_simplified(line[: k + 1])[:-1], _simplified(line[k:])])


def _account(moves, at):
    """Both terms of one point's log p after each number of moves, to the cent, and the point's places."""
    places, volumes = path(moves, [at])
    total = round(float(log_density(moves, [at])[0]), 2)
    volume = [round(float(v), 2) for v in volumes[:, 0]]
    return volume, [round(total - v, 2) for v in volume], places[:, 0]


def _grains(values):
    return np.round(GRAIN * np.asarray(values)).astype(int)


def _picture(height):
    """A share of the highest, in few shades, as the opacity of one colour: it suits a light and a dark page."""
    pixels = np.empty((*height.shape, 4), np.uint8)
    pixels[...] = (0x3B, 0x6F, 0xB6, 0)
    pixels[..., 3] = np.round(255 / SHADES * np.round(SHADES * height / height.max()))
    return draw.address(pixels)


def _square(marks):
    ticks = [(GRAIN * v, draw.fixed(v, 0)) for v in (-2, 0, 2)]
    axis = draw.axis(-GRAIN * HALF, GRAIN * HALF, "", ticks)
    return [draw.panel((26, 8, 268, 268), axis, axis, marks)]


WATCHED = draw.dots("watch_x", "watch_y", "watched")


def _square_of_points():
    return draw.plot(
        "{layer:0} moves made: {name}",
        "A grid over the plane of the data and points of the data, both as they are after the moves made so far: "
        "the grid bends from move to move, and the two arcs of points become a round cloud.",
        (302, 300),
        _square([draw.sketch("grid"), draw.dots("cloud_x", "cloud_y", "inside"), WATCHED]),
    )


def _square_of_density():
    side = 2 * GRAIN * HALF
    return draw.plot(
        "The density there, at most {peak:2}",
        "A map of the density that the model has after the moves made so far: two arcs in the space of the data, a "
        "round Gaussian hill after the last move.",
        (302, 300),
        _square([draw.picture("shade", -side / 2, side / 2, side, side), WATCHED]),
    )


def _account_plot(moves, low, high):
    room = 0.06 * (high - low)
    marks = [
        draw.line((0, "total"), (moves, "total")),
        draw.rule("layer"),
        draw.grip("layer"),
        draw.trace("passed", "volume", "layer", "inside"),
        draw.trace("passed", "there", "layer", "outside dashed"),
        draw.dots("now", "terms", "watched"),
        draw.label("log|det| so far: {volume_text}", 0, high + room, "start", "inside name", (0, -46)),
        draw.label("log-density where it is: {there_text}", 0, high + room, "start", "outside name", (0, -30)),
        draw.label("together: {total_text}", 0, high + room, "start", "quiet", (0, -14)),
    ]
    x = draw.axis(0, moves, "moves made", [(k, str(k)) for k in range(0, moves + 1, 2)])
    y = draw.axis(low - room, high + room, "nats", draw.nice_ticks(low, high))
    return draw.plot(
        "The account of {watch}",
        "Two curves over the moves made, in nats: the log-determinants so far, and dashed the log-density at the "
        "place that the point has reached. Where one rises the other falls by as much; their sum is a level line.",
        (420, 300),
        [draw.panel((56, 66, 350, 186), x, y, marks)],
        drag="layer",
    )
