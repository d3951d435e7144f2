"""
Variants of network connections
===============================

This example reproduces figure 6 of the paper on ARN. It compares the columns
of a normal connection, of its abnormal version and of a real attack. The table
is KDD99 without its two most frequent attacks, "smurf" and "neptune", so that
normal connections are the majority (KDDCUP99_Rev in the paper).

The dataset is not in the repository. If it is missing, this page shows only
the script, and the script raises the error of ``load_kdd99``, which explains
where to get the file and where to put it.
"""

# %%
# The detector learns from 5000 normal connections, with the paper's setting:
# one network, and columns as they are encoded. Numbers are standardized. For
# text and booleans, one category is drawn for each variant.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors

from skgad import ARN, TabularDetector
from skgad.datasets import load_kdd99

torch.set_num_threads(1)
kdd99 = load_kdd99(as_frame=True)
kept = ~np.isin(kdd99.attack, ["smurf", "neptune"])
data, attack = kdd99.data[kept], pd.Series(kdd99.attack[kept])
attack.index = data.index

train, normal = train_test_split(
    data[attack == "normal"], train_size=5000, test_size=2000, random_state=0
)
attacks = data[attack != "normal"].sample(500, random_state=0)

detector = TabularDetector(
    ARN(
        categorical="gumbel",
        score_type="discriminator",
        encoding=None,
        n_members=1,
        auto_steps=2000,
        random_state=0,
    )
).fit(train)
scores = detector.score_samples(pd.concat([normal, attacks]))
auroc = roc_auc_score(np.repeat([1, 0], [len(normal), len(attacks)]), scores)
print(f"AUROC of the discriminator {auroc:.3f}")

# %%
# Variants
# --------
# ``reconstruct(kind="outlier")`` returns the abnormal version of each normal
# test connection. We compare two attacks of different names with the variants
# that are nearest to them, among 2000, in the encoded columns. These are not
# typical pairs, but the most similar ones.

variants = detector.reconstruct(normal, kind="outlier")
encode = detector.encoder_.transform
nearest = NearestNeighbors(n_neighbors=1).fit(encode(variants))
distance, which = (a.ravel() for a in nearest.kneighbors(encode(attacks)))
names = attack[attacks.index].to_numpy()
first = np.argsort(distance)
_, place = np.unique(names[first], return_index=True)
chosen = first[np.sort(place)[:2]]

for i in chosen:
    three = pd.concat(
        [
            normal.iloc[which[[i]]],
            variants.iloc[which[[i]]],
            attacks.iloc[[i]],
        ],
        keys=["normal", "variant", names[i]],
    ).droplevel(1)
    differ = three.round(2).nunique() > 1
    print(three.loc[:, differ].T.to_string(float_format="{:.2f}".format))

# %%
# The following figure shows all columns. Numbers are on a logarithmic scale,
# and categories are in the order of their names. Both are scaled to [0, 1].


def positions(frame):
    """Scale the values of a frame to [0, 1] for the figure."""
    lows, highs = numbers(data).min(), numbers(data).max()
    return (numbers(frame) - lows) / (highs - lows).replace(0, 1)


def numbers(frame):
    """Return logarithms of numbers, and ranks of categories."""
    ranks = {
        name: frame[name].map({v: i for i, v in enumerate(np.unique(column))})
        for name, column in data.select_dtypes(exclude="number").items()
    }
    return np.log1p(frame.assign(**ranks).astype(float))


fig, axes = plt.subplots(
    2, 1, figsize=(9, 6), sharex=True, layout="constrained"
)
for ax, i in zip(axes, chosen, strict=True):
    for label, row, style in (
        ("normal connection", normal.iloc[which[[i]]], "o C3"),
        ("its variant", variants.iloc[which[[i]]], "* C0"),
        (f"attack: {names[i]}", attacks.iloc[[i]], "x C1"),
    ):
        marker, color = style.split()
        values = positions(row).to_numpy().ravel()
        ax.plot(values, marker, color=color, label=label, markersize=7)
    ax.legend(loc="upper right", fontsize=8)
axes[1].set_xticks(range(data.shape[1]), data.columns, rotation=90, fontsize=7)

# %%
# Are variants like attacks?
# --------------------------
# Is an attack nearer to a variant than to any normal connection?

rows = NearestNeighbors(n_neighbors=1).fit(encode(normal))
to_normal, _ = rows.kneighbors(encode(attacks))
print(f"nearer to a variant {np.mean(distance < to_normal.ravel()):.0%}")

# %%
# Does the discriminator call the variants outliers? As they are drawn, yes. As
# rows of the table, in which counts and rates have a range and counts are
# whole, most of them are no longer outliers. These variants are mostly
# abnormal in ways that no connection can be.

encoded = detector.detector_.reconstruct(encode(normal), kind="outlier")
kinds = {
    "normal": scores[: len(normal)],
    "variants": detector.detector_.score_samples(encoded),
    "variants, as rows of the table": detector.score_samples(variants),
    "attacks": scores[len(normal) :],
}
for name, values in kinds.items():
    print(f"{name}: {np.mean(values < 0):.0%} called outliers")

_, ax = plt.subplots(figsize=(7, 3), layout="constrained")
bins = np.linspace(*np.quantile(np.concatenate([*kinds.values()]), [0, 0.99]))
for name, values in kinds.items():
    ax.hist(values, bins, alpha=0.5, density=True, label=name)
ax.axvline(0, color="black", linestyle="--")
ax.set(xlabel="score_samples: logit of the discriminator", ylabel="density")
ax.legend(fontsize=8)
plt.show()
