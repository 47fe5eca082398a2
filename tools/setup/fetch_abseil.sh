#!/usr/bin/env bash
# Puts the sources of the installed libabsl-dev into third_party/abseil/absl, which git does not track. They
# come from Debian's source package of the same version, whose signature apt checks. Quiet when they are there.
set -euo pipefail
cd "$(dirname "$0")/../../third_party/abseil"

die() { echo "setup: abseil: $*" >&2; exit 1; }

version=$(dpkg-query -W -f='${source:Version}' libabsl-dev) || die "libabsl-dev is not installed"
[ "$(cat absl/.version 2>/dev/null)" != "$version" ] || exit 0
echo "fetching the sources of abseil $version"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/parts"
# The places that this machine's own package lists name, asked for sources.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -f "$list" ] && sed -n 's/^deb /deb-src /p' "$list" >>"$work/parts/sources.list" || :
done
for list in /etc/apt/sources.list.d/*.sources; do
  [ -f "$list" ] && sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/parts/${list##*/}" || :
done
apt=(apt-get -qq -o Acquire::Retries=3 -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/parts"
     -o "Dir::State::Lists=$work/lists" -o APT::Sandbox::User=root)
"${apt[@]}" update || die "apt-get update for source packages failed; is the network reachable?"
(cd "$work" && "${apt[@]}" source --download-only "abseil=$version" && dpkg-source --no-check -x abseil_*.dsc tree) \
  >"$work/log" 2>&1 || { cat "$work/log" >&2; die "the source package abseil $version cannot be had"; }

rm -rf absl.new
while read -r file; do
  mkdir -p "absl.new/$(dirname "${file#absl/}")"
  cp "$work/tree/$file" "absl.new/${file#absl/}" || die "$file is not in abseil $version: update files.txt"
done <files.txt
echo "$version" >absl.new/.version
rm -rf absl
mv absl.new absl
