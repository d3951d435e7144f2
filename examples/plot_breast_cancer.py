"""
From data to decision
=====================

What can a generative detector do with a table of numbers? ALAD learns what
benign tumors look like. It detects malignant tumors, shows what is abnormal
about one of them, and generates new benign ones.
"""

# %%
# The breast cancer data of scikit-learn describes 569 tumors by 30 features.
# Benign tumors are the normal rows. The detector is trained on half of them
# only.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import RocCurveDisplay
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgad import ALAD

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
benign, malignant = X[y == 1], X[y == 0]
train, test = train_test_split(benign, test_size=0.5, random_state=0)

detector = make_pipeline(
    StandardScaler(), ALAD(max_epochs=200, random_state=0)
).fit(train)
scaler, alad = detector

# %%
# How abnormal is a row?
# ----------------------
# `score_samples` is high for normal rows. The dashed line is the threshold:
# rows to its left are predicted to be outliers.

scores = {
    "benign": detector.score_samples(test),
    "malignant": detector.score_samples(malignant),
}
low = pd.Series(scores["malignant"]).quantile(0.1)
high = scores["benign"].max()

_, ax = plt.subplots(layout="constrained")
for name, s in scores.items():
    ax.hist(s.clip(low), bins=40, range=(low, high), alpha=0.6, label=name)
ax.axvline(alad.offset_, color="black", linestyle="--", label="threshold")
ax.set(xlabel="score_samples", ylabel="rows")
ax.legend()

# %%
# The area under the ROC curve does not depend on the threshold.

is_benign = np.repeat([True, False], [len(test), len(malignant)])
RocCurveDisplay.from_predictions(
    is_benign, np.concatenate([*scores.values()]), name="ALAD"
)

# %%
# The threshold can be moved without training again. Here it is set to flag 5 %
# of the training rows. A larger share of the new benign rows is flagged:
# networks and score were fitted to few rows, and those score higher than new
# ones.

alad.set_threshold(contamination=0.05)
for name, rows in {
    "train": train,
    "benign": test,
    "malignant": malignant,
}.items():
    print(f"{name:10}{(detector.predict(rows) == -1).mean():.0%} flagged")

# %%
# What is abnormal about it?
# --------------------------
# `reconstruct` returns the normal version of a row. The row is abnormal where
# it differs from its normal version. The differences are in standard
# deviations.

row = scaler.transform(malignant.iloc[[0]])
difference = pd.Series((row - alad.reconstruct(row))[0], index=X.columns)

_, ax = plt.subplots(layout="constrained")
difference.sort_values(key=abs).tail(10).plot.barh(ax=ax)
ax.set(xlabel="malignant tumor minus its normal version (standard deviations)")

# %%
# New rows
# --------
# `sample` generates rows. They should lie where the benign tumors lie.

generated = pd.DataFrame(
    scaler.inverse_transform(alad.sample(200, random_state=0)),
    columns=X.columns,
)

_, ax = plt.subplots(layout="constrained")
for name, rows in {
    "malignant": malignant,
    "benign": test,
    "generated": generated,
}.items():
    ax.scatter(
        rows["mean radius"], rows["mean texture"], s=12, alpha=0.6, label=name
    )
ax.set(xlabel="mean radius", ylabel="mean texture")
ax.legend()
