#!/usr/bin/env bash
# Written by stcnn sweep from conf/cluster/slurm.sh.
#SBATCH --job-name={{ name }}
#SBATCH --array=1-{{ n_tasks }}{{ "%%%d" % at_once if at_once else "" }}
#SBATCH --time={{ time_min }}
#SBATCH --ntasks=1
#SBATCH --cpus-per-task={{ cpus }}
#SBATCH --mem={{ memory_mb }}M
{% if gpus %}
#SBATCH --gres=gpu:{{ gpus }}
{% endif %}
{% if partition %}
#SBATCH --partition={{ partition }}
{% endif %}
{% if account %}
#SBATCH --account={{ account }}
{% endif %}
{% if qos %}
#SBATCH --qos={{ qos }}
{% endif %}
#SBATCH --output={{ job_log }}/%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@{{ grace_s }}
{% for option in options %}
#SBATCH {{ option }}
{% endfor %}

index=$SLURM_ARRAY_TASK_ID
{% include "task.sh" %}

# Stopped, not failed: wait in the queue again, unless somebody cancelled the job. Of one task of an array the number
# of the job is that of the whole array, so that tasks are named by both.
own=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
case $code in
75 | 129 | 130 | 138 | 140 | 143)
    [ "$(squeue --noheader --jobs="$own" --format=%T)" = RUNNING ] && scontrol requeue "$own"
    ;;
esac
exit "$code"
