"""Competitive reconstruction autoencoder."""

from typing import Literal

from ..engine.finished import FinishedScore
from ._waldo import AUTO_THRESHOLD, WALDOFamily, WALDOGame


class CoRAGame(WALDOGame):
    """The game of WALDO without the prior."""

    players = {"autoencoder": ("encoder", "decoder", "outlier_decoder")}

    def __init__(self, networks, n_features, **params):
        super().__init__(networks, n_features, prior_weight=0.0, outlier_decoder=True, **params)


class CoRA(WALDOFamily):
    r"""Competitive reconstruction autoencoder (CoRA) [1]_, with the advantage of WALDO [2]_.

    CoRA trains an encoder with two decoders, one for inliers and one for outliers, and assigns
    each row to the decoder that reconstructs it better. It is :class:`WALDO` without the prior of
    the codes, and :math:`e_i` and :math:`e_o` denote the errors of the two decoders.

    Tables need no scaling, because the detector encodes the columns itself (`encoding`). See the
    :ref:`user guide <waldo>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    advantage : bool, default=True
        Whether the decoders compete with the advantage. Without it, the inlier decoder, which sees
        more rows, tends to take all of them.

    advantage_quantile : float, default=0.0
        Quantile of the errors that the advantage compares. 0 is the minimum, as in the WALDO paper.
        On development sets, 0.1 is better for a mixture with known inliers, and 0 is better without
        known inliers.

    advantage_decay : float, default=0.0
        Decay of a moving average of the advantage over the mini-batches. 0 uses the advantage of
        each mini-batch, as the WALDO paper does.

    score_type : {"auto", "inlier", "difference"} or str, default="auto"
        Anomaly score. "inlier" is the error :math:`e_i` of the inlier decoder, by which the WALDO
        paper ranks. "difference" is :math:`e_i - e_o`, by which it decides.
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
    WALDO : Adds a prior of the codes.

    Notes
    -----
    `outlier_decoder` starts as a copy of `decoder`, so `networks` builds a decoder only once.

    The columns are encoded, four members are trained together, and the default score is learned
    from the training rows. None of this is from the papers. ``CoRA(encoding=None, n_members=1,
    score_type="inlier")`` takes the columns as they are, trains once, and ranks as in the tables of
    WALDO.

    This is the CoRA of the tables of WALDO. Unlike the original, it has an advantage and may know
    inliers. The original also keeps the codes of similar rows close to each other. This term is
    omitted here, because it has no gradient in the code behind those tables.

    References
    ----------
    .. [1] K. Tian, S. Zhou, J. Fan and J. Guan. "Learning Competitive and Discriminative
       Reconstructions for Anomaly Detection". AAAI 2019.
    .. [2] S. G. Rizzo, L. Pang, Y. Chen and S. Chawla. "Probabilistic Outlier Detection and
       Generation". 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skgad import CoRA
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> detector = CoRA(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    """

    game_class = CoRAGame
    auto_threshold = AUTO_THRESHOLD

    latent_dim: int = 32
    advantage: bool = True
    advantage_quantile: float = 0.0
    advantage_decay: float = 0.0
    score_type: Literal["auto", "inlier", "difference"] | FinishedScore = "auto"
