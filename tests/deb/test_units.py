#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The packages' units below a real systemd, booted in QEMU without Xen: the services get as far as their
search for Xen, and what they are for works within their confinement. A CUDA program runs, whose
executor has become the user vgpu; what is forbidden is refused.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'xen')]
from debtest import boot, cases                                     # noqa: E402
from debtest.cases import check, check_equal                        # noqa: E402
from debtest.machine import BUILD, CACHE, Machine, Missing          # noqa: E402
from xentest import packages                                        # noqa: E402
from xentest.paths import XenTestError                              # noqa: E402

PROGRAM = '/usr/local/bin/saxpy'
# What a unit runs in place of its service, in order; a line `is NAME VALUE` each.
COMMON = '''
state() { while read -r name value; do [ "$name" != "$1:" ] || echo "is $1 $value"; done </proc/self/status; }
may() { if (echo "$3" >"$2") 2>/dev/null; then echo "is $1 yes"; else echo "is $1 no"; fi; }
state CapBnd; state NoNewPrivs; state Seccomp
may etc /etc/x 1; may sysctl /proc/sys/kernel/printk 4; may run /run/vgpu/x 1
may outside /run/x 1; may lock /run/lock/x 1; may mount /srv/x 1; may nested /srv/n/x 1
may sysfs /sys/module/kernel/parameters/initcall_debug N
may parameters /sys/module/printk/parameters/time Y
echo "is network $(ls /sys/class/net | tr '\\n' ' ')"
'''
UNITS = {
    'xen-vgpud': '/usr/bin/vgpu-run --soft --stats --log=info ' + PROGRAM,
    'vgpu-frontd': '/usr/bin/env VGPU_SOCKET=/run/test.sock /usr/bin/vgpu-probe --brief',
}
DROP_IN = '''\
[Unit]
ConditionPathExists=
ConditionVirtualization=
[Service]
Type=oneshot
Restart=no
StandardOutput=journal
StandardError=journal
ExecStart=
ExecStart=-/usr/sbin/{unit}
ExecStart=-/bin/sh /usr/local/bin/probe
ExecStart={command}
'''
# Stands in for the parameters of xen-gntalloc, which the kernel does not load without Xen.
DROP_IN_GUEST = DROP_IN + 'ReadWritePaths=-/sys/module/printk/parameters\n'
CHECK = '''\
#!/bin/sh
# File systems of their own, as /run is one.
mount -t tmpfs srv /srv && mkdir /srv/n && mount -t tmpfs n /srv/n
systemctl start xen-vgpud
# What vgpu-frontd has vgpu-probe do, there; its session is with an executor outside of the confinement.
touch /run/test.sock
vgpu-run --soft sh -c 'mount --bind $VGPU_SOCKET /run/test.sock; exec systemctl start vgpu-frontd'
for unit in {units}; do
	echo "== $unit"
	journalctl --no-pager -o cat -u $unit
	systemctl show -P Result $unit | sed 's/^/is result /'
done >/dev/ttyS0
echo "== end" >/dev/ttyS0
systemctl poweroff --force --force
'''


def prepare(machine):
    """The machine as it will boot: our packages and, in place of the services, probes."""
    machine.copy_in(BUILD / 'programs' / 'saxpy', PROGRAM)
    machine.install('vgpu-executor', 'vgpu-host', 'vgpu-soft', 'vgpu-libs', 'vgpu-guest', 'vgpu-local')
    for unit, command in UNITS.items():
        machine.run('systemctl', 'disable', unit)
        drop_in = DROP_IN_GUEST if unit == 'vgpu-frontd' else DROP_IN
        machine.write(f'/etc/systemd/system/{unit}.service.d/test.conf', drop_in.format(unit=unit, command=command))
    machine.write('/usr/local/bin/probe', COMMON)
    boot.add_script(machine, CHECK.format(units=' '.join(UNITS)))


def said(name):
    return boot.part(output, name)


def host_service():
    """xen-vgpud starts below its confinement and finds no Xen"""
    text, values = said('xen-vgpud')
    check('cannot reach xenstore' in text, text)
    check_equal('result', values.get('result'), 'success')


def host_executor():
    """an executor below xen-vgpud's confinement becomes its user, confines itself and runs a program"""
    text, _ = said('xen-vgpud')
    check('PASS saxpy' in text and 'launches=2' in text, text)
    check('no-seccomp' not in text and 'privileges' not in text, text)


def host_limits():
    """xen-vgpud's unit: four capabilities, no network, nothing to write but /run/vgpu"""
    _, values = said('xen-vgpud')
    # SETUID 7, SETGID 6, SETPCAP 8, KILL 5
    check_equal('capabilities', int(values.get('CapBnd', '0'), 16), 1 << 7 | 1 << 6 | 1 << 8 | 1 << 5)
    limits(values, parameters='no')


def guest_service():
    """vgpu-frontd starts below its confinement and finds no Xen"""
    text, values = said('vgpu-frontd')
    check('cannot reach xenstore' in text, text)
    check_equal('result', values.get('result'), 'success')


def guest_limits():
    """vgpu-frontd's unit: one capability, no network, nothing to write but /run/vgpu and one folder in /sys"""
    _, values = said('vgpu-frontd')
    check_equal('capabilities', int(values.get('CapBnd', '0'), 16), 1)      # CHOWN
    limits(values, parameters='yes')


def guest_probe():
    """vgpu-probe runs a kernel below vgpu-frontd's confinement"""
    text, _ = said('vgpu-frontd')
    check('ok: 1 x vgpu soft device' in text, text)


def limits(values, parameters):
    wanted = {'NoNewPrivs': '1', 'Seccomp': '2', 'etc': 'no', 'sysctl': 'no', 'run': 'yes', 'outside': 'no', 'lock': 'no', 'mount': 'no', 'nested': 'no', 'sysfs': 'no',
              'parameters': parameters, 'network': 'lo'}
    check_equal('limits', {name: values.get(name) for name in wanted}, wanted)


try:
    packages.fetch()
    with Machine() as machine:
        prepare(machine)
        output = boot.on_linux(machine.pack(CACHE / 'boot.cpio'))
except (Missing, XenTestError) as reason:
    print(f'SKIP {reason}')
    sys.exit(77)
sys.exit(cases.run([host_service, host_executor, host_limits, guest_service, guest_limits, guest_probe]))
