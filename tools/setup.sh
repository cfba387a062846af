#!/bin/sh
# Find Python 3.11 or 3.12 and hand over to tools/provision.py, which sets up everything else.
set -u
cd "$(dirname "$0")/.." || exit 1

for name in ${MOLMOACT_PYTHON:-python3 python3.11 python3.12}; do
    # a shim may be there without its interpreter, so run it
    if "$name" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null; then
        exec "$name" tools/provision.py "$@"
    fi
done
echo "setup: found no Python 3.11 or 3.12 (tried ${MOLMOACT_PYTHON:-python3 python3.11 python3.12});" \
     "run: sudo apt-get install -y python3 python3-venv python3-dev" >&2
exit 1
