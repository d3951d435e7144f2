"""
The decision boundary on two features
=====================================

Which rows does a detector accept as normal? With two features, scikit-learn's
`DecisionBoundaryDisplay` shows it.
"""

# %%
# The rows lie near a curve, so a one-dimensional latent code is enough. Far
# from the rows, a network has learned nothing. How a single training scores
# the corners is a matter of chance. The members of an ensemble are wrong in
# different places, so the region that their average accepts is closer to the
# rows. See :doc:`/user_guide/ensembles`.

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.ensemble import IsolationForest
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.preprocessing import StandardScaler

from skgad import ALAD

X, _ = make_moons(500, noise=0.05, random_state=0)
X = StandardScaler().fit_transform(X)

alad = ALAD(
    latent_dim=1, contamination=0.05, lr=3e-3, max_epochs=100, random_state=0
)
detectors = {
    "IsolationForest": IsolationForest(contamination=0.05, random_state=0),
    "ALAD, one training": alad,
    "ALAD, five members": clone(alad).set_params(n_members=5),
}

_, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
for ax, (name, detector) in zip(axes, detectors.items(), strict=True):
    DecisionBoundaryDisplay.from_estimator(
        detector.fit(X),
        X,
        response_method="predict",
        cmap="RdBu",
        alpha=0.4,
        ax=ax,
    )
    ax.scatter(*X.T, s=3, color="black")
    ax.set(title=name, xticks=[], yticks=[])
