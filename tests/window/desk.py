"""A person at a desk: a virtual screen, a Blender in it, a mouse, a keyboard, a camera. All presses are real X events.

Where a button is: Blender does not tell scripts, so the mouse asks, as a person could. It goes down the sidebar in
steps of less than a button and presses Ctrl-C (over a button: copies its command) and Shift-Ctrl-C (over a field:
copies its data path); what arrives on Blender's clipboard is what lies under the mouse. So no theme, font or order of
the panel matters, and a button is only pressed after it has said its name at that very place.
"""

import contextlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tools import window

INSIDE = Path(__file__).with_name("inside.py")
WIDTH, HEIGHT = 1600, 900
UNIT = 20  # pixels of a button's height at Blender's scale of 1
PATIENCE = 600.0  # seconds for anything that should take a few, on a machine that does other things too


class Desk:
    """folder: the system with Blender; archive: the extension; pictures: where screenshots go; size: of the screen."""

    def __init__(self, folder, archive, pictures, size=(WIDTH, HEIGHT)):
        self.system, self.pictures, self.size = folder, pictures, size
        self.home = Path(tempfile.mkdtemp(prefix="sjc-", dir=folder / "tmp"))
        self.here = Path("/", self.home.relative_to(folder))  # the same, seen from inside
        self.known, self.reports = {}, []
        self.numbers = itertools.count(1)
        shutil.copyfile(archive, self.home / archive.name)
        shutil.copyfile(INSIDE, self.home / INSIDE.name)
        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.here), "LANG": "C.UTF-8",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "LP_NUM_THREADS": "0",  # Blender's main thread draws by itself: what drawing takes is counted as its time
            "BLENDER_USER_RESOURCES": str(self.here / "blender"), "XDG_RUNTIME_DIR": str(self.here),
            "TMPDIR": str(self.here), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self.processes = []

    # ------------------------------------------------------------------------------------------------ begin and end

    def sit_down(self, archive):
        """Switch the screen on, install the extension, start Blender."""
        size = "x".join(map(str, (*self.size, 24)))
        screen = self._start(
            "screen", ["chroot", self.system, "Xvfb", "-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        self.environment["DISPLAY"] = f":{int(screen.stdout.readline())}"
        self.hand = self._start(
            "hand", ["chroot", self.system, "xdotool", "-"], stdin=subprocess.PIPE, text=True, bufsize=1
        )
        command = ["blender", "--command", "extension", "install-file", "-r", "user_default", "-e"]
        done = subprocess.run(
            window.inside(self.system, [*command, self.here / archive.name]), env=self.environment,
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        geometry = ["--window-geometry", "0", "0", *map(str, self.size)]
        script = ["--python-exit-code", "3", "--python", self.here / INSIDE.name, "--", self.here]
        self.blender = self._start(
            "blender", window.inside(self.system, ["blender", *geometry, *script]), stdin=subprocess.DEVNULL
        )
        self.version = self.ask("result = bpy.app.version_string")

    def _start(self, name, command, **how):
        log = (self.home / f"{name}.log").open("w")
        how = {"stdout": log, **how}
        process = subprocess.Popen(
            [str(word) for word in command], env=self.environment, stderr=log, start_new_session=True, **how
        )
        self.processes.append(process)
        return process

    def stand_up(self):
        """End everything, whatever state it is in; the logs stay beside the screenshots."""
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
        for log in self.home.glob("*.log"):
            shutil.copyfile(log, self.pictures / log.name)
        shutil.rmtree(self.home, ignore_errors=True)

    # ---------------------------------------------------------------------------------------------------- questions

    def ask(self, script, seconds=None):
        """Run lines inside Blender between two turns of its main loop -> their `result`."""
        number, answer = next(self.numbers), self.home / "answer.json"
        partial = self.home / "ask.partial"
        partial.write_text(json.dumps({"id": number, "script": script}), "utf-8")
        os.replace(partial, self.home / "ask.json")
        deadline = time.monotonic() + (seconds or PATIENCE)
        while not answer.exists():
            assert self.blender.poll() is None, f"Blender has ended ({self.blender.returncode}):\n{self.log()}"
            assert time.monotonic() < deadline, f"Blender does not answer:\n{self.log()}"
            time.sleep(0.005)
        got = json.loads(answer.read_text("utf-8"))
        answer.unlink()
        assert got["id"] == number
        assert "error" not in got, got["error"]
        return got["result"]

    def wait_for(self, expression, what, seconds=None):
        """Ask until the expression is true -> its value."""
        deadline = time.monotonic() + (seconds or PATIENCE)
        while not (value := self.ask(f"result = {expression}")):
            if time.monotonic() > deadline:
                self.picture("missed")
                raise AssertionError(f"{what}: not within {seconds or PATIENCE:g} s\n{self.log()}")
            time.sleep(0.05)
        return value

    @contextlib.contextmanager
    def measure(self, part, check):
        """Keep time inside Blender (see inside.py) while this lasts; `check` gets the times."""
        self.ask(f"times.start({part!r})")
        yield
        report = self.ask("result = times.report()")
        self.reports.append(report)
        assert check(report)

    def process(self, number):
        """This machine's number of a process that has another one inside, where processes are counted anew."""
        for status in Path("/proc").glob("[0-9]*/status"):
            with contextlib.suppress(OSError):
                text = status.read_text("utf-8", "replace")
                numbers = next((line.split()[1:] for line in text.splitlines() if line.startswith("NSpid:")), [])
                if numbers[-1:] == [str(number)] and status.with_name("root").readlink() == self.system.resolve():
                    return int(numbers[0])
        raise AssertionError(f"there is no process {number} inside")

    def log(self):
        """What Blender has printed last."""
        return (self.home / "blender.log").read_text("utf-8", "replace")[-3000:]

    # ------------------------------------------------------------------------------------------- mouse and keyboard

    def does(self, *command):
        """Send the hand's commands (xdotool's)."""
        self.hand.stdin.write(" ".join(command) + "\n")
        self.hand.stdin.flush()

    def point(self, x, y):
        """Move the mouse: pixels from the screen's top left. In two steps, as Blender wants to see it move."""
        self.does(f"mousemove {x - 3} {y}")
        self.does(f"mousemove {x} {y}")

    def press(self, *keys):
        """Keys, by xdotool's names."""
        self.does(f"key --delay 30 {' '.join(keys)}")

    def type(self, text):
        """Letter by letter."""
        for word in text.split(" "):
            if word != text.split(" ")[0]:
                self.press("space")
            self.does(f"type --delay 30 {word}")

    def click_at(self, x, y):
        """The left button."""
        self.point(x, y)
        self.does("sleep 0.1")
        self.does("click 1")

    def under_the_mouse(self, x, y, keys=("ctrl+c", "ctrl+shift+c")):
        """What lies there: a command, a data path, or ""; with Ctrl-C alone the text in a field."""
        self.ask("bpy.context.window_manager.clipboard = ''")
        self.point(x, y)
        self.does("sleep 0.03")
        self.press(*keys)
        self.settle()
        return self.ask("result = bpy.context.window_manager.clipboard")

    def settle(self):
        """Until Blender has seen all that was pressed: two turns of its main loop after the hand is done."""
        mark = next(self.numbers)
        self.does(f"exec --sync /usr/bin/touch {self.here}/pressed-{mark}")
        done = self.home / f"pressed-{mark}"
        deadline = time.monotonic() + PATIENCE
        while not done.exists():
            assert time.monotonic() < deadline, "the hand is stuck"
            time.sleep(0.003)
        done.unlink()
        for _ in range(2):
            self.ask("result = None")

    def find(self, name, area="VIEW_3D", part="UI"):
        """(x, y) of the button or field whose command or data path holds `name`, by feeling for it in a region."""
        for _ in range(4 if name in self.known else 0):  # a tooltip goes at the first movement, a panel slides a moment
            if name in self.under_the_mouse(*self.known[name]):
                return self.known[name]
            time.sleep(0.3)
        left, top, width, height = self.ask(f"result = region_of({area!r}, {part!r})")["box"]
        if height < 3 * UNIT:  # a bar: along it
            spots = [(x, top + height // 2) for x in range(left + UNIT // 2, left + width, UNIT)]
        else:  # panels: down, at two places, because some rows hold two buttons
            spots = [
                (int(left + share * width), y)
                for share in (0.25, 0.7)
                for y in range(top + UNIT // 2, top + height, UNIT - 4)
            ]
        labels_read = []
        for x, y in spots:
            label = self.under_the_mouse(x, y)
            if name in label:
                # A little further, if that is still the same one: away from the edge.
                inner = (x + UNIT // 4, y) if height < 3 * UNIT else (x, y + UNIT // 4)
                self.known[name] = inner if name in self.under_the_mouse(*inner) else (x, y)
                return self.known[name]
            labels_read += [label] * bool(label)
        self.picture("missed")
        raise AssertionError(f"{name} is nowhere in {area} {part}, only {sorted(set(labels_read))}")

    def know_beside(self, name, neighbour):
        """An icon at the right end of another button's row, which would be felt for last."""
        left, _, width, _ = self.ask("result = region_of('VIEW_3D')")["box"]
        self.known[name] = left + width * 5 // 6, self.find(neighbour)[1]

    def click(self, name, until="True", area="VIEW_3D", part="UI"):
        """Find and press, and once more if nothing comes of it: Blender swallows clicks while its panels slide."""
        for _ in range(5):
            self.click_at(*self.find(name, area, part))
            self.settle()
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                if self.ask(f"result = bool({until})"):
                    return
                time.sleep(0.05)
        self.picture("missed")
        raise AssertionError(f"{name} was pressed in vain: {until}")

    def press_until(self, expression, *keys):
        """Keys over the viewport until something comes of them: a busy machine loses one now and then."""
        for _ in range(4):
            self.over_the_viewport()
            self.press(*keys)
            self.settle()
            deadline = time.monotonic() + 15
            while time.monotonic() < deadline:
                if self.ask(f"result = bool({expression})"):
                    return
                time.sleep(0.05)
            self.press("Escape")  # half of a command may be waiting for its rest
        self.picture("missed")
        raise AssertionError(f"{' '.join(keys)} was pressed in vain: {expression}")

    def fill(self, name, text, area="VIEW_3D", part="UI"):
        """Type into a field instead of what it holds; once more if a key was lost, as happens while software draws."""
        spot = self.find(name, area, part)
        for _ in range(8):
            # While the panel slides, it is deaf: a click would be lost, and what is typed then goes to the viewport.
            if name not in self.under_the_mouse(*spot):
                time.sleep(0.5)
                continue
            self.click_at(*spot)
            if not self.is_typed_into(*spot):
                continue
            self.press("ctrl+a")
            self.type(text)
            self.press("Return")
            self.settle()
            for _ in range(3):
                if self.under_the_mouse(*spot, keys=("ctrl+c",)).rstrip("/") == text:
                    return
        self.picture("missed")
        raise AssertionError(f"{text!r} cannot be typed into {name}")

    def is_typed_into(self, x, y):
        """Whether a click has opened a field.

        It then does not copy its data path, now and when panels have come to rest.
        """
        for _ in range(5):
            if self.under_the_mouse(x, y, keys=("ctrl+shift+c",)):
                return False
            time.sleep(0.4)
        return True

    def over_the_viewport(self):
        """The mouse to where keys are meant for the 3D scene."""
        left, top, width, height = self.ask("result = region_of('VIEW_3D', 'WINDOW')")["box"]
        self.point(left + width // 4, top + height // 2)
        self.settle()

    def open_tab(self, name):
        """Open the viewport's sidebar with its key, then one of its tabs with the mouse, trying one after the other."""
        if not self.ask("result = region_of('VIEW_3D')"):
            self.over_the_viewport()
            self.press("n")
        left, top, width, height = self.wait_for("region_of('VIEW_3D')", "the sidebar")["box"]
        for y in range(top + UNIT, top + height, UNIT):
            self.click_at(left + width - UNIT // 2, y)
            self.settle()
            if self.ask("result = region_of('VIEW_3D')['tab']") == name:
                return
        self.picture("missed")
        raise AssertionError(f"the sidebar has no tab {name}")

    def choose(self, python):
        """Open our tab and choose a Python for the backend in the file browser."""
        self.open_tab("SJC")
        self.picture("01_no_backend")
        self.click("sjc.use_python", until="region_of('FILE_BROWSER')")
        self.fill("params.directory", str(python.parent), "FILE_BROWSER")
        self.fill("params.filename", python.name, "FILE_BROWSER", "EXECUTE")
        self.picture("02_file_browser")
        self.click("file.execute", "not region_of('FILE_BROWSER')", "FILE_BROWSER", "EXECUTE")
        self.wait_for("bpy.context.window_manager.sjc.backend_state == 'ready'", "the doctor's answer")
        self.picture("03_ready")

    def unfold(self, panel, below):
        """Open a sub-panel that stands below a button: its header is no button, so clicks tell, and draws of the panel.

        -> (x, y) of the header, None where the panel was open already.
        """
        left, top, width, height = self.ask("result = region_of('VIEW_3D')")["box"]
        drawn = self.drawn()
        if panel in drawn:
            return None
        for y in range(self.find(below)[1] + UNIT, top + height, UNIT // 2):
            if self.under_the_mouse(left + width // 4, y):
                continue
            self.click_at(left + width // 4, y)
            now = self.drawn()
            if panel in now:
                return left + width // 4, y
            if now != drawn:  # another one: as it was
                self.click_at(left + width // 4, y)
                drawn = self.drawn()
        self.picture("missed")
        raise AssertionError(f"{panel} is nowhere below {below}, only {sorted(drawn)}")

    def drawn(self):
        """The panels of ours that are unfolded."""
        self.settle()
        self.ask("opened.clear(); ours('ui.ui_state').redraw()")
        self.settle()
        return set(self.ask("result = sorted(opened)"))

    # ------------------------------------------------------------------------------------------------------ camera

    def picture(self, name):
        """A screenshot of the whole screen; Blender's own are black."""
        self.does("sleep 0.4")  # panels slide into place
        self.settle()
        inside = self.home / "shot.png"
        subprocess.run(
            ["chroot", self.system, "import", "-window", "root", self.here / inside.name],
            env=self.environment, capture_output=True, timeout=PATIENCE, check=True,
        )  # fmt: skip
        shutil.move(inside, self.pictures / f"{name}.png")
        return self.pictures / f"{name}.png"
