# SPDX-License-Identifier: MIT
"""Lives of guests and services with a vGPU that test_faults.py does not have: several guests on one
device, a guest that crashes, reboots or is kexec'ed, services that are stopped and started, xenstored that
does not answer for a while, a guest that knows nothing of vGPUs. test_lives_pv.py and test_lives_pvh.py run them.
"""

import time

from . import client, counts, fixture, guest, packages, service
from .cases import check, check_equal, check_in, main
from .paths import BUILD, TREE

# vgpu-frontd has ended before, so nothing of ours has them open.
RELOAD = '''
rmmod xen_gntalloc && rmmod xen_gntdev && rmmod xen_evtchn || exit
while read -r module; do insmod "$module" || exit; done </etc/modules
'''


def goes_on(job, what):
    said = len(job.text)
    fixture.until(f'{what} goes on', lambda: job.ended or len(job.text) > said + 20)
    check(not job.ended, f'{what}: {job.text}')


class Lives:
    """The cases of one kind of guest."""

    def __init__(self, kind):
        self.kind = kind
        self.boxes = [fixture.Guest(f'life{number}', kind, memory=320) for number in range(3)]
        self.box = self.boxes[0]
        self.kexec_box = fixture.Guest('kexec', kind, memory=512)
        self.base = {}

    def ready(self):
        """The first guest alone, with its vGPU, whatever was before; and the counts of that."""
        if self.base:
            return
        fixture.need_software()
        for other in self.boxes[1:]:
            other.destroy()
        if not guest.exists(self.box.name):
            self.box.start()
            self.box.attach()
        elif service.pids(self.box.name, 'steady'):
            self.box.kill('steady')
        fixture.no_executor()
        self.base.update(counts.snapshot(self.box.name))

    def three_guests(self):
        """three guests on one device: each works, one is destroyed, the others go on"""
        fixture.need_software()
        for one in self.boxes:
            one.start()
            one.attach()
        jobs = [one.background() for one in self.boxes]
        check_equal('executors', len(service.pids('dom0', 'vgpu-executor')), 3)
        for job in jobs:
            goes_on(job, 'each program')
        guest.destroy(self.boxes[2].name)
        fixture.gone(self.boxes[2])
        for one, job in zip(self.boxes[:2], jobs):
            goes_on(job, 'a program of another guest')
            one.kill('steady')
            job.wait()
        fixture.no_executor()
        self.boxes[1].destroy()
        fixture.gone(self.boxes[1])

    def xenstored_silent(self):
        """xenstored answers nothing for 15 s: programs go on and start, an attach waits and works"""
        self.ready()
        job = self.box.background()
        pid = service.pids('dom0', 'xenstored')[0]
        client.check('dom0', ['kill', '-STOP', str(pid)])
        try:
            goes_on(job, 'the program')
            # Not must_run(), whose message asks xl, which waits for xenstored.
            status, text = self.box.run('steady', '2')
            check(status == 0, f'a program started meanwhile gave {status}: {text}')
            attach = client.Background('dom0', ['vgpu', 'attach', str(self.box.domid),
                                                'gpu=soft,devid=1'])
            time.sleep(15)
            check(not attach.ended, f'attach ended without an answer: {attach.text}')
        finally:
            client.check('dom0', ['kill', '-CONT', str(pid)])
        check_equal(f'status of attach ({attach.text})', attach.wait(90), 0)
        goes_on(job, 'the program')
        self.box.detach(1)
        self.box.kill('steady')
        job.wait()
        fixture.no_leak(self.base, self.box)

    def frontd_restarted(self):
        """vgpu-frontd is stopped in order and started again, five times: the device comes back"""
        self.ready()
        for _ in range(5):
            self.box.kill('vgpu-frontd', 15)
            self.box.start_frontend()
            fixture.until('the device is connected again', self.box.connected)
            self.box.must_run()
        fixture.no_leak(self.base, self.box)

    def modules_reloaded(self):
        """vgpu-frontd is stopped, the kernel's modules that it uses are unloaded, all loaded again"""
        self.ready()
        self.box.kill('vgpu-frontd', 15)
        client.check(self.box.name, ['sh', '-c', RELOAD])
        self.box.start_frontend()
        fixture.until('the device is connected again', self.box.connected)
        self.box.must_run()
        fixture.no_leak(self.base, self.box)

    def guest_crashes(self):
        """the guest's kernel panics in the middle of a copy: nothing is left, the next guest works"""
        self.ready()
        job = self.box.background()
        # The stream ends with the guest, so the command has no status.
        crash = client.Background(self.box.name, ['sh', '-c', 'echo c >/proc/sysrq-trigger'])
        fixture.gone(self.box)
        self.base.clear()
        fixture.no_executor()
        check(job.thread.join(30) is None and job.ended and crash.ended, 'a stream of it still stands')
        self.box.start()
        self.box.attach()
        self.box.must_run()

    def guest_reboots(self):
        """the guest's own `reboot` in the middle of a copy: nothing is left"""
        self.ready()
        job = self.box.background()
        client.Background(self.box.name, ['reboot', '-f'])
        fixture.gone(self.box)
        self.base.clear()
        fixture.no_executor()
        check(job.thread.join(30) is None and job.ended, 'a stream of it still stands')

    def kexec_ends(self):
        """kexec in the middle of a copy: Xen's toolstack ends the domain, nothing is left"""
        fixture.need_software()
        self.kexec_boot([])
        self.kexec()
        fixture.gone(self.kexec_box)
        fixture.no_executor()

    def kexec_restarts(self):
        """the same with on_soft_reset="restart": a new domain has the vGPU again, and it works"""
        fixture.need_software()
        self.kexec_boot(['on_soft_reset = "restart"'])
        old = self.kexec_box.domid
        self.kexec()
        fixture.until('xl has made it anew', lambda: guest.exists(self.kexec_box.name)
                      and guest.domain(self.kexec_box.name) != old)
        self.kexec_box.domid = guest.link(self.kexec_box.name)
        fixture.until('vgpu-frontd runs', lambda: service.pids(self.kexec_box.name, 'vgpu-frontd'))
        self.kexec_box.must_run()
        left = [path for path in counts.xenstore() if f'/{old}/' in path]
        check_equal('nodes of the old domain', left, [])
        fixture.no_executor()
        self.kexec_box.destroy()
        fixture.gone(self.kexec_box)

    def kexec_boot(self, lines):
        """A guest that has the vGPU from the beginning, with a kernel that it can load."""
        files = {'/opt/kexec/vmlinuz': TREE / 'boot' / f'vmlinuz-{packages.kernel_version()}',
                 '/opt/test/kexec': BUILD / 'bin' / 'kexec'}
        self.kexec_box.start_with(["vgpu = [ 'gpu=soft' ]", *lines], keep=True, files=files)
        fixture.until('vgpu-frontd runs', lambda: service.pids(self.kexec_box.name, 'vgpu-frontd'))

    def kexec(self):
        job = self.kexec_box.background()
        jump = client.Background(self.kexec_box.name, ['/opt/test/kexec', '/opt/kexec/vmlinuz'])
        jump.wait_for('kexec: loaded')
        check(job.thread.join(60) is None and job.ended, 'a stream of the old kernel still stands')

    def without_frontend(self):
        """a guest without our software: attach says so and returns, nothing waits for it, detach is quick"""
        fixture.need_software()
        bare = self.boxes[1]
        bare.domid = guest.create(bare.name, self.kind, 256)
        before = counts.snapshot()
        began = time.monotonic()
        client.check('dom0', ['vgpu', 'attach', '--no-wait', bare.name, 'gpu=soft'])
        check(time.monotonic() - began < 20, 'attach --no-wait waited')
        check_in('vgpu list', client.check('dom0', ['vgpu', 'list', bare.name]), 'vGPU 0')
        check_equal('a command in the guest', client.check(bare.name, ['echo', 'here']), 'here\n')
        client.check('dom0', ['vgpu', 'detach', bare.name, '0'])
        fixture.no_leak(before)
        client.check('dom0', ['vgpu', 'attach', '--no-wait', bare.name, 'gpu=soft'])
        bare.destroy()
        fixture.gone(bare)

    def run(self):
        # Linux has no kexec in PV guests.
        kexec = (self.kexec_ends, self.kexec_restarts) if self.kind == 'pvh' else ()
        main(self.three_guests, self.xenstored_silent, self.frontd_restarted, self.modules_reloaded,
             self.guest_crashes, self.guest_reboots, *kexec, self.without_frontend)
