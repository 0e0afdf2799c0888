#!/bin/bash
# Builds the simulated world for speed: a release build of this one program.
set -euo pipefail
cmake --preset release >/dev/null
cmake --build --preset release --target sumu_world -j "$(nproc)"
