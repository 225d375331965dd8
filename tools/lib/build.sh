# Sourced by the scripts in tools/: one meson build folder per purpose under build/.

# shellcheck shell=bash

jobs=${JOBS:-$(nproc)}

# configure NAME [COMPILER] MESON-OPTION...
# Sets up build/NAME unless it is there; a folder that was left half made is made anew. Options that differ from
# what the folder was made with are applied.
configure() {
  local name=$1
  shift
  local folder=$root/build/$name stamp="$*"
  if [ -f "$folder/build.ninja" ] && [ "$(cat "$folder/.options" 2>/dev/null)" = "$stamp" ]; then
    return 0
  fi
  rm -rf "$folder"
  mkdir -p "$folder"
  if ! meson setup "$folder" "$root" "$@" >"$folder/setup.log" 2>&1; then
    tail -n 30 "$folder/setup.log" >&2
    die "meson setup of build/$name failed"
  fi
  printf '%s\n' "$stamp" >"$folder/.options"
}

# compile NAME [TARGET...]
compile() {
  local folder=$root/build/$1
  shift
  ninja -C "$folder" -j "$jobs" "$@" >&2
}

configure_release() {
  configure release --buildtype=release -Db_lto=true -Dtests=false -Dbenchmarks=false
}

# For builds that only run tests: a little optimisation, and line tables rather than full debug information, to keep
# compiling and linking cheap. Stack traces still name files and lines.
test_options=(--buildtype=plain -Ddebug=false -Doptimization=1 -Dtests=true)
test_flags=-g1
