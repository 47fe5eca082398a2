#!/usr/bin/env bash
# optest_test.sh SY REFUSALS ARGS...: every op on one device, nothing refused but what the list says.
set -euo pipefail
sy=$1 refusals=$2
shift 2
"$sy" optest --refusals "$refusals" "$@"
