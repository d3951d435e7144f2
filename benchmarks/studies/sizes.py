"""What the sizes of the networks, the number of mini-batches and the members buy, and cost."""

from functools import partial

from benchmarks.common import cli, results
from benchmarks.common.splits import split_of_family
from benchmarks.studies.ranking import DETECTORS, measures, with_defaults
from skgad import MLP

#: Every third dataset of OddBench and of ADBench, in the order of their names.
DATASETS = (
    "AbandonedMineLand",
    "AirQualityKolkata",
    "AtomicProperties",
    "BacillusEvolution",
    "CallDetail",
    "ConfidenceMetrics",
    "CustomerBehavior",
    "EnvironmentalConcernSurvey",
    "GeneticAnalysis",
    "HousePriceSales",
    "LandParcels",
    "MalwareClassification",
    "MineAccident",
    "NewsCheckFrequency",
    "PoliceComplaints",
    "PsychologicalTrialValidity",
    "RegimePatterns",
    "SalesOrderStatus",
    "SpeciesTaxonomy",
    "VehicleTheftAnomalies",
    "10_cover",
    "14_glass",
    "20_letter",
    "25_musk",
    "28_pendigits",
    "32_shuttle",
    "4_breastw",
)
#: Parameters of a detector, by what they are.
SIZES = {
    f"{n_members} x {layers[0]}-{layers[1]}, codes of {latent_dim}, {n_steps} steps": {
        "networks": MLP(layers),
        "n_members": n_members,
        "latent_dim": latent_dim,
        "auto_steps": n_steps,
    }
    for n_members, layers, latent_dim, n_steps in [
        (1, (256, 128), 64, 2000),
        (1, (128, 64), 64, 2000),
        (1, (128, 64), 64, 1000),
        (2, (128, 64), 64, 1000),
        (4, (128, 64), 64, 1000),
        (4, (64, 32), 64, 1000),
        (4, (64, 32), 32, 1000),
        (4, (64, 32), 32, 500),
        (2, (128, 64), 32, 1000),
        (4, (128, 64), 32, 1000),
        (4, (128, 64), 32, 500),
        (4, (256, 128), 32, 500),
        (8, (128, 64), 32, 500),
    ]
}


def evaluate(family, dataset, method, size, seed, *, data_home):
    """Quality and seconds of one fit, see :func:`benchmarks.studies.ranking.measures`."""
    detector = with_defaults(method, seed, **SIZES[size])
    return measures(detector, split_of_family(family, dataset, seed, data_home))


def main(arguments=None):
    parser = cli.argument_parser(__doc__, folders="adbench/ and oddbench/", seeds=1)
    parser.add_argument("--methods", nargs="+", choices=DETECTORS, default=[*DETECTORS])
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[*SIZES])
    cli.add_families(parser)
    args = parser.parse_args(arguments)
    keys = [
        {**key, "size": size}
        for key in cli.keys_of_families(args)
        if key["dataset"] in DATASETS
        for size in args.sizes
    ]
    results.run("sizes", partial(evaluate, data_home=args.data_home), keys, args.jobs)


if __name__ == "__main__":
    main()
