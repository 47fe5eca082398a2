#!/usr/bin/env bash
# optest_test.sh SY REFUSALS: every op on the proxy, nothing refused but what the list says.
set -euo pipefail
"$1" optest --refusals "$2" --device proxy:0
