"""Korean: what a job starts from (block-outs and parts to change), and what can be wrong with it."""

START = {
    "{}: {} names no file; use the path of a .glb file.": "{}: {} 은(는) 파일이 아닙니다. .glb 파일의 경로를 쓰세요.",
    "{}: {} is not a {} file; export {} as {}.": "{}: {} 은(는) {} 파일이 아닙니다. {} 을(를) {} 로 내보내세요.",
    "{}: {} is {}, which is not one of the files in {}.": "{}: {} 이(가) {} 인데, {} 안의 파일이 아닙니다.",
    "{}: {} does not exist.": "{}: {} 이(가) 없습니다.",
    "{}: {} cannot be read: {}.": "{}: {} 을(를) 읽을 수 없습니다: {}.",
}  # fmt: skip
