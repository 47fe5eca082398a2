#!/usr/bin/env python3
"""Trains the MLP of `sy train digits` for 50 steps in float64, in NumPy, with gradients derived by hand.

    tests/golden/mlp_trajectory.py DIGITS.csv.gz OUT.safetensors

Writes initial weights (f32), the batches (row numbers of the file) and the loss of each step (f64), which
trajectory_test.cc repeats on a device. NumPy draws the weights, so nothing here comes from Switchyard.
"""
import json
import struct
import sys

import numpy as np

STEPS, BATCH, LR, BETA1, BETA2, EPS = 50, 64, 2e-3, 0.9, 0.999, 1e-8


def main(digits, out):
    table = np.loadtxt(digits, delimiter=",")
    x_all, y_all = table[:, :-1] / 16, table[:, -1].astype(int)
    rng = np.random.default_rng(20240501)
    start = {
        "hidden.weight": rng.uniform(-1 / 8, 1 / 8, (64, 64)), "hidden.bias": rng.uniform(-1 / 8, 1 / 8, 64),
        "head.weight": rng.uniform(-1 / 8, 1 / 8, (10, 64)), "head.bias": rng.uniform(-1 / 8, 1 / 8, 10),
    }
    start = {name: w.astype("<f4") for name, w in start.items()}
    order = rng.integers(0, len(table), (STEPS, BATCH))

    w = {name: v.astype(np.float64) for name, v in start.items()}
    m = {name: np.zeros_like(v) for name, v in w.items()}
    v = {name: np.zeros_like(u) for name, u in w.items()}
    losses = []
    for step in range(1, STEPS + 1):
        x, y = x_all[order[step - 1]], y_all[order[step - 1]]
        z = x @ w["hidden.weight"].T + w["hidden.bias"]
        h = np.maximum(z, 0)
        logits = h @ w["head.weight"].T + w["head.bias"]
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        losses.append(-np.log(p[np.arange(BATCH), y]).mean())
        d = p.copy()  # of the mean cross entropy by the logits: (softmax - one hot) / batch
        d[np.arange(BATCH), y] -= 1
        d /= BATCH
        dz = (d @ w["head.weight"]) * (z > 0)
        g = {"head.weight": d.T @ h, "head.bias": d.sum(0), "hidden.weight": dz.T @ x, "hidden.bias": dz.sum(0)}
        for name in w:  # Adam, Kingma and Ba 2015, algorithm 1
            m[name] = BETA1 * m[name] + (1 - BETA1) * g[name]
            v[name] = BETA2 * v[name] + (1 - BETA2) * g[name] ** 2
            w[name] -= LR * (m[name] / (1 - BETA1**step)) / (np.sqrt(v[name] / (1 - BETA2**step)) + EPS)

    arrays = {**start, "order": order.astype("<i8"), "losses": np.array(losses, "<f8")}
    kinds = {"<f4": "F32", "<i8": "I64", "<f8": "F64"}
    header, at = {}, 0
    for name, a in arrays.items():
        header[name] = {"dtype": kinds[a.dtype.str], "shape": a.shape, "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(out, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in arrays.values()))


if __name__ == "__main__":
    main(*sys.argv[1:])
