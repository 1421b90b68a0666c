# What the shell tools share; sourced, not run.
# shellcheck disable=SC2034 # used by those who source this
cache=${XDG_CACHE_HOME:-$HOME/.cache}/cede
me=${0##*/}

say() { echo "$me: $*"; }

die() {
    echo "$me: $*" >&2
    exit 1
}

# For those who hand it to foreign makefiles.
no_blanks_in_cache() {
    case $cache in
    *[[:space:]]*) die "the cache's path has blanks, which make cannot take: say XDG_CACHE_HOME=/some/folder ($cache)" ;;
    esac
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "not root and no sudo; as root, run: $*"
    fi
}

# Runs a command quietly; what it printed is shown only when it fails.
quietly() {
    local log
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        rm -f "$log"
    else
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
}

# Downloads Debian packages into folder $1; apt's lists are refreshed once when they are absent or stale.
download() {
    local folder=$1 get=(quietly apt-get -qq -o "APT::Sandbox::User=$(id -un)" download)
    shift
    mkdir -p "$folder"
    (cd "$folder" && "${get[@]}" "$@" 2>/dev/null) && return
    quietly as_root apt-get -qq update && (cd "$folder" && "${get[@]}" "$@")
}
