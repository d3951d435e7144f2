"""Adversarial reconstruction network."""

from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted
from torch.distributions import Gumbel
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot, softplus

from .._sklearn_compat import Interval, StrOptions
from .._typing import Float32Array, RandomStateLike
from ..engine.corruption import replace_values
from ..engine.data import sample_as_float
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import Game
from ..engine.labels import rows_with
from ..engine.one_hot_groups import column_positions, find_groups
from ..engine.runtime import warn
from ..networks import build
from ..networks._random import empty_like, fill, rand_like, randn_like
from ._base import Kind, LabelledDetector

#: Number of draws from which the nearest outlier of a row is chosen.
N_DRAWS = 16

#: Lowest temperature of the Gumbel softmax. Below it, gradients vanish or overflow.
MIN_TEMPERATURE = 0.1

#: Largest absolute value of the logarithm of a variance of the codes.
MAX_LOG_VAR = 10.0

#: Number of mini-batches before which a collapse is not reported: the codes of new networks do not
#: carry any information either.
MIN_BATCHES = 100

#: Smallest denominator of a ratio of spreads.
EPS = 1e-12

cross_entropy = partial(binary_cross_entropy_with_logits, reduction="none")


class ARNGame(Game):
    """The game of ARN: a generator draws variants of rows, a discriminator tells them apart."""

    players = {"discriminator": ("discriminator",), "generator": ("encoder", "decoder")}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim = self.latent_dim
        self.encoder = build(networks, "encoder", "encoder", n_features, 2 * latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.discriminator = build(networks, "discriminator", "discriminator", n_features)
        is_numeric = torch.ones(n_features)
        is_numeric[[column for group in self.categorical_groups for column in group]] = 0
        self.register_buffer("is_numeric", is_numeric)
        self.register_buffer("moments", torch.zeros(2, n_features))
        self.register_buffer("n_batches", torch.tensor(0))
        self.register_buffer("reservoir", torch.zeros(self.reservoir_size, n_features))
        self.register_buffer("code_noise", torch.randn(N_DRAWS, 1, latent_dim))
        self.register_buffer("number_noise", torch.randn(N_DRAWS, 1, n_features))
        self.register_buffer("category_noise", Gumbel(0.0, 1.0).sample((N_DRAWS, 1, n_features)))
        self.register_buffer("kl_divergence", torch.tensor(0.0))
        self.register_buffer("relative_variance", torch.tensor(0.0))
        self.register_buffer("variant_distance", torch.tensor(0.0))

    @classmethod
    def inspect(cls, table, params):
        """Find the columns of each attribute that is drawn as a category."""
        if params["categorical"] == "relaxed":
            return {"categorical_groups": []}
        groups = params["categorical_groups"]
        if groups == "infer":
            groups = find_groups(sample_as_float(table))
        if not groups:
            warn(
                "categorical='gumbel' has no effect, because there are no categorical_groups, or "
                "no adjacent columns of zeros and ones that sum to one in every row. Encode "
                "categories with a OneHotEncoder, and do not standardize them."
            )
        return {"categorical_groups": groups or []}

    def play(self, x, labels=None):
        D = self.discriminator
        labels = torch.zeros(x.shape[-2]) if labels is None else labels
        normal, outliers = rows_with(labels, 0, 1), rows_with(labels, -1)
        y = x.new_ones(x.shape[:-1])
        if outliers is not None:
            y[..., outliers] = 0
        self.update_moments(x[..., normal, :])
        start = replace_values(x, self.replaced) if self.replaced else x
        mean, log_var = self.posterior(start)
        z = mean + (log_var / 2).exp() * randn_like(mean)
        x_z, x_v = self.draw_variants(z)
        if outliers is not None:  # noise would not make an outlier normal
            x_v = torch.where(y[..., None] == 1, x_v, x_z)

        real, variant = D.judge((x,), (x_v,))
        yield (
            "discriminator",
            sum_of_class_means(cross_entropy(real, self.noisy_targets(y)), normal, outliers)
            + self.mean_over_variants(
                cross_entropy(variant, self.noisy_targets(1 - y)), normal, outliers
            ),
        )

        target = y if self.objective == "adversarial" else 1 - y
        kl = gaussian_kl(mean, log_var).clamp(min=self.free_bits).sum(-1)
        loss = (
            self.adversarial_weight * cross_entropy(D(x_v), target)
            + self.reconstruction_weight * (x - x_z).square().mean(-1)
            + self.current_kl_weight() * kl / x.shape[-1]
        )
        yield "generator", self.mean_over_variants(loss, normal, outliers)

    def mean_over_variants(self, loss, normal, outliers):
        """Mean over the rows whose variants take part: normal rows, or both classes."""
        if self.supervised_players == "both":
            return sum_of_class_means(loss, normal, outliers)
        return loss[..., normal].mean(-1)

    def posterior(self, x):
        """Mean and logarithm of the variance of the code of each row."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        return mean, log_var.clamp(-MAX_LOG_VAR, MAX_LOG_VAR)

    def code_divergence(self, x):
        """KL divergence of the code of each row from the prior; shape (..., batch_size)."""
        return gaussian_kl(*self.posterior(x)).sum(-1)

    def current_kl_weight(self):
        """Weight of the KL divergence in this mini-batch."""
        if self.kl_schedule == "constant":
            return self.kl_weight
        return (self.kl_weight * self.annealing**self.n_batches)[..., None]

    def noisy_targets(self, y):
        """Targets moved towards the other class, and some of them exchanged."""
        noise = (self.label_noise * self.label_noise_decay**self.n_batches)[..., None]
        moved = y + (1 - 2 * y) * noise * rand_like(y)
        return torch.where(rand_like(y) < noise, 1 - moved, moved)

    @torch.no_grad()
    def update_moments(self, x):
        """Average the first two moments of each column over the mini-batches."""
        if self.training:
            self.n_batches += 1
            moments = torch.stack([x.mean(-2), x.square().mean(-2)], dim=-2)
            share = (1 / self.n_batches.to(moments)).clamp(min=0.001)
            self.moments.lerp_(moments, share[..., None, None])

    def noise_unit(self):
        """Standard deviation of each numeric column, and 0 for categories."""
        mean, mean_square = self.moments.unbind(-2)
        return self.is_numeric * (mean_square - mean.square()).clamp(min=0).sqrt()

    def decode(self, z, choose):
        """Decode codes. ``choose`` turns the logits of a group of columns into values.

        There may be further dimensions between those of members and of rows.
        """
        first = len(self.leading_shape)
        x = self.decoder(z.flatten(first, -2)).unflatten(first, z.shape[first:-1])
        values = x.sigmoid() if self.output_activation == "sigmoid" else x
        if self.categorical_groups:
            values = values.clone()
            for group in map(as_slice, self.categorical_groups):
                values[..., group] = choose(x[..., group], group)
        return values

    def draw_variants(self, z):
        """Draw a variant from each code: first without the noise of the numbers, then with it."""
        temperature = (self.annealing ** self.n_batches.double()).clamp(min=MIN_TEMPERATURE)
        temperature = temperature.to(z)[..., None, None]
        x_z = self.decode(z, lambda logits, _: draw_one_hot(logits, temperature))
        scale, unit = self.noise_scale * rand_like(z[..., :1]), self.noise_unit().unsqueeze(-2)
        return x_z, x_z + scale * unit * randn_like(x_z)

    def encode(self, x):
        return self.posterior(x)[0]

    def expected_variant(self, x):
        """Decode the mean code of each row, with the probabilities of the categories."""
        return self.decode(self.encode(x), lambda logits, _: logits.softmax(-1))

    def reconstruct(self, x):
        return self.decode(self.encode(x), lambda logits, _: one_hot_argmax(logits))

    def reconstruct_as_outlier(self, x):
        """Nearest draw that the discriminator calls an outlier. All rows share the noise."""
        mean, log_var = (t.unsqueeze(-3) for t in self.posterior(x))
        z = mean + (log_var / 2).exp() * self.code_noise  # (..., n_draws, batch_size, latent_dim)
        x_v = self.decode(z, lambda logits, g: one_hot_argmax(logits + self.category_noise[..., g]))
        scale = torch.linspace(0, self.noise_scale, N_DRAWS).to(x)[:, None, None]
        x_v = x_v + scale * self.noise_unit()[..., None, None, :] * self.number_noise
        logits = self.discriminator(x_v.flatten(-3, -2)).unflatten(-1, x_v.shape[-3:-1])
        distances = (x.unsqueeze(-3) - x_v).norm(dim=-1).where(logits < 0, torch.inf)
        chosen = distances.argmin(-2).where(distances.isfinite().any(-2), logits.argmin(-2))
        return x_v.take_along_dim(chosen[..., None, :, None], dim=-3).squeeze(-3)

    def sample_outliers(self, n_samples, device):
        rows = torch.randint(self.reservoir_size, (n_samples,)).to(device)
        mean, log_var = self.posterior(self.reservoir[..., rows, :])
        z = mean + (log_var / 2).exp() * torch.randn(mean.shape).to(device)
        return self.draw_variants(z)[1]

    def finalize(self, apply, labels):
        """Store training rows to draw variants of, and measure their codes and variants."""
        rows = np.flatnonzero(labels != -1)
        rows = rows[np.linspace(0, len(rows) - 1, self.reservoir_size).astype(int)]

        def compute(function):
            return torch.from_numpy(apply(function, rows))

        x, x_hat = compute(lambda x: x), compute(self.expected_variant)
        outliers = compute(self.reconstruct_as_outlier)
        self.reservoir.copy_(x)
        self.kl_divergence.copy_(compute(self.code_divergence).mean(-1))
        variance, variance_hat = (table.var(-2, correction=0).sum(-1) for table in (x, x_hat))
        self.relative_variance.copy_(variance_hat / variance.clamp(min=EPS))
        spread = (x - x.mean(-2, keepdim=True)).norm(dim=-1).mean(-1)
        distance = (x - outliers).norm(dim=-1).mean(-1)
        self.variant_distance.copy_(distance / spread.clamp(min=EPS))

    def check_training(self):
        """Warn if the codes of a member carry no information about the rows."""
        member = self.relative_variance.argmin()
        variance = self.relative_variance.flatten()[member].item()
        kl = self.kl_divergence.flatten()[member].item()
        is_trained = self.n_batches.max() >= MIN_BATCHES
        if is_trained and variance < 0.01 and kl < self.free_bits * self.latent_dim + 0.1:
            warn(
                f"The codes collapsed to the prior: their KL divergence from it is {kl:.2g} nats, "
                f"and the variance of the reconstructions is {variance:.2g} times that of the "
                "rows. Decrease kl_weight, or increase free_bits.",
                ConvergenceWarning,
            )

    def score(self, x):
        if self.score_type == "discriminator":
            return -self.discriminator(x)
        distance = (x - self.expected_variant(x)).norm(dim=-1)
        if self.score_type == "reconstruction":
            return distance
        return (distance * softplus(-self.discriminator(x))).sqrt()

    @property
    def boundary(self):
        """The discriminator at one half."""
        return torch.zeros(self.leading_shape) if self.score_type == "discriminator" else None

    def validation_loss(self, x):
        return (x - self.expected_variant(x)).square().mean()


def sum_of_class_means(loss, normal, outliers):
    """Mean over the normal rows, plus the mean over the known outliers if there are any."""
    mean = loss[..., normal].mean(-1)
    return mean if outliers is None else mean + loss[..., outliers].mean(-1)


def as_slice(group):
    """Adjacent columns as a slice, because a list of columns would be copied to the device."""
    start, stop = group[0], group[-1] + 1
    return slice(start, stop) if [*group] == [*range(start, stop)] else group


def gaussian_kl(mean, log_var):
    """KL divergence from N(0, 1) in each dimension of the codes, in nats."""
    return (mean.square() + log_var.exp() - 1 - log_var) / 2


def draw_one_hot(logits, temperature):
    """Draw a category from logits, with the gradients of a softmax of this temperature."""
    gumbels = -fill(empty_like(logits), torch.Tensor.exponential_).log()
    soft = ((logits + gumbels) / temperature).softmax(-1)
    return one_hot_argmax(soft) - soft.detach() + soft


def one_hot_argmax(logits):
    """One-hot encoding of the category with the largest logit."""
    return one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)


class ARN(LabelledDetector):
    r"""Adversarial reconstruction network (ARN) [1]_.

    ARN trains a discriminator to tell normal rows from variants of them, which a variational
    autoencoder generates. The encoder makes a code
    :math:`z \sim q(z | x) = N(\mu(x), \operatorname{diag} \sigma^2(x))` of each row :math:`x`, and
    the decoder makes a variant :math:`\tilde x` of the row from the code. The discriminator
    :math:`p(y | x)` learns that rows are normal, :math:`y = 0`, and variants are not. It minimizes

    .. math:: L_D = - \log p(0 | x) - \log p(1 | \tilde x) .

    The generator makes variants that are close to their rows and pass for normal. It minimizes

    .. math::

        L_G = - \alpha \log p(0 | \tilde x) + \frac{\gamma}{d} \lVert x - \tilde x \rVert^2
              + \frac{\beta}{d} \operatorname{KL}[q(z | x) \,\Vert\, N(0, I)]

    in a table with :math:`d` columns (equations 2 and 3 of the paper). The squared distance is
    measured before noise is added to the numbers of the variant. In the paper, the discriminator is
    the detector, with the anomaly score :math:`- \log p(0 | x)`. Here, the default score is learned
    from the training rows. It uses the reconstructions and the codes, and not the discriminator.

    The discriminator also learns that known outliers are not normal. With
    ``supervised_players="both"``, it also learns that the variants of known outliers are normal,
    which the generator opposes (equation 4). With known outliers, choose a score that uses the
    discriminator, such as ``score_type="combined"``.

    Apart from known outliers, all or nearly all training rows must be normal. Tables need no
    scaling, because the detector encodes the columns itself (`encoding`), except with
    ``categorical="gumbel"`` or ``output_activation="sigmoid"``. See the :ref:`user guide <arn>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    adversarial_weight : float, default=0.01
        Weight :math:`\alpha` of the term with which variants pass for normal.

    reconstruction_weight : float, default=1.0
        Weight :math:`\gamma` of the squared distance to the row.

    kl_weight : float, default=0.01
        Weight :math:`\beta` of the KL divergence. If it is too large, the codes collapse to the
        prior, and the variants no longer depend on the rows. `fit` then raises a warning. 0 is the
        ablation "-KLD" of the paper, in which the codes are still drawn.

    kl_schedule : {"constant", "annealed"}, default="constant"
        Whether `kl_weight` is constant or multiplied by `annealing` in each mini-batch.

    free_bits : float, default=0.0
        KL divergence, in nats, that each dimension of a code may have at no cost.

    noise_scale : float, default=2.0
        Largest scale of the noise of the numbers. The numbers of a variant are drawn from normal
        distributions around the decoded values. Their standard deviation is that of the (encoded)
        column times a factor, which is drawn for each variant between 0 and `noise_scale`. 0 keeps
        the decoded values.

    label_noise : float, default=0.3
        Noise of the targets of the discriminator. Each target is moved towards the other class by
        up to this value, and this proportion of the targets is exchanged.

    label_noise_decay : float, default=0.9995
        Factor by which `label_noise` is multiplied in each mini-batch.

    categorical : {"relaxed", "gumbel"}, default="relaxed"
        How one-hot columns are generated. "relaxed" treats them as numbers (ARN\ :sup:`N`).
        "gumbel" draws one category for each attribute with a Gumbel softmax, whose straight-through
        gradients reach the generator (ARN\ :sup:`G`).

    categorical_groups : "infer", list of tuples or None, default="infer"
        Columns of each attribute for "gumbel", as positions or names. "infer" finds runs of
        adjacent columns of zeros and ones that sum to one in every training row. None means that
        there are no attributes. Positions are those of the columns of `X`: with "gumbel", the
        columns are not encoded.

    annealing : float, default=0.9995
        Factor by which the temperature of the Gumbel softmax is multiplied in each mini-batch. The
        temperature falls from 1 to 0.1. An annealed `kl_weight` is multiplied by the same factor.

    output_activation : {"identity", "sigmoid"}, default="identity"
        Activation of the outputs of the decoder outside of the `categorical_groups_`. "sigmoid" is
        for columns that are scaled to the range between 0 and 1, which are not encoded.

    objective : {"adversarial", "elbo"}, default="adversarial"
        Objective of the generator. "adversarial" makes variants that pass for normal. "elbo", the
        cooperative equation 1, makes variants that the discriminator can tell from rows.

    supervised_players : {"discriminator", "both"}, default="discriminator"
        Players that learn from known outliers. "both" is equation 4 of the paper. The generator
        then learns to decode known outliers, and their distance to their reconstruction decreases.

    replaced : float, default=0.0
        Probability that a value is replaced, before the row is encoded, by the value that another
        row of the mini-batch has in the same column. The generator then learns to restore the row,
        and its variants start from rows whose values do not match. It is not from the paper.

    reservoir_size : int, default=1000
        Number of training rows that are stored, for :meth:`sample` to draw variants of.

    score_type : {"auto", "combined", "discriminator", "reconstruction"} or str, default="auto"
        Anomaly score. "discriminator" is the opposite of the logit of the discriminator, which
        ranks as :math:`-\log p(0 | x)` does. "reconstruction" is the distance
        :math:`\lVert x - \hat x \rVert` to the row that is decoded from :math:`\mu(x)`.
        "combined", which is not from the paper, is the geometric mean of :math:`-\log p(0 | x)` and
        that distance.
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

    categorical_groups_ : list of tuple of int
        Positions of the columns of each attribute that is drawn as a category.

    kl_divergence_ : float
        Mean KL divergence of the codes of the stored rows from the prior, in nats.

    variant_distance_ : float
        Mean distance of the stored rows to their variants ``reconstruct(X, kind="outlier")``, in
        units of the mean distance of the stored rows to their mean. Distances are those of the
        encoded rows.

    {shared_attributes}

    See Also
    --------
    WALDO : Has an outlier decoder, which learns from known or likely outliers.
    ALAD : Has discriminators of pairs of a row and its reconstruction.

    Notes
    -----
    `networks` builds an `encoder` with ``2 * latent_dim`` outputs, the means and the logarithms of
    the variances of the codes.

    The implementation differs from the paper and from the code that its authors released, or
    decides what they leave open, in these points:

    - The numbers of a variant are drawn, as the paper says. The released code does not draw them.
      On most tables, variants without noise are rows with slightly less spread, and the
      discriminator tends to call extreme rows normal. The scale of the noise is ours.
    - Layers are normalized only if `networks` does it. In the released code, batch normalization
      scores each row with the statistics of its test batch, and the test batches are sorted by
      label: see :ref:`published`.
    - The KL divergence is that of normal distributions. The released code has another formula,
      whose minimum is 1/2. The divergence and the squared error are divided by the number of
      columns, so that the weights mean the same in tables of any width.
    - In the released code, the factor 0.01 multiplies the term with which variants pass for
      normal. In the paper, it multiplies the squared error.
    - Equation 4 has the signs of equation 3, with the class of each row in place of the normal
      class, because the printed signs contradict each other. The variants of known outliers, which
      the discriminator learns to call normal, are drawn without the noise. The mean loss of the
      known outliers is added to that of the other rows, however few they are. The released code
      does not implement equation 4.
    - With "elbo", both players minimize the same objective in turn. (The released code never clears
      the gradients there.)
    - Both moves of a mini-batch use the same draws, and Adam uses the same learning rate in both.
    - The columns are encoded, four members are trained together, and the default score is learned
      from the training rows. ``ARN(encoding=None, n_members=1, score_type="discriminator")`` takes
      the columns as they are, trains once, and has the score of the paper.
    - Layers, weights, `noise_scale`, `encoding` and `score_type` are chosen on development data.

    There is no ``sample(kind="inlier")``, because the method has no generator of normal rows.
    ``reconstruct(X)`` decodes the mean of each code, with the most likely categories.
    ``reconstruct(X, kind="outlier")`` makes 16 draws for each row, with the same noise for all
    rows. It returns the nearest draw that the discriminator calls an outlier. If it calls all
    of them inliers, the most abnormal draw is returned. With several members, reconstructions are
    averages, in which categories may be mixed.

    References
    ----------
    .. [1] A. Liguori, G. Manco, F. S. Pisani and E. Ritacco. "Adversarial Regularized
       Reconstruction for Anomaly Detection and Generation". ICDM 2021, equations 1 to 4.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from skgad import ARN
    >>> X, _ = make_blobs(300, centers=1, random_state=0)
    >>> detector = ARN(max_epochs=50, random_state=0).fit(X - X.mean(axis=0))
    >>> detector.predict([[0, 0], [9, 9]])
    array([ 1, -1])
    """

    game_class = ARNGame
    own_score = "combined"

    latent_dim: int = 32
    n_members: int = 4
    auto_steps: int = 500
    adversarial_weight: float = 0.01
    reconstruction_weight: float = 1.0
    kl_weight: float = 0.01
    kl_schedule: Literal["constant", "annealed"] = "constant"
    free_bits: float = 0.0
    noise_scale: float = 2.0
    label_noise: float = 0.3
    label_noise_decay: float = 0.9995
    categorical: Literal["relaxed", "gumbel"] = "relaxed"
    categorical_groups: list[tuple[int | str, ...]] | Literal["infer"] | None = "infer"
    annealing: float = 0.9995
    output_activation: Literal["identity", "sigmoid"] = "identity"
    objective: Literal["adversarial", "elbo"] = "adversarial"
    supervised_players: Literal["discriminator", "both"] = "discriminator"
    replaced: float = 0.0
    reservoir_size: int = 1000
    score_type: Literal["auto", "combined", "discriminator", "reconstruction"] | FinishedScore = (
        "auto"
    )

    _parameter_constraints: ClassVar[dict] = {
        **LabelledDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "reconstruction_weight": [Interval(Real, 0, None, closed="left")],
        "kl_weight": [Interval(Real, 0, None, closed="left")],
        "kl_schedule": [StrOptions({"constant", "annealed"})],
        "free_bits": [Interval(Real, 0, None, closed="left")],
        "noise_scale": [Interval(Real, 0, None, closed="left")],
        "label_noise": [Interval(Real, 0, 0.5, closed="both")],
        "label_noise_decay": [Interval(Real, 0, 1, closed="both")],
        "categorical": [StrOptions({"relaxed", "gumbel"})],
        "categorical_groups": [StrOptions({"infer"}), list, None],
        "annealing": [Interval(Real, 0, 1, closed="right")],
        "output_activation": [StrOptions({"identity", "sigmoid"})],
        "objective": [StrOptions({"adversarial", "elbo"})],
        "supervised_players": [StrOptions({"discriminator", "both"})],
        "replaced": [Interval(Real, 0, 1, closed="both")],
        "reservoir_size": [Interval(Integral, 1, None, closed="left")],
        "score_type": [
            StrOptions({"auto", "combined", "discriminator", "reconstruction", *FINISHED_SCORES})
        ],
    }

    auto_threshold: ClassVar[str] = (
        "sets the threshold where the discriminator is at one half if "
        '``score_type="discriminator"``, and otherwise flags about 5 % of new rows that are like '
        "the training rows"
    )

    def game_params(self) -> dict[str, Any]:
        """Parameters of the game, with columns given by their positions.

        Returns
        -------
        params : dict
            Arguments of `game_class`, besides the networks and the number of features.
        """
        params = super().game_params()
        if self.categorical == "gumbel" and self.encoding not in (None, "auto"):
            raise ValueError(
                "categorical='gumbel' requires encoding=None, because it draws the categories of "
                "one-hot columns. Encode the other columns before, for example with a "
                "TabularEncoder."
            )
        if self.categorical == "gumbel" and isinstance(self.categorical_groups, list):
            columns = getattr(self, "feature_names_in_", range(self.n_features_in_))
            params["categorical_groups"] = column_positions(self.categorical_groups, [*columns])
        return params

    def _auto_encoding(self, table):
        """None if the outputs of the decoder are categories or have the range of the columns."""
        if self.categorical == "gumbel" or self.output_activation == "sigmoid":
            return None
        return super()._auto_encoding(table)

    @property
    def categorical_groups_(self) -> list[tuple[int, ...]]:
        """Positions of the columns of each attribute that is drawn as a category."""
        check_is_fitted(self)
        return [*self.net_.module_.game.categorical_groups]

    @property
    def kl_divergence_(self) -> float:
        """Mean KL divergence of the codes of the stored rows from the prior, in nats."""
        return self._mean_over_members("kl_divergence")

    @property
    def variant_distance_(self) -> float:
        """Mean distance of the stored rows to their outlying variants, relative to their spread."""
        return self._mean_over_members("variant_distance")

    def _mean_over_members(self, name):
        check_is_fitted(self)
        return getattr(self.net_.module_.scorer, name).mean().item()

    def sample(
        self,
        n_samples: int = 1,
        *,
        kind: Kind = "outlier",
        latent: Literal["auto", "mixture", "own"] = "auto",
        random_state: RandomStateLike = None,
    ) -> Float32Array:
        """Generate new rows: variants of random training rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"outlier"}, default="outlier"
            Kind of the rows. The method has no generator of inliers.
        latent : {"auto", "own"}, default="auto"
            How to generate. There is only the way of the method, "own".
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Each row comes from one of the members, chosen at random.

        Raises
        ------
        ValueError
            If `kind` is not "outlier", or if `latent` is "mixture".
        """
        self._check_sampling(n_samples, kind, latent, ("own",))
        return self._sample(n_samples, kind, random_state)
