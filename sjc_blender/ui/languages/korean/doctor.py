"""Korean: what the doctor says of this computer, a sentence each."""

DOCTOR = {
    # names of the checks
    "Memory": "메모리",
    "Disk": "디스크",
    # the backend
    "No Python is chosen for the backend; install the backend, or choose one in the preferences.":
        "백엔드에 쓸 Python을 고르지 않았습니다. 백엔드를 설치하거나 환경 설정에서 고르세요.",
    "the environment is gone from the disk: install it again": "환경이 디스크에서 사라졌습니다. 다시 설치하세요",
    "not asked yet: Check says more": "아직 확인하지 않았습니다. 확인을 누르면 알 수 있습니다",
    "did not answer within {} s": "{} 초 안에 응답하지 않았습니다",
    "does not start: {}": "시작되지 않습니다: {}",
    "cannot run the backend: {}": "백엔드를 실행할 수 없습니다: {}",
    "Press Install Backend to install it again.": "백엔드 설치를 눌러 다시 설치하세요.",
    # libraries
    "Python 3.11 or newer is needed.": "Python 3.11 이상이 필요합니다.",
    "2.11 or newer is needed: press Install Backend.": "2.11 이상이 필요합니다. 백엔드 설치를 누르세요.",
    "reference, which is slow.": "기준 렌더러. 느립니다.",
    "ONNX Runtime {}": "ONNX Runtime {}",
    "torch, which is slower for the embedded model on a CPU.": "torch. CPU에서 내장 모델을 실행할 때 더 느립니다.",
    "Install Backend adds ONNX Runtime.": "백엔드 설치를 누르면 ONNX Runtime이 추가됩니다.",
    # memory, disk, model
    "{} GiB free": "{} GiB 남음",
    "{} GiB free; {} are needed: close other programs.": "{} GiB 남음. {} GiB가 필요하니 다른 프로그램을 닫으세요.",
    "free memory unknown on this system": "이 시스템에서는 남은 메모리를 알 수 없습니다",
    "{} GiB free in {}": "{} GiB 남음: {}",
    "{} GiB free in {}; make room there.": "{} GiB 남음: {}. 그곳의 자리를 비우세요.",
    "embedded, {} MiB": "내장, {} MiB",
    # graphics cards
    "{} ({}) is not among the graphics cards that torch {} has kernels for: {}.":
        "{} ({}) 은(는) torch {} 에 커널이 있는 그래픽 카드가 아닙니다. 커널이 있는 카드: {}.",
    "{} is here, but torch {} is a CPU build.": "{} 이(가) 있지만 torch {} 은(는) CPU용 빌드입니다.",
    "Press Install Backend and leave Automatic, which chooses the build that fits the card.":
        "백엔드 설치를 누르고 자동으로 두면 카드에 맞는 빌드를 고릅니다.",
    "{} is here, but {} does not work with torch {} (CUDA {}): it is too old, or not running.":
        "{} 이(가) 있지만 {} 이(가) torch {} (CUDA {})에서 작동하지 않습니다. 너무 오래되었거나 실행되고 있지 않습니다.",
    "{} is here, and this program does not compute on those.": "{} 이(가) 있지만 이 프로그램은 그런 카드로 계산하지 않습니다.",
    "An Intel graphics card is here, and this program does not compute on those.":
        "Intel 그래픽 카드가 있지만 이 프로그램은 그런 카드로 계산하지 않습니다.",
    "An AMD graphics card is here, but torch {} is no ROCm build.": "AMD 그래픽 카드가 있지만 torch {} 은(는) ROCm용 빌드가 아닙니다.",
    "An AMD graphics card is here; PyTorch uses those on Linux only.":
        "AMD 그래픽 카드가 있지만 PyTorch는 리눅스에서만 그런 카드를 씁니다.",
    "Press Install Backend and choose AMD (ROCm) if the card is one that ROCm supports; else the CPU computes.":
        "ROCm이 지원하는 카드라면 백엔드 설치를 누르고 AMD (ROCm)를 고르세요. 아니면 CPU가 계산합니다.",
    "The CPU computes: the embedded model is made for that, larger models are slow.":
        "CPU가 계산합니다. 내장 모델은 CPU용으로 만들었고, 더 큰 모델은 느립니다.",
    # gated models
    "There is none; only gated models need one.": "없습니다. 접근이 제한된 모델에만 필요합니다.",
    "The hub's own client keeps one.": "허브 프로그램이 보관하고 있습니다.",
    "Only accounts that have accepted their terms may download {}.": "약관에 동의한 계정만 내려받을 수 있는 모델: {}.",
    "Accept them at {} and make a token that may read at {}/settings/tokens.":
        "{} 에서 동의하고 {}/settings/tokens에서 읽기 권한이 있는 토큰을 만드세요.",
    "Then choose the model, press Sign In beside it to give the token, and press Download Model.":
        "그다음 모델을 고르고, 옆의 로그인을 눌러 토큰을 입력한 뒤, 모델 내려받기를 누르세요.",
    "The environment variable {} keeps the hub out of reach; unset it and restart Blender.":
        "환경 변수 {} 때문에 허브에 접속할 수 없습니다. 변수를 없애고 Blender를 다시 시작하세요.",
}  # fmt: skip
