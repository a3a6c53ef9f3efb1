#!/bin/sh
# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
#
# packages-install.sh PACKAGE... (as root): installs Debian packages without starting a service, making a database
# cluster or restarting anything: quickstart and the tests run servers of their own, and the machine may have other work.
set -eu

policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/mod_est-no-cluster.conf
made_policy= made_cluster= made_dirs=

restore()
{
    test -z "$made_policy" || rm -f "$policy"
    test -z "$made_cluster" || rm -f "$cluster"
    test -z "$made_dirs" || rmdir -p --ignore-fail-on-non-empty "${cluster%/*}" 2>/dev/null || :
}
trap restore EXIT
trap 'exit 1' HUP INT TERM

# invoke-rc.d asks this program; 101 = action forbidden. An existing one is the administrator's: left alone.
if ! test -e "$policy"; then
    made_policy=yes
    printf '#!/bin/sh\n# mod_est: for the time of an installation\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
# A first postgresql-15 would make and enable a cluster "main" (pg_createcluster(1), createcluster.conf). On a machine
# that has one nothing changes: the question comes up at a first installation only.
if ! test -e "$cluster"; then
    test -d "${cluster%/*}" || made_dirs=yes
    mkdir -p "${cluster%/*}"
    made_cluster=yes
    echo 'create_main_cluster = false' >"$cluster"
fi

export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
install()
{
    apt-get -y -q install --no-install-recommends "$@"
}
# The lists of a fresh machine are empty; those of an old one may name versions that are gone
if ! install "$@"; then
    apt-get -q update
    install "$@"
fi
