"""Skip-GANomaly: adversarial training of an encoder and a decoder with skip connections."""

from numbers import Integral, Real
from typing import ClassVar, Literal

from .._sklearn_compat import Interval, StrOptions
from ..engine.finished import FINISHED_SCORES, FinishedScore
from ..engine.game import Game
from ..engine.losses import call_fake, call_real
from ..networks import build
from ._base import BaseDetector


class SkipGANomalyGame(Game):
    """The game of Skip-GANomaly: a discriminator against a network with skip connections."""

    players = {"generator": ("generator",), "discriminator": ("discriminator",)}

    def __init__(self, networks, n_features, **params):
        super().__init__(**params)
        self.generator = build(networks, "generator", "unet", n_features, self.latent_dim)
        self.discriminator = build(networks, "discriminator", "discriminator", n_features)

    def play(self, x, labels=None):
        D, x_hat = self.discriminator, self.generator(x)
        contextual, latent = self.errors(x, x_hat)
        yield (
            "generator",
            self.adversarial_weight * call_real(D(x_hat))
            + self.contextual_weight * contextual.mean(-1)
            + self.latent_weight * latent.mean(-1),
        )

        real, fake = D.judge((x,), (x_hat,))
        yield "discriminator", call_real(real) + call_fake(fake)

    def errors(self, x, x_hat):
        """Contextual and latent error of each row."""
        difference = self.encode(x) - self.encode(x_hat)
        return (x - x_hat).abs().mean(-1), difference.square().mean(-1)

    def score(self, x):
        contextual, latent = self.errors(x, self.reconstruct(x))
        return self.score_weight * contextual + (1 - self.score_weight) * latent

    def encode(self, x):
        return self.discriminator.features(x)

    def reconstruct(self, x):
        return self.generator(x)

    def validation_loss(self, x):
        return (x - self.reconstruct(x)).abs().mean()


class SkipGANomaly(BaseDetector):
    r"""Skip-GANomaly: an autoencoder with skip connections, trained adversarially [1]_.

    A generator :math:`G` reconstructs a row as :math:`\hat x = G(x)`. It is a U-Net, an encoder and
    a decoder whose layers also receive the activations of the layers of the encoder. The anomaly
    score compares the row with its reconstruction, and their features :math:`f`, the activations of
    the last hidden layer of a discriminator:

    .. math:: A(x) = \lambda \operatorname{mean} |x - \hat x|
              + (1 - \lambda) \operatorname{mean} (f(x) - f(\hat x))^2 .

    With the logits :math:`D` of the discriminator, the generator minimizes

    .. math:: - w_{adv} \operatorname{mean} \log \sigma(D(\hat x))
              + w_{con} \operatorname{mean} |x - \hat x|
              + w_{lat} \operatorname{mean} (f(x) - f(\hat x))^2 ,

    where the means are over rows and columns. The discriminator learns to tell rows from
    reconstructions, and minimizes
    :math:`-\operatorname{mean} [\log \sigma(D(x)) + \log(1 - \sigma(D(\hat x)))]`.

    The method was made for images. Its skip connections restore details for which a code is too
    narrow. `transform` returns the features :math:`f(x)`, because the codes of the generator hold
    only a part of what its decoder receives. For the same reason, the method cannot generate rows,
    and `sample` raises an error.

    Train the detector on rows that are all, or nearly all, normal. Tables need no scaling, because
    the detector encodes the columns itself (`encoding`). See the :ref:`user guide
    <skip_ganomaly>`.

    .. versionadded:: 0.1

    Parameters
    ----------
    latent_dim : int, default=32
        Number of dimensions of the innermost layer of the generator.

    adversarial_weight : float, default=1.0
        Weight :math:`w_{adv}` of calling reconstructions real.

    contextual_weight : float, default=40.0
        Weight :math:`w_{con}` of the reconstruction error.

    latent_weight : float, default=1.0
        Weight :math:`w_{lat}` of the difference between the features.

    score_weight : float, default=0.9
        Weight :math:`\lambda` of the reconstruction error in the score, between 0 and 1.

    score_type : {"combined", "auto"} or str, default="combined"
        Anomaly score. "combined" is :math:`A(x)`, the score of the paper.
        "mahalanobis", "neighbors", "density" and combinations such as "neighbors+density" are
        learned from the training rows after the training, see :ref:`finished_scores`. "auto" is
        "mahalanobis+neighbors+density", and "combined" for images and for more than 1,024
        columns.

    {shared_parameters}

    Attributes
    ----------
    {shared_attributes}

    See Also
    --------
    GANomaly : Has no skip connections, and compares the codes of rows and reconstructions.
    ALAD : Also compares features of a discriminator.
    Autoencoder : The default detector.

    Notes
    -----
    The generator is built by the method ``unet`` of `networks`, which :class:`MLP` and
    :class:`ConvNet` have. Networks of your own need a method ``unet(n_features, latent_dim)`` that
    returns a module from rows to rows. The discriminator is of the class
    :class:`skgad.networks.Discriminator`, which computes the features.

    As in the code released by the authors, the generator moves first, and the discriminator then
    sees the reconstructions from before this move. The code, and this class, have means where the
    paper writes norms.

    Deviations from the paper and from the released code:

    - The score has the two errors of the loss, as in the paper. The released code squares the
      reconstruction error, and scales the scores of all test rows to the range from 0 to 1, so that
      the score of a row depends on the other rows.
    - Scores are computed in evaluation mode. The authors of [2]_ found that the released code
      computes them in training mode, with the batch statistics of the test rows.
    - In the released code, the discriminator minimizes the difference between the features, too.
      Here, as in the paper, only the generator does.
    - The contextual weight of the paper is 40. The default of the released code is 50.
    - The released code draws new weights for the discriminator whenever its loss is below 1e-5, and
      keeps the epoch with the best test AUROC, which requires labels. This class does neither, for
      the reasons given for :class:`GANomaly`. Early stopping monitors the mean absolute error of
      the reconstructions of held-out rows.
    - The paper has images only. Layers, learning rate, number of epochs, `latent_dim` and
      `encoding` are chosen for tables. ``SkipGANomaly(networks=ConvNet((3, 32, 32), (64, 128, 256,
      512, 512), batch_norm=True, output_activation="tanh"), latent_dim=512, batch_size=64,
      lr=2e-4, max_epochs=25)`` is close to the released code for images of 32 x 32 pixels. The
      betas of Adam, 0.5 and 0.999, are those of the paper.

    References
    ----------
    .. [1] S. Akcay, A. Atapour-Abarghouei and T. P. Breckon. "Skip-GANomaly: Skip Connected and
       Adversarially Trained Encoder-Decoder Anomaly Detection". IJCNN 2019, section III.
    .. [2] G. Somepalli, Y. Wu, Y. Balaji, B. Vinzamuri and S. Feizi. "Unsupervised Anomaly
       Detection with Adversarial Mirrored AutoEncoders". 2020, section 4.1.

    Examples
    --------
    >>> from sklearn.datasets import make_moons
    >>> from skgad import SkipGANomaly
    >>> X, _ = make_moons(300, noise=0.05, random_state=0)
    >>> detector = SkipGANomaly(contamination=0.1, max_epochs=20, random_state=0).fit(X)
    >>> int((detector.predict(X) == -1).sum())
    30
    """

    game_class = SkipGANomalyGame
    own_score = "combined"

    latent_dim: int = 32
    adversarial_weight: float = 1.0
    contextual_weight: float = 40.0
    latent_weight: float = 1.0
    score_weight: float = 0.9
    score_type: Literal["combined", "auto"] | FinishedScore = "combined"

    _parameter_constraints: ClassVar[dict] = {
        **BaseDetector._parameter_constraints,
        "latent_dim": [Interval(Integral, 1, None, closed="left")],
        "adversarial_weight": [Interval(Real, 0, None, closed="left")],
        "contextual_weight": [Interval(Real, 0, None, closed="left")],
        "latent_weight": [Interval(Real, 0, None, closed="left")],
        "score_weight": [Interval(Real, 0, 1, closed="both")],
        "score_type": [StrOptions({"combined", "auto", *FINISHED_SCORES})],
    }
    adam_params: ClassVar[dict] = {"optimizer__betas": (0.5, 0.999)}
