"""Korean: what can be wrong with a mesh that is to be textured."""

TEXTURE = {
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
