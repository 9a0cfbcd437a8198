#!/usr/bin/env bash
# Everything a machine without a network needs, in one folder: bundle.sh FOLDER [LOCK]. There: FOLDER/install.sh.
# For machines with this one's system, processor and Python (the wheels are built for those).
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
lock=${2:-requirements/demo.txt}
python=${PYTHON:-.venv/bin/python}
say() { printf 'bundle: %s\n' "$*"; }
kit() { "$python" -c 'import sys; from hostctl.cli import main; sys.exit(main())' "$@"; }
export PIP_DISABLE_PIP_VERSION_CHECK=1

[ -x "$(command -v "$python")" ] || { say "expected $python, got none; run make setup first, or name one with PYTHON=..."; exit 2; }
mkdir -p "$folder/wheels"
say "fetching the wheels of $lock ($(grep -c == "$lock") packages); what is there already is checked and kept"
"$python" -m pip download -q --require-hashes -r "$lock" --dest "$folder/wheels"
say "building the kit's own wheel"
rm -f "$folder"/wheels/instability_kit-*.whl
"$python" -m pip wheel -q --no-deps --wheel-dir "$folder/wheels" .
if [ -z "${WITHOUT_MODELS:-}" ]; then
  for name in $(kit models list --json | "$python" -c 'import json, sys; print(*(row["name"] for row in json.load(sys.stdin)))'); do
    say "model $name"
    INSTABILITY_CACHE=$(realpath "$folder")/cache kit models get "$name" --quiet >/dev/null
  done
fi
kit licences --texts "$folder/licences" >"$folder/LICENCES.txt"
cp "$lock" "$folder/lock.txt"
cp -r README.md LICENSE docs "$folder/"
"$python" -c 'import platform, sys; print(f"{sys.version_info[0]}.{sys.version_info[1]} {platform.system()} {platform.machine()}")' >"$folder/made-for"
cat >"$folder/install.sh" <<'INSTALL'
#!/usr/bin/env bash
# Installs the kit beside this file, without a network. PYTHON=... names another Python.
set -euo pipefail
cd "$(dirname "$0")"
say() { printf 'install: %s\n' "$*"; }
sha256sum --quiet --check SHA256SUMS || { say "expected the files as they were bundled, got others (above); copy the bundle again"; exit 2; }
read -r version rest <made-for
python=${PYTHON:-python$version}
command -v "$python" >/dev/null || { say "expected Python $version ($rest), got no $python; install it, or name one with PYTHON=..."; exit 2; }
got=$("$python" -c 'import platform, sys; print(f"{sys.version_info[0]}.{sys.version_info[1]} {platform.system()} {platform.machine()}")')
[ "$got" = "$version $rest" ] || { say "expected Python $version on $rest, got $got; bundle again on a machine like this one"; exit 2; }
"$python" -m venv .venv
.venv/bin/python -m pip install -q --disable-pip-version-check --no-index --find-links wheels --require-hashes -r lock.txt
.venv/bin/python -m pip install -q --disable-pip-version-check --no-index --no-deps wheels/instability_kit-*.whl
cat >instability <<'RUN'
#!/usr/bin/env bash
# The kit, offline, with the bundle's own models.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export INSTABILITY_CACHE=${INSTABILITY_CACHE:-$here/cache} INSTABILITY_OFFLINE=1
exec "$here/.venv/bin/instability" "$@"
RUN
chmod +x instability
say "done: $PWD/instability demo --quick"
INSTALL
chmod +x "$folder/install.sh"
(cd "$folder" && find . -type f ! -name SHA256SUMS ! -path './.venv/*' ! -path './runs/*' ! -name instability -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
say "done: $folder ($(du -sh "$folder" | cut -f1)); copy it over and run $(basename "$folder")/install.sh there"
