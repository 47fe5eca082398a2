#!/usr/bin/env bash
# Installs what was built (./dev install PREFIX builds it first) below PREFIX: bin/sy, headers,
# libswitchyard.so, plugins with their manifests in lib/switchyard/, pkg-config and CMake files that
# may be moved with the prefix, the Python package, the plugin template and the sources of the GPU kit. Every piece is checked
# to be there before the first file is written.
set -euo pipefail

die() { echo "install: $*" >&2; exit 1; }

[ $# = 1 ] && [ -n "$1" ] || die "usage: tools/setup/install.sh PREFIX"
prefix=$(realpath -m -- "$1")
readonly prefix
cd "$(dirname "$0")/../.."
readonly built=${SWITCHYARD_BUILT:-bazel-bin}   # the test, whose folder has sources and products together, says "."
readonly library=$built/dispatcher/libswitchyard.so
readonly formats=$built/frontend/formats/libswitchyard_formats.so
readonly plugins=$built/plugins/install
readonly program=$built/tools/sy/sy
readonly python=api/python/switchyard
readonly template=plugins/template
readonly gpu_kit=backends/common

for piece in api/switchyard/sy.h "$library" "$formats" "$plugins" "$program" "$python/__init__.py" "$template" "$built/$gpu_kit/texts.c"; do
  [ -e "$piece" ] || die "$piece is missing; was it built (./dev install PREFIX does so)?"
done
compgen -G "$plugins/libsy_*.so" >/dev/null || die "$plugins has no plugin (libsy_*.so)"
compgen -G "$plugins/*.sy.json" >/dev/null || die "$plugins has no manifest (*.sy.json)"

define() { sed -n "s/^#define $1 *\"\{0,1\}\([0-9.]*\).*/\1/p" api/switchyard/sy.h; }
version=$(define SY_VERSION_STRING)
major=$(define SY_ABI_MAJOR)
[ -n "$version" ] && [ -n "$major" ] || die "sy.h does not say SY_VERSION_STRING and SY_ABI_MAJOR"
readonly soname=libswitchyard.so.$major formats_soname=libswitchyard_formats.so.$major
# Asked once into variables: grep -q in a pipe would end readelf early.
library_header=$(readelf -d "$library")
program_header=$(readelf -d "$program")
[[ $library_header == *"soname: [$soname]"* ]] || die "$library does not have the soname $soname"
[[ $program_header == *'$ORIGIN/../lib'* ]] ||
  die "$program does not look in \$ORIGIN/../lib; link it with //dispatcher:switchyard"

copy() { echo "  ${2#"$prefix"/}"; install -D -m "$3" "$1" "$2"; }  # SOURCE TARGET MODE
copy_tree() {                                                         # FOLDER TARGET
  local file
  find -L "$1" -type f -not -name BUILD -not -name '*.pyc' -not -name '*_test.cc' -not -name '*_testing.h' | sort | while read -r file; do
    copy "$file" "$2/${file#"$1"/}" 644
  done
}

echo "installing Switchyard $version into $prefix"
copy_tree api/switchyard "$prefix/include/switchyard"
copy "$library" "$prefix/lib/libswitchyard.so.$version" 755
ln -sf "libswitchyard.so.$version" "$prefix/lib/$soname"
ln -sf "$soname" "$prefix/lib/libswitchyard.so"
copy "$formats" "$prefix/lib/libswitchyard_formats.so.$version" 755
ln -sf "libswitchyard_formats.so.$version" "$prefix/lib/$formats_soname"
ln -sf "$formats_soname" "$prefix/lib/libswitchyard_formats.so"
for file in "$plugins"/*.so; do copy "$file" "$prefix/lib/switchyard/${file##*/}" 755; done
for file in "$plugins"/*.sy.json; do copy "$file" "$prefix/lib/switchyard/${file##*/}" 644; done
copy "$program" "$prefix/bin/sy" 755
copy_tree "$python" "$prefix/share/switchyard/python/switchyard"
copy_tree "$template" "$prefix/share/switchyard/template"
for file in "$gpu_kit"/*.[ch] "$gpu_kit"/*/*.k; do
  copy "$file" "$prefix/share/switchyard/gpu_kit/${file#"$gpu_kit"/}" 644
done
copy "$built/$gpu_kit/texts.c" "$prefix/share/switchyard/gpu_kit/texts.c" 644

# Both find everything from their own place, so the prefix may be moved.
mkdir -p "$prefix/lib/pkgconfig" "$prefix/lib/cmake/Switchyard"
cat >"$prefix/lib/pkgconfig/switchyard.pc" <<EOF
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib
includedir=\${prefix}/include
plugindir=\${libdir}/switchyard
gpu_kitdir=\${prefix}/share/switchyard/gpu_kit

Name: Switchyard
Description: Routes tensor operators to backends that are loaded at run time
Version: $version
Libs: -L\${libdir} -lswitchyard
Cflags: -I\${includedir}
EOF
cat >"$prefix/lib/pkgconfig/switchyard_formats.pc" <<EOF
prefix=\${pcfiledir}/../..
libdir=\${prefix}/lib

Name: Switchyard formats
Description: Files that hold tensors: safetensors, npy, CSV
Version: $version
Requires: switchyard
Libs: -L\${libdir} -lswitchyard_formats
EOF
cat >"$prefix/lib/cmake/Switchyard/SwitchyardConfig.cmake" <<EOF
# find_package(Switchyard) gives Switchyard::switchyard (for programs), Switchyard::formats (files, with
# Switchyard::switchyard) and Switchyard::headers (for plugins).
get_filename_component(Switchyard_PREFIX "\${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(Switchyard_PLUGIN_DIR "\${Switchyard_PREFIX}/lib/switchyard")
if(NOT TARGET Switchyard::headers)
  add_library(Switchyard::headers INTERFACE IMPORTED)
  set_target_properties(Switchyard::headers PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "\${Switchyard_PREFIX}/include")
  add_library(Switchyard::switchyard SHARED IMPORTED)
  set_target_properties(Switchyard::switchyard PROPERTIES
    IMPORTED_LOCATION "\${Switchyard_PREFIX}/lib/libswitchyard.so.$version"
    IMPORTED_SONAME "$soname"
    INTERFACE_INCLUDE_DIRECTORIES "\${Switchyard_PREFIX}/include")
  add_library(Switchyard::formats SHARED IMPORTED)
  set_target_properties(Switchyard::formats PROPERTIES
    IMPORTED_LOCATION "\${Switchyard_PREFIX}/lib/libswitchyard_formats.so.$version"
    IMPORTED_SONAME "$formats_soname"
    INTERFACE_LINK_LIBRARIES Switchyard::switchyard)
endif()
EOF
# While the major is 0 a minor version may break (SemVer), so the minor must agree too.
cat >"$prefix/lib/cmake/Switchyard/SwitchyardConfigVersion.cmake" <<EOF
set(PACKAGE_VERSION "$version")
string(REGEX MATCH "^[0-9]+[.][0-9]+" _have "\${PACKAGE_VERSION}")
string(REGEX MATCH "^[0-9]+[.][0-9]+" _want "\${PACKAGE_FIND_VERSION}")
if(_want AND NOT _have STREQUAL _want)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
elseif(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
unset(_have)
unset(_want)
EOF
for file in pkgconfig/switchyard{,_formats}.pc cmake/Switchyard/SwitchyardConfig{,Version}.cmake; do
  chmod 644 "$prefix/lib/$file"
  echo "  lib/$file"
done
echo "installed; add $prefix/bin to PATH and try: sy devices"
