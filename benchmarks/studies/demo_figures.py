"""Figures behind the picture in the README: the measurements of ``make demo``, for each seed."""

from benchmarks.common import cli, results
from examples import demo


def evaluate(detector, seed):
    """One row of the demo's table, without the times, which depend on the machine."""
    _, figures = demo.evaluate(detector, seed)
    return {name: value for name, value in figures.items() if "(s)" not in name}


def main(arguments=None):
    args = cli.argument_parser(__doc__, seeds=3).parse_args(arguments)
    keys = [
        {"detector": detector, "seed": seed}
        for detector in demo.DETECTORS
        for seed in range(args.seeds)
    ]
    results.run("demo", evaluate, keys, args.jobs)


if __name__ == "__main__":
    main()
