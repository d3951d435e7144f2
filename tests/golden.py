"""Write the scores of small detectors to golden.json: ``python tests/golden.py``.

`test_common` compares with them. They tell that something has changed what is computed, not
that it is right: losses, moves and scores are checked elsewhere. Regenerate them when a change is
meant, and say so in the changelog.
"""

import json
from pathlib import Path

import torch
from common import DETECTORS, table, tiny

PATH = Path(__file__).with_suffix(".json")


def golden_scores(name):
    """Scores of 32 rows by a small detector, trained on 64 others on the CPU."""
    rows = table(n_samples=96, seed=7)
    detector = tiny(name, max_epochs=3, device="cpu").fit(rows[32:])
    return detector.score_samples(rows[:32])


if __name__ == "__main__":
    torch.set_num_threads(1)
    scores = {name: golden_scores(name).tolist() for name in DETECTORS}
    PATH.write_text(json.dumps(scores, indent=1) + "\n")
    print(f"Wrote the scores of {', '.join(DETECTORS)} to {PATH}")
