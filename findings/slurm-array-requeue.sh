#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Slurm 22.05.8 (Debian 12): three tasks of a job array, of which the third requeues itself, `scontrol requeue "$SLURM_JOB_ID"`, as the
# scripts do that resume from a checkpoint; SLURM_JOB_ID is a number of each task's own, and such a script works in a plain job.
# Expected: the third task alone goes back into the queue.
# What happens: the last task to be started has the array's number for its own, and the command is taken for the whole array: the first task,
# which was done, goes back into the queue to run again, and the second is killed at its work, without a signal that it could trap in time.
# By ${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID the third alone goes back. The other two tasks have numbers that are theirs alone.
# For users of Tessera: the scripts of `tessera submit --array` name the task in that way.
# Wants Debian 12's package index; the daemons run as this user, on a port of their own, and end with the script.
set -euo pipefail
work=$(mktemp -d)
leave() {
    scancel --me 2>/dev/null || true
    for _ in $(seq 60); do squeue -h 2>/dev/null | grep -q . || break; sleep 1; done
    kill $(cat "$work"/*.pid 2>/dev/null) 2>/dev/null || true
    sleep 2
    rm -rf "$work"
}
trap leave EXIT
cd "$work"
version=22.05.8-4+deb12u3
apt-get download -qq slurmctld=$version slurmd=$version slurm-client=$version slurm-wlm-basic-plugins=$version >/dev/null 2>&1
for package in *.deb; do dpkg -x "$package" .; done
library=$(echo "$work"/usr/lib/*/slurm-wlm)
export LD_LIBRARY_PATH=$library SLURM_CONF=$work/slurm.conf PATH=$work/usr/bin:$work/usr/sbin:$PATH
host=$(hostname -s)
me=$(id -un)
mkdir state spool
cat >slurm.conf <<CONF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$me
SlurmdUser=$me
AuthType=auth/none
CredType=cred/none
PluginDir=$library
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/ctld.pid
SlurmdPidFile=$work/d.pid
SlurmctldLogFile=$work/ctld.log
SlurmdLogFile=$work/d.log
SlurmctldPort=18617
SlurmdPort=18618
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=1000 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES State=UP
CONF
slurmctld-wlm -V
slurmctld-wlm 2>/dev/null
slurmd-wlm -d "$work/usr/sbin/slurmstepd-wlm" 2>/dev/null
until sinfo -h -t idle -o %n 2>/dev/null | grep -q .; do sleep 0.5; done
# try ID: how often each task has begun and is to begin again (Restarts), once the third has requeued itself by ID.
try() {
    rm -f began.* out.*
    cat >job.sh <<JOB
#!/bin/sh
#SBATCH --array=1-3 --requeue --output=$work/out.%a
echo "\$SLURM_JOB_ID of \$SLURM_ARRAY_JOB_ID" >began.\$SLURM_ARRAY_TASK_ID
[ \$SLURM_ARRAY_TASK_ID = 1 ] && exit 0
[ \$SLURM_ARRAY_TASK_ID = 2 ] && sleep 60 && exit 0
until [ -e began.1 ] && [ -e began.2 ]; do sleep 0.2; done
sleep 3
scontrol requeue "$1"
sleep 60
JOB
    job=$(sbatch --parsable job.sh)
    until [ -e began.3 ]; do sleep 0.5; done
    sleep 12
    states=
    for task in 1 2 3; do
        states="$states $(scontrol show job "${job}_$task" | grep -oE 'JobState=[A-Z]+|Restarts=[0-9]+' | cut -d= -f2 | xargs | tr ' ' :)"
    done
    printf 'requeue %-46s task 3 was job %s; states and restarts of tasks 1 to 3:%s\n' "$1" "$(cat began.3)" "$states"
    seen="$seen /$states"
    scancel "$job"
}
seen=
# shellcheck disable=SC2016
try '$SLURM_JOB_ID'
# shellcheck disable=SC2016
try '${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID'
if [ "$seen" = " / PENDING:1 PENDING:1 PENDING:1 / COMPLETED:0 RUNNING:0 PENDING:1" ]; then echo "as stated"; else echo "NOT as stated:$seen" && exit 1; fi
