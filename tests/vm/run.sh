#!/bin/sh
# Boots Debian's cloud kernel in software emulation, with nothing but cgroup v2, and runs guest.py
# in it: what needs a delegated cgroup cannot be tried on a machine that has none.
#
#   tests/vm/run.sh BUILD_FOLDER
#
# Needs: qemu-system-x86_64, a static busybox, cpio, apt-get (once, for the kernel) or VM_KERNEL.
set -eu

build=$(realpath "$1")
here=$(dirname "$(realpath "$0")")
work="$build/vm"
root="$work/root"
python=/usr/bin/python3

for tool in qemu-system-x86_64 busybox cpio; do
    command -v "$tool" >/dev/null || {
        echo "test-vm: $tool is missing (Debian: qemu-system-x86 busybox-static cpio)" >&2
        exit 77
    }
done

# The kernel, without installing it.
kernel=${VM_KERNEL:-$(find "$work/kernel/boot" -name 'vmlinuz-*' 2>/dev/null | head -n 1)}
if [ -z "$kernel" ]; then
    mkdir -p "$work/kernel"
    name=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    (cd "$work" && apt-get download "$name")
    dpkg-deb -x "$work"/linux-image-*.deb "$work/kernel"
    rm -rf "$work"/linux-image-*.deb "$work/kernel/lib"
    kernel=$(find "$work/kernel/boot" -name 'vmlinuz-*' | head -n 1)
fi

# The guest's root: busybox, the stock interpreter with its library, this build.
rm -rf "$root"
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/run" "$root/etc" "$root/vivarium"
chmod 1777 "$root/tmp"
cp "$(command -v busybox)" "$root/bin/busybox"
printf 'root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\nuser:x:1000:\n' >"$root/etc/group"
cp "$build/vivarium" "$build/vivarium-zygote" "$build"/src/zygote/_vivarium.*.so "$root/vivarium/"
cp "$here/guest.py" "$root/guest.py"
library=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
mkdir -p "$root/usr/bin" "$root$library"
real=$(realpath "$python")
cp "$real" "$root$real"
ln -sf "$(basename "$real")" "$root/usr/bin/python3"
(cd "$library" && find . \( -name test -o -name idlelib -o -name 'config-*' \) -prune -o -type f -print |
    cpio -pdm --quiet "$root$library")
# Shared libraries by the names under which they are looked for.
# shellcheck disable=SC2046
ldd "$real" "$root"/vivarium/* $(find "$library/lib-dynload" -name '*.so') 2>/dev/null |
    sed -n 's/.* => \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-linux[^ ]*\) .*/\1/p' | sort -u |
    while read -r lib; do
        mkdir -p "$root$(dirname "$lib")"
        cp -L "$lib" "$root$lib"
    done

# The first root file system cannot be pivoted away from, as the jail does: so go on in a second.
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox mount -t tmpfs -o size=80%,mode=0755 tmpfs /tmp
for f in /bin /dev /proc /sys /run /etc /vivarium /usr /lib /lib64 /guest.py; do
    if [ -e "$f" ]; then /bin/busybox cp -a "$f" /tmp/; fi
done
/bin/busybox mkdir -p /tmp/tmp
/bin/busybox chmod 1777 /tmp/tmp
/bin/busybox mount -t devtmpfs dev /tmp/dev
exec /bin/busybox switch_root /tmp /usr/bin/python3 -I -S /guest.py
INIT
chmod 755 "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd.gz"

log="$work/console.log"
timeout "${VM_TIMEOUT:-600}" qemu-system-x86_64 -accel tcg -cpu max -m "${VM_MEMORY:-1536}" -smp 2 \
    -nodefaults -display none -no-reboot -serial stdio -kernel "$kernel" -initrd "$work/initrd.gz" \
    -append "console=ttyS0 panic=-1 quiet cgroup_no_v1=all" </dev/null | tee "$log" | grep -a '^vm: ' || true
grep -aq '^vm: all is well' "$log" || {
    tail -n 40 "$log" >&2
    exit 1
}
