# SPDX-License-Identifier: MIT
"""Lives of guests and services with a vGPU that test_faults.py does not have: several guests on one
device, a guest that crashes or reboots, services that are stopped and started, xenstored that does not
answer for a while, a guest that knows nothing of vGPUs. test_lives_pv.py and test_lives_pvh.py run them.
"""

import time

from . import client, counts, fixture, guest, service
from .cases import check, check_equal, check_in, main


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
        self.base = {}

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
        self.base.update(counts.snapshot(self.box.name))

    def xenstored_silent(self):
        """xenstored answers nothing for 15 s: programs go on and start, an attach waits and works"""
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
        for _ in range(5):
            self.box.kill('vgpu-frontd', 15)
            self.box.start_frontend()
            fixture.until('the device is connected again', self.box.connected)
            self.box.must_run()
        fixture.no_leak(self.base, self.box)

    def guest_crashes(self):
        """the guest's kernel panics in the middle of a copy: nothing is left, the next guest works"""
        job = self.box.background()
        # The stream ends with the guest, so the command has no status.
        crash = client.Background(self.box.name, ['sh', '-c', 'echo c >/proc/sysrq-trigger'])
        fixture.gone(self.box)
        fixture.no_executor()
        check(job.thread.join(30) is None and job.ended and crash.ended, 'a stream of it still stands')
        self.box.start()
        self.box.attach()
        self.box.must_run()

    def guest_reboots(self):
        """the guest's own `reboot` in the middle of a copy: nothing is left"""
        job = self.box.background()
        client.Background(self.box.name, ['reboot', '-f'])
        fixture.gone(self.box)
        fixture.no_executor()
        check(job.thread.join(30) is None and job.ended, 'a stream of it still stands')

    def without_frontend(self):
        """a guest without our software: attach says so and returns, nothing waits for it, detach is quick"""
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
        main(self.three_guests, self.xenstored_silent, self.frontd_restarted, self.guest_crashes,
             self.guest_reboots, self.without_frontend)
