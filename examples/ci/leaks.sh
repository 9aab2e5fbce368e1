#!/bin/sh
# For any other CI: runs ci/leaks.toml, and ends with its sentence and its exit code; an inconclusive run passes, and says so.
code=0
seepage run ci/leaks.toml --quiet --deadline 25m --reports leaks > leaks.txt 2>&1 || code=$?
cat leaks.txt
printf '\n%s\n' "$(head -n 1 leaks.txt)"
if [ "$code" = 11 ]; then code=0; fi
exit "$code"
