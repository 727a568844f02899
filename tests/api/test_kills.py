#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A few of the kills of bench/kills.py."""
import tempfile
import unittest

from kills import Campaign


class Kills(unittest.TestCase):
    def test_daemon_and_workers__killed_at_random_under_load__lose_nothing_and_do_nothing_twice(self):
        with tempfile.TemporaryDirectory() as folder:
            Campaign(folder).run(daemon_kills=3, worker_kills=6)


if __name__ == "__main__":
    unittest.main(verbosity=1)
