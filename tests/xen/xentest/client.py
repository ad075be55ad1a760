# SPDX-License-Identifier: MIT
"""The command line's side of xenhost's socket."""

import json
import os
import selectors
import signal
import socket
import sys
import threading
import time

from . import frame
from .paths import RUN, XenTestError

TIMED_OUT = 124                 # the exit status of timeout(1)
LIMIT = 180                     # s for a short command: an emulated machine on a busy host is slow


def connect():
    """The daemon's socket. By way of the folder's descriptor: a socket's path may have 108 bytes."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        folder = os.open(RUN, os.O_PATH)
        try:
            sock.connect(f'/proc/self/fd/{folder}/sock')
        finally:
            os.close(folder)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise XenTestError('no system is running: tests/xen/xenhost start') from error
    return sock


def running():
    try:
        connect().close()
        return True
    except XenTestError:
        return False


def ask(request):
    """A request with one answer."""
    with connect() as sock:
        sock.sendall(frame.encode(frame.REQUEST, 0, json.dumps(request).encode()))
        decoder = frame.Decoder()
        while data := sock.recv(65536):
            for kind, _, payload in decoder.feed(data):
                if kind == frame.FAIL:
                    raise XenTestError(payload.decode())
                return json.loads(payload)
    raise XenTestError('the system has ended')


class Command:
    """A command in dom0 or a guest, its streams joined to files of ours."""

    def __init__(self, target, argv, user='root', cwd='/', env=None):
        self.sock = connect()
        self.decoder = frame.Decoder()
        self.status = None
        request = {'op': 'run', 'target': target, 'argv': list(argv), 'user': user, 'cwd': cwd,
                   'env': env or {}}
        self._send(frame.REQUEST, json.dumps(request).encode())

    def _send(self, kind, payload=b''):
        try:
            for start in range(0, max(1, len(payload)), 32768):
                self.sock.sendall(frame.encode(kind, 0, payload[start:start + 32768]))
        except (BrokenPipeError, ConnectionResetError):
            pass        # the command has ended already; how, is still to be read

    def signal(self, number):
        self._send(frame.SIGNAL, bytes([number]))

    def run(self, stdin=None, stdout=None, stderr=None, timeout=None):
        """Until the command ends; its status as a shell gives it, TIMED_OUT after `timeout` s.

        stdin: a file, bytes or None. stdout, stderr: functions that take bytes.
        """
        selector = selectors.DefaultSelector()
        selector.register(self.sock, selectors.EVENT_READ, 'frames')
        if hasattr(stdin, 'fileno'):
            try:
                selector.register(stdin, selectors.EVENT_READ, 'input')
            except PermissionError:             # an ordinary file is always ready
                stdin = stdin.read()
        if isinstance(stdin, (bytes, type(None))):
            if stdin:
                self._send(frame.IN, stdin)
            self._send(frame.IN)
        deadline = time.monotonic() + timeout if timeout else None
        while self.status is None:
            left = deadline - time.monotonic() if deadline else None
            if left is not None and left <= 0:
                self.signal(signal.SIGKILL)
                return TIMED_OUT
            for key, _ in selector.select(left):
                if key.data == 'input':
                    self._forward(selector, stdin)
                else:
                    self._receive(stdout, stderr)
        return self.status

    def _forward(self, selector, stdin):
        data = os.read(stdin.fileno(), 32768)
        self._send(frame.IN, data)
        if not data:
            selector.unregister(stdin)

    def _receive(self, stdout, stderr):
        data = self.sock.recv(65536)
        if not data:
            raise XenTestError('the system has ended')
        for kind, _, payload in self.decoder.feed(data):
            if kind == frame.OUT and stdout:
                stdout(payload)
            elif kind == frame.ERR and stderr:
                stderr(payload)
            elif kind == frame.EXIT:
                self.status = 128 + payload[1] if payload[0] else payload[1]
            elif kind == frame.FAIL:
                raise XenTestError(payload.decode(errors='replace'))


class Background:
    """A command under way beside the test; `text` is what it has said on both streams."""

    def __init__(self, target, argv, user='root', env=None, timeout=300):
        self.what = f'{target}: `{" ".join(argv)}`'
        self.command = Command(target, argv, user, env=env)
        self.said = bytearray()
        self.error = None
        self.thread = threading.Thread(target=self._run, args=(timeout,), daemon=True)
        self.thread.start()

    def _run(self, timeout):
        try:
            self.command.run(None, self.said.extend, self.said.extend, timeout)
        except (XenTestError, OSError) as error:
            self.error = error

    @property
    def text(self):
        return self.said.decode(errors='replace')

    @property
    def ended(self):
        return not self.thread.is_alive()

    def wait_for(self, text, timeout=60):
        """Until it has said `text`; what it has said by then."""
        deadline = time.monotonic() + timeout
        while text not in self.text:
            if self.ended or time.monotonic() > deadline:
                how = f'ended with {self.error or self.command.status}' if self.ended else 'waits'
                raise XenTestError(f'{self.what} {how} and has not said {text!r}, but:\n{self.text}')
            time.sleep(0.02)
        return self.text

    def signal(self, number):
        self.command.signal(number)

    def wait(self, timeout=120):
        """Its exit status. A machine that has ended under it counts as an error."""
        self.thread.join(timeout)
        if not self.ended:
            self.signal(signal.SIGKILL)
            raise XenTestError(f'{self.what} did not end within {timeout} s; it said:\n{self.text}')
        if self.error:
            raise XenTestError(f'{self.what}: {self.error}')
        return self.command.status


def emit(stream):
    """A function that writes bytes to a stream of ours at once."""
    def write(data):
        stream.buffer.write(data)
        stream.buffer.flush()
    return write


def interactive(target, argv, user='root', cwd='/', env=None, timeout=None, stdin=None):
    """Runs a command with this process's own streams; signals pass through."""
    command = Command(target, argv, user, cwd, env)

    def forward(number, _):
        command.signal(number)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, forward)
    return command.run(stdin, emit(sys.stdout), emit(sys.stderr), timeout)


def output(target, argv, user='root', timeout=LIMIT, stdin=None, env=None):
    """(status, standard output, standard error) of a short command, as text."""
    out, err = bytearray(), bytearray()
    status = Command(target, argv, user, env=env).run(stdin, out.extend, err.extend, timeout)
    if status == TIMED_OUT:
        raise XenTestError(f'{target}: no end of `{" ".join(argv)}` within {timeout} s')
    return status, out.decode(errors='replace'), err.decode(errors='replace')


def check(target, argv, **options):
    """Standard output of a command that must succeed."""
    status, out, err = output(target, argv, **options)
    if status:
        raise XenTestError(f'{target}: `{" ".join(argv)}` gave {status}: {(err or out).strip()}')
    return out
