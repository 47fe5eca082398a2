"""Switchyard from Python: tensors, ops and autograd over the C ABI (sy.h) by ctypes; no compiler needed.

    import switchyard as sy, numpy as np
    x = sy.tensor(np.ones((2, 3), np.float32), device="cpu", requires_grad=True)
    (x * x).sum().backward()
    print(np.asarray(x.grad))

Every op of the table is a function of this module and a method of Tensor, with the attributes of its row as
keyword arguments: sy.softmax(x, dim=-1), x.permute(dims=(1, 0)). The library is found in SWITCHYARD_LIBRARY,
beside this package's prefix, or by the dynamic linker.
"""
import contextlib
import ctypes
import os

import numpy as np

from . import _abi
from ._abi import Error, lib

__all__ = ["Tensor", "Error", "tensor", "no_grad", "manual_seed", "devices", "synchronize", "grad", "set_option"]

_DTYPES = {"bool": (6, 8), "i8": (0, 8), "i16": (0, 16), "i32": (0, 32), "i64": (0, 64), "u8": (1, 8), "u16": (1, 16),
           "u32": (1, 32), "u64": (1, 64), "f16": (2, 16), "bf16": (4, 16), "f32": (2, 32), "f64": (2, 64)}
_CODES = {name: code | bits << 8 | 1 << 16 for name, (code, bits) in _DTYPES.items()}
_NAMES = {code: name for name, code in _CODES.items()}
_NUMPY = {"bool": np.bool_, "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "u8": np.uint8,
          "u16": np.uint16, "u32": np.uint32, "u64": np.uint64, "f16": np.float16, "f32": np.float32, "f64": np.float64}
_FROM_NUMPY = {np.dtype(t): name for name, t in _NUMPY.items()}


def _shape(values):
    values = tuple(int(v) for v in values)
    return (ctypes.c_int64 * max(len(values), 1))(*values), len(values)


class Tensor:
    """A tensor on a device. Owns one reference of the C object; `dtype` is a name such as "f32"."""

    __slots__ = ("_handle", "__weakref__")
    __array_priority__ = 1000  # NumPy leaves mixed expressions to us

    def __init__(self, handle):
        self._handle = handle

    def __del__(self):
        if getattr(self, "_handle", None):
            lib.sy_tensor_release(self._handle)
            self._handle = None

    @property
    def shape(self):
        pointer = lib.sy_tensor_shape(self._handle)
        return tuple(pointer[i] for i in range(lib.sy_tensor_rank(self._handle)))

    @property
    def ndim(self):
        return lib.sy_tensor_rank(self._handle)

    @property
    def dtype(self):
        return _NAMES[lib.sy_tensor_dtype(self._handle)]

    @property
    def device(self):
        return lib.sy_device_name(lib.sy_tensor_device(self._handle)).decode()

    @property
    def requires_grad(self):
        return bool(lib.sy_tensor_requires_grad(self._handle))

    @requires_grad.setter
    def requires_grad(self, on):
        _abi.check(lib.sy_tensor_set_requires_grad(self._handle, 1 if on else 0))

    @property
    def grad(self):
        handle = lib.sy_tensor_grad(self._handle)
        return Tensor(handle) if handle else None

    @grad.setter
    def grad(self, value):
        _abi.check(lib.sy_tensor_set_grad(self._handle, value._handle if value is not None else None))

    @property
    def is_leaf(self):
        return bool(lib.sy_tensor_is_leaf(self._handle))

    def numpy(self):
        """A copy on the host. bf16 comes as f32, since NumPy has no bf16."""
        if self.requires_grad:
            return self.detach().numpy()
        if self.dtype == "bf16":
            return self.cast(dtype="f32").numpy()
        out = np.empty(self.shape, _NUMPY[self.dtype])
        _abi.check(lib.sy_tensor_read(self._handle, out.ctypes.data_as(ctypes.c_void_p), out.nbytes))
        return out

    def __array__(self, dtype=None, copy=None):
        out = self.numpy()
        return out.astype(dtype) if dtype is not None and out.dtype != dtype else out

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        del stream, dl_device, copy
        return _abi.to_capsule(self._handle, versioned=max_version is not None and max_version[0] >= 1)

    def __dlpack_device__(self):
        return (1, 0)

    def item(self):
        if self.dtype[0] in "fb" and self.dtype != "bool":
            value = ctypes.c_double()
            _abi.check(lib.sy_tensor_item_f64(self._handle, ctypes.byref(value)))
            return value.value
        value = ctypes.c_int64()
        _abi.check(lib.sy_tensor_item_i64(self._handle, ctypes.byref(value)))
        return bool(value.value) if self.dtype == "bool" else value.value

    def to(self, device):
        out = ctypes.c_void_p()
        _abi.check(lib.sy_tensor_to(self._handle, device.encode(), ctypes.byref(out)))
        return Tensor(out.value)

    def backward(self, grad=None, retain_graph=False, create_graph=False):
        outputs = (ctypes.c_void_p * 1)(self._handle)
        grads = (ctypes.c_void_p * 1)(grad._handle if grad is not None else None)
        _abi.check(lib.sy_backward(ctypes.byref(_abi.Backward(
            size=ctypes.sizeof(_abi.Backward), flags=_backward_flags(retain_graph, create_graph, False), outputs=outputs,
            output_grads=grads, inputs=None, input_grads=None, output_count=1, input_count=0))))

    def __repr__(self):
        return f"tensor({np.array2string(self.numpy(), separator=', ', threshold=100)}, {self.dtype}, {self.device})"

    def __len__(self):
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __getitem__(self, key):
        out, dim = self, 0
        keys = key if isinstance(key, tuple) else (key,)
        if Ellipsis in [k for k in keys if not isinstance(k, Tensor)]:
            at = next(i for i, k in enumerate(keys) if k is Ellipsis)
            used = sum(k is not None for k in keys) - 1
            keys = keys[:at] + (slice(None),) * (self.ndim - used) + keys[at + 1:]
        for k in keys:
            if k is None:
                out, dim = out.unsqueeze(dims=[dim]), dim + 1
            elif isinstance(k, slice):
                step = 1 if k.step is None else k.step
                big = 2**62
                start = (0 if step > 0 else big) if k.start is None else k.start
                end = (big if step > 0 else -big) if k.stop is None else k.stop
                out, dim = out.slice(dim=dim, start=start, end=end, step=step), dim + 1
            elif isinstance(k, Tensor):
                out, dim = out.index_select(k, dim=dim), dim + 1
            else:
                out = out.select(dim=dim, index=int(k))
        return out

    def __bool__(self):
        return bool(self.item())

    def __float__(self):
        return float(self.item())

    @property
    def T(self):
        return self.permute(dims=range(self.ndim - 1, -1, -1))

    def __neg__(self):
        return run("neg", self)

    def __matmul__(self, other):
        return run("matmul", self, other)

    def __hash__(self):
        return id(self)


def _binary(name, reverse=False):
    if reverse:
        return lambda self, other: run(name, other, self)
    return lambda self, other: run(name, self, other)


for _method, _op in {"add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide", "mod": "remainder",
                     "pow": "pow", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}.items():
    setattr(Tensor, f"__{_method}__", _binary(_op))
    setattr(Tensor, f"__r{_method}__", _binary(_op, reverse=True))
for _method, _op in {"lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "eq": "eq", "ne": "ne"}.items():
    setattr(Tensor, f"__{_method}__", _binary(_op))


def _backward_flags(retain, create, unused):
    return (1 if retain else 0) | (2 if create else 0) | (4 if unused else 0)


def tensor(data, dtype=None, device="", requires_grad=False):
    """A copy of array-like data. Python floats become f32, integers i64, arrays keep their dtype."""
    if isinstance(data, Tensor):
        out = data.detach()
    else:
        array = np.asarray(data)
        if not isinstance(data, np.ndarray) and array.dtype == np.float64:
            array = array.astype(np.float32)
        if array.dtype not in _FROM_NUMPY:
            raise Error(3, f"tensor: NumPy dtype {array.dtype} has no counterpart")
        array = np.ascontiguousarray(array).reshape(array.shape)
        shape, rank = _shape(array.shape)
        handle = ctypes.c_void_p()
        _abi.check(lib.sy_tensor_from_host(array.ctypes.data_as(ctypes.c_void_p), shape, rank,
                                           _CODES[_FROM_NUMPY[array.dtype]], device.encode(), ctypes.byref(handle)))
        out = Tensor(handle.value)
    if dtype is not None and out.dtype != dtype:
        out = out.cast(dtype=dtype)
    if requires_grad:
        out.requires_grad = True
    return out


def from_dlpack(source):
    """A tensor over memory that another framework owns, without a copy."""
    capsule = source.__dlpack__() if hasattr(source, "__dlpack__") else source
    return Tensor(_abi.from_capsule(capsule))


def _operand(value, device):
    if isinstance(value, Tensor) or value is None:
        return value
    if isinstance(value, (bool, np.bool_)):
        return tensor(np.asarray(value), device=device)
    if isinstance(value, (int, np.integer)):
        handle = ctypes.c_void_p()
        _abi.check(lib.sy_tensor_number_i64(int(value), ctypes.byref(handle)))
        return Tensor(handle.value)
    if isinstance(value, (float, np.floating)):
        handle = ctypes.c_void_p()
        _abi.check(lib.sy_tensor_number_f64(float(value), ctypes.byref(handle)))
        return Tensor(handle.value)
    return tensor(value, device=device)


def run(name, *inputs, out=None, device=None, dtype=None, **attrs):
    """Runs an op of the table by name. Attributes are keywords; `out` is written in place.

    Returns a Tensor, or a tuple of all its outputs. The functions named after ops leave out those outputs that
    only serve the gradient (statistics of a normalisation, places of a pooling).
    """
    op = _abi.op(name)
    if dtype is not None and "dtype" in op.attrs:  # cast: the attribute, not the dtype of an op without inputs
        attrs["dtype"], dtype = dtype, None
    where = next((t.device for t in inputs if isinstance(t, Tensor)), device or "")
    tensors = [_operand(v, where) for v in inputs]
    packed, keep = op.pack(attrs, _CODES)
    count = op.out_count if op.out_count >= 0 else len(attrs["sizes"])
    given = [] if out is None else (list(out) if isinstance(out, (list, tuple)) else [out])
    ins = (ctypes.c_void_p * max(len(tensors), 1))(*[t._handle if t is not None else None for t in tensors])
    outs = (ctypes.c_void_p * count)(*[given[i]._handle if i < len(given) and given[i] is not None else None
                                       for i in range(count)])
    target = ctypes.c_void_p()
    if device is not None:
        _abi.check(lib.sy_device_find(device.encode(), ctypes.byref(target)))
    r = _abi.Run(size=ctypes.sizeof(_abi.Run), op=op.id, input=ins, in_count=len(tensors), out_count=count,
                 attrs=ctypes.cast(packed, ctypes.c_void_p) if packed is not None else None,
                 attrs_size=op.attrs_size if packed is not None else 0, dtype=_CODES[dtype] if dtype else 0,
                 device=target.value, stream=None, out=outs)
    _abi.check(lib.sy_run(ctypes.byref(r)))
    del keep
    results = [given[i] if i < len(given) and given[i] is not None else Tensor(outs[i]) for i in range(count)]
    return results[0] if count == 1 and op.out_count >= 0 else tuple(results)


def _main(name, results):
    main = _abi.op(name).out_main
    if main <= 0 or not isinstance(results, tuple) or main == len(results):
        return results
    return results[0] if main == 1 else results[:main]


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        _abi.op(name)
    except Error as error:
        raise AttributeError(str(error)) from None

    def call(*inputs, **attrs):
        return _main(name, run(name, *inputs, **attrs))

    call.__name__ = name
    return call


def _method(self, name):
    if name.startswith("__"):
        raise AttributeError(name)
    try:
        op = _abi.op(name)
    except Error as error:
        raise AttributeError(str(error)) from None

    def call(*inputs, **attrs):
        wanted = op.in_max if op.in_max >= 0 else len(inputs) + 1
        if len(inputs) + 1 > wanted and op.attr_names:  # x.softmax(-1): attributes by position
            split = max(wanted - 1, 0)
            for key, value in zip(op.attr_names, inputs[split:]):
                attrs[key] = value
            inputs = inputs[:split]
        return _main(name, run(name, self, *inputs, **attrs))

    return call


Tensor.__getattr__ = _method


@contextlib.contextmanager
def no_grad():
    """Inside, nothing is recorded on this thread."""
    before = lib.sy_grad_mode_set(0)
    try:
        yield
    finally:
        lib.sy_grad_mode_set(before)


def grad(outputs, inputs, grad_outputs=None, retain_graph=False, create_graph=False, allow_unused=False):
    """Gradients of outputs with respect to inputs, returned and not accumulated."""
    outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
    single = isinstance(inputs, Tensor)
    inputs = [inputs] if single else list(inputs)
    outs = (ctypes.c_void_p * len(outputs))(*[t._handle for t in outputs])
    seeds = (ctypes.c_void_p * len(outputs))(*[g._handle if g is not None else None
                                               for g in (grad_outputs or [None] * len(outputs))])
    ins = (ctypes.c_void_p * len(inputs))(*[t._handle for t in inputs])
    got = (ctypes.c_void_p * len(inputs))()
    _abi.check(lib.sy_backward(ctypes.byref(_abi.Backward(
        size=ctypes.sizeof(_abi.Backward), flags=_backward_flags(retain_graph, create_graph, allow_unused), outputs=outs,
        output_grads=seeds, inputs=ins, input_grads=got, output_count=len(outputs), input_count=len(inputs)))))
    grads = [Tensor(h) if h else None for h in got]
    return grads[0] if single else grads


def manual_seed(seed):
    lib.sy_seed(seed)


def devices():
    """Names of the devices of the loaded plugins."""
    return [lib.sy_device_name(lib.sy_device_at(i)).decode() for i in range(lib.sy_device_count())]


def synchronize(device=None):
    target = ctypes.c_void_p()
    if device:
        _abi.check(lib.sy_device_find(device.encode(), ctypes.byref(target)))
    _abi.check(lib.sy_synchronize(target.value))


def set_option(name, value):
    _abi.check(lib.sy_option_set(name.encode(), str(value).encode()))
