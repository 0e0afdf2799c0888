#!/bin/bash
# Every C source looks as clang-format (version 14, .clang-format) would write it.
set -euo pipefail
find common collector aggregator sink cli tests -name '*.[ch]' -print0 |
        xargs -0 -r -n 40 clang-format --dry-run --Werror
