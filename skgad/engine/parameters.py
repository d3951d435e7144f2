"""Parameters of detectors: one declaration makes the constructor and completes the docstring."""

from dataclasses import dataclass, field
from inspect import Parameter, cleandoc, signature
from itertools import chain
from textwrap import indent
from typing import dataclass_transform

ANNOTATIONS = "__annotations__"

PARAMETERS = """
encoding : {{"auto", "standard", "piecewise", "piecewise+frequency"}} or None, default={encoding!r}
    What the networks see of the columns. If they are encoded, their units do not matter, and
    samples and reconstructions are decoded. See :ref:`encoding`.

    - "standard": standardized values.
    - "piecewise": piecewise-linear codes of columns with up to 17 distinct values, and standardized
      values of all others, see :class:`~skgad.preprocessing.PiecewiseLinearEncoder`. Columns that
      contain both zeros and ones, and nothing else, keep their values.
    - "piecewise+frequency": in addition, a code of how rare a value is, for columns of numbers
      that repeat. In a table of more than 50,000 rows, the rows are counted in an evenly spaced
      sample of them.
    - "auto": "piecewise+frequency" for tables. None for images, for sparse matrices, and for
      :class:`~skgad.ARN` with ``output_activation="sigmoid"`` or ``categorical="gumbel"``.
    - None: the columns as they are. Scale them first, for example with StandardScaler.

networks : object or None, default=None
    Family of networks: an :class:`~skgad.MLP`, a :class:`~skgad.ConvNet`, or any object with their
    methods. None is ``{default_networks}``. Networks of this method:
    {networks}.

ema_decay : float or None, default={ema_decay}
    Decay of the exponential moving average of the weights, see
    :class:`~skgad.callbacks.WeightAveraging`. Scores, reconstructions and samples use the averaged
    weights. None uses the last weights.

n_members : int, default={n_members}
    Number of members of the ensemble, which are trained together. Each member has its own initial
    weights, its own noise and its own order of the rows. The score of a row is the average over
    the members, each one centered by the median and scaled by the interquartile range of its scores
    on the training rows, which are robust to a few unusual training rows. See :ref:`ensembles`.

contamination : "auto" or float, default="auto"
    Proportion of outliers among the training rows, in (0, 0.5]. `offset_` is this quantile of the
    training scores. "auto"
    {auto_threshold}.
    For this, what a score and frequency codes learn from the training rows is learned again
    without some of them, which are then scored as if they were new. See :ref:`thresholds`.
    Use :meth:`set_threshold` to change it after `fit`.

max_epochs : "auto" or int, default="auto"
    Number of passes through the training rows. "auto" chooses it so that there are about
    `auto_steps` mini-batches, and at least one pass.

auto_steps : int, default={auto_steps}
    About how many mini-batches ``max_epochs="auto"`` trains on, so that the length of the training
    does not depend on the number of rows.

batch_size : int, default={batch_size}
    Number of rows of a mini-batch.

lr : float, default={lr}
    Learning rate of the optimizer.

lr_schedule : {{"linear", "step", "constant"}}, default="{lr_schedule}"
    How the learning rate changes. "linear" decreases it after every mini-batch, from `lr` to zero
    at the end of `fit`. "step" divides it by 10 after 30, 60 and 90 % of the mini-batches.
    "constant" does not change it; an LRScheduler among the `callbacks` may.

early_stopping : bool, default=False
    Whether to hold out `validation_fraction` of the rows, compute the validation loss of the
    method on them after each epoch, and stop if it has not improved for `n_iter_no_change`
    epochs. No labels are used. The networks of the best epoch are restored. If a
    training is continued (`warm_start`), only the additional epochs are compared.

validation_fraction : float, default=0.1
    Proportion of the rows that early stopping holds out, in (0, 1).

n_iter_no_change : "auto" or int, default="auto"
    Number of epochs that early stopping waits for an improvement. "auto" is a tenth of the
    epochs, and at least 10, because an epoch of a small table is only a step or two.

warm_start : bool, default=False
    Whether `fit` continues the training of the last call instead of starting from new networks.
    `max_epochs` is then the number of additional epochs. Parameters that define the
    networks and the game keep the values of the first `fit`, except for the score type. The state
    of the optimizer is saved with the detector.

callbacks : list or None, default=None
    `skorch callbacks <https://skorch.readthedocs.io/en/stable/user/callbacks.html>`_, or
    ``(name, callback)`` pairs. The detector uses clones of them, but objects that they hold,
    such as a writer, are shared. With `warm_start`, the callbacks of the first `fit` are kept.

checkpoint : str, path-like, :class:`~skgad.callbacks.Checkpoint` or None, default=None
    File that saves the training, so that `fit` goes on from it after the process was killed, to the
    same bits. Given a path, it is written at the end of an epoch, once a minute. After the
    training it is kept, and `fit` with the same parameters and rows trains no more. See
    :ref:`long_trainings`.

net_params : dict or None, default=None
    Further parameters of the skorch net, for example
    ``{{"optimizer": torch.optim.RMSprop, "optimizer__weight_decay": 1e-5}}``.

device : str or torch.device, default="auto"
    Device of the computations. "auto" is a CUDA device if there is one, and the CPU
    otherwise. A training that is continued stays on its device.

random_state : int, RandomState instance or None, default=None
    Determines the initial weights, the noise and the order of the rows. The same int gives the
    same bits on the CPU, with the same number of threads. No global generator is seeded or changed.

verbose : int, default=0
    If positive, the losses of each epoch are printed.
"""

ATTRIBUTES = """
net_ : skorch.NeuralNet
    The trained net. ``net_.module_`` holds the networks.

history_ : skorch.history.History
    Losses of each player, and the duration, of each epoch.

n_iter_ : int
    Number of completed epochs.

offset_ : float
    Threshold: ``decision_function(X) = score_samples(X) - offset_``.

train_scores_ : ndarray of shape (n_samples,)
    `score_samples` of the training rows.

n_features_in_ : int
    Number of features seen during `fit`.

feature_names_in_ : ndarray of shape (`n_features_in_`,)
    Names of the features seen during `fit`, if all of them are strings.
"""


def listed(names):
    """Names in one phrase, such as "`encoder`, `decoder` and `critic`"."""
    *names, last = (f"`{name}`" for name in names)
    return f"{', '.join(names)} and {last}" if names else last


@dataclass_transform(kw_only_default=True, eq_default=False, field_specifiers=(field,))
class DeclaredParameters:
    """Base class whose subclasses declare their parameters as annotated attributes.

    The annotated attributes of a subclass become keyword-only parameters of its constructor, with
    those of its base classes, unless it defines ``__init__`` itself. If its docstring contains
    ``{shared_parameters}`` or ``{shared_attributes}``, the descriptions that all detectors share
    replace these marks.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "__init__" not in vars(cls):
            make_constructor(cls)
        if cls.__doc__ and "{shared_" in cls.__doc__:
            cls.__doc__ = complete_docstring(cls)


def make_constructor(cls):
    """Make the constructor of a class, whose signature lists its own parameters first."""
    dataclass(kw_only=True, eq=False, repr=False)(cls)
    init = signature(cls)
    depth = {name: i for i, c in enumerate(cls.__mro__) for name in vars(c).get(ANNOTATIONS, ())}
    own_first = sorted(init.parameters.values(), key=lambda parameter: depth[parameter.name])
    self = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    vars(cls)["__init__"].__signature__ = init.replace(parameters=[self, *own_first])


def complete_docstring(cls):
    """Docstring of a detector with the descriptions that all detectors share."""
    defaults = {name: parameter.default for name, parameter in signature(cls).parameters.items()}
    networks = listed(dict.fromkeys(chain(*reversed(cls.game_class.players.values()))))
    parameters = PARAMETERS.strip().format(
        default_networks=cls.default_networks,
        auto_threshold=cls.auto_threshold,
        **{**defaults, "networks": networks},
    )
    doc = cleandoc(cls.__doc__)
    doc = doc.replace("{shared_parameters}", parameters)
    doc = doc.replace("{shared_attributes}", ATTRIBUTES.strip())
    indented = indent(doc, "    ", lambda line: bool(line.strip()))
    return f"{indented.lstrip()}\n    "
