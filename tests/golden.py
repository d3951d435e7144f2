"""Write the scores of small detectors to golden.json: ``python tests/golden.py``.

``contract/test_detection.py`` compares with them. They show that a change affects the scores, not
whether the scores are right: other tests check losses, moves and scores. Regenerate them after an
intended change, and mention it in the changelog.
"""

import json
from pathlib import Path

import torch
from common import DETECTORS, table, tiny

PATH = Path(__file__).with_suffix(".json")


def golden_scores(name):
    """Scores of 32 rows by a small detector that was trained on 64 other rows on the CPU."""
    rows = table(n_samples=96, seed=7)
    detector = tiny(name, max_epochs=3, device="cpu").fit(rows[32:])
    return detector.score_samples(rows[:32])


if __name__ == "__main__":
    torch.set_num_threads(1)
    scores = {name: golden_scores(name).tolist() for name in DETECTORS}
    PATH.write_text(json.dumps(scores, indent=1) + "\n")
    print(f"Wrote the scores of {', '.join(DETECTORS)} to {PATH}")
