#!/bin/sh
# First process of a node, in mount, PID, network, UTS and IPC namespaces of its own: lays out the node's view of the
# machine and then waits to be killed. All that the node's programs mount, start or set ends with this process.
#
# Usage: node_init.sh NODE_FOLDER VOLUMES_FOLDER PROGRAMS_FOLDER PAUSE_PROGRAM NODE_NAME
set -eu
node=$1 volumes=$2 programs=$3 pause=$4 name=$5

mount --bind "$volumes" "$node/volumes"
mount --bind "$programs" "$node/programs"
touch "$node/pause"
mount --bind "$pause" "$node/pause"
# Some paths are fixed in kubelet, containerd and the network plugins. Two nodes, and the machine's own, never meet there.
mount --bind "$node/log" /var/log
mount --rbind "$node" /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock

# kubelet sets these for the whole machine unless it finds them so: let it find them, and leave the machine alone.
mkdir /run/settings
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
	kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	path=${setting%=*}
	file=/run/settings/$(echo "$path" | tr / -)
	echo "${setting#*=}" >"$file"
	mount --bind "$file" "/proc/sys/$path"
done

echo 1 >/proc/sys/net/ipv4/ip_forward
hostname "$name"
touch /var/lib/ready
exec /var/lib/pause
