"""Seeds of the estimators inside a meta-estimator."""

from sklearn.utils import check_random_state


def set_random_states(estimator, random_state):
    """Seed every parameter `random_state` of an estimator that is None, nested ones included.

    A seed that the user has chosen is kept, unlike in scikit-learn's bagging, where all members are
    clones of one estimator.

    Parameters
    ----------
    estimator : estimator
        Its parameters are set.
    random_state : int, RandomState instance or None
        Where the seeds are drawn from. With None, nothing is set.
    """
    if random_state is None:
        return
    rng = check_random_state(random_state)
    unset = [
        name
        for name, value in sorted(estimator.get_params().items())
        if value is None and name.split("__")[-1] == "random_state"
    ]
    estimator.set_params(**{name: int(rng.randint(2**31 - 1)) for name in unset})
