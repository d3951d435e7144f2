"""Programs of torch.export."""

from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import pad
from torch.overrides import TorchFunctionMode

from ._modules import exportable

#: Number of rows of the example that is traced. Zero and one would be taken as constants.
N_ROWS = 7


class ExportableSearch(TorchFunctionMode):
    """Replace ``searchsorted``, which ONNX does not have, by a binary search inside the block."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        function = count_below if func is torch.searchsorted else func
        return function(*args, **(kwargs or {}))


def count_below(bounds: Tensor, values: Tensor) -> Tensor:
    """Number of sorted bounds below each value, as :func:`torch.searchsorted` counts them.

    Parameters
    ----------
    bounds : Tensor of shape (n_searches, n_bounds)
        Sorted bounds.
    values : Tensor of shape (n_searches, n_values)
        Values to look up.
    """
    n_bounds = bounds.shape[-1]
    n_steps = n_bounds.bit_length()
    bounds = pad(bounds, (0, 2**n_steps - 1 - n_bounds), value=torch.inf)
    count = torch.zeros_like(values, dtype=torch.long)
    for step in (2**k for k in reversed(range(n_steps))):
        is_below = bounds.gather(-1, count + (step - 1)) < values
        count = torch.where(is_below, count + step, count)
    return count


def to_exported_program(detector: Any, *, reconstruction: bool = False) -> ExportedProgram:
    """Convert a fitted detector to a program of :mod:`torch.export`.

    The program runs wherever torch runs, without skgad and scikit-learn, and can be saved with
    :func:`torch.export.save` or compiled ahead of time. Its inputs and its outputs are those of
    :func:`to_onnx`.

    .. versionadded:: 0.1

    Parameters
    ----------
    detector : object
        Fitted detector, as for :func:`to_onnx`. A column of text of a TabularDetector is replaced
        by the positions of its levels, because torch has no text.
    reconstruction : bool, default=False
        Whether the reconstruction of each row is a third output.

    Returns
    -------
    program : torch.export.ExportedProgram
        Its module returns the tuple of the outputs for any number of rows.

    Raises
    ------
    ValueError
        If the detector cannot be exported, or cannot reconstruct rows.
    NotFittedError
        If the detector has not been fitted.

    See Also
    --------
    to_onnx : A file that does not need torch.

    Examples
    --------
    >>> import torch
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import WAE
    >>> from skgad.export import to_exported_program
    >>> X, _ = make_blobs(100, centers=1, random_state=0)
    >>> detector = WAE(max_epochs=2, random_state=0).fit(X)
    >>> program = to_exported_program(detector).module()
    >>> score, decision = program(torch.tensor(X[:5], dtype=torch.float32))
    >>> bool(((score - torch.from_numpy(detector.score_samples(X[:5]))).abs() < 1e-4).all())
    True
    """
    return export_program(detector, *exportable(detector, reconstruction))


def export_program(detector, module, inputs):
    """Trace a module with example rows."""
    examples = tuple(torch.zeros(N_ROWS, one.width, dtype=one.dtype) for one in inputs)
    # Traced before torch.export sees it, because torch.export cannot differentiate.
    try:
        with torch.no_grad(), ExportableSearch():
            traced = make_fx(module, tracing_mode="symbolic", _allow_non_fake_inputs=True)(
                *examples
            )
        rows = Dim("n_samples")
        with torch.no_grad():
            return torch.export.export(
                traced, examples, dynamic_shapes=tuple({0: rows} for _ in examples)
            )
    except (RuntimeError, TypeError, torch._dynamo.exc.TorchDynamoException) as error:
        raise ValueError(
            f"{type(detector).__name__} cannot be exported, because torch cannot trace its "
            "networks for any number of rows. Networks of your own must not branch on the values "
            f"of tensors. torch says: {error}"
        ) from error
