#!/usr/bin/env bash
# training_test.sh SY: the digits network trains on the asynchronous device as well as on the CPU, nothing falling back.
set -euo pipefail
sy=$PWD/$1
export SY_PLUGIN_PATH=$PWD/plugins/install:$PWD/tests/async_device/folder
cd "$TEST_TMPDIR"   # the checkpoint goes here
"$sy" train digits --device async:0 --json | tail -1 >report
python3 - <<'EOF'
import json
report = json.load(open("report"))
assert report["device"] == "async:0" and report["fallbacks"] == 0 and report["accuracy"] >= 96, report
EOF
