#!/bin/bash
# Builds the museum: the programs that base/planted.def names, and no others.
set -euo pipefail
cmake --preset museum >/dev/null
cmake --build --preset museum --target museum_all -j "$(nproc)"
