# SPDX-License-Identifier: MIT
"""Every CUDA program of tests/programs in one kind of guest, as an ordinary user; nothing may be left
behind when they have ended. test_programs_pv.py and test_programs_pvh.py run it.
"""

from . import counts, fixture
from .cases import Skip, check, main

TIMEOUT = 420


def case(name, function):
    """A case by name: `function` without its documentation would have none."""
    def run():
        function()
    run.__doc__ = name
    return run


class Kind:
    """The cases of one kind of guest."""

    def __init__(self, kind):
        self.kind = kind
        self.names, self.missing = fixture.program_names()
        self.box = fixture.Guest(f'programs-{kind}', kind, [*self.names, 'steady'], memory=640)
        self.before = None

    def start(self):
        fixture.need_software()
        self.box.start()
        self.box.attach()
        self.box.must_run()
        self.before = counts.snapshot(self.box.name)

    def program(self, name):
        if name in self.missing:
            raise Skip('not built: no CUDA toolkit was found and none could be fetched')
        status, text = self.box.run(name, timeout=TIMEOUT)
        print(''.join(f'    {line}\n' for line in text.splitlines()), end='', flush=True)
        check(status == 0, f'{name} ended with {status}\n{fixture.logs(self.box) if status else ""}')
        check('PASS' in text or 'OK' in text, f'{name} did not say PASS')

    def leaks(self):
        fixture.no_leak(self.before, self.box)

    def destroy(self):
        self.box.destroy()
        names = counts.domains()
        check(self.box.name not in names and not any(name.startswith('zombie') for name in names),
              f'domains: {sorted(names)}')
        fixture.until('its nodes have gone', lambda: not [
            path for path in counts.xenstore() if f'/{self.box.domid}/' in path])

    def cases(self):
        yield case(f'{self.kind}: guest with a vGPU', self.start)
        for name in self.names:
            yield case(f'{self.kind}: {name}', lambda name=name: self.program(name))
        yield case(f'{self.kind}: nothing left by the programs', self.leaks)
        yield case(f'{self.kind}: guest destroyed, nothing left', self.destroy)


def run(kind):
    main(*Kind(kind).cases())
