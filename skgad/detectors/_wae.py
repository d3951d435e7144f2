"""Wasserstein autoencoder."""

from typing import ClassVar, Literal

from .._sklearn_compat import StrOptions
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ._waldo import WALDOFamily, WALDOGame


class WAEGame(WALDOGame):
    """The game of WALDO without the outlier decoder."""

    players = {"discriminator": ("discriminator",), "autoencoder": ("encoder", "decoder")}

    # None tells that the game cannot do this.
    reconstruct_as_outlier = sample_outliers = None  # type: ignore[assignment]

    def __init__(self, networks, n_features, **params):
        super().__init__(networks, n_features, outlier_decoder=False, **params)


class WAE(WALDOFamily):
    r"""Wasserstein autoencoder (WAE) [1]_ with an adversarial prior of its codes.

    WAE trains an autoencoder whose codes follow a prior, and ranks rows by their reconstruction
    error. An encoder :math:`E` and a decoder :math:`G` minimize

    .. math:: \operatorname{mean} \lVert x - G(E(x)) \rVert^2 / d
              - \lambda \operatorname{mean} \log \sigma(D(E(x)))

    in a table with :math:`d` columns, while a discriminator with logits :math:`D` learns to tell
    the codes from draws of the prior :math:`N(0, \sigma^2 I)` (algorithm 1, WAE-GAN). The
    reconstruction error is also the anomaly score in the tables of WALDO [2]_, which adds a decoder
    for outliers. The default score is learned from the training rows instead.

    Tables need no scaling, because the detector encodes the columns itself (`encoding`). See the
    :ref:`user guide <waldo>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    prior_weight : float, default=0.001
        Weight :math:`\lambda` of the prior. 0 omits the discriminator.

    prior_scale : float, default=1.0
        Standard deviation :math:`\sigma` of the prior.

    prior_on : {"positive", "all"}, default="positive"
        Which codes have to match the prior. "positive" uses the codes of the known inliers, as the
        WALDO paper recommends, or of the unlabeled rows if no inliers are known. "all" uses the
        codes of both.

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
    WALDO : Adds a decoder for outliers.

    Notes
    -----
    The columns are encoded, four members are trained together, and the default score is learned
    from the training rows. None of this is from the papers. ``WAE(encoding=None, n_members=1,
    score_type="inlier")`` takes the columns as they are, trains once, and has the score of the
    tables of WALDO.

    Errors are means over the columns, and losses are computed from logits.

    `labels` act as weights: the mean error of the known inliers and that of the unlabeled rows
    count alike, whatever their numbers. Known outliers are ignored.

    The encoder of ``MLP()`` ends with an affine layer. The encoder of the authors of WALDO ends
    with a ReLU, with which most codes are zero and match no normal prior.

    References
    ----------
    .. [1] I. Tolstikhin, O. Bousquet, S. Gelly and B. Schoelkopf. "Wasserstein Auto-Encoders".
       ICLR 2018, algorithm 1.
    .. [2] S. G. Rizzo, L. Pang, Y. Chen and S. Chawla. "Probabilistic Outlier Detection and
       Generation". 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skgad import WAE
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> detector = WAE(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    >>> detector.sample(5, latent="prior", random_state=0).shape
    (5, 2)
    """

    game_class = WAEGame

    latent_dim: int = 32
    auto_steps: int = 500
    prior_weight: float = 0.001
    prior_scale: float = 1.0
    prior_on: Literal["positive", "all"] = "positive"
    score_type: Literal["auto", "inlier"] | FinishedScore = "auto"

    _parameter_constraints: ClassVar[dict] = {
        **WALDOFamily._parameter_constraints,
        "score_type": [StrOptions({"auto", "inlier", *FINISHED_SCORES})],
    }
