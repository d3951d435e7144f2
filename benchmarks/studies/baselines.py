"""The baselines of the five papers with their defaults, next to other implementations of them.

All run on the development sets of ADBench, one-class, on standardized columns. Detectors of this
package and of others have the defaults of their package.
"""

from functools import partial

import skgad
from benchmarks.common import cli, results
from benchmarks.common.baselines import DeepOD, PyOD
from benchmarks.common.detectors import BASELINES
from benchmarks.common.splits import split_of_family
from benchmarks.studies.ranking import measures
from skgad.density import DensityDetector
from skgad.neighbors import KNeighborsDetector


def ours(name, seed, **params):
    """Detector of this package, with its defaults for all parameters that are not given."""
    return getattr(skgad, name)(random_state=seed, **params)


#: Methods as the study names them. "DSEBM-e" and "DSEBM-r" are the names of the papers.
OURS = {
    "Autoencoder": partial(ours, "Autoencoder", n_members=1, score_type="inlier"),
    "DeepSVDD": partial(ours, "DeepSVDD"),
    "DAGMM": partial(ours, "DAGMM"),
    "DSEBM-e": partial(ours, "DSEBM", score_type="energy"),
    "DSEBM-r": partial(ours, "DSEBM", score_type="reconstruction"),
    "AnoGAN": partial(ours, "AnoGAN"),
    "EGBAD": partial(ours, "EGBAD"),
    "GANomaly": partial(ours, "GANomaly"),
    "SkipGANomaly": partial(ours, "SkipGANomaly"),
    "FenceGAN": partial(ours, "FenceGAN"),
    "KNeighborsDetector": lambda seed: KNeighborsDetector(),
    "DensityDetector": lambda seed: DensityDetector(random_state=seed),
}
REFERENCES = {
    name: BASELINES[name]
    for name in ("L2 norm", "k-NN", "IsolationForest", "Denoising autoencoder")
}


def pyod(name, seed, **params):
    return PyOD(name, params, random_state=seed)


PYOD = {
    "PyOD AutoEncoder": partial(pyod, "AutoEncoder", verbose=0),
    "PyOD DeepSVDD": partial(pyod, "DeepSVDD", verbose=0),
    "PyOD ALAD": partial(pyod, "ALAD"),
    "PyOD KNN": partial(pyod, "KNN"),
    "PyOD GMM": partial(pyod, "GMM"),
}
#: They take a tenth of a second for each training row, or are not part of the extra "peers".
NOT_BY_DEFAULT = {
    "PyOD AnoGAN": partial(pyod, "AnoGAN"),
    "DeepOD DeepSVDD": lambda seed: DeepOD("DeepSVDD", random_state=seed),
}
METHODS = {**OURS, **REFERENCES, **PYOD, **NOT_BY_DEFAULT}
GROUPS = {"ours": list(OURS), "references": list(REFERENCES), "pyod": list(PYOD)}

#: Implementations of our methods in other packages.
PEERS = {
    "PyOD": {
        "Autoencoder": "PyOD AutoEncoder",
        "DeepSVDD": "PyOD DeepSVDD",
        "AnoGAN": "PyOD AnoGAN",
        "KNeighborsDetector": "PyOD KNN",
        "DensityDetector": "PyOD GMM",
    },
    "DeepOD": {"DeepSVDD": "DeepOD DeepSVDD"},
}


def evaluate(dataset, method, seed, *, data_home):
    """Measures of one fit, with a split of its own for each seed."""
    return measures(METHODS[method](seed), split_of_family("adbench", dataset, seed, data_home))


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/", seeds=3)
    parser.add_argument("--methods", nargs="+", choices=[*GROUPS, *METHODS], default=list(GROUPS))
    cli.add_datasets(parser)
    args = parser.parse_args(arguments)
    keys = [
        {"dataset": dataset, "method": method, "seed": seed}
        for seed in range(args.seeds)
        for method in cli.expand(args.methods, GROUPS)
        for dataset in cli.chosen_datasets(args)
    ]
    results.run("baselines", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
