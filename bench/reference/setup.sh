#!/usr/bin/env bash
# Makes the one Python environment that every script in this folder runs in, outside the repository:
#   ${XDG_CACHE_HOME:-$HOME/.cache}/backcompat/reference-venv
#
# Usage:  bench/reference/setup.sh          PYTHON=python3.12 bench/reference/setup.sh
#
# The last line printed is the path of the environment's interpreter, so that
#   python=$(bench/reference/setup.sh | tail -n 1)
# works. A second run returns at once unless requirements.txt or the interpreter changed.
#
# Only the CPU is used, but on Linux the torch wheel of the public index depends on the CUDA
# libraries: about 6 GB on disk.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
requirements=$here/requirements.txt
cache=${XDG_CACHE_HOME:-$HOME/.cache}/backcompat
venv=$cache/reference-venv
stamp=$venv/requirements.stamp
base=${PYTHON:-python3}

if ! "$base" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "setup: $base is missing or older than Python 3.11; name another one in PYTHON" >&2
  exit 1
fi

mkdir -p "$cache"
# Two callers at once must not build into one folder; the second waits, then finds the stamp.
if command -v flock >/dev/null; then
  exec 9>"$cache/reference-venv.lock"
  flock 9
fi

# What the environment was made from: the interpreter and the requirements file, word for word.
wanted=$("$base" -VV && cat "$requirements")

if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  echo "setup: up to date"
else
  echo "setup: making $venv with $("$base" --version); on Linux this takes about 6 GB"
  rm -rf "$venv"
  "$base" -m venv "$venv"
  # Without pip's cache: it would keep a second copy of everything.
  "$venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check --quiet \
    --requirement "$requirements"
  "$venv/bin/python" - <<'PY'
import faiss, numpy, onnx, onnxruntime, onnxscript, torch
for module in (faiss, numpy, onnx, onnxruntime, onnxscript, torch):
    print(f"setup: {module.__name__} {module.__version__}")
PY
  # Last, so that an interrupted run is not taken for a finished one.
  printf '%s\n' "$wanted" >"$stamp"
fi

echo "$venv/bin/python"
