#!/bin/sh
# test-tools.sh - makes what the tests need and no Debian package gives ready to run, under build/:
# Python environments with tests/requirements.txt (build/venv) and with a newer Ansible
# (tests/requirements-ansible.txt, build/ansible), the jars of a Kafka broker that
# tests/services/kafka/pom.xml names (build/broker), and promtool out of the package
# prometheus, which is unpacked there instead of installed, since that would start a server
# (build/tools). deps.sh calls it. Does nothing, quickly, when all is there.
set -eu
cd "$(dirname "$0")/.."

make_environment() { # FOLDER REQUIREMENTS
	if cmp -s "$2" "$1/requirements.txt"; then
		return
	fi
	echo "Installing with pip from PyPI, into $1: what $2 lists"
	rm -rf "$1"
	mkdir -p build
	/usr/bin/python3 -m venv "$1"
	"$1/bin/pip" install -q --disable-pip-version-check -r "$2"
	cp "$2" "$1/requirements.txt"
}

make_environment build/venv tests/requirements.txt
make_environment build/ansible tests/requirements-ansible.txt

tests/services/kafka/fetch.sh

if [ ! -x build/tools/promtool ]; then
	echo "Downloading with apt-get, to be unpacked into build/tools: prometheus (for promtool)"
	scratch=$(mktemp -d)
	trap 'rm -rf "$scratch"' EXIT
	chmod 755 "$scratch" # apt downloads as a user of its own
	(cd "$scratch" && apt-get download -q prometheus && dpkg -x prometheus_*.deb .)
	mkdir -p build/tools
	cp "$scratch/usr/bin/promtool" build/tools/
fi
