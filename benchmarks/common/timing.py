"""Fair comparison of running times."""

import time

import numpy as np
import torch

ROUNDS = 5
# On the CPU, processor time, to which other processes on the machine add nothing.
clock = time.perf_counter if torch.cuda.is_available() else time.process_time


def shortest_times(*functions, rounds=ROUNDS):
    """Shortest time of each function, in seconds, over rounds in which all of them run in turn."""
    times = np.empty((rounds, len(functions)))
    for one_round in times:
        for i, function in enumerate(functions):
            start = clock()
            function()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            one_round[i] = clock() - start
    return times.min(axis=0)
