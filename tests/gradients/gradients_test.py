#!/usr/bin/python3
"""Gradients of first and second order against central differences in f64, for every differentiable op.

    gradients_test.py DEVICE

An op that is differentiable and has no case here makes the test fail, and so does a case in UNCHECKED that has one.
"""
import ctypes
import sys

import numpy as np
import switchyard as sy
from switchyard import _abi

EPS = 6e-6         # the step: about the cube root of f64's rounding
FIRST = 1e-6       # of the larger of 1 and the derivative
SECOND = 2e-5
device = sys.argv[1] if len(sys.argv) > 1 else "cpu:0"
rng = np.random.default_rng(1)
checked, failures, count = set(), [], 0


def tensor(array, **options):
    return sy.tensor(array, device=device, **options)


def uniform(low, high, *shape):
    return rng.uniform(low, high, shape)


def check(op, fn, *arrays, second=True, first=FIRST):
    """fn takes tensors like the arrays; those of f64 are differentiated. `second`: gradients of gradients too."""
    global count
    count += 1
    checked.add(op)
    try:
        compare(op, fn, [np.asarray(a) for a in arrays], second, first)
    except Exception as error:  # the others still run
        failures.append(f"{op}: {type(error).__name__}: {error}")


def compare(op, fn, arrays, second, first):
    wanted = [i for i, a in enumerate(arrays) if a.dtype == np.float64]

    def outputs(tensors):
        result = fn(*tensors)
        return [o for o in (result if isinstance(result, tuple) else (result,)) if o.dtype == "f64"]

    def moved(i, j, step):
        """The arrays with element j of array i moved."""
        copies = [a.copy() for a in arrays]
        copies[i].reshape(-1)[j] += step
        return copies

    def leaves(values):
        return [tensor(v, requires_grad=i in wanted) for i, v in enumerate(values)]

    inputs = leaves(arrays)
    outs = outputs(inputs)
    weights = [rng.standard_normal(o.shape) for o in outs]
    grads = sy.grad(outs, [inputs[i] for i in wanted], [tensor(w) for w in weights], allow_unused=True)

    def loss(values):
        return sum(float((o.numpy() * w).sum()) for o, w in zip(outputs([tensor(v) for v in values]), weights))

    for i, grad in zip(wanted, grads):
        numeric = np.array([(loss(moved(i, j, EPS)) - loss(moved(i, j, -EPS))) / (2 * EPS) for j in range(arrays[i].size)])
        got = np.zeros_like(numeric) if grad is None else grad.numpy().reshape(-1)
        if numeric.size and not np.abs(got - numeric).max() < first * (1 + np.abs(numeric).max()):
            failures.append(f"{op}: gradient of input {i} is off by {np.abs(got - numeric).max():.3g}")
    if not second:
        return

    def graded(values):
        tensors = leaves(values)
        return tensors, sy.grad(outputs(tensors), [tensors[i] for i in wanted], [tensor(w) for w in weights],
                                create_graph=True, allow_unused=True)

    inputs, grads = graded(arrays)
    against = [rng.standard_normal(arrays[i].shape) for i in wanted]
    used = [(g, h) for g, h in zip(grads, against) if g is not None and g.requires_grad]
    if not used:
        return
    seconds = sy.grad([g for g, _ in used], [inputs[i] for i in wanted], [tensor(h) for _, h in used], allow_unused=True)

    def loss_of_grads(values):
        return sum(float((g.numpy() * h).sum()) for g, h in zip(graded(values)[1], against) if g is not None)

    for i, grad in zip(wanted, seconds):
        for j in rng.choice(arrays[i].size, min(arrays[i].size, 4), replace=False) if arrays[i].size else []:
            numeric = (loss_of_grads(moved(i, j, EPS)) - loss_of_grads(moved(i, j, -EPS))) / (2 * EPS)
            got = 0 if grad is None else grad.numpy().reshape(-1)[j]
            if not abs(got - numeric) < SECOND * (1 + abs(numeric)):
                failures.append(f"{op}: second gradient of input {i}, element {j}: {got:.8g}, want {numeric:.8g}")


def infos():
    for i in range(_abi.lib.sy_op_count()):
        info = _abi._OpInfo(size=64)
        _abi.lib.sy_op_info(i, ctypes.byref(info))
        yield info.name.decode(), info


def pointwise():
    domains = dict(acos=(-.8, .8), asin=(-.8, .8), acosh=(1.3, 4), atanh=(-.8, .8), log=(.3, 3), log10=(.3, 3),
                   log1p=(.3, 3), log2=(.3, 3), sqrt=(.3, 3), rsqrt=(.3, 3), reciprocal=(.5, 2), lgamma=(.5, 4),
                   pow=(.2, 1.7), fmod=(.2, 1.7), remainder=(.2, 1.7), div=(.2, 1.7), atan2=(.2, 1.7))
    own = {"cast", "lerp", "addcmul", "where", "masked_fill", "prelu", "clamp"}
    for name, info in infos():
        if info.differentiable and info.pointwise and name not in own:
            low, high = domains.get(name, (-1.7, 1.7))
            inputs = [uniform(low, high, 2, 3)] + ([uniform(low, high, 3)] if info.in_max == 2 else [])
            check(name, getattr(sy, name), *inputs, second=name != "lgamma")  # digamma has no gradient
            if info.in_max == 2:  # beside a number of the language, on either side
                check(name, lambda x, op=getattr(sy, name): op(x, .7), uniform(max(low, .2), high, 2, 3))
                check(name, lambda x, op=getattr(sy, name): op(.7, x), uniform(max(low, .2), high, 2, 3))
    check("gelu", lambda x: x.gelu(approximate="tanh"), uniform(-2, 2, 4))
    check("clamp", lambda x: x.clamp(min=-.5, max=.5), uniform(-1, 1, 6))
    check("lerp", sy.lerp, uniform(-1, 1, 2, 3), uniform(-1, 1, 3), uniform(0, 1, 2, 1))
    check("addcmul", lambda a, b, c: sy.addcmul(a, b, c, value=2.), uniform(-1, 1, 2, 3), uniform(-1, 1, 3), uniform(0, 1, 2, 1))
    check("prelu", sy.prelu, uniform(-1, 1, 2, 3), uniform(0, 1, 3))
    mask = np.array([True, False, True])
    check("masked_fill", lambda x, m, v: sy.masked_fill(x * x, m, v), uniform(-1, 1, 2, 3), mask, uniform(-1, 1))
    check("cast", lambda x: sy.cast(sy.cast(x, dtype="f32"), dtype="f64"), np.array([.5, -.25, 2.]), second=False, first=2e-2)
    check("where", lambda a, b: sy.where(a > 0, a * a, b), uniform(-1, 1, 2, 3), uniform(-1, 1, 3))


def reductions():
    for dims in ([0], [1], [-1], [0, 2], []):
        for keep in (0, 1):
            for name in ("sum", "mean", "amax", "amin", "prod", "var", "std", "logsumexp", "norm"):
                check(name, lambda x, name=name: getattr(x, name)(dims=dims, keepdim=keep), uniform(.2, 1.5, 2, 3, 2),
                      second=keep == 0 and name != "prod")
    for p in (1, 3, float("inf")):
        check("norm", lambda x: x.norm(p=p, dims=[1]), uniform(.2, 1.5, 2, 3), second=p != float("inf"))
    check("max_dim", lambda x: x.max_dim(dim=1), uniform(-1, 1, 3, 4))
    check("min_dim", lambda x: x.min_dim(dim=0, keepdim=1), uniform(-1, 1, 3, 4))
    check("cummin", lambda x: x.cummin(dim=0), uniform(-1, 1, 3, 4))
    check("sort", lambda x: x.sort(dim=0), uniform(-1, 1, 4, 3))
    check("topk", lambda x: x.topk(k=2, dim=1), uniform(-1, 1, 3, 4))
    check("cummax", lambda x: x.cummax(dim=1), uniform(-1, 1, 3, 4))
    check("cumsum", lambda x: x.cumsum(dim=1), uniform(-1, 1, 3, 4))
    check("cumsum", lambda x: x.cumsum(dim=0, reverse=1, exclusive=1), uniform(-1, 1, 3, 4))
    zeros = uniform(.5, 1.5, 4, 5)
    zeros[0, 1] = zeros[1, 2] = zeros[1, 4] = zeros[2, 0] = 0
    for exclusive in (False, True):
        for reverse in (False, True):
            check("cumprod", lambda x: x.cumprod(dim=1, exclusive=exclusive, reverse=reverse), zeros)
    check("cumprod", lambda x: x.cumprod(dim=0), uniform(.5, 1.5, 7, 2))
    check("softmax", lambda x: x.softmax(dim=0), uniform(-1, 1, 3, 4))
    check("log_softmax", lambda x: x.log_softmax(dim=1), uniform(-1, 1, 3, 4))


def products():
    for a, b in (((2, 3), (3, 4)), ((2, 2, 3), (2, 3, 2)), ((2, 2, 3), (3, 2)), ((3,), (3, 2)), ((2, 3), (3,)),
                 ((3,), (3,)), ((2, 1, 2, 3), (3, 3, 2))):
        check("matmul", sy.matmul, uniform(-1, 1, *a), uniform(-1, 1, *b))
    check("linear", sy.linear, uniform(-1, 1, 2, 3), uniform(-1, 1, 4, 3), uniform(-1, 1, 4))
    check("addmm", lambda c, a, b: sy.addmm(c, a, b, alpha=.5, beta=2.), uniform(-1, 1, 4), uniform(-1, 1, 2, 3), uniform(-1, 1, 3, 4))


def indexing():
    rows, places = np.array([0, 2, 2]), np.array([[0, 3, 3], [1, 1, 2]])
    check("index_select", lambda x, i: x.index_select(i, dim=1), uniform(-1, 1, 2, 4), rows)
    check("gather", lambda x, i: x.gather(i, dim=1), uniform(-1, 1, 2, 4), places)
    check("scatter_add", lambda x, i, s: x.scatter_add(i, s, dim=1), uniform(-1, 1, 2, 4), places, uniform(-1, 1, 2, 3))
    check("scatter", lambda x, i, s: x.scatter(i, s, dim=1), uniform(-1, 1, 2, 4), np.array([[0, 3, 1], [1, 0, 2]]), uniform(-1, 1, 2, 3))
    check("index_add", lambda x, i, s: x.index_add(i, s, dim=0), uniform(-1, 1, 4, 2), rows, uniform(-1, 1, 3, 2))
    check("embedding", sy.embedding, uniform(-1, 1, 4, 2), np.array([[0, 1], [3, 3]]))


def movement():
    for op, fn in (
            ("reshape", lambda x: x.reshape(shape=[6, 2])), ("permute", lambda x: x.permute(dims=[2, 0, 1])),
            ("expand", lambda x: x.unsqueeze(dims=[0]).expand(shape=[3, 2, 3, 2])),
            ("view", lambda x: x.view(shape=[3, 4])),
            ("unsqueeze", lambda x: x.unsqueeze(dims=[0])), ("squeeze", lambda x: x.unsqueeze(dims=[1]).squeeze(dims=[1])),
            ("slice", lambda x: x.slice(dim=1, start=2, end=-9, step=-2)), ("select", lambda x: x.select(dim=1, index=-1)),
            ("flip", lambda x: x.flip(dims=[0, 2])), ("diagonal", lambda x: x.diagonal(offset=-1, dim1=1, dim2=2)),
            ("windows", lambda x: x.windows(dims=[1], size=[2], stride=[1])),
            ("windows", lambda x: x.windows(dims=[1, 2], size=[2, 1], stride=[1, 1])),
            ("split", lambda x: x.split(sizes=[1, 2], dim=1)), ("pad", lambda x: x.pad(pads=[1, 0, -1, 2, 0, 1])),
            ("repeat", lambda x: x.repeat(repeats=[1, 2, 2])), ("roll", lambda x: x.roll(shifts=[1], dims=[1])),
            ("tril", lambda x: x.tril()), ("triu", lambda x: x.triu(k=1)), ("transpose", lambda x: x.transpose(dim0=0, dim1=2)),
            ("copy", lambda x: x.permute(dims=[2, 1, 0]).copy()), ("contiguous", lambda x: x.contiguous()),
            ("flatten", lambda x: x.flatten(start=1))):
        check(op, fn, uniform(-1, 1, 2, 3, 2))
    check("cat", lambda a, b: sy.cat(a, b, dim=1), uniform(-1, 1, 2, 3), uniform(-1, 1, 2, 2))
    check("stack", lambda a, b: sy.stack(a, b, dim=1), uniform(-1, 1, 2, 3), uniform(-1, 1, 2, 3))
    check("slice_scatter", lambda a, b: sy.slice_scatter(a, b, dim=0, start=1, end=3), uniform(-1, 1, 4, 3), uniform(-1, 1, 2, 3))
    check("diagonal_scatter", sy.diagonal_scatter, uniform(-1, 1, 3, 3), uniform(-1, 1, 3))


def networks():
    for k in (dict(), dict(stride=[2, 1]), dict(padding=[1, 2]), dict(dilation=[2, 1], padding=[1])):
        check("conv2d", lambda x, w, b: sy.conv2d(x, w, b, **k), uniform(-1, 1, 2, 2, 4, 5), uniform(-1, 1, 3, 2, 2, 3), uniform(-1, 1, 3))
    check("conv2d", lambda x, w: sy.conv2d(x, w, groups=2, stride=[2], padding=[1]), uniform(-1, 1, 1, 4, 5, 5), uniform(-1, 1, 4, 2, 3, 3))
    wide = dict(stride=[2, 1], padding=[1, 0], dilation=[1, 2])
    check("conv2d_grad_input", lambda dy, w: sy.conv2d_grad_input(dy, w, shape=[2, 2, 4, 5], **wide),
          uniform(-1, 1, 2, 3, 3, 1), uniform(-1, 1, 3, 2, 2, 3))
    check("conv2d_grad_weight", lambda x, dy: sy.conv2d_grad_weight(x, dy, shape=[3, 2, 2, 3], **wide),
          uniform(-1, 1, 2, 2, 4, 5), uniform(-1, 1, 2, 3, 3, 1))
    check("avg_pool2d_grad", lambda dy: sy.avg_pool2d_grad(dy, kernel=[2], stride=[2], shape=[1, 2, 4, 5]), uniform(-1, 1, 1, 2, 2, 2))
    found = tensor(np.array([[[[0, 3], [9, 14]], [[5, 6], [8, 15]]]]))  # one place in each 2 x 2 of a plane of 4 x 4
    check("max_pool2d_grad", lambda dy: sy.max_pool2d_grad(dy, found, shape=[1, 2, 4, 4]), uniform(-1, 1, 1, 2, 2, 2))
    check("max_pool2d", lambda x: x.max_pool2d(kernel=[2], padding=[1])[0], uniform(-1, 1, 1, 2, 4, 5))
    check("max_pool2d", lambda x: x.max_pool2d(kernel=[3, 2], stride=[2], ceil=1)[0], uniform(-1, 1, 1, 2, 6, 5))
    for k in (dict(kernel=[2]), dict(kernel=[3, 2], stride=[2], padding=[1]), dict(kernel=[2], divisor=3),
              dict(kernel=[3], stride=[2], padding=[1], count_include_pad=0), dict(kernel=[2], stride=[2], ceil=1)):
        check("avg_pool2d", lambda x: x.avg_pool2d(**k), uniform(-1, 1, 1, 2, 5, 5))
    check("batch_norm", lambda x, w, b: sy.batch_norm(x, w, b, None, None, training=1)[0],
          uniform(-1, 1, 3, 2, 2, 2), uniform(.5, 1, 2), uniform(-1, 1, 2), first=1e-5)
    mean, variance = tensor(uniform(-1, 1, 2)), tensor(uniform(.5, 1, 2))  # of evaluation: constants
    check("batch_norm", lambda x, w, b: sy.batch_norm(x, w, b, mean, variance)[0],
          uniform(-1, 1, 3, 2, 2), uniform(.5, 1, 2), uniform(-1, 1, 2), first=1e-5)
    check("layer_norm", lambda x, w, b: sy.layer_norm(x, w, b, normalized_shape=[2, 3])[0],
          uniform(-1, 1, 4, 2, 3), uniform(.5, 1, 2, 3), uniform(-1, 1, 2, 3), first=1e-5)
    check("dropout", lambda x: x.dropout(p=.4, seed=3, offset=5), uniform(-1, 1, 4, 3))


def losses():
    target = np.array([1, 0, 2, -100])  # -100: ignored
    check("cross_entropy", sy.cross_entropy, uniform(-1, 1, 4, 3), target)
    check("cross_entropy", lambda x, t: sy.cross_entropy(x, t, reduction="sum", label_smoothing=.1), uniform(-1, 1, 4, 3), target)
    check("cross_entropy", lambda x, t: sy.cross_entropy(x, t, reduction="none"), uniform(-1, 1, 2, 3, 2), np.array([[0, 1], [2, 2]]))
    check("nll_loss", sy.nll_loss, uniform(-1, 1, 4, 3), target)
    for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "bce_with_logits"):
        check(name, getattr(sy, name), uniform(-1, 1, 3, 2), uniform(0, 1, 3, 2))


# Differentiable ops without a case. The list must be exact.
UNCHECKED = {"to_device"}  # needs two devices

for group in (pointwise, reductions, products, indexing, movement, networks, losses):
    group()
unchecked = {name for name, info in infos() if info.differentiable} - checked
for name in sorted(unchecked - UNCHECKED):
    failures.append(f"{name}: differentiable, and no case checks it")
for name in sorted(UNCHECKED - unchecked):
    failures.append(f"{name}: listed as unchecked, and it is not")
print("\n".join(failures))
print(f"{device}: {count} cases of {len(checked)} ops, {len(failures)} failures")
sys.exit(bool(failures) or count == 0)
