# Sourced by the scripts in tools/: which packages each job needs, and how they get here.
#
# The lists name Debian's packages (Debian 12 and newer, Ubuntu 24.04 and newer). Behind each name stands how
# to see on any distribution that its content is there: cmd:PROGRAM, pc:PKG-CONFIG-MODULE or inc:HEADER.

# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

packages_build="
g++                 cmd:g++
meson               cmd:meson
ninja-build         cmd:ninja
pkg-config          cmd:pkg-config
python3             cmd:python3
liburing-dev        pc:liburing
libfmt-dev          pc:fmt
libidn2-dev         pc:libidn2
libsystemd-dev      pc:libsystemd
libtomlplusplus-dev pc:tomlplusplus
libmimalloc-dev     inc:mimalloc.h
prometheus-cpp-dev  pc:prometheus-cpp-core
libcpp-httplib-dev  pc:cpp-httplib
libcli11-dev        pc:CLI11
libxxhash-dev       pc:libxxhash
nlohmann-json3-dev  pc:nlohmann_json
"
packages_unit_test="
libgtest-dev        pc:gtest
libgmock-dev        pc:gmock
"
packages_integration_test="
python3-pytest      cmd:pytest-3
swaks               cmd:swaks
postfix             cmd:smtp-source
e2fsprogs           cmd:mkfs.ext4
xfsprogs            cmd:mkfs.xfs
iproute2            cmd:ip
util-linux          cmd:nsenter
"
packages_fuzz="
clang               cmd:clang++
libclang-rt-dev     cmd:clang++
"
packages_bench="
libbenchmark-dev    pc:benchmark
postfix             cmd:smtp-source
util-linux          cmd:taskset
gcc                 cmd:gcc
"
packages_format="
git                 cmd:git
clang-format        cmd:clang-format
"
packages_coverage="
gcovr               cmd:gcovr
gcc                 cmd:gcov
"
packages_lint="
git                 cmd:git
clang               cmd:clang++
clang-tidy          cmd:clang-tidy
shellcheck          cmd:shellcheck
"

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }

# Prints the comment block on top of the calling script: its --help.
print_help() { sed -n '2,/^[^#]/{/^#/!d;s/^# \{0,1\}//;p}' "$0"; }

is_debian() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null
}

# probe KIND:WHAT
probe_succeeds() {
  case $1 in
    cmd:*) PATH=$PATH:/usr/sbin:/sbin command -v "${1#cmd:}" >/dev/null ;;
    pc:*) pkg-config --exists "${1#pc:}" 2>/dev/null ;;
    inc:*) printf '#include <%s>\n' "${1#inc:}" | c++ -E -x c++ - >/dev/null 2>&1 ;;
    *) die "unknown probe $1" ;;
  esac
}

# Prints those packages of the list on stdin that are not here.
missing_packages() {
  local name probe
  while read -r name probe; do
    [ -n "$name" ] || continue
    if is_debian; then
      [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || printf '%s\n' "$name"
    else
      probe_succeeds "$probe" || printf '%s\n' "$name"
    fi
  done
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "not root, and there is no sudo; as root: $*"
  fi
}

# Runs apt-get install so that no package starts a service or asks a question. Postfix is installed for
# its test programs only: without a main.cf ("No configuration") its service stays down at the next boot too.
apt_install() {
  local guard=/usr/sbin/policy-rc.d guarded=no status=0
  case " $* " in
    *" postfix "*)
      echo 'postfix postfix/main_mailer_type select No configuration' |
        as_root debconf-set-selections 2>/dev/null || true ;;
  esac
  if [ ! -e "$guard" ]; then
    guarded=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$guard" >/dev/null
    as_root chmod 755 "$guard"
    # shellcheck disable=SC2064  # the name is to be expanded now
    trap "as_root rm -f '$guard'" EXIT
    trap 'exit 130' INT TERM
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >&2 || status=$?
  if [ $guarded = yes ]; then
    as_root rm -f "$guard"
    trap - EXIT INT TERM
  fi
  return $status
}

# install_packages [--optional] LIST...
# Sees to it that all packages of the lists are here. Without --optional a package that cannot be had ends the
# script; with it the script goes on (what needs the package is then skipped, visibly).
install_packages() {
  local optional=no lists missing removed
  if [ "$1" = --optional ]; then optional=yes; shift; fi
  lists=$(printf '%s\n' "$@")
  missing=$(missing_packages <<<"$lists" | sort -u | tr '\n' ' ')
  missing=${missing% }
  [ -n "$missing" ] || return 0
  if ! is_debian; then
    say "These packages are missing (names as in Debian 12; please install what your distribution calls them):"
    say "  $missing"
    [ $optional = yes ] && return 0
    exit 1
  fi
  say "Installing: $missing"
  as_root apt-get update -q >&2 || say "apt-get update failed; going on with the package lists that are here"
  # shellcheck disable=SC2086  # a list of names
  removed=$(apt-get -s install --no-install-recommends $missing 2>/dev/null | sed -n 's/^Remv \([^ ]*\).*/\1/p' | tr '\n' ' ')
  if [ -n "$removed" ]; then
    say "Installing $missing would remove ${removed% }; not done."
    [ $optional = yes ] && return 0
    exit 1
  fi
  # shellcheck disable=SC2086
  if ! apt_install $missing; then
    [ $optional = yes ] && { say "Could not install: $missing"; return 0; }
    die "could not install: $missing"
  fi
}
