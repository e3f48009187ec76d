#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# UCX 1.22.0 (libucx-cu12, whose libucs MPI libraries bring with them): what loading the library does to SIGHUP.
# Expected, as of any library: loading it leaves the program's signals alone; a hang-up ends a program, and one that was started to ignore
# hang-ups (nohup) still ignores them.
# What happens: as it is loaded, and before any function of it is called, libucs takes SIGHUP for its own debugging
# (UCX_DEBUG_SIGNO=SIGHUP is the default). A hang-up no longer ends the program, so a closed terminal leaves it running; and what nohup had set
# to be ignored is caught, so calls that wait return with EINTR. With UCX_DEBUG_SIGNO=0 in the environment while it is loaded, nothing changes.
# For users of Tessera: `transport/mpi` sets that variable around the loading of MPI, so that a hang-up still writes a checkpoint.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -qq --no-compile --disable-pip-version-check --no-deps libucx-cu12==1.22.0
cat > load.py <<'PY'
import ctypes
import sys


def hangup():
    with open("/proc/self/status") as status:
        mask = {line[:6]: int(line.split()[1], 16) & 1 for line in status if line.startswith(("SigC", "SigI"))}
    return "caught" if mask["SigCgt"] else "ignored" if mask["SigIgn"] else "default"


before = hangup()
ctypes.CDLL(sys.argv[1])
print(before, hangup(), flush=True)
sys.stdin.readline()
PY
venv/bin/python - <<'PY'
import glob
import os
import signal
import subprocess
import sys

library = glob.glob("venv/lib/python3*/site-packages/libucx/lib/libucs.so.0")[0]


def run(ignored, environment):
    """What becomes of SIGHUP, and how the program ends after one."""
    how = signal.SIG_IGN if ignored else signal.SIG_DFL
    child = subprocess.Popen([sys.executable, "load.py", library], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL, env={**os.environ, **environment}, preexec_fn=lambda: signal.signal(signal.SIGHUP, how))
    states = child.stdout.readline().decode().split()
    child.send_signal(signal.SIGHUP)
    try:
        child.wait(2)
    except subprocess.TimeoutExpired:
        pass
    alive = child.poll() is None
    child.communicate(b"\n")
    return *states, "lives on" if alive else f"ended by signal {-child.returncode}"


rows = {"as usual": run(False, {}), "nohup": run(True, {}), "UCX_DEBUG_SIGNO=0": run(False, {"UCX_DEBUG_SIGNO": "0"})}
for name, row in rows.items():
    print(f"{name:18} SIGHUP is {row[0]:8} before, {row[1]:8} after; a program that gets one {row[2]}")
same = (rows["as usual"] == ("default", "caught", "lives on") and rows["nohup"] == ("ignored", "caught", "lives on")
        and rows["UCX_DEBUG_SIGNO=0"] == ("default", "default", "ended by signal 1"))
print("as stated" if same else "NOT as stated")
sys.exit(not same)
PY
