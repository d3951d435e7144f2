"""Dates: their cycles, such as the time of the day, and dates that are text."""

import re
from dataclasses import dataclass
from itertools import takewhile

import numpy as np

#: Dates and durations are counted in days.
DAY = np.timedelta64(1, "D")

#: A Monday, so that weeks start on Mondays, and a first of January.
EPOCHS = {
    "day": np.datetime64("1970-01-01"),
    "week": np.datetime64("1970-01-05"),
    "year": np.datetime64("1970-01-01"),
}

#: Lengths of the cycles in days, from the longest to the shortest.
PERIODS = {"year": 365.2425, "week": 7.0, "day": 1.0}

#: A decoded date is shifted to the phase of a cycle if they differ by more than this fraction of
#: the period: by less, the date is at least as exact as the phase.
PHASE_TOLERANCE = 1e-7


@dataclass(frozen=True)
class Cycle:
    """A cycle of one column, encoded as the sine and the cosine of its phase.

    Attributes
    ----------
    column : str
        Name of the column.
    name : {"day", "week", "year"}
        Which cycle.
    """

    column: str
    name: str

    @property
    def outputs(self):
        """Ends of the names of the two codes."""
        return [f"{self.name}_sin", f"{self.name}_cos"]

    def encode(self, dates):
        """Return sine and cosine as an array of shape (n_rows, 2), NaN where a date is missing."""
        if dates.dtype.kind != "M":  # a column without any value has other dtypes, too
            return np.full((len(dates), 2), np.nan)
        return np.column_stack(self.encode_days((dates - EPOCHS[self.name]) / DAY))

    def encode_days(self, days, xp=np):
        """Return sine and cosine of days since the epoch; `xp` is torch for tensors."""
        # Not Python numbers, which an export of tensors would round to float32.
        period, turn = (
            xp.asarray(number, dtype=xp.float64) for number in (PERIODS[self.name], 2 * np.pi)
        )
        angle = turn * xp.remainder(days / period, 1)
        return xp.sin(angle), xp.cos(angle)

    def shift(self, days, origin, codes):
        """Shift dates, in days from an origin, to the closest ones with the phase of the codes."""
        period = PERIODS[self.name]
        start = (origin - EPOCHS[self.name]) / DAY
        phase = np.arctan2(codes[:, 0], codes[:, 1]) / (2 * np.pi)
        difference = phase - (days + start) / period
        difference -= np.rint(difference)
        return days + np.where(abs(difference) > PHASE_TOLERANCE, difference * period, 0)


def choose_cycles(name, dates, which):
    """Cycles of a column of dates.

    Parameters
    ----------
    name : str
        Name of the column.
    dates : ndarray of datetime64 of shape (n_samples,)
        The column, with NaT for missing values.
    which : "auto" or collection of {"day", "week", "year"}
        "auto" stands for the cycles of which the dates cover more than one period. It stands for
        no cycle if the column has at most two times of the day, as dates at midnight have in a
        time zone with daylight saving time.

    Returns
    -------
    cycles : list of Cycle
        The cycles, from the longest to the shortest.
    """
    if which == "auto":
        dates = dates[~np.isnat(dates)]
        times = np.unique(dates - dates.astype("datetime64[D]"))
        span = np.ptp(dates) / DAY if len(times) > 2 else 0
        which = [cycle for cycle, period in PERIODS.items() if span > period]
    return [Cycle(name, cycle) for cycle in PERIODS if cycle in which]


ISO_DATE = re.compile(
    r"\d{4}-\d\d-\d\d(?:([T ])\d\d:\d\d(?::\d\d(?:\.(\d{1,9}))?)?(Z|[+-]\d\d(?::?\d\d)?)?)?"
)


@dataclass(frozen=True)
class TextDates:
    """Format of a column of text that contains dates, as ISO 8601 writes them.

    Attributes
    ----------
    unit : str
        Unit of numpy: "D" for dates without times, otherwise "s" or a fraction of it.
    separator : str
        What is between date and time.
    zone : str
        What follows the time, such as "Z" or "+01:00". If dates have different zones, they are
        converted to UTC, and this is "Z".
    """

    unit: str
    separator: str
    zone: str

    @classmethod
    def of(cls, levels):
        """Return the format of a column of objects, or None if a value is not such a date."""
        texts = [level for level in levels if level is not None]
        if not texts or not all(isinstance(text, str) for text in texts):
            return None
        matches = list(takewhile(bool, map(ISO_DATE.fullmatch, texts)))
        if len(matches) < len(texts):
            return None
        separators, fractions, zones = zip(*(match.groups() for match in matches), strict=True)
        separator = next(filter(None, separators), "")
        digits = max(len(fraction or "") for fraction in fractions)
        unit = ["s", "ms", "us", "ns"][-(-digits // 3)] if separator else "D"
        zones = {zone or "" for zone in zones}
        form = cls(unit, separator, zones.pop() if len(zones) == 1 else "Z")
        try:
            form.parse(levels)
        except ValueError:  # for example 2023-02-29
            return None
        return form

    def parse(self, levels):
        """Convert a column of text, with None for missing values, to datetime64."""
        texts = ["NaT" if level is None else level for level in levels]
        return np.array(list(map(self._parse, texts)), dtype=f"datetime64[{self.unit}]")

    def _parse(self, text):
        if text == "NaT":
            return np.datetime64("NaT")
        match = ISO_DATE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a date in ISO 8601")
        zone = match[3]
        if zone is None:
            return np.datetime64(text, self.unit)
        date = np.datetime64(text[: -len(zone)], self.unit)
        if zone in (self.zone, "Z"):
            return date
        hours, minutes = int(zone[1:3]), int(zone[3:].strip(":") or 0)
        offset = np.timedelta64(60 * hours + minutes, "m")
        return date + offset if zone[0] == "-" else date - offset

    def format(self, dates):
        """Convert dates to a column of text, with None for missing values."""
        texts = np.datetime_as_string(dates, unit=self.unit).astype(object)
        if self.separator:
            texts = np.array(
                [text.replace("T", self.separator) + self.zone for text in texts], dtype=object
            )
        texts[np.isnat(dates)] = None
        return texts
