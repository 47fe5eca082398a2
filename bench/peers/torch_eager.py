#!/usr/bin/python3
"""torch's side from Python, eager: a worker (bench/worker.h) with the cases of bench/ours.cc that are compared with it.

tools/setup/fetch_peers.py copies it beside the torch that it imports. Takes its number of threads from OMP_NUM_THREADS.
"""
import ctypes
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
# Libraries of the CUDA toolkit that torch names and a processor does not want are empty there: functions may be
# missing as long as nobody calls them.
sys.setdlopenflags(os.RTLD_LAZY)
for library in sorted((HERE / "absent").glob("lib*.so.*")) + sorted((HERE / "nvidia").glob("*/lib/lib*.so.*")):
    ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
sys.path.insert(0, str(HERE))

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402


def train_mlp(batch, widths):
    layers = []
    for inputs, outputs in zip(widths, widths[1:]):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    x, y = torch.randn(batch, widths[0]), torch.arange(batch) * 7 % 10

    def step():
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()

    return step


CASES = {
    "train/mlp_sgd": lambda: train_mlp(64, [784, 512, 512, 10]),
}


def turn(call):
    """The least time of a call, as Turn of bench/worker.h finds it."""
    call()
    count, best, blocks, end = 1, float("inf"), 0, time.perf_counter() + 30e-3
    while blocks < 6 or time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(count):
            call()
        spent = time.perf_counter() - start
        best = min(best, spent / count)
        count *= 2 if spent < 1e-3 else 1
        blocks += 1
    return best


def main():
    made, call = None, None
    for name in map(str.strip, sys.stdin):
        if name == "version":
            print(f"torch {torch.__version__} from Python {sys.version.split()[0]}", flush=True)
        elif name not in CASES:
            print(f"error: no case {name}", flush=True)
        else:
            if made != name:
                made, call = name, CASES[name]()
            print(f"{turn(call):.9g}", flush=True)


if __name__ == "__main__":
    main()
