#!/usr/bin/env bash
# expect.sh EXPECTED DEVICE PROGRAM...: runs the program on the device and compares what it prints, numbers to one part
# in a hundred: losses differ in their last digits from device to device.
set -euo pipefail
expected=$1 device=$2
shift 2
export SY_PLUGIN_PATH=${SY_PLUGIN_PATH:-plugins/install}
got=$("$@" "$device")
want=$(sed "s/DEVICE/$device/g" "$expected")
compare='
  NR == FNR { want[FNR] = $0; lines = FNR; next }
  {
    n = split($0, a, " "); m = split(want[FNR], b, " "); same = n == m && FNR <= lines
    for (i = 1; i <= n && same; ++i)
      if (a[i] != b[i]) {
        number = "^-?[0-9][0-9.]*(e[-+]?[0-9]+)?$"
        d = a[i] - b[i]; size = b[i] < 0 ? -b[i] : b[i]
        same = a[i] ~ number && b[i] ~ number && (d < 0 ? -d : d) <= size / 100
      }
    if (!same) { print "line " FNR ": " $0; print "  want: " want[FNR]; bad = 1 }
  }
  END { if (FNR != lines) { print FNR " lines, want " lines; bad = 1 } exit bad }'
awk "$compare" <(printf '%s\n' "$want") <(printf '%s\n' "$got")
