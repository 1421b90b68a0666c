# Debian's cloud kernel with its headers, in the cache; sourced after lib.sh. Nothing is installed.
# shellcheck disable=SC2154 # lib.sh's
kernel=$cache/linux

# The metapackage's only dependency that names a version, e.g. 6.1.0-56-cloud-amd64
newest_release() {
    apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -nE 's/.*Depends: linux-image-([0-9].*)/\1/p' | tail -1
}

fetch_kernel() {
    local release version work package
    release=$(newest_release)
    if [ -z "$release" ]; then
        quietly as_root apt-get -qq update || die "apt-get update failed"
        release=$(newest_release)
    fi
    [ -n "$release" ] || die "apt knows no linux-image-cloud-amd64; is this Debian?"
    version=${release%-cloud-amd64}
    say "downloading Debian's kernel $release and its headers into $kernel"
    work=$(mktemp -d "$cache/linux.XXXXXX")
    download "$work" "linux-image-$release" "linux-headers-$release" "linux-headers-$version-common" \
        "linux-kbuild-${version%.*}" || die "the kernel's packages cannot be downloaded"
    mkdir "$work/root"
    for package in "$work"/*.deb; do dpkg-deb -x "$package" "$work/root"; done
    rm -rf "$work"/*.deb "$kernel"
    # The headers' makefiles name each other by absolute path.
    sed -i "s|/usr/src/|$kernel/root/usr/src/|" "$work"/root/usr/src/linux-headers-*/Makefile
    echo "$release" >"$work/release"
    mv "$work" "$kernel"
}

# Downloads it unless it is there.
have_kernel() {
    mkdir -p "$cache"
    [ -s "$kernel/release" ] || fetch_kernel
}

kernel_release() { cat "$kernel/release"; }

# Builds the modules of folder $1; the other arguments are make's.
make_module() {
    local folder=$1
    shift
    quietly make -C "$kernel/root/usr/src/linux-headers-$(kernel_release)" M="$(realpath "$folder")" "$@" modules ||
        die "the kernel module of $folder does not build"
}
