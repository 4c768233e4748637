#!/bin/sh
# Fills the root folder of a containerd with images, in mount and PID namespaces of its own.
#
# Usage: unpack_images.sh ROOT ARCHIVE...
set -eu
root=$1
shift

mount -t tmpfs tmpfs /run
cat >/run/containerd.toml <<END
version = 2
root = "$root"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "/run/opt"
END
containerd --config=/run/containerd.toml >/run/containerd.log 2>&1 &
daemon=$!
until ctr version >/dev/null 2>&1; do
	kill -0 $daemon || { cat /run/containerd.log; exit 1; }
	sleep 0.1
done
for archive; do
	ctr --namespace=k8s.io images import "$archive"
done
kill $daemon
wait $daemon
