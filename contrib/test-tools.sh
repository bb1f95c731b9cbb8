#!/bin/sh
# test-tools.sh - makes what the tests need and no Debian package gives ready to run, under build/:
# a Python environment with tests/requirements.txt (build/venv), and promtool out of the package
# prometheus, which is unpacked there instead of installed, since that would start a server
# (build/tools). deps.sh calls it. Does nothing, quickly, when all is there.
set -eu
cd "$(dirname "$0")/.."

if ! cmp -s tests/requirements.txt build/venv/requirements.txt; then
	echo "Installing with pip from PyPI, into build/venv: what tests/requirements.txt lists"
	rm -rf build/venv
	mkdir -p build
	/usr/bin/python3 -m venv build/venv
	build/venv/bin/pip install -q --disable-pip-version-check -r tests/requirements.txt
	cp tests/requirements.txt build/venv/
fi

if [ ! -x build/tools/promtool ]; then
	echo "Downloading with apt-get, to be unpacked into build/tools: prometheus (for promtool)"
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	chmod 755 "$scratch" # apt downloads as a user of its own
	(cd "$scratch" && apt-get download -q prometheus && dpkg -x prometheus_*.deb .)
	mkdir -p build/tools
	cp "$scratch/usr/bin/promtool" build/tools/
fi
