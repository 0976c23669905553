"""Korean: quads, export by a background Blender, and notices."""

HANDOVER = {
    "Make Quads": "쿼드 만들기",
    "The mesh is still being read; press Make Quads again when it is there.":
        "메시를 아직 읽는 중입니다. 다 읽은 뒤 쿼드 만들기를 다시 누르세요.",
    "Make a copy of the mesh with new, even faces, in a background Blender; the original is hidden":
        "메시를 고른 새 면으로 복사합니다. 백그라운드 Blender가 만들고 원본은 숨깁니다",
    "Faces": "면",
    "About how many faces to make": "만들 면의 대략적인 수",
    "Follow the Shape": "형태 따르기",
    "Lay quads along the shape (QuadriFlow), not along a grid; this takes longer":
        "쿼드를 격자가 아니라 형태를 따라 놓습니다 (QuadriFlow). 더 오래 걸립니다",
    "Smooth Angle": "스무스 각도",
    "Edges between faces that meet at a larger angle are sharp": "이보다 큰 각도로 만나는 면 사이의 모서리는 날카롭게 둡니다",
    "Parts by Color": "색별 부분",
    "Make a vertex group of each color": "색마다 버텍스 그룹을 만듭니다",
    "Separate Objects": "따로 된 오브젝트",
    "Make an object of each color instead, below an empty object": "버텍스 그룹 대신 색마다 오브젝트를 만들어 엠프티 아래에 둡니다",
    "Baked Picture": "베이크한 그림",
    "Edge in texels of pictures of the original's colors, normals and ambient occlusion. 0: none, the colors stay at the vertices":
        "원본의 색, 노멀, 주변 차폐를 담을 그림의 한 변(텍셀). 0: 만들지 않고 색을 버텍스에 둡니다",
    "A picture of {} texels cannot be baked; choose {} to {}, or 0 for none.":
        "텍셀 {}개짜리 그림은 베이크할 수 없습니다. {}부터 {}까지, 또는 만들지 않으려면 0을 고르세요.",
    "Export USD or FBX": "USD 또는 FBX로 내보내기",
    "Export the selected mesh as USD or FBX, in a background Blender": "선택한 메시를 백그라운드 Blender에서 USD 또는 FBX로 내보냅니다",
    "Its ending says which format": "확장자가 형식을 정합니다",
    "Select a mesh": "메시를 선택하세요",
    "Select a mesh first.": "먼저 메시를 선택하세요.",
    "The mesh was removed meanwhile; nothing was changed.": "그동안 메시가 지워졌습니다. 아무것도 바꾸지 않았습니다.",
    "A background Blender could not be started: {}.": "백그라운드 Blender를 시작할 수 없습니다: {}.",
    "The background Blender took longer than {} minutes; ask for fewer faces.":
        "백그라운드 Blender가 {}분보다 오래 걸렸습니다. 면의 수를 줄이세요.",
    "The background Blender ended with code {} and left no answer; ask for fewer faces.":
        "백그라운드 Blender가 코드 {} (으)로 끝나고 답을 남기지 않았습니다. 면의 수를 줄이세요.",
    "The background Blender could not do it: {}.": "백그라운드 Blender가 할 수 없었습니다: {}.",
    "{} faces cannot be made; choose {} to {}.": "면 {}개는 만들 수 없습니다. {}부터 {}까지 고르세요.",
    "{} is no angle for smooth shading; choose 0 to 180 degrees.": "{} 은(는) 스무스 셰이딩의 각도가 아닙니다. 0도부터 180도까지 고르세요.",
    "{} has no ending of USD or FBX; use one of {}.": "{} 의 확장자가 USD나 FBX가 아닙니다. {} 중 하나를 쓰세요.",
    "{} does not exist; choose another folder.": "{} 이(가) 없습니다. 다른 폴더를 고르세요.",
    # when a job has ended
    "The object is ready": "오브젝트가 다 되었습니다",
    "The job failed": "작업이 실패했습니다",
    "The queue is done": "대기열이 끝났습니다",
    "{} finished, {} failed": "{}개 완료, {}개 실패",
    "Notify": "알림",
    "Show a notification of the desktop when a job has ended": "작업이 끝나면 데스크톱 알림을 띄웁니다",
    "Play Sound": "소리 내기",
    "Play a sound when a job has ended": "작업이 끝나면 소리를 냅니다",
}  # fmt: skip
