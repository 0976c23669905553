"""Korean: texturing meshes, and what can be wrong with them."""

TEXTURE = {
    "{} has no {}; generate it again to sharpen its colors.": "{} 에 {} 이(가) 없습니다. 색상을 선명하게 하려면 다시 생성하세요.",
    "Texture with SJC": "SJC로 텍스처 입히기",
    "Texture Selection": "선택한 것에 텍스처 입히기",
    "Texture": "텍스처 입히기",
    "Paint the selected meshes, each by itself, as the prompt says; the objects are hidden and otherwise stay":
        "선택한 메시를 하나씩 프롬프트대로 칠합니다. 원래 오브젝트는 숨겨질 뿐 그대로 남습니다",
    "Strength": "세기",
    "What to paint, as a sentence": "무엇을 칠할지, 문장으로",
    "Depth ControlNet": "깊이 ControlNet",
    "A folder or hub id of a depth ControlNet for the chosen model, which shows it the mesh's shape; empty for none":
        "고른 모델용 깊이 ControlNet의 폴더 또는 허브 ID. 모델에게 메시의 형태를 보여 줍니다. 쓰지 않으려면 비워 두세요",
    "How much of the present colors to replace: 1 ignores them, less keeps more of them":
        "지금 색상을 얼마나 바꿀지: 1은 무시하고, 작을수록 더 남깁니다",
    "Select one or more mesh objects to texture": "텍스처를 입힐 메시 오브젝트를 하나 이상 선택하세요",
    "Type a prompt that says what to paint.": "무엇을 칠할지 프롬프트를 적으세요.",
    "{} is no mesh object, so it has no surface to texture; choose a mesh.":
        "{} 은(는) 메시 오브젝트가 아니라 텍스처를 입힐 표면이 없습니다. 메시를 고르세요.",
    "{} has no faces, so there is nothing to texture; choose another.": "{} 에 면이 없어 텍스처를 입힐 수 없습니다. 다른 것을 고르세요.",
    "{} has {} triangles; decimate it to at most {}.": "{} 의 삼각형이 {}개입니다. {}개 이하로 데시메이트하세요.",
    "{} has points at no place (not a number); apply or repair its modifiers.":
        "{} 에 자리가 숫자가 아닌 점이 있습니다. 모디파이어를 적용하거나 고치세요.",
    "{} has no size: all of its points lie in one place; scale it up.": "{} 의 크기가 없습니다. 크게 하세요.",
    "{} is damaged: it does not hold what a glTF file must; export it again.":
        "{} 이(가) 손상되었습니다. glTF 파일에 있어야 할 것이 없습니다. 다시 내보내세요.",
    "No triangle of the mesh covers a texel of {} x {}; use a larger texture_size.":
        "메시의 어떤 삼각형도 {} x {} 텍셀을 덮지 않습니다. texture_size를 키우세요.",
    "No camera sees anything of the mesh; check that its faces are large enough to be visible.":
        "어떤 카메라에도 메시가 보이지 않습니다. 면이 보일 만큼 큰지 확인하세요.",
    "A mesh is textured with Warp's rays, which do not run here: {}; set device to cpu.":
        "메시의 텍스처는 Warp의 광선으로 만드는데, 여기서는 실행되지 않습니다: {}. 장치를 cpu로 바꾸세요.",
    "{} sees several views at once and cannot texture a mesh; choose another.":
        "{} 은(는) 여러 시점을 한꺼번에 보는 모델이라 메시에 텍스처를 입힐 수 없습니다. 다른 모델을 고르세요.",
    "The checkpoint does not fit this mesh and model; texture the mesh anew in another folder.":
        "체크포인트가 이 메시와 모델에 맞지 않습니다. 다른 폴더에 새로 텍스처를 입히세요.",
    "The mesh has no faces; give one with a surface.": "메시에 면이 없습니다. 표면이 있는 메시를 주세요.",
    "The mesh has {} triangles, more than {}; reduce it (in Blender with the Decimate modifier) and texture it then.":
        "메시의 삼각형이 {}개로 {}개보다 많습니다. 줄인 뒤(Blender의 데시메이트 모디파이어) 텍스처를 입히세요.",
    "The mesh has vertices at places that are no numbers; repair it first.":
        "메시의 정점 가운데 자리가 숫자가 아닌 것이 있습니다. 먼저 고치세요.",
    "All vertices of the mesh lie in one place; give a mesh with a surface.":
        "메시의 모든 정점이 한자리에 있습니다. 표면이 있는 메시를 주세요.",
    "The faces of the mesh have no area; give a mesh with a surface.":
        "메시의 면에 넓이가 없습니다. 표면이 있는 메시를 주세요.",
}  # fmt: skip
