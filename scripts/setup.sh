#!/bin/sh
# Makes .venv and what runs in it: `setup.sh product` for upshot itself, `setup.sh tests` adds what the tests need. Both
# build the scripts of the pages (scripts/assets.sh).
# Idempotent; quick when nothing changed. Wants Python 3.11 or newer with venv, and a package index that pip can reach.
set -eu
cd "$(dirname "$0")/.."
what=${1:-product}
say() { printf '\033[1m==>\033[0m %s\n' "$1"; }

python=${PYTHON:-}
if [ -z "$python" ]; then
    for candidate in python3.11 python3.12 python3.13 python3 python; do
        if "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
            python=$candidate
            break
        fi
    done
fi
[ -n "$python" ] || { echo "upshot needs Python 3.11 to 3.13 with venv; set PYTHON to its path" >&2; exit 1; }

locks="requirements.lock"
[ "$what" = tests ] && locks="requirements.lock requirements-dev.lock"
# What the environment was last made from: the locks, the project files and this script.
state=$(cat $locks pyproject.toml client/pyproject.toml scripts/setup.sh | cksum)
stamp=.venv/.upshot-$what
if [ -x .venv/bin/upshot ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ]; then
    exec scripts/assets.sh
fi

started=$(date +%s)
if [ ! -x .venv/bin/python ]; then
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv
fi
# pip knows the reader's index and certificates (its configuration and PIP_*); uv is told the same, and is much faster.
pip=".venv/bin/python -m pip --disable-pip-version-check"
index=$($pip config get global.index-url 2>/dev/null || $pip config get install.index-url 2>/dev/null || true)
[ -n "${PIP_INDEX_URL:-}" ] && index=$PIP_INDEX_URL
[ -n "${UV_DEFAULT_INDEX:-}" ] || [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}" UV_NO_CONFIG=1
if [ ! -x .venv/bin/uv ]; then
    say "fetching uv"
    $pip install --quiet "$(sed -n 's/^\(uv==[^ ;\\]*\).*/\1/p' requirements.lock)" 2>/dev/null || true
fi
requirements=""
for lock in $locks; do requirements="$requirements -r $lock"; done
say "installing $locks (hashes checked)"
if [ ! -x .venv/bin/uv ] ||
    ! .venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes $requirements; then
    say "uv could not; using pip"
    $pip install --quiet --require-hashes $requirements
fi
PATH="$PWD/.venv/bin:$PATH" .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable . --editable ./client
scripts/assets.sh
printf '%s' "$state" > "$stamp"
say "ready in $(($(date +%s) - started)) s: .venv/bin/upshot --help"
