#!/usr/bin/env bash
# optest.sh SY ARGS...: sy optest, whose last line says how much passed.
set -euo pipefail
sy=$1
shift
"$sy" optest "$@"
