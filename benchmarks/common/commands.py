"""The commands behind the results, as they can be typed today.

Results record the command that was typed. Earlier, the scripts were files in one folder, and two
methods had other names, so recorded commands are translated.
"""

import shlex
from pathlib import Path

from benchmarks.common import results

#: Modules, with positional arguments, that have replaced the scripts of earlier results.
MOVED = {
    "adbench.py": "benchmarks.studies.adbench",
    "alad_tables.py": "benchmarks.alad.tables",
    "ama_images.py": "benchmarks.ama.images",
    "ama_selection.py": "benchmarks.ama.selection",
    "ama_speed.py": "benchmarks.ama.speed",
    "arn_boundary.py": "benchmarks.studies.boundary ARN",
    "arn_labels.py": "benchmarks.arn.labels",
    "arn_noise.py": "benchmarks.arn.noise",
    "arn_tables.py": "benchmarks.arn.tables",
    "arn_tried.py": "benchmarks.studies.tried ARN",
    "cifar_brightness.py": "benchmarks.waldo.cifar_brightness",
    "demo_figures.py": "benchmarks.studies.demo_figures",
    "front_door.py": "benchmarks.studies.front_door",
    "members.py": "benchmarks.studies.members",
    "rcgan_boundary.py": "benchmarks.studies.boundary RCGAN",
    "rcgan_tables.py": "benchmarks.rcgan.tables",
    "selection.py": "benchmarks.studies.selection",
    "speed.py": "benchmarks.studies.speed",
    "threshold.py": "benchmarks.studies.threshold",
    "tried.py": "benchmarks.studies.tried",
    "waldo_adbench.py": "benchmarks.waldo.adbench",
    "waldo_figures.py": "benchmarks.waldo.figures",
    "waldo_images.py": "benchmarks.waldo.images",
    "waldo_tables.py": "benchmarks.waldo.tables",
}
#: Methods of ``adbench.py`` that had other names: those in the command and in the rows.
RENAMED = {"AMA": "AMA, outward", "AMA, no negatives": "AMA"}


def current(command, rows):
    """The command that runs today what a recorded command ran.

    Parameters
    ----------
    command : str
        The command as it was recorded.
    rows : list of dict
        The rows that it added.
    """
    _, script, *options = shlex.split(command)
    if script == "-m":
        return command
    methods = {row.get("method") for row in rows}
    if Path(script).name == "adbench.py":
        options = [
            RENAMED[option] if RENAMED.get(option) in methods and option not in methods else option
            for option in options
        ]
    return shlex.join(["python", "-m", *MOVED[Path(script).name].split(), *options])


def recorded(table):
    """Pairs of a run and the rows that it added, without the runs whose rows are gone."""
    content = results.read(table)
    rows_of = [[] for _ in content["runs"]]
    for row in content["rows"]:
        rows_of[row["run"]].append(row)
    return [(run, rows) for run, rows in zip(content["runs"], rows_of, strict=True) if rows]
