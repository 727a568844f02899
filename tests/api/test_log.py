#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon's log: a fault that repeats does not fill the disk."""
import resource
import socket
import tempfile
import time
import unittest

from daemon import Daemon


class Log(unittest.TestCase):
    def test_log__no_descriptor_left__repeated_lines_are_cut_and_counted(self):
        with tempfile.TemporaryDirectory() as folder:
            d = Daemon(folder).ready()
            resource.prlimit(d.process.pid, resource.RLIMIT_NOFILE, (30, 30))
            crowd = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(60)]
            time.sleep(3)
            said = [line for line in d.lines if "http:" in line]
            self.assertGreater(len(said), 0, d.lines)  # it was told
            self.assertLess(len(said), 60, said[-3:])
            for s in crowd:
                s.close()
            d.call("GET", "/healthz", expect=200)
            self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=1)
