#!/usr/bin/env bash
# symbols_test.sh LIBRARY HEADER: what the library exports is what the header declares.
set -euo pipefail
diff <(nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort) \
     <(grep -oE '^SY_API .*syf_[a-z_]+\(' "$2" | grep -oE 'syf_[a-z_]+' | sort)
