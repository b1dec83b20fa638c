# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Shared by the scripts of this folder. A county lives in two places:
#   DIR        what its user reads: env, client.ini, the daemons' settings and logs, the CA
#   DIR/here   a link to a short folder that the unprivileged user of PostgreSQL and the daemons can reach:
#              the cluster (pg, with --standby also pg2), its socket (s), certificates (pki), program copies (bin)
set -euo pipefail
export LC_ALL=C.UTF-8

dev=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$dev/../.." && pwd)
build=$(realpath -m "${QIPAN_BUILD:-$top/build}")
pg_bin=/usr/lib/postgresql/15/bin
program=${0##*/}
contexts='bureau chengguan dongshan jingkai fagai ziran leader duban sysadmin secadmin auditor robot'

die() { echo "$program: $*" >&2 && exit 1; }
usage() { sed -n 's/^# usage: /usage: /p' "$0" >&2 && exit 2; }

# PostgreSQL and qipand refuse root. setpriv replaces itself, so that the process id stays.
drop=()
runner=$(id -un)
if [ "$(id -u)" = 0 ]; then
    drop=(setpriv --reuid=postgres --regid=postgres --init-groups --)
    runner=postgres
fi
as_runner() { (cd / && exec "${drop[@]}" "$@"); }

open_county() { # DIR
    [ -n "${1-}" ] || usage
    dir=$(realpath -m "$1")
    [ -e "$dir/env" ] || die "there is no county in $dir: deploy/dev/up makes one"
    here=$(readlink -f "$dir/here")
    [ -d "$here" ] || die "the county in $dir is gone: deploy/dev/down $1, then up"
}

# Process PID runs and was started for FILE. A zombie has no command line and counts as gone.
alive() { # PID FILE
    [ -n "$1" ] && tr '\0' '\n' 2>/dev/null <"/proc/$1/cmdline" | grep -qxF -e "$2" -e "--config=$2"
}

# Its memory goes first, and its command line with it; its sockets last.
exiting() { # PID
    [ -n "$1" ] && ! tr -d '\0' 2>/dev/null <"/proc/$1/cmdline" | grep -q . && grep -qs '^State:[[:space:]]*[^[:space:]ZX]' "/proc/$1/status"
}

wait_gone() { # SECONDS PID FILE
    local end=$((SECONDS + $1))
    while alive "$2" "$3" || exiting "$2"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.02
    done
}

daemon_pid() { cat "$dir/run/qipand-$1.pid" 2>/dev/null || true; }

pg_pid() { head -n 1 "$here/${1:-pg}/postmaster.pid" 2>/dev/null || true; }

pg_alive() { alive "$(pg_pid "${1-}")" "$here/${1:-pg}"; }

county_psql() { # options of psql; as the owner
    PGHOST=$here/s PGPORT=5432 PGDATABASE=qipan PGUSER=postgres PGOPTIONS='' \
        psql -X -q -v ON_ERROR_STOP=1 "$@"
}

# A port that nobody listens on, below the range the kernel gives to outgoing connections.
free_port() {
    local port try taken
    taken=$(awk '$4 == "0A" { split($2, a, ":"); print a[2] }' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
    for try in {1..200}; do
        port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        grep -qx "$(printf '%04X' $port)" <<<"$taken" || { echo $port && return; }
    done
    die "no free port between 20000 and 32000"
}

listening() { # PORT
    awk -v p="$(printf '%04X' "$1")" '$4 == "0A" { split($2, a, ":"); if (a[2] == p) found = 1 }
        END { exit !found }' /proc/net/tcp /proc/net/tcp6 2>/dev/null
}
