#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How progress is shown: in a pipe, on a terminal, in a notebook."""
import io
import sys
import unittest

import served  # finds the client
from quantbench import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def play(bar):
    for event in ({"event": "state", "state": "running"}, {"event": "log", "level": "debug", "text": "hidden"},
                  {"event": "progress", "stage": "sweep", "fraction": 0.5, "text": "<int8>"},
                  {"event": "progress", "stage": "sweep", "fraction": 0.52, "text": "E4"},
                  {"event": "log", "level": "warning", "text": "a & b"}, {"event": "metric", "name": "top1", "value": 1},
                  {"event": "progress", "stage": "done", "fraction": 7}):
        progress.take(bar, event)
    bar.close()


class Progress(unittest.TestCase):
    def test_pipe__lines__for_stages_and_tenths(self):
        out = io.StringIO()
        play(progress.create(out))
        self.assertEqual(out.getvalue(), "running\n 50 %  <int8>\nwarning: a & b\n100 %  done\n")

    def test_terminal__one_line__goes_away(self):
        out = Terminal()
        play(progress.create(out))
        self.assertIn("\r[############------------]  50 %  <int8>\033[K", out.getvalue())
        self.assertIn("\r\033[Kwarning: a & b\n", out.getvalue())
        self.assertTrue(out.getvalue().endswith("\r\033[K"))

    def test_notebook__one_output__is_replaced_and_escaped(self):
        try:
            import IPython
        except ImportError as why:
            self.skipTest(f"lacks ipython: {why}")
        from IPython.core.displaypub import CapturingDisplayPublisher
        from IPython.core.interactiveshell import InteractiveShell

        class ZMQInteractiveShell(InteractiveShell):  # as a notebook's kernel calls its own
            pass

        shell = ZMQInteractiveShell.instance()
        self.addCleanup(ZMQInteractiveShell.clear_instance)
        shell.display_pub = CapturingDisplayPublisher()
        self.assertIs(IPython.get_ipython(), shell)
        bar = progress.create(io.StringIO())
        self.assertIsInstance(bar, progress.Notebook)
        play(bar)
        outputs = shell.display_pub.outputs
        self.assertEqual({o["transient"]["display_id"] for o in outputs}, {outputs[0]["transient"]["display_id"]})
        self.assertTrue(all(o["update"] for o in outputs[1:]))
        last = outputs[-1]["data"]["text/html"]
        self.assertIn('<progress max="1" value="1.0000"', last)
        self.assertIn("<div>warning: a &amp; b</div>", last)
        self.assertTrue(any("&lt;int8&gt;" in o["data"]["text/html"] for o in outputs))

    def test_create__ipython_without_notebook__is_no_notebook(self):
        self.assertFalse(progress.in_notebook())
        self.assertIn("quantbench", sys.modules)


if __name__ == "__main__":
    unittest.main()
