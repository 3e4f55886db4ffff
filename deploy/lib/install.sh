# shellcheck shell=bash
# Debian packages for the scripts of this tree; sourced, never run. Temporary files go to $SCRATCH
# (process.sh) where there is one.
#
#   install_packages g++ cmake       what is missing, as root or through sudo; starts no service
#   unpack_packages DIR prometheus   a server's files below DIR; installs nothing, needs no root
#
# Servers are unpacked, never installed: an installed one would bring its service, its user and (for
# PostgreSQL) a cluster to the caller's machine.

# What a build of the exporters needs, and what the tests need on top of it. Make is GCC's, which
# runs the parts of a link-time pass by it: without it they run one by one, with a warning.
# shellcheck disable=SC2034  # read by the scripts that source this file
BUILD_PACKAGES=(g++ make cmake ninja-build pkg-config libboost-dev libtoml11-dev libexpected-dev
  libcli11-dev libpq-dev libre2-dev libisal-dev zlib1g-dev prometheus-cpp-dev
  libgrpc++-dev libprotobuf-dev protobuf-compiler)
# shellcheck disable=SC2034
TEST_PACKAGES=(libgtest-dev libgmock-dev ca-certificates libbenchmark-dev python3
  python3-venv python3-yaml openssl valgrind)
# shellcheck disable=SC2034
LINT_PACKAGES=(clang-format-16 clang-tidy-16 shellcheck)
# With what its web pages load: nothing here but the binaries needs more than libc.
# shellcheck disable=SC2034
PROMETHEUS_PACKAGES=(prometheus fonts-glyphicons-halflings libjs-bootstrap4
  libjs-eonasdan-bootstrap-datetimepicker libjs-jquery libjs-jquery-hotkeys libjs-moment
  libjs-moment-timezone libjs-mustache libjs-popper.js libjs-rickshaw libjs-d3)

# A server to test with, and what it needs to run from where it was unpacked.
# shellcheck disable=SC2034
POSTGRES_PACKAGES=(postgresql-15)
# shellcheck disable=SC2034
PGBOUNCER_PACKAGES=(pgbouncer libc-ares2 libevent-2.1-7)
# shellcheck disable=SC2034
POSTGRES_LIBRARIES=(libicu72 libldap-2.5-0 libpam0g libxml2 postgresql-client-15 tzdata)

say() { printf '%s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# A password can only be asked for where somebody sits.
if [[ -t 0 ]]; then SUDO=(sudo); else SUDO=(sudo -n); fi

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    "${SUDO[@]}" "$@"
  else
    die "needs root for: $*; run it as root, or install sudo"
  fi
}

missing_packages() {
  local package
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) == ?i* ]] || say "$package"
  done
}

# True when apt's lists name every package: a new machine has no lists at all.
known_packages() {
  local known
  known=$(apt-cache show --no-all-versions "$@" 2>/dev/null | grep -c '^Package: ') || true
  ((known == $#))
}

update_lists() { as_root apt-get -qq -o DPkg::Lock::Timeout=600 update; }

POLICY=/usr/sbin/policy-rc.d
POLICY_MARK='# written by sidecar-exporters for one installation'

# Debian asks policy-rc.d before it starts a service: 101 forbids. The caller's own file, if any,
# waits beside it. A file of ours that a killed run left behind counts as no file.
forbid_services() {
  if [[ -e $POLICY ]] && ! grep -qsF "$POLICY_MARK" "$POLICY"; then
    as_root mv -f "$POLICY" "$POLICY.kept-by-sidecar"
  fi
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
}

allow_services() {
  grep -qsF "$POLICY_MARK" "$POLICY" && as_root rm -f "$POLICY"
  if [[ -e $POLICY.kept-by-sidecar ]]; then
    as_root mv -f "$POLICY.kept-by-sidecar" "$POLICY"
  fi
}

# In a session of its own: Ctrl-C in the middle of dpkg would leave the caller's system to mend.
apt_install() {
  as_root setsid --wait env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
    -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" </dev/null
}

# install_packages NAME...: quiet; the last lines of apt's output when it fails. A signal takes
# effect in the caller once apt has ended.
install_packages() {
  local -a missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  say "Installing: ${missing[*]}"
  local log status=0
  log=$(mktemp -p "${SCRATCH:-/tmp}")
  (
    flock 9 # two of these at once would restore each other's file
    trap '' INT TERM HUP
    trap allow_services EXIT
    forbid_services || exit 1
    known_packages "${missing[@]}" || update_lists
    # Old lists name files that the mirror no longer has.
    apt_install "${missing[@]}" || { update_lists && apt_install "${missing[@]}"; }
  ) 9</var/lib/dpkg >"$log" 2>&1 || status=$?
  ((status == 0)) || tail -n 15 "$log" >&2
  rm -f "$log"
  ((status == 0)) || die "could not install: ${missing[*]}"
}

# unpack_packages DIR NAME...: into DIR, once. Apt checks the signatures as it does when it installs.
unpack_packages() {
  local dir=$1 archives log
  shift
  [[ -e $dir/.complete && $(<"$dir/.complete") == "$*" ]] && return 0
  known_packages "$@" || update_lists
  say "Unpacking: $* (into $dir)"
  rm -rf "$dir"
  mkdir -p "$dir"
  archives=$(mktemp -d -p "${SCRATCH:-/tmp}")
  log=$archives/log
  (cd "$archives" && apt-get -qq download "$@") >"$log" 2>&1 ||
    { update_lists && (cd "$archives" && apt-get -qq download "$@") >"$log" 2>&1; } ||
    { tail -n 15 "$log" >&2; rm -rf "$archives"; die "could not download: $*"; }
  local archive
  for archive in "$archives"/*.deb; do dpkg -x "$archive" "$dir"; done
  rm -rf "$archives"
  say "$*" >"$dir/.complete"
}
