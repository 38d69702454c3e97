#!/usr/bin/env bash
# Written by stcnn sweep from conf/cluster/lsf.sh.
#BSUB -J "{{ name }}[1-{{ n_tasks }}]{{ "%%%d" % at_once if at_once else "" }}"
#BSUB -W {{ time_min }}
#BSUB -n {{ cpus }}
#BSUB -R "span[hosts=1] rusage[mem={{ memory_mb }}MB]"
#BSUB -M {{ memory_mb }}MB
{% if gpus %}
#BSUB -gpu "num={{ gpus }}"
{% endif %}
{% if queue %}
#BSUB -q {{ queue }}
{% endif %}
{% if project %}
#BSUB -P {{ project }}
{% endif %}
#BSUB -o {{ job_log }}/%I.log
#BSUB -r
#BSUB -Q "75 129 130 138 140 143"
#BSUB -wt {{ grace_min }}
#BSUB -wa USR1
{% for option in options %}
#BSUB {{ option }}
{% endfor %}

index=$LSB_JOBINDEX
{% include "task.sh" %}

# LSF puts a job with one of the exit statuses of -Q, stopped and not failed, into the queue again.
exit "$code"
