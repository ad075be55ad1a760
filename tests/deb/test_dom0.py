#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""xen-vgpud.service as it is installed, in a dom0 with systemd on real Xen (in QEMU): it becomes ready, and its metrics can be had below its
confinement by a UNIX socket and by the ways to a port that docs/metrics.md has, and not by others.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / 'xen')]
from debtest import boot, cases                                     # noqa: E402
from debtest.cases import check, check_equal, check_in              # noqa: E402
from debtest.machine import BUILD, CACHE, ROOT, Machine, Missing    # noqa: E402
from xentest import images, packages                                # noqa: E402
from xentest.paths import LIBDIR, TREE, XenTestError                # noqa: E402

MODULES = ('xen-privcmd', 'xenfs', 'xen-evtchn', 'xen-gntdev')
TOOLS = ('xenstored', 'xen-init-dom0')
# docs/metrics.md's drop-in for a port of xen-vgpud's own; 3500 is nobody's.
OPENED = '[Service]\nPrivateNetwork=no\nRestrictAddressFamilies=AF_INET AF_INET6\nIPAddressAllow=localhost\n'
SCRIPT = '''\
#!/bin/bash
# What xen.service and xenstored.service do in Debian.
exec >/dev/hvc0 2>&1
while read -r module; do busybox insmod "$module"; done </etc/test-modules
mount -t xenfs xenfs /proc/xen
mkdir -p /run/xen /run/xenstored /var/lib/xen /var/lib/xenstored
/usr/lib/xen/bin/xenstored --pid-file /run/xenstored.pid
/usr/lib/xen/bin/xen-init-dom0

begin() { echo "== $1"; }
is() { echo "is $*"; }
settings() { printf '%s\\n' "$@" >/etc/vgpu/xen-vgpud.conf; }
unit() { systemctl show -P "$1" xen-vgpud; }
# The answer's first line; the metric that says most.
port() { (exec 3<>"/dev/tcp/127.0.0.1/$1" && printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3) 2>&1; }
seen() { sed -n -e 's/\\r//' -e 1p -e '/^vgpu_executors_limit /p' -e '/^# TYPE vgpu_guest_commands_total /p'; }
as() { local user=$1; shift; setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@" 2>&1; }
request=$'GET /metrics HTTP/1.0\\r\\n\\r'

begin socket
settings 'metrics = unix:/run/vgpu/metrics.sock'
systemctl start xen-vgpud
is active "$(unit ActiveState)/$(unit SubState)"
pid=$(unit MainPID)
is module "$(grep -c xen-vgpud-http.so "/proc/$pid/maps")"
is seccomp "$(sed -n 's/^Seccomp:\\t//p' "/proc/$pid/status")"
is mode "$(stat -c '%a %U %G' /run/vgpu/metrics.sock)"
is root "$(ask /run/vgpu/metrics.sock "$request" | head -1)"
is nobody "$(as nobody ask /run/vgpu/metrics.sock "$request")"

begin group
settings 'metrics = unix:/run/vgpu/metrics.sock' 'metrics-group = games'
systemctl reload xen-vgpud; sleep 2
is mode "$(stat -c '%a %U %G' /run/vgpu/metrics.sock)"
is member "$(as games ask /run/vgpu/metrics.sock "$request" | head -1)"
is nobody "$(as nobody ask /run/vgpu/metrics.sock "$request")"

begin proxy
systemctl start vgpu-metrics.socket
port 9835 | seen
systemctl show -P Result vgpu-metrics.service | sed 's/^/is result /'

begin confined
settings 'metrics = 127.0.0.1:3500'
systemctl reload xen-vgpud; sleep 2
is active "$(unit ActiveState)/$(unit SubState)"
is outside "$(port 3500)"
journalctl --no-pager -o cat -u xen-vgpud | grep -a no-metrics

begin elsewhere
settings 'metrics = unix:/run/metrics.sock'
systemctl reload xen-vgpud; sleep 2
is active "$(unit ActiveState)/$(unit SubState)"
is file "$(ls /run/metrics.sock 2>&1)"
journalctl --no-pager -o cat -u xen-vgpud | grep -a no-metrics | tail -1

begin opened
mkdir /etc/systemd/system/xen-vgpud.service.d
cp /etc/opened.conf /etc/systemd/system/xen-vgpud.service.d/
settings 'metrics = 127.0.0.1:3500'
systemctl daemon-reload
systemctl restart xen-vgpud
is active "$(unit ActiveState)/$(unit SubState)"
port 3500 | seen

begin log
journalctl --no-pager -o cat -u xen-vgpud | tail -40
begin end
systemctl poweroff --force --force
'''


def add_xen(machine):
    """Its modules, in the order in which they load, and xenstored: what xen-utils has."""
    order = packages.modules(MODULES)
    for path in order:
        machine.copy_in(path, f'/lib/modules/{Path(path).name}')
    machine.write('/etc/test-modules', ''.join(f'/lib/modules/{Path(path).name}\n' for path in order))
    for name in TOOLS:
        machine.copy_in(TREE / images.XEN_BIN / name, f'/usr/lib/xen/bin/{name}')
    for library in sorted((TREE / LIBDIR).glob('libxen*.so.*')):
        if not machine.path(f'/{LIBDIR}/{library.name}').exists():
            machine.copy_in(library, f'/{LIBDIR}/{library.name}')
    machine.run('ldconfig')
    machine.copy_in(images.busybox(), '/usr/local/bin/busybox')


def prepare(machine):
    """A dom0 with our packages; a service that does not belong to them looks at them."""
    machine.install('vgpu-executor', 'vgpu-host', 'vgpu-soft')
    machine.run('systemctl', 'disable', 'xen-vgpud')
    add_xen(machine)
    machine.copy_in(BUILD / 'bin' / 'ask', '/usr/local/bin/ask')
    # The package has them as examples.
    for unit in ('socket', 'service'):
        machine.copy_in(ROOT / 'docs' / 'metrics' / f'vgpu-metrics.{unit}', f'/etc/systemd/system/vgpu-metrics.{unit}')
    machine.write('/etc/opened.conf', OPENED)
    boot.add_script(machine, SCRIPT)


def said(name):
    return boot.part(output, name)


def answered(text):
    """A whole answer, with metrics in it."""
    for line in ('HTTP/1.1 200 OK', 'vgpu_executors_limit 256', '# TYPE vgpu_guest_commands_total counter'):
        check_in('answer', text, line)


def by_socket():
    """the unit as installed becomes ready; root asks by a UNIX socket, nobody else can"""
    text, values = said('socket')
    wanted = {'active': 'active/running', 'seccomp': '2', 'mode': '600 root root', 'root': 'HTTP/1.1 200 OK'}
    check_equal(f'it said\n{text}', {name: values.get(name) for name in wanted}, wanted)
    check(int(values['module']) > 0, f'xen-vgpud-http.so is not loaded: {text}')
    check_in('nobody', values['nobody'], 'Permission denied')


def by_group():
    """metrics-group, which the unit has no capability for: its members can ask, after a reload"""
    text, values = said('group')
    wanted = {'mode': '660 root games', 'member': 'HTTP/1.1 200 OK'}
    check_equal(f'it said\n{text}', {name: values.get(name) for name in wanted}, wanted)
    check_in('nobody', values['nobody'], 'Permission denied')


def by_proxy():
    """vgpu-metrics.socket and .service as documented: a port of the machine's"""
    text, values = said('proxy')
    answered(text)
    check_equal('result', values.get('result'), 'success')


def confined():
    """a port below the confinement cannot be had, as documented; the service goes on, and says so"""
    text, values = said('confined')
    check_equal('state', values.get('active'), 'active/running')
    check_in('from outside', values['outside'], 'Connection refused')
    check_in('log', text, 'event=no-metrics')


def elsewhere():
    """a socket outside of /run/vgpu likewise"""
    text, values = said('elsewhere')
    check_equal('state', values.get('active'), 'active/running')
    check_in('file', values['file'], 'No such file')
    check_in('log', text, 'event=no-metrics')


def opened():
    """the unit opened as documented: a port of its own"""
    text, values = said('opened')
    check_equal('state', values.get('active'), 'active/running')
    answered(text)


try:
    packages.fetch()
    with Machine() as machine:
        prepare(machine)
        output = boot.on_xen(machine.pack(CACHE / 'dom0.cpio'))
except (Missing, XenTestError) as reason:
    print(f'SKIP {reason}')
    sys.exit(77)
sys.exit(cases.run([by_socket, by_group, by_proxy, confined, elsewhere, opened]))
