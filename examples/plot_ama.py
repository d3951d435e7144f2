"""
Mirrored pairs
==============

What AMA's critic, its mixtures and its atypical codes look like, and one
line of digits for every detector of the package. Figures 2 and 4 of the paper
in small: with the handwritten digits of scikit-learn, 8 by 8 pixels.
"""

# %%
# The digits 0 to 4 are normal, and one half of the data is held out.
# Pixels are numbers from 0 to 1.

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
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
# The critic looks at pairs. A row beside itself, :math:`(x, x)`, is to be
# rated above a row beside its image, :math:`(x, \hat x)`. A critic that does
# not see the first of the two can only say whether :math:`\hat x` is like
# the training rows, not whether it is like :math:`x`. This builds one: any
# object may build the networks, and what it calls ``critic`` is the critic.


class Second(nn.Module):
    """The second of two rows that are side by side."""

    def forward(self, pair):
        return pair.chunk(2, dim=-1)[1]


class WithoutMirror(skgad.ConvNet):
    """The critic sees an image and not of which row it is the image."""

    def critic(self, n_features, _):
        critic = self.discriminator(n_features)
        critic.body = nn.Sequential(Second(), critic.body)
        return critic


shape = {"image_shape": (1, 8, 8), "channels": (16, 32)}
params = {"latent_dim": 16, "max_epochs": 150, "random_state": 0}
detectors = {
    "AMA": skgad.AMA(networks=skgad.ConvNet(**shape), **params),
    "without the mirror": skgad.AMA(networks=WithoutMirror(**shape), **params),
}
for detector in detectors.values():
    detector.fit(X_train)


def show(lines):
    """Draw lines of digits, each under its title."""
    _, axes = plt.subplots(
        len(lines), 10, figsize=(7, 0.95 * len(lines)), layout="constrained"
    )
    for row, (title, digits) in zip(axes, lines.items(), strict=True):
        row[0].set_title(title, loc="left", fontsize=9)
        for ax, pixels in zip(row, digits, strict=True):
            ax.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            ax.axis("off")


first = [np.flatnonzero(digit[half:] == d)[0] for d in range(10)]
lines = {"held out: 0 to 4 are normal, 5 to 9 are not": X_test[first]}
for name, detector in detectors.items():
    auroc = roc_auc_score(y_test, detector.score_samples(X_test))
    title = f"{name}, AUROC {auroc:.2f}"
    lines[title] = detector.reconstruct(X_test[first])
show(lines)

# %%
# Without the mirror the images are digits, but not those that they should be
# images of.
#
# Inliers and outliers
# --------------------
# ``sample`` decodes mixtures of codes of training rows, or codes that are
# atypical of them: the negatives that AMA is trained with.

ama = detectors["AMA"]
show(
    {
        "inliers": ama.sample(10, random_state=0),
        "outliers": ama.sample(10, kind="outlier", random_state=0),
    }
)

# %%
# R-scores of several sources
# ---------------------------
# The R-score says how far apart :math:`(x, x)` and :math:`(x, \hat x)` are
# for the critic. Sources that are simpler than the training rows can have
# *lower* ones than normal rows have. For this reason the paper takes the density of the
# R-scores of the training rows for its A-score, which is low on both sides.

r_scores = skgad.AMA(
    networks=skgad.ConvNet(**shape), score_type="features", **params
).fit(X_train)
rng = np.random.default_rng(0)
grey = np.repeat(rng.random((300, 1), dtype=np.float32), 64, axis=1)
blurred = gaussian_filter(X_test[y_test].reshape(-1, 8, 8), (0, 2, 2))
sources = {
    "training": X_train,
    "held out, 0 to 4": X_test[y_test],
    "held out, 5 to 9": X_test[~y_test],
    "0 to 4, blurred": blurred.reshape(-1, 64),
    "one grey": grey,
    "noise": rng.random((300, 64), dtype=np.float32),
}
values = {
    name: -r_scores.score_samples(rows) for name, rows in sources.items()
}
_, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
bins = np.geomspace(
    min(v.min() for v in values.values()),
    max(v.max() for v in values.values()),
    60,
)
for name, v in values.items():
    ax.hist(v, bins, density=True, alpha=0.5, label=name)
ax.set(xscale="log", yscale="log", xlabel="R-score", ylabel="density")
ax.legend(fontsize=8)

# %%
# One line for each detector
# --------------------------
# All with the same networks and for as many epochs. A detector should give
# back the digits on the left, and give something else on the right.

lines = {"held out": X_test[first]}
for name in ("ALAD", "RCGAN", "WAE", "CoRA", "WALDO", "ARN"):
    detector = getattr(skgad, name)(networks=skgad.ConvNet(**shape), **params)
    detector.fit(X_train)
    auroc = roc_auc_score(y_test, detector.score_samples(X_test))
    title = f"{name}, AUROC {auroc:.2f}"
    lines[title] = detector.reconstruct(X_test[first])
auroc = roc_auc_score(y_test, ama.score_samples(X_test))
lines[f"AMA, AUROC {auroc:.2f}"] = ama.reconstruct(X_test[first])
show(lines)
plt.show()
