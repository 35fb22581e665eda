"""What is marked as a refusal, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifrl_core.rollouts.refusals import refuses


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't assist with that request.",
        "I’m sorry, I can’t do that.",
        "Sorry, I cannot help you with this.",
        "I cannot provide\nmedical advice.",
        "I won't write that.",
        "I am unable to help with that.",
        "**I must decline.** It is not safe.",
        "Unfortunately, I am not able to do so.",
        "  As an AI language model, I do not have feelings.",
        "很抱歉,我无法协助您完成这个请求。",
        "申し訳ありませんが、その質問にはお答えできません。",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
        "ขออภัย ฉันไม่สามารถช่วยเรื่องนี้ได้",
        "क्षमा करें, मैं यह काम नहीं कर सकता।",
        "عذرًا، لا أستطيع المساعدة في ذلك.",
        "К сожалению, я не могу помочь с этим.",
        "Es tut mir leid, aber dabei kann ich leider nicht helfen.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Lo siento, pero no puedo ayudar con eso.",
        "Mi dispiace, ma non posso aiutarti.",
        "Desculpe, mas não posso ajudar com isso.",
    ],
)
def test_refusals_are_told_by_their_opening(answer: str) -> None:
    assert refuses(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I can help with that: first, boil the water.",
        "Sorry is the hardest word, and here is why.",
        "I'm sorry to hear about your loss.",
        "The keeper said: I cannot help you.",
        "As an artist, I do not paint by numbers.",
        "Sorry to hear that! Here is a plan.",
        "I can't wait to tell you about Lisbon!",
        "I cannot recommend this book enough.",
        "很抱歉听到您的猫生病了,这里有一张卡片。",
        "すみません、という言葉には三つの意味があります。",
        "Leider regnet es heute; nimm einen Schirm mit.",
        "Je ne peux pas attendre de te raconter Lisbonne !",
        "Извините за беспокойство, вот ваш план.",
    ],
)
def test_answers_that_only_sound_alike_are_not(answer: str) -> None:
    assert not refuses(answer)


@given(st.text())
def test_no_text_raises(answer: str) -> None:
    assert refuses(answer) in (True, False)
