"""The controls of an experiment, and the error that says why one cannot be shown."""

import math
from dataclasses import dataclass
from decimal import Decimal


class ExploreError(ValueError):
    """An experiment that cannot be shown as declared; the message names the control and the limit."""


@dataclass(frozen=True)
class Choice:
    """A list to choose from. name: the function's argument; options: the texts shown, passed as they are."""

    name: str
    label: str
    options: tuple
    start: str

    @property
    def settings(self) -> list:
        """All settings, in the order shown."""
        return list(self.options)

    def check(self) -> None:
        """Raise ExploreError where the options are no choice."""
        if len(set(self.options)) != len(self.options):
            raise ExploreError(f"control {self.name!r}: two options are equal among {self.options}")
        if self.start not in self.options:
            raise ExploreError(f"control {self.name!r}: start {self.start!r} is not among {self.options}")

    def spec(self) -> dict:
        """What the page is told."""
        return {"kind": "choice", "name": self.name, "options": self.settings}


@dataclass(frozen=True)
class Slider:
    """Numbers from low to high, `step` apart, both ends included. unit: shown beside the number."""

    name: str
    label: str
    low: float
    high: float
    step: float
    start: float
    unit: str = ""

    @property
    def digits(self) -> int:
        """Decimals of the step."""
        return max(0, -Decimal(repr(self.step)).as_tuple().exponent)

    @property
    def settings(self) -> list:
        """All settings, from low to high."""
        count = round((self.high - self.low) / self.step) + 1
        return [round(self.low + i * self.step, self.digits) for i in range(count)]

    def snap(self, value) -> float:
        """The setting nearest to a value, which may carry a widget's rounding error."""
        return round(self.low + round((value - self.low) / self.step) * self.step, self.digits)

    def check(self) -> None:
        """Raise ExploreError where the numbers make no slider."""
        numbers = (self.low, self.high, self.step, self.start)
        if not all(math.isfinite(x) for x in numbers) or self.step <= 0 or self.high <= self.low:
            raise ExploreError(f"control {self.name!r}: a slider needs low < high and a step above 0")
        for what, value in (("low", self.low), ("high", self.high), ("start", self.start)):
            if not self.low <= value <= self.high or abs(self.snap(value) - value) > 1e-9:
                raise ExploreError(
                    f"control {self.name!r}: {what} {value} is no whole number of steps of {self.step} "
                    f"from {self.low}, or lies outside {self.low} to {self.high}"
                )
        if round(self.low, self.digits) != self.low:
            raise ExploreError(f"control {self.name!r}: low {self.low} has more decimals than step {self.step}")

    def spec(self) -> dict:
        """What the page is told."""
        return {
            "kind": "slider",
            "name": self.name,
            "low": self.low,
            "step": self.step,
            "digits": self.digits,
            "count": len(self.settings),
            "unit": self.unit,
        }
