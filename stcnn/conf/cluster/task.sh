# A signal before the end lets the training leave a checkpoint, from which the next attempt goes on.
child=
stopped=
trap 'stopped=yes; [ -z "$child" ] || kill -TERM "$child" 2> /dev/null' TERM USR1 USR2 INT

cd {{ here }}
{% for line in setup %}
{{ line }}
{% endfor %}
export OMP_NUM_THREADS={{ cpus }}

# The row of this task: the overrides of one training, one a line.
task={{ folder }}/tasks/$(sed -n "${index}p" {{ job }}/tasks.txt)
mapfile -t row < "$task/overrides.txt"
echo begun >> "$task/attempts.txt"
SECONDS=0
{{ python }} -m stcnn.cli train "${row[@]}" >> "$task/log.txt" 2>&1 &
child=$!
[ -z "$stopped" ] || kill -TERM "$child" 2> /dev/null # a signal came before there was a training

while :; do
    wait $child
    code=$?
    kill -0 $child 2> /dev/null || break
done
echo "$code $SECONDS" >> "$task/attempts.txt"
