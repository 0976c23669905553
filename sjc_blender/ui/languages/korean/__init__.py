"""Korean: panels, buttons, messages."""

from .backend import BACKEND
from .causes import CAUSES
from .checks import CHECKS
from .doctor import DOCTOR
from .engine import ENGINE
from .errors import ERRORS
from .files import FILES
from .foreign import FOREIGN
from .go_on import GO_ON
from .handover import HANDOVER
from .other import OTHER
from .settings import SETTINGS
from .start import START
from .texture import TEXTURE
from .variants import VARIANTS

KOREAN = {
    **SETTINGS,
    **CAUSES,
    **ENGINE,
    **ERRORS,
    **FILES,
    **FOREIGN,
    **BACKEND,
    **CHECKS,
    **DOCTOR,
    **START,
    **TEXTURE,
    **VARIANTS,
    **GO_ON,
    **HANDOVER,
    **OTHER,
    # panels
    "Text to 3D": "텍스트를 3D로",
    "Text to 3D (SJC)": "텍스트를 3D로 (SJC)",
    "Settings": "설정",
    "Advanced": "고급",
    "Queue": "대기열",
    "History": "기록",
    "Backend": "백엔드",
    "a red mushroom": "a red mushroom",
    "What to avoid": "피할 것",
    "Known Words": "아는 단어",
    'The model "{}" is not on this computer; download it first.': '모델 "{}" 이(가) 이 컴퓨터에 없습니다. 먼저 내려받으세요.',
    "Show the words that the embedded model knows": "내장 모델이 아는 단어를 보여 줍니다",
    "For other words, choose a larger model in Settings": "다른 단어를 쓰려면 설정에서 더 큰 모델을 고르세요",
    "Objects": "물체",
    "Colors": "색상",
    "Parts": "부분",
    "Step {} of {}": "스텝 {} / {}",
    "Stopped at step {} of {}; Retry continues from there": "스텝 {} / {}에서 멈췄습니다. 다시 시도하면 거기서 계속합니다",
    "{} left": "{} 남음",
    "The queue is empty": "대기열이 비어 있습니다",
    "No jobs in the output folder yet": "출력 폴더에 아직 작업이 없습니다",
    "Import": "가져오기",
    "Import Other": "다른 결과 가져오기",
    "Level": "레벨",
    "Export glTF": "glTF 내보내기",
    "Export OBJ": "OBJ 내보내기",
    "Worker: {}": "작업자: {}",
    "starting": "시작하는 중",
    "Settings Presets": "설정 프리셋",
    # stages and states
    "Loading the libraries": "라이브러리를 읽는 중",
    "Loading the model": "모델을 읽는 중",
    "Reading the checkpoint": "체크포인트를 읽는 중",
    "Growing the volume": "볼륨을 키우는 중",
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
    "Generate an object from the prompt at the 3D cursor, or add it to the queue while another job runs":
        "프롬프트로 3D 커서 자리에 오브젝트를 생성합니다. 다른 작업이 진행 중이면 대기열에 넣습니다",
    "Type a prompt and generate an object from it at the 3D cursor": "프롬프트를 적어 3D 커서 자리에 오브젝트를 생성합니다",
    "Pause": "일시 정지",
    "Pause the job after the current step; it keeps its memory": "현재 스텝 뒤에 작업을 멈춰 둡니다. 메모리는 계속 차지합니다",
    "No job is running": "진행 중인 작업이 없습니다",
    "Resume": "계속",
    "Continue the paused job": "일시 정지된 작업을 계속합니다",
    "No job is paused": "일시 정지된 작업이 없습니다",
    "Cancel": "취소",
    "Stop the job; its progress stays in its folder, and Retry continues from there":
        "작업을 멈춥니다. 만든 것은 폴더에 남고, 다시 시도하면 이어서 합니다",
    "No job is running or waiting": "진행 중이거나 기다리는 작업이 없습니다",
    "Retry": "다시 시도",
    "Continue this unfinished job from its last checkpoint": "끝나지 않은 이 작업을 마지막 체크포인트부터 계속합니다",
    "Continue the stopped or failed job from its last checkpoint": "멈추거나 실패한 작업을 마지막 체크포인트부터 계속합니다",
    "No job has stopped or failed": "멈추거나 실패한 작업이 없습니다",
    "Remove": "제거",
    "Remove the job from the list; its folder stays on disk": "작업을 목록에서 뺍니다. 폴더는 디스크에 남습니다",
    "Edit Settings": "설정 고치기",
    "Copy this job's prompt and settings to the panel, to change them and generate again":
        "이 작업의 프롬프트와 설정을 패널에 복사해 고친 뒤 다시 생성할 수 있게 합니다",
    "Move": "이동",
    "Move the job up or down in the queue": "작업을 대기열에서 위나 아래로 옮깁니다",
    "Offset": "이동 칸 수",
    "Number of positions to move the job by; negative moves it up": "작업을 옮길 칸의 수. 음수이면 위로 옮깁니다",
    "No job is waiting": "기다리는 작업이 없습니다",
    "Clear Ended Jobs": "끝난 작업 지우기",
    "Remove all finished, stopped and failed jobs from the list; their folders and objects stay": "완료되거나 멈추거나 실패한 작업을 모두 목록에서 뺍니다. 폴더와 오브젝트는 남습니다",
    "No job has ended": "끝난 작업이 없습니다",
    "Free GPU Memory": "GPU 메모리 비우기",
    "End the worker process to free its graphics memory, once the running job has ended; a paused job is stopped":
        "작업자 프로세스를 끝내 그래픽 메모리를 비웁니다. 진행 중인 작업이 끝난 뒤에 하며, 일시 정지된 작업은 중지합니다",
    "The memory is freed when this job ends": "이 작업이 끝나면 메모리를 비웁니다",
    "No worker is running, so there is no memory to free": "실행 중인 작업자가 없어 비울 메모리도 없습니다",
    "Queue from Text": "텍스트에서 대기열로",
    "Queue a job for each line of a text: a prompt, or settings as JSON; lines that begin with # are skipped":
        "텍스트의 줄마다 작업을 하나씩 대기열에 넣습니다: 프롬프트 또는 JSON 설정. #으로 시작하는 줄은 건너뜁니다",
    "Batch on Cluster": "클러스터에서 일괄 생성",
    "Make the jobs of a text's lines at once on the Ray cluster that the preferences name; they appear in the queue":
        "텍스트의 줄마다 작업을 환경 설정에 적힌 Ray 클러스터에서 동시에 만듭니다. 작업은 대기열에 나타납니다",
    "Cluster Address": "클러스터 주소",
    "Where Batch on Cluster makes its jobs: local for all graphics cards of this computer, auto, or the address of a "
    "running Ray cluster such as 10.0.0.5:6379":
        "클러스터에서 일괄 생성이 작업을 만드는 곳: local은 이 컴퓨터의 모든 그래픽 카드, auto, 또는 10.0.0.5:6379처럼 "
        "실행 중인 Ray 클러스터의 주소",
    "Write prompts in the Text Editor first, one per line": "먼저 텍스트 에디터에 프롬프트를 한 줄에 하나씩 적으세요",
    "{} jobs queued": "작업 {}개를 대기열에 넣었습니다",
    "The text contains no prompts: write one per line.": "텍스트에 프롬프트가 없습니다. 한 줄에 하나씩 적으세요.",
    "Randomize Seed": "시드 무작위화",
    "Choose a random seed, for another result from the same prompt": "같은 프롬프트로 다른 결과를 얻도록 시드를 무작위로 바꿉니다",
    "Type a prompt first": "먼저 프롬프트를 적으세요",
    "Install the backend first": "먼저 백엔드를 설치하세요",
    "The backend does not work: see Backend below": "백엔드가 작동하지 않습니다. 아래 백엔드 패널을 보세요",
    "Wait until the backend is installed": "백엔드가 설치될 때까지 기다리세요",
    "That job is no longer in the queue.": "그 작업은 더 이상 대기열에 없습니다.",
    "Job in the queue": "대기열의 작업",
    # results
    "Import SJC Result": "SJC 결과 가져오기",
    "SJC Result": "SJC 결과",
    "SJC Result (.sjc)": "SJC 결과 (.sjc)",
    "Import a job made elsewhere from its .sjc file or folder: its mesh, or its newest volume if it is unfinished":
        "다른 곳에서 만든 작업을 .sjc 파일이나 폴더로 가져옵니다: 메쉬, 끝나지 않았으면 가장 새 볼륨",
    "Use These Settings": "이 설정 쓰기",
    "Refresh": "새로 고침",
    "Update the list of jobs in the output folder": "출력 폴더의 작업 목록을 갱신합니다",
    "Live Surface": "실시간 표면",
    "Add a mesh that follows the selected volume's surface live; its level can be changed at any time":
        "선택한 볼륨의 표면을 실시간으로 따르는 메쉬를 추가합니다. 레벨은 언제든 바꿀 수 있습니다",
    "Density at which to place the surface": "표면을 놓을 밀도",
    "Select a volume": "볼륨을 선택하세요",
    "Copy": "복사",
    "Copy the error message and its details to the clipboard": "오류 메시지와 자세한 내용을 클립보드에 복사합니다",
    "Open Log": "로그 열기",
    "Open the log of the worker or of the installation in the system's default program":
        "작업자 또는 설치의 로그를 시스템의 기본 프로그램으로 엽니다",
    "There is no log yet: {}": "아직 로그가 없습니다: {}",
    "Open Curves": "곡선 열기",
    "Open a plot of this job's measurements over its steps: noise level, score, opacity, emptiness, gradient":
        "스텝에 따른 이 작업의 측정값 그래프를 엽니다: 노이즈 수준, 스코어, 불투명도, 비어 있음, 기울기",
    "There are no curves yet: {}": "아직 곡선이 없습니다: {}",
    "Curves": "곡선",
    "Noise Level": "노이즈 수준",
    "Score": "스코어",
    "Opacity": "불투명도",
    "Emptiness": "비어 있음",
    "Gradient": "기울기",
    "Loss": "손실",
    "Open Folder": "폴더 열기",
    "Open the folder in the system's file browser": "시스템 파일 탐색기로 폴더를 엽니다",
    "The folder does not exist: {}": "그런 폴더가 없습니다: {}",
    "Result": "결과",
    "A job in the output folder": "출력 폴더의 작업",
    "Add Settings Preset": "설정 프리셋 추가",
    "Save the settings as a preset, or remove a saved preset": "설정을 프리셋으로 저장하거나 저장한 프리셋을 지웁니다",
    # output
    "Size": "크기",
    "Length of the longest side": "가장 긴 변의 길이",
    "Smooth Shading": "스무스 셰이딩",
    "Shade the mesh smooth": "메쉬를 부드럽게 셰이딩합니다",
    "Smooth Surface": "표면 부드럽게",
    "Number of smoothing iterations, as a modifier that can be changed later":
        "표면을 부드럽게 하는 횟수. 나중에 바꿀 수 있는 모디파이어로 적용합니다",
    "Material": "재질",
    "Copy Volumes": "볼륨 복사",
    "Show Colors": "색상 표시",
    "Show the colors of meshes in the Solid shading of the 3D viewports": "3D 뷰포트의 솔리드 셰이딩에서 메시의 색상을 보여 줍니다",
    "Solid shading shows volumes in gray; Material Preview shows their colors": "솔리드 셰이딩은 볼륨을 회색으로 보여 줍니다. 머티리얼 미리보기에서 색상이 보입니다",
    "When the .blend file is saved, copy the files of its volumes to the folder sjc next to it":
        ".blend를 저장할 때 볼륨 파일을 그 옆의 sjc 폴더에 복사합니다",
    "Decimate": "데시메이트",
    "Fraction of the faces to keep, as a modifier that can be changed later": "남길 면의 비율. 나중에 바꿀 수 있는 모디파이어로 적용합니다",
    "Mark as Asset": "에셋으로 표시",
    "Add the mesh to the Asset Browser, with a preview and tags": "메쉬를 미리 보기, 태그와 함께 에셋 브라우저에 추가합니다",
    "Select a mesh made by this add-on": "이 애드온으로 만든 메쉬를 선택하세요",
    "Refine": "다듬기",
    "Add a modifier of this type to the selected mesh; its strength can then be set in the panel":
        "선택한 메쉬에 이 종류의 모디파이어를 더합니다. 세기는 패널에서 바꿉니다",
    "Type": "유형",
    "What the modifier does": "모디파이어가 하는 일",
    "Smooth out bumps": "요철을 매끄럽게 합니다",
    "Lower the number of faces": "면의 수를 줄입니다",
    "Add the selected mesh to the Asset Browser, with a preview, its prompt, and the prompt's words as tags":
        "선택한 메쉬를 미리 보기, 프롬프트, 프롬프트의 단어로 된 태그와 함께 에셋 브라우저에 추가합니다",
    "Add a second mesh that follows the volume live; its modifier sets the level":
        "볼륨을 따르는 두 번째 메쉬를 추가합니다. 레벨은 모디파이어로 바꿉니다",
    # preferences
    "Output Folder": "출력 폴더",
    "Where to put job folders while the .blend file is unsaved. Empty: the folder sjc in your documents":
        ".blend를 저장하지 않았을 때 작업 폴더를 둘 곳. 비워 두면 문서 폴더의 sjc",
    "Python program, or folder of a Python environment, with the backend's packages. Empty: the one that Install Backend made":
        "백엔드 패키지가 있는 Python 프로그램 또는 환경 폴더. 비워 두면 백엔드 설치로 만든 환경",
    "Where to compute when a scene's device is auto: auto, cpu, cuda, cuda:1 or mps":
        "씬의 장치가 auto일 때 계산할 곳: auto, cpu, cuda, cuda:1 또는 mps",
    "CPU Threads": "CPU 스레드",
    "Number of CPU threads for the worker. 0: all but one, which is left for Blender": "작업자의 스레드 수. 0: 하나를 Blender에 남기고 모두",
    "Snapshots": "스냅숏",
    "Maximum number of snapshots that each job keeps for the timeline": "작업마다 타임라인에 남길 스냅숏의 최대 수",
    "Snapshots on Disk": "디스크의 스냅숏",
    "Maximum disk space for the snapshots that each job keeps for the timeline (megabytes)": "작업마다 타임라인에 남길 스냅숏의 최대 디스크 공간 (메가바이트)",
    "Start Timeout": "시작 제한 시간",
    "How long to wait for a starting worker's first message before ending it (seconds)": "시작한 작업자의 첫 메시지를 기다리는 시간. 지나면 작업자를 끝냅니다 (초)",
    "Silence Timeout": "무응답 제한 시간",
    "How long a running worker may stay silent before it is ended (seconds)": "진행 중인 작업자가 응답 없이 있을 수 있는 시간. 지나면 작업자를 끝냅니다 (초)",
    # advice when a job has failed
    "Press Retry to import the result again.": "다시 시도를 눌러 결과를 다시 가져오세요.",
    "Import it again, or press Retry to continue the job.": "다시 가져오거나, 다시 시도를 눌러 작업을 계속하세요.",
    "Install the backend again, or choose another Python for it in the Backend panel.":
        "백엔드를 다시 설치하거나 다른 Python을 고르세요(패널의 백엔드).",
    "Press Retry to continue from the last checkpoint. If it happens again, use Open Log for details.":
        "다시 시도하면 마지막 체크포인트부터 계속합니다. 또 일어나면 로그를 열어 자세한 내용을 보세요.",
    "Press Retry to continue from the last checkpoint. If it happens again, update the graphics driver, or set Device to cpu and generate again.":
        "다시 시도하면 마지막 체크포인트부터 계속합니다. 또 일어나면 그래픽 드라이버를 업데이트하거나, 장치를 cpu로 바꿔 다시 생성하세요.",
    "The worker stopped without giving a reason.": "작업자가 이유 없이 그만두었습니다.",
    "Use Open Log for details.": "로그를 열면 더 알 수 있습니다.",
    "Install the add-on again, then restart Blender.": "애드온을 다시 설치하고 Blender를 다시 시작하세요.",
    "The worker sent something that is not a message, so it was ended.": "작업자가 메시지가 아닌 것을 보내 종료했습니다.",
    "Try again. If it happens again, use Check or Install Backend.": "다시 시도하세요. 또 일어나면 확인 또는 백엔드 설치를 쓰세요.",
    "Install the backend again: a package is missing from its environment.": "백엔드를 다시 설치하세요. 환경에 빠진 패키지가 있습니다.",
    "This is a bug: please report it with what Copy Report gives you. The job's progress is kept, and you can resume it.":
        "버그입니다. 보고서 복사로 얻은 내용과 함께 알려 주세요. 작업의 진행 상황은 남아 있어 이어서 할 수 있습니다.",
    "Wait until the job has ended there, then press Retry.": "거기서 끝날 때까지 기다린 뒤 다시 시도하세요.",
    "Choose another output folder, then generate again.": "다른 출력 폴더를 고른 뒤 다시 생성하세요.",
    "You can still run jobs here, but Blender forgets them when it quits.": "여기서도 작업을 실행할 수 있지만 Blender를 끝내면 기억되지 않습니다.",
}  # fmt: skip
