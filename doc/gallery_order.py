"""Order of the gallery: what most readers look for comes first."""

ORDER = [
    "plot_first_hour.py",
    "plot_front_door.py",
    "plot_comparison.py",
    "plot_breast_cancer.py",
    "plot_mixed_table.py",
    "plot_search.py",
    "plot_stream.py",
    "plot_in_scikit_learn.py",
    "plot_decision_boundary.py",
    "plot_waldo.py",
    "plot_arn_digits.py",
    "plot_arn.py",
    "plot_ama.py",
    "plot_rcgan.py",
    "plot_bank.py",
    "plot_kdd99.py",
    "plot_arn_kdd99.py",
]


def by_interest(filename):
    """Sort key of an example. Examples that are not listed come last."""
    position = ORDER.index(filename) if filename in ORDER else len(ORDER)
    return position, filename
