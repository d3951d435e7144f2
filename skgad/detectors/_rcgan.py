"""Regularized cycle consistent generative adversarial network."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy import sparse

from .._sklearn_compat import Interval, StrOptions
from ..engine.corruption import replace_some_values
from ..engine.data import sample_as_float
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import EncoderDecoderGame
from ..engine.losses import call_fake, call_real
from ..engine.runtime import warn
from ..networks import build
from ..networks._random import cpu_generators, rand_like, randn_like, random_positions
from ._base import BaseDetector


def uniform_like(x):
    """Draw from U(-1, 1)."""
    return 2 * rand_like(x) - 1


#: Takes a generator and a shape, and returns draws of this shape.
Penalty = Callable[[torch.Generator, tuple[int, int]], ArrayLike | torch.Tensor]

#: Penalty distributions with a name, drawn on the device of the rows.
PENALTIES = {"normal": randn_like, "uniform": uniform_like}


class RCGANGame(EncoderDecoderGame):
    """The game of RCGAN: one of two discriminators also sees rows of a penalty distribution."""

    players = {"discriminator": ("d_xz", "d_xx"), "generator": ("encoder", "decoder")}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        latent_dim, size = self.latent_dim, self.penalty_size
        if self.penalty == "replaced" and size is not None:
            raise ValueError(
                f"penalty='replaced' changes rows of each mini-batch, but penalty_size={size} "
                "draws all rows before the training. Set penalty_size=None."
            )
        self.encoder = build(networks, "encoder", "encoder", n_features, latent_dim)
        self.decoder = build(networks, "decoder", "decoder", latent_dim, n_features)
        self.d_xz = build(networks, "d_xz", "discriminator", n_features, latent_dim)
        self.d_xx = build(networks, "d_xx", "discriminator", n_features, n_features)
        fixed = None if size is None else self.draw_penalty(torch.empty(size, n_features))
        self.register_buffer("fixed_penalty", fixed)

    @classmethod
    def inspect(cls, table, params):
        """Warn if the features are far from the scale of the penalty."""
        if params["penalty"] == "replaced":
            return {}
        X, scale = sample_as_float(table), params["penalty_scale"]
        sum_of_squares = (
            X.multiply(X).sum() if sparse.issparse(X) else np.einsum("ij,ij->", X, X, dtype=float)
        )
        rms = np.sqrt(sum_of_squares / X.shape[0] / X.shape[1])
        if not 0.1 <= rms / scale <= 10:
            warn(
                f"The root mean square of the features is {rms:.2g}, but that of the penalty is "
                f"about {scale:.2g}, so the penalty has no effect near the rows. Set "
                "encoding='standard', scale the features, for example with StandardScaler, or set "
                "penalty_scale."
            )
        return {}

    def play(self, x, labels=None):
        E, G, D_xz, D_xx = self.encoder, self.decoder, self.d_xz, self.d_xx
        z, t = self.sample_latent(x), self.sample_penalty(x)
        z_x, x_z, z_t = E(x), G(z), E(t)
        x_hat = G(z_x)

        real_xz, fake_xz = D_xz.judge((x, z_x), (x_z, z))
        real_xx, fake_xx = D_xx.judge((x, x), (x, x_hat))
        loss = call_real(real_xz) + call_fake(fake_xz) + call_real(real_xx) + call_fake(fake_xx)
        yield "discriminator", loss + self.penalty_weight * call_fake(D_xz(t, z_t))

        real_xz, fake_xz = D_xz.judge((x, z_x), (x_z, z))
        loss = call_fake(real_xz) + call_real(fake_xz) + call_real(D_xx(x, x_hat))
        if self.penalize_encoder:
            loss = loss + self.penalty_weight * call_real(D_xz(t, z_t))
        yield "generator", loss

    def sample_penalty(self, x):
        """Draw one row of the penalty distribution for each row of ``x``."""
        if self.penalty == "replaced":
            return replace_some_values(x)
        if self.fixed_penalty is not None:
            rows = random_positions(self.penalty_size, x.shape[:-1], x.device)
            return self.fixed_penalty.take_along_dim(rows[..., None], dim=-2)
        return self.draw_penalty(x)

    def draw_penalty(self, x):
        """Draw one new row of the penalty distribution for each row of ``x``."""
        if isinstance(self.penalty, str):
            return self.penalty_scale * PENALTIES[self.penalty](x)
        if not self.leading_shape:
            return self.call_penalty(tuple(x.shape), torch.default_generator).to(x)
        generators = cpu_generators(len(x))
        return torch.stack([self.call_penalty(tuple(x.shape[1:]), g) for g in generators]).to(x)

    def call_penalty(self, shape, generator):
        """Draw the rows of one member with the function of the user, on the CPU."""
        t = torch.as_tensor(self.penalty(generator, shape), dtype=torch.float32)
        if t.shape != shape:
            raise ValueError(
                f"penalty(generator, shape) was called with shape={shape}, but it returned an "
                f"array of shape {tuple(t.shape)}. Return an array of the shape that is passed."
            )
        return self.penalty_scale * t

    def score(self, x):
        f, x_hat = self.d_xx.features, self.reconstruct(x)
        match self.score_type:
            case "discriminator":
                return -self.d_xx(x, x_hat)
            case "features":
                return (f(x, x) - f(x, x_hat)).norm(dim=-1)
            case _:  # "combined", and until a score has been learned from the training rows
                features = (f(x, x) - f(x, x_hat)).norm(dim=-1)
                return (features * (x - x_hat).norm(dim=-1)).sqrt()

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).abs().mean()


class RCGAN(BaseDetector):
    r"""Regularized cycle consistent generative adversarial network (RCGAN) [1]_.

    RCGAN trains an encoder and a decoder against two discriminators, one of which also learns to
    call noise fake, and scores a row by comparing it with its reconstruction.

    The noise is a *penalty distribution* over a wide range, from which rows :math:`t` are drawn. It
    is not a model of anomalies. Each discriminator sees pairs, and learns to tell a real pair from
    fake ones:

    .. math::

        D_{xz}:\; (x, E(x)) \text{ against } (G(z), z) \text{ and against } (t, E(t)), \qquad
        D_{xx}:\; (x, x) \text{ against } (x, G(E(x))).

    Here, :math:`E` is the encoder, :math:`G` is the decoder, and :math:`z \sim N(0, I)`. The
    discriminators minimize the cross-entropy of real and fake pairs. Encoder and decoder minimize
    it with real and fake exchanged, and without the term of :math:`t`. Let :math:`q` be the density
    of the normal rows, and :math:`t` also the density of the penalty. By theorem 1 of the paper,
    with the best discriminator, the best generator generates rows with the density

    .. math:: p = \max(0, \beta q - t), \qquad 1 \le \beta \le 2 .

    It is zero where normal rows are rare.

    The anomaly score of equation (11) is :math:`1 - \sigma(D_{xx}(x, \hat x))` with the logits
    :math:`D_{xx}` and :math:`\hat x = G(E(x))`. The default score is learned from the training rows
    instead.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`), which brings them to the scale of the
    penalty. With ``encoding=None``, scale the features to it, for example with StandardScaler. See
    the :ref:`user guide <rcgan>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code.

    penalty : {"normal", "uniform", "replaced"} or callable, default="normal"
        Penalty distribution. "normal" is :math:`N(0, I)`, as in the paper. "uniform" is
        :math:`U(-1, 1)`. "replaced", which is not from the paper, are the rows of the mini-batch
        with a random share of their values taken from other rows, so that it is near the rows and
        has only values that the table has; `penalty_scale` does not apply. A callable
        ``penalty(generator, shape)`` takes a :class:`torch.Generator` on the CPU and a shape, and
        returns an array of draws.

    penalty_scale : float, default=1.0
        Factor by which the draws are multiplied. ``2 ** 0.5`` gives the :math:`N(0, 2I)` of the
        paper.

    penalty_weight : float, default=1.0
        Weight of the term of :math:`t`. The paper has 1. 0 is its ablation without :math:`t`.

    penalty_size : int or None, default=None
        None draws the penalty anew for each mini-batch. An int draws that many rows once before the
        training, from which the mini-batches are taken. The paper does not say which it does.

    penalize_encoder : bool, default=False
        Whether the encoder also minimizes the term of :math:`t`, with real and fake exchanged. The
        min-max problem of the paper, taken literally, includes it. The encoder then works to make
        noise pass for normal.

    score_type : {"auto", "combined", "discriminator", "features"} or str, default="auto"
        Anomaly score. "discriminator" is :math:`-D_{xx}(x, \hat x)`. It ranks as equation (11),
        without ties where the sigmoid saturates. "features" is the Euclidean distance between the
        activations of the last hidden layer of :math:`D_{xx}`, equation (12). "combined" is the
        geometric mean of "features" and :math:`\lVert x - \hat x \rVert`, as in :class:`ALAD`; it
        is not from the paper. (A parameter called `score` would hide the method of that name from
        scikit-learn.)
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. "auto" is
        "mahalanobis+neighbors+density", and "combined" for images and for more than 1,024
        columns.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    Warns
    -----
    UserWarning
        If the features, as the networks see them, are far from the scale of the penalty. Encoded
        columns are not, unless `penalty_scale` is.

    See Also
    --------
    ALAD : Has a discriminator of codes instead of the penalty.

    Notes
    -----
    The discriminators that `networks` builds are of the class
    :class:`skgad.networks.Discriminator`, which computes the features.

    The columns are encoded, four members are trained together, and the default score is learned
    from the training rows. None of this is from the paper. ``RCGAN(encoding=None, n_members=1,
    score_type="discriminator")`` takes the columns as they are, trains once, and has the score of
    equation (11).

    No code of the authors is known. What the paper leaves open is resolved as follows:

    - The loss of encoder and decoder exchanges the labels, as in ALAD, whose setup the paper says
      it follows.
    - The moving average of the weights, the networks and the training are those of :class:`ALAD`.
      The paper does not specify networks for tables.
    - ``contamination="auto"`` is the common rule of this package. The boundary
      :math:`\sigma(D_{xx}) = 1/2` flags nearly all rows, including inliers. See the user guide.
    - The penalty distribution is not a generator of outliers, as the paper emphasizes.
      ``sample(kind="outlier")`` therefore raises an error.

    References
    ----------
    .. [1] Z. Yang, I. Soltani Bozchalooi and E. Darve. "Regularized Cycle Consistent Generative
       Adversarial Network for Anomaly Detection". ECAI 2020, equations 4 and 9 to 12.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skgad import RCGAN
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> detector = RCGAN(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    >>> detector.sample(5, random_state=0).shape
    (5, 2)
    """

    game_class = RCGANGame
    own_score = "combined"

    latent_dim: int = 32
    n_members: int = 4
    auto_steps: int = 500
    penalty: Penalty | Literal["normal", "uniform", "replaced"] = "normal"
    penalty_scale: float = 1.0
    penalty_weight: float = 1.0
    penalty_size: int | None = None
    penalize_encoder: bool = False
    score_type: Literal["auto", "combined", "discriminator", "features"] | FinishedScore = "auto"
    ema_decay: float | None = 0.99
    lr: float = 2e-3

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "penalty": [StrOptions({"replaced", *PENALTIES}), callable],
        "penalty_scale": [Interval(Real, 0, None, closed="neither")],
        "penalty_weight": [Interval(Real, 0, None, closed="left")],
        "penalty_size": [Interval(Integral, 1, None, closed="left"), None],
        "penalize_encoder": ["boolean"],
        "score_type": [
            StrOptions({"auto", "combined", "discriminator", "features", *FINISHED_SCORES})
        ],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
