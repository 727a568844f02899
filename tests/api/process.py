# SPDX-License-Identifier: Apache-2.0
"""quantbenchd as a process: what it logs, and the port that it says it listens on."""
import re
import signal
import subprocess
import threading


class Process:
    """Waits until it listens or has ended; port is None in that case."""

    def __init__(self, command, **more):
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, **more)
        self.port = None
        self.lines = []
        heard = threading.Event()
        self.reader = threading.Thread(target=self.read, args=(heard,), daemon=True)
        self.reader.start()
        assert heard.wait(30), self.lines

    def read(self, heard):
        for line in self.process.stderr:
            self.lines.append(line.decode(errors="replace"))
            found = re.search(rb"listens on https?://[\d.]+:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                heard.set()
        heard.set()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.reader.join(10)
        self.process.stderr.close()
        return code
