"""Wasserstein autoencoder."""

from ..engine.docstrings import with_shared_parameters
from ._waldo import WALDOFamily


@with_shared_parameters
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

    networks : object or None, default=None
        Builds the networks: an :class:`~skgad.MLP`, or any object with its methods. The
        networks of this method are `encoder`, `decoder` and
        `discriminator`. None is ``MLP()``, whose encoder ends
        with an affine layer: with the ReLU that ends the authors' encoder most
        codes are zero, and match no normal prior.

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

    _fixed = {
        "outlier_decoder": False,
        "advantage": False,
        "advantage_quantile": 0.0,
        "advantage_decay": 0.0,
        "score_type": "inlier",
    }

    def __init__(
        self,
        *,
        latent_dim=64,
        networks=None,
        prior_weight=0.001,
        prior_scale=1.0,
        prior_on="positive",
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
        self.prior_weight = prior_weight
        self.prior_scale = prior_scale
        self.prior_on = prior_on
