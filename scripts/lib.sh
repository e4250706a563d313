# Shared by the scripts beside it: where things are, what is installed, and how to say why not.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV=.venv
LOCK=scripts/requirements.lock
# Every number in a result was made under these; a locale or a hash seed must not change one.
export LC_ALL=C.UTF-8 PYTHONHASHSEED=0
# With it, each of the many programs that a run starts would compile pandas and EnOSlib anew.
unset PYTHONDONTWRITEBYTECODE
# What root makes here, nodes and their users must be able to read; what is secret has its own mode.
umask 022

say() { printf '» %s\n' "$*"; }
stop() { printf '%s\n' "$*" >&2; exit 3; }

[ -w . ] || stop "$PWD cannot be written by user $(id -u), and the workbench, its caches and all results go below it; nothing was changed; clone it as that user, or to a disk that is not read-only"

is_usable() { [ -d "$1" ] && [ -w "$1" ] && [ -x "$1" ]; }

# What a container's -u, a service's account or a read-only home lack, from below the checkout: the
# programs that a run starts each want caches, a name and a home, and say so in tracebacks.
lend() {
    local below="$PWD/.lent" name
    if ! is_usable "${TMPDIR:-/tmp}"; then
        mkdir -p "$below/tmp"
        export TMPDIR="$below/tmp"
    fi
    if ! id -un >/dev/null 2>&1; then
        export LOGNAME="${LOGNAME:-uid$(id -u)}" USER="${USER:-uid$(id -u)}"
    fi
    [ -n "${HOME:-}" ] && is_usable "$HOME" && return
    if [ ! -d "${HOME:-}" ]; then
        mkdir -p "$below/home"
        export HOME="$below/home"
    fi
    for name in XDG_CACHE_HOME XDG_DATA_HOME UV_CACHE_DIR MPLCONFIGDIR IPYTHONDIR JUPYTER_CONFIG_DIR \
        JUPYTER_DATA_DIR JUPYTER_RUNTIME_DIR ANSIBLE_HOME TEXMFVAR; do
        [ -n "${!name:-}" ] && is_usable "${!name}" && continue
        mkdir -p "$below/$name"
        export "$name=$below/$name"
    done
}
lend
# Behind a company's proxy, its certificate is among the machine's and not among uv's own.
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"; fi
# A bare PATH has no folder for what only root runs, which Debian's packages and the testbed do.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

is_root() { [ "$(id -u)" = 0 ]; }
is_debian_12() { grep -qs '^VERSION_ID="12"' /etc/os-release && grep -qs '^ID=debian' /etc/os-release; }

# One temporary folder for a run and all that it starts, locked as discovery/machine.py locks its own:
# what a killed run left of it, or a killed command, is swept by the next. Whoever still runs for
# that one holds the lock, too.
own_scratch() {
    local base="${TMPDIR:-/tmp}" left
    command -v flock >/dev/null || return 0
    for left in "$base"/discovery-????????.scratch; do
        if [ -O "$left" ]; then (flock --nonblock 9 && rm -rf "$left") 9<"$left" || true; fi
    done
    SCRATCH="$base/discovery-$(od -An -N4 -tx4 /dev/urandom | tr -d ' ').scratch"
    mkdir -m 700 "$SCRATCH" || stop "$base cannot be written, where temporary files go; nothing was changed; make room, or set TMPDIR to another folder"
    exec 9<"$SCRATCH"
    flock --nonblock 9
    trap 'rm -rf "$SCRATCH"' EXIT
    export TMPDIR="$SCRATCH" JUPYTER_RUNTIME_DIR="$SCRATCH/jupyter"
}

# Before a program meets it half-way, and says so in a traceback.
need_room() {
    local free_mb=$(($(df --output=avail -k . | tail -1) / 1024)) needed_mb=300 what="figures, tables and the paper need"
    [ -f "$VENV/.locked" ] || { needed_mb=2500 what="the virtual environment and what is made with it need"; }
    [ "$free_mb" -ge "$needed_mb" ] || stop "$what $needed_mb MB of disk, and $PWD has $free_mb MB free; nothing was changed; make room there"
}

need_testbed_machine() {
    local instead="what works everywhere: scripts/reproduce --from-archive"
    is_root || stop "The local testbed needs root (network namespaces, nodes); run this as root, or $instead"
    is_debian_12 || stop "The local testbed is built for Debian 12 and this is $(. /etc/os-release 2>/dev/null; echo "${PRETTY_NAME:-another system}"); $instead"
    local free_gb=$(($(df --output=avail -k / | tail -1) / 1024 / 1024))
    [ "$free_gb" -ge 8 ] || stop "The node image and the packages need 8 GB of disk and / has $free_gb GB free; make room, or $instead"
}

is_installed() { dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^ii'; }

# install_debian PACKAGE...: those that are missing, by name, and nothing else.
install_debian() {
    local missing=() package
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    is_root || stop "These Debian packages are missing: ${missing[*]}; install them with apt-get as root"
    say "installing from Debian: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# install_servers PACKAGE...: likewise, and their programs only. Debian would make a database, and
# start a server of each now and at every boot; tests start their own. What was here stays as it was.
install_servers() (
    local missing=() package policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && exit
    is_root || install_debian "${missing[@]}"
    restore() {
        if grep -qs "scripts/lib.sh installs" "$policy"; then rm "$policy"; fi
        if [ -e "$policy.discovery" ]; then mv "$policy.discovery" "$policy"; fi
        rm -f "$clusters/discovery.conf"
        rmdir --ignore-fail-on-non-empty "$clusters"
    }
    if [ -e "$clusters/discovery.conf" ]; then restore; fi # after one that was killed
    mkdir -p "$clusters"
    trap restore EXIT
    echo "create_main_cluster = false" >"$clusters/discovery.conf"
    if [ -e "$policy" ]; then mv "$policy" "$policy.discovery"; fi
    # Debian's way to forbid that a service is started (101); what was forbidden stays forbidden.
    cat >"$policy" <<END
#!/bin/sh
# Only while scripts/lib.sh installs ${missing[*]}.
case "\$1" in $(printf '%s*|' "${missing[@]}")-) exit 101 ;; esac
[ -x "$policy.discovery" ] || exit 0
exec "$policy.discovery" "\$@"
END
    chmod 755 "$policy"
    install_debian "${missing[@]}"
    for package in "${missing[@]}"; do
        # The unit of PostgreSQL starts what databases there are, and we have made none.
        [ "$package" = postgresql ] || systemctl --quiet disable "$package" 2>/dev/null ||
            say "$package is started at boot; if you do not want that: systemctl disable $package"
    done
)

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3 /usr/bin/python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    stop "Python 3.11 or newer is needed; on Debian 12: apt-get install python3"
}

# locked PACKAGE: its version and the hashes of its files, as the lock has them.
locked() { awk -v pin="^$1==" '/^[^ ]/ { wanted = $0 ~ pin } wanted' "$LOCK"; }

# The workbench in $VENV, exactly as locked: a file with another hash is refused. Does nothing where
# the lock has not changed.
install_workbench() {
    local stamp="$VENV/.locked" wanted
    wanted=$(cat "$LOCK" pyproject.toml | sha256sum)
    if [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
        if is_root && is_debian_12; then install_debian python3-venv; fi
        say "installing the workbench's Python packages into $VENV"
        [ -x "$VENV/bin/python" ] || "$(find_python)" -m venv "$VENV"
        [ -x "$VENV/bin/uv" ] || locked uv |
            "$VENV/bin/python" -m pip install --quiet --no-deps --require-hashes --requirement /dev/stdin
        "$VENV/bin/uv" pip sync --quiet --compile-bytecode --python "$VENV/bin/python" \
            --require-hashes --build-constraints "$LOCK" "$LOCK"
        "$VENV/bin/uv" pip install --quiet --python "$VENV/bin/python" \
            --no-deps --no-build-isolation --editable .
        printf '%s' "$wanted" >"$stamp"
    fi
    export PATH="$PWD/$VENV/bin:$PATH"
}

TESTBED_PACKAGES=(mmdebstrap systemd-container openssh-client iproute2 iputils-ping fping)
PAPER_PACKAGES=(latexmk texlive-latex-extra texlive-fonts-recommended texlive-latex-recommended lmodern)
LOOK_PACKAGES=(chromium poppler-utils iperf3 nftables)
SERVER_PACKAGES=(redis-server postgresql)

install_testbed() {
    install_debian "${TESTBED_PACKAGES[@]}"
    discovery image bake
}
