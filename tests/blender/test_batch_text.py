"""The same text makes the same jobs through `sjc batch` and through `api.batch`, or is refused with the same lines."""

from sjc import cli, commands
from sjc.errors import SjcError

TEXTS = [
    "a red mushroom\na blue tree\n",
    "a red mushroom\r\na blue tree\r\n",
    "a red mushroom\ra blue tree",
    "\ufeffa red mushroom\n# comment\n\n  a blue tree  ",
    "\ufeff# a comment alone",
    "a red\u2028mushroom",
    "a red\u2029mushroom\na blue tree",
    "a red\x85mushroom",
    "a red\x0cmushroom",
    "\x0ca red mushroom\x0c\n\u2028a blue tree\x85",
    "a red\0mushroom",
    '{"prompt": "a red mushroom", "seed": 4}\na blue tree',
    '{"seed": 4}',
    "{}",
    '{"prompt": 3}',
    '{"prompt": null}\n{"prompt": "x", "steps": 0, "grid": "many"}\n{"prompt": "x", "stepz": 1}',
    '{"prompt": "a red mushroom"\n[1, 2]',
    '{"prompt": ' + "9" * 5000 + "}",
    '{"prompt": "x", "seed": NaN}',
    "a red\tmushroom\n\ufeffa blue tree\n",
    '[\n{"prompt": "a red mushroom", "seed": 4},\n]',
    '{"prompt": "a red mushroom", "seed": 4,},\n"a blue tree",',
    "a (red:1.3) mushroom",
    "",
    "\n \n",
]

BATCH = """
import sjc_blender
from sjc_blender import api, live

sjc_blender.register()
made = []
api.generate = lambda prompt, *, block, on_progress, location, **own: made.append([prompt, own.get("seed", 0)])
live.in_a_row = lambda index: None
result = []
for text in given["texts"]:
    made.clear()
    try:
        api.batch(text, block=False)
    except api.SjcError as error:
        result.append(str(error))
    else:
        result.append(list(made))
"""


def through_the_shell(text, path):
    path.write_bytes(text.encode())
    args = cli.build_parser().parse_args(["batch", str(path)])
    try:
        jobs = commands.batch_jobs(args, args.out)
    except SjcError as error:
        return str(error)
    return [[job.settings.prompt, job.settings.seed] for job in jobs]


def test_both_doors_give_the_same_answer(in_blender, tmp_path):
    got = in_blender(BATCH, texts=TEXTS)
    expected = [through_the_shell(text, tmp_path / "list.txt") for text in TEXTS]
    assert dict(zip(TEXTS, got, strict=True)) == dict(zip(TEXTS, expected, strict=True))
    assert expected[0] == expected[1] == expected[2] == expected[3] == [["a red mushroom", 0], ["a blue tree", 0]]
    assert "U+2028" in expected[5]
