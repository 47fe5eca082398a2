"""The C ABI as ctypes sees it: the library, the structs of sy.h that are passed, ops and their attributes."""
import ctypes
import functools
import os
import pathlib
import struct

P, I32, U32, I64, CHAR = ctypes.c_void_p, ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64, ctypes.c_char_p


class Error(RuntimeError):
    """A failed call: `code` is the status number, the text is one line."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def _load():
    named = os.environ.get("SWITCHYARD_LIBRARY")
    if named:
        return ctypes.CDLL(named)
    here = pathlib.Path(__file__).resolve()
    for up in here.parents[:5]:
        for folder in ("lib", "bazel-bin/dispatcher"):
            candidate = up / folder / "libswitchyard.so"
            if candidate.exists():
                return ctypes.CDLL(str(candidate))
    return ctypes.CDLL("libswitchyard.so.0")


lib = _load()

for _name, _result, _arguments in [
    ("version", CHAR, []), ("abi", U32, []), ("last_message", CHAR, []), ("option_set", I32, [CHAR, CHAR]),
    ("counter", I64, [CHAR]), ("plugin_load", I32, [CHAR]), ("plugin_close", I32, [CHAR]),
    ("device_count", I32, []), ("device_at", P, [I32]), ("device_find", I32, [CHAR, P]), ("device_name", CHAR, [P]),
    ("synchronize", I32, [P]), ("tensor_from_host", I32, [P, P, I32, U32, CHAR, P]), ("tensor_release", None, [P]),
    ("tensor_retain", P, [P]), ("tensor_rank", I32, [P]), ("tensor_shape", ctypes.POINTER(I64), [P]),
    ("tensor_strides", ctypes.POINTER(I64), [P]), ("tensor_dtype", U32, [P]), ("tensor_device", P, [P]),
    ("tensor_version", I64, [P]), ("tensor_read", I32, [P, P, I64]), ("tensor_write", I32, [P, P, I64]),
    ("tensor_item_f64", I32, [P, P]), ("tensor_item_i64", I32, [P, P]), ("tensor_to", I32, [P, CHAR, P]),
    ("tensor_number_f64", I32, [ctypes.c_double, P]), ("tensor_number_i64", I32, [I64, P]),
    ("tensor_from_dlpack", I32, [P, P]), ("tensor_from_dlpack_versioned", I32, [P, P]),
    ("tensor_to_dlpack", I32, [P, P]), ("tensor_to_dlpack_versioned", I32, [P, P]), ("op_find", I32, [CHAR]),
    ("op_count", I32, []), ("op_info", I32, [I32, P]), ("run", I32, [P]), ("backward", I32, [P]),
    ("fallback_count", I32, []), ("fallback_reset", None, []), ("op_route", I32, [I32, P, U32, CHAR, I32]),
    ("tensor_requires_grad", I32, [P]), ("tensor_set_requires_grad", I32, [P, I32]), ("tensor_is_leaf", I32, [P]),
    ("tensor_grad", P, [P]), ("tensor_set_grad", I32, [P, P]), ("grad_mode_set", I32, [I32]),
    ("seed", None, [ctypes.c_uint64]),
]:
    _function = getattr(lib, "sy_" + _name)
    _function.restype, _function.argtypes = _result, _arguments


def check(code):
    if code:
        raise Error(code, lib.sy_last_message().decode(errors="replace"))


class Run(ctypes.Structure):
    _fields_ = [("size", U32), ("flags", U32), ("op", I32), ("rev", I32), ("input", P), ("in_count", I32),
                ("out_count", I32), ("attrs", P), ("attrs_size", U32), ("dtype", U32), ("device", P), ("stream", P),
                ("out", P)]

    def __init__(self, **fields):
        self._keep = [fields.get("input"), fields.get("out")]
        for key in ("input", "out"):
            fields[key] = ctypes.cast(fields[key], P)
        super().__init__(**fields)


class Backward(ctypes.Structure):
    _fields_ = [("size", U32), ("flags", U32), ("outputs", P), ("output_grads", P), ("inputs", P), ("input_grads", P),
                ("output_count", I32), ("input_count", I32)]

    def __init__(self, **fields):
        self._keep = list(fields.values())
        for key in ("outputs", "output_grads", "inputs", "input_grads"):
            fields[key] = ctypes.cast(fields[key], P) if fields[key] is not None else None
        super().__init__(**fields)


class _OpInfo(ctypes.Structure):
    _fields_ = [("size", U32), ("rev", I32), ("name", CHAR), ("doc", CHAR), ("in_min", I32), ("in_max", I32),
                ("out_count", I32), ("differentiable", I32), ("attrs", P), ("attr_count", I32), ("attr_size", U32),
                ("attrs_size", U32), ("pointwise", I32), ("out_main", I32), ("optional_from", I32)]


class _AttrSpec(ctypes.Structure):
    _fields_ = [("name", CHAR), ("doc", CHAR), ("type", I32), ("offset", U32), ("default_int", I64),
                ("default_float", ctypes.c_double), ("default_text", CHAR), ("required", I64)]


_INT, _FLOAT, _BOOL, _DTYPE, _INTS, _TEXT = 1, 2, 3, 4, 5, 6


class Op:
    """An op of the table with the layout of its attribute struct."""

    def __init__(self, name):
        self.id = lib.sy_op_find(name.encode())
        if self.id < 0:
            raise Error(5, lib.sy_last_message().decode())
        info = _OpInfo(size=ctypes.sizeof(_OpInfo))
        check(lib.sy_op_info(self.id, ctypes.byref(info)))
        self.name, self.out_count, self.attrs_size = name, info.out_count, info.attrs_size
        self.in_min, self.in_max, self.out_main = info.in_min, info.in_max, info.out_main
        self.differentiable = bool(info.differentiable)
        self.attrs = {}
        for i in range(info.attr_count):
            spec = _AttrSpec.from_address(info.attrs + i * info.attr_size)
            self.attrs[spec.name.decode()] = spec
        self.attr_names = list(self.attrs)

    def pack(self, values, dtypes):
        """The attribute struct with the defaults and these values; None when all are defaults."""
        if not values:
            return None, []
        data, keep = bytearray(self.attrs_size), []
        for name in values:
            if name not in self.attrs:
                raise Error(3, f"{self.name}: no attribute {name}; it has {', '.join(self.attrs) or 'none'}")
        for name, spec in self.attrs.items():
            value = values.get(name)
            if spec.type == _FLOAT:
                struct.pack_into("d", data, spec.offset, spec.default_float if value is None else float(value))
            elif spec.type == _INTS:
                if value is None:
                    text = (spec.default_text or b"").decode()
                    value = [int(v) for v in text.split(",")] if text else []
                value = [int(v) for v in (value if hasattr(value, "__iter__") else [value])]
                array = (I64 * max(len(value), 1))(*value)
                keep.append(array)
                struct.pack_into("PQ", data, spec.offset, ctypes.addressof(array), len(value))
            elif spec.type == _TEXT:
                text = (spec.default_text or b"") if value is None else value.encode()
                buffer = ctypes.create_string_buffer(text)
                keep.append(buffer)
                struct.pack_into("PQ", data, spec.offset, ctypes.addressof(buffer), len(text))
            else:
                if isinstance(value, str):
                    value = dtypes[value]
                struct.pack_into("q", data, spec.offset, spec.default_int if value is None else int(value))
        return ctypes.create_string_buffer(bytes(data), len(data)), keep


@functools.lru_cache(maxsize=None)
def op(name):
    return Op(name)


# ---- DLPack capsules

_api = ctypes.pythonapi
_api.PyCapsule_New.restype, _api.PyCapsule_New.argtypes = ctypes.py_object, [P, CHAR, P]
_api.PyCapsule_IsValid.restype, _api.PyCapsule_IsValid.argtypes = I32, [ctypes.py_object, CHAR]
_api.PyCapsule_GetPointer.restype, _api.PyCapsule_GetPointer.argtypes = P, [ctypes.py_object, CHAR]
_api.PyCapsule_SetName.restype, _api.PyCapsule_SetName.argtypes = I32, [ctypes.py_object, CHAR]
_NAMES = {False: (b"dltensor", b"used_dltensor"), True: (b"dltensor_versioned", b"used_dltensor_versioned")}
_Deleter = ctypes.CFUNCTYPE(None, P)


@ctypes.CFUNCTYPE(None, P)
def _drop_unused(capsule):
    # A capsule that nobody took: its struct is still ours. Runs while the interpreter deletes the capsule.
    is_valid = ctypes.CFUNCTYPE(I32, P, CHAR)(("PyCapsule_IsValid", _api))
    get = ctypes.CFUNCTYPE(P, P, CHAR)(("PyCapsule_GetPointer", _api))
    for versioned, (name, _) in _NAMES.items():
        if is_valid(capsule, name):
            managed = get(capsule, name)
            # deleter: after DLTensor (48 bytes) and manager_ctx, or after version and manager_ctx
            address = P.from_address(managed + (16 if versioned else 56)).value
            _Deleter(address)(managed)


def to_capsule(handle, versioned):
    out = P()
    check((lib.sy_tensor_to_dlpack_versioned if versioned else lib.sy_tensor_to_dlpack)(handle, ctypes.byref(out)))
    return _api.PyCapsule_New(out.value, _NAMES[versioned][0], ctypes.cast(_drop_unused, P))


def from_capsule(capsule):
    for versioned, (name, used) in _NAMES.items():
        if not _api.PyCapsule_IsValid(capsule, name):
            continue
        managed = _api.PyCapsule_GetPointer(capsule, name)
        _api.PyCapsule_SetName(capsule, used)
        out = P()
        take = lib.sy_tensor_from_dlpack_versioned if versioned else lib.sy_tensor_from_dlpack
        check(take(managed, ctypes.byref(out)))
        return out.value
    raise Error(3, "from_dlpack: not a fresh DLPack capsule")
