#!/bin/bash
# rootfs.sh OUT CATALOG: the root folder of the image, gathered in the build stage.
#
# ldd tells the libraries. It does not tell what is opened at run time: glibc's converter for GB18030 and its index,
# the C.UTF-8 locale, the time zones, and who 10001 is. The folders that volumes are mounted on belong to 10001, since a
# new volume takes its owner from the image; /keys/give has one for each process that gets keys (keys.sh).
set -euo pipefail
out=$1 catalog=$2
user=10001
programs=(/usr/bin/sumu /usr/bin/sumu-collector /usr/bin/sumu-aggregator /usr/bin/sumu-sink)
libs=/usr/lib/$(gcc -print-multiarch)

install -d "$out"/usr/{bin,lib,lib64,share} "$out"/etc "$out"/var
ln -s usr/lib usr/lib64 "$out"
install -d -m 1777 "$out/tmp"

install "${programs[@]}" "$out/usr/bin/"
needed=$(ldd "${programs[@]}")
if grep 'not found' <<<"$needed"; then exit 1; fi
for lib in $(grep -o '/[^ ]*\.so[^ ]*' <<<"$needed" | sort -u); do
        install -D "$lib" "$out$lib"
        package=$(dpkg -S "$lib" "/usr$lib" 2>/dev/null | sed 's/:.*//;q') || true
        if [ -e "/usr/share/doc/$package/copyright" ]; then
                install -D -m 644 -t "$out/usr/share/doc/$package" "/usr/share/doc/$package/copyright"
        fi
done
install -D -m 644 -t "$out/usr/share/doc/sumu" LICENSE NOTICE

install -D -m 644 -t "$out$libs/gconv" "$libs"/gconv/{GB18030.so,gconv-modules.cache}
cp -a /usr/lib/locale "$out/usr/lib/"
cp -a /usr/share/zoneinfo /usr/share/sumu "$out/usr/share/"
rm -rf "$out"/usr/share/zoneinfo/{posix,right} # the same once more, and one that counts leap seconds

echo "root:x:0:0::/:/nologin
sumu:x:$user:$user::/var/lib/sumu:/nologin" >"$out/etc/passwd"
echo "root:x:0:
sumu:x:$user:" >"$out/etc/group"
echo "hosts: files dns" >"$out/etc/nsswitch.conf"

mine() { install -d -m 700 -o $user -g $user "$@"; }
mine "$out"/var/lib/sumu{,/inbox} "$out"/etc/sumu{,/keys} "$out"/keys{,/all,/give,/give/aggregator,/give/sink}
offices=$(sed 's/^\xef\xbb\xbf//; s/\r$//' "$catalog/offices.csv" |
        awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i} NR > 1 {print $at["code"]}')
for office in $offices; do
        mine "$out/keys/give/office-$office"
done
