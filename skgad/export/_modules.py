"""Torch modules that compute what detectors and encoders compute for checked rows."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.utils.validation import check_is_fitted
from torch import nn

from ..density import MIN_LOG_DENSITY, DensityDetector
from ..detectors import BaseDetector
from ..engine.encoding import ColumnEncoding
from ..engine.finished import (
    distances_to_neighbor,
    negative_log_density,
    padded_for_search,
    whiten_components,
)
from ..engine.net import copy_net
from ..neighbors import KNeighborsDetector
from ..neighbors._k_neighbors import distances_to_scores
from ..preprocessing import PiecewiseLinearEncoder, TabularEncoder
from ..tabular import TabularDetector

#: Stands for a level that no output column belongs to.
UNKNOWN = -1

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
    """

    name: str
    width: int = 1
    dtype: torch.dtype = torch.float64
    positions: dict[str, int] | None = None
    unknown: int = UNKNOWN


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
    """`score_samples` of a detector with networks."""

    dtype = torch.float32

    def __init__(self, ensemble):
        super().__init__()
        self.ensemble = ensemble

    def forward(self, x):
        return -self.ensemble.score(x.float())


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
        return distances_to_scores(torch.stack(distances, dim=-1), torch.where)


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
        self.positions = {name: self.levels.positions(name) for name in self.levels.names}
        self.widths = {name: len(encoder.feature_groups_[name]) for name in self.levels.names}
        self.inputs = [self.input_for(name) for name in self.names]
        if self.numbers.names:
            self.scale = scaling(self.numbers._scaler)
            self.medians = torch.as_tensor(self.numbers._imputer.statistics_)
            self.with_missing = torch.as_tensor(self.numbers._indicator.features_).long()

    def input_for(self, name):
        """Input of a column."""
        if name in self.numbers.names:
            is_time = name in self.numbers._origins
            return Input(name, dtype=torch.int64 if is_time else torch.float64)
        positions, unknown = self.positions[name]
        text = {level: at for level, at in positions.items() if isinstance(level, str)}
        if not text:
            return Input(name)
        missing = {"": positions[None]} if None in positions else {}
        return Input(name, dtype=torch.int64, positions=missing | text, unknown=unknown)

    def forward(self, *inputs):
        """Encoded rows, float32."""
        columns = dict(zip(self.names, inputs, strict=True))
        blocks = []
        if self.numbers.names:
            numbers = [self.to_floats(name, columns[name]) for name in self.numbers.names]
            numbers = torch.cat(numbers, dim=-1)
            is_missing = numbers.isnan()
            blocks.append(self.scale(torch.where(is_missing, self.medians, numbers)))
            if len(self.with_missing):
                blocks.append(is_missing[:, self.with_missing].double())
        for name in self.levels.names:
            positions = columns[name]
            if positions.is_floating_point():
                positions = self.find_positions(name, positions)
            blocks.append((positions == torch.arange(self.widths[name])).double())
        return torch.cat(blocks, dim=-1).float()

    def to_floats(self, name, column):
        """Numbers as they are, and dates as days from the first one."""
        origin = self.numbers._origins.get(name)
        if origin is None:
            return column
        unit, count = np.datetime_data(origin.dtype)
        day = np.timedelta64(1, "D") / np.timedelta64(count, unit)
        days = (column - int(origin.astype(np.int64))).double() / as_double(day)
        return torch.where(column == NAT, torch.nan, days)

    def find_positions(self, name, column):
        """Positions of the levels of a column of numbers or booleans."""
        positions, unknown = self.positions[name]
        found = torch.full_like(column, unknown, dtype=torch.int64)
        for level, position in positions.items():
            is_level = column.isnan() if level is None else column == as_double(level)
            found = torch.where(is_level, position, found)
        return found


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
        ensemble = copy_net(detector.net_).module_.cpu().requires_grad_(False)
        score = EnsembleScore(ensemble)
        if reconstruction:
            detector._check_kind("reconstruct", "inlier")

            def reconstruct(x):
                return ensemble.reconstruct(x, "inlier")
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
