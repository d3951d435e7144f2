"""Adversarial reconstruction network."""

from functools import partial
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted
from torch.distributions import Gumbel
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    gumbel_softmax,
    one_hot,
    softplus,
)

from .._sklearn_compat import Interval, StrOptions
from ..engine.data import sample_as_float
from ..engine.game import Game
from ..engine.parameters import detector_parameters
from ..engine.runtime import warn
from ..networks import build
from ._base import LabelledDetector

#: Draws of which the nearest outlier of a row is taken.
N_DRAWS = 16

#: Lowest temperature of the Gumbel softmax: below it the gradients vanish or overflow.
COLDEST = 0.1

#: Bound of the logarithm of a variance of the codes, to both sides.
LOG_VAR = 10.0

#: Mini-batches after which codes that say nothing are no longer those of fresh networks.
TRAINED = 100

#: Stands for a spread of zero.
EPS = 1e-12

cross_entropy = partial(binary_cross_entropy_with_logits, reduction="none")


class ARNGame(Game):
    """The game of ARN: a generator draws variants of rows, a discriminator tells them apart."""

    players = {"discriminator": ("discriminator",), "generator": ("encoder", "decoder")}
    groups = ()

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim = self.latent_dim
        self.groups = [list(group) for group in self.groups]
        self.encoder = build(networks, "encoder", "encoder", n_features, 2 * latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.discriminator = build(networks, "discriminator", "discriminator", n_features)
        is_number = torch.ones(n_features)
        is_number[[column for group in self.groups for column in group]] = 0
        self.register_buffer("is_number", is_number)
        self.register_buffer("moments", torch.zeros(2, n_features))
        self.register_buffer("n_batches", torch.tensor(0))
        self.register_buffer("reservoir", torch.zeros(self.reservoir_size, n_features))
        self.register_buffer("code_noise", torch.randn(N_DRAWS, 1, latent_dim))
        self.register_buffer("number_noise", torch.randn(N_DRAWS, 1, n_features))
        self.register_buffer("choice_noise", Gumbel(0.0, 1.0).sample((N_DRAWS, 1, n_features)))
        self.register_buffer("divergence_of_codes", torch.tensor(0.0))
        self.register_buffer("spread_of_variants", torch.tensor(0.0))
        self.register_buffer("distance_of_variants", torch.tensor(0.0))

    @classmethod
    def inspect(cls, table, params):
        """Find the columns of each attribute that is drawn as a category."""
        if params["categorical"] == "relaxed":
            return {}
        groups = params["categorical_groups"]
        groups = find_groups(sample_as_float(table)) if groups == "infer" else groups
        if not groups:
            warn(
                "categorical='gumbel' has no effect: there are no categorical_groups, or no "
                "neighboring columns of zeros and ones that sum to one in every row. Encode "
                "categories with a OneHotEncoder, and do not standardize them."
            )
        return {"groups": groups or ()}

    def play(self, x, labels=None):
        D = self.discriminator
        y = torch.ones_like(x[:, 0]) if labels is None else (labels >= 0).to(x)  # 1 is normal
        self.update_moments(x[y == 1])
        mean, log_var = self.posterior(x)
        z = mean + (log_var / 2).exp() * torch.randn_like(mean)
        x_z, x_v = self.vary(z)
        x_v = torch.where(y[:, None] == 1, x_v, x_z)  # noise makes nothing normal

        real, variant = D.judge((x,), (x_v,))
        yield (
            "discriminator",
            mean_of_classes(cross_entropy(real, self.noisy(y)), y)
            + self.mean_of_variants(cross_entropy(variant, self.noisy(1 - y)), y),
        )

        wanted = y if self.objective == "adversarial" else 1 - y
        kl = self.divergence(mean, log_var).clamp(min=self.free_bits).sum(-1)
        loss = (
            self.adversarial_weight * cross_entropy(D(x_v), wanted)
            + self.reconstruction_weight * (x - x_z).square().mean(-1)
            + self.kl_factor() * kl / x.shape[-1]
        )
        yield "generator", self.mean_of_variants(loss, y)

    def mean_of_variants(self, loss, y):
        """Mean over the rows whose variants are in the game, class by class."""
        return (
            mean_of_classes(loss, y) if self.supervised_players == "both" else loss[y == 1].mean()
        )

    def posterior(self, x):
        """Mean and logarithm of the variance of each row's code."""
        mean, log_var = self.encoder(x).chunk(2, dim=-1)
        return mean, log_var.clamp(-LOG_VAR, LOG_VAR)

    def divergence(self, mean, log_var):
        """KL divergence from N(0, I) in each dimension of the codes, in nats."""
        return (mean.square() + log_var.exp() - 1 - log_var) / 2

    def information(self, x):
        """KL divergence of each row's code; shape (batch_size,)."""
        return self.divergence(*self.posterior(x)).sum(-1)

    def kl_factor(self):
        """Weight of the divergence in this mini-batch."""
        if self.kl_schedule == "constant":
            return self.kl_weight
        return self.kl_weight * self.annealing**self.n_batches

    def noisy(self, y):
        """Targets that are moved, and some of them exchanged, the less the longer it plays."""
        noise = self.label_noise * self.label_noise_decay**self.n_batches
        moved = y + (1 - 2 * y) * noise * torch.rand_like(y)
        return torch.where(torch.rand_like(y) < noise, 1 - moved, moved)

    @torch.no_grad()
    def update_moments(self, x):
        """Average the moments of the columns, whose standard deviation is the noise's unit."""
        if self.training:
            self.n_batches += 1
            moments = torch.stack([x.mean(0), x.square().mean(0)])
            self.moments.lerp_(moments, (1 / self.n_batches).clamp(min=0.001))

    def unit(self):
        """Standard deviation of each column that holds numbers."""
        mean, mean_square = self.moments
        return self.is_number * (mean_square - mean.square()).clamp(min=0).sqrt()

    def decode(self, z, choose):
        """Decode, and have ``choose`` make values of the logits of each group of columns."""
        x = self.decoder(z.flatten(0, -2)).unflatten(0, z.shape[:-1])
        values = x.sigmoid() if self.output_activation == "sigmoid" else x
        if self.groups:
            values = values.clone()
            for group in self.groups:
                values[..., group] = choose(x[..., group], group)
        return values

    def vary(self, z):
        """Draw a variant for each code: first without the noise of the numbers, then with it."""
        temperature = max(COLDEST, self.annealing ** self.n_batches.item())
        x_z = self.decode(z, lambda logits, _: gumbel_softmax(logits, temperature, hard=True))
        scale = self.noise_scale * torch.rand_like(z[..., :1])
        return x_z, x_z + scale * self.unit() * torch.randn_like(x_z)

    def encode(self, x):
        return self.posterior(x)[0]

    def expect(self, x):
        """Variant of each row without chance: from the mean code, with probabilities."""
        return self.decode(self.encode(x), lambda logits, _: logits.softmax(-1))

    def reconstruct(self, x):
        return self.decode(self.encode(x), lambda logits, _: likeliest(logits))

    def reconstruct_as_outlier(self, x):
        """Of draws whose noise is the same for all rows, the nearest that is called an outlier."""
        mean, log_var = self.posterior(x)
        z = mean + (log_var / 2).exp() * self.code_noise
        x_v = self.decode(z, lambda logits, g: likeliest(logits + self.choice_noise[..., g]))
        scale = torch.linspace(0, self.noise_scale, N_DRAWS).to(x)[:, None, None]
        x_v = x_v + scale * self.unit() * self.number_noise
        logits = self.discriminator(x_v.flatten(0, 1)).unflatten(0, x_v.shape[:-1])
        distances = (x - x_v).norm(dim=-1).where(logits < 0, torch.inf)
        nearest = distances.argmin(0).where(distances.isfinite().any(0), logits.argmin(0))
        return x_v[nearest, torch.arange(len(x))]

    def sample_outliers(self, n_samples, device):
        rows = torch.randint(len(self.reservoir), (n_samples,)).to(device)
        mean, log_var = self.posterior(self.reservoir[rows])
        z = mean + (log_var / 2).exp() * torch.randn(mean.shape).to(device)
        return self.vary(z)[1]

    def finalize(self, apply, labels):
        """Keep training rows to vary, and measure the codes and the variants of them."""
        rows = np.flatnonzero(labels != -1)
        rows = rows[np.linspace(0, len(rows) - 1, len(self.reservoir)).astype(int)]
        x = torch.from_numpy(apply(lambda x: x, rows))
        variants = torch.from_numpy(apply(self.expect, rows))
        outliers = torch.from_numpy(apply(self.reconstruct_as_outlier, rows))
        self.reservoir.copy_(x)
        self.divergence_of_codes.copy_(torch.from_numpy(apply(self.information, rows)).mean())
        variances = [rows.var(0, correction=0).sum() for rows in (variants, x)]
        self.spread_of_variants.copy_(variances[0] / variances[1].clamp(min=EPS))
        spread = (x - x.mean(0)).norm(dim=-1).mean()
        self.distance_of_variants.copy_((x - outliers).norm(dim=-1).mean() / spread.clamp(min=EPS))
        self.warn_of_collapse()

    def warn_of_collapse(self):
        """Warn if the codes carry no information about the rows."""
        spread, kl = self.spread_of_variants.item(), self.divergence_of_codes.item()
        is_trained = self.n_batches >= TRAINED
        if is_trained and spread < 0.01 and kl < self.free_bits * self.latent_dim + 0.1:
            warn(
                f"The codes collapsed to the prior: their divergence from it is {kl:.2g} nats, and "
                f"the variance of the reconstructions is {spread:.2g} times that of the rows. "
                "Decrease kl_weight, or increase free_bits.",
                ConvergenceWarning,
            )

    def score(self, x):
        if self.score_type == "discriminator":
            return -self.discriminator(x)
        residual = (x - self.expect(x)).norm(dim=-1)
        if self.score_type == "reconstruction":
            return residual
        return (residual * softplus(-self.discriminator(x))).sqrt()

    @property
    def boundary(self):
        """The discriminator at one half."""
        return torch.tensor(0.0) if self.score_type == "discriminator" else None

    def validation_loss(self, x):
        return (x - self.expect(x)).square().mean()


def mean_of_classes(loss, y):
    """Mean over the normal rows, plus that over the known outliers where there are some."""
    is_normal = y == 1
    if is_normal.all():
        return loss.mean()
    return loss[is_normal].mean() + loss[~is_normal].mean()


def likeliest(logits):
    """One-hot row of the largest logit."""
    return one_hot(logits.argmax(-1), logits.shape[-1]).to(logits)


def find_groups(X):
    """Runs of neighbouring columns of zeros and ones, of which every row has a single one."""

    def batches():
        for rows in (X[batch] for batch in gen_batches(X.shape[0], 1000)):
            yield rows.toarray() if sparse.issparse(rows) else np.asarray(rows)

    is_binary = np.all([np.isin(rows, (0, 1)).all(axis=0) for rows in batches()], axis=0)
    ones = sum(np.where(is_binary, rows, 0).sum(axis=0, dtype=float) for rows in batches())
    up_to = np.cumsum(ones)
    runs = []
    for start in np.flatnonzero(ones):
        total = up_to[start] - ones[start] + X.shape[0]  # what it is at the end of a group
        end = np.searchsorted(up_to, total) + 1
        is_run = 1 < end - start <= len(ones) - start and up_to[end - 1] == total
        if is_run and is_binary[start:end].all():
            runs.append(range(start, end))
    is_group = np.all(
        [[(rows[:, run].sum(axis=1) == 1).all() for run in runs] for rows in batches()], axis=0
    )
    groups, taken = [], set()
    for run in (run for run, yes in zip(runs, is_group, strict=True) if yes):
        if taken.isdisjoint(run):
            groups.append(tuple(map(int, run)))
            taken.update(run)
    return groups


@detector_parameters
class ARN(LabelledDetector):
    r"""Adversarial reconstruction network (ARN) [1]_.

    The generator is a variational autoencoder. It makes of each row :math:`x` a code
    :math:`z \sim q(z | x) = N(\mu(x), \operatorname{diag} \sigma^2(x))`, and of the code a
    variant :math:`\tilde x` of the row. The discriminator :math:`p(y | x)` learns that
    rows are normal, :math:`y = 0`, and variants are not: it descends

    .. math:: L_D = - \log p(0 | x) - \log p(1 | \tilde x) ,

    while the generator wants variants that are near their rows and pass for normal:

    .. math::

        L_G = - \alpha \log p(0 | \tilde x) + \frac{\gamma}{d} \lVert x - \tilde x \rVert^2
              + \frac{\beta}{d} \operatorname{KL}[q(z | x) \,\Vert\, N(0, I)]

    in :math:`d` columns (equations 2 and 3 of the paper); the square is that of the variant before
    noise is added to its numbers. The discriminator is the detector, with
    the anomaly score :math:`- \log p(0 | x)`; here the distance of a row to its
    reconstruction, which is learned anyway, joins it.

    The discriminator also learns that known outliers are not normal, and with
    ``supervised_players="both"`` that their variants are, which the generator opposes (equation 4).
    Train it on rows that are all or nearly all normal but for those, with scaled features. See the
    :ref:`user guide <arn>`.

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    adversarial_weight : float, default=0.01
        Weight :math:`\alpha` of passing for normal.

    reconstruction_weight : float, default=1.0
        Weight :math:`\gamma` of being near the row.

    kl_weight : float, default=0.01
        Weight :math:`\beta` of the divergence. Where it is too large the codes collapse to the
        prior, and the variants no longer depend on the rows: `fit` warns of it. 0 is the
        ablation "-KLD" of the paper, in which the codes are still drawn.

    kl_schedule : {"constant", "annealed"}, default="constant"
        Whether `kl_weight` is multiplied by `annealing` in each mini-batch.

    free_bits : float, default=0.0
        Divergence, in nats, that each dimension of the codes may have at no cost.

    noise_scale : float, default=2.0
        The numbers of a variant are drawn from normal distributions around what is decoded. Their
        standard deviation is that of the column times a factor, which is drawn for each variant
        between 0 and `noise_scale`. 0 leaves the numbers as they are decoded.

    label_noise : float, default=0.3
        Noise of the discriminator's targets: each is moved towards the other by up to this, and
        this share of them is exchanged.

    label_noise_decay : float, default=0.9995
        Factor of `label_noise` in each mini-batch.

    categorical : {"relaxed", "gumbel"}, default="relaxed"
        How one-hot columns are generated: "relaxed" like any number (ARN\ :sup:`N`), "gumbel"
        by a draw of one category for each attribute, through whose straight-through
        Gumbel softmax the gradients pass (ARN\ :sup:`G`).

    categorical_groups : "infer", list of tuples or None, default="infer"
        Which columns are an attribute for "gumbel": positions or names. "infer" finds runs of
        neighbouring columns of zeros and ones that sum to one in every training row. None is none.

    annealing : float, default=0.9995
        Factor of the temperature of the Gumbel softmax, from 1 to 0.1, and of an annealed
        `kl_weight`, in each mini-batch.

    output_activation : {"identity", "sigmoid"}, default="identity"
        What the decoder's outputs go through outside of the `categorical_groups_`: "sigmoid" for
        columns that are scaled to between 0 and 1.

    objective : {"adversarial", "elbo"}, default="adversarial"
        "elbo" is the co-operative equation 1: the generator wants variants that are told apart.

    supervised_players : {"discriminator", "both"}, default="discriminator"
        Who learns from known outliers. "both" is equation 4 of the paper; as the generator then
        learns to decode them, their distance to their reconstruction falls.

    reservoir_size : int, default=1000
        Number of training rows that are kept to make variants of in :meth:`sample`.

    score_type : {"combined", "discriminator", "reconstruction"}, default="combined"
        Anomaly score: "discriminator" is the opposite of its logit, in the order of
        :math:`-\log p(0 | x)`; "reconstruction" is the distance
        :math:`\lVert x - \hat x \rVert` to what is decoded from :math:`\mu(x)`; "combined", not
        from the paper, is the geometric mean of :math:`-\log p(0 | x)` and that distance.

    {shared_parameters}

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        For each training row what `labels` say of it, or else the decision: -1 for outliers,
        1 for inliers.

    categorical_groups_ : list of tuple of int
        Positions of the columns of each attribute that is drawn as a category.

    kl_divergence_ : float
        Mean divergence of the codes of the rows that were kept from the prior, in nats.

    variant_distance_ : float
        Mean distance of these rows to their variants of ``reconstruct(X, kind="outlier")``,
        in units of their mean distance to their mean.

    {shared_attributes}

    See Also
    --------
    WALDO : Its outlier decoder learns from known or likely outliers.
    ALAD : Its discriminators see pairs of a row and its reconstruction.

    Notes
    -----
    Deviations from the paper and from the code that its authors released, and what they leave open:

    - The numbers of a variant are drawn, as the paper says; the released code does not. Without
      that noise variants are on most tables rows with a little less spread, and the
      discriminator tends to take extreme rows for normal ones. The scale of the noise is ours.
    - Layers are normalised with nothing or as `networks` has it. In the released code
      batch-norm scores each row by the statistics of its test batch, and the test batches are
      sorted by label: :ref:`published`.
    - The divergence is the Gaussian one; the code has one of another form, whose minimum is 1/2.
      It and the squared error are divided by the number of columns, so that the weights
      mean the same in tables of any width.
    - In the code the factor 0.01 is that of passing for normal, in the paper of the squared error.
    - For equation 4 the signs are those of equation 3 with the class of the row for normal;
      the printed ones do not fit each other. The variants of known outliers, which are to pass
      for normal, are drawn without the noise, and the mean loss of these rows is added to
      that of the others, however few they are. The code has no such game.
    - "elbo" lets both players descend the same objective in turn. (The released code never clears
      its gradients there.)
    - Both moves of a mini-batch use the same draws, and Adam the same learning rate.
    - Layers, weights, `noise_scale` and `score_type` are chosen on development data.

    There is no ``sample(kind="inlier")``: the method has no generator of normal rows.
    ``reconstruct(X)`` is what is decoded from the mean code, with the likeliest categories;
    ``reconstruct(X, kind="outlier")`` makes 16 draws, with the same noise for all rows, and takes
    the nearest one that the discriminator calls an outlier, or the most abnormal one if
    there is none. With several members reconstructions are averages, whose categories may mix.

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

    latent_dim: int = 32
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
    reservoir_size: int = 1000
    score_type: Literal["combined", "discriminator", "reconstruction"] = "combined"

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
        "reservoir_size": [Interval(Integral, 1, None, closed="left")],
        "score_type": [StrOptions({"combined", "discriminator", "reconstruction"})],
    }

    auto_threshold: ClassVar[str] = (
        'is the discriminator at one half with ``score_type="discriminator"``, else 0.05'
    )

    def game_params(self):
        params, groups = super().game_params(), self.categorical_groups
        if self.categorical == "gumbel" and isinstance(groups, list):
            params["categorical_groups"] = self._column_positions(groups)
        return params

    def _column_positions(self, categorical_groups):
        """Positions of the columns of each attribute."""
        n_features = self.n_features_in_
        names = [*getattr(self, "feature_names_in_", range(n_features))]
        groups = []
        for group in categorical_groups:
            if not isinstance(group, (tuple, list)):
                raise ValueError(
                    "categorical_groups must be a list of tuples, one for each attribute, but one "
                    f"of its members is {group!r}."
                )
            missing = [c for c in group if c not in names and c not in range(n_features)]
            if missing:
                raise ValueError(
                    f"categorical_groups has {missing[0]!r}, which is no column: there are "
                    f"{n_features} columns. Give positions, or names of columns of a frame."
                )
            groups.append(tuple(names.index(c) if c in names else int(c) for c in group))
        columns = [column for group in groups for column in group]
        if len(columns) > len(set(columns)) or any(len(group) < 2 for group in groups):
            raise ValueError(
                "Each of the categorical_groups must have two or more columns, and no column may "
                f"be in two of them or twice in one, got {self.categorical_groups!r}."
            )
        return groups

    def _mean_of_members(self, name):
        check_is_fitted(self)
        return float(np.mean([getattr(game, name).item() for game in self.net_.module_.scorers]))

    @property
    def categorical_groups_(self) -> list[tuple[int, ...]]:
        """Positions of the columns of each attribute that is drawn as a category."""
        check_is_fitted(self)
        return [tuple(group) for group in self.net_.module_.games[0].groups]

    @property
    def kl_divergence_(self):
        """Mean divergence of the codes from the prior."""
        return self._mean_of_members("divergence_of_codes")

    @property
    def variant_distance_(self):
        """How far the outlying variants are from their rows."""
        return self._mean_of_members("distance_of_variants")

    def sample(self, n_samples=1, *, kind="outlier", random_state=None):
        """Generate new rows: variants of random training rows.

        Parameters
        ----------
        n_samples : int, default=1
            Number of rows. The first rows of a larger sample are those of a smaller one.
        kind : {"outlier"}, default="outlier"
            What to generate. The method has no generator of inliers.
        random_state : int, RandomState instance or None, default=None
            Determines the rows.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features), float32
            Each row comes from one of the members, chosen at random.

        Raises
        ------
        ValueError
            If the method cannot produce this `kind`.
        """
        return self._sample(n_samples, kind, random_state)
