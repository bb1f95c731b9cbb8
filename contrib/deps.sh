#!/bin/sh
# deps.sh SET... - installs what building and testing Drover needs, where it is missing.
#
# Sets: build test lint bench fuzz; each has those of `build` too. Does nothing, quickly, when all
# is there. Says what it installs before it does so. For Debian 12 and Ubuntu 22.04 or later;
# elsewhere it names what it would have installed and fails.
set -eu

build='gcc libc6-dev make pkg-config
	libsystemd-dev libjson-c-dev libyaml-dev libsodium-dev zlib1g-dev uthash-dev
	libcurl4-openssl-dev libsmartcols-dev libmicrohttpd-dev libgnutls28-dev libsqlite3-dev libmariadb-dev libssh-dev libssl-dev
	librdkafka-dev'
test='check python3 python3-venv python3-yaml python3-pytest python3-pytest-xdist clustershell python3-clustershell
	mariadb-server nginx spin openjdk-17-jre-headless maven python3-confluent-kafka ansible-core sshpass openssh-server openssh-client openssl sudo opendoas procps util-linux systemd valgrind man-db groff-base'
lint='clang-format clang-tidy cppcheck python3'
bench='python3 ansible-core pdsh clustershell pssh openssh-server openssh-client'
fuzz='clang libclang-rt-dev'

wanted=$build
for set in "$@"; do
	case $set in
	build) ;;
	test) wanted="$wanted $test" ;;
	lint) wanted="$wanted $lint" ;;
	bench) wanted="$wanted $bench" ;;
	fuzz) wanted="$wanted $fuzz" ;;
	*)
		echo "deps.sh: no set of packages is called $set" >&2
		exit 2
		;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "deps.sh: this is no Debian or Ubuntu, so nothing is installed. Needed are what these" >&2
	echo "Debian packages hold:" $wanted >&2
	echo "With them there, \`make DEPS=true TARGET\` goes on without asking." >&2
	exit 1
fi

# shellcheck disable=SC2086 # a list of words
installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' $wanted 2>/dev/null | sed -n 's/^installed //p') || true
missing=
for package in $wanted; do
	case "
$installed
" in
	*"
$package
"*) ;;
	*) missing="$missing $package" ;;
	esac
done

install_missing() {
	as_root=
	if [ "$(id -u)" != 0 ]; then
		if ! command -v sudo >/dev/null; then
			echo "deps.sh: missing packages, and neither root nor sudo to install them. As root:" >&2
			echo "    apt-get install$missing" >&2
			exit 1
		fi
		as_root='sudo env DEBIAN_FRONTEND=noninteractive'
	fi

	echo "Installing with apt-get:$missing"
	export DEBIAN_FRONTEND=noninteractive
	# Servers are for the tests to start, each with a folder of its own: none is started now.
	policy=/usr/sbin/policy-rc.d
	if [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod 755 "$policy"
		trap 'rm -f "$policy"' EXIT
	fi
	apt_install() {
		# shellcheck disable=SC2086
		$as_root apt-get install -y -q --no-install-recommends $missing
	}
	# shellcheck disable=SC2086
	if ! apt-cache show $missing >/dev/null 2>&1; then
		$as_root apt-get update -q
	fi
	# An index that is out of date names packages that the mirror no longer has.
	apt_install || { $as_root apt-get update -q && apt_install; }
}

if [ -n "$missing" ]; then
	install_missing
fi
case " $* " in
*" test "*) "$(dirname "$0")/test-tools.sh" ;;
esac
