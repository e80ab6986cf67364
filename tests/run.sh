#!/usr/bin/env bash
# The tests, from a fresh clone: `bash tests/run.sh [pytest's flags]`. Sets up, then lint, types and tests.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
. bootstrap/host.sh
platform=$(face_finder_platform)
python=$(face_finder_python "$PWD" "$platform")

"$python" -B bootstrap/build.py --with tests --with deepface --with facenet512 --with hdbscan --demo

ruff="lib/vendor/$platform+tests/bin/ruff"
"$ruff" check .
"$ruff" format --check .
# -s -B: no packages of the user's, no bytecode beside the sources.
"$python" -s -B bootstrap/tool.py mypy
"$python" -s -B bootstrap/tool.py pytest "$@"
