"""
What the noise of ARN does
==========================

ARN turns each row into a *variant* near it, and trains a discriminator to tell
rows from variants. The discriminator is the detector. According to the paper,
the numbers of a variant are drawn from normal distributions around the output
of the decoder. The code that its authors released has no such draw. This
example shows in two dimensions why the noise matters.
"""

# %%
# The synthetic rows are on two moons, and all of them are normal. With
# ``noise_scale=0``, the numbers of a variant are the output of the decoder.
# With 2, the default, noise is added. Its standard deviation is up to twice
# that of the column. With ``encoding=None``, the networks see the two columns
# as they are, as in the paper.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import make_moons
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from skgad import ARN

torch.set_num_threads(1)
X, _ = make_moons(1000, noise=0.08, random_state=0)
X = StandardScaler().fit_transform(X)

detectors = {
    scale: ARN(
        noise_scale=scale,
        encoding=None,
        score_type="discriminator",
        random_state=0,
    ).fit(X)
    for scale in (0, 2)
}

# %%
# The discriminator
# -----------------
# Colors show the logit of the discriminator: blue is normal. On the black
# line, the discriminator cannot tell a row from a variant. Without noise, a
# variant is its row moved slightly towards the center. This is the only
# difference that the discriminator can use, and in most directions, points
# look more normal the farther out they are. With noise, variants surround the
# rows, and the line surrounds the moons.

grid = np.linspace(-4, 4, 121)
points = np.stack(np.meshgrid(grid, grid), axis=-1)


def draw(detector, ax):
    """Draw contours of the discriminator, and rows."""
    logits = detector.score_samples(points.reshape(-1, 2))
    logits = logits.reshape(points.shape[:2])
    limit = np.abs(logits).max()
    levels = np.linspace(-limit, limit, 31)
    shades = ax.contourf(grid, grid, logits, levels, cmap="RdBu")
    ax.contour(grid, grid, logits, [0], colors="black")
    ax.scatter(*X[:400].T, s=4, c="black", label="rows")
    ax.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal")
    return shades


fig, axes = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
for ax, (scale, detector) in zip(axes, detectors.items(), strict=True):
    fig.colorbar(draw(detector, ax), ax=ax, shrink=0.8, format="%.2g")
    variants = detector.sample(400, random_state=0)
    ax.scatter(*variants.T, s=4, c="C1", label="variants")
    ax.set_title(f"noise_scale={scale}")
axes[0].legend()

# %%
# The following numbers compare the spread of rows and variants, and measure
# how well the discriminator tells new rows from points anywhere in the figure.

new, _ = make_moons(1000, noise=0.08, random_state=1)
new = (new - new.mean(axis=0)) / new.std(axis=0)
anywhere = np.random.default_rng(0).uniform(-4, 4, size=(1000, 2))
is_row = np.repeat([1, 0], 1000)
print(f"standard deviation of the rows {X.std():.2f}")
for scale, detector in detectors.items():
    scores = detector.score_samples(np.concatenate([new, anywhere]))
    print(
        f"noise_scale={scale}: standard deviation of the variants "
        f"{detector.sample(1000, random_state=0).std():.2f}, "
        f"AUROC {roc_auc_score(is_row, scores):.2f}"
    )

# %%
# The abnormal version of a row
# -----------------------------
# ``reconstruct(kind="outlier")`` makes several variants of a row and returns
# the nearest one that the discriminator calls an outlier. Each line connects a
# row with this variant. The draws are the same for all rows, so that the
# result for a row does not depend on the others. The lines therefore have few
# directions. ``variant_distance_`` is the average length of such a line, in
# units of the mean distance of a row to the center.

detector = detectors[2]
rows = new[:60]
outliers = detector.reconstruct(rows, kind="outlier")

_, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
draw(detector, ax)
for ends in zip(rows, outliers, strict=True):
    ax.plot(*np.transpose(ends), color="C1", linewidth=0.8)
plt.show()
print(f"variant_distance_ {detector.variant_distance_:.2f}")
