"""Korean: what a check of a model concludes, and its buttons."""

CHECKS = {
    # buttons and stages
    "Check Model": "모델 점검",
    "Measure whether this model works and how long jobs take, and write a report to the output folder": "이 모델이 제대로 작동하는지, 작업이 얼마나 걸리는지 재고 출력 폴더에 보고서를 씁니다",
    "Wait until the running job has ended": "진행 중인 작업이 끝날 때까지 기다리세요",
    "Open Report": "보고서 열기",
    "Open the picture of this check: errors by noise level, the model's own images, colors": "이 점검의 그림을 엽니다: 노이즈 수준별 오차, 모델이 그린 이미지, 색",
    "There is no report: {}": "보고서가 없습니다: {}",
    "Checking the model": "모델을 점검하는 중",
    "Sampling images": "이미지를 뽑는 중",
    "Measuring errors by noise level": "노이즈 수준별 오차를 재는 중",
    "Trying other prediction types": "다른 예측 유형을 시험하는 중",
    "Comparing noise levels": "노이즈 수준을 비교하는 중",
    "Comparing prompts": "프롬프트를 비교하는 중",
    "Comparing colors": "색을 비교하는 중",
    "Timing calls": "호출 시간을 재는 중",
    "Timing steps": "스텝 시간을 재는 중",
    "Reading the files": "파일을 읽는 중",
    "{} cannot be made: {}. Choose another output folder.": "{} 을(를) 만들 수 없습니다: {}. 다른 출력 폴더를 고르세요.",
    # noise
    "The model removes noise at all {} levels; at worst its error is {} times that of the best linear guess": "모델이 {} 개의 수준 모두에서 노이즈를 없앱니다. 가장 나쁜 곳의 오차가 최선의 선형 추정의 {} 배입니다",
    "At noise level {} the model's error is {} times that of the best linear guess: the prediction type is probably wrong. The scheduler says {}, but {} fits ({} times); change prediction_type in scheduler/scheduler_config.json": "노이즈 수준 {} 에서 모델의 오차가 최선의 선형 추정의 {} 배입니다. 예측 유형이 틀린 듯합니다. 스케줄러에는 {} (이)라고 적혀 있지만 {} 이(가) 맞습니다 ({} 배). scheduler/scheduler_config.json의 prediction_type을 바꾸세요",
    "At noise level {} the model's error is {} times that of the best linear guess, and no prediction type fits; the weights are damaged, untrained or of another kind": "노이즈 수준 {} 에서 모델의 오차가 최선의 선형 추정의 {} 배이고 맞는 예측 유형이 없습니다. 가중치가 손상되었거나 학습되지 않았거나 다른 종류입니다",
    "At noise level {} the model's error is {} times that of the best linear guess; the weights are damaged, untrained or of another kind": "노이즈 수준 {} 에서 모델의 오차가 최선의 선형 추정의 {} 배입니다. 가중치가 손상되었거나 학습되지 않았거나 다른 종류입니다",
    # schedule
    "The model's errors do not show which noise levels it was trained on": "모델의 오차로는 어떤 노이즈 수준으로 학습되었는지 알 수 없습니다",
    "The noise levels agree with the schedule: the model's error is smallest where it is told {} times the noise that is there": "노이즈 수준이 스케줄과 맞습니다. 실제 노이즈의 {} 배라고 알려 줄 때 모델의 오차가 가장 작습니다",
    "The noise levels do not agree with the schedule: the model's error is smallest where it is told {} times the noise that is there; check beta_schedule, beta_start and beta_end (for a flow: shift) in scheduler/scheduler_config.json": "노이즈 수준이 스케줄과 맞지 않습니다. 실제 노이즈의 {} 배라고 알려 줄 때 모델의 오차가 가장 작습니다. scheduler/scheduler_config.json의 beta_schedule, beta_start, beta_end를 확인하세요 (flow는 shift)",
    # words
    "The prompt matters: with another prompt the error is {} times as large, with an empty one {} times": "프롬프트가 작용합니다. 다른 프롬프트로는 오차가 {} 배, 빈 프롬프트로는 {} 배입니다",
    "The prompt makes no difference: with another prompt the error is {} times as large, with an empty one {} times; check text_encoder and tokenizer": "프롬프트가 작용하지 않습니다. 다른 프롬프트로는 오차가 {} 배, 빈 프롬프트로는 {} 배입니다. text_encoder와 tokenizer를 확인하세요",
    # colours
    "Colours survive encoding and decoding: error {} of 1 (red, green, blue: {}); the model's own latents change by {}": "색이 인코딩과 디코딩을 견딥니다. 오차가 1 중 {} 입니다 (빨강, 초록, 파랑: {}). 모델이 그린 잠재값은 {} 변합니다",
    "Colours do not survive encoding and decoding: error {} of 1 (red, green, blue: {}); the weights of vae are damaged or of another model": "색이 인코딩과 디코딩을 견디지 못합니다. 오차가 1 중 {} 입니다 (빨강, 초록, 파랑: {}). vae의 가중치가 손상되었거나 다른 모델의 것입니다",
    "The model's own latents change by {} when they are decoded and encoded again; check scaling_factor and shift_factor in vae/config.json": "모델이 그린 잠재값이 디코딩하고 다시 인코딩하면 {} 변합니다. vae/config.json의 scaling_factor와 shift_factor를 확인하세요",
    "The latents of known pictures are as strong as the network expects: they would fit best at {} times their strength": "알려진 그림의 잠재값이 네트워크가 기대하는 세기입니다. {} 배일 때 가장 잘 맞습니다",
    "The latents of known pictures are not as strong as the network expects: they would fit best at {} times their strength; check scaling_factor and shift_factor in vae/config.json": "알려진 그림의 잠재값이 네트워크가 기대하는 세기가 아닙니다. {} 배일 때 가장 잘 맞습니다. vae/config.json의 scaling_factor와 shift_factor를 확인하세요",
    "The latents of known pictures are far from what the network expects; check scaling_factor and shift_factor in vae/config.json": "알려진 그림의 잠재값이 네트워크가 기대하는 것과 크게 다릅니다. vae/config.json의 scaling_factor와 shift_factor를 확인하세요",
    # time and memory
    "A guided call takes {} for one picture and {} for four": "가이던스를 쓴 호출은 그림 하나에 {}, 넷에 {} 걸립니다",
    "A guided call takes {} for one picture and {} for four; estimated time of a job: {}": "가이던스를 쓴 호출은 그림 하나에 {}, 넷에 {} 걸립니다. 작업의 예상 시간: {}",
    "At most {} GB were held; {}": "최대 {} GB를 썼습니다. {}",
}  # fmt: skip
