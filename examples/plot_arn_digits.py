"""
Variants of digits
==================

This example shows the smallest step from a normal row to an abnormal one,
according to ARN. It reproduces figure 3 of the paper with the handwritten
digits of scikit-learn, 8 by 8 pixels, and fully connected networks.
"""

# %%
# Pixels are black or white, so that each pixel is a category with two levels.
# It therefore has two columns, and ``categorical="gumbel"`` draws one of them.
# All ten digits are normal. The last images are held out. With a large
# ``kl_weight``, the codes contain little information about the row, so that
# variants differ from their rows.

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score

from skgad import ARN

torch.set_num_threads(1)
X, digit = load_digits(return_X_y=True)
X = (X > 7).astype(np.float32)


def encode(pixels):
    """Encode each pixel in two adjacent columns."""
    return np.stack([1 - pixels, pixels], axis=-1).reshape(len(pixels), -1)


def decode(rows):
    """Return the pixels of encoded rows."""
    return rows[:, 1::2]


detector = ARN(
    latent_dim=16,
    kl_weight=1,
    categorical="gumbel",
    categorical_groups=[(i, i + 1) for i in range(0, 128, 2)],
    score_type="discriminator",
    random_state=0,
)
detector.fit(encode(X[:-300]))
held_out = encode(X[-300:])


# %%
# Rows and variants
# -----------------
# The first row shows digits that were not used for training.
# ``reconstruct(X)`` decodes the mean of the code, with the more likely color
# of each pixel. With ``kind="outlier"``, it returns the nearest of several
# draws that the discriminator calls an outlier. The original digit is still
# visible, with missing or additional pixels.


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


first = [np.flatnonzero(digit[-300:] == d)[0] for d in range(10)]
rows = held_out[first]
variants = detector.reconstruct(held_out, kind="outlier")
show(
    {
        "digits": decode(rows),
        "decoded": decode(detector.reconstruct(rows)),
        "variants": decode(variants[first]),
        "changed pixels": np.abs(decode(variants[first]) - decode(rows)),
        "sample": decode(detector.sample(10, random_state=0)),
    }
)

# %%
# What the discriminator has learned
# ----------------------------------
# The discriminator tells variants of held-out digits from the digits. It has
# learned the errors of the decoder, and not what a digit is: digits with
# randomly flipped pixels, of which it has seen none, pass for normal.
# ``noise_scale`` is for numbers, and there are none here. The distance to the
# reconstruction, which is a part of ``score_type="combined"``, does find these
# digits.

changed = decode(variants) != X[-300:]
print(f"pixels that a variant changes: {changed.sum(axis=1).mean():.1f}")

rng = np.random.default_rng(0)
flips = rng.permuted(np.tile(np.arange(64) < 8, (300, 1)), axis=1)
flipped = encode(np.abs(X[-300:] - flips))
images = {
    "digits": held_out,
    "variants": variants,
    "8 pixels flipped": flipped,
}

_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
scores = {name: detector.score_samples(x) for name, x in images.items()}
bins = np.linspace(*np.quantile([*scores.values()], [0, 1]), 40)
for name, values in scores.items():
    ax.hist(values, bins, alpha=0.5, label=name)
ax.axvline(0, color="black", linestyle="--")
ax.set(xlabel="score_samples: logit of the discriminator", ylabel="images")
ax.legend()
plt.show()

residuals = {
    name: -np.linalg.norm(x - detector.reconstruct(x), axis=1)
    for name, x in images.items()
}
is_digit = np.repeat([1, 0], 300)
for name in ("variants", "8 pixels flipped"):
    by = {
        part: roc_auc_score(is_digit, np.append(of["digits"], of[name]))
        for part, of in {"D": scores, "residual": residuals}.items()
    }
    print(f"{name}: AUROC " + ", ".join(f"{k} {v:.2f}" for k, v in by.items()))
