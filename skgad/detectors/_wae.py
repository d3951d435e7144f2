"""Wasserstein autoencoder."""

from typing import Any, Literal

from ..engine.parameters import detector_parameters
from ._waldo import WALDOFamily, WALDOGame


class WAEGame(WALDOGame):
    """The game of WALDO without the outlier decoder."""

    reconstruct_as_outlier = sample_outliers = None


@detector_parameters
class WAE(WALDOFamily):
    r"""Wasserstein autoencoder (WAE) [1]_ with an adversarial prior of its codes.

    An encoder :math:`E` and a decoder :math:`G` descend

    .. math:: \operatorname{mean} \lVert x - G(E(x)) \rVert^2 / d
              - \lambda \operatorname{mean} \log \sigma(D(E(x))),

    while the discriminator of logits :math:`D` learns to tell the codes from draws of the prior
    :math:`N(0, \sigma^2 I)` (algorithm 1, WAE-GAN). The anomaly score is the error of
    reconstruction, as in the tables of WALDO [2]_, which adds a decoder for outliers.

    Scale the features, for example with StandardScaler. See the :ref:`user guide <waldo>`.

    Parameters
    ----------
    latent_dim : int, default=64
        Number of dimensions of a code.

    prior_weight : float, default=0.001
        Weight :math:`\lambda` of the prior. 0 leaves the discriminator out.

    prior_scale : float, default=1.0
        Standard deviation :math:`\sigma` of the prior.

    prior_on : {"positive", "all"}, default="positive"
        Whose codes are held to the prior: those of the rows that stand for inliers, as the paper
        advises, or those of unlabelled rows, too.

    {shared_parameters}

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        For each training row what `labels` say of it, or else the decision: -1 for outliers,
        1 for inliers.

    {shared_attributes}

    See Also
    --------
    WALDO : Adds a decoder for outliers.

    Notes
    -----
    Errors are means over the columns, and losses are computed on logits. `labels` weigh: the error
    of the known inliers and that of the unlabelled rows count alike, whatever their numbers; known
    outliers are left out.

    References
    ----------
    .. [1] I. Tolstikhin, O. Bousquet, S. Gelly and B. Schoelkopf. "Wasserstein Auto-Encoders".
       ICLR 2018, algorithm 1.
    .. [2] S. G. Rizzo, L. Pang, Y. Chen and S. Chawla. "Probabilistic Outlier Detection and
       Generation". 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.preprocessing import scale
    >>> from skgad import WAE
    >>> X = scale(make_moons(300, noise=0.05, random_state=0)[0])
    >>> detector = WAE(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    >>> detector.sample(5, latent="prior", random_state=0).shape
    (5, 2)
    """

    game_class = WAEGame

    latent_dim: int = 64
    prior_weight: float = 0.001
    prior_scale: float = 1.0
    prior_on: Literal["positive", "all"] = "positive"

    def game_params(self) -> dict[str, Any]:
        """Parameters of the game of WALDO, with those of the outlier decoder fixed.

        Returns
        -------
        params : dict
            Arguments of `game_class`, besides the networks and the number of features.
        """
        advantage = {"advantage": False, "advantage_quantile": 0.0, "advantage_decay": 0.0}
        competition = {"outlier_decoder": False, **advantage, "score_type": "inlier"}
        return {**super().game_params(), **competition}
