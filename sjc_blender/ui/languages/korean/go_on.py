"""Korean: going on from a result, and reference pictures."""

GO_ON = {
    # settings
    "Picture": "참조 그림",
    (
        "Reference pictures that the object shall look like, as FILE@VIEW with commas between them; a view is front, "
        "right, back, left, top, bottom, or azimuth,elevation in degrees"
    ): "물체가 닮아야 할 참조 그림. FILE@VIEW를 쉼표로 이어 씁니다. 시점은 front, right, back, left, top, bottom 또는 도 단위의 방위각,고도입니다",
    "Picture Weight": "그림 가중치",
    (
        "How strongly to pull the colors seen from a picture's camera towards the picture; at 1 as strongly as one "
        "view's score"
    ): "그림의 카메라에서 본 색을 그림 쪽으로 얼마나 세게 끌지 정합니다. 1이면 한 시점의 스코어만큼 셉니다",
    "Picture Mask Weight": "그림 윤곽 가중치",
    "How strongly to pull the outline seen from a picture's camera towards the picture's":
        "그림의 카메라에서 본 윤곽을 그림의 윤곽 쪽으로 얼마나 세게 끌지 정합니다",
    "Picture Every": "그림 간격",
    (
        "Steps from one look at a picture to the next, in turn if there are several; each costs a render of one more "
        "view (steps)"
    ): "그림을 한 번 보고 다음에 볼 때까지의 스텝 수. 여럿이면 돌아가며 봅니다. 볼 때마다 시점 하나를 더 렌더링합니다 (스텝)",
    "Picture Recolor": "그림 색 옮기기",
    (
        "Carry the pictures' colors to the sides that no picture shows, by the map of colors that fits best; only for "
        "models that work in pixels"
    ): "가장 잘 맞는 색 변환으로 그림의 색을 그림에 없는 쪽에도 옮깁니다. 픽셀에서 작동하는 모델에만 쓰입니다",
    "Parent": "부모",
    "Name of the job folder whose result this job goes on from": "이 작업이 이어받은 결과의 작업 폴더 이름",
    "Start Noise": "시작 노이즈",
    (
        "How far up from the lowest noise level the run begins, where the level falls over the run; a lower one keeps "
        "more of what the run starts from"
    ): "노이즈가 줄어드는 실행에서 가장 낮은 수준부터 얼마나 위에서 시작할지 정합니다. 낮을수록 시작한 것을 더 많이 남깁니다",
    "Density Rate": "밀도 비율",
    (
        "Step size for density as a fraction of the learning rate; a lower one holds the shape while colors change, "
        "and 0 fixes it"
    ): "학습률에 대한 밀도의 스텝 크기. 낮으면 색이 바뀌는 동안 형태를 지키고, 0이면 고정합니다",
    # buttons
    "Refine this result in a new job: more steps at low noise, on a finer grid if you like":
        "새 작업에서 이 결과를 다듬습니다. 낮은 노이즈로 스텝을 더하고, 원하면 더 촘촘한 격자를 씁니다",
    "Number of optimization steps": "최적화 스텝 수",
    "Number of voxels along each edge of the volume; 0 keeps the result's":
        "볼륨 한 변의 복셀 수. 0이면 결과의 것을 그대로 씁니다",
    "Change Words": "낱말 바꾸기",
    "Give this result other words in a new job: its colors follow them, and its shape is held":
        "새 작업에서 이 결과에 다른 낱말을 줍니다. 색은 낱말을 따르고 형태는 지킵니다",
    "Shape Change": "형태 변화",
    "How much the shape may change: 0 fixes it, 1 lets it change as in a new job":
        "형태가 얼마나 바뀌어도 되는지 정합니다. 0이면 고정하고, 1이면 새 작업처럼 바뀝니다",
    "How far up from the lowest noise level to begin; more changes more":
        "가장 낮은 노이즈 수준부터 얼마나 위에서 시작할지 정합니다. 클수록 많이 바뀝니다",
    "Select a mesh made by this add-on, or choose a result in History.":
        "이 애드온이 만든 메쉬를 선택하거나 기록에서 결과를 고르세요.",
    "Type the new words first.": "먼저 새 낱말을 적으세요.",
    "These are the result's own words; change them, or use Refine.":
        "결과가 이미 가진 낱말입니다. 낱말을 바꾸거나 다듬기를 쓰세요.",
    "preset: a job that goes on has its parent's settings; change single ones instead.":
        "preset: 이어 가는 작업은 부모의 설정을 씁니다. 설정을 하나씩 바꾸세요.",
    "{} is not finished; finish it with Retry or Resume first.":
        "{} 은(는) 끝나지 않았습니다. 먼저 다시 시도나 계속으로 끝내세요.",
    "{} has no {}, which holds the finished field; generate it again to go on from it.":
        "{} 에 완성된 필드가 든 {} 이(가) 없습니다. 이어 가려면 다시 생성하세요.",
    "{} is at work; wait until the job has ended there.": "{} 에서 작업이 진행 중입니다. 끝날 때까지 기다리세요.",
    "parent: {} is not the name of a job folder.": "parent: {} 은(는) 작업 폴더의 이름이 아닙니다.",
    "The field to start from holds numbers that are not finite; start from another result.":
        "시작할 필드에 유한하지 않은 수가 있습니다. 다른 결과에서 시작하세요.",
    (
        "The result to start from holds colors of {} channels ({}), and the model works with {} ({}); use the model "
        "that it was made with."
    ): "시작할 결과의 색은 채널 {}개({})인데 모델은 {}개({})로 작동합니다. 결과를 만든 모델을 쓰세요.",
    "The field to start from cannot be read: {}. Start from another result.":
        "시작할 필드를 읽을 수 없습니다: {}. 다른 결과에서 시작하세요.",
    # reference pictures
    "Add Picture": "그림 추가",
    "Add a reference picture that the object shall look like": "물체가 닮아야 할 참조 그림을 추가합니다",
    "Remove Picture": "그림 제거",
    "Remove this reference picture; its image stays in the file": "이 참조 그림을 뺍니다. 이미지는 파일에 남습니다",
    "Image": "이미지",
    "A picture of the object, cut out or before one plain color": "오려 냈거나 단색 배경 앞에 있는 물체의 그림",
    "View": "시점",
    "Where the picture was taken from": "그림을 찍은 방향",
    "The camera that took the picture": "그림을 찍은 카메라",
    "Front": "앞",
    "From the front of the object, where the camera of Blender's front view stands":
        "물체의 앞에서. 블렌더 앞 보기의 카메라가 있는 곳입니다",
    "Right": "오른쪽",
    "From its right side": "오른쪽에서",
    "Back": "뒤",
    "From behind": "뒤에서",
    "Left": "왼쪽",
    "From its left side": "왼쪽에서",
    "Top": "위",
    "From above": "위에서",
    "Bottom": "아래",
    "From below": "아래에서",
    "From where a camera object stands that looks at the place of the object":
        "물체가 설 자리를 보는 카메라 오브젝트가 있는 곳에서",
    "{} is no camera; choose a camera object.": "{} 은(는) 카메라가 아닙니다. 카메라 오브젝트를 고르세요.",
    "The camera {} is not a perspective one; switch it to Perspective.":
        "카메라 {} 은(는) 원근 카메라가 아닙니다. 원근으로 바꾸세요.",
    "The camera {} stands where the object will be; move it back.":
        "카메라 {} 이(가) 물체가 설 자리에 있습니다. 뒤로 옮기세요.",
    (
        "The camera {} does not look straight and upright at the place where the object will stand; point it there, "
        "or choose another view."
    ): "카메라 {} 이(가) 물체가 설 자리를 똑바로 보지 않습니다. 그쪽으로 돌리거나 다른 시점을 고르세요.",
    "The image {} has no pixels; load it again or choose another.":
        "이미지 {} 에 픽셀이 없습니다. 다시 읽거나 다른 것을 고르세요.",
    "The image {} cannot be written to {}: {}": "이미지 {} 을(를) {} 에 쓸 수 없습니다: {}",
    "Reference picture {} has no image; choose one, or remove the picture.":
        "참조 그림 {} 에 이미지가 없습니다. 이미지를 고르거나 그림을 빼세요.",
    "Reference picture {} has no camera; choose one, or another view.":
        "참조 그림 {} 에 카메라가 없습니다. 카메라나 다른 시점을 고르세요.",
    "picture: {} shows no object: all of it is background.": "picture: {} 에 물체가 없습니다. 모두 배경입니다.",
    "picture: {} has {} x {} pixels; use at least {} x {}.": "picture: {} 은(는) {} x {} 픽셀입니다. {} x {} 이상을 쓰세요.",
    "picture: {} has {} x {} pixels; use at most {} an edge.":
        "picture: {} 은(는) {} x {} 픽셀입니다. 한 변이 {} 이하인 것을 쓰세요.",
    (
        "picture: {} has neither transparency nor a plain background, so nobody can tell what the object is; cut it "
        "out, or take it before one color."
    ): "picture: {} 에 투명도도 단색 배경도 없어 무엇이 물체인지 알 수 없습니다. 물체를 오려 내거나 단색 앞에서 찍으세요.",
    "picture: {} does not exist.": "picture: {} 이(가) 없습니다.",
    "picture: {} is not a picture; use {}.": "picture: {} 은(는) 그림이 아닙니다. {} 을(를) 쓰세요.",
    "picture: {} has too many pixels; use at most {} an edge.":
        "picture: {} 의 픽셀이 너무 많습니다. 한 변이 {} 이하인 것을 쓰세요.",
    "picture: {} is damaged ({}).": "picture: {} 이(가) 손상되었습니다({}).",
    "picture: {} pictures are too many; give at most {}.": "picture: 그림 {}개는 너무 많습니다. {}개까지 쓰세요.",
    'picture: {} has the view "{}"; use one of {}, or two angles.':
        'picture: {} 의 시점이 "{}" 입니다. {} 가운데 하나나 두 각도를 쓰세요.',
    "picture: {} has a view of {} numbers; give azimuth and elevation, or these with distance and field of view.":
        "picture: {} 의 시점에 수가 {}개입니다. 방위각과 고도를, 또는 거리와 시야각까지 쓰세요.",
    (
        'picture: "{}" is no picture with a view; write FILE@front, or FILE@30,20 for azimuth and elevation in degrees.'
    ): 'picture: "{}" 은(는) 시점이 있는 그림이 아닙니다. FILE@front 또는 도 단위의 방위각과 고도로 FILE@30,20처럼 쓰세요.',
    "picture: {} has the {} {}; use {} to {}.": "picture: {} 의 {} 값이 {} 입니다. {} 에서 {} 까지 쓰세요.",
}  # fmt: skip
