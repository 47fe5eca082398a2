#!/usr/bin/env bash
# training_test.sh SY: both digits networks train on the proxy as on the CPU, nothing falling back.
set -euo pipefail
sy=$PWD/$1
export SY_PLUGIN_PATH=$PWD/plugins/install:$PWD/tests/proxy/folder
cd "$TEST_TMPDIR"   # the checkpoint goes here
"$sy" train digits --device proxy:0 --json | tail -1 >mlp
"$sy" train digits --device proxy:0 --model cnn --epochs 3 --json | tail -1 >cnn
python3 - <<'EOF_PYTHON'
import json
for model, wanted in ("mlp", 96), ("cnn", 92):
    r = json.load(open(model))
    assert r["device"] == "proxy:0" and r["fallbacks"] == 0 and r["accuracy"] >= wanted, r
EOF_PYTHON
