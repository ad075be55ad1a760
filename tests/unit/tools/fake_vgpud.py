# SPDX-License-Identifier: MIT
"""A xen-vgpud that has only its control socket. Its sessions work at rates that the test sets."""

import json
import os
import socket
import threading
import time


class Session:
    """One process of a guest, at so many calls a second since it started."""

    def __init__(self, executor, pid, program, devids=(0,), calls=1000, memory=1 << 30, errors=0,
                 unread=512, state='open', ns=3000):
        self.executor, self.pid, self.program, self.devids = executor, pid, program, devids
        self.calls, self.memory, self.errors, self.unread = calls, memory, errors, unread
        self.state, self.ns = state, ns
        self.started = int(time.time()) - 100
        self.since = time.monotonic() - 100

    def answer(self):
        for_s = 0 if self.state == 'adopting' else time.monotonic() - self.since
        calls = int(self.calls * for_s)
        took = [0] * 40
        took[self.ns.bit_length() - 1] = calls
        answer = {'session': 1, 'devids': list(self.devids), 'state': self.state,
                  'executor': self.executor, 'pid': self.pid, 'uid': 1000,
                  'program': self.program, 'started': self.started, 'calls': calls,
                  'launches': calls // 10, 'bytes_htod': calls * 1024, 'bytes_dtoh': calls * 64,
                  'errors': int(self.errors * for_s), 'memory': self.memory, 'ops': []}
        if self.state != 'adopting':
            answer |= {'ops': [[300, calls // 10], [7, calls - calls // 10]],
                       'op_times': [[300, calls // 10, calls // 10 * 5000],
                                    [7, calls - calls // 10, calls * self.ns]],
                       'took': took, 'timed': True, 'refused_count': 0,
                       'lane': [{'lane': 0, 'taken': calls, 'done': calls - 1, 'op': 300,
                                 'begun_ms': 12, 'commands_bytes': 65536,
                                 'commands_unread': self.unread, 'replies_bytes': 65536,
                                 'replies_unread': 0, 'guest_alive': True, 'guest_sleeps': 'data',
                                 'executor_sleeps': ''}]}
        return answer


class Vgpud:
    """devices: {(domid, devid): {'gpu':, 'mem':, 'sessions': [Session]}}"""

    def __init__(self, path):
        self.path = str(path)
        self.devices, self.ended, self.requests = {}, [], []
        self.version = 1
        self.silent = False
        self.daemon = os.getpid()
        self.started = int(time.time()) - 3725
        self.listener = None
        self.clients = []
        self.refusal = None  # of traces
        self.trace = None  # where their records go to
        self.ended_traces = 0

    def device(self, domid, devid, *sessions, gpu='soft', mem=0, mem_used=None, connected=True):
        used = sum(s.memory for s in sessions) if mem_used is None else mem_used
        self.devices[domid, devid] = {'domid': domid, 'devid': devid, 'connected': connected,
                                      'gpu': gpu, 'driver': 'soft' if gpu == 'soft' else 'default',
                                      'mem': mem, 'mem_used': used, 'sessions': sessions}

    def start(self):
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.listener.bind(self.path)
        self.listener.listen(8)
        threading.Thread(target=self.serve, args=(self.listener,), daemon=True).start()
        return self

    def stop(self):
        """As when it is killed: its connections break, its socket stays."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for client in self.clients:
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            client.close()
        self.clients = []

    def serve(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self.clients.append(client)
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def talk(self, client):
        pending, fds, traces = b'', [], False
        try:
            while True:
                data, new, _, _ = socket.recv_fds(client, 65536, 4)
                fds += new
                if not data:
                    break
                *lines, pending = (pending + data).split(b'\n')
                for request in map(json.loads, lines):
                    self.requests.append(request)
                    traces |= request['request'] == 'trace'
                    if not self.silent:
                        client.sendall(json.dumps(self.answer(request, fds)).encode() + b'\n')
        except (OSError, ValueError):
            pass
        self.ended_traces += traces

    def trace_answer(self, fds):
        """Keeps the descriptor, as long as it takes traces."""
        given = socket.socket(fileno=fds.pop())
        if self.refusal:
            given.close()
            return {'ok': False, 'error': self.refusal}
        self.trace = given
        return {'sessions': 1}

    def answer(self, request, fds=()):
        answer = {'vgpu': self.version, 'ok': True}
        if request['request'] == 'trace':
            answer |= self.trace_answer(fds)
        if request['request'] == 'list':
            only = request.get('domid')
            answer |= {'pid': self.daemon, 'started': self.started, 'now': int(time.time()),
                       'protocol': 3, 'executors': 3, 'ended': self.ended, 'devices': []}
            for (domid, _), device in sorted(self.devices.items()):
                if only is None or only == domid:
                    sessions = [s.answer() for s in device['sessions']]
                    answer['devices'].append(device | {'sessions': sessions})
        return answer
