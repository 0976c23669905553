"""Korean: panels, buttons, messages."""

from .korean_backend import BACKEND
from .korean_engine import ENGINE
from .korean_errors import ERRORS
from .korean_settings import SETTINGS

KOREAN = {
    **SETTINGS,
    **ENGINE,
    **ERRORS,
    **BACKEND,
    # panels
    "Text to 3D": "텍스트를 3D로",
    "Text to 3D (SJC)": "텍스트를 3D로 (SJC)",
    "Settings": "설정",
    "Advanced": "고급",
    "Queue": "대기열",
    "History": "기록",
    "Backend": "백엔드",
    "a red mushroom": "a red mushroom",
    "What to keep away from": "피할 것",
    "Step {} of {}": "스텝 {} / {}",
    "Stopped at step {} of {}; Retry goes on from there": "스텝 {} / {}에서 멈췄습니다. 다시 시도하면 거기서 계속합니다",
    "{} left": "{} 남음",
    "The queue is empty": "대기열이 비어 있습니다",
    "The output folder holds no jobs yet": "출력 폴더에 아직 작업이 없습니다",
    "Import": "가져오기",
    "Import Other": "다른 결과 가져오기",
    "Level": "레벨",
    "Export glTF": "glTF 내보내기",
    "Export OBJ": "OBJ 내보내기",
    "Worker: {}": "작업자: {}",
    "starting": "시작하는 중",
    "Settings Presets": "설정 프리셋",
    # stages and states
    "Loading the model": "모델을 읽는 중",
    "Reading the checkpoint": "체크포인트를 읽는 중",
    "Growing": "자라는 중",
    "Making the mesh": "메쉬를 만드는 중",
    "Waiting": "대기 중",
    "Starting": "시작하는 중",
    "Running": "진행 중",
    "Paused": "일시 정지됨",
    "Stopping": "멈추는 중",
    "Finished": "완료",
    "Stopped": "멈춤",
    "Failed": "실패",
    # buttons of the queue
    "Generate": "생성",
    "Grow what the prompt says at the 3D cursor; if something grows already, it waits in the queue":
        "프롬프트의 내용을 3D 커서 자리에서 키웁니다. 이미 자라는 것이 있으면 대기열에서 기다립니다",
    "Type what to make and grow it at the 3D cursor": "만들 것을 적어 3D 커서 자리에서 키웁니다",
    "Pause": "일시 정지",
    "Hold the job after its step; the memory stays taken": "현재 스텝 뒤에 작업을 멈춰 둡니다. 메모리는 계속 차지합니다",
    "Nothing is running": "진행 중인 작업이 없습니다",
    "Resume": "계속",
    "Go on with the paused job": "일시 정지된 작업을 계속합니다",
    "No job is paused": "일시 정지된 작업이 없습니다",
    "Cancel": "취소",
    "Stop the job; what was made stays in its folder, and Retry goes on from there":
        "작업을 멈춥니다. 만든 것은 폴더에 남고, 다시 시도하면 이어서 합니다",
    "Nothing is running or waiting": "진행 중이거나 기다리는 작업이 없습니다",
    "Retry": "다시 시도",
    "Go on with this half-finished job from its last checkpoint": "절반만 끝난 이 작업을 마지막 체크포인트부터 계속합니다",
    "Go on with the stopped or failed job from its last checkpoint": "멈추거나 실패한 작업을 마지막 체크포인트부터 계속합니다",
    "No job has stopped or failed": "멈추거나 실패한 작업이 없습니다",
    "Remove": "제거",
    "Take the job off the list; its folder stays on the disk": "작업을 목록에서 뺍니다. 폴더는 디스크에 남습니다",
    "Move": "이동",
    "Have the job made earlier or later": "작업의 순서를 앞당기거나 미룹니다",
    "Places": "자리 수",
    "Negative: earlier": "음수이면 앞으로",
    "No job waits": "기다리는 작업이 없습니다",
    "Clear Ended Jobs": "끝난 작업 지우기",
    "Take all jobs that have finished, stopped or failed off the list; their folders and objects stay": "완료되거나 멈추거나 실패한 작업을 모두 목록에서 뺍니다. 폴더와 오브젝트는 남습니다",
    "No job has ended": "끝난 작업이 없습니다",
    "Free GPU Memory": "GPU 메모리 비우기",
    "End the worker process, and with it what it holds of the graphics card's memory; a running job ends first, a paused one is stopped and can be taken up again":
        "작업자 프로세스를 끝내 그래픽 카드의 메모리를 비웁니다. 진행 중인 작업이 끝난 뒤에 하며, 일시 정지된 작업은 멈추고 나중에 이어서 할 수 있습니다",
    "The memory is freed when this job ends": "이 작업이 끝나면 메모리를 비웁니다",
    "No worker is running, so no memory is taken": "실행 중인 작업자가 없어 차지한 메모리도 없습니다",
    "Queue from Text": "텍스트에서 대기열로",
    "Queue one job for every line of a text: a prompt, or settings as JSON; lines that begin with # are left out":
        "텍스트의 줄마다 작업을 하나씩 대기열에 넣습니다: 프롬프트 또는 JSON 설정. #으로 시작하는 줄은 건너뜁니다",
    "Write prompts in the Text Editor first, one a line": "먼저 텍스트 에디터에 프롬프트를 한 줄에 하나씩 적으세요",
    "Text": "텍스트",
    "Name of the text datablock": "텍스트 데이터 블록의 이름",
    "{} jobs queued": "작업 {}개를 대기열에 넣었습니다",
    "The text holds no prompts: write one a line.": "텍스트에 프롬프트가 없습니다. 한 줄에 하나씩 적으세요.",
    "Random Seed": "무작위 시드",
    "Another random seed, for another result of the same prompt": "같은 프롬프트로 다른 결과를 얻도록 시드를 무작위로 바꿉니다",
    "Type a prompt first": "먼저 프롬프트를 적으세요",
    "Install the backend first": "먼저 백엔드를 설치하세요",
    "The backend does not work: see Backend below": "백엔드가 작동하지 않습니다. 아래 백엔드 패널을 보세요",
    "Wait until the backend is installed": "백엔드가 설치될 때까지 기다리세요",
    "That job is no longer in the queue.": "그 작업은 더 이상 대기열에 없습니다.",
    "A job of the queue": "대기열의 작업",
    # results
    "Import SJC Result": "SJC 결과 가져오기",
    "SJC Result": "SJC 결과",
    "SJC Result (.sjc)": "SJC 결과 (.sjc)",
    "Bring in a job made elsewhere: its .sjc file or its folder; the mesh, or the newest volume of an unfinished one":
        "다른 곳에서 만든 작업을 .sjc 파일이나 폴더로 가져옵니다: 메쉬, 끝나지 않았으면 가장 새 볼륨",
    "Reuse Settings": "설정 다시 쓰기",
    "Put the prompt, the seed and all settings of this job into the panel": "이 작업의 프롬프트, 시드, 모든 설정을 패널에 넣습니다",
    "Refresh": "새로 고침",
    "Look again which jobs are in the output folder": "출력 폴더에 있는 작업을 다시 찾습니다",
    "Live Surface": "실시간 표면",
    "Add a mesh that follows the selected volume's surface live; its level can be changed at any time":
        "선택한 볼륨의 표면을 실시간으로 따르는 메쉬를 추가합니다. 레벨은 언제든 바꿀 수 있습니다",
    "Density at which the surface lies": "표면이 놓이는 밀도",
    "Select a volume": "볼륨을 선택하세요",
    "Copy": "복사",
    "Copy the message and its details, for a report or a search": "보고하거나 검색할 수 있게 메시지와 자세한 내용을 복사합니다",
    "Open Log": "로그 열기",
    "Open the log of the worker, or of the installation, in the system's own program":
        "작업자 또는 설치의 로그를 시스템 프로그램으로 엽니다",
    "There is no log yet: {}": "아직 로그가 없습니다: {}",
    "Open Folder": "폴더 열기",
    "Open the folder in the system's file browser": "시스템 파일 탐색기로 폴더를 엽니다",
    "There is no such folder: {}": "그런 폴더가 없습니다: {}",
    "Result": "결과",
    "A job in the output folder": "출력 폴더의 작업",
    "Add Settings Preset": "설정 프리셋 추가",
    "Save the settings under a name, or remove a saved one": "설정을 이름을 붙여 저장하거나 저장한 것을 지웁니다",
    # output
    "Size": "크기",
    "Length of the longest side": "가장 긴 변의 길이",
    "Smooth Shading": "스무스 셰이딩",
    "Shade the mesh smooth": "메쉬를 부드럽게 셰이딩합니다",
    "Smooth Surface": "표면 부드럽게",
    "How often to smooth the surface, by a modifier that can be changed later":
        "표면을 부드럽게 하는 횟수. 나중에 바꿀 수 있는 모디파이어로 적용합니다",
    "Material": "재질",
    "Copy beside .blend": ".blend 옆에 복사",
    "When the .blend is saved, bring the files of its volumes into sjc beside it":
        ".blend를 저장할 때 볼륨 파일을 그 옆의 sjc 폴더로 가져옵니다",
    "Decimate": "데시메이트",
    "Fraction of the faces to keep, by a modifier that can be changed later": "남길 면의 비율. 나중에 바꿀 수 있는 모디파이어로 적용합니다",
    "Mark as Asset": "에셋으로 표시",
    "Put the mesh into the Asset Browser, with a picture and tags": "메쉬를 그림, 태그와 함께 에셋 브라우저에 넣습니다",
    "Add a second mesh that follows the volume, with its level as a modifier":
        "볼륨을 따르는 두 번째 메쉬를 추가합니다. 레벨은 모디파이어로 바꿉니다",
    # preferences
    "Output Folder": "출력 폴더",
    "Where job folders go while the .blend is not saved; empty: sjc in your documents":
        ".blend를 저장하지 않았을 때 작업 폴더를 둘 곳. 비워 두면 문서 폴더의 sjc",
    "Python program or environment folder that has the backend's packages; empty: the environment that Install Backend made":
        "백엔드 패키지가 있는 Python 프로그램 또는 환경 폴더. 비워 두면 백엔드 설치로 만든 환경",
    "Where to compute when a scene says auto: auto, cpu, cuda, cuda:1 or mps":
        "씬이 auto일 때 계산할 곳: auto, cpu, cuda, cuda:1 또는 mps",
    "CPU Threads": "CPU 스레드",
    "Threads of the worker. 0: all but one, which is left to Blender": "작업자의 스레드 수. 0: 하나를 Blender에 남기고 모두",
    "Snapshots": "스냅숏",
    "Most snapshots that a job keeps for the timeline": "작업마다 타임라인에 남길 스냅숏의 최대 수",
    "Snapshots on Disk": "디스크의 스냅숏",
    "Most megabytes that a job's snapshots take": "작업마다 스냅숏이 차지할 최대 메가바이트",
    "Start Timeout": "시작 제한 시간",
    "Seconds until a worker that says nothing at its start counts as broken": "시작할 때 응답 없는 작업자를 고장으로 볼 때까지의 초",
    "Silence Timeout": "무응답 제한 시간",
    "Seconds until a worker that says nothing counts as hanging": "응답 없는 작업자를 멈춘 것으로 볼 때까지의 초",
    # advice when a job has failed
    "Retry tries again.": "다시 시도를 누르면 다시 가져옵니다.",
    "Import Result tries again; Retry goes on with the job.": "결과 가져오기로 다시 해 볼 수 있고, 다시 시도하면 작업을 이어서 합니다.",
    "Close other programs, use Free GPU Memory, or lower Grid, Views per step or the model's size; then Retry goes on from "
    "the last checkpoint.":
        "다른 프로그램을 닫거나, GPU 메모리를 비우거나, 격자, 스텝당 시점, 모델의 크기를 줄이세요. 다시 시도하면 마지막 체크포인트부터 계속합니다.",
    "Free some space or choose another output folder; then Retry goes on from the last checkpoint.":
        "디스크 공간을 비우거나 다른 출력 폴더를 고르세요. 다시 시도하면 마지막 체크포인트부터 계속합니다.",
    "Install the backend again, or choose another Python for it (Backend in the panel).":
        "백엔드를 다시 설치하거나 다른 Python을 고르세요(패널의 백엔드).",
    "Retry goes on from the last checkpoint. If it happens again, Open Log tells more.":
        "다시 시도하면 마지막 체크포인트부터 계속합니다. 또 일어나면 로그를 열어 자세한 내용을 보세요.",
    "Retry goes on from the last checkpoint. If it happens again, update the graphics driver or set Device to cpu.":
        "다시 시도하면 마지막 체크포인트부터 계속합니다. 또 일어나면 그래픽 드라이버를 업데이트하거나 장치를 cpu로 바꾸세요.",
    "The worker gave up without a reason.": "작업자가 이유 없이 그만두었습니다.",
    "Open Log tells more.": "로그를 열면 더 알 수 있습니다.",
    "Install the add-on again, then restart Blender.": "애드온을 다시 설치하고 Blender를 다시 시작하세요.",
    "What the worker says makes no sense; it was ended.": "작업자의 말을 이해할 수 없어 끝냈습니다.",
    "Try again; if it stays so, use Check or Install Backend.": "다시 시도하세요. 그대로이면 확인 또는 백엔드 설치를 쓰세요.",
    "Close other programs, use Free GPU Memory, or lower Grid, Views per step or the model's size, then resume the job.":
        "다른 프로그램을 닫거나, GPU 메모리를 비우거나, 격자, 스텝당 시점, 모델의 크기를 줄인 뒤 작업을 계속하세요.",
    "Free some space, then resume the job; or choose another output folder.":
        "디스크 공간을 비운 뒤 작업을 계속하거나, 다른 출력 폴더를 고르세요.",
    "Install the backend again: its environment lacks something.": "백엔드를 다시 설치하세요. 환경에 빠진 것이 있습니다.",
    "The log of the worker tells more; please report it. What was made so far is kept and can be resumed.":
        "작업자의 로그에 자세한 내용이 있으니 알려 주세요. 지금까지 만든 것은 남아 있어 이어서 할 수 있습니다.",
    "Wait until it is done there, then Retry.": "거기서 끝날 때까지 기다린 뒤 다시 시도하세요.",
    "Choose another output folder, then Generate again.": "다른 출력 폴더를 고른 뒤 다시 생성하세요.",
    "Jobs made here work, but are not remembered after quitting.": "여기서 만든 작업은 되지만 끝내면 기억되지 않습니다.",
}  # fmt: skip
