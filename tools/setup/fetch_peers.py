#!/usr/bin/env python3
"""Fetches libtorch out of pinned PyPI wheels, for ./dev bench --peers, and builds bench/peers/torch.cc against it.

    fetch_peers.py FOLDER

Of torch only the C++ headers and the libraries of its CPU half are unpacked (0.55 GB of the 1.1): they want just
two small libraries of the CUDA toolkit, which come from wheels too, so no GPU, driver or toolkit is needed.
FOLDER gets bench_torch, the program. Needs Python's standard library, pip and g++. Quiet when nothing is to do.
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
TORCH = "2.12.0"
# (package, version, MB to fetch, sha256 of the wheel, members that are wanted)
WHEELS = [
    ("nvidia-cuda-runtime", "13.0.96", 2, "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", ["*/libcudart.so.*"]),
    ("nvidia-cuda-cupti", "13.0.85", 11, "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8", ["*/libcupti.so.*"]),
    ("torch", TORCH, 532, "4b4f64c2c2b11f7510d93dd6412b87025ff6eddd6bb61c3b5a3d892ea20c4756", ["torch/include/*", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp*"]),
]


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
            wheel = fetch_data.download(package, version, wheels, show=sys.stdout.isatty())
            if (got := fetch_data.sha256(wheel)) != want:
                raise SystemExit(f"fetch_peers: {wheel.name} has sha256 {got}, want {want}")
            unpack(wheel, members, tree)
            shutil.rmtree(wheels)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(tree, folder)


def build(folder: pathlib.Path, program: pathlib.Path) -> None:
    """Builds the program and runs it, so that a library that does not load is found out here."""
    include = folder / "torch/include"
    part = program.with_suffix(".part")
    # The rest of torch's libraries, which these two name, is not here.
    command = ["g++", "-std=c++20", "-O2", "-DNDEBUG", f"-I{include}", f"-I{include}/torch/csrc/api/include", str(SOURCES[0]),
               f"-L{folder}/torch/lib", "-ltorch_cpu", "-lc10", f"-Wl,-rpath,{folder}/torch/lib",
               "-Wl,--allow-shlib-undefined", "-o", str(part)]
    print("building bench/peers/torch.cc (about a minute) ...", flush=True)
    if subprocess.run(command).returncode != 0:
        raise SystemExit(f"fetch_peers: g++ could not build {SOURCES[0].name}")
    done = subprocess.run([part], input="version\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"fetch_peers: libtorch does not load: {done.stdout.strip()}")
    os.replace(part, program)
    print(f"  {program}: {done.stdout.strip()}", flush=True)


def main() -> int:
    if len(sys.argv) != 2:
        raise SystemExit("usage: fetch_peers.py FOLDER")
    folder = pathlib.Path(sys.argv[1])
    stamp, program = folder / f"torch-{TORCH}", folder / "bench_torch"
    if not stamp.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fetch(folder)
        stamp.touch()
    if not program.exists() or program.stat().st_mtime < max(s.stat().st_mtime for s in SOURCES):
        build(folder, program)
    return 0


if __name__ == "__main__":
    sys.exit(main())
