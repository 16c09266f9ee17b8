# Makes a freshly bootstrapped Debian into the base of the lab's nodes. Runs on the host, as a hook of
# mmdebstrap; $1 is the root folder of the image.
set -eu
root=$1

# apt works as on the host: same sources, same keys, same pins, same logins.
rm -f "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/*
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
    /etc/apt/trusted.gpg /etc/apt/trusted.gpg.d /etc/apt/keyrings /etc/apt/auth.conf /etc/apt/auth.conf.d \
    /etc/apt/preferences /etc/apt/preferences.d; do
    if [ -e "$file" ]; then cp -a "$file" "$root$(dirname "$file")/"; fi
done
for key in /usr/share/keyrings/*; do
    if [ ! -e "$root$key" ]; then cp -a "$key" "$root$key"; fi
done
if [ -d /usr/local/share/ca-certificates ]; then
    cp -a /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates > /dev/null
fi
# A lab node is not precious: do not flush each file of each package to the disk.
echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/lab"

echo LANG=C.UTF-8 > "$root/etc/default/locale"
printf '127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\n' > "$root/etc/hosts"

# The keys of the host and the id of the machine are each node's own.
rm -f "$root"/etc/ssh/ssh_host_*
: > "$root/etc/machine-id"
rm -f "$root/var/lib/dbus/machine-id"

# A user who may use sudo, with a password; for trying out become.
chroot "$root" useradd --create-home --shell /bin/bash --groups sudo ops

chroot "$root" systemctl --quiet enable systemd-networkd.service ssh.service
# What is of no use in a lab and costs time when booting or later.
chroot "$root" systemctl --quiet mask \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service \
    fstrim.timer systemd-firstboot.service systemd-modules-load.service systemd-network-generator.service \
    getty.target console-getty.service getty@tty1.service \
    sys-kernel-debug.mount sys-kernel-tracing.mount dev-hugepages.mount

# A node must not set the clock of its host, and has not the right to. chronyd runs all the same, and
# measures without setting.
mkdir -p "$root/etc/systemd/system/chrony.service.d"
cat > "$root/etc/systemd/system/chrony.service.d/lab.conf" <<'END'
[Unit]
ConditionCapability=
[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd $DAEMON_OPTS -x
END

# The journal survives a power cut, to find out what happened before it.
mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
printf '[Journal]\nSystemMaxUse=64M\n' > "$root/etc/systemd/journald.conf.d/lab.conf"
