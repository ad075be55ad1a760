# SPDX-License-Identifier: MIT
"""A machine to install packages in: a Debian 12 in a folder, entered by chroot. Made by mmdebstrap with all
that our packages depend on, once, and unpacked anew for each use; after that no network is needed."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get('VGPU_BUILD') or ROOT / 'build' / 'release').resolve()
# As the Makefile's DEBS.
DEBS = (BUILD.parent if BUILD.name == 'release' else BUILD) / 'deb'
CACHE = BUILD.parent / 'deb-machine'
# What changes by itself when packages come and go, and users, which are left by policy.
UNSTABLE = ('var/lib/dpkg/', 'var/log/', 'var/cache/', 'var/lib/apt/', 'etc/passwd', 'etc/group', 'etc/shadow',
            'etc/gshadow', 'etc/ld.so.cache', 'etc/.pwd.lock', 'proc/', 'run/', 'tmp/', 'dev/', 'debs/')


class Missing(Exception):
    """What the machine cannot be made without; the test is skipped."""


def packages():
    """{name: file} of what `make deb` left, without debug symbols."""
    found = {path.name.partition('_')[0]: path for path in sorted(DEBS.glob('*.deb'))}
    return {name: path for name, path in found.items() if not name.endswith('-dbgsym')}


def field(deb, name):
    return subprocess.run(['dpkg-deb', '-f', str(deb), name], text=True, capture_output=True,
                          check=True).stdout.strip()


def dependencies():
    """What packages of Debian ours need, the first of each alternatives."""
    ours, names = packages(), {'systemd', 'udev'}
    for deb in ours.values():
        for entry in filter(None, (field(deb, 'Pre-Depends') + ',' + field(deb, 'Depends')).split(',')):
            name = entry.split('|')[0].split('(')[0].strip().split(':')[0]
            if name and name not in ours:
                names.add(name)
    return sorted(names)


def base():
    """The archive that machines are unpacked from."""
    names = dependencies()
    target = CACHE / f'{hashlib.sha256(" ".join(names).encode()).hexdigest()[:16]}.tar'
    if target.exists():
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix('.new.tar')
    # Essential packages and apt, in the state in which they are fetched now.
    done = subprocess.run(['mmdebstrap', '--quiet', '--variant=apt', f'--include={",".join(names)}',
                           '--aptopt=APT::Install-Recommends "false"', 'bookworm', str(fresh)],
                          text=True, capture_output=True, check=False)
    if done.returncode:
        fresh.unlink(missing_ok=True)
        raise Missing(f'mmdebstrap failed, is there a mirror? {done.stderr.strip()[-300:]}')
    fresh.replace(target)
    return target


class Machine:
    """with Machine() as machine: ..."""

    def __enter__(self):
        if os.geteuid():
            raise Missing('only root can enter a machine by chroot')
        archive = base()
        self.root = Path(tempfile.mkdtemp(prefix='machine.', dir=CACHE))
        subprocess.run(['tar', '-xpf', str(archive), '-C', str(self.root)], check=True)
        subprocess.run(['mount', '-t', 'proc', 'proc', str(self.root / 'proc')], check=True)
        (self.root / 'debs').mkdir()
        for path in packages().values():
            shutil.copy(path, self.root / 'debs')
        return self

    def __exit__(self, *_):
        subprocess.run(['umount', str(self.root / 'proc')], check=False)
        shutil.rmtree(self.root)

    def run(self, *command, check=True):
        """(status, what it printed) of a command in there."""
        # A program's compute cache is its user's, and stays: none here, where tests look for what is left.
        done = subprocess.run(['chroot', str(self.root), *command], text=True, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300,
                              env={'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': '/root', 'LC_ALL': 'C.UTF-8',
                                   'DEBIAN_FRONTEND': 'noninteractive', 'CUDA_CACHE_DISABLE': '1'})
        if check and done.returncode:
            raise AssertionError(f'{" ".join(command)}: status {done.returncode}\n{done.stdout}')
        return done.returncode, done.stdout

    def install(self, *names):
        """By apt, which takes nothing but these: what they need is there already."""
        return self.run('apt-get', '-q', '-y', '--no-install-recommends', '-o', 'Dpkg::Use-Pty=0',
                        'install', '--reinstall', *(f'/debs/{packages()[name].name}' for name in names))[1]

    def remove(self, *names, purge=False):
        return self.run('apt-get', '-q', '-y', 'purge' if purge else 'remove', *names)[1]

    def path(self, name):
        return self.root / name.lstrip('/')

    def copy_in(self, source, name):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, self.path(name))

    def write(self, name, text, mode=0o644):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text, encoding='utf-8')
        self.path(name).chmod(mode)

    def pack(self, target):
        """The machine as an initramfs, without what a boot does not need."""
        left_out = ('debs', 'usr/share/*', 'var/cache/*', 'usr/lib/python3*', 'usr/lib/*/perl*',
                    'usr/lib/*/gconv')
        tests = ' -o '.join(f"-path './{pattern}'" for pattern in left_out)
        # Processes come and go under find's eyes: of proc only the folder.
        script = f'find . \\( {tests} \\) -prune -o -path ./proc -print -prune -o -print | cpio -o -H newc --quiet >"$1"'
        subprocess.run(['sh', '-c', script, 'pack', str(target)], cwd=self.root, check=True)
        return target

    def loads(self, program, library):
        """The file that the loader takes for a library of a program, or None."""
        for line in self.run('/lib64/ld-linux-x86-64.so.2', '--list', program, check=False)[1].splitlines():
            words = line.split()
            if words[:2] == [library, '=>'] and words[2] != 'not':
                return words[2]
        return None

    def snapshot(self):
        """{path: what it is} of everything that packages could leave behind."""
        return {name: what for name, what in self.entries()
                if not (name + '/').startswith(UNSTABLE) and not name.startswith(UNSTABLE)}

    def entries(self):
        for folder, folders, files in os.walk(self.root):
            for name in folders + files:
                path = Path(folder) / name
                stat, relative = path.lstat(), str(path.relative_to(self.root))
                what = [oct(stat.st_mode), stat.st_uid, stat.st_gid]
                if path.is_symlink():
                    what.append(os.readlink(path))
                elif path.is_file():
                    what.append(hashlib.sha256(path.read_bytes()).hexdigest())
                yield relative, what
            if folder == str(self.root):
                folders.remove('proc')


def changes(before, after):
    """Lines that say what is different."""
    return [f'{"changed" if name in before and name in after else "added" if name in after else "missing"}: '
            f'/{name}' for name in sorted(before.keys() | after.keys())
            if before.get(name) != after.get(name)]
