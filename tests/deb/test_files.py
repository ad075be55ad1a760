#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The packages as files: what lintian says, what is in which, headers that compile by themselves. Nothing is
installed."""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from debtest import cases                                           # noqa: E402
from debtest.cases import check, check_equal                        # noqa: E402
from debtest.machine import DEBS, ROOT, packages                    # noqa: E402


def names(deb):
    """The files in a package."""
    listing = subprocess.run(['dpkg-deb', '-c', str(deb)], text=True, capture_output=True, check=True)
    lines = [line.split(None, 5) for line in listing.stdout.splitlines()]
    return [line[5].split(' -> ')[0].lstrip('.') for line in lines if line[0][0] != 'd']


def lintian_is_content():
    """lintian has no error and no warning, of the source package and the binary ones"""
    # For root it wants to be told; info and pedantic are not asked for.
    done = subprocess.run(['lintian', '--allow-root', '--fail-on', 'error,warning', '--tag-display-limit', '0',
                           *map(str, DEBS.glob('*.dsc')), *map(str, DEBS.glob('*.changes'))],
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check(done.returncode == 0 and not done.stdout.strip(), f'\n{done.stdout}')


def all_is_packaged():
    """each file is in one package, and each package has its own"""
    owner = {}
    for name, deb in packages().items():
        for path in names(deb):
            if not path.startswith('/usr/share/doc/'):
                check(path not in owner, f'{path} is in {owner.get(path)} and {name}')
                owner[path] = name
    wanted = {'/usr/sbin/xen-vgpud': 'vgpu-host', '/usr/sbin/vgpu': 'vgpu-host',
              '/etc/vgpu/xen-vgpud.conf': 'vgpu-host', '/usr/libexec/vgpu/vgpu-executor': 'vgpu-executor',
              '/usr/sbin/vgpu-frontd': 'vgpu-guest', '/usr/lib/vgpu/libcuda.so.1': 'vgpu-libs',
              '/usr/lib/vgpu/libnvidia-ml.so.1': 'vgpu-libs', '/usr/bin/vgpu-smi': 'vgpu-libs', '/usr/bin/vgpu-probe': 'vgpu-libs',
              '/usr/bin/vgpu-replay': 'vgpu-libs',
              '/usr/lib/vgpu/guest/libnvidia-ml.so.1': 'vgpu-guest',
              '/usr/lib/vgpu/guest/libcuda.so.1': 'vgpu-guest', '/usr/bin/vgpu-run': 'vgpu-local',
              '/usr/lib/vgpu/libcuda-soft.so.1': 'vgpu-soft',
              '/usr/lib/vgpu/libcuda-soft-jit.so': 'vgpu-soft', '/usr/share/vgpu/cuda.api': 'vgpu-dev',
              '/usr/share/vgpu/vgpu.schema': 'vgpu-dev'}
    if (ROOT / 'tools' / 'xl' / 'module.mk').exists():
        wanted.update({'/usr/libexec/vgpu/xl': 'vgpu-xl', '/usr/sbin/xl': 'vgpu-xl'})
    check_equal('owners', {path: owner.get(path) for path in wanted}, wanted)


def programs_have_manuals():
    """each program on the path has its manual page and /etc has nothing but conffiles"""
    for name, deb in packages().items():
        inside = names(deb)
        for path in inside:
            program = Path(path).name
            if path.startswith(('/usr/bin/', '/usr/sbin/')) and path != '/usr/sbin/xl':
                check(any(f'/{program}.{n}.gz' in page for n in '18' for page in inside),
                      f'{name} has {path}, but no page for it')
        marked = subprocess.run(['dpkg-deb', '--info', str(deb), 'conffiles'], text=True, capture_output=True,
                                check=False).stdout.split()
        check_equal(f'conffiles of {name}', sorted(marked),
                    sorted(path for path in inside if path.startswith('/etc/')))


def headers_compile():
    """each header of vgpu-dev compiles by itself"""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['dpkg-deb', '-x', str(packages()['vgpu-dev']), folder], check=True)
        include = Path(folder) / 'usr/include/vgpu'
        # cuda/ is what cuda_types.h is made of, nvml/ what nvml_types.h is.
        headers = [path for path in sorted(include.rglob('*.h')) if path.parent.name not in ('cuda', 'nvml')]
        check(len(headers) > 5, f'only {headers}')
        for header in headers:
            done = subprocess.run(['gcc', '-std=c11', '-Wall', '-Werror', '-fsyntax-only', f'-I{include}',
                                   '-include', str(header.relative_to(include)), '-x', 'c', '/dev/null'],
                                  cwd=include, text=True, capture_output=True, check=False)
            check(done.returncode == 0, f'{header.name}: {done.stderr[:600]}')


sys.exit(cases.run([lintian_is_content, all_is_packaged, programs_have_manuals, headers_compile]))
