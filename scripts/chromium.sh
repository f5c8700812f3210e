#!/bin/sh
# Finds or installs a Chromium for the browser tests: $UPSHOT_CHROMIUM, the PATH, apt as root or with passwordless sudo.
# Where none can be had, the browser tests are skipped by name (and .ci/run fails on such a skip).
set -u
[ -n "${UPSHOT_CHROMIUM:-}" ] && exit 0
for name in chromium chromium-browser google-chrome; do command -v "$name" >/dev/null 2>&1 && exit 0; done
command -v apt-get >/dev/null 2>&1 || exit 0
if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else exit 0; fi
echo "==> installing chromium for the browser tests"
($as_root apt-get update -qq && $as_root apt-get install -y -qq --no-install-recommends chromium) >/dev/null 2>&1 ||
    echo "chromium could not be installed; the browser tests will be skipped" >&2
exit 0
