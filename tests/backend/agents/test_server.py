"""`sjc mcp` as agents meet it: by the protocol's own client, over standard input and output."""

import asyncio
import json
import os
import sys

import pytest

pytest.importorskip("mcp", reason="the Model Context Protocol is not installed: python3 build.py mcp")


def talk(root, conversation, *words):
    """Run an async function of a connected client."""
    from mcp import Client, StdioServerParameters

    async def whole():
        server = StdioServerParameters(
            command=sys.executable, args=["-m", "sjc", "mcp", "--root", str(root), *words], env=dict(os.environ)
        )
        async with Client(server) as client:
            return await conversation(client)

    return asyncio.run(asyncio.wait_for(whole(), 250))


def test_make_list_and_export(tmp_path):
    async def conversation(client):
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert {"generate", "status", "variants", "refine", "texture", "export", "list"} <= set(names)
        wrong = await client.call_tool("generate", {"prompt": 7})
        assert wrong.is_error
        assert wrong.content[0].text == "generate: prompt is 7; it must be text of at most 10000 characters."
        outside = await client.call_tool("resume", {"folder": "../elsewhere"})
        assert outside.is_error
        assert "lies outside of" in outside.content[0].text

        begun = await client.call_tool(
            "generate", {"prompt": "a red mushroom", "settings": {"preset": "test", "device": "cpu", "steps": 2}}
        )
        folder = begun.structured_content["folder"]
        for _ in range(400):
            status = (await client.call_tool("status", {"folder": folder})).structured_content
            if status["state"] not in {"waiting", "running"}:
                break
            await asyncio.sleep(0.5)
        assert status["state"] == "finished", status
        assert status["step"] == 2

        (row,) = (await client.call_tool("list", {})).structured_content["results"]
        assert row["state"] == "finished"
        assert "mesh.glb" in row["files"]
        exported = await client.call_tool(
            "export", {"folder": folder, "faces": 100, "size": 0.1, "format": "stl", "print_report": True}
        )
        record = json.loads(exported.content[0].text)
        assert record["print"]["faces"] <= 100
        assert record["files"] == [os.path.join(folder, "export", "a-red-mushroom.stl")]  # noqa: PTH118

    talk(tmp_path, conversation, "--offline")


def test_a_root_that_is_no_folder_is_one_line(tmp_path, capsys):
    from sjc.cli import main

    assert main(["mcp", "--root", str(tmp_path / "gone")]) == 2
    assert "--root" in capsys.readouterr().err


def test_without_the_package_one_line_says_how_to_get_it(tmp_path, capsys, monkeypatch):
    from sjc.cli import main

    monkeypatch.setitem(sys.modules, "mcp.server", None)
    assert main(["mcp", "--root", str(tmp_path)]) == 2
    assert "sjc[mcp]" in capsys.readouterr().err
