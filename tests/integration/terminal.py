"""A person at a terminal: reads what a program prints on its pty, and types."""
import os
import pty
import re
import select
import signal
import termios
import time
from pathlib import Path


class Terminal:
    def __init__(self, argv, env):
        self.seen = b""   # everything
        self.fresh = b""  # what no expect() has passed yet
        self.status = None
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                os.execvpe(argv[0], argv, env)
            finally:
                os._exit(127)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.fd)

    def read(self, timeout):
        """False at the end."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # EIO: nobody holds the other side any more
            return False
        self.seen += data
        self.fresh += data
        return data != b""

    def expect(self, pattern, timeout=20):
        end = time.monotonic() + timeout
        open_still = True
        while True:
            found = re.search(pattern.encode(), self.fresh)
            if found:
                self.fresh = self.fresh[found.end():]
                return found
            assert open_still and time.monotonic() < end, f"no {pattern!r} in {self.seen!r}"
            open_still = self.read(0.2)

    def type(self, text):
        data = text.encode() + b"\n"
        os.set_blocking(self.fd, False)
        end = time.monotonic() + 20
        while data:
            assert time.monotonic() < end, "the terminal takes no more"
            if select.select([], [self.fd], [], 0.2)[1]:
                data = data[os.write(self.fd, data[:1024]):]
        os.set_blocking(self.fd, True)

    # Some programs throw away what is typed between their prompt and the moment at which they read.

    def wait_until_asleep(self, pid):
        """The process reads by now."""
        self.wait_until(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S")

    def wait_until_hidden(self):
        """The terminal no longer shows what is typed."""
        self.wait_until(lambda: not termios.tcgetattr(self.fd)[3] & termios.ECHO)

    def wait_until(self, is_ready):
        end = time.monotonic() + 20
        while not is_ready():
            assert time.monotonic() < end, f"the program does not read: {self.seen!r}"
            time.sleep(0.001)

    def type_token(self, token, part, first="Access token: "):
        """In parts of so many bytes, each at the prompt that asks for it."""
        self.expect(re.escape(first))
        self.type(token[:part])
        for start in range(part, len(token), part):
            self.expect(rf"\(continued, {start} so far\): ")
            self.type(token[start:start + part])

    def wait(self, timeout=30):
        """The exit status, and all that was printed."""
        end = time.monotonic() + timeout
        while self.read(0.2):
            assert time.monotonic() < end, f"does not end: {self.seen!r}"
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status, self.seen.decode(errors="replace")
