"""Docstrings of what the detectors share, written once."""

from inspect import cleandoc
from textwrap import indent

PARAMETERS = """
n_members : int, default=1
    Number of games that are played side by side, each with its own initial weights and its
    own noise. The score of a row is the mean over the members, each centred and scaled
    by the median and the interquartile range of its scores on the training rows:
    unlike a mean and a standard deviation, they do not let a few odd training rows set
    the unit. Time and memory grow in proportion.

contamination : "auto" or float, default="auto"
    Share of outliers in the training rows, in (0, 0.5]: `offset_` is that quantile of the
    training scores. "auto" {auto_threshold}.
    See :ref:`thresholds`. :meth:`set_threshold` moves the threshold after `fit`.

max_epochs : "auto" or int, default="auto"
    Number of passes through the training rows. "auto" takes as many as give
    {auto_steps:,} mini-batches, at least one, so that small tables are trained enough.

batch_size : int, default={batch_size}
    Number of rows of a mini-batch.

lr : float, default={lr}
    Learning rate of the optimizer.

lr_schedule : {{"linear", "step", "constant"}}, default="{lr_schedule}"
    "linear" lowers the learning rate in every mini-batch, from `lr` to zero at the end of
    `fit`, so that the players come to rest; "step" divides it by 10 after 30, 60 and 90 % of
    the mini-batches; "constant" leaves it as it is, or to an LRScheduler among the `callbacks`.

early_stopping : bool, default=False
    Hold `validation_fraction` of the rows out, watch the game's validation loss on them
    after each epoch, and stop when it has not improved for `n_iter_no_change` epochs. No
    label is used. The networks of the best epoch are restored; a training that goes on
    (`warm_start`) compares only the epochs that it adds.

validation_fraction : float, default=0.1
    Share of the rows that early stopping holds out, in (0, 1).

n_iter_no_change : "auto" or int, default="auto"
    Number of epochs that early stopping waits for an improvement. "auto" is a tenth of the
    epochs, at least 10: an epoch of a small table is a step or two.

warm_start : bool, default=False
    Whether `fit` goes on from the networks of the last call instead of new ones.
    `max_epochs` then counts the epochs to add. What shapes the networks and the game stays
    as it was in the first `fit`, whatever the parameters say by then.

callbacks : list or None, default=None
    `skorch callbacks <https://skorch.readthedocs.io/en/stable/user/callbacks.html>`_, or
    ``(name, callback)`` pairs. Copies of them are used; what they hold, such as a writer, is
    not copied. With `warm_start`, those of the first `fit` stay.

net_params : dict or None, default=None
    Further parameters of the skorch net, for example
    ``{{"optimizer": torch.optim.RMSprop, "optimizer__weight_decay": 1e-5}}``.

device : str or torch.device, default="auto"
    Where to compute. "auto" is a CUDA device where there is one, else the CPU; a training
    that goes on does so where it began.

random_state : int, RandomState instance or None, default=None
    Determines initial weights, noise and the order of the rows. The same int gives the
    same bits on the CPU. No global generator is seeded or changed.

verbose : int, default=0
    Above 0, the losses of each epoch are printed.
"""

ATTRIBUTES = """
net_ : skorch.NeuralNet
    The trained net. ``net_.module_`` holds the networks.

history_ : skorch.history.History
    Losses of each player, and the duration, for each epoch.

n_iter_ : int
    Number of completed epochs.

offset_ : float
    ``decision_function(X) = score_samples(X) - offset_``.

train_scores_ : ndarray of shape (n_samples,)
    `score_samples` of the training rows.

n_features_in_ : int
    Number of features seen during `fit`.

feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features, if all were strings.
"""


def with_shared_parameters(cls):
    """Fill ``{shared_parameters}`` and ``{shared_attributes}`` into a class docstring."""
    defaults = cls.__init__.__kwdefaults__
    parameters = PARAMETERS.strip().format(
        auto_steps=cls._auto_steps,
        auto_threshold=cls._auto_threshold,
        **{k: defaults[k] for k in ("batch_size", "lr", "lr_schedule")},
    )
    doc = cleandoc(cls.__doc__)
    for mark, text in (("{shared_parameters}", parameters), ("{shared_attributes}", ATTRIBUTES)):
        doc = doc.replace(mark, text.strip())
    cls.__doc__ = indent(doc, "    ", lambda line: line.strip()).lstrip() + "\n    "
    return cls
