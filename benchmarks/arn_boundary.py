"""Does the discriminator of ARN at one half separate anomalies? As ``rcgan_boundary.py``."""

import argparse
from functools import partial

import results
from files import add_data_home
from rcgan_boundary import evaluate

from skgad.datasets import list_adbench


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_home(parser, "adbench/")
    args = parser.parse_args()
    measure = partial(evaluate, method="ARN", boundary="D = 1/2")
    tasks = [
        ({"dataset": name, "seed": 0}, partial(measure, name, 0, args.data_home))
        for name in list_adbench(args.data_home)
    ]
    results.run("arn_boundary", tasks)


if __name__ == "__main__":
    main()
