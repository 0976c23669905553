"""Korean: what a job starts from (block-outs and parts to change), and what can be wrong with it."""

START = {
    "Start From": "시작",
    "Generate from Selection": "선택한 것에서 생성",
    "Generate an object from the prompt that starts from the selected meshes, where they stand and at their size":
        "선택한 메시에서 시작해 프롬프트로 오브젝트를 생성합니다. 그 자리에 같은 크기로 섭니다",
    "Select one or more mesh objects to start from": "시작할 메시 오브젝트를 하나 이상 선택하세요",
    "Change Only Inside": "이 안만 바꾸기",
    "A mesh object within which alone the start may change; everything else stays exactly as it is":
        "시작 형태가 바뀌어도 되는 곳을 나타내는 메시 오브젝트. 그 밖은 모두 그대로 남습니다",
    "{} is no mesh object, so nothing can be inside it; choose a mesh.": "{} 은(는) 메시 오브젝트가 아닙니다. 메시를 고르세요.",
    "{} has {} triangles without its modifiers; apply a Decimate modifier that leaves fewer than {}.":
        "{} 의 삼각형이 모디파이어 없이도 {}개입니다. {}개보다 적게 남기는 데시메이트 모디파이어를 적용하세요.",
    "{} brings the block-out to {} triangles; decimate it to fewer than {}.":
        "{} 을(를) 더하면 블록아웃의 삼각형이 {}개입니다. {}개보다 적게 데시메이트하세요.",
    "What the job starts from could not be written: {}": "작업이 시작할 것을 쓸 수 없습니다: {}",
    "The start has no size: all of its points lie in one place; scale it up.": "시작 형태의 크기가 없습니다. 크게 하세요.",
    "{}: {} is damaged; export it again.": "{}: {} 이(가) 손상되었습니다. 다시 내보내세요.",
    "{}: {} has {} faces; decimate it to fewer than {}.": "{}: {} 의 면이 {}개입니다. {}개보다 적게 데시메이트하세요.",
    "start: {} encloses no volume; close its holes or give it thickness.": "시작: {} 은(는) 부피가 없습니다. 구멍을 막거나 두께를 주세요.",
    "keep: the part that may change covers nothing of the start; move it there or make it larger.": "유지: 바뀌어도 되는 부분이 시작 형태에 닿지 않습니다. 옮기거나 크게 하세요.",
    "keep: the part that may change covers all of the start, so nothing is kept; make it smaller.": "유지: 바뀌어도 되는 부분이 시작 형태를 모두 덮어 유지할 것이 없습니다. 작게 하세요.",
    "Import the result first: only beside its mesh does {} say which part may change.":
        "먼저 결과를 가져오세요. {} 은(는) 결과의 메시 곁에 있어야 어느 부분이 바뀌어도 되는지 알 수 있습니다.",
    "{}: {} names no file; use the path of a .glb file.": "{}: {} 은(는) 파일이 아닙니다. .glb 파일의 경로를 쓰세요.",
    "{}: {} is not a {} file; export {} as {}.": "{}: {} 은(는) {} 파일이 아닙니다. {} 을(를) {} 로 내보내세요.",
    "{}: {} is {}, which is not one of the files in {}.": "{}: {} 이(가) {} 인데, {} 안의 파일이 아닙니다.",
    "{}: {} does not exist.": "{}: {} 이(가) 없습니다.",
    "{}: {} cannot be read: {}.": "{}: {} 을(를) 읽을 수 없습니다: {}.",
}  # fmt: skip
