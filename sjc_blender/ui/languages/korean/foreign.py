"""Korean: files from outside that are damaged, hostile or no files at all."""

FOREIGN = {
    "{} is larger than {} MB, which no such file is; it is not read.": "{} 은(는) {} MB보다 큽니다. 이런 파일은 그렇게 클 수 없으므로 읽지 않습니다.",
    "{}: {}; it must be {}.": "{}: {}. 올바른 값: {}.",
    "{} is a folder, not a file.": "{} 은(는) 파일이 아니라 폴더입니다.",
    "{} is a device or a pipe, not a file; it is not read.": "{} 은(는) 파일이 아니라 장치나 파이프이므로 읽지 않습니다.",
    "{} is a link that leads out of {}; nothing outside of that folder is read.": "{} 은(는) {} 밖으로 나가는 링크입니다. 그 폴더 밖은 읽지 않습니다.",
    "{} is no path: {}.": "{} 은(는) 경로가 아닙니다: {}.",
    "{} is not UTF-8 text: {}.": "{} 은(는) UTF-8 글이 아닙니다: {}.",
    "{} cannot be read as JSON: {}.": "{} 을(를) JSON으로 읽을 수 없습니다: {}.",
    "{} must hold a JSON object, not {}.": "{} 에는 JSON 객체가 있어야 하는데 {} 이(가) 있습니다.",
    "{} names the class {}; only {} can be used.": "{} 에 적힌 클래스 {} 은(는) 쓸 수 없습니다. 쓸 수 있는 것: {}.",
    "{} asks to run a program that came with the model ({}), which is never done; take a model that needs none.": "{} 이(가) 모델에 딸린 프로그램을 실행하려 합니다 ({}). 그런 프로그램은 실행하지 않습니다. 필요 없는 모델을 쓰세요.",
    "{} names the attention {}; only eager and sdpa can be used.": "{} 에 적힌 어텐션 {} 은(는) 쓸 수 없습니다. eager와 sdpa만 됩니다.",
    "{} makes an adapter of this part; take the model that it was made for.": "{} 때문에 이 부분이 어댑터가 됩니다. 어댑터의 바탕 모델을 쓰세요.",
    "{} is damaged: its weight_map must name files beside it.": "{} 이(가) 손상되었습니다. weight_map에는 그 옆에 있는 파일만 적혀야 합니다.",
    "{} is a link that leads out of the job folder; remove it. Nothing there is changed.": "{} 은(는) 작업 폴더 밖으로 나가는 링크입니다. 링크를 지우세요. 그곳의 파일은 바꾸지 않습니다.",
    "{} is a link; nothing is written where it leads.": "{} 은(는) 링크입니다. 링크가 가리키는 곳에는 쓰지 않습니다.",
    "{} names a step that no job has. Start the job again with --overwrite.": "{} 에 적힌 스텝은 어떤 작업에도 없습니다. --overwrite로 작업을 다시 시작하세요.",
    "{} is damaged: its history of {} must be a list of numbers.": "{} 이(가) 손상되었습니다. {} 의 기록은 숫자 목록이어야 합니다.",
    "The checkpoint is of step {}; the job has steps 0 to {} only.": "체크포인트는 스텝 {} 의 것인데 작업에는 스텝 0부터 {} 까지만 있습니다.",
}  # fmt: skip
