#!/usr/bin/env python3
"""Trains a network for 50 steps in float64, in NumPy, with gradients derived by hand.

    tests/golden/trajectory.py mlp DIGITS.csv.gz OUT.safetensors
    tests/golden/trajectory.py cnn MNIST_5K.csv.gz OUT.safetensors

Writes initial weights (f32), the batches (row numbers of the file) and the loss of each step (f64), which
trajectory_test.cc repeats on a device. NumPy draws the weights, so nothing here comes from Switchyard.
The MLP is that of `sy train digits`; the CNN has its layers with fewer channels, to keep the file small.
"""
import json
import struct
import sys

import numpy as np

STEPS, LR, BETA1, BETA2, EPS = 50, 2e-3, 0.9, 0.999, 1e-8


def cross_entropy(logits, y):
    """The mean over the batch, and its gradient by the logits: (softmax - one hot) / batch."""
    n = np.arange(len(y))
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.log(p[n, y]).mean()
    p[n, y] -= 1
    return loss, p / len(y)


def mlp(w, x, y):
    z = x @ w["hidden.weight"].T + w["hidden.bias"]
    h = np.maximum(z, 0)
    loss, d = cross_entropy(h @ w["head.weight"].T + w["head.bias"], y)
    dz = (d @ w["head.weight"]) * (z > 0)
    return loss, {"head.weight": d.T @ h, "head.bias": d.sum(0), "hidden.weight": dz.T @ x, "hidden.bias": dz.sum(0)}


def windows(x):
    """[n, c, h, w], a border of zeros added, to [n, c, h, w, 3, 3]."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), (2, 3))


def conv(x, weight, bias):
    return np.einsum("nchwij,ocij->nohw", windows(x), weight, optimize=True) + bias[:, None, None]


def conv_grads(x, weight, dy):
    dweight = np.einsum("nchwij,nohw->ocij", windows(x), dy, optimize=True)
    dx = np.einsum("nohwij,ocij->nchw", windows(dy), weight[:, :, ::-1, ::-1], optimize=True)
    return dx, dweight, dy.sum((0, 2, 3))


def pool(x):
    """The largest of each 2 x 2, and a mask of the first place where it stands."""
    n, c, h, w = x.shape
    t = x.reshape(n, c, h // 2, 2, w // 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, h // 2, w // 2, 4)
    mask = np.arange(4) == t.argmax(-1)[..., None]
    return t.max(-1), mask


def unpool(dy, mask):
    n, c, h, w, _ = mask.shape
    return (dy[..., None] * mask).reshape(n, c, h, w, 2, 2).transpose(0, 1, 2, 4, 3, 5).reshape(n, c, 2 * h, 2 * w)


def cnn(w, x, y):
    x = x.reshape(-1, 1, 28, 28)
    a1 = conv(x, w["conv1.weight"], w["conv1.bias"])
    p1, mask1 = pool(np.maximum(a1, 0))
    a2 = conv(p1, w["conv2.weight"], w["conv2.bias"])
    p2, mask2 = pool(np.maximum(a2, 0))
    flat = p2.reshape(len(x), -1)
    loss, g = mlp(w, flat, y)
    z = flat @ w["hidden.weight"].T + w["hidden.bias"]
    h = np.maximum(z, 0)
    _, d = cross_entropy(h @ w["head.weight"].T + w["head.bias"], y)
    dflat = ((d @ w["head.weight"]) * (z > 0)) @ w["hidden.weight"]
    da2 = unpool(dflat.reshape(p2.shape), mask2) * (a2 > 0)
    dp1, g["conv2.weight"], g["conv2.bias"] = conv_grads(p1, w["conv2.weight"], da2)
    da1 = unpool(dp1, mask1) * (a1 > 0)
    _, g["conv1.weight"], g["conv1.bias"] = conv_grads(x, w["conv1.weight"], da1)
    return loss, g


# For each network: its gradients, batch, the brightest pixel, and shapes with the fan-in that bounds the weights.
NETS = {
    "mlp": (mlp, 64, 16, {"hidden": ((64, 64), 64), "head": ((10, 64), 64)}),
    "cnn": (cnn, 32, 255, {"conv1": ((8, 1, 3, 3), 9), "conv2": ((16, 8, 3, 3), 72), "hidden": ((32, 784), 784), "head": ((10, 32), 32)}),
}


def main(kind, digits, out):
    gradients, batch, white, shapes = NETS[kind]
    table = np.loadtxt(digits, delimiter=",")
    x_all, y_all = table[:, :-1] / white, table[:, -1].astype(int)
    rng = np.random.default_rng(20240501)
    start = {}
    for name, (shape, fan_in) in shapes.items():
        bound = 1 / np.sqrt(fan_in)
        start[name + ".weight"] = rng.uniform(-bound, bound, shape).astype("<f4")
        start[name + ".bias"] = rng.uniform(-bound, bound, shape[:1]).astype("<f4")
    order = rng.integers(0, len(table), (STEPS, batch))

    w = {name: v.astype(np.float64) for name, v in start.items()}
    m = {name: np.zeros_like(v) for name, v in w.items()}
    v = {name: np.zeros_like(u) for name, u in w.items()}
    losses = []
    for step in range(1, STEPS + 1):
        loss, g = gradients(w, x_all[order[step - 1]], y_all[order[step - 1]])
        losses.append(loss)
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
