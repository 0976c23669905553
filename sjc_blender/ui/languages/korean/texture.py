"""Korean: texturing meshes, and what can be wrong with them."""

TEXTURE = {
    "{} is a whole model, not a ControlNet; it goes into the setting model.":
        "{} 은(는) ControlNet이 아니라 모델 전체입니다. model 설정에 넣으세요.",
    "{}: conditioning_embedding_out_channels is {}; it must be a list of at most {} numbers.":
        "{}: conditioning_embedding_out_channels의 값이 {} 입니다. 수를 {} 개까지 담은 목록이어야 합니다.",
    "{} has no {}; give the folder of a ControlNet in the diffusers format.":
        "{} 에 {} 이(가) 없습니다. diffusers 형식의 ControlNet 폴더를 지정하세요.",
    "{} is a {}; give a {} as control, or leave it empty.": "{} 은(는) {} 입니다. control에는 {} 을(를) 주거나 비워 두세요.",
    "{} takes pictures of {} channels, not 3; take a ControlNet for depths.": "{} 은(는) 3채널이 아니라 {}채널 그림을 받습니다. 깊이용 ControlNet을 쓰세요.",
    "{} is a file; give the folder of a ControlNet in the diffusers format, or a hub id.":
        "{} 은(는) 파일입니다. diffusers 형식의 ControlNet 폴더나 허브 ID를 지정하세요.",
    (
        'The ControlNet "{}" is neither a folder nor in the local model cache; fetch it with the command line, or give '
        "a folder."
    ): 'ControlNet "{}" 은(는) 폴더도 아니고 로컬 모델 캐시에도 없습니다. 명령줄로 내려받거나 폴더를 지정하세요.',
    "A ControlNet works with Stable Diffusion 1, 2 and SDXL, but the model is of the family {}; leave control empty.":
        "ControlNet은 Stable Diffusion 1, 2와 SDXL에서 되는데, 모델은 {} 계열입니다. control을 비워 두세요.",
    "The model changes its text before it reads it, which no ControlNet knows; leave control empty.":
        "이 모델은 글을 읽기 전에 바꾸는데, ControlNet은 이를 모릅니다. control을 비워 두세요.",
    (
        "The ControlNet {} was made for another kind of model: its {} is {}, the model's {}; take one for this model."
    ): "ControlNet {} 은(는) 다른 종류의 모델용입니다. {} 이(가) {} 인데 모델은 {} 입니다. 이 모델용을 쓰세요.",
    "control and mv_adapter cannot be used together; leave one of them empty.":
        "control과 mv_adapter는 함께 쓸 수 없습니다. 하나를 비워 두세요.",
    "{} has a ControlNet, which works only where a mesh is textured; leave control empty.":
        "{} 에 ControlNet이 있는데, 메시에 텍스처를 입힐 때만 됩니다. control을 비워 두세요.",
    "{} has no ControlNet.": "{} 에 ControlNet이 없습니다.",
    "The unfinished texture cannot be shown: {}": "만들고 있는 텍스처를 보여 줄 수 없습니다: {}",
    "Sharpen Colors": "색상 선명하게",
    "Paint this result's mesh again in a new job, beginning with its colors; latent models' colors get truer":
        "이 결과의 메시를 지금 색에서 시작해 새 작업으로 다시 칠합니다. 잠재 모델의 색이 더 정확해집니다",
    "Texture with SJC": "SJC로 텍스처 입히기",
    "Texture Selection": "선택한 것에 텍스처 입히기",
    "Texture": "텍스처 입히기",
    "Paint the selected meshes as the prompt says; the objects are hidden and otherwise stay":
        "선택한 메시를 프롬프트대로 칠합니다. 원래 오브젝트는 숨겨질 뿐 그대로 남습니다",
    "As One Object": "한 오브젝트로",
    "Paint all selected meshes as one object, whose textured copy is one mesh":
        "선택한 메시를 모두 한 오브젝트로 칠합니다. 텍스처가 입혀진 사본도 메시 하나입니다",
    "The objects have {} triangles; decimate them to at most {} together.":
        "오브젝트들의 삼각형이 {}개입니다. 모두 합해 {}개 이하로 데시메이트하세요.",
    "Strength": "세기",
    "What to paint, as a sentence": "무엇을 칠할지, 문장으로",
    "Depth ControlNet": "깊이 ControlNet",
    "A folder or hub id of a depth ControlNet for the chosen model, which shows it the mesh's shape; empty for none":
        "고른 모델용 깊이 ControlNet의 폴더 또는 허브 ID. 모델에게 메시의 형태를 보여 줍니다. 쓰지 않으려면 비워 두세요",
    (
        "How freely the pictures are made that correct the colors: more corrects more, less stays nearer to the present "
        "colors"
    ): "색을 고치는 그림을 얼마나 자유롭게 만들지. 크면 더 많이 고치고, 작으면 지금 색에 더 가깝습니다",
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
