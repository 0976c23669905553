"""Korean: names and tooltips of the settings (settings_schema)."""

SETTINGS = {
    # job
    "Prompt": "프롬프트",
    "What to make, as a sentence": "만들 것을 문장으로 적습니다",
    "Negative Prompt": "부정 프롬프트",
    "What to avoid, as a sentence; guidance then pushes away from it instead of from an empty sentence":
        "피할 것을 문장으로 적습니다. 가이던스가 빈 문장 대신 이 문장에서 멀어지게 합니다",
    "Model": "모델",
    (
        "The diffusion model: embedded, a folder in the diffusers format, a Stable Diffusion checkpoint in one file, "
        "or a hub id such as NAME/MODEL or NAME/MODEL@REVISION"
    ): "확산 모델: embedded, diffusers 형식의 폴더, 파일 하나로 된 Stable Diffusion 체크포인트, 또는 허브 ID (이름/모델 또는 이름/모델@리비전)",
    "LoRA": "LoRA",
    "LoRA files to add to the model, as PATH or PATH:weight with commas between them; only safetensors files work":
        "모델에 더할 LoRA 파일: 경로 또는 경로:가중치를 쉼표로 구분해 적습니다. safetensors 파일만 됩니다",
    "MV Adapter": "MV 어댑터",
    (
        "A multi-view adapter (MV-Adapter, a safetensors file) for Stable Diffusion 2.1 or SDXL, which then sees six "
        "views of the object at once"
    ): "Stable Diffusion 2.1이나 SDXL에 쓰는 멀티뷰 어댑터(MV-Adapter, safetensors 파일). 모델이 물체의 여섯 시점을 한꺼번에 봅니다",
    "Preset": "프리셋",
    (
        "The set of values that all other settings start from; choose fast for a quick look and quality for "
        "outlines that are a little truer"
    ): "다른 모든 설정의 출발점이 되는 값 모음. 빨리 보려면 빠르게를, 조금 더 정확한 윤곽을 원하면 고품질을 고르세요",
    "Embedded": "내장",
    "Fast": "빠르게",
    "Quality": "고품질",
    "Paper": "논문",
    "MVDream": "MVDream",
    "MVDream's own settings for 3D objects; only for models that see several views at once":
        "MVDream이 3D 물체에 쓰는 설정. 여러 시점을 한꺼번에 보는 모델에만 씁니다",
    "Test": "테스트",
    "The default settings, for the included model on a CPU": "기본 설정. 애드온에 든 모델을 CPU에서 쓸 때",
    "A rough result in a fraction of the time": "거친 결과를 훨씬 짧은 시간에 얻습니다",
    "Ablation": "비교 실험",
    "Quick settings that the project's experiments use to compare variants": "프로젝트의 실험이 변형을 비교할 때 쓰는 빠른 설정",
    "More steps than the default: outlines that are a little truer, but slower": "기본보다 많은 스텝: 윤곽이 조금 더 정확하지만 느립니다",
    "The defaults of the paper's released code": "논문이 공개한 코드의 기본값",
    "A quick test of every stage, over in seconds; the result is not usable": "모든 단계를 몇 초 만에 시험합니다. 결과는 쓸 수 없습니다",
    "Seed": "시드",
    "Starting point of the random numbers; change it for another variant, keep it to repeat a run on the same device":
        "난수의 출발점. 다른 변형을 원하면 바꾸고, 같은 장치에서 실행을 되풀이하려면 그대로 두세요",
    "Steps": "스텝",
    "Number of optimization steps; more make a better object and take longer, fewer give a rough one soon":
        "최적화 스텝 수. 많으면 더 좋아지지만 오래 걸리고, 적으면 거친 결과를 빨리 얻습니다",
    "Early Stop": "일찍 끝내기",
    "End the run early when less than this share of the solid has changed during a fifth of the run. 0: never":
        "실행의 5분의 1 동안 물체가 이 비율보다 적게 변하면 실행을 일찍 끝냅니다. 0: 끝내지 않음",
    "Device": "장치",
    "Where to compute: auto, cpu, cuda, cuda:N or mps; auto takes a graphics card if torch can use one":
        "계산할 곳: auto, cpu, cuda, cuda:N 또는 mps. auto는 torch가 쓸 수 있는 그래픽 카드가 있으면 그것을 씁니다",
    "Renderer": "렌더러",
    (
        "How views are rendered: reference is plain torch, warp is faster with fused kernels, auto takes warp "
        "where it runs"
    ): "뷰를 렌더하는 방법: 기준은 일반 torch, 융합 커널은 더 빠르고, 자동은 가능한 곳에서 융합 커널을 씁니다",
    "Auto": "자동",
    "Reference": "기준",
    "Fused Kernels": "융합 커널",
    "Runtime": "실행 엔진",
    (
        "What runs the network on a CPU: torch, or onnx, which is faster for small networks; auto takes onnx where "
        "it runs"
    ): "CPU에서 신경망을 실행하는 엔진: torch 또는 작은 신경망에서 더 빠른 ONNX Runtime. 자동은 가능한 곳에서 ONNX Runtime을 씁니다",
    "Compile": "컴파일",
    (
        "Whether torch compiles the network on an NVIDIA card: auto does where it can, which makes the first step "
        "slow and the others faster"
    ): "NVIDIA 카드에서 torch가 신경망을 컴파일할지 정합니다. 자동은 가능한 곳에서 컴파일하며, 첫 스텝은 느려지고 나머지는 빨라집니다",
    "Off": "끔",
    "Torch": "torch",
    "ONNX Runtime": "ONNX Runtime",
    # start
    "Start": "시작 형태",
    "A mesh that the object starts from and stands like (a block-out), as a .glb file":
        "물체가 시작하는 메시(블록아웃)의 .glb 파일. 결과가 그 자리에 같은 크기로 섭니다",
    "Start Strength": "시작 강도",
    "How closely to keep to the shape of the start: 0 takes it as a loose hint, 1 keeps it":
        "시작 형태를 얼마나 지킬지 정합니다. 0은 느슨한 힌트로 쓰고, 1은 그대로 지킵니다",
    "A mesh that gets a texture, as a .glb file; no shape is made then":
        "텍스처를 입힐 메시의 .glb 파일. 이때 형태는 만들지 않습니다",
    "Surface Strength": "표면 강도",
    "How much of the present colors of the surface to replace: 1 ignores them, less keeps more of them":
        "표면의 지금 색을 얼마나 바꿀지 정합니다. 1은 무시하고, 작을수록 더 많이 남깁니다",
    "Make the present colors of the surface truer instead of painting new ones":
        "새로 칠하지 않고 표면의 지금 색을 더 참되게 고칩니다",
    "Control": "컨트롤",
    (
        "A depth ControlNet that shows the model the shape of the surface: a folder in the diffusers format, or a hub "
        "id. It must have been made for the same kind of model"
    ): "모델에게 표면의 형태를 보여 주는 깊이 ControlNet: diffusers 형식의 폴더 또는 허브 ID. 같은 종류의 모델용이어야 합니다",
    "Keep": "유지",
    "A mesh within which alone the start may change, as a .glb file; everything else stays exactly as it is":
        "시작 형태가 바뀌어도 되는 곳을 나타내는 메시의 .glb 파일. 그 밖은 모두 그대로 남습니다",
    # guidance
    "Views per Step": "스텝당 시점",
    "Number of camera views in each step; more views give steadier steps and take longer in proportion":
        "스텝마다 쓰는 카메라 시점의 수. 많을수록 스텝이 안정되고, 걸리는 시간도 그만큼 늘어납니다",
    "Noises per View": "시점당 노이즈",
    "Number of noise samples that each view's score is averaged over; each costs another call of the network":
        "한 시점의 스코어를 평균 내는 노이즈 표본의 수. 하나마다 신경망을 한 번 더 부릅니다",
    "Guidance": "가이던스",
    (
        "How strongly to follow the prompt (classifier-free guidance): 1 is as the model was trained, more "
        "exaggerates it"
    ): "프롬프트를 얼마나 강하게 따를지 정합니다(분류기 없는 가이던스). 1은 모델이 학습한 대로이고, 클수록 과장합니다",
    "Guidance End": "가이던스 끝값",
    (
        "Guidance at the end of the run, reached in equal steps; a lower one than at the start leaves edges smoother. "
        "0: the same all along"
    ): "실행이 끝날 때의 가이던스로, 고른 간격으로 다가갑니다. 시작보다 낮으면 가장자리가 더 매끄러워집니다. 0: 처음과 같음",
    "Guidance Sigma Min": "가이던스 최소 시그마",
    (
        "Noise level below which views have no guidance, and so cost one call of the network instead of two. "
        "0: no limit"
    ): "이 노이즈 수준보다 낮은 시점에는 가이던스를 주지 않아, 신경망을 두 번이 아니라 한 번 부릅니다. 0: 제한 없음",
    "Guidance Sigma Max": "가이던스 최대 시그마",
    (
        "Noise level above which views have no guidance, and so cost one call of the network instead of two. "
        "0: no limit"
    ): "이 노이즈 수준보다 높은 시점에는 가이던스를 주지 않아, 신경망을 두 번이 아니라 한 번 부릅니다. 0: 제한 없음",
    "Distilled": "증류된 가이던스",
    (
        "Call the network once per view instead of twice, if the model has an adapter for this guidance scale and "
        "no negative prompt, rescale, Perp-Neg, LoRA or changing guidance needs both calls"
    ): "모델에 이 가이던스 세기의 어댑터가 있고 부정 프롬프트, 재조정, Perp-Neg, LoRA, 변하는 가이던스가 두 번의 호출을 요구하지 않으면 시점마다 신경망을 두 번이 아니라 한 번 부릅니다",
    "Variance Reduction": "분산 감소",
    (
        "Make the score less noisy by subtracting the clean render (the paper's Eq. 16); off subtracts the noised "
        "one (Eq. 15)"
    ): "깨끗한 렌더를 빼서 스코어의 노이즈를 줄입니다(논문의 식 16). 끄면 노이즈를 더한 렌더를 뺍니다(식 15)",
    "Score Weight": "스코어 가중치",
    (
        "Factor on the denoiser's correction: 1 leaves it as it is, 1/sigma is the released code's, 1/sigma^2 the "
        "paper's, sigma/(1+sigma^2) that of score distillation, and 1/mean makes every view pull alike"
    ): "디노이저의 보정에 곱하는 값: 1은 그대로, 1/sigma는 공개 코드, 1/sigma^2는 논문, sigma/(1+sigma^2)는 스코어 증류의 값이고, 1/mean은 모든 시점이 똑같은 세기로 끌게 합니다",
    "View Words": "시점 단어",
    (
        "How the prompt says where the camera stands: fine names angles, as the embedded model learned them, paper "
        "says front, side, backside or overhead, and none says nothing"
    ): "프롬프트가 카메라의 위치를 말하는 방법: 세밀하게는 내장 모델이 배운 대로 각도를, 논문은 앞, 옆, 뒤, 위를 말하고, 없음은 아무것도 말하지 않습니다",
    "Fine": "세밀하게",
    "None": "없음",
    "Shared Noise": "공유 노이즈",
    "Use the same noise for all views of a step, instead of separate noise for each":
        "한 스텝의 모든 시점에 따로따로가 아니라 같은 노이즈를 씁니다",
    "Guidance Rescale": "가이던스 재조정",
    "How much of the contrast that guidance adds to take back; raise it if colors become too harsh at high guidance":
        "가이던스가 더한 대비를 얼마나 되돌릴지 정합니다. 가이던스가 높아 색이 너무 강하면 올리세요",
    "Perpendicular Negatives": "수직 네거티브",
    (
        "How strongly to keep each view from looking like the front or the side (Perp-Neg); try 1 if backs look "
        "like fronts, at one or two more calls of the network per view. 0: off"
    ): "각 시점이 앞이나 옆처럼 보이지 않게 하는 세기(Perp-Neg). 뒤가 앞처럼 보이면 1을 써 보세요. 시점마다 신경망을 한두 번 더 부릅니다. 0: 끔",
    "Score Clip": "스코어 제한",
    "Limit on every element of the score; set one if a run at high guidance becomes unstable. 0: no limit":
        "스코어의 각 원소에 두는 한계. 높은 가이던스에서 실행이 불안정하면 정하세요. 0: 제한 없음",
    "Score Clip End": "스코어 제한 끝값",
    (
        "Limit on the score at the end of the run, reached in equal steps; a higher one than at the start leaves "
        "details for later. 0: the same all along"
    ): "실행이 끝날 때 스코어의 한계로, 고른 간격으로 다가갑니다. 시작보다 높으면 세부가 나중에 생깁니다. 0: 처음과 같음",
    # noise
    "Noise Source": "노이즈 출처",
    (
        "Where a view's noise comes from: random draws it anew, inverted asks the model for the render's own noise, "
        "surface fixes it to the object so that views agree"
    ): "시점의 노이즈가 오는 곳: 무작위는 새로 뽑고, 역산은 렌더 자체의 노이즈를 모델에 묻고, 표면은 물체에 고정해 시점들이 일치하게 합니다",
    "Inverted": "역산",
    "Surface": "표면",
    "Inversion Rungs": "역산 단계",
    (
        "Steps from the render up to the noise level if the noise is inverted; each costs another call of the network"
    ): "노이즈를 역산할 때 렌더에서 노이즈 수준까지의 걸음 수. 하나마다 신경망을 한 번 더 부릅니다",
    "Whole Flow": "전체 흐름",
    (
        "Denoise down the same steps if the noise is inverted, instead of in one; each costs another call of the "
        "network"
    ): "노이즈를 역산할 때 한 번이 아니라 같은 걸음으로 내려오며 노이즈를 없앱니다. 하나마다 신경망을 한 번 더 부릅니다",
    "Sigma Schedule": "시그마 스케줄",
    (
        "How the noise level is chosen: annealed lowers it over the run, dreamtime does and stays longest at middle "
        "levels, falling draws it from a range that falls, as MVDream does, and uniform draws it at random, as the "
        "released code does"
    ): "노이즈 수준을 고르는 방법: 점점 낮게는 진행하며 낮추고, DreamTime은 낮추면서 중간 수준에 가장 오래 머물며, 낮아지는 범위는 MVDream처럼 낮아지는 범위에서 무작위로 고르고, 고르게는 공개 코드처럼 무작위로 고릅니다",
    "DreamTime": "DreamTime",
    "Falling": "낮아지는 범위",
    "Uniform": "고르게",
    "Annealed": "점점 낮게",
    "Sigma Max": "최대 시그마",
    "Highest noise level; much noise shapes the object as a whole. 0: the model's":
        "가장 높은 노이즈 수준. 노이즈가 많으면 물체의 큰 형태를 만듭니다. 0: 모델의 값",
    "Sigma Min": "최소 시그마",
    "Lowest noise level; little noise refines details. 0: the model's":
        "가장 낮은 노이즈 수준. 노이즈가 적으면 세부를 다듬습니다. 0: 모델의 값",
    "Sigma Jitter": "시그마 흔들림",
    (
        "Random spread around the annealed noise level: at 1 a level can be up to e times higher or lower, at 0 "
        "there is none"
    ): "낮아지는 노이즈 수준 주위의 무작위 폭: 1이면 최대 e배 높거나 낮을 수 있고, 0이면 퍼지지 않습니다",
    # field
    "Grid": "격자",
    "Number of voxels along each edge of the volume; more can show finer detail and take more memory and time":
        "볼륨 한 변의 복셀 수. 많으면 더 세밀해질 수 있지만 메모리와 시간이 더 듭니다",
    "Coarse to Fine": "거친 것에서 촘촘하게",
    (
        "How many times the grid doubles on its way to full size in the first half of the run; 0 uses the full grid "
        "from the start"
    ): "실행의 앞쪽 절반에서 격자가 완전한 크기가 되기까지 두 배로 늘어나는 횟수. 0이면 처음부터 완전한 격자입니다",
    "Render Size": "렌더 크기",
    (
        "Edge of the rendered image, which is then resized for the model; a smaller one is faster and shows less "
        "detail (pixels). 0: the model's"
    ): "렌더 이미지의 한 변. 그 뒤 모델에 맞게 크기를 바꿉니다. 작으면 빠르지만 덜 세밀합니다 (픽셀). 0: 모델의 값",
    "Lamp": "조명",
    (
        "Share of the views that are lit by a lamp which the prompt then names, so that hollows show; only for models "
        "that have learned such words"
    ): "프롬프트가 말하는 조명을 비추는 시점의 비율. 움푹한 곳이 드러납니다. 그런 낱말을 배운 모델에만 씁니다",
    "Rays per Pixel": "픽셀당 광선",
    (
        "Rays through each pixel of the rendered image, which shows their mean; more make borders as soft as in the "
        "pictures that a model learned from, and take longer"
    ): "렌더 이미지의 픽셀마다 지나는 광선의 수. 픽셀은 그 평균을 보입니다. 많으면 경계가 모델이 배운 그림처럼 부드럽고 더 오래 걸립니다",
    "Ray Step": "광선 간격",
    "Distance between the samples along a ray; smaller steps are more exact and slower (voxels)":
        "광선 위 샘플 사이의 거리. 작을수록 정확하고 느립니다 (복셀)",
    "Density Shift": "밀도 이동",
    "Value added to the density before the softplus; a higher one starts the run with a denser volume":
        "softplus 앞에서 밀도에 더하는 값. 높으면 더 짙은 볼륨에서 시작합니다",
    "Starting Shape": "시작 형태",
    (
        "What the run starts from: blob is a soft ball in the center, fog an even fog everywhere, as in the "
        "released code"
    ): "실행의 출발점: 부드러운 공은 가운데에 있고, 안개는 공개 코드처럼 어디나 고릅니다",
    "Fog": "안개",
    "Soft Ball": "부드러운 공",
    "Color Spread": "색 분산",
    "Random spread of the raw colors at the start; the released code uses 1":
        "시작할 때 원시 색의 무작위로 퍼진 정도. 공개 코드는 1을 씁니다",
    "Background": "배경",
    (
        "What is behind the volume: random takes a new color for each view, fixed always the same one, and "
        "learned a texture that is optimized too, as in the released code"
    ): "볼륨의 뒤에 있는 것: 무작위는 시점마다 새로운 색, 고정은 늘 같은 색, 학습은 공개 코드처럼 함께 최적화하는 텍스처입니다",
    "Learned": "학습",
    "Random": "무작위",
    "Fixed": "고정",
    "Background Color": "배경색",
    "Color of the fixed background, as red, green and blue (sRGB)": "고정 배경의 색: 빨강, 초록, 파랑 (sRGB)",
    # camera
    "Radius": "거리",
    "Distance of the camera from the center of the volume, which is 2 wide; farther away, the object looks smaller":
        "볼륨(너비 2)의 중심에서 카메라까지의 거리. 멀수록 물체가 작게 보입니다",
    "Framing": "화면 너비",
    (
        "Half the width of what an image shows at the center of the volume, which is 2 wide: the camera then stands as "
        "far away as its field of view needs, instead of at the radius. 0: the radius"
    ): "볼륨(너비 2)의 중심에서 이미지에 보이는 너비의 절반. 카메라는 거리 대신 시야각에 필요한 만큼 떨어집니다. 0: 거리를 씀",
    "FOV Min": "최소 시야각",
    "Narrowest horizontal field of view; each view draws its own between this and the widest (degrees)":
        "가장 좁은 가로 시야각. 시점마다 이 값과 가장 넓은 값 사이에서 무작위로 고릅니다 (도)",
    "FOV Max": "최대 시야각",
    "Widest horizontal field of view; each view draws its own between the narrowest and this (degrees)":
        "가장 넓은 가로 시야각. 시점마다 가장 좁은 값과 이 값 사이에서 무작위로 고릅니다 (도)",
    "Elevation Min": "최소 고도",
    (
        "Lowest position of the camera, as an angle from the horizon; raise it if the object need not look right "
        "from below (degrees)"
    ): "카메라의 가장 낮은 위치, 수평선에서 잰 각. 아래에서 본 모습이 중요하지 않으면 올리세요 (도)",
    "Elevation Max": "최대 고도",
    "Highest position of the camera, as an angle from the horizon; 90 looks straight down (degrees)":
        "카메라의 가장 높은 위치, 수평선에서 잰 각. 90이면 똑바로 내려다봅니다 (도)",
    # optimizer
    "Optimizer": "최적화기",
    "The optimizer of the volume: adam, or adamax, as in the released code":
        "볼륨의 최적화기: Adam 또는 공개 코드의 AdaMax",
    "Learning Rate": "학습률",
    "Step size for density, color and density scale; a higher one changes the volume faster and less steadily":
        "밀도, 색, 밀도 배율의 걸음 크기. 클수록 볼륨이 빠르게, 덜 안정되게 바뀝니다",
    "Learning Rate End": "마지막 학습률",
    "Fraction of the learning rate that is left at the end of the run; 1 keeps it constant":
        "실행이 끝날 때 남는 학습률의 비율. 1이면 그대로입니다",
    "Color Rate": "색 학습률 비율",
    (
        "Step size for color as a fraction of the learning rate; a lower one keeps colors steady where the shape takes "
        "large steps"
    ): "색의 걸음 크기를 학습률의 비율로 정합니다. 낮으면 형태가 크게 움직일 때도 색이 안정됩니다",
    "Background Learning Rate": "배경 학습률",
    "Step size for the learned background; other backgrounds do not use it": "학습하는 배경의 걸음 크기. 다른 배경은 쓰지 않습니다",
    # regularizers
    "Emptiness Weight": "빈 공간 가중치",
    "How strongly to keep space empty; raise it if fog stays around the object, lower it if thin parts vanish":
        "공간을 비워 두는 세기. 물체 둘레에 안개가 남으면 올리고, 얇은 부분이 사라지면 내리세요",
    "Emptiness Multiplier": "빈 공간 배수",
    "Factor on the emptiness weight in the later part of the run; raise it if fog is left at the end":
        "실행의 뒷부분에서 빈 공간 가중치에 곱하는 값. 끝에 안개가 남으면 올리세요",
    "Emptiness Switch": "빈 공간 전환",
    "When the emptiness multiplier sets in, as a fraction of the run": "빈 공간 배수가 적용되는 때(전체에 대한 비율)",
    "Emptiness Beta": "빈 공간 베타",
    "Sharpness of the emptiness term log(1 + beta w); a higher one clears thin fog more strongly":
        "빈 공간 항 log(1 + beta w)의 날카로움. 높으면 옅은 안개를 더 강하게 지웁니다",
    "Center Depth Weight": "중심 깊이 가중치",
    "How strongly to pull the middle of the image towards the camera; try 10 if results are flat":
        "이미지 가운데를 카메라 쪽으로 당기는 세기. 결과가 납작하면 10을 써 보세요",
    "Center Depth Ratio": "중심 깊이 비율",
    "Edge of the middle that is pulled towards the camera, as a fraction of the image":
        "카메라 쪽으로 당기는 가운데 영역 한 변의 이미지에 대한 비율",
    "TV Weight": "TV 가중치",
    "How strongly to make neighboring voxels alike (total variation); raise it for a smoother object":
        "이웃한 복셀을 비슷하게 만드는 세기(전변동). 더 매끄러운 물체를 원하면 올리세요",
    "Carving Weight": "깎아내기 가중치",
    "Opacity Entropy Weight": "불투명도 엔트로피 가중치",
    (
        "How strongly to clear opaque space that the model wants clearer, falling to 0 over the run; raise it if "
        "shapes come out too fat"
    ): "모델이 더 투명하기를 바라는 불투명한 공간을 비우는 세기. 형태가 너무 뚱뚱하면 올리세요. 실행 동안 0으로 줄어듭니다",
    "How strongly to make every pixel either clear or solid; raise it if the object stays see-through":
        "모든 픽셀을 투명하거나 불투명하게 만드는 세기. 물체가 비쳐 보이면 올리세요",
    # output
    "Checkpoint Every": "체크포인트 간격",
    "Steps between checkpoints, from which an interrupted run can be resumed. 0: automatic":
        "중단된 실행을 이어서 할 수 있는 체크포인트 사이의 스텝 수. 0: 자동",
    "Snapshot Every": "스냅숏 간격",
    "Steps between the snapshots that the preview shows; fewer show the growth more smoothly. 0: automatic":
        "미리 보기에 쓰는 스냅숏 사이의 스텝 수. 적을수록 자라는 모습이 매끄럽게 보입니다. 0: 자동",
    "Mesh Threshold": "메쉬 임계값",
    (
        "Density at which the mesh is cut out of the volume; a higher one gives a slimmer mesh (per unit length). "
        "0: automatic"
    ): "볼륨에서 메쉬를 잘라 내는 밀도. 높을수록 메쉬가 홀쭉해집니다 (단위 길이당). 0: 자동",
    "Mesh Faces": "메쉬 면",
    "Number of faces to reduce the mesh to, if it is to be lighter. 0: no reduction":
        "메쉬를 가볍게 할 때 줄일 면의 수. 0: 줄이지 않음",
    "Texture Size": "텍스처 크기",
    "Edge of the mesh's texture; set one for meshes with few faces (texels). 0: vertex colors only":
        "메쉬 텍스처의 한 변. 면이 적은 메쉬에 정하세요 (텍셀). 0: 꼭짓점 색만",
    "RGB Grid": "RGB 그리드",
    "Fit the volume's colors to decoded views at the end; only latent models need it":
        "끝에 볼륨의 색을 디코딩한 뷰에 맞춥니다. 잠재 모델에만 필요합니다",
    "Turntable": "턴테이블",
    "Render a turntable video at the end; switch it off to save time": "끝에 턴테이블 영상을 렌더합니다. 시간을 아끼려면 끄세요",
    "Overwrite": "덮어쓰기",
    "Replace a finished result in the same folder instead of refusing to start":
        "같은 폴더에 완성된 결과가 있으면 시작을 거부하지 않고 바꿉니다",
    # groups
    "Job": "작업",
    "Noise": "노이즈",
    "Field": "필드",
    "Camera": "카메라",
    "Regularizers": "정칙화",
    "Output": "출력",
}  # fmt: skip
