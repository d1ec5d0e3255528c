"""The values of an experiment's function: stored over the whole grid of its controls, or computed by the page."""

import itertools
import math

import numpy as np

from .controls import ExploreError

MAX_SETTINGS = 4_000  # points of the grid; at a millisecond a call the author waits four seconds


class Table:
    """A function's values over the grid of its controls, each output stored along the axes it varies on."""

    def __init__(self, function, controls):
        """function(**settings) gives a dict of numbers, texts or 1-D arrays, alike in names and shapes everywhere.

        Raises ExploreError where the grid is too large, a value is not finite or a name or a shape changes.
        """
        self.names = [control.name for control in controls]
        self.settings = [control.settings for control in controls]
        shape = tuple(len(settings) for settings in self.settings)
        if math.prod(shape) > MAX_SETTINGS:
            largest = max(controls, key=lambda control: len(control.settings)).name
            raise ExploreError(
                f"control {largest!r} has {max(shape):,} settings, which makes a grid of "
                f"{math.prod(shape):,}; at most {MAX_SETTINGS:,} are stored. Make its step larger"
            )
        rows = _rows(function, self.names, list(itertools.product(*self.settings)))
        self.columns = {}
        for name in rows[0]:
            values = np.stack([row[name] for row in rows]).reshape(shape + rows[0][name].shape)
            axes = []
            for axis in reversed(range(len(shape))):
                if np.array_equal(values, np.broadcast_to(values.take([0], axis), values.shape)):
                    values = np.asarray(values.take(0, axis))  # it does not depend on this control
                else:
                    axes.insert(0, axis)
            self.columns[name] = (axes, values)

    def _index(self, settings):
        return [options.index(settings[name]) for name, options in zip(self.names, self.settings, strict=True)]

    def at(self, settings) -> dict:
        """All outputs at one setting {control: value}, as the function gave them (numbers or lists)."""
        index = self._index(settings)
        return {name: values[tuple(index[a] for a in axes)].tolist() for name, (axes, values) in self.columns.items()}

    def along(self, output, control, settings) -> list:
        """One output over the whole range of a control, the other controls as in `settings`."""
        index, moved = self._index(settings), self.names.index(control)
        axes, values = self.columns[output]
        index[moved] = slice(None)
        path = values[tuple(index[axis] for axis in axes)]
        return (path if moved in axes else np.broadcast_to(path, len(self.settings[moved]))).tolist()

    def spec(self) -> dict:
        """What the page is told: axes and values of each output, whole numbers without their ".0"."""
        return {
            name: {"axes": axes, "values": _brief(values.tolist())} for name, (axes, values) in self.columns.items()
        }


def _brief(values):
    if isinstance(values, list):
        return [_brief(value) for value in values]
    return int(values) if isinstance(values, float) and values.is_integer() else values


class Computed:
    """Read like a Table, but nothing is stored: the page computes the function's values with a script."""

    def __init__(self, function, controls):
        """Raises ExploreError where a Table would, at the ends of the controls."""
        self.function = function
        self.settings = {control.name: control.settings for control in controls}
        ends = [dict.fromkeys((settings[0], settings[-1])) for settings in self.settings.values()]
        _rows(function, list(self.settings), list(itertools.product(*ends)))

    def at(self, settings) -> dict:
        """As a Table's."""
        point = [settings[name] for name in self.settings]
        return {name: value.tolist() for name, value in _rows(self.function, self.settings, [point])[0].items()}

    def along(self, output, control, settings) -> list:
        """As a Table's."""
        return [self.at(settings | {control: value})[output] for value in self.settings[control]]

    def spec(self) -> dict:
        """Nothing: the page computes."""
        return {}


def _rows(function, names, points):
    """The function's outputs at each point as arrays, alike in names and shapes, or an ExploreError."""

    def at(point):
        return ", ".join(f"{name} = {value!r}" for name, value in zip(names, point, strict=True))

    def shape(array):
        return "nothing" if array is None else f"shape {array.shape}"

    rows = []
    for point in points:
        row = {}
        for name, value in function(**dict(zip(names, point, strict=True))).items():
            array = np.asarray(value)
            text = array.dtype.kind == "U" and array.ndim == 0
            if array.ndim > 1 or not (text or array.dtype.kind in "iufb"):
                raise ExploreError(f"output {name!r} is neither a number, a text nor a list of numbers at {at(point)}")
            if not text and not np.isfinite(array).all():
                raise ExploreError(f"output {name!r} is not finite at {at(point)}")
            row[name] = array
        rows.append(row)
        for name in rows[0].keys() | row.keys():
            first, here = rows[0].get(name), row.get(name)
            if first is None or here is None or first.shape != here.shape:
                raise ExploreError(
                    f"output {name!r} changes from {shape(first)} to {shape(here)} "
                    f"at {at(point)}: give the same names and shapes at every setting"
                )
    return rows
