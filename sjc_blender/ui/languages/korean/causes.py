"""Korean: what failures on this computer mean, and what to do about them (the engine's `causes`)."""

CAUSES = {
    "The computer or its graphics card ran out of memory.": "컴퓨터나 그래픽 카드의 메모리가 부족합니다.",
    "Close other programs or use Free GPU Memory, then press Retry to continue from the last checkpoint. If that is not "
    "enough, use Edit Settings to lower Grid or Views per Step or to choose a smaller model, and generate again.":
        "다른 프로그램을 닫거나 GPU 메모리 비우기를 쓴 뒤 다시 시도를 누르면 마지막 체크포인트부터 계속합니다. 그래도 모자라면 설정 고치기로 격자나 스텝당 시점을 줄이거나 더 작은 모델을 골라 다시 생성하세요.",
    "Windows' paging file is too small.": "Windows의 페이징 파일이 너무 작습니다.",
    "Close other programs, or let Windows manage the paging file's size (System > About > Advanced system settings > "
    "Performance > Advanced > Virtual memory), then press Retry.":
        "다른 프로그램을 닫거나, 페이징 파일 크기를 Windows가 관리하게 한 뒤 (시스템 > 정보 > 고급 시스템 설정 > 성능 > 고급 > 가상 메모리) 다시 시도를 누르세요.",
    "The disk is full.": "디스크가 가득 찼습니다.",
    "Free some disk space, then press Retry to continue from the last checkpoint; or choose another output folder and generate again.":
        "디스크 공간을 비운 뒤 다시 시도를 누르면 마지막 체크포인트부터 계속합니다. 또는 다른 출력 폴더를 골라 다시 생성하세요.",
    "The NVIDIA driver is too old for the installed PyTorch, or does not work.":
        "NVIDIA 드라이버가 설치된 PyTorch에 비해 너무 오래되었거나 작동하지 않습니다.",
    "Update the driver from NVIDIA's page and restart the computer; or press Install Backend and choose an older NVIDIA "
    "build of PyTorch, such as CU126.":
        "NVIDIA 페이지에서 드라이버를 업데이트하고 컴퓨터를 다시 시작하세요. 또는 백엔드 설치를 눌러 CU126처럼 더 오래된 NVIDIA용 PyTorch 빌드를 고르세요.",
    "The installed PyTorch has no kernels for this graphics card.": "설치된 PyTorch에는 이 그래픽 카드용 커널이 없습니다.",
    "Press Install Backend to get the build of PyTorch that fits the card (choose it there, or leave Automatic); or set "
    "Device to cpu, which is slow.":
        "백엔드 설치를 눌러 카드에 맞는 PyTorch 빌드를 받으세요 (거기서 고르거나 자동으로 두세요). 또는 장치를 cpu로 바꾸세요. 느립니다.",
    "Windows lacks a library that PyTorch needs: Microsoft's Visual C++ Redistributable.":
        "PyTorch에 필요한 라이브러리가 Windows에 없습니다: Microsoft Visual C++ 재배포 가능 패키지.",
    "Press Get Visual C++, install it, restart Blender, and press Retry.":
        "Visual C++ 받기를 눌러 설치하고, Blender를 다시 시작한 뒤 다시 시도를 누르세요.",
    "This computer's processor lacks instructions that the installed packages need.":
        "이 컴퓨터의 프로세서에는 설치된 패키지에 필요한 명령어가 없습니다.",
    "Use a computer with a newer processor (one with AVX2); or build the packages for this one in an environment of "
    "your own, and press Use Existing Python.":
        "더 새로운 프로세서(AVX2 지원)가 있는 컴퓨터를 쓰세요. 또는 이 컴퓨터에 맞게 패키지를 직접 빌드한 환경을 만들고 기존 Python 사용을 누르세요.",
    "This Python cannot make environments: its module venv or ensurepip is missing.":
        "이 Python은 환경을 만들 수 없습니다. venv나 ensurepip 모듈이 없습니다.",
    "Install it in a terminal (Debian, Ubuntu: sudo apt install python3-venv), or let Install Backend use another "
    "Python, then press Install Backend again.":
        "터미널에서 설치하거나 (Debian, Ubuntu: sudo apt install python3-venv) 백엔드 설치에서 다른 Python을 고른 뒤, 백엔드 설치를 다시 누르세요.",
    "A proxy in your network answers with a certificate of its own, which this program does not trust.":
        "네트워크의 프록시가 자체 인증서로 응답하는데, 이 프로그램은 그 인증서를 신뢰하지 않습니다.",
    "Ask whoever runs the network for its certificate file, set the environment variables SSL_CERT_FILE and "
    "REQUESTS_CA_BUNDLE to its path, restart Blender, and try again.":
        "네트워크 관리자에게 인증서 파일을 받아 환경 변수 SSL_CERT_FILE과 REQUESTS_CA_BUNDLE을 그 경로로 정하고, Blender를 다시 시작한 뒤 다시 시도하세요.",
    "Close other programs, then press Install Backend again.": "다른 프로그램을 닫은 뒤 백엔드 설치를 다시 누르세요.",
    "Free some disk space, 2 GB without and 8 GB with a graphics card, then press Install Backend again: what was "
    "downloaded is used.":
        "디스크 공간을 그래픽 카드가 없으면 2 GB, 있으면 8 GB 비운 뒤 백엔드 설치를 다시 누르세요. 내려받은 것은 다시 씁니다.",
    "Press Get Visual C++, install it, then press Install Backend again.": "Visual C++ 받기를 눌러 설치한 뒤 백엔드 설치를 다시 누르세요.",
    "There are only {} GB free in {}.": "남은 공간이 {} GB뿐입니다: {}.",
    "Copy Report": "보고서 복사",
    "Copy versions, settings and the last lines of the log to the clipboard, to report a bug with":
        "버그를 알릴 때 쓸 버전, 설정, 로그의 마지막 줄을 클립보드에 복사합니다",
    "Include the Prompt": "프롬프트 포함",
    "Leave the prompt and the negative prompt in the report": "보고서에 프롬프트와 네거티브 프롬프트를 남겨 둡니다",
    "Include Paths": "경로 포함",
    "Leave the names of folders on this computer in the report": "보고서에 이 컴퓨터의 폴더 이름을 남겨 둡니다",
    "Get Driver": "드라이버 받기",
    "Get Visual C++": "Visual C++ 받기",
}  # fmt: skip
