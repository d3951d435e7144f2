"""Torch modules that compute what detectors and encoders compute for checked rows."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..density import MAX_CODE, MIN_LOG_DENSITY, DensityDetector
from ..detectors import BaseDetector
from ..engine.encoding import ColumnEncoding, subtracted
from ..engine.finished import (
    distances_to_neighbor,
    negative_log_density,
    padded_for_search,
    whiten_components,
)
from ..engine.net import copy_net
from ..engine.scores import lowest_if_overflown
from ..neighbors import KNeighborsDetector
from ..neighbors._k_neighbors import MAX_DISTANCE, distances_to_scores
from ..preprocessing import PiecewiseLinearEncoder, TabularEncoder
from ..tabular import TabularDetector
from ..tabular._dates import DAY, EPOCHS
from ..tabular._levels import FAR_OUTSIDE

#: Stands for a level that no output column belongs to.
UNKNOWN = -1

#: Stands for a missing value of a column of levels that had none in fit.
NEWLY_MISSING = -2

#: Value of NaT, read as an integer.
NAT = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Input:
    """Input of a program: all columns of an array, or one column of a table of mixed columns.

    Attributes
    ----------
    name : str
        Name of the input.
    width : int
        Number of columns.
    dtype : torch.dtype
        Type of the values that the module receives.
    positions : dict of str to int or None
        For a column of text, the position of each level among the output columns of this column,
        which the module receives instead of the text.
    unknown : int
        Position of any other text.
    unit : numpy.dtype or None
        For a column of dates or durations, the dtype whose integers the module receives.
    """

    name: str
    width: int = 1
    dtype: torch.dtype = torch.float64
    positions: dict[str, int] | None = None
    unknown: int = UNKNOWN
    unit: np.dtype | None = None


class DetectorModule(nn.Module):
    """Scores and decisions of a detector, and reconstructions if they are wanted.

    Parameters
    ----------
    score : torch.nn.Module
        Computes `score_samples`.
    offset : float
        Threshold of the detector.
    encoder : TableEncoding or None
        Encodes the inputs first.
    reconstruct : callable or None
        Computes reconstructions.
    """

    def __init__(self, score, offset, encoder=None, reconstruct=None):
        super().__init__()
        self.score = score
        self.register_buffer("offset", as_double(offset))
        self.encoder, self.reconstruct = encoder, reconstruct

    @property
    def output_names(self):
        """Names of the outputs."""
        return ["score", "decision", *(["reconstruction"] if self.reconstruct else [])]

    def forward(self, *inputs):
        """Outputs for the rows of the inputs, all of the same length."""
        x = inputs[0] if self.encoder is None else self.encoder(*inputs)
        score = self.score(x)
        reconstructed = (self.reconstruct(x),) if self.reconstruct else ()
        return score, score - self.offset, *reconstructed


class EnsembleScore(nn.Module):
    """`score_samples` of a detector with networks.

    The rows are float64 if they have columns far from zero, whose origin is subtracted.
    """

    def __init__(self, ensemble):
        super().__init__()
        self.ensemble = ensemble
        self.origin = None if ensemble.encoding is None else ensemble.encoding.origin
        self.dtype = torch.float32 if self.origin is None else torch.float64

    def forward(self, x):
        return lowest_if_overflown(-self.ensemble.score(self.without_origin(x)), torch)

    def reconstruct(self, x):
        """Reconstructions as inliers."""
        return self.ensemble.reconstruct(self.without_origin(x), "inlier")

    def without_origin(self, x):
        """Rows that the networks can encode."""
        return subtracted(x, self.origin).float()


class NeighborsScore(nn.Module):
    """`score_samples` of a KNeighborsDetector."""

    dtype = torch.float64

    def __init__(self, detector):
        super().__init__()
        neighbors = detector.neighbors_
        metric = neighbors.effective_metric_
        if metric != "euclidean":
            raise ValueError(
                f"KNeighborsDetector(metric={metric!r}) cannot be exported, only "
                "metric='euclidean' can."
            )
        self.n_neighbors = neighbors.n_neighbors
        rows = torch.as_tensor(np.asarray(neighbors._fit_X, dtype=np.float64))
        train_rows, half_squares = padded_for_search(rows)
        self.register_buffer("train_rows", train_rows)
        self.register_buffer("half_squares", half_squares)

    def forward(self, x):
        distances = [
            distances_to_neighbor(x.double(), self.train_rows, self.half_squares, n)
            for n in (1, self.n_neighbors, self.n_neighbors + 1)
        ]
        scores = distances_to_scores(torch.stack(distances, dim=-1), torch.where)
        return scores.maximum(as_double(-MAX_DISTANCE))


class MixtureScore(nn.Module):
    """`score_samples` of a DensityDetector with a Gaussian mixture."""

    dtype = torch.float64

    def __init__(self, detector):
        super().__init__()
        mixture, encoding = detector.estimator_, detector._encoding
        if not isinstance(mixture, GaussianMixture) or mixture.covariance_type != "full":
            raise ValueError(
                f"DensityDetector(estimator={mixture!r}) cannot be exported. Only a "
                "GaussianMixture with covariance_type='full' can."
            )
        self.encoding = None if encoding is None else ColumnEncoding(encoding, torch.float64)
        to_unit, shift, log_peaks = whiten_components(mixture)
        whitening = to_unit.reshape(-1, to_unit.shape[-1])
        for name, values in (("whitening", whitening), ("shift", shift), ("log_peaks", log_peaks)):
            self.register_buffer(name, torch.as_tensor(values))

    def forward(self, x):
        x = x.double()
        codes = x if self.encoding is None else self.encoding(x)
        largest = as_double(MAX_CODE)
        codes = codes.maximum(-largest).minimum(largest)
        mixture = (0.0, self.whitening, self.shift, self.log_peaks)
        return (-negative_log_density(codes, *mixture)).clamp(min=MIN_LOG_DENSITY)


class TableEncoding(nn.Module):
    """Encoding of a TabularEncoder, from the columns of the table in their order.

    A column of numbers or booleans is float64, with NaN for missing values. A column of dates or
    durations is int64, in the unit seen in `fit`. A column of text is int64: positions of levels.
    """

    def __init__(self, encoder):
        super().__init__()
        self.names = list(encoder.feature_groups_)
        self.numbers, self.levels = encoder._numbers, encoder._levels
        self.positions = {
            name: positions_of_levels(self.levels, name) for name in self.levels.names
        }
        self.widths = {name: len(encoder.feature_groups_[name]) for name in self.levels.names}
        self.inputs = [self.input_for(name) for name in self.names]
        self.largest_code = as_double(encoder._largest_code())
        self.dtype = torch.float64 if encoder.dtype is np.float64 else torch.float32
        if self.numbers.names:
            self.scale = scaling(self.numbers._scaler)
            self.medians = torch.as_tensor(self.numbers._imputer.statistics_)
            self.far_outside = torch.as_tensor(self.numbers._far_outside)
            self.with_missing = torch.as_tensor(self.numbers._indicator.features_).long()
            self.had_missing = torch.zeros(len(self.numbers.names), dtype=torch.bool)
            self.had_missing[self.with_missing] = True

    def input_for(self, name):
        """Input of a column."""
        if name in self.numbers._origins:
            return Input(name, dtype=torch.int64, unit=self.unit(name))
        if name in self.numbers.names:
            return Input(name)
        levels, missing, unknown = self.positions[name]
        if not any(isinstance(level, str) for level in levels):
            return Input(name)
        return Input(name, dtype=torch.int64, positions={"": missing} | levels, unknown=unknown)

    def forward(self, *inputs):
        """Encoded rows."""
        columns = dict(zip(self.names, inputs, strict=True))
        blocks = self.number_blocks(columns) if self.numbers.names else []
        blocks += [self.level_block(name, columns[name]) for name in self.levels.names]
        codes = torch.cat(blocks, dim=-1).to(self.dtype).double()
        return codes.maximum(-self.largest_code).minimum(self.largest_code).to(self.dtype)

    def number_blocks(self, columns):
        """Scaled numbers and cycles of dates, and indicators of missing values."""
        numbers = torch.cat(
            [self.to_floats(name, columns[name]) for name in self.numbers.names], dim=-1
        )
        is_missing = numbers.isnan()
        numbers = torch.where(is_missing & ~self.had_missing, self.far_outside, numbers)
        cycles = [
            code
            for cycle in self.numbers._cycles
            for code in cycle.encode_days(
                days_since(EPOCHS[cycle.name], columns[cycle.column], self.unit(cycle.column)),
                torch,
            )
        ]
        numbers = torch.cat([numbers, *cycles], dim=-1)
        scaled = self.scale(torch.where(numbers.isnan(), self.medians, numbers))
        is_missing = is_missing[:, self.with_missing].double()
        return [scaled, is_missing] if len(self.with_missing) else [scaled]

    def to_floats(self, name, column):
        """Numbers as they are, and dates as days from the first one."""
        if name not in self.numbers._origins:
            return column
        return days_since(self.numbers._origins[name], column, self.unit(name))

    def unit(self, name):
        """Dtype whose integers a column of dates or durations contains."""
        return self.numbers._origins[name].dtype

    def level_block(self, name, column):
        """One-hot codes of levels."""
        levels, missing, unknown = self.positions[name]
        positions = column
        if column.is_floating_point():
            positions = torch.full_like(column, unknown, dtype=torch.int64)
            for level, position in levels.items():
                positions = torch.where(column == as_double(level), position, positions)
            positions = torch.where(column.isnan(), missing, positions)
        codes = (positions == torch.arange(self.widths[name])).double()
        return torch.where(positions == NEWLY_MISSING, FAR_OUTSIDE, codes)


def positions_of_levels(encoder, name):
    """Positions of the levels of a column among its output columns.

    Returns
    -------
    levels : dict of str to int or of numbers to int
        Positions of the levels.
    missing : int
        Position of a missing value.
    unknown : int
        Position of any other level.
    """
    if name in encoder._buckets:
        raise ValueError(
            f"Column {name!r} cannot be exported, because its levels are hashed, which ONNX "
            "cannot do. Use high_cardinality='infrequent', or drop the column."
        )
    levels, unknown = encoder.positions(name)
    missing = levels.pop(None, NEWLY_MISSING)
    are_text = {isinstance(level, str) for level in levels}
    are_numbers = all(isinstance(level, (str, Real, np.bool_)) for level in levels)
    is_time = encoder._levels[encoder.names.index(name)].dtype.kind in "mM"
    if is_time or not are_numbers or len(are_text) > 1:
        raise ValueError(
            f"Column {name!r} cannot be exported, because its categories are neither all text nor "
            "all numbers. Convert them to text, or do not treat the column as categories."
        )
    return levels, missing, unknown


def days_since(origin, column, unit):
    """Days since an origin, NaN for missing values, from the integers of dates or durations."""
    if np.isnat(origin):  # fit has only seen missing values
        return torch.full_like(column, torch.nan, dtype=torch.float64)
    origin = origin.astype(unit)
    days = (column - int(origin.astype(np.int64))).double() / as_double(DAY / one_of(unit))
    return torch.where(column == NAT, torch.nan, days)


def one_of(unit):
    """Duration of one step of a dtype of dates or durations."""
    return np.timedelta64(1, np.datetime_data(unit))


def as_double(number):
    """Tensor of a number, which the exporter of torch would round to float32."""
    return torch.tensor(float(number), dtype=torch.float64)


def scaling(scaler):
    """Function of tensors that scales as a scaler of a TabularEncoder does."""
    match scaler:
        case StandardScaler():
            center, width = torch.as_tensor(scaler.mean_), torch.as_tensor(scaler.scale_)
            return lambda x: (x - center) / width
        case MinMaxScaler():
            factor, shift = torch.as_tensor(scaler.scale_), torch.as_tensor(scaler.min_)
            return lambda x: x * factor + shift
        case PiecewiseLinearEncoder():
            return ColumnEncoding(scaler._encoding, torch.float64)
    raise ValueError(
        f"A TabularEncoder that scales with {type(scaler).__name__} cannot be exported. Use "
        "numeric='standard', 'minmax', 'piecewise' or 'piecewise+frequency'."
    )


def exportable(detector, reconstruction=False):
    """Module that computes the outputs of a fitted detector, and its inputs.

    Returns
    -------
    module : DetectorModule
    inputs : list of Input

    Raises
    ------
    ValueError
        If the detector has parts that no module computes, or cannot reconstruct.
    NotFittedError
        If the detector has not been fitted.
    """
    check_is_fitted(detector)
    encoder = None
    if isinstance(detector, TabularDetector):
        if reconstruction:
            raise ValueError(
                "The reconstructions of a TabularDetector are tables, which cannot be exported. "
                "Use reconstruction=False."
            )
        if not isinstance(detector.encoder_, TabularEncoder):
            raise ValueError(
                f"TabularDetector(encoder={detector.encoder_!r}) cannot be exported, only a "
                "TabularEncoder can. Export the detector with its encoder in a pipeline, see "
                "register_skl2onnx_converters."
            )
        encoder, detector = TableEncoding(detector.encoder_), detector.detector_
    reconstruct = None
    if isinstance(detector, BaseDetector):
        detector._check_score_type()
        score = EnsembleScore(copy_net(detector.net_).module_.cpu().requires_grad_(False))
        if reconstruction:
            detector._check_kind("reconstruct", "inlier")
            reconstruct = score.reconstruct
    else:
        score = score_module(detector)
        if reconstruction:
            raise ValueError(f"{type(detector).__name__} cannot reconstruct rows.")
    module = DetectorModule(score, detector.offset_, encoder, reconstruct).eval()
    if encoder is not None:
        return module, encoder.inputs
    return module, [Input("X", detector.n_features_in_, score.dtype)]


def score_module(detector):
    """Module that computes `score_samples` of a detector without networks."""
    match detector:
        case KNeighborsDetector():
            return NeighborsScore(detector)
        case DensityDetector():
            return MixtureScore(detector)
    raise ValueError(
        f"{type(detector).__name__} cannot be exported. Pass one of the detectors of skgad with "
        "networks, a KNeighborsDetector, a DensityDetector or a TabularDetector with one of them. "
        "For a pipeline, see register_skl2onnx_converters."
    )
