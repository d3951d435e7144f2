"""Competitive reconstruction autoencoder."""

from typing import Any, Literal

from ..engine.parameters import detector_parameters
from ._waldo import AUTO_THRESHOLD, WALDOFamily, WALDOGame


@detector_parameters
class CoRA(WALDOFamily):
    r"""Competitive reconstruction autoencoder (CoRA) [1]_, with the advantage of WALDO [2]_.

    An encoder and two decoders, of which each row has the one that reconstructs it
    better; :class:`WALDO` without the prior of the codes.

    Scale the features, for example with StandardScaler. See the :ref:`user guide <waldo>`.

    Parameters
    ----------
    latent_dim : int, default=64
        Number of dimensions of a code.

    advantage : bool, default=True
        Whether the decoders compete with the advantage. Without it the inlier decoder,
        which sees more rows, tends to take all of them.

    advantage_quantile : float, default=0.0
        0 takes the minima, as the paper does; above, these quantiles of the errors. On development
        sets 0.1 is better with known inliers beside a mixture, and 0 without known inliers.

    advantage_decay : float, default=0.0
        0 takes the advantage of each mini-batch, as the paper does; above, a moving average over
        the mini-batches with this decay.

    score_type : {"inlier", "difference"}, default="inlier"
        Anomaly score: "inlier" is the error :math:`e_i` of the inlier decoder, by which the paper
        ranks; "difference" is :math:`e_i - e_o`, by which it decides.

    {shared_parameters}

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        For each training row what `labels` say of it, or else the decision: -1 for outliers,
        1 for inliers.

    {shared_attributes}

    See Also
    --------
    WALDO : Adds a prior of the codes.

    Notes
    -----
    This is the CoRA of the tables of WALDO: it has an advantage and may know inliers, which the
    original has not. The original also holds the codes of similar rows together; the term is left
    out here, as it has no gradient in the code behind those tables.

    References
    ----------
    .. [1] K. Tian, S. Zhou, J. Fan and J. Guan. "Learning Competitive and Discriminative
       Reconstructions for Anomaly Detection". AAAI 2019.
    .. [2] S. G. Rizzo, L. Pang, Y. Chen and S. Chawla. "Probabilistic Outlier Detection and
       Generation". 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.preprocessing import scale
    >>> from skgad import CoRA
    >>> X = scale(make_moons(300, noise=0.05, random_state=0)[0])
    >>> detector = CoRA(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    """

    game_class = WALDOGame
    auto_threshold = AUTO_THRESHOLD

    latent_dim: int = 64
    advantage: bool = True
    advantage_quantile: float = 0.0
    advantage_decay: float = 0.0
    score_type: Literal["inlier", "difference"] = "inlier"

    def game_params(self) -> dict[str, Any]:
        """Parameters of the game of WALDO, with those of the prior fixed.

        Returns
        -------
        params : dict
            Arguments of `game_class`, besides the networks and the number of features.
        """
        prior = {"prior_weight": 0.0, "prior_scale": 1.0, "prior_on": "positive"}
        return {**super().game_params(), **prior, "outlier_decoder": True}
