"""IFEval's types on form: paragraphs, lists, sections, markers, JSON, beginnings and ends."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.ifeval_format_rules import CONSTRAINED_RESPONSES, RULES
from ifrl_core.constraints.catalog.hard.ifeval_witnesses import WITNESSES
from ifrl_core.constraints.types import Args, ConstraintType, Draw, counted, hard, shown
from ifrl_core.constraints.vocabulary import ORDINALS, some_words
from ifrl_core.records import Constraint

END_PHRASES = (
    "That is all.", "I hope this helps.", "Thank you for reading.", "Now it is your turn.", "The choice is yours.",
    "Let me know what you think.", "And that is the whole story.", "Is there anything else I can help with?",
    "Any other questions?", "This is the end.", "Have a wonderful day.", "Remember to take it slowly.",
)  # fmt: skip
_SPLITERS = ("Section", "SECTION", "Part", "PART", "Step", "Day", "Chapter")
_POSTSCRIPTS = ("P.S.", "P.P.S")
_YES_NO = ("is ", "are ", "am ", "was ", "were ", "do ", "does ", "did ", "can ", "could ", "should ", "will ",
           "would ", "has ", "have ", "may ", "might ")  # fmt: skip


def is_yes_no_question(seed: str) -> bool:
    """Whether a seed can be answered by yes, no or maybe."""
    question = seed.strip().lower()
    return question.startswith(_YES_NO) and question.endswith("?") and " or " not in question


def _counted_as(name: str, noun: str, plural: str | None = None) -> Any:
    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        return {**shown(args), "count": counted(args[name], noun, plural)}

    return fields


def _draw_nth_paragraph(draw: Draw) -> Args:
    paragraphs = draw.upto(2, min(4, draw.max_words // 20))
    (word,) = some_words(draw.rng, draw.seed_text, 1)
    return {"num_paragraphs": paragraphs, "nth_paragraph": draw.upto(1, paragraphs), "first_word": word}


def _nth_paragraph_fields(args: Mapping[str, Any]) -> dict[str, str]:
    nth = args["nth_paragraph"]
    ordinal = ORDINALS[nth - 1] if nth <= len(ORDINALS) else f"number {nth}"
    return {**shown(args), "count": counted(args["num_paragraphs"], "paragraph"), "nth": ordinal}


def _sections_example(args: Mapping[str, Any]) -> dict[str, str]:
    return {**shown(args), "count": counted(args["num_sections"], "section")}


def _needs_mixed_case(args: Args, other: Constraint) -> bool:
    return other.type in ("change_case:english_capital", "change_case:english_lowercase")


_JSON_GOES_WITH = (
    "keywords:existence", "keywords:frequency", "keywords:forbidden_words", "keywords:letter_frequency",
    "length_constraints:number_words", "length:characters", "numbers:none", "words:max_length", "words:avoid_letter",
)  # fmt: skip


def _json_stands_alone(args: Args, other: Constraint) -> bool:
    return other.kind == "hard" and other.type not in _JSON_GOES_WITH


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "length_constraints:number_paragraphs",
        "Exactly so many paragraphs, separated by the markdown divider ***.",
        RULES["length_constraints:number_paragraphs"],
        (
            "Write exactly {count}, separated by the markdown divider ***.",
            "There should be {count}. Separate paragraphs with ***.",
            "Your answer must have {count}, divided from one another by ***.",
            "Structure the response as {count} with *** between them.",
            "Use *** as the divider between paragraphs, and write {count} in all.",
            "Divide your text into {count}; put *** between one paragraph and the next.",
        ),
        draw=lambda draw: {"num_paragraphs": draw.upto(2, min(5, draw.max_words // 15))},
        fields=_counted_as("num_paragraphs", "paragraph"),
        slots=("paragraphs",),
        min_words=20,
        witness=WITNESSES["length_constraints:number_paragraphs"],
    ),
    hard(
        "length_constraints:nth_paragraph_first_word",
        "Exactly so many paragraphs separated by blank lines, one of which begins with a given word.",
        RULES["length_constraints:nth_paragraph_first_word"],
        (
            'Write {count} separated by blank lines, and start the {nth} one with the word "{first_word}".',
            'There should be {count}, with an empty line between them. The {nth} must start with "{first_word}".',
            'Your response needs {count} with a blank line between them; begin the {nth} with the word "{first_word}".',
            'Use {count}, separated by an empty line; the first word of the {nth} must be "{first_word}".',
            'Divide your answer into {count} by blank lines and let the {nth} paragraph open with "{first_word}".',
            'Organize your answer in {count} (blank line between), the {nth} beginning with "{first_word}".',
        ),
        draw=_draw_nth_paragraph,
        fields=_nth_paragraph_fields,
        slots=("paragraphs",),
        min_words=30,
        witness=WITNESSES["length_constraints:nth_paragraph_first_word"],
    ),
    hard(
        "detectable_content:number_placeholders",
        "At least so many placeholders in square brackets.",
        RULES["detectable_content:number_placeholders"],
        (
            "Include at least {count} in square brackets, such as [name].",
            "The response must contain at least {count} represented by square brackets, such as [address].",
            "Leave at least {count} to fill in, written like [date].",
            "Use at least {count} in brackets, for example [place].",
            "Your answer should have at least {count} of the form [item].",
            "Write a text with at least {count} marked by square brackets, as in [title].",
        ),
        draw=lambda draw: {"num_placeholders": draw.upto(1, min(4, draw.max_words // 12))},
        fields=_counted_as("num_placeholders", "placeholder"),
        witness=WITNESSES["detectable_content:number_placeholders"],
    ),
    hard(
        "detectable_content:postscript",
        "A postscript that begins with a given marker.",
        RULES["detectable_content:postscript"],
        (
            "At the end of your response, add a postscript starting with {postscript_marker}",
            "Finish with a postscript that begins with {postscript_marker}",
            "After your answer, add a short note introduced by {postscript_marker}",
            "Close with a postscript; start it with {postscript_marker}",
            "Do not forget a postscript at the end, marked {postscript_marker}",
            "Your answer must end with a postscript. Introduce it by {postscript_marker}",
        ),
        draw=lambda draw: {"postscript_marker": draw.rng.choice(_POSTSCRIPTS)},
        slots=("end", "last_line"),
        min_words=10,
        witness=WITNESSES["detectable_content:postscript"],
    ),
    hard(
        "detectable_format:number_bullet_lists",
        "Exactly so many markdown bullet points.",
        RULES["detectable_format:number_bullet_lists"],
        (
            "Your answer must contain exactly {count} in markdown, such as: * This is a point.",
            "Use exactly {count}, each on its own line and starting with *.",
            "Include a list of exactly {count}. Begin each with an asterisk (*).",
            "Give exactly {count} in markdown format (lines starting with * ).",
            "Write a bullet list with * markers that has exactly {count}.",
            "There must be exactly {count}, no more and no fewer, each starting with *.",
        ),
        draw=lambda draw: {"num_bullets": draw.upto(2, min(6, draw.max_words // 10))},
        fields=_counted_as("num_bullets", "bullet point"),
        slots=("list",),
        min_words=10,
        witness=WITNESSES["detectable_format:number_bullet_lists"],
    ),
    hard(
        "detectable_format:constrained_response",
        "The answer contains one of three fixed sentences.",
        RULES["detectable_format:constrained_response"],
        tuple(
            f"{lead} {', '.join(repr(option) for option in CONSTRAINED_RESPONSES[:2])} or {CONSTRAINED_RESPONSES[2]!r}"
            for lead in (
                "Answer with one of the following options:",
                "Choose one of these sentences as your answer:",
                "State your answer as one of the following, word for word:",
                "Your reply must contain exactly one of these options:",
                "Decide between these answers and write the one you choose:",
                "Give your verdict with one of these sentences:",
            )
        ),
        excludes=_needs_mixed_case,
        fits=is_yes_no_question,
        slots=("whole",),
        witness=WITNESSES["detectable_format:constrained_response"],
    ),
    hard(
        "detectable_format:number_highlighted_sections",
        "At least so many parts highlighted with markdown asterisks.",
        RULES["detectable_format:number_highlighted_sections"],
        (
            "Highlight at least {count} in your answer with markdown, i.e. *highlighted part*.",
            "Mark at least {count} with asterisks, like *this*.",
            "At least {count} should be highlighted in markdown, for example *important words*.",
            "Use markdown to highlight at least {count}, such as *this one*.",
            "Emphasize at least {count} of your response by putting *asterisks* around them.",
            "Make sure at least {count} stand out as *highlighted* text.",
        ),
        draw=lambda draw: {"num_highlights": draw.upto(1, min(4, draw.max_words // 12))},
        fields=_counted_as("num_highlights", "part"),
        witness=WITNESSES["detectable_format:number_highlighted_sections"],
    ),
    hard(
        "detectable_format:multiple_sections",
        "At least so many sections, each marked by a word and a number.",
        RULES["detectable_format:multiple_sections"],
        (
            'Your response must have {count}. Mark the beginning of each with "{section_spliter}" and its number, '
            'such as "{section_spliter} 1".',
            'Divide your answer into {count} labeled "{section_spliter} 1", "{section_spliter} 2" and so on.',
            'Write {count}, each introduced by "{section_spliter} X" where X is its number.',
            'Organize the text in {count}; start each with "{section_spliter}" followed by its number.',
            'Use {count}. Head each one "{section_spliter} 1", "{section_spliter} 2", and so forth.',
            'There should be {count} in your answer, numbered as "{section_spliter} 1", "{section_spliter} 2", ...',
        ),
        draw=lambda draw: {
            "num_sections": draw.upto(2, min(4, draw.max_words // 15)),
            "section_spliter": draw.rng.choice(_SPLITERS),
        },
        fields=_sections_example,
        excludes=_needs_mixed_case,
        slots=("sections", "sentence_start"),
        min_words=20,
        witness=WITNESSES["detectable_format:multiple_sections"],
    ),
    hard(
        "detectable_format:json_format",
        "The whole response is JSON.",
        RULES["detectable_format:json_format"],
        (
            "Wrap your entire output in JSON format.",
            "Your whole answer must be valid JSON; you can put it in a markdown code block.",
            "Return the answer as a JSON object and nothing else.",
            "Give the entire response in JSON.",
            "Format everything you write as one JSON value.",
            "Respond with JSON only.",
        ),
        slots=("whole", "start", "end", "wrap"),
        excludes=_json_stands_alone,
        min_words=10,
        witness=WITNESSES["detectable_format:json_format"],
    ),
    hard(
        "detectable_format:title",
        "A title in double angular brackets.",
        RULES["detectable_format:title"],
        (
            "Your answer must contain a title, wrapped in double angular brackets, such as <<poem of joy>>.",
            "Give your response a title inside double angle brackets, i.e. <<title>>.",
            "Add a title in the form <<title>>.",
            "Put a title for your answer between << and >>.",
            "Include a title written like this: <<my title>>.",
            "Begin with a title in double angular brackets, like <<a new day>>.",
        ),
        slots=("title",),
        witness=WITNESSES["detectable_format:title"],
    ),
    hard(
        "combination:two_responses",
        "Two different responses separated by six asterisks.",
        RULES["combination:two_responses"],
        (
            "Give two different responses, separated by 6 asterisk symbols: ******.",
            "Write two different answers and put ****** between them.",
            "Provide two alternative responses with ****** as the only separator.",
            "Answer twice, in different ways; separate the two answers with ******.",
            "I want two versions of the answer. Separate them by six asterisks (******).",
            "Offer two distinct responses, divided by ******.",
        ),
        slots=("paragraphs", "whole"),
        min_words=20,
        witness=WITNESSES["combination:two_responses"],
    ),
    hard(
        "combination:repeat_prompt",
        "The response begins by repeating the request.",
        RULES["combination:repeat_prompt"],
        (
            "First repeat the request above word for word without change, then give your answer.",
            "Begin by repeating the request above exactly as it is written, then answer it.",
            "Before you answer, copy the request above word for word (only the request, not these instructions).",
            "Start your response with an exact copy of the request above, followed by your answer.",
            "Say the request above again, unchanged, before anything else; then answer.",
            "Your response has to open with the request above, repeated verbatim.",
        ),
        draw=lambda draw: {"prompt_to_repeat": draw.seed_text.strip() or "the request"},
        slots=("start", "wrap", "lines"),
        fits=lambda seed: 0 < len(seed.split()) <= 25 and seed.count("\n") == 0,
        min_words=30,
        witness=WITNESSES["combination:repeat_prompt"],
    ),
    hard(
        "startend:end_checker",
        "The response ends with a given phrase.",
        RULES["startend:end_checker"],
        (
            'Finish your response with this exact phrase: "{end_phrase}"',
            'End your answer with the words "{end_phrase}" and nothing after them.',
            'The very last words of your response must be "{end_phrase}"',
            'Close with exactly this: "{end_phrase}"',
            'Your answer should end with "{end_phrase}" No other words should follow.',
            'Conclude with the exact phrase "{end_phrase}"',
        ),
        draw=lambda draw: {"end_phrase": draw.rng.choice(END_PHRASES)},
        slots=("end",),
        witness=WITNESSES["startend:end_checker"],
    ),
    hard(
        "startend:quotation",
        "The whole response is in double quotation marks.",
        RULES["startend:quotation"],
        (
            "Wrap your entire response with double quotation marks.",
            "Put double quotation marks around the whole answer.",
            'Your answer should start and end with a double quotation mark (").',
            "Enclose everything you write in double quotes.",
            "The whole response must be inside double quotation marks.",
            'Begin and finish with ", so that the entire answer is quoted.',
        ),
        slots=("wrap",),
        witness=WITNESSES["startend:quotation"],
    ),
)  # fmt: skip
