"""
Some known inliers, some unknown outliers
=========================================

WALDO learns from a mixture of rows, some of which are known to be normal. It
learns two decoders, one for inliers and one for outliers, which classify a row
without a threshold. Each of them can generate rows, and each can reconstruct a
row of the other kind.
"""

# %%
# We use the handwritten digits of scikit-learn, 8 by 8 pixels. Threes are
# normal, eights are outliers. 90 threes are known to be threes. Nothing is
# known about the other rows, 93 threes and 60 eights. In ``labels``, known
# inliers are 1 and all other rows are 0. (A known outlier would be -1.) With
# ``encoding=None``, the networks see the pixels as they are.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import classification_report, roc_auc_score

from skgad import WALDO

torch.set_num_threads(1)
X, digit = load_digits(return_X_y=True)
threes, eights = X[digit == 3] / 16, X[digit == 8] / 16
mixture = np.concatenate([threes[90:], eights[:60]])
is_outlier = np.repeat([False, True], [len(threes) - 90, 60])

detector = WALDO(
    latent_dim=8,
    prior_weight=1,
    encoding=None,
    score_type="difference",
    random_state=0,
)
detector.fit(
    np.concatenate([threes[:90], mixture]),
    labels=np.repeat([1, 0], [90, len(mixture)]),
)

# %%
# The decision
# ------------
# A row is an outlier if the error of the outlier decoder, minus the advantage
# measured on the training rows, is smaller than the error of the inlier
# decoder. The share of outliers is not given. The true digits are only used
# for evaluation. The last line of the output is for eights that were not used
# for training.

flags = detector.predict(mixture) == -1
print(classification_report(is_outlier, flags, target_names=["3", "8"]))
scores = detector.score_samples(mixture)
print(f"AUROC {roc_auc_score(~is_outlier, scores):.3f}")
new = detector.predict(eights[60:]) == -1
print(f"{new.sum()} of {len(new)} new eights are flagged")

_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
bins = np.linspace(*np.quantile(scores, [0.01, 1]), 40)
for name, part in {"threes": ~is_outlier, "eights": is_outlier}.items():
    ax.hist(scores[part], bins, alpha=0.6, label=name)
ax.axvline(
    detector.offset_, color="black", linestyle="--", label="decoders tie"
)
ax.set(xlabel="score_samples", ylabel="rows of the mixture")
ax.legend()

# %%
# The codes
# ---------
# A discriminator pulls the codes of the known inliers towards a normal
# distribution, the prior, more strongly with a larger ``prior_weight``. The
# codes of the other rows are not constrained. Here, the codes of eights are
# about as far from the mean of the prior as those of threes, so that the
# distance does not separate them. The black line shows draws from the prior.

rng = np.random.default_rng(0)
distances = {
    "threes": np.linalg.norm(detector.transform(threes), axis=1),
    "eights": np.linalg.norm(detector.transform(eights), axis=1),
}
prior = np.linalg.norm(rng.normal(size=(10_000, 8)), axis=1)

_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
bins = np.linspace(0, max(d.max() for d in distances.values()), 40)
for name, d in distances.items():
    ax.hist(d, bins, density=True, alpha=0.6, label=name)
ax.hist(
    prior, bins, density=True, histtype="step", color="black", label="prior"
)
ax.set(xlabel="distance of the code from the prior's mean", ylabel="density")
ax.legend()

# %%
# New rows of both kinds
# ----------------------
# The known labels and the decision above say of which kind each training row
# is. A normal distribution is fitted to the codes of each kind, and draws from
# it are decoded by the decoder of this kind.


def show(images):
    """Draw one row of digits for each title."""
    _, axes = plt.subplots(
        len(images), 10, figsize=(7, 0.95 * len(images)), layout="constrained"
    )
    for row, (title, digits) in zip(axes, images.items(), strict=True):
        row[0].set_title(title, loc="left", fontsize=9)
        for ax, pixels in zip(row, digits, strict=False):
            ax.imshow(pixels.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            ax.axis("off")


show(
    {
        "inliers": detector.sample(10, random_state=0),
        "outliers": detector.sample(10, kind="outlier", random_state=0),
    }
)

# %%
# The other version of a row
# --------------------------
# The inlier decoder turns an eight that was not used for training into a
# three, and the outlier decoder turns a three into an eight. Both decode the
# same code.

show(
    {
        "eights": eights[60:70],
        "as inliers": detector.reconstruct(eights[60:70]),
        "threes": threes[90:100],
        "as outliers": detector.reconstruct(threes[90:100], kind="outlier"),
    }
)
plt.show()
