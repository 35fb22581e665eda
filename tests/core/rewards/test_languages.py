"""The task-drop measure, degeneracy and trip-wires where the seed or the answer is not English; all texts are our own."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifrl_core.constraints.verifiers.scripts import count_words
from ifrl_core.records import Constraint
from ifrl_core.rewards import drops_task
from ifrl_core.rewards.gates import is_degenerate
from ifrl_core.rewards.tripwires import tripped

# language -> (seed, answers to it, answers that leave it aside)
TASKS: dict[str, tuple[str, list[str], list[str]]] = {
    "zh": (
        "请解释河水为什么会在春天上涨。",
        [
            "春天气温升高,山上的积雪融化,雪水流进河里,水位就慢慢抬高了。",
            "河流上涨主要有两个原因:一是融雪,二是春雨增多。",
        ],
        ["好的,我已经完成了任务。", "以上就是全部内容。", "猫喜欢晒太阳,狗喜欢啃骨头。"],
    ),
    "zh-tw": (
        "請介紹一種適合初學者的樂器。",
        ["烏克麗麗很適合初學者,因為弦少、聲音柔和,價格也不貴。", "口琴是容易上手的樂器,放在口袋裡就能帶著走。"],
        ["好的,已經完成。", "天氣晴朗,路旁開滿黃花。"],
    ),
    "ja": (
        "りんごの栄養について短く説明してください。",
        [
            "りんごには食物繊維とビタミンCが多く含まれ、おなかの調子を整えます。",
            "栄養の面では、カリウムが豊富で、体の余分な塩分を出してくれます。",
        ],
        ["はい、わかりました。以上です。", "昨日は友だちと映画を見に行って、とても楽しかった。"],
    ),
    "ja-katakana": (
        "コーヒーのおいしい淹れ方を教えてください。",
        ["まず豆を挽き、九十度ほどのお湯をゆっくり注ぐと、コーヒーの香りが立ちます。"],
        ["東京の夏は蒸し暑くて、夜もなかなか眠れない。"],
    ),
    "ko": (
        "사과가 건강에 좋은 이유를 설명해 주세요.",
        [
            "사과는 섬유질이 풍부해서 소화를 돕고, 껍질에는 항산화 물질이 많습니다.",
            "건강을 지키는 데 도움이 되는 까닭은 비타민과 섬유질 때문입니다.",
        ],
        ["네, 요청을 모두 마쳤으니 확인 바랍니다.", "고양이 두 마리가 지붕 위에서 낮잠을 자고 있다."],
    ),
    "ko-one-syllable": (
        "강이 왜 넘치나요?",
        ["비가 많이 오면 강은 물을 다 담지 못해 넘칩니다."],
        ["어제 먹은 국수가 아주 맛있었다고 합니다."],
    ),
    "th": (
        "อธิบายว่าทำไมแม่น้ำจึงท่วมในฤดูฝน",
        [
            "เมื่อฝนตกหนักติดต่อกันหลายวัน น้ำไหลลงแม่น้ำเร็วกว่าที่ระบายออกทะเลได้",
            "ฤดูฝนมีปริมาณน้ำมาก ดินอุ้มน้ำไว้ไม่ไหว น้ำจึงเอ่อล้นตลิ่ง",
        ],
        ["เสร็จแล้วครับ", "แมวสองตัวนอนหลับสบายบนหลังคาบ้านไม้เก่า"],
    ),
    "hi": (
        "नदियों में बाढ़ क्यों आती है, समझाइए।",
        [
            "जब पहाड़ों पर तेज़ बारिश होती है तो नदी का पानी किनारों से ऊपर चढ़ जाता है।",
            "लगातार वर्षा और पिघलती बर्फ़ से बाढ़ आती है क्योंकि मिट्टी सारा पानी नहीं सोख पाती।",
        ],
        ["ठीक है, काम पूरा हो गया।", "बिल्ली छत के ऊपर आराम से सोती रही और कुत्ता भौंकता रहा।"],
    ),
    "ar": (
        "اشرح لماذا تفيض الأنهار في الربيع.",
        [
            "يذوب الثلج على الجبال فيرتفع منسوب النهر ويخرج الماء عن ضفتيه.",
            "مع قدوم الربيع تشتد الأمطار وتمتلئ المجاري بسرعة.",
        ],
        ["حسنا، لقد انتهيت من العمل المطلوب كله.", "نامت القطة فوق السطح بينما لعب الكلب بالكرة."],
    ),
    "ru": (
        "Объясните, почему реки разливаются весной.",
        [
            "Снег в горах тает, и вода поднимает уровень реки выше берегов.",
            "Весна приносит дожди, земля ещё мёрзлая, и влаге некуда уйти.",
        ],
        ["Хорошо, я всё сделал, вот и всё.", "Кошка спала на крыше, а собака грызла старую кость."],
    ),
    "de": (
        "Erkläre, warum Bodenerosion den Bauern schadet.",
        [
            "Wenn Wind und Regen die Erde forttragen, bleibt der Boden arm zurück.",
            "Durch die Erosion verlieren Äcker ihre fruchtbare Schicht, und die Ernte wird kleiner.",
        ],
        ["Das ist alles, was ich dazu schreibe.", "Die Katze schläft auf dem Dach und der Hund bellt sehr laut."],
    ),
    "de-umlaut": (
        "Beschreibe einen Apfel.",
        ["Rote Äpfel glänzen im Korb und duften süß."],
        ["Der Zug nach Köln fährt heute leider nicht."],
    ),
}  # fmt: skip
# language, seed, answer; an answer to one seed leaves the others aside
PAIRS = [json.loads(line) for line in Path(__file__).with_name("languages.jsonl").read_text().splitlines()]
ENGLISH_SEED = "Describe the life of a lighthouse keeper."
IN_ANOTHER_LANGUAGE = [
    "Er zündet am Abend die Lampe an und wacht die ganze Nacht über die Schiffe auf dem Meer.",
    "Il allume la lampe le soir et veille toute la nuit sur les bateaux de la côte.",
    "Enciende la lámpara por la noche y vigila los barcos en el mar hasta que sale el sol.",
    "Accende la lampada la sera e veglia tutta la notte sulle navi che passano per il mare.",
    "Ele acende a lâmpada à noite e vigia os navios no mar até que o sol apareça.",
    "Mỗi tối ông thắp đèn và thức suốt đêm để canh những con tàu ngoài biển.",
    "Co wieczór zapala lampę i przez całą noc czuwa nad statkami na morzu.",
    "他每天傍晚点亮灯火,整夜守望海上的船只。",
    "Каждый вечер он зажигает лампу и всю ночь следит за кораблями.",
]


@pytest.mark.parametrize("language", TASKS)
def test_good_answers_keep_their_task_and_bad_ones_drop_it(language: str) -> None:
    seed, good, bad = TASKS[language]
    assert [answer for answer in good if drops_task(seed, answer)] == []
    assert [answer for answer in bad if not drops_task(seed, answer)] == []


@pytest.mark.parametrize("language", sorted({row["language"] for row in PAIRS}))
def test_answers_are_told_from_answers_to_other_seeds(language: str) -> None:
    """As in English: nearly all answers are held against their own seed, few against another one."""
    pairs = [(row["seed"], row["answer"]) for row in PAIRS if row["language"] == language]
    own = [drops_task(seed, answer) for seed, answer in pairs]
    others = [drops_task(seed, answer) for seed, own_ in pairs for _, answer in pairs if answer != own_]
    assert sum(own) <= 1
    assert sum(others) > 0.85 * len(others)


@pytest.mark.parametrize("answer", IN_ANOTHER_LANGUAGE)
def test_an_answer_in_the_language_that_was_asked_for_is_not_dropped(answer: str) -> None:
    assert not drops_task(ENGLISH_SEED, answer)


def test_a_short_answer_in_another_script_is_dropped_and_so_is_english_beside_the_task() -> None:
    assert drops_task(ENGLISH_SEED, "好的。")
    assert drops_task(ENGLISH_SEED, "1800, 1801, 1802, 1803, 1804, 1805 🙂")
    assert drops_task(ENGLISH_SEED, "The cat sleeps on the roof and the dog barks at night.")


@pytest.mark.parametrize("language", TASKS)
def test_no_honest_answer_trips_a_wire_or_goes_round_in_circles(language: str) -> None:
    seed, good, _ = TASKS[language]
    constraint = Constraint("punctuation:no_comma", "hard", "不要在回答中使用任何逗号。")
    for answer in good:
        assert not is_degenerate(answer)
        assert not any(tripped(seed, answer, [constraint], [1.0]).values()), answer


@pytest.mark.parametrize(
    "answer",
    ["河水上涨" * 20, "りんごはとても" * 12, "แม่น้ำท่วม" * 20, "강이 넘칩니다 정말로 " * 12, "नदी बहती रही " * 12],
)
def test_going_round_in_circles_is_seen_in_any_script(answer: str) -> None:
    assert is_degenerate(answer)


@pytest.mark.parametrize("language", ["zh", "ja", "th", "hi", "ko", "ar", "ru", "de"])
def test_two_answers_in_a_row_are_no_circle(language: str) -> None:
    assert not is_degenerate(" ".join(TASKS[language][1] * 2))


@pytest.mark.parametrize(
    ("answer", "wire"),
    [
        ("本回答没有使用逗号。春天的河水因为融雪而上涨。", "claims"),
        ("この回答はカンマを含みません。春になると川の水が増えます。", "claims"),
        ("이 답변에는 쉼표가 없습니다. 봄에는 강이 넘칩니다.", "claims"),
        ("Diese Antwort enthält keine Kommas. Im Frühling steigt der Fluss.", "claims"),
        ("Этот текст не содержит запятых. Весной река выходит из берегов.", "claims"),
        ("不要在回答中使用任何逗号。春天的河水会上涨。", "echo"),
        ("河流河流河流河流河流在春天河流河流河流上涨河流河流", "stuffing"),
    ],
)
def test_wires_in_other_languages(answer: str, wire: str) -> None:
    constraint = Constraint("punctuation:no_comma", "hard", "不要在回答中使用任何逗号。")
    assert tripped("请解释河水为什么会在春天上涨。", answer, [constraint], [0.0])[wire]


def test_words_are_counted_in_any_script() -> None:
    assert count_words("A river ends as sea.") == 5
    assert count_words("河流流向大海。") == 3
    assert 3 < count_words("แม่น้ำไหลลงสู่ทะเล") < 7
    assert count_words("TCP 协议") == 2


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(st.sampled_from("河水ของ 강을नदी а.がり!ab\u0301\u200d"), max_size=60))
def test_any_two_texts_are_judged(seed: str, answer: str) -> None:
    assert drops_task(seed, answer) in (True, False)
    assert count_words(answer) >= 0
    assert is_degenerate(answer) in (True, False)
