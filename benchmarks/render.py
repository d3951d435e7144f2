"""Write all tables and figures of the documentation from the results."""

import argparse

from benchmarks.alad import render as alad
from benchmarks.ama import render as ama
from benchmarks.arn import render as arn
from benchmarks.common import commands, results
from benchmarks.common.render import write_text
from benchmarks.rcgan import render as rcgan
from benchmarks.studies import render as studies
from benchmarks.waldo import render as waldo


def render_commands():
    """The commands of each table, with the versions and the machine."""
    tables = sorted(path.stem for path in results.FOLDER.glob("*.json"))
    parts = [commands_of(table) for table in tables if table != "published"]
    write_text("tables/commands.rst", "\n\n".join(parts) + "\n")


def commands_of(table):
    runs = commands.recorded(table)
    typed = sorted({commands.current(run["command"], rows) for run, rows in runs})
    values = {name: ", ".join(sorted({str(run[name]) for run, _ in runs})) for name in runs[0][0]}
    lines = [
        *(table, "-" * len(table), "", ".. code-block:: console", ""),
        *(f"   $ {command}" for command in typed),
        "",
        "Python {python}, torch {torch}, scikit-learn {scikit-learn}, skorch {skorch}; "
        "{cpu}, {cores} cores.".format(**values),
    ]
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m benchmarks.render", description=__doc__)
    parser.parse_args(arguments)
    for part in (alad, rcgan, waldo, arn, ama, studies):
        part.render()
    render_commands()


if __name__ == "__main__":
    main()
