"""Regularized cycle consistent generative adversarial network."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse

from .._sklearn_compat import Interval, StrOptions
from ..engine.data import sample_as_float
from ..engine.game import EncoderDecoderGame
from ..engine.losses import call_fake, call_real
from ..engine.parameters import detector_parameters
from ..engine.runtime import warn
from ..networks import build
from ._base import BaseDetector


def normal(generator, shape):
    """Draw from N(0, I)."""
    return torch.randn(shape, generator=generator)


def uniform(generator, shape):
    """Draw from U(-1, 1)."""
    return 2 * torch.rand(shape, generator=generator) - 1


#: Draws numbers of a shape with a generator.
Penalty = Callable[[torch.Generator, tuple[int, int]], ArrayLike | torch.Tensor]

PENALTIES = {"normal": normal, "uniform": uniform}


class RCGANGame(EncoderDecoderGame):
    """The game of RCGAN: two discriminators, one of which also sees rows of pure noise."""

    players = {"discriminator": ("d_xz", "d_xx"), "generator": ("encoder", "decoder")}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim, size = self.latent_dim, self.penalty_size
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.d_xz = build(networks, "d_xz", "discriminator", n_features, latent_dim)
        self.d_xx = build(networks, "d_xx", "discriminator", n_features, n_features)
        fixed = None if size is None else self.draw_penalty(size, n_features)
        self.register_buffer("fixed_penalty", fixed)

    @classmethod
    def inspect(cls, table, params):
        """Warn if the penalty distribution is far from the scale of the features."""
        X, scale = sample_as_float(table), params["penalty_scale"]
        squares = (
            X.multiply(X).sum() if sparse.issparse(X) else np.einsum("ij,ij->", X, X, dtype=float)
        )
        size = np.sqrt(squares / X.shape[0] / X.shape[1])
        if not 0.1 <= size / scale <= 10:
            warn(
                f"The root mean square of the features is {size:.2g}, but that of the penalty "
                f"is about {scale:.2g}, so the penalty has no effect near the rows. Scale the "
                "features, for example with StandardScaler, or set penalty_scale."
            )
        return {}

    def play(self, x, labels=None):
        E, G, weight = self.encoder, self.decoder, self.penalty_weight
        z, t = self.sample_latent(x), self.sample_penalty(x)
        z_x, x_z, z_t = E(x), G(z), E(t)
        x_hat = G(z_x)

        encoded, generated = self.d_xz.judge((x, z_x), (x_z, z))
        same, other = self.d_xx.judge((x, x), (x, x_hat))
        loss = call_real(encoded) + call_fake(generated) + call_real(same) + call_fake(other)
        yield "discriminator", loss + weight * call_fake(self.d_xz(t, z_t))

        encoded, generated = self.d_xz.judge((x, z_x), (x_z, z))
        loss = call_fake(encoded) + call_real(generated) + call_real(self.d_xx(x, x_hat))
        if self.penalize_encoder:
            loss = loss + weight * call_real(self.d_xz(t, z_t))
        yield "generator", loss

    def sample_penalty(self, x):
        """Draw one row of the penalty distribution for each row of ``x``."""
        if self.fixed_penalty is None:
            return self.draw_penalty(len(x), x.shape[-1]).to(x)
        return self.fixed_penalty[torch.randint(len(self.fixed_penalty), (len(x),))]

    def draw_penalty(self, *shape):
        """New rows of the penalty distribution, on the CPU."""
        draw = PENALTIES[self.penalty] if isinstance(self.penalty, str) else self.penalty
        t = torch.as_tensor(draw(torch.default_generator, shape), dtype=torch.float32)
        if t.shape != shape:
            raise ValueError(f"penalty was asked for shape {shape} and gave {tuple(t.shape)}.")
        return self.penalty_scale * t

    def score(self, x):
        D, x_hat = self.d_xx, self.reconstruct(x)
        if self.score_type == "discriminator":
            return -D(x, x_hat)
        features = (D.features(x, x) - D.features(x, x_hat)).norm(dim=-1)
        if self.score_type == "features":
            return features
        return (features * (x - x_hat).norm(dim=-1)).sqrt()

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).abs().mean()


@detector_parameters
class RCGAN(BaseDetector):
    r"""Regularized cycle consistent generative adversarial network (RCGAN) [1]_.

    An encoder :math:`E` and a decoder :math:`G` play against two discriminators of pairs,
    whose logits are :math:`D`. One of them also sees rows :math:`t` of a penalty distribution,
    which is noise over a wide range and no model of anomalies. With :math:`z \sim N(0, I)`,

    .. math::

        D_{xz}:\; (x, E(x)) \text{ against } (G(z), z) \text{ and against } (t, E(t)), \qquad
        D_{xx}:\; (x, x) \text{ against } (x, G(E(x))).

    The discriminators descend the cross-entropy of telling the first kind from the others,
    encoder and decoder the same with the kinds exchanged and without the term of :math:`t`. With
    the best discriminator, the density :math:`q` of the normal rows and that of the penalty,
    also called :math:`t`, the best generator makes rows of density

    .. math:: p = \max(0, \beta q - t), \qquad 1 \le \beta \le 2

    (theorem 1): it drops where the normal rows are rare. The anomaly score of a row is, by
    equation (11), :math:`1 - \sigma(D_{xx}(x, G(E(x))))`; the default combines the distances of
    features and rows, which rank better on the development sets (:ref:`rcgan`).

    Train it on rows that are all or nearly all normal, and scale the features to the scale of
    the penalty, for example with StandardScaler. See the :ref:`user guide <rcgan>`.

    Parameters
    ----------
    latent_dim : int, default=64
        Number of dimensions of a code.

    penalty : {"normal", "uniform"} or callable, default="normal"
        Penalty distribution: :math:`N(0, I)` as in the paper, :math:`U(-1, 1)`, or a function
        ``penalty(generator, shape)`` of a :class:`torch.Generator` of the CPU and a shape that
        returns the draws.

    penalty_scale : float, default=1.0
        Factor of the draws. The paper's :math:`N(0, 2I)` has ``2 ** 0.5``.

    penalty_weight : float, default=1.0
        Weight of the penalty's term. The paper has 1; 0 is its ablation without :math:`t`.

    penalty_size : int or None, default=None
        None draws the penalty anew for each mini-batch. An int draws as many rows once, before
        the training, and takes the mini-batches from them. The paper does not say which.

    penalize_encoder : bool, default=False
        Whether the encoder descends the term of :math:`t`, too, with the kinds exchanged. The
        min-max problem of the paper says so to the letter; it makes the encoder work for noise
        to be taken for normal.

    score_type : {"combined", "discriminator", "features"}, default="combined"
        Anomaly score: "discriminator" is :math:`-D_{xx}(x, \hat x)`, in the order of equation
        (11) but without its ties where the sigmoid saturates; "features" is the Euclidean distance
        of the last hidden layers of :math:`D_{xx}`, equation (12); "combined", as in :class:`ALAD`
        and not from the paper, is the geometric mean of "features" and :math:`\lVert x - \hat x
        \rVert`. (A parameter called `score` would hide the method of that name from scikit-learn.)

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    Warns
    -----
    UserWarning
        If the features are far from the scale of the penalty.

    See Also
    --------
    ALAD : Has a discriminator of codes instead of the penalty.

    Notes
    -----
    No code of the authors is known. What the paper leaves open is settled here as follows:

    - The generators' loss is the flipped one, as in ALAD, whose setup the paper says it follows.
    - The moving average of the weights, the networks and the training are those of
      :class:`ALAD`; the paper gives no networks for tables.
    - ``contamination="auto"`` is the common rule of this package. The boundary
      :math:`D_{xx} = 1/2` flags nearly all rows, normal ones as well, see the user guide.
    - The penalty distribution is no generator of outliers, which the paper insists on, so
      ``sample(kind="outlier")`` raises.

    References
    ----------
    .. [1] Z. Yang, I. Soltani Bozchalooi and E. Darve. "Regularized Cycle Consistent Generative
       Adversarial Network for Anomaly Detection". ECAI 2020, equations 4 and 9 to 12.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from sklearn.preprocessing import scale
    >>> from skgad import RCGAN
    >>> X = scale(make_moons(300, noise=0.05, random_state=0)[0])
    >>> detector = RCGAN(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    >>> detector.sample(5, random_state=0).shape
    (5, 2)
    """

    game_class = RCGANGame

    latent_dim: int = 64
    penalty: Penalty | Literal["normal", "uniform"] = "normal"
    penalty_scale: float = 1.0
    penalty_weight: float = 1.0
    penalty_size: int | None = None
    penalize_encoder: bool = False
    score_type: Literal["combined", "discriminator", "features"] = "combined"
    ema_decay: float | None = 0.99
    lr: float = 2e-3

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "penalty": [StrOptions(set(PENALTIES)), callable],
        "penalty_scale": [Interval(Real, 0, None, closed="neither")],
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "penalty_size": [Interval(Integral, 1, None, closed="left"), None],
        "penalize_encoder": ["boolean"],
        "score_type": [StrOptions({"combined", "discriminator", "features"})],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
