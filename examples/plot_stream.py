"""
A stream that drifts
====================

Rows arrive in batches, and one day they change. Is the change a cause for
alarm, or the new normal? A conformal martingale notices the change, and
``partial_fit`` adapts the detector to it.
"""

# %%
# The rows have six columns that depend on each other. After 15 batches, the
# mean of one column moves, as after the replacement of a sensor.

import matplotlib.pyplot as plt
import numpy as np
import torch
from scipy.stats import ks_2samp

from skgad import Autoencoder
from skgad.calibration import log_martingale

torch.set_num_threads(1)
rng = np.random.default_rng(0)
loadings = rng.normal(size=(2, 6))


def draw(n_rows, shift=0.0):
    """Draw rows, the first column of which is shifted."""
    rows = rng.normal(size=(n_rows, 2)) @ loadings
    rows += rng.normal(scale=0.5, size=rows.shape)
    rows[:, 0] += shift
    return rows


train, held_out = draw(1000), draw(500)
stream = [draw(50, shift=1.5 if i >= 15 else 0.0) for i in range(40)]

# %%
# Noticing the change
# -------------------
# The detector is fitted to the first rows. The martingale compares the scores
# of the stream with those of held-out rows. Without a change, it reaches 100
# with a probability of at most 0.01, however long the stream is. A
# Kolmogorov-Smirnov test of each batch is simpler, but raises false alarms the
# more often the more batches are tested. It is shown for comparison.
#
# After an alarm, ten more batches are collected, and ``partial_fit`` trains on
# half of their rows. The other half is held out, because the martingale starts
# anew with the scores of the adapted detector.

detector = Autoencoder(n_members=1, max_epochs=20, random_state=0).fit(train)
held_out_scores = detector.score_samples(held_out)
seen, collected = [], None
evidence, p_values, medians, adapted_at = [], [], [], None
for i, batch in enumerate(stream):
    scores = detector.score_samples(batch)
    seen.append(scores)
    log_m = log_martingale(
        np.concatenate(seen), held_out_scores, random_state=0
    )
    evidence.append(log_m[-1])
    p_values.append(ks_2samp(scores, held_out_scores).pvalue)
    medians.append(np.median(scores))
    if collected is None and log_m.max() > np.log(100) and adapted_at is None:
        print(f"Alarm after batch {i}")
        collected = []
    elif collected is not None:
        collected.append(batch)
        if len(collected) == 10:
            rows = rng.permutation(np.concatenate(collected))
            for _ in range(10):
                detector.partial_fit(rows[::2])
            held_out_scores = detector.score_samples(rows[1::2])
            seen, collected, adapted_at = [], None, i
            print(f"Adapted after batch {i}")

# %%
# The martingale falls slowly as long as nothing changes, and rises steeply
# when it does. After the adaptation, the rows are normal again, and there is
# no further alarm.

fig, axes = plt.subplots(3, sharex=True, figsize=(7, 6), layout="constrained")
axes[0].plot(medians)
axes[0].set_ylabel("median score")
axes[1].plot(evidence)
axes[1].axhline(np.log(100), color="gray", linestyle=":")
axes[1].set_ylabel("log martingale")
axes[2].semilogy(p_values, ".")
axes[2].axhline(0.01, color="gray", linestyle=":")
axes[2].set(ylabel="p-value of the KS test", xlabel="batch")
for ax in axes:
    ax.axvline(14.5, color="tab:red", label="change")
    if adapted_at is not None:
        ax.axvline(adapted_at + 0.5, color="tab:green", label="adaptation")
axes[0].legend()

# %%
# The held-out rows after a change must themselves be normal. Look at the rows
# before you adapt to them: a detector that adapts to an attack no longer sees
# it. :ref:`drift` says more about the martingale.
