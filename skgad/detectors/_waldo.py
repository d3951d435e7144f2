"""Wasserstein autoencoder with an outlier decoder, and its relatives with a part left out."""

from copy import deepcopy
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from .._sklearn_compat import Interval, StrOptions
from ..engine.game import EncoderDecoderGame
from ..engine.losses import call_fake, call_real
from ..engine.parameters import detector_parameters
from ..networks import build
from ._base import LabelledDetector

KINDS = ("inlier", "outlier")

AUTO_THRESHOLD = 'is where the decoders tie with ``score_type="difference"``, else 0.05'

#: Rows of each kind whose codes give the Gaussian to sample from: plenty for two moments.
N_CODES = 10_000


class WALDOGame(EncoderDecoderGame):
    """The game of WALDO: two decoders compete for the rows, a discriminator shapes the codes."""

    players = {
        "discriminator": ("discriminator",),
        "autoencoder": ("encoder", "decoder", "outlier_decoder"),
    }

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim = self.latent_dim
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.outlier_decoder = deepcopy(self.decoder) if self.outlier_decoder else None
        self.discriminator = None
        if self.prior_weight:
            self.discriminator = build(networks, "discriminator", "discriminator", latent_dim)
        self.register_buffer("training_advantage", torch.tensor(0.0))  # of the mini-batches
        self.register_buffer("final_advantage", torch.tensor(0.0))  # of all training rows
        self.register_buffer("code_moments", torch.full((2, 2, latent_dim), torch.nan))
        self.set_score_type(self.score_type)

    def set_score_type(self, score_type):
        if score_type == "difference" and self.outlier_decoder is None:
            raise ValueError(
                "score_type='difference' compares two decoders, but there is only one with "
                "outlier_decoder=False. Use score_type='inlier'."
            )
        super().set_score_type(score_type)

    def play(self, x, labels=None):
        E, G, G_o, D = self.encoder, self.decoder, self.outlier_decoder, self.discriminator
        labels = torch.zeros(len(x)) if labels is None else labels
        positive, unlabelled, outlier = divide(labels)
        z_x = E(x)

        if D is not None:
            z_s = z_x[positive] if self.prior_on == "positive" else z_x[positive | unlabelled]
            z = self.prior_scale * self.sample_latent(z_s)
            prior, codes = D.judge((z,), (z_s,))
            yield "discriminator", call_real(prior) + call_fake(codes)

        e_i = error(x, G(z_x))
        if G_o is None:
            loss = e_i[positive].mean() + e_i[unlabelled].mean()
        else:
            e_o = error(x, G_o(z_x))
            self.update_advantage(e_i[positive], e_o[unlabelled])
            e = torch.where(e_o < e_i + self.training_advantage, e_o, e_i)
            loss = e_i[positive].mean() + e[unlabelled].mean()
            if outlier.any():
                loss = loss + e_o[outlier].mean()
        if D is not None:
            loss = loss + self.prior_weight * call_real(D(z_s))
        yield "autoencoder", loss

    @torch.no_grad()
    def update_advantage(self, e_p, e_u):
        """Follow the advantage of the mini-batches; without memory it is that of the last one."""
        if self.advantage:
            self.training_advantage.lerp_(
                self.measure_advantage(e_p, e_u), 1 - self.advantage_decay
            )

    def measure_advantage(self, e_p, e_u):
        """How much smaller the best error of the inlier decoder is than the other's."""
        return smallest(e_u, self.advantage_quantile) - smallest(e_p, self.advantage_quantile)

    def errors(self, x):
        """Errors of the inlier and of the outlier decoder; shape (batch_size, 2)."""
        z_x = self.encoder(x)
        decoders = (self.decoder, self.outlier_decoder)
        return torch.stack([error(x, G(z_x)) for G in decoders], dim=-1)

    def score(self, x):
        if self.score_type == "inlier":
            return error(x, self.reconstruct(x))
        e_i, e_o = self.errors(x).unbind(-1)
        return e_i - e_o

    @property
    def boundary(self):
        """The decoders tie."""
        return -self.final_advantage if self.score_type == "difference" else None

    def finalize(self, apply, labels):
        """Store the advantage on all training rows, and the moments of the codes."""
        labels = torch.from_numpy(labels)
        is_outlier = labels == -1
        if self.outlier_decoder is not None:
            e_i, e_o = torch.from_numpy(apply(self.errors)).unbind(-1)
            positive, unlabelled, _ = divide(labels)
            if self.advantage:
                self.final_advantage.copy_(self.measure_advantage(e_i[positive], e_o[unlabelled]))
            is_outlier |= (e_o < e_i + self.final_advantage.cpu()) & (labels == 0)
        for kind, group in enumerate((~is_outlier, is_outlier)):
            self.code_moments[kind] = torch.nan
            rows = np.flatnonzero(group)
            if len(rows):
                codes = torch.from_numpy(apply(self.encode, rows[:: 1 + len(rows) // N_CODES]))
                self.code_moments[kind] = torch.stack([codes.mean(0), codes.std(0, correction=0)])

    def reconstruct_as_outlier(self, x):
        return self.outlier_decoder(self.encoder(x))

    def sample(self, n_samples, device, latent="fitted"):
        return self.decoder(self.draw_codes(n_samples, "inlier", device, latent))

    def sample_outliers(self, n_samples, device, latent="fitted"):
        return self.outlier_decoder(self.draw_codes(n_samples, "outlier", device, latent))

    def draw_codes(self, n_samples, kind, device, latent):
        """Draw codes of rows of a kind: from the prior, or with the moments of the codes."""
        noise = torch.randn(n_samples, self.latent_dim).to(device)
        if latent == "prior":
            return self.prior_scale * noise
        mean, sd = self.code_moments[KINDS.index(kind)]
        return mean + sd * noise

    def has_no_codes(self, kind):
        """Whether no training row was of this kind."""
        return self.code_moments[KINDS.index(kind)].isnan().any().item()

    def validation_loss(self, x):
        return error(x, self.reconstruct(x)).mean()


def divide(labels):
    """Masks of the known inliers, the unlabelled rows and the known outliers.

    Where there are no known inliers, the unlabelled rows stand for them, and conversely.
    """
    positive, unlabelled = labels == 1, labels == 0
    if not positive.any():
        positive = unlabelled
    if not unlabelled.any():
        unlabelled = positive
    return positive, unlabelled, labels == -1


def error(x, x_hat):
    """Mean squared error of each row."""
    return (x - x_hat).square().mean(-1)


def smallest(errors, q):
    """The error that a share `q` is not above: the smallest for 0."""
    return errors.kthvalue(1 + int(q * (len(errors) - 1))).values


class WALDOFamily(LabelledDetector):
    """Base class of :class:`WALDO` and of what is left of it without one of its parts."""

    _parameter_constraints: ClassVar[dict] = {
        **LabelledDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "prior_weight": [Interval(Real, 0, None, closed="left")],
        "prior_scale": [Interval(Real, 0, None, closed="neither")],
        "prior_on": [StrOptions({"positive", "all"})],
        "outlier_decoder": ["boolean"],
        "advantage": ["boolean"],
        "advantage_quantile": [Interval(Real, 0, 1, closed="both")],
        "advantage_decay": [Interval(Real, 0, 1, closed="left")],
        "score_type": [StrOptions({"difference", "inlier"})],
    }

    def _check_kind(self, verb, kind):
        super()._check_kind(verb, kind)
        if kind == "outlier" and self.net_.module_.games[0].outlier_decoder is None:
            raise ValueError(
                f"{type(self).__name__} cannot {verb} kind='outlier': it was fitted with "
                "outlier_decoder=False."
            )

    def sample(self, n_samples=1, *, kind="inlier", latent="fitted", random_state=None):
        """Generate new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"inlier", "outlier"}, default="inlier"
            What to generate, and with which decoder.
        latent : {"fitted", "prior"}, default="fitted"
            Where the codes come from: "fitted" is a normal distribution with the mean and the
            variances of the codes of the training rows of this kind (section 6.4 of the paper),
            "prior" is the prior.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Each row comes from one of the members, chosen at random.

        Raises
        ------
        ValueError
            If the method cannot produce this `kind`, if no training row was of this kind, or
            if `latent` is "prior" and there is none.
        """
        check_is_fitted(self)
        self._check_kind("sample", kind)
        if latent not in ("fitted", "prior"):
            raise ValueError(f"latent must be 'fitted' or 'prior', got {latent!r}.")
        games = self.net_.module_.scorers
        if latent == "prior" and games[0].discriminator is None:
            raise ValueError(
                f"{type(self).__name__} was fitted without a prior: use latent='fitted'."
            )
        if latent == "fitted" and any(game.has_no_codes(kind) for game in games):
            raise ValueError(
                f"No training row was taken for an {kind}, so there are no codes to draw from."
            )
        return self._sample(n_samples, kind, random_state, latent=latent)


@detector_parameters
class WALDO(WALDOFamily):
    r"""Wasserstein autoencoder for learning the distribution of outliers (WALDO) [1]_.

    There are an encoder :math:`E`, a decoder :math:`G_i` for inliers and one for outliers,
    :math:`G_o`, which starts as a copy of the first. Some rows, :math:`x \in P`, may be known to
    be inliers; the others, :math:`x \in U`, are a mixture. With the errors
    :math:`e(x) = \lVert x - G(E(x)) \rVert^2 / d` in :math:`d` columns, a row of :math:`U` is given
    to the outlier decoder if

    .. math:: e_o(x) < e_i(x) + a, \qquad a = \min_{x \in U} e_o(x) - \min_{x \in P} e_i(x),

    where the advantage :math:`a` makes up for the head start of one of the decoders. With
    :math:`e_y`, the error of the decoder that a row was given to, encoder and decoders descend

    .. math:: \operatorname{mean}_P e_i + \operatorname{mean}_U e_y
              - \lambda \operatorname{mean}_P \log \sigma(D(E(x))),

    while the discriminator of logits :math:`D` learns to tell the codes from draws of the prior
    :math:`N(0, \sigma^2 I)` (algorithm 1 of the paper). Known outliers, which the paper does not
    have, are always given to :math:`G_o`.

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

    outlier_decoder : bool, default=True
        Whether there is an outlier decoder. Without it this is :class:`WAE`.

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
    WAE : WALDO without the outlier decoder.
    CoRA : WALDO without the prior.

    Notes
    -----
    Deviations from the paper, and what it leaves open:

    - Errors are means over the columns and not sums, as in the authors' code, so that
      :math:`\lambda` means the same in tables of any width.
    - Without `labels`, every row is both in :math:`P` and in :math:`U`. Nothing then tells the
      decoders which of them is the outliers'; the inlier decoder is trained on all rows, and it is
      its error that ranks them.
    - The advantage that decides on new rows is that of the whole training set, and stored: the
      decision on a row does not depend on the rows beside it. In training it is that of
      the mini-batch.
    - The reference computes logarithms of sigmoids, which become infinite, and the assignment in
      training mode; here losses are computed on logits and scores in evaluation mode.
    - A tie of the decoders is an inlier's, as in the authors' code, and :math:`\lambda` is no
      factor of the discriminator's own loss, where it would change nothing for Adam.
    - The Lipschitz condition of the theorem, by gradient clipping, is in neither the reference
      nor here; ``callbacks=[skorch.callbacks.GradientNormClipping(1.0)]`` adds it.
    - ``advantage_quantile``, ``advantage_decay`` and known outliers are ours.

    References
    ----------
    .. [1] S. G. Rizzo, L. Pang, Y. Chen and S. Chawla. "Probabilistic Outlier Detection and
       Generation". 2020, algorithm 1 and section 6.4.

    Examples
    --------
    Benign tumours are normal, half of them are known; 40 malignant ones are among the others:

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.preprocessing import scale
    >>> from skgad import WALDO
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> rows = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:40]])
    >>> X, labels = scale(X[rows]), np.repeat([1, 0], [180, 217])
    >>> detector = WALDO(score_type="difference", max_epochs=100, random_state=0)
    >>> flagged = detector.fit(X, labels=labels).labels_ == -1
    >>> float(flagged[-40:].mean().round(1)), float(flagged[:-40].mean().round(1))
    (0.8, 0.0)
    >>> detector.sample(2, kind="outlier", random_state=0).shape
    (2, 30)
    """

    game_class = WALDOGame
    auto_threshold = AUTO_THRESHOLD

    latent_dim: int = 64
    prior_weight: float = 0.001
    prior_scale: float = 1.0
    prior_on: Literal["positive", "all"] = "positive"
    outlier_decoder: bool = True
    advantage: bool = True
    advantage_quantile: float = 0.0
    advantage_decay: float = 0.0
    score_type: Literal["inlier", "difference"] = "inlier"
