"""
Some known inliers, some unknown outliers
=========================================

WALDO takes a mixture of rows, some of which are known to be normal. It learns
two decoders, one for inliers and one for outliers, and they decide on a row
without a threshold. Either can make rows up, and either can be given a row of
the other kind.
"""

# %%
# Handwritten digits of scikit-learn, 8 by 8 pixels: threes are normal, eights
# are outliers. Of 90 threes it is known that they are threes. Nothing is
# known of the others: 93 threes and 60 eights. `labels` says so: 1 for known
# inliers, 0 for all other rows. (A -1 would be a known outlier.)

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
    latent_dim=8, prior_weight=1, score_type="difference", random_state=0
)
detector.fit(
    np.concatenate([threes[:90], mixture]),
    labels=np.repeat([1, 0], [90, len(mixture)]),
)

# %%
# The decision
# ------------
# A row is an outlier if the outlier decoder reconstructs it better than the
# inlier decoder does, less the advantage that the training rows have shown.
# No share of outliers has been given. The true digits are used from here on,
# to see how well it went; last come eights that were not in the training.

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
# A discriminator holds the codes of the known inliers to a normal
# distribution, the prior: the stronger, the larger `prior_weight`. Others
# are free. Here the codes of eights are about as far from its mean as those of
# threes: the distance does not tell the one from the other. The line is what
# draws from the prior have.

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
# A normal distribution is fitted to the codes of the training rows of either
# kind, by the decision above; its draws go through the decoder of the kind.


def show(lines):
    """Draw lines of digits, each under its title."""
    fig, axes = plt.subplots(
        len(lines), 10, figsize=(7, 0.95 * len(lines)), layout="constrained"
    )
    for row, (title, digits) in zip(axes, lines.items(), strict=True):
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
# What a row would be
# -------------------
# The inlier decoder makes a three of an eight that was not in the training,
# and the outlier decoder an eight of a three: both read the same code.

show(
    {
        "eights": eights[60:70],
        "as inliers": detector.reconstruct(eights[60:70]),
        "threes": threes[90:100],
        "as outliers": detector.reconstruct(threes[90:100], kind="outlier"),
    }
)
plt.show()
