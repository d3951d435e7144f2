"""Competitive reconstruction autoencoder."""

from ..engine.docstrings import with_shared_parameters
from ._waldo import AUTO_THRESHOLD, KINDS, WALDOFamily


@with_shared_parameters
class CoRA(WALDOFamily):
    r"""Competitive reconstruction autoencoder (CoRA) [1]_, with the advantage of WALDO [2]_.

    An encoder and two decoders, of which each row has the one that reconstructs it
    better; :class:`WALDO` without the prior of the codes.

    Scale the features, for example with StandardScaler. See the :ref:`user guide <waldo>`.

    Parameters
    ----------
    latent_dim : int, default=64
        Number of dimensions of a code.

    networks : object or None, default=None
        Builds the networks: an :class:`~skgad.MLP`, or any object with its methods. The
        networks of this method are `encoder` and `decoder` (twice). None is ``MLP()``.

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

    _fixed = {
        "prior_weight": 0.0,
        "prior_scale": 1.0,
        "prior_on": "positive",
        "outlier_decoder": True,
    }
    _auto_threshold = AUTO_THRESHOLD
    _sample_kinds = KINDS
    _reconstruct_kinds = KINDS

    def __init__(
        self,
        *,
        latent_dim=64,
        networks=None,
        advantage=True,
        advantage_quantile=0.0,
        advantage_decay=0.0,
        score_type="inlier",
        n_members=1,
        contamination="auto",
        max_epochs="auto",
        batch_size=128,
        lr=1e-3,
        lr_schedule="linear",
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change="auto",
        warm_start=False,
        callbacks=None,
        net_params=None,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        super().__init__(
            n_members=n_members,
            contamination=contamination,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=lr,
            lr_schedule=lr_schedule,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            callbacks=callbacks,
            net_params=net_params,
            device=device,
            random_state=random_state,
            verbose=verbose,
        )
        self.latent_dim = latent_dim
        self.networks = networks
        self.advantage = advantage
        self.advantage_quantile = advantage_quantile
        self.advantage_decay = advantage_decay
        self.score_type = score_type
