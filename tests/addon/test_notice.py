"""Notices of the desktop: what is started, with words that are no options and no program."""

import time

from sjc_blender import notice

TITLE, TEXT = "The object is ready", '--urgency=critical"; do shell script "true'


def test_words_are_arguments(monkeypatch):
    monkeypatch.setattr(notice.shutil, "which", lambda name: f"/usr/bin/{name}")
    linux = notice.command(TITLE, TEXT, "linux")
    assert linux[0] == "/usr/bin/notify-send"
    assert linux[-3:] == ["--", TITLE, TEXT]
    mac = notice.command(TITLE, TEXT, "darwin")
    assert mac[-2:] == [TITLE, TEXT]
    assert TEXT not in mac[2]


def test_nothing_where_nothing_is_there(monkeypatch):
    monkeypatch.setattr(notice.shutil, "which", lambda _name: None)
    assert notice.command(TITLE, TEXT, "linux") is None
    assert notice.command(TITLE, TEXT, "win32") is None
    monkeypatch.setattr(notice, "command", lambda *_words: None)
    assert notice.show(TITLE, TEXT) is False


def test_a_program_that_is_gone_or_hangs_stops_nobody(monkeypatch, tmp_path):
    monkeypatch.setattr(notice, "command", lambda *_words: [str(tmp_path / "gone")])
    began = time.monotonic()
    assert notice.show(TITLE, TEXT) is True
    monkeypatch.setattr(notice, "command", lambda *_words: ["sleep", "5"])
    assert notice.show(TITLE, TEXT) is True
    assert time.monotonic() - began < 2
