# shellcheck shell=bash
# Children, ports and what must not stay behind; sourced, never run.
#
#   make_scratch              a directory in $SCRATCH that goes with the script
#   start NAME COMMAND...     in the background, output in $SCRATCH/NAME.log, ended with the script
#   run COMMAND...            in the foreground, but a signal ends it at once
#
# Children are ended by their process ids, newest first: TERM (or what STOP_SIGNAL was when one was
# started), then KILL after ten seconds.

PIDS=()
NAMES=()
SIGNALS=()
SCRATCH=

make_scratch() {
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/sidecar-exporters.XXXXXX")
  chmod 711 "$SCRATCH" # a server run as another user must reach its own folder in it
}

clean_up() {
  trap '' INT TERM HUP
  local i
  for ((i = ${#PIDS[@]} - 1; i >= 0; i--)); do end "${PIDS[i]}" "${SIGNALS[i]}"; done
  [[ -z $SCRATCH ]] || rm -rf "$SCRATCH"
}

end() {
  local pid=$1 tries=0
  kill "-${2:-TERM}" "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null && ((tries++ < 100)); do sleep 0.1; done
  kill -KILL "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

start() {
  local name=$1
  shift
  "$@" </dev/null >"$SCRATCH/$name.log" 2>&1 &
  PIDS+=("$!")
  NAMES+=("$name")
  SIGNALS+=("${STOP_SIGNAL:-TERM}")
}

# bash runs a trap only after the command in its foreground has ended: so nothing long is there.
run() {
  "$@" </dev/null &
  local pid=$! status=0
  PIDS+=("$pid")
  NAMES+=("$1")
  SIGNALS+=(TERM)
  wait "$pid" || status=$?
  unset 'PIDS[-1]' 'NAMES[-1]' 'SIGNALS[-1]'
  return "$status"
}

# Says which child has ended, with its last words; true if one has.
ended_child() {
  local i
  for i in "${!PIDS[@]}"; do
    kill -0 "${PIDS[i]}" 2>/dev/null && continue
    printf '%s ended. Its last words:\n' "${NAMES[i]}" >&2
    tail -n 15 "$SCRATCH/${NAMES[i]}.log" | sed 's/^/  /' >&2
    return 0
  done
  return 1
}

port_taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# The wanted port or the next free one.
free_port() {
  local port=$1
  while port_taken "$port"; do
    port=$((port + 1))
    ((port < 65536)) || return 1
  done
  printf '%s\n' "$port"
}
