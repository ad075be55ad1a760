# SPDX-License-Identifier: MIT
"""A terminal of the tests' own: a pty, and the screen that a program has drawn on it.

Knows what ncurses writes for xterm and vt100, and takes anything else for a fault.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

CSI = re.compile(r'\x1b\[([?>]?)([0-9;]*)([@-~])')
OTHER = re.compile(r'\x1b([()][0AB]|[=>78MHc]|\][^\x07]*\x07)')
PADDING = re.compile(r'\$<[0-9.]+[*/]*>')


class Screen:
    """Rows of characters, and which attributes have been asked for."""

    def __init__(self, rows, columns):
        self.pending = ''
        self.colours = set()
        self.alternate = False
        self.resize(rows, columns)

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self.cells = [[' '] * columns for _ in range(rows)]
        self.y = self.x = 0
        self.last = ' '
        self.top, self.bottom = 0, rows - 1

    def text(self):
        return '\n'.join(''.join(row).rstrip() for row in self.cells)

    def feed(self, text):
        text = self.pending + text
        self.pending = ''
        at = 0
        while at < len(text):
            if text[at] != '\x1b':
                self.letter(text[at])
                at += 1
                continue
            found = CSI.match(text, at) or OTHER.match(text, at)
            if not found:
                if len(text) - at > 40:
                    raise ValueError(f'an unknown sequence: {text[at:at + 20]!r}')
                self.pending = text[at:]
                return
            if found.re is CSI:
                self.control(found[1], [int(n or 0) for n in found[2].split(';')], found[3])
            elif found[1] == 'M':
                self.scroll_down()
            at = found.end()

    def letter(self, letter):
        if letter == '\r':
            self.x = 0
        elif letter == '\n':
            self.line_feed()
        elif letter == '\b':
            self.x = max(0, self.x - 1)
        elif letter == '\t':
            self.x = min(self.columns - 1, self.x // 8 * 8 + 8)
        elif letter >= ' ':
            if self.x >= self.columns:
                self.x = 0
                self.line_feed()
            self.cells[self.y][self.x] = self.last = letter
            self.x += 1
        elif letter not in '\x07\x0e\x0f\x00':
            raise ValueError(f'an unknown control character: {letter!r}')

    def line_feed(self):
        if self.y == self.bottom:
            self.shift(self.top, self.bottom, 1)
        else:
            self.y = min(self.y + 1, self.rows - 1)

    def scroll_down(self):
        if self.y == self.top:
            self.shift(self.bottom, self.top, 1)
        else:
            self.y -= 1

    def shift(self, gone, new, times):
        """A line goes, an empty one comes."""
        for _ in range(times):
            del self.cells[gone]
            self.cells.insert(new, [' '] * self.columns)

    def erase(self, y, first, last):
        for x in range(first, last):
            self.cells[y][x] = ' '

    def control(self, private, numbers, final):
        one = numbers[0] or 1
        x = min(self.x, self.columns - 1)
        row = self.cells[self.y]
        if private:
            if final not in 'hlcu':
                raise ValueError(f'an unknown private sequence: {numbers} {final}')
            if 1049 in numbers:
                self.alternate = final == 'h'
        elif final == 'H':
            self.y = min(one, self.rows) - 1
            self.x = min((numbers[1] if len(numbers) > 1 else 1) or 1, self.columns) - 1
        elif final == 'J':
            self.erase(self.y, x if numbers[0] == 0 else 0, self.columns)
            for y in range(self.y + 1 if numbers[0] == 0 else 0, self.rows):
                self.erase(y, 0, self.columns)
        elif final == 'K':
            self.erase(self.y, 0 if numbers[0] else x, x + 1 if numbers[0] == 1 else self.columns)
        elif final == 'X':
            self.erase(self.y, x, min(x + one, self.columns))
        elif final == 'P':
            row[:] = row[:x] + row[x + one:] + [' '] * min(one, self.columns - x)
        elif final == '@':
            row[:] = (row[:x] + [' '] * one + row[x:])[:self.columns]
        elif final == 'L':
            self.shift(self.bottom, self.y, one)
        elif final == 'M':
            self.shift(self.y, self.bottom, one)
        elif final == 'S':
            self.shift(self.top, self.bottom, one)
        elif final == 'T':
            self.shift(self.bottom, self.top, one)
        elif final == 'b':
            for _ in range(one):
                self.letter(self.last)
        elif final == 'm':
            self.colours |= {n for n in numbers if 30 <= n <= 49 or 90 <= n <= 107}
        elif final == 'r':
            self.top = one - 1
            self.bottom = (numbers[1] if len(numbers) > 1 else self.rows) - 1
        else:
            self.move(final, one)

    def move(self, final, one):
        if final == 'A':
            self.y = max(0, self.y - one)
        elif final == 'B':
            self.y = min(self.rows - 1, self.y + one)
        elif final == 'C':
            self.x = min(self.columns - 1, self.x + one)
        elif final == 'D':
            self.x = max(0, self.x - one)
        elif final == 'G':
            self.x = min(one, self.columns) - 1
        elif final == 'd':
            self.y = min(one, self.rows) - 1
        elif final not in 'hlt':
            raise ValueError(f'an unknown sequence: {one} {final}')


class Terminal:
    """A program on a pty."""

    def __init__(self, argv, env, rows=30, columns=140):
        self.screen = Screen(rows, columns)
        self.decoder = codecs.getincrementaldecoder('utf-8')('replace')
        self.output = ''
        self.status = None
        self.pid, self.fd = pty.fork()
        if not self.pid:
            # The size first: the program is not to see another one.
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
            try:
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)

    def resize(self, rows, columns):
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))

    def keys(self, text):
        os.write(self.fd, text.encode())

    def read(self, seconds):
        """What it writes within so long. False: it has ended."""
        ready, _, _ = select.select([self.fd], [], [], seconds)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b''
        text = PADDING.sub('', self.decoder.decode(data))
        self.output += text
        self.screen.feed(text)
        return bool(data)

    def wait(self, wanted, seconds=10):
        """Until wanted(text of the screen); a string: until it is there. The screen's text, or None."""
        test = wanted if callable(wanted) else lambda text: wanted in text
        until = time.monotonic() + seconds
        alive = True
        while alive and time.monotonic() < until:
            if test(self.screen.text()):
                return self.screen.text()
            alive = self.read(0.1)
        return self.screen.text() if test(self.screen.text()) else None

    def end(self, seconds=10):
        """Its exit status; one that does not end is killed, and counts as -9."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.read(0.05):
            pass
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                os.kill(self.pid, signal.SIGKILL)
                self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            else:
                time.sleep(0.02)
        os.close(self.fd)
        return self.status

    def close(self):
        """For who has not come to its end."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def show(self):
        print('\n'.join('    |' + line for line in self.screen.text().splitlines()), file=sys.stdout)
