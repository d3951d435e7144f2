"""
Mirrored pairs
==============

This example shows what the critic of AMA, its mixtures and its atypical codes
do, and compares the reconstructions of all detectors of the package. It is a
small version of figures 2 and 4 of the paper, with the handwritten digits of
scikit-learn, 8 by 8 pixels.
"""

# %%
# The digits 0 to 4 are normal, and half of the data is held out. Pixels are
# numbers from 0 to 1.

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import nn

import skgad

torch.set_num_threads(1)
X, digit = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
is_normal = digit < 5
half = len(X) // 2
X_train = X[:half][is_normal[:half]]
X_test, y_test = X[half:], is_normal[half:]

# %%
# With and without the mirror
# ---------------------------
# The critic rates pairs. It learns to rate a row paired with itself,
# :math:`(x, x)`, above a row paired with its mirror image,
# :math:`(x, \hat x)`. A critic that does not see the first row of a pair can
# only tell whether :math:`\hat x` resembles the training rows, not whether it
# resembles :math:`x`. The following class builds such a critic. Any object
# can build the networks, and its method ``critic`` returns the critic.


class Second(nn.Module):
    """Select the second row of each pair."""

    def forward(self, pair):
        return pair.chunk(2, dim=-1)[1]


class WithoutMirror(skgad.ConvNet):
    """Networks whose critic does not see the row of a mirror image."""

    def critic(self, n_features, _):
        critic = self.discriminator(n_features)
        critic.body = nn.Sequential(Second(), critic.body)
        return critic


layers = {"image_shape": (1, 8, 8), "channels": (16, 32)}
ama = skgad.AMA(
    latent_dim=16,
    networks=skgad.ConvNet(**layers, output_activation="sigmoid"),
    n_critic=3,
    score_type="features",
    n_members=1,
    max_epochs=70,
    random_state=0,
).fit(X_train)
without = clone(ama).set_params(
    networks=WithoutMirror(**layers, output_activation="sigmoid")
)
without.fit(X_train)


def show(images):
    """Draw one row of digits for each title."""
    _, axes = plt.subplots(
        len(images), 10, figsize=(7, 0.95 * len(images)), layout="constrained"
    )
    for row, (title, digits) in zip(axes, images.items(), strict=True):
        row[0].set_title(title, loc="left", fontsize=9)
        for ax, pixels in zip(row, digits, strict=True):
            ax.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            ax.axis("off")


first = [np.flatnonzero(digit[half:] == d)[0] for d in range(10)]


def reconstructions(name, detector):
    """Reconstruct the first digits; the title has the area under the ROC."""
    auroc = roc_auc_score(y_test, detector.score_samples(X_test))
    return {f"{name}, AUROC {auroc:.2f}": detector.reconstruct(X_test[first])}


show(
    {"held out": X_test[first]}
    | reconstructions("AMA", ama)
    | reconstructions("no mirror", without)
)

# %%
# Without the mirror, the reconstructions look like digits, but not like the
# digits that they reconstruct.
#
# Inliers and outliers
# --------------------
# AMA itself decodes mixtures of the codes of training rows, or atypical codes.
# The latter are the negatives that AMA can be trained with.

show(
    {
        "inliers": ama.sample(10, latent="own", random_state=0),
        "outliers": ama.sample(10, kind="outlier", random_state=0),
    }
)

# %%
# R-scores of several sources
# ---------------------------
# The R-score measures how far apart :math:`(x, x)` and :math:`(x, \hat x)`
# are for the critic. In the paper, images that are simpler than the training
# rows have *lower* R-scores. The A-score of the paper is therefore the density
# of the R-scores of the training rows, which is low on both sides
# (``score_type="likelihood"``).

rng = np.random.default_rng(0)
gray = np.repeat(rng.random((300, 1), dtype=np.float32), 64, axis=1)
blurred = gaussian_filter(X_test[y_test].reshape(-1, 8, 8), (0, 2, 2))
sources = {
    "training": X_train,
    "held out, 0 to 4": X_test[y_test],
    "held out, 5 to 9": X_test[~y_test],
    "0 to 4, blurred": blurred.reshape(-1, 64),
    "uniform gray": gray,
    "noise": rng.random((300, 64), dtype=np.float32),
}
values = {name: -ama.score_samples(rows) for name, rows in sources.items()}
pooled = np.concatenate([*values.values()])
bins = np.geomspace(pooled.min(), pooled.max(), 40)
_, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for name, r_scores in values.items():
    ax.hist(r_scores, bins, density=True, histtype="step", lw=1.5, label=name)
ax.set(xscale="log", xlabel="R-score", ylabel="density")
ax.legend(fontsize=8)

# %%
# All detectors
# -------------
# All detectors use the same convolutions. Only AMA has a sigmoid at the end. A
# detector should reconstruct the five digits on the left, and not those on the
# right.

images = {"held out": X_test[first]}
others = ("ALAD", "RCGAN", "WAE", "CoRA", "WALDO", "ARN", "Autoencoder")
for name in others:
    detector = getattr(skgad, name)(
        latent_dim=16,
        networks=skgad.ConvNet(**layers),
        n_members=1,
        max_epochs=90,
        random_state=0,
    )
    images |= reconstructions(name, detector.fit(X_train))
show(images | reconstructions("AMA", ama))
plt.show()
