#!/usr/bin/env bash
# Which folder may include what. Each rule: folder, pattern of includes that are allowed there.
set -euo pipefail
failed=0

# check FOLDER ALLOWED: quoted includes and those of our own folders must match.
check() {
  local folder=$1 allowed=$2 bad
  [ -d "$folder" ] || { echo "no folder $folder: nothing was checked"; failed=1; return; }
  bad=$(grep -rnE '^ *# *include +["<](api|switchyard|dispatcher|backends|plugins|frontend|tools|absl)/|^ *# *include +"' "$folder" \
        --include='*.h' --include='*.cc' --include='*.c' | grep -vE "include +[\"<]($allowed)" || :)
  if [ -n "$bad" ]; then
    echo "$folder may include only: $allowed"
    echo "$bad"
    failed=1
  fi
}

check dispatcher 'api/switchyard/sy(_plugin)?\.h|dispatcher/|absl/'
check backends/common '(switchyard/sy_plugin|[a-z_]+)\.h'
check backends/cuda 'switchyard/sy_plugin\.h|(api|device|driver)\.h'
check backends/opencl 'switchyard/sy_plugin\.h|(api|device|driver)\.h'
check backends/vulkan 'switchyard/sy_plugin\.h|(api|device|driver)\.h'
check backends/cpu 'api/switchyard/sy_plugin\.h|backends/(cpu|common)/'
check api/switchyard '[a-z_]+\.h|\.\./[a-z_/]+\.h|switchyard/[a-z_/]+\.h|nn/|optim/|data/'
check conform/oracle 'api/switchyard/sy_plugin\.h|conform/(numbers\.h|oracle/)'
check frontend/formats 'switchyard/|frontend/formats/'
check frontend/onnx 'switchyard/(tensor|switchyard)\.h|frontend/onnx/|onnx\.pb\.h'
# The two C headers stand alone.
if grep -nE '^ *# *include' api/switchyard/sy.h | grep -vE '<std(int|def)\.h>'; then failed=1; fi
if grep -nE '^ *# *include' api/switchyard/sy_plugin.h | grep -vE '"sy\.h"'; then failed=1; fi
exit $failed
