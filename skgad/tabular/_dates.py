"""Cycles of dates: the time of the day, the day of the week and the day of the year."""

import re
from dataclasses import dataclass

import numpy as np

from .._frames import is_missing

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
        days = (dates - EPOCHS[self.name]) / DAY
        angle = 2 * np.pi * np.mod(days / PERIODS[self.name], 1)
        return np.column_stack([np.sin(angle), np.cos(angle)])

    def shift(self, days, origin, codes):
        """Shift dates, in days from an origin, to the closest ones with the phase of the codes."""
        period = PERIODS[self.name]
        start = (origin - EPOCHS[self.name]) / DAY
        phase = np.arctan2(codes[:, 0], codes[:, 1]) / (2 * np.pi)
        difference = phase - (days + start) / period
        difference -= np.rint(difference)
        return days + np.where(abs(difference) > PHASE_TOLERANCE, difference * period, 0)


def choose_cycles(name, dates):
    """Cycles of a column of dates.

    A column has cycles if it has more than two times of the day: dates at midnight in a time zone
    with daylight saving time have two. The dates must cover more than one period.

    Parameters
    ----------
    name : str
        Name of the column.
    dates : ndarray of datetime64 of shape (n_samples,)
        The column, with NaT for missing values.

    Returns
    -------
    cycles : list of Cycle
        The cycles, from the longest to the shortest.
    """
    dates = dates[~np.isnat(dates)]
    times = np.unique(dates - dates.astype("datetime64[D]"))
    if len(times) <= 2:
        return []
    span = (dates.max() - dates.min()) / DAY
    return [Cycle(name, cycle) for cycle, period in PERIODS.items() if span > period]
