KOREAN = {"Generate": "생성"}
