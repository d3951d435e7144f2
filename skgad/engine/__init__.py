"""Engine of the detectors: games, their data, training and scores, and the state of torch."""
