"""
Detectors on toy datasets
=========================

What does each detector accept as normal? A row of the figure is a dataset with
two features, and a column is a detector. The detector is trained on the black
dots and accepts the blue region. The figure follows the comparison of outlier
detectors in the gallery of scikit-learn.
"""

# %%
# Two features are simple, so networks and training are smaller here than by
# default.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.ensemble import IsolationForest
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from skgad import ALAD, WALDO, Autoencoder
from skgad.neighbors import KNeighborsDetector

rng = np.random.default_rng(0)
t = rng.uniform(0, 3 * np.pi, 400)
spiral = t * [np.cos(t), np.sin(t)] + rng.normal(0, 0.3, (2, 400))
clusters, _ = make_blobs(
    400, centers=[[-4, -4], [4, 4]], cluster_std=[2, 0.5], random_state=0
)
moons, _ = make_moons(400, noise=0.05, random_state=0)
circles, _ = make_circles(400, noise=0.04, factor=0.05, random_state=0)
datasets = {
    "two clusters": clusters,
    "moons": moons,
    "ring and dot": circles,
    "spiral": spiral.T,
}

small = {"contamination": 0.05, "n_members": 2, "auto_steps": 500}
detectors = {
    "Autoencoder": Autoencoder(noise=0.1, random_state=0, **small),
    "WALDO": WALDO(random_state=0, **small),
    "ALAD": ALAD(random_state=0, **small),
    "k-NN": KNeighborsDetector(contamination=0.05),
    "OneClassSVM": OneClassSVM(nu=0.05),
    "IsolationForest": IsolationForest(contamination=0.05, random_state=0),
}

fig, axes = plt.subplots(
    len(datasets), len(detectors), figsize=(10, 7), layout="constrained"
)
for row, X in zip(axes, datasets.values(), strict=True):
    X = StandardScaler().fit_transform(X)
    for ax, detector in zip(row, detectors.values(), strict=True):
        DecisionBoundaryDisplay.from_estimator(
            clone(detector).fit(X),
            X,
            response_method="predict",
            grid_resolution=80,
            cmap="RdBu",
            alpha=0.4,
            ax=ax,
        )
        ax.scatter(*X.T, s=1, color="black")
        ax.set(xticks=[], yticks=[])
for ax, name in zip(axes[0], detectors, strict=True):
    ax.set_title(name)
for ax, name in zip(axes[:, 0], datasets, strict=True):
    ax.set_ylabel(name)
