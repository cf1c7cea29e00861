#!/bin/sh
# Make .venv from requirements.lock (versions and hashes). With the word "lock": resolve requirements.lock anew.
# uv comes from PATH, or into the project's hidden folder .uv, never into the system.
set -eu
cd "$(dirname "$0")/.."
unset UV_PYTHON VIRTUAL_ENV PYTHONPATH PYTHONHOME || true

say() { printf 'environment: %s\n' "$*" >&2; }

find_uv() {
    if uv --version >/dev/null 2>&1; then
        echo uv
        return
    fi
    if ! .uv/bin/uv --version >/dev/null 2>&1; then
        say "uv is not installed; bringing it into .uv"
        base=$(find_base_python) || { say "python3 with the venv module is needed to bring uv (on Debian: apt-get install python3-venv)"; exit 2; }
        "$base" -m venv --clear .uv >&2
        .uv/bin/python -m pip install --quiet --disable-pip-version-check uv >&2
    fi
    echo .uv/bin/uv
}

find_base_python() {
    for candidate in python3 python3.13 python3.12 python3.14 python3.11 python; do
        if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

# Candidates are run, not looked up: a version manager's shim may exist and not work.
find_python() {
    for candidate in "${K2_PYTHON:-}" python3.13 python3.12 python3.14 python3 \
        "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9]*/bin/python; do
        [ -n "$candidate" ] || continue
        if found=$("$candidate" -c 'import sys; assert sys.version_info >= (3, 12); print(sys.executable)' 2>/dev/null); then
            echo "$found"
            return
        fi
    done
    say "no Python 3.12 or later was found; uv will look for one, and download it where it may"
    echo 3.13
}

UV=$(find_uv)
if [ "${1:-}" = lock ]; then
    exec "$UV" pip compile --quiet --universal --python-version 3.12 --python .venv/bin/python --generate-hashes \
        --no-header --no-annotate --group dev pyproject.toml -o requirements.lock
fi
PYTHON=$(find_python)
if ! .venv/bin/python -c 'import sys; assert sys.version_info >= (3, 12)' 2>/dev/null; then
    "$UV" venv --quiet --clear --python "$PYTHON" .venv
fi
"$UV" pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
"$UV" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
say "ready: $(.venv/bin/python --version), .venv"
