#!/busybox/busybox sh
# The guest's first process: makes a small Linux system of an initramfs, runs /command and stops the machine. This shell
# prefers busybox's own programs to those in PATH, so /command is run by another.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/busybox
export HOME=/root TERM=dumb

stop() {
    printf '\nguest-exit: %d\n' "$1"
    # Changing a setting waits until the terminal has sent what it holds; stopping the machine does not.
    stty -F /dev/ttyS0 -echo
    poweroff -f
    exit "$1"
}

try() {
    "$@" || { echo "init: failed: $*"; stop 125; }
}

# The shell starts busybox's programs by way of /proc.
/busybox/busybox mount -t proc proc /proc || exit
try mount -t sysfs sysfs /sys
try mount -t devtmpfs devtmpfs /dev
mkdir /dev/pts /dev/shm
try mount -t devpts devpts /dev/pts
for directory in /dev/shm /run /tmp /var; do
    try mount -t tmpfs tmpfs "$directory"
done
chmod 1777 /dev/shm /tmp
mkdir /run/lock /var/cache /var/lib /var/log /var/tmp
ln -s /run /var/run
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout
ln -s /proc/self/fd/2 /dev/stderr
try mount -t bpf bpf /sys/fs/bpf
try mount -t cgroup2 cgroup2 /sys/fs/cgroup
try mount -t tracefs tracefs /sys/kernel/tracing

/busybox/busybox --install -s /busybox
for module in /modules/*.ko; do
    try insmod "$module"
done
# One that nobody asked for; its module makes it when it is loaded.
ip link delete dummy0
hostname guest
ip link set lo up

/bin/sh /command </dev/null
stop $?
