# SPDX-License-Identifier: Apache-2.0
"""How far a job is: a bar in a notebook and on a terminal, plain lines elsewhere."""
import html
import sys

BAR = 24


def in_notebook():
    """IPython is there already, and its front end shows HTML."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and type(shell).__name__ == "ZMQInteractiveShell"


def create(out=None):
    out = out or sys.stderr
    if in_notebook():
        return Notebook()
    return Terminal(out) if out.isatty() else Lines(out)


class Lines:
    """A line for each new stage and every tenth of the way."""

    def __init__(self, out):
        self.out, self.stage, self.tenth = out, None, -1

    def show(self, fraction, stage, text):
        tenth = int(fraction * 10)
        if stage != self.stage or tenth > self.tenth:
            self.stage, self.tenth = stage, tenth
            print(f"{int(fraction * 100):3d} %  {text or stage}", file=self.out, flush=True)

    def say(self, text):
        print(text, file=self.out, flush=True)

    def close(self):
        pass


class Terminal:
    """One line, drawn anew."""

    def __init__(self, out):
        self.out, self.drawn = out, False

    def show(self, fraction, stage, text):
        done = int(fraction * BAR + 0.5)
        line = f"[{'#' * done}{'-' * (BAR - done)}] {int(fraction * 100):3d} %  {text or stage}"
        print(f"\r{line[:79]}\033[K", end="", file=self.out, flush=True)
        self.drawn = True

    def say(self, text):
        self.close()
        print(text, file=self.out, flush=True)

    def close(self):
        if self.drawn:
            print("\r\033[K", end="", file=self.out, flush=True)
            self.drawn = False


class Notebook:
    """One output of the cell, replaced in place; what is said stands below."""

    def __init__(self):
        display = sys.modules["IPython"].display
        self.html, self.said = display.HTML, []
        self.handle = display.display(display.HTML(""), display_id=True)
        self.state = (0, "", "")

    def _draw(self):
        fraction, stage, text = self.state
        said = "".join(f"<div>{html.escape(line)}</div>" for line in self.said)
        self.handle.update(self.html(
            f'<progress max="1" value="{fraction:.4f}" aria-label="progress of the job"></progress> '
            f"{int(fraction * 100)} %&nbsp; {html.escape(text or stage)}{said}"))

    def show(self, fraction, stage, text):
        self.state = fraction, stage, text
        self._draw()

    def say(self, text):
        self.said.append(text)
        self._draw()

    def close(self):
        pass


def take(progress, event):
    """Shows an event of a job."""
    kind = event.get("event")
    if kind == "progress":
        progress.show(min(max(event.get("fraction") or 0, 0), 1), event.get("stage", ""), event.get("text", ""))
    elif kind == "log" and event.get("level") != "debug":
        progress.say(f"{event.get('level')}: {event.get('text')}")
    elif kind == "state":
        progress.say(event.get("state", ""))
