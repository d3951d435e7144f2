"""
The decision boundary on two features
=====================================

Which rows does a detector accept as normal? With two features, scikit-learn's
`DecisionBoundaryDisplay` shows it.
"""

# %%
# Far from the rows, a network has learned nothing, so the score that ALAD has
# from its paper can be low in places without rows. The default score also
# compares the code of a row with those of the training rows, and accepts only
# what is close to them. See :ref:`finished_scores`.

import matplotlib.pyplot as plt
from sklearn.base import clone
from sklearn.datasets import make_moons
from sklearn.ensemble import IsolationForest
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.preprocessing import StandardScaler

from skgad import ALAD

X, _ = make_moons(500, noise=0.05, random_state=0)
X = StandardScaler().fit_transform(X)

alad = ALAD(contamination=0.05, max_epochs=100, random_state=0)
detectors = {
    "IsolationForest": IsolationForest(contamination=0.05, random_state=0),
    "ALAD, score of the paper": clone(alad).set_params(score_type="features"),
    "ALAD": alad,
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
