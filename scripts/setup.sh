# Sourced by the other scripts, from the root of the checkout: the private environment in .venv.
# Quick when nothing changed: a stamp keeps the checksum of pyproject.toml and of uv.lock.
# shellcheck shell=sh

say() { printf '%s\n' "$*" >&2; }

die() {
	say "$*"
	exit 1
}

has_uv() { uv --version >/dev/null 2>&1; }

root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && [ -f /etc/debian_version ]; }

# The first Python that runs (a shim on PATH may not) and is new enough.
find_python() {
	for candidate in python3.13 python3.12 python3.11 python3 python; do
		if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
			command -v "$candidate"
			return
		fi
	done
	return 1
}

# make_environment GROUP: `run` installs only plexops, `dev` what the tests need as well, `nightly` what those of the night do.
make_environment() {
	[ -f pyproject.toml ] || die "there is no pyproject.toml here: run this from a checkout"
	wanted=$(cat pyproject.toml uv.lock | cksum)
	for group in "$1" dev nightly; do
		[ "$group" != dev ] || [ "$1" != nightly ] || continue
		stamp=".venv/.installed-$group"
		if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && .venv/bin/python -c 'import plexops' 2>/dev/null; then
			return
		fi
	done
	say "setting up .venv ..."
	rm -f .venv/.installed-*
	{ has_uv && install_with_uv "$1"; } || install_with_pip "$1"
	printf '%s\n' "$wanted" >".venv/.installed-$1"
}

install_with_uv() {
	if ! runs_here; then
		rm -rf .venv
		# Without a Python of this machine uv fetches one.
		uv venv --quiet --python "$(find_python || echo 3.12)" .venv || return 1
	fi
	locked uv "$1" >.venv/locked.txt || return 1
	uv pip install --quiet --python .venv/bin/python --require-hashes --requirement .venv/locked.txt &&
		uv pip install --quiet --python .venv/bin/python --no-deps --editable .
}

# locked UV GROUP: the versions of uv.lock with their hashes. By name, not by address: a mirror of the index does as well.
locked() {
	which=--no-dev
	[ "$2" = run ] || which="--group=$2"
	"$1" export --quiet --frozen --no-emit-project --no-header "$which"
}

install_with_pip() {
	python=$(find_python) || die "plexops needs Python 3.11 or later; install it, or uv, which brings one"
	if ! runs_here || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
		rm -rf .venv
		if ! "$python" -m venv .venv >/dev/null 2>&1; then
			rm -rf .venv
			# Debian keeps this part of Python in a package of its own.
			if root_on_debian; then
				apt_install python3-venv
			fi
			"$python" -m venv .venv || die "no environment could be made; on Debian: apt-get install python3-venv"
		fi
	fi
	pip_install --upgrade pip
	# uv has no part in it but to read its lock.
	if pip_install uv && locked .venv/bin/uv "$1" >.venv/locked.txt &&
		pip_install --require-hashes --requirement .venv/locked.txt; then
		pip_install --no-deps --editable .
		return
	fi
	say "the versions of uv.lock are not to be had here: installing what pyproject.toml admits"
	if [ "$1" = run ]; then pip_install --editable .; else pip_install --editable . --group "$1"; fi
}

pip_install() { .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@"; }

runs_here() { .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

# apt_install PACKAGE...: without a question, and without starting any daemon that comes along.
apt_install() {
	policy=/usr/sbin/policy-rc.d
	ours=
	if [ ! -e "$policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" && ours=yes
	fi
	status=0
	{
		apt-get -qq update &&
			DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@"
	} </dev/null >.venv-apt.log 2>&1 || status=$?
	[ -z "$ours" ] || rm -f "$policy"
	[ "$status" = 0 ] || say "apt-get could not install everything; see .venv-apt.log"
	return 0
}
