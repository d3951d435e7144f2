"""GANomaly: adversarial training of an encoder, a decoder and a second encoder."""

from numbers import Integral, Real
from typing import ClassVar, Literal

from .._sklearn_compat import Interval, StrOptions
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import EncoderDecoderGame
from ..engine.losses import call_fake, call_real
from ..networks import build
from ._base import BaseDetector


class GANomalyGame(EncoderDecoderGame):
    """The game of GANomaly: a discriminator against an encoder, a decoder and an encoder."""

    players = {
        "generator": ("encoder", "decoder", "second_encoder"),
        "discriminator": ("discriminator",),
    }

    sample = None  # type: ignore[assignment]  # None tells that the game cannot do this.

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        widths = n_features, self.latent_dim
        self.encoder = build(networks, "encoder", "encoder", *widths)
        self.decoder = build(networks, "decoder", "decoder", *widths[::-1])
        self.second_encoder = build(networks, "second_encoder", "encoder", *widths)
        self.discriminator = build(networks, "discriminator", "discriminator", n_features)

    def play(self, x, labels=None):
        D, f = self.discriminator, self.discriminator.features
        z = self.encoder(x)
        x_hat = self.decoder(z)
        z_hat = self.second_encoder(x_hat)
        yield (
            "generator",
            self.adversarial_weight * (f(x) - f(x_hat)).square().mean((-2, -1))
            + self.contextual_weight * (x - x_hat).abs().mean((-2, -1))
            + self.encoder_weight * (z - z_hat).square().mean((-2, -1)),
        )

        real, fake = D.judge((x,), (x_hat,))
        yield "discriminator", (call_real(real) + call_fake(fake)) / 2

    def score(self, x):
        z = self.encoder(x)
        difference = z - self.second_encoder(self.decoder(z))
        return difference.norm(dim=-1) if self.score_type == "l2" else difference.abs().sum(-1)

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).abs().mean()


class GANomaly(BaseDetector):
    r"""GANomaly: an autoencoder with a second encoder, trained adversarially [1]_.

    An encoder :math:`E` and a decoder :math:`G` reconstruct a row as :math:`\hat x = G(E(x))`. A
    second encoder :math:`E'` encodes the reconstruction. The anomaly score compares the two codes:

    .. math:: A(x) = \lVert E(x) - E'(\hat x) \rVert_1 .

    The three networks minimize

    .. math:: w_{adv} \operatorname{mean} (f(x) - f(\hat x))^2
              + w_{con} \operatorname{mean} |x - \hat x|
              + w_{enc} \operatorname{mean} (E(x) - E'(\hat x))^2 ,

    where the means are over rows and columns, and :math:`f` are the features of a discriminator,
    the activations of its last hidden layer. The discriminator learns to tell rows from
    reconstructions. Its logits :math:`D` minimize
    :math:`-\frac12 \operatorname{mean} [\log \sigma(D(x)) + \log(1 - \sigma(D(\hat x)))]`.

    The method has no prior of its codes and does not generate rows, so `sample` raises an error.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide <ganomaly>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of a code. The paper has 100 for images.

    adversarial_weight : float, default=1.0
        Weight :math:`w_{adv}` of the difference between the features.

    contextual_weight : float, default=50.0
        Weight :math:`w_{con}` of the reconstruction error.

    encoder_weight : float, default=1.0
        Weight :math:`w_{enc}` of the difference between the codes. With 0, the second encoder is
        not trained, and the score means nothing.

    score_type : {"l1", "l2", "auto"} or str, default="l1"
        Anomaly score, a norm of the difference between the codes. "l1" is the score of the paper.
        "l2" ranks as the mean square in the code released by its authors.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. "auto" is
        "mahalanobis+neighbors+density", and "l1" for images and for more than 1,024 columns.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    SkipGANomaly : Has skip connections, and compares features of the discriminator.
    ALAD : Has discriminators of pairs, a prior of the codes, and generates rows.
    Autoencoder : The default detector.

    Notes
    -----
    The discriminator that `networks` builds is of the class
    :class:`skgad.networks.Discriminator`, which computes the features.

    As in the code released by the authors, the generator moves first, and the discriminator then
    sees the reconstructions from before this move. The code, and this class, minimize mean squares
    of features and codes, where the paper writes norms.

    Deviations from the paper and from the released code:

    - The released code draws new weights for the discriminator whenever its loss is below 1e-5.
      This class does not. The generator matches features rather than fooling the discriminator, so
      its gradients do not vanish if the discriminator wins, and the loss is computed from logits. A
      reset is not a move of a player either: it would happen outside of the optimizer, whose
      moments belong to the old weights. See the user guide for figures.
    - The released code scales the scores of all test rows to the range from 0 to 1. The order is
      the same, but the score of a row depends on the other rows.
    - The released code keeps the epoch with the best test AUROC, which requires labels. Here, the
      last weights are kept. Early stopping monitors the mean absolute error of the reconstructions
      of held-out rows.
    - The paper has images only. Layers (no batch-norm, leaky ReLUs throughout), learning rate,
      number of epochs, `latent_dim` and `encoding` are chosen for tables.
      ``GANomaly(networks=ConvNet((1, 32, 32), (64, 128, 256), batch_norm=True,
      output_activation="tanh"), latent_dim=100, batch_size=64, lr=2e-4, lr_schedule="constant",
      max_epochs=15)`` is close to the released code for images of 32 x 32 pixels. The betas of
      Adam, 0.5 and 0.999, are those of the paper.

    References
    ----------
    .. [1] S. Akcay, A. Atapour-Abarghouei and T. P. Breckon. "GANomaly: Semi-Supervised Anomaly
       Detection via Adversarial Training". ACCV 2018, equations 1 to 5.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skgad import GANomaly
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> detector = GANomaly(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    """

    game_class = GANomalyGame
    own_score = "l1"

    latent_dim: int = 32
    adversarial_weight: float = 1.0
    contextual_weight: float = 50.0
    encoder_weight: float = 1.0
    score_type: Literal["l1", "l2", "auto"] | FinishedScore = "l1"

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "contextual_weight": [Interval(Real, 0, None, closed="left")],
        "encoder_weight": [Interval(Real, 0, None, closed="left")],
        "score_type": [StrOptions({"l1", "l2", "auto", *FINISHED_SCORES})],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
