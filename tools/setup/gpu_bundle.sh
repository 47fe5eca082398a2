#!/usr/bin/env bash
# Makes one archive that tests and measures Switchyard on a machine with a real GPU: what ./dev install
# writes, the data of the trainings, and run-on-gpu, which writes one report. It may be unpacked
# anywhere and needs nothing but a C library and the GPU's driver (for CUDA, NVRTC and cuBLAS too).
# Called by ./dev gpu-bundle FILE.tar.gz after everything was built.
set -euo pipefail
[ $# = 1 ] || { echo "usage: tools/setup/gpu_bundle.sh FILE.tar.gz" >&2; exit 2; }
file=$(realpath -m -- "$1")
cd "$(dirname "$0")/../.."
work=$(mktemp -d "${TMPDIR:-/tmp}/switchyard-bundle.XXXXXX")
trap 'rm -rf "$work"' EXIT
bundle=$work/switchyard-gpu
tools/setup/install.sh "$bundle" >/dev/null
mkdir -p "$bundle/data"
for name in digits.csv.gz mnist_5k.csv.gz; do
  [ -f "$SWITCHYARD_DATA/$name" ] || { echo "gpu-bundle: $SWITCHYARD_DATA/$name is missing; run ./dev setup" >&2; exit 1; }
  cp "$SWITCHYARD_DATA/$name" "$bundle/data/"
done
install -m 755 tools/setup/run-on-gpu "$bundle/run-on-gpu"
git describe --always --dirty >"$bundle/COMMIT" 2>/dev/null || echo unknown >"$bundle/COMMIT"
mkdir -p "$(dirname "$file")"
tar -C "$work" -czf "$file" switchyard-gpu
echo "$file: $(du -h "$file" | cut -f1); unpack it anywhere and run switchyard-gpu/run-on-gpu"
