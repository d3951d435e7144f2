"""Wasserstein autoencoder with an outlier decoder (WALDO), and the base class of its family."""

from copy import deepcopy
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch

from .._sklearn_compat import Interval, StrOptions
from .._typing import Float32Array, RandomStateLike
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import EncoderDecoderGame
from ..engine.labels import rows_with
from ..engine.losses import call_fake, call_real
from ..networks import build
from ._base import Kind, LabelledDetector

KINDS = ("inlier", "outlier")

AUTO_THRESHOLD = (
    'sets the threshold where the decoders tie if ``score_type="difference"``, and otherwise '
    "flags about 5 % of new rows that are like the training rows"
)

#: Largest number of rows of a kind whose codes determine the normal distribution to sample from.
#: Two moments do not need more.
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
                "score_type='difference' compares two decoders, but outlier_decoder=False leaves "
                "only one. Use score_type='inlier'."
            )
        super().set_score_type(score_type)

    def play(self, x, labels=None):
        E, G_i, G_o, D = self.encoder, self.decoder, self.outlier_decoder, self.discriminator
        labels = torch.zeros(x.shape[-2]) if labels is None else labels
        P, U, outliers = split_by_label(labels)
        z_x = E(self.corrupt(x))

        if D is not None:
            seen = P if self.prior_on == "positive" else rows_with(labels, 0, 1)
            z_seen = z_x[..., seen, :]
            z = self.prior_scale * self.sample_latent(z_seen)
            prior, codes = D.judge((z,), (z_seen,))
            yield "discriminator", call_real(prior) + call_fake(codes)

        e_i = error(x, G_i(z_x))
        if G_o is None:
            loss = e_i[..., P].mean(-1) + e_i[..., U].mean(-1)
        else:
            e_o = error(x, G_o(z_x))
            self.update_advantage(e_i[..., P], e_o[..., U])
            e_y = torch.where(e_o < e_i + self.training_advantage[..., None], e_o, e_i)
            loss = e_i[..., P].mean(-1) + e_y[..., U].mean(-1)
            if outliers is not None:
                loss = loss + e_o[..., outliers].mean(-1)
        if D is not None:
            loss = loss + self.prior_weight * call_real(D(z_seen))
        yield "autoencoder", loss

    def corrupt(self, x):
        """Rows as the encoder sees them in the training."""
        return x

    @torch.no_grad()
    def update_advantage(self, e_i, e_o):
        """Move the advantage towards that of the mini-batch. Without decay, replace it."""
        if self.advantage:
            self.training_advantage.lerp_(
                self.measure_advantage(e_i, e_o), 1 - self.advantage_decay
            )

    def measure_advantage(self, e_i, e_o):
        """Lowest error of the outlier decoder minus that of the inlier decoder, or quantiles."""
        q = self.advantage_quantile
        return lower_quantile(e_o, q) - lower_quantile(e_i, q)

    def errors(self, x):
        """Errors of the inlier and of the outlier decoder; shape (..., batch_size, 2)."""
        z_x = self.encoder(x)
        decoders = (self.decoder, self.outlier_decoder)
        return torch.stack([error(x, G(z_x)) for G in decoders], dim=-1)

    def score(self, x):
        if self.score_type == "difference":
            e_i, e_o = self.errors(x).unbind(-1)
            return e_i - e_o
        return error(x, self.reconstruct(x))

    @property
    def boundary(self):
        """Difference of the errors at which the decoders tie."""
        return -self.final_advantage if self.score_type == "difference" else None

    def finalize(self, apply, labels):
        """Store the advantage on all training rows, and the moments of the codes of each kind."""
        labels = torch.from_numpy(labels)
        is_outlier = (labels == -1).expand(*self.leading_shape, -1)
        if self.outlier_decoder is not None:
            e_i, e_o = torch.from_numpy(apply(self.errors)).unbind(-1)
            P, U, _ = split_by_label(labels)
            if self.advantage:
                self.final_advantage.copy_(self.measure_advantage(e_i[..., P], e_o[..., U]))
            wins = e_o < e_i + self.final_advantage.cpu()[..., None]
            is_outlier = is_outlier | wins & (labels == 0)
        for kind, is_of_kind in enumerate((~is_outlier, is_outlier)):
            self.code_moments[..., kind, :, :] = self.moments_of_codes(apply, is_of_kind)

    def moments_of_codes(self, apply, is_of_kind):
        """Mean and standard deviation of the codes of some rows; NaN if there are none.

        `is_of_kind` is a mask of shape (n_samples,), or one for each member.
        """
        chosen = [np.flatnonzero(mask) for mask in is_of_kind.reshape(-1, is_of_kind.shape[-1])]
        chosen = [rows[:: 1 + len(rows) // N_CODES] for rows in chosen]
        moments = self.code_moments.new_full((len(chosen), *self.code_moments.shape[-2:]), np.nan)
        rows_of_any = np.unique(np.concatenate(chosen))
        if len(rows_of_any):
            codes = torch.from_numpy(apply(self.encode, rows_of_any))
            codes = codes.reshape(len(chosen), *codes.shape[-2:])
            for k, rows in enumerate(chosen):
                if len(rows):
                    own = codes[k, np.searchsorted(rows_of_any, rows)]
                    moments[k] = torch.stack([own.mean(0), own.std(0, correction=0)])
        return moments.reshape(*self.leading_shape, *moments.shape[1:])

    def reconstruct_as_outlier(self, x):
        return self.outlier_decoder(self.encoder(x))

    def sample(self, n_samples, device, latent="fitted"):
        return self.decoder(self.draw_codes(n_samples, "inlier", device, latent))

    def sample_outliers(self, n_samples, device, latent="fitted"):
        return self.outlier_decoder(self.draw_codes(n_samples, "outlier", device, latent))

    def draw_codes(self, n_samples, kind, device, latent):
        """Draw codes from the prior, or from a normal distribution with the moments of a kind."""
        noise = torch.randn(*self.leading_shape, n_samples, self.latent_dim).to(device)
        if latent == "prior":
            return self.prior_scale * noise
        mean, std = self.code_moments[..., KINDS.index(kind), :, :].split(1, dim=-2)
        return mean + std * noise

    def has_codes(self, kind):
        """Whether any training row was of this kind, for all members."""
        return not self.code_moments[..., KINDS.index(kind), :, :].isnan().any()

    def validation_loss(self, x):
        return error(x, self.reconstruct(x)).mean()


def split_by_label(labels):
    """Index of the known inliers, of the unlabeled rows and of the known outliers.

    If there are no known inliers, the unlabeled rows take their place, and vice versa. The index of
    outliers is None if there are none.
    """
    positive, unlabeled = rows_with(labels, 1), rows_with(labels, 0)
    if positive is None:
        positive = unlabeled
    if unlabeled is None:
        unlabeled = positive
    return positive, unlabeled, rows_with(labels, -1)


def error(x, x_hat):
    """Mean squared error of each row."""
    return (x - x_hat).square().mean(-1)


def lower_quantile(errors, q):
    """Quantile of the errors, rounded down to one of them; 0 is the minimum."""
    return errors.kthvalue(1 + int(q * (errors.shape[-1] - 1))).values


class WALDOFamily(LabelledDetector):
    """Base class of :class:`WALDO` and of the methods that omit one of its parts."""

    own_score = "inlier"

    n_members: int = 4

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
        "score_type": [StrOptions({"auto", "difference", "inlier", *FINISHED_SCORES})],
    }

    def _check_kind(self, verb, kind):
        super()._check_kind(verb, kind)
        if kind == "outlier" and self.net_.module_.game.outlier_decoder is None:
            raise ValueError(
                f"{type(self).__name__} cannot {verb} rows of kind='outlier', because it was "
                "fitted with outlier_decoder=False. Fit it with outlier_decoder=True."
            )

    def sample(
        self,
        n_samples: int = 1,
        *,
        kind: Kind = "inlier",
        latent: Literal["auto", "mixture", "own", "fitted", "prior"] = "auto",
        random_state: RandomStateLike = None,
    ) -> Float32Array:
        """Generate new rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"inlier", "outlier"}, default="inlier"
            Whether to generate inliers or outliers, each with the decoder of this kind.
        latent : {"auto", "mixture", "own", "fitted", "prior"}, default="auto"
            How to generate. "mixture" decodes draws from a mixture that is fitted to the codes of
            the training rows, and gives each column the distribution that it has in the
            training rows, see :ref:`sampling`. "fitted" decodes draws from a normal distribution
            with the mean and the variances of the codes of the training rows of this kind (section
            6.4 of the WALDO paper), and "own" is the same. "prior" decodes draws from the prior.
            "auto" is "mixture" for inliers, and "fitted" for outliers, images and more than 1,024
            columns.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Each row comes from one of the members, chosen at random.

        Raises
        ------
        ValueError
            If the method cannot generate rows of this `kind` in this way, if `latent` is "fitted"
            and no training row was of this kind, or if `latent` is "prior" and there is no prior.
        """
        self._check_sampling(n_samples, kind, latent, ("own", "fitted", "prior"))
        if self._uses_mixture(kind, latent):
            return self._sample_mixture(n_samples, random_state)
        latent = "fitted" if latent in ("auto", "own") else latent
        game = self.net_.module_.scorer
        if latent == "prior" and game.discriminator is None:
            raise ValueError(
                f"{type(self).__name__} was fitted without a prior. Use latent='fitted'."
            )
        if latent == "fitted" and not game.has_codes(kind):
            raise ValueError(
                f"No training row was an {kind}, so there are no codes to fit a distribution to."
            )
        return self._sample(n_samples, kind, random_state, latent=latent)


class WALDO(WALDOFamily):
    r"""Wasserstein autoencoder for learning the distribution of outliers (WALDO) [1]_.

    WALDO trains an encoder :math:`E` with two decoders, :math:`G_i` for inliers and :math:`G_o`
    for outliers, which compete for the rows of a mixture. Some rows, :math:`P`, may be known to be
    inliers. Nothing is known about the others, :math:`U`. In a table with :math:`d` columns, the
    errors of the two decoders are :math:`e(x) = \lVert x - G(E(x)) \rVert^2 / d`. A row of
    :math:`U` is assigned to the outlier decoder if

    .. math:: e_o(x) < e_i(x) + a, \qquad a = \min_{x \in U} e_o(x) - \min_{x \in P} e_i(x).

    The advantage :math:`a` compensates for the head start of one of the decoders. With
    :math:`e_y`, the error of the decoder that a row is assigned to, the encoder and the decoders
    minimize

    .. math:: \operatorname{mean}_P e_i + \operatorname{mean}_U e_y
              - \lambda \operatorname{mean}_P \log \sigma(D(E(x))),

    while a discriminator with logits :math:`D` learns to tell the codes from draws of the prior
    :math:`N(0, \sigma^2 I)` (algorithm 1 of the paper). Known outliers, which the paper does not
    have, are always assigned to :math:`G_o`.

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
        Which codes have to match the prior. "positive" uses the codes of :math:`P`, as the paper
        recommends. "all" uses the codes of :math:`P` and :math:`U`.

    outlier_decoder : bool, default=True
        Whether there is an outlier decoder. Without it, this is :class:`WAE`.

    advantage : bool, default=True
        Whether the decoders compete with the advantage. Without it, the inlier decoder, which sees
        more rows, tends to take all of them.

    advantage_quantile : float, default=0.0
        Quantile of the errors that the advantage compares. 0 is the minimum, as in the paper. On
        development sets, 0.1 is better for a mixture with known inliers, and 0 is better without
        known inliers.

    advantage_decay : float, default=0.0
        Decay of a moving average of the advantage over the mini-batches. 0 uses the advantage of
        each mini-batch, as the paper does.

    score_type : {"auto", "inlier", "difference"} or str, default="auto"
        Anomaly score. "inlier" is the error :math:`e_i` of the inlier decoder, by which the paper
        ranks. "difference" is :math:`e_i - e_o`, by which the paper decides.
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
    WAE : WALDO without the outlier decoder.
    CoRA : WALDO without the prior.

    Notes
    -----
    `outlier_decoder` starts as a copy of `decoder`, so `networks` builds a decoder only once. The
    encoder of ``MLP()`` ends with an affine layer. The encoder of the authors ends with a ReLU,
    with which most codes are zero and match no normal prior.

    The implementation differs from the paper, or decides what the paper leaves open, in these
    points:

    - The columns are encoded, four members are trained together, and the default score is learned
      from the training rows, whether they are known to be inliers or not.
      ``WALDO(encoding=None, n_members=1, score_type="inlier")`` takes the columns as they are,
      trains once, and ranks as the paper does.
    - Errors are means over the columns rather than sums, as in the authors' code, so that
      :math:`\lambda` means the same in tables of any width.
    - Without `labels`, every row is both in :math:`P` and in :math:`U`. Nothing then tells which
      of the decoders is that of the outliers. The inlier decoder is trained on all rows, and its
      error ranks them.
    - The advantage that decides on new rows is computed on the whole training set and stored, so
      that the decision on a row does not depend on the other rows. During training, it is that of
      the mini-batch.
    - The authors' code computes logarithms of sigmoids, which become infinite, and assigns rows in
      training mode. Here, losses are computed from logits, and scores in evaluation mode.
    - If the decoders tie, a row is an inlier, as in the authors' code. :math:`\lambda` does not
      multiply the discriminator's own loss, where it would change nothing for Adam.
    - The theorem of the paper requires a Lipschitz condition, by gradient clipping. Neither the
      authors' code nor this class has it. Add it with
      ``callbacks=[skorch.callbacks.GradientNormClipping(1.0)]``.
    - `advantage_quantile`, `advantage_decay` and known outliers are not part of the paper.

    References
    ----------
    .. [1] S. G. Rizzo, L. Pang, Y. Chen and S. Chawla. "Probabilistic Outlier Detection and
       Generation". 2020, algorithm 1 and section 6.4.

    Examples
    --------
    Benign tumors are the inliers, and half of them are known. The other half is mixed with 40
    malignant tumors:

    >>> import numpy as np
    >>> from sklearn.datasets import load_breast_cancer
    >>> from skgad import WALDO
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> rows = np.concatenate([np.flatnonzero(y == 1), np.flatnonzero(y == 0)[:40]])
    >>> X, labels = X[rows], np.repeat([1, 0], [180, 217])
    >>> detector = WALDO(score_type="difference", max_epochs=100, random_state=0)
    >>> flagged = detector.fit(X, labels=labels).labels_ == -1
    >>> float(flagged[-40:].mean().round(1)), float(flagged[:-40].mean().round(1))
    (0.9, 0.0)
    >>> detector.sample(2, kind="outlier", random_state=0).shape
    (2, 30)
    """

    game_class = WALDOGame
    auto_threshold = AUTO_THRESHOLD

    latent_dim: int = 32
    auto_steps: int = 500
    prior_weight: float = 0.001
    prior_scale: float = 1.0
    prior_on: Literal["positive", "all"] = "positive"
    outlier_decoder: bool = True
    advantage: bool = True
    advantage_quantile: float = 0.0
    advantage_decay: float = 0.0
    score_type: Literal["auto", "inlier", "difference"] | FinishedScore = "auto"
