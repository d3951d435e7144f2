"""Adversarial mirrored autoencoder."""

import math
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from torch.autograd.functional import vjp
from torch.nn.functional import normalize

from .._sklearn_compat import Interval, RealNotInt, StrOptions
from ..engine.corruption import replace_some_values
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import EncoderDecoderGame
from ..engine.labels import rows_with
from ..networks import build, spectrally_normalized
from ..networks._build import image_shape
from ..networks._random import rand_like, randn_like
from ._base import LabelledDetector

#: Number of codes of training rows that are stored for sampling.
N_CODES = 1000

#: Number of negatives for each row of a mini-batch, as in the authors' code.
NEGATIVES_PER_ROW = 0.1


class AMAGame(EncoderDecoderGame):
    """The game of AMA: a critic of pairs of rows against an autoencoder."""

    players = {"critic": ("critic",), "autoencoder": ("encoder", "decoder")}

    phase = "training"  # or "warm-up"

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim = self.latent_dim
        self.n_channels = (image_shape(networks) or (1,))[0]
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.critic = build(networks, "critic", "discriminator", n_features, n_features)
        if self.spectral_norm:
            self.critic = spectrally_normalized(self.critic)
        self.register_buffer("codes", torch.zeros(N_CODES, latent_dim))
        self.register_buffer("r_mean", torch.tensor(0.0))
        self.register_buffer("r_std", torch.tensor(1.0))

    def play(self, x, labels=None):
        E, G, D = self.encoder, self.decoder, self.critic
        outliers = None if labels is None else rows_with(labels, -1)
        if outliers is None:
            x_neg = self.make_negatives(x)
        else:
            x, x_neg = x[..., rows_with(labels, 0, 1), :], x[..., outliers, :]
        z = E(torch.cat([x, x_neg], dim=-2))
        z_x = z[..., : x.shape[-2], :]
        x_mix, z_mix = self.interpolate(x, z_x)

        rows = torch.cat([x, x_neg, x_mix], dim=-2)
        mirrored = G(torch.cat([z, z_mix], dim=-2))
        terms = ((x, 1), (x_neg, -self.negative_weight), (x_mix, self.interpolation_weight))
        weight = torch.cat([equal_weights(part, total) for part, total in terms])
        for _ in range(self.n_critic):
            real, fake = D.judge((rows, rows), (rows, mirrored))
            loss = (weight * (fake - real)).sum(-1)
            if self.gradient_penalty_weight:
                loss = loss + self.gradient_penalty_weight * self.slope_penalty(rows, mirrored)
            yield "critic", loss

        loss = -(weight * D(rows, mirrored)).sum(-1)
        yield "autoencoder", loss + self.regularization_weight * z_x.norm(dim=-1).mean(-1)

    def plan_phases(self, count):
        return {} if self.negatives is None else {"warm-up": count(self.warm_up)}

    def counts_in_phase(self, labels):
        """Whether known outliers leave the place of negatives free."""
        return rows_with(labels, -1) is None

    @torch.no_grad()
    def make_negatives(self, x):
        """Make rows that are atypical of the mini-batch. There are none during the warm-up."""
        if self.negatives is None or self.phase == "warm-up":
            return x[..., :0, :]
        n_rows = math.ceil(NEGATIVES_PER_ROW * x.shape[-2])
        if self.negatives == "replaced":
            return replace_some_values(x)[..., :n_rows, :]
        z = draw_atypical_codes(self.encoder(x), n_rows, self.negatives, self.delta)
        return self.decoder(z)

    def interpolate(self, x, z_x):
        """Mix the codes of each `n_interpolated` rows.

        Returns the rows that are in a mixture, and the mixture of each of them.
        """
        k = self.n_interpolated
        n_mixed = x.shape[-2] // k * k if self.interpolation_weight else 0
        z = mix_codes(z_x[..., :n_mixed, :].unflatten(-2, (n_mixed // k, k)))
        return x[..., :n_mixed, :], z.repeat_interleave(k, dim=-2)

    def slope_penalty(self, x, x_hat):
        """Mean squared difference between the slopes of the critic and 1.

        The slopes are those at random points between the pairs ``(x, x)`` and ``(x, x_hat)``.
        """
        between = torch.lerp(x, x_hat.to(x), rand_like(x[..., :1]))
        _, slopes = vjp(lambda *pair: self.critic(*pair).sum(), (x, between), create_graph=True)
        slopes = torch.cat(slopes, dim=-1)
        if self.gradient_penalty == "per_pixel":
            slopes = slopes.unflatten(-1, (2 * self.n_channels, -1))
            norms = slopes.norm(dim=-2)
        else:
            norms = slopes.norm(dim=-1)
        return (norms - 1).square().flatten(len(self.leading_shape)).mean(-1)

    def feature_distance(self, x, x_hat):
        """Distance between rows and their mirror images in the features of the critic."""
        f = self.critic.features
        return (f(x, x) - f(x, x_hat)).abs().sum(-1)

    def score(self, x):
        x_hat = self.reconstruct(x)
        R = self.feature_distance(x, x_hat)
        match self.score_type:
            case "likelihood":
                return (R - self.r_mean[..., None]).abs() / self.r_std[..., None]
            case "features":
                return R
            case _:  # "combined", and until a score has been learned from the training rows
                return (R * (x - x_hat).norm(dim=-1)).sqrt()

    def finalize(self, apply, labels):
        """Store the moments of the R-scores of the training rows, and some of their codes."""
        normal = np.flatnonzero(labels != -1)
        R = apply(lambda x: self.feature_distance(x, self.reconstruct(x)), normal).astype(float)
        self.r_mean.copy_(torch.as_tensor(R.mean(-1)))
        std = R.std(-1)
        self.r_std.copy_(torch.as_tensor(np.where(std > 0, std, 1.0)))
        rows = normal[np.arange(N_CODES) * len(normal) // N_CODES]
        self.codes.copy_(torch.from_numpy(apply(self.encode, rows)))

    def sample(self, n_samples, device):
        z = self.codes[..., torch.randint(N_CODES, (n_samples, self.n_interpolated)), :]
        return self.decoder(mix_codes(z))

    def sample_outliers(self, n_samples, device):
        where = self.negatives or "outward"
        return self.decoder(draw_atypical_codes(self.codes, n_samples, where, self.delta))

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).square().mean()


def equal_weights(rows, total):
    """Equal weights of the rows, with a given sum."""
    n_rows = rows.shape[-2]
    return rows.new_full((n_rows,), total / max(n_rows, 1))


def mix_codes(z):
    """Mix groups of codes with random weights; (..., n, k, latent_dim) to (..., n, latent_dim)."""
    alpha = 0.5 * rand_like(z[..., :1])
    return (alpha * z).sum(-2) / alpha.sum(-2)


def draw_atypical_codes(z, n_codes, where, delta):
    """Draw codes that are not typical of the codes ``z``.

    The mean and the standard deviations of ``z`` are the origin and the units of the spheres.
    """
    new = z.new_empty(*z.shape[:-2], n_codes, z.shape[-1])
    if where == "box":
        low, high = z.amin(-2, keepdim=True), z.amax(-2, keepdim=True)
        margin = delta * (high - low) / 2
        return low - margin + (high - low + 2 * margin) * rand_like(new)
    offset = -min(delta, 1) if where == "inward" else delta
    direction = normalize(randn_like(new), dim=-1)
    radius = z.shape[-1] ** 0.5 * (1 + offset * rand_like(new[..., :1]))
    mean, std = z.mean(-2, keepdim=True), z.std(-2, correction=0, keepdim=True)
    return mean + std * (radius * direction)


class AMA(LabelledDetector):
    r"""Adversarial mirrored autoencoder (AMA) [1]_.

    AMA trains an autoencoder against a critic of pairs of rows, and scores a row by comparing it
    with its reconstruction.

    The critic :math:`D` rates a row with itself, :math:`(x, x)`, and a row with its mirror image,
    :math:`(x, \hat x)` with :math:`\hat x = G(E(x))`. It learns to rate the first pair above the
    second. The encoder :math:`E` and the generator :math:`G` learn to make the two pairs alike. A
    penalty holds the slopes of the critic to 1. The largest difference
    :math:`W(P) = E_{x \sim P}[D(x, x) - D(x, \hat x)]` that is then possible is a Wasserstein
    distance between the two kinds of pairs. The objective of the paper (equations 2 to 4) is

    .. math:: \min_{E, G} \max_D \;
              W(P_X) + \lambda_{inter} W_{inter}(P_X) + \lambda_{reg} E \lVert E(x) \rVert
              - \lambda_{neg} W(Q) .

    :math:`W_{inter}` has mixtures :math:`G(\sum_i \alpha_i E(x_i) / \sum_i \alpha_i)` with
    :math:`\alpha_i \sim U(0, 1/2)` in the place of :math:`\hat x`, each paired with every row that
    it mixes. Rows decoded from between the codes of normal rows are then normal, too. :math:`Q`
    contains rows that the autoencoder should reconstruct badly. They are known outliers or, if
    there are none, decoded *atypical* codes. These lie inside or outside of the sphere of radius
    :math:`\sqrt d`, to which draws from a standard normal distribution in :math:`d` dimensions are
    close.

    The anomaly score of the paper compares a row with its mirror image in the features :math:`f` of
    the critic, which are the activations of its last hidden layer:

    .. math:: R(x) = \lVert f(x, x) - f(x, \hat x) \rVert_1 .

    The default score is learned from the training rows instead.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). Scale images, for example to the range
    between 0 and 1. See the :ref:`user guide <ama>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number :math:`d` of dimensions of a code.

    n_critic : int, default=1
        Number of moves of the critic for each move of encoder and generator, on the same
        mini-batch. The paper has 5 for its networks.

    spectral_norm : bool, default=False
        Whether to divide the weights of the critic by their largest singular value. The paper does;
        see the Notes.

    gradient_penalty : {"flattened", "per_pixel"}, default="flattened"
        Which norms of the slopes of the critic are held to 1. "flattened" is the norm over all
        numbers of a pair. "per_pixel", as in the authors' code, is one norm for each pixel of an
        image, over the channels of both images, or for each (encoded) column of a table, over the
        two rows.

    gradient_penalty_weight : float, default=10.0
        Weight of the mean of :math:`(\lVert \nabla D \rVert - 1)^2` at points between
        :math:`(x, x)` and :math:`(x, \hat x)`. With 0, only `spectral_norm` bounds the slopes.

    n_interpolated : int, default=3
        Number of rows whose codes are mixed, at least 2.

    interpolation_weight : float, default=0.1
        Weight :math:`\lambda_{inter}` of mixtures. The paper has 0.5.

    negatives : {"inward", "outward", "box", "replaced"} or None, default=None
        How negatives are made. The first three decode atypical codes. "inward" and "outward" draw
        uniformly in direction and radius, between the sphere of radius :math:`\sqrt d` and that of
        radius :math:`\sqrt d - \delta` or :math:`\sqrt d + \delta`. "box" draws anywhere in the box
        around the codes of the mini-batch, after Sipple [2]_. "replaced", which is not from the
        paper, takes a random share of the values of rows from other rows. None makes no negatives,
        which is best on the development sets. If some outliers are known (`labels`), they are the
        negatives, and none are made.

    delta : float, default=0.5
        Distance :math:`\delta` of the spheres in units of :math:`\sqrt d`. "inward" ends at the
        center. For "box", it is the margin on both sides, in units of half the width of the box.

    negative_weight : float, default=0.1
        Weight :math:`\lambda_{neg}` of negatives, synthetic or known. The paper has 5.

    warm_up : float or int, default=0.1
        How long no negatives are made. A float is a proportion of the training, an int is a number
        of epochs. The paper has 10 of 100 epochs; tables with many rows have few epochs. Known
        outliers are used from the start.

    regularization_weight : float, default=0.01
        Weight :math:`\lambda_{reg}` of the norm of the codes. The paper has 1.

    score_type : {"auto", "combined", "features", "likelihood"} or str, default="auto"
        Anomaly score. "features" is the R-score :math:`R(x)`. "likelihood" is the A-score of the
        paper, the density of a normal distribution that is fitted to the R-scores of the training
        rows, in the form :math:`|R(x) - \mu| / \sigma`. This form has the opposite order, and does
        not become 0 for all rows far away. "combined" is the geometric mean of :math:`R(x)` and
        :math:`\lVert x - \hat x \rVert_2`; it is not from the paper.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. "auto" is
        "mahalanobis+neighbors+density", and "combined" for images and for more than 1,024
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
    ALAD : Has a discriminator of such pairs, too, and two others.
    WALDO : Learns from known inliers and outliers with a second decoder.

    Notes
    -----
    The critic that `networks` builds is a :class:`skgad.networks.Discriminator` of pairs of rows.

    The paper has images only. What concerns tables is our own design. Deviations from the paper and
    from the code released by its authors:

    - The columns of tables are encoded, four members are trained together, and the default score
      is learned from the training rows. ``AMA(encoding=None, n_members=1,
      score_type="likelihood")`` takes the columns as they are, trains once, and has the A-score of
      the paper.
    - Weights, learning rate, number of epochs, `n_critic`, `spectral_norm`, `encoding` and
      `score_type` are chosen on development sets with labels. The settings of the paper are
      parameters: ``n_critic=5, spectral_norm=True, interpolation_weight=0.5, negative_weight=5,
      regularization_weight=1, lr=3e-4, lr_schedule="step", max_epochs=100, batch_size=256,
      warm_up=10, encoding=None, n_members=1, score_type="likelihood", ema_decay=None``. The betas
      of Adam are those of the paper.
    - With a spectral norm of 1 in every layer, the slopes of a critic of fully connected layers
      stay below 1. The penalty cannot raise them, and the autoencoder learns little from such a
      critic.
    - The paper keeps the last weights. Here, `ema_decay` averages them.
    - Equation (4) of the paper compares an atypical :math:`x` with an
      :math:`\hat x_{neg} = G(z_{neg})`, and does not say what :math:`x` is. As in the authors'
      code, :math:`x = G(z_{neg})` is treated as any other row, and is compared with its own image
      :math:`G(E(x))`. No gradient passes through the way in which it was made. There is one
      negative for each ten rows.
    - Each term is a mean over its own rows, as in the paper. The code has one mean over all rows,
      in which negatives weigh a ninth of that.
    - Mixtures are part of the loss of encoder and generator, as in the paper. In the authors' code
      they are detached, and train the critic alone. Each row is in one mixture. In the authors'
      code it is in three.
    - The paper assumes that codes have norms near :math:`\sqrt d`, but the penalty on their norms
      pulls them to 0. Here, the spheres are those of the standardized codes: the mean and the
      standard deviations of the codes of the mini-batch are the origin and the units. The typical
      radius is then :math:`\sqrt d`, whatever the penalty has done. The authors' code has neither
      :math:`\delta` nor a sphere. It multiplies or divides codes by a number between 0 and 1/2,
      which for "outward" has no bound.
    - The authors choose "inward" or "outward", :math:`\delta` and the best epoch with about 50 true
      anomalies of the class that is tested. Here, the defaults are fixed, without synthetic
      negatives. On the development sets this is better than either, and it is what a rule without
      labels chooses most often. The user guide has the figures.
    - If negatives are far from the rows, the best critic makes :math:`-W(Q)` a distance, too, and
      the best autoencoder makes this distance small. At the optimum of the objective of the paper,
      negatives are therefore reconstructed well. If they change anything, they do so before the
      optimum is reached.
    - The slopes are computed for all pairs, including mixtures and negatives, and for both rows of
      a pair.
    - The mean and the standard deviation of the R-scores are computed on the training rows without
      known outliers, in evaluation mode, and stored.
    - Batch-norm, if the networks have any, sees rows and negatives in one batch.

    References
    ----------
    .. [1] G. Somepalli, Y. Wu, Y. Balaji, B. Vinzamuri and S. Feizi. "Unsupervised Anomaly
       Detection with Adversarial Mirrored AutoEncoders". 2020, equations 1 to 6.
    .. [2] J. Sipple. "Interpretable, Multidimensional, Multimodal Anomaly Detection with Negative
       Sampling for Detection of Device Failure". ICML 2020.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import AMA
    >>> X, _ = make_blobs(300, centers=1, random_state=0)
    >>> detector = AMA(max_epochs=50, random_state=0).fit(X - X.mean(axis=0))
    >>> detector.predict([[0, 0], [9, 9]])
    array([ 1, -1])
    >>> detector.sample(2, kind="outlier", random_state=0).shape
    (2, 2)
    """

    game_class = AMAGame
    own_score = "combined"

    latent_dim: int = 32
    n_members: int = 4
    auto_steps: int = 500
    n_critic: int = 1
    spectral_norm: bool = False
    gradient_penalty: Literal["flattened", "per_pixel"] = "flattened"
    gradient_penalty_weight: float = 10.0
    n_interpolated: int = 3
    interpolation_weight: float = 0.1
    negatives: Literal["inward", "outward", "box", "replaced"] | None = None
    delta: float = 0.5
    negative_weight: float = 0.1
    warm_up: float = 0.1
    regularization_weight: float = 0.01
    score_type: Literal["auto", "combined", "features", "likelihood"] | FinishedScore = "auto"
    ema_decay: float | None = 0.99
    lr: float = 2e-3

    _parameter_constraints: ClassVar[dict] = {
        **LabelledDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "n_critic": [Interval(Integral, 1, None, closed="left")],
        "spectral_norm": ["boolean"],
        "gradient_penalty": [StrOptions({"flattened", "per_pixel"})],
        "gradient_penalty_weight": [Interval(Real, 0, None, closed="left")],
        "n_interpolated": [Interval(Integral, 2, None, closed="left")],
        "interpolation_weight": [Interval(Real, 0, None, closed="left")],
        "negatives": [StrOptions({"inward", "outward", "box", "replaced"}), None],
        "delta": [Interval(Real, 0, None, closed="neither")],
        "negative_weight": [Interval(Real, 0, None, closed="left")],
        "warm_up": [
            Interval(RealNotInt, 0, 1, closed="both"),
            Interval(Integral, 0, None, closed="left"),
        ],
        "regularization_weight": [Interval(Real, 0, None, closed="left")],
        "score_type": [
            StrOptions({"auto", "likelihood", "features", "combined", *FINISHED_SCORES})
        ],
    }
    adam_params: ClassVar[dict] = {
        "optimizer__betas": (0.0, 0.9),
        "optimizer__param_groups": [("game.encoder.*", {"betas": (0.5, 0.9)})],
    }
