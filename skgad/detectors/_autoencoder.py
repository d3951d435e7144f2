"""Autoencoder, denoising by default."""

from numbers import Real
from typing import ClassVar, Literal

from .._sklearn_compat import Interval, StrOptions
from ..engine.corruption import add_noise, replace_values
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ._waldo import WALDOFamily, WALDOGame


class AutoencoderGame(WALDOGame):
    """The game of WALDO with one decoder, without the prior, and with corrupted rows."""

    players = {"autoencoder": ("encoder", "decoder")}

    # None tells that the game cannot do this.
    reconstruct_as_outlier = sample_outliers = None  # type: ignore[assignment]

    def __init__(self, networks, n_features, **params):
        super().__init__(networks, n_features, prior_weight=0.0, outlier_decoder=False, **params)

    def corrupt(self, x):
        if self.replaced:
            x = replace_values(x, self.replaced)
        return add_noise(x, self.noise) if self.noise else x


class Autoencoder(WALDOFamily):
    r"""Autoencoder that restores rows from corrupted ones [1]_, the default detector.

    An encoder :math:`E` and a decoder :math:`G` minimize the mean squared error

    .. math:: \operatorname{mean} \lVert x - G(E(\tilde x)) \rVert^2 / d

    in a table with :math:`d` columns, where :math:`\tilde x` is a corrupted version of the row
    :math:`x`. Rows that do not follow the pattern of the training rows are restored badly. The
    error of the uncorrupted row, :math:`\lVert x - G(E(x)) \rVert^2 / d`, is the anomaly score
    "inlier". The default score is learned from the residuals and the codes of the training rows.

    This is the default detector of :class:`~skgad.TabularDetector` and of the command line. Without
    corruption and with ``score_type="inlier"``, it is the autoencoder that the papers of the other
    methods compare themselves with, and with :class:`~skgad.ConvNet` networks it is their "DCAE".

    Tables need no scaling, because the detector encodes the columns itself (`encoding`). See the
    :ref:`user guide <autoencoder>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    noise : float, default=0.5
        Standard deviation of the Gaussian noise that is added to each value, in units of the
        columns as the networks see them. 0 adds none.

    replaced : float, default=0.0
        Probability that a value is replaced by the value that another row of the mini-batch has in
        the same column. Unlike noise, this keeps to values that the table has. 0 replaces none.

    score_type : {"auto", "inlier"} or str, default="auto"
        Anomaly score: "inlier" is the reconstruction error.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. "auto" is
        "mahalanobis+neighbors+density", and "inlier" for images and for more than 1,024
        columns.

    {shared_parameters}

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Known label of each training row, or the decision if it is unlabeled: -1 for outliers, 1 for
        inliers.

    {shared_attributes}

    See Also
    --------
    WAE : Adds a prior of the codes.
    CoRA : Adds a decoder for outliers.

    Notes
    -----
    Encoding, members and the default score are not from the paper, which does not detect anomalies.
    ``Autoencoder(encoding=None, score_type="inlier", n_members=1)`` is a single autoencoder that
    takes the columns as they are and ranks by the reconstruction error.

    A row is corrupted anew in each mini-batch: first by replacement, then by noise. Scores,
    reconstructions and codes are those of the uncorrupted row.

    The masking noise of the paper sets values to zero. A replaced value is its counterpart for
    tables: zero is the mean of a standardized column, and a replaced value cannot be told from
    others by itself.

    `labels` act as weights: the mean error of the known inliers and that of the unlabeled rows
    count alike, whatever their numbers. Known outliers are ignored. ``sample(latent="fitted")``
    decodes draws from a normal distribution with the mean and the variances of the codes of the
    training rows.

    References
    ----------
    .. [1] P. Vincent, H. Larochelle, Y. Bengio and P.-A. Manzagol. "Extracting and Composing
       Robust Features with Denoising Autoencoders". ICML 2008, section 2.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skgad import Autoencoder
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> detector = Autoencoder(noise=0.1, contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    """

    game_class = AutoencoderGame

    latent_dim: int = 32
    noise: float = 0.5
    replaced: float = 0.0
    score_type: Literal["auto", "inlier"] | FinishedScore = "auto"

    _parameter_constraints: ClassVar[dict] = {
        **WALDOFamily._parameter_constraints,
        "noise": [Interval(Real, 0, None, closed="left")],
        "replaced": [Interval(Real, 0, 1, closed="both")],
        "score_type": [StrOptions({"auto", "inlier", *FINISHED_SCORES})],
    }
