"""One file per method: its game and its estimator."""

from ._alad import ALAD
from ._ama import AMA
from ._anogan import AnoGAN
from ._arn import ARN
from ._autoencoder import Autoencoder
from ._base import BaseDetector, LabelledDetector
from ._cora import CoRA
from ._dagmm import DAGMM
from ._deep_svdd import DeepSVDD
from ._dsebm import DSEBM
from ._egbad import EGBAD
from ._fence_gan import FenceGAN
from ._ganomaly import GANomaly
from ._rcgan import RCGAN
from ._skip_ganomaly import SkipGANomaly
from ._wae import WAE
from ._waldo import WALDO

__all__ = [
    "ALAD",
    "AMA",
    "ARN",
    "DAGMM",
    "DSEBM",
    "EGBAD",
    "RCGAN",
    "WAE",
    "WALDO",
    "AnoGAN",
    "Autoencoder",
    "BaseDetector",
    "CoRA",
    "DeepSVDD",
    "FenceGAN",
    "GANomaly",
    "LabelledDetector",
    "SkipGANomaly",
]
