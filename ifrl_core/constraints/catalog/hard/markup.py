"""Hard types on markup: lists with exact markers, tables, code, headings, quotes, tags, labelled lines."""

from collections.abc import Mapping
from typing import Any

from ifrl_core.constraints.catalog.hard.markup_rules import CODE_LANGUAGES, RULES
from ifrl_core.constraints.types import LINE_SLOTS, Args, ConstraintType, Draw, counted, hard, plain, shown
from ifrl_core.constraints.verifiers.arguments import Choice
from ifrl_core.constraints.vocabulary import some_words
from ifrl_core.constraints.witness.draft import Draft, Item

_LABELS = ("Topic", "Goal", "Reason", "Result", "Time", "Place", "Mood", "Tip", "Risk", "Idea", "Note", "Name")
_NAMES = ("Alex", "Maria", "Sam", "Nora", "Tom", "Lena", "Omar", "Ruth", "Ben", "Ida")
_TAGS = ("answer", "response", "text", "note", "summary", "result")


def _items(draw: Draw) -> int:
    return draw.upto(2, min(6, draw.max_words // 10))


def _counted(name: str, noun: str) -> Any:
    def fields(args: Mapping[str, Any]) -> dict[str, str]:
        return {**shown(args), "count": counted(args[name], noun)}

    return fields


def _table_fields(args: Mapping[str, Any]) -> dict[str, str]:
    return {"columns": counted(args["columns"], "column"), "rows": counted(args["rows"], "row")}


def _field_names(args: Mapping[str, Any]) -> dict[str, str]:
    return {"names": plain([f"{name}:" for name in args["names"]])}


def _numbered(draft: Draft, args: Args) -> None:
    draft.items += [Item(f"{n}) ") for n in range(1, args["num_items"] + 1)]


def _lettered(draft: Draft, args: Args) -> None:
    draft.items += [Item(f"{chr(ord('a') + n)}) ") for n in range(args["num_items"])]


def _checkbox(draft: Draft, args: Args) -> None:
    draft.items += [Item("- [ ] ") for _ in range(args["num_items"])]


def _table(draft: Draft, args: Args) -> None:
    (cell,) = draft.pick(("go", "sun", "fun", "home"), 1)
    rows = ["|" + f" {cell} |" * args["columns"]] * (args["rows"] + 1)
    rows.insert(1, "|" + "---|" * args["columns"])
    draft.items += [Item(content=row, marked=False) for row in rows]


def _code(draft: Draft, args: Args) -> None:
    draft.items += [
        Item(content=line, marked=False) for line in (f"```{args['language']}", *draft.pick(("go", "sun"), 1), "```")
    ]


def _headings(draft: Draft, args: Args) -> None:
    draft.items += [Item("## ", marked=False) for _ in range(args["num_headings"])]


def _block_quote(draft: Draft, args: Args) -> None:
    draft.items += [Item("> ") for _ in range(args["num_lines"])]


def _bold(draft: Draft, args: Args) -> None:
    draft.phrases.append(f"**{args['word']}**")


def _tag(draft: Draft, args: Args) -> None:
    draft.wrap = (f"<{args['tag']}>", f"</{args['tag']}>")


def _fields(draft: Draft, args: Args) -> None:
    draft.items += [Item(f"{name}: ") for name in args["names"]]


def _hashtags(draft: Draft, args: Args) -> None:
    draft.phrases += draft.pick(("#sun", "#sea", "#joy", "#fun", "#hill"), args["count"])


def _signature(draft: Draft, args: Args) -> None:
    draft.end, draft.end_on_own_line = f"— {args['name']}", True


TYPES: tuple[ConstraintType, ...] = (
    hard(
        "lists:numbered",
        "Exactly so many lines numbered 1., 2., 3. ...",
        RULES["lists:numbered"],
        (
            "Include a numbered list with exactly {count} (1., 2., ...), one per line.",
            "Give exactly {count} as a numbered list.",
            "Your answer must contain a numbered list of exactly {count}.",
            "Number your points 1., 2. and so on; there must be exactly {count}.",
            "Write a list numbered from 1 to {num_items}, each item on its own line.",
            "Use a numbered list that has exactly {count}, no more and no fewer.",
        ),
        draw=lambda draw: {"num_items": _items(draw)},
        fields=_counted("num_items", "item"),
        slots=("list",),
        min_words=10,
        witness=_numbered,
    ),
    hard(
        "lists:lettered",
        "Exactly so many lines lettered a), b), c) ...",
        RULES["lists:lettered"],
        (
            "Include a list with exactly {count} marked a), b), c) and so on, one per line.",
            "Letter your points a), b), ... on separate lines; there must be exactly {count}.",
            "Your answer must contain a list of exactly {count} lettered a), b), c) ...",
            "Use a), b), c) ... as list markers and give exactly {count}.",
            "Give exactly {count} as a lettered list (a), b), and so on).",
            "Write {count}, each on its own line and starting with a), b), c) ... in order.",
        ),
        draw=lambda draw: {"num_items": _items(draw)},
        fields=_counted("num_items", "item"),
        slots=("list",),
        min_words=10,
        witness=_lettered,
    ),
    hard(
        "lists:checkbox",
        "Exactly so many checklist lines `- [ ]`.",
        RULES["lists:checkbox"],
        (
            'Include a checklist of exactly {count}, each line starting with "- [ ]".',
            'Your answer must contain exactly {count} with empty checkboxes, written "- [ ] ...".',
            'Give exactly {count} as a markdown checklist ("- [ ]").',
            'Write a to-do list of exactly {count} in the form "- [ ] task".',
            'Use "- [ ]" at the start of each list line; there must be exactly {count}.',
            'Present exactly {count} as checkboxes, like "- [ ] first thing".',
        ),
        draw=lambda draw: {"num_items": _items(draw)},
        fields=_counted("num_items", "item"),
        slots=("list",),
        min_words=10,
        witness=_checkbox,
    ),
    hard(
        "format:table",
        "One markdown table with so many columns and rows.",
        RULES["format:table"],
        (
            "Include a markdown table with {columns} and {rows} below its header.",
            "Your answer must contain one markdown table of {columns} and {rows} (the header not counted).",
            "Add a table in markdown: {columns}, a header, and {rows}.",
            "Use exactly one markdown table with {columns}, a header line and {rows}.",
            "Present something in a markdown table that has {columns} and, besides the header, {rows}.",
            "Make a markdown table (lines starting and ending with |) of {columns} and {rows} plus a header.",
        ),
        draw=lambda draw: {"columns": draw.upto(2, 3), "rows": draw.upto(2, min(4, draw.max_words // 15))},
        fields=_table_fields,
        slots=("table",),
        min_words=25,
        witness=_table,
    ),
    hard(
        "format:code_fence",
        "Exactly one fenced code block with a given language mark.",
        RULES["format:code_fence"],
        (
            "Include exactly one code block fenced with ``` and marked {language}.",
            "Your answer must contain one fenced code block that opens with ```{language}",
            "Put something into a single code block marked {language} (```{language} ... ```).",
            "Use one markdown code block with the language {language}.",
            "Add exactly one block that begins with ```{language} and ends with ```",
            "There must be one, and only one, fenced block labeled {language}.",
        ),
        draw=lambda draw: {"language": draw.rng.choice(CODE_LANGUAGES)},
        slots=("code",),
        min_words=20,
        witness=_code,
    ),
    hard(
        "format:headings",
        "Exactly so many markdown headings.",
        RULES["format:headings"],
        (
            "Use exactly {count} (lines starting with #).",
            "Your answer must have exactly {count}, such as ## Heading.",
            "Structure the text with exactly {count}.",
            "Include exactly {count}, no more and no fewer; begin each with #.",
            "Write exactly {count} in your response.",
            "Divide your answer by exactly {count} (# or ##).",
        ),
        draw=lambda draw: {"num_headings": draw.upto(1, min(3, draw.max_words // 15))},
        fields=_counted("num_headings", "markdown heading"),
        slots=("sections",),
        min_words=15,
        witness=_headings,
    ),
    hard(
        "format:block_quote",
        "At least so many lines of markdown block quote.",
        RULES["format:block_quote"],
        (
            'Include at least {count} of block quote, starting with ">".',
            'Write at least {count} as a markdown quote (beginning with ">").',
            'Your answer should contain at least {count} that start with ">".',
            'Set off at least {count} as a block quote by putting ">" in front.',
            'Use ">" at the beginning of at least {count}.',
            "Put at least {count} of your answer into a markdown block quote.",
        ),
        draw=lambda draw: {"num_lines": draw.upto(1, 2)},
        fields=_counted("num_lines", "line"),
        slots=("quote",),
        min_words=15,
        witness=_block_quote,
    ),
    hard(
        "format:bold_word",
        "A given word occurs in bold.",
        RULES["format:bold_word"],
        (
            'Write the word "{word}" in bold, i.e. **{word}**.',
            'Put "{word}" in bold with double asterisks.',
            "Your answer must contain **{word}** in bold.",
            'Make the word "{word}" bold (markdown).',
            'Use bold type for the word "{word}", like this: **{word}**.',
            'The word "{word}" has to appear, and in bold.',
        ),
        draw=lambda draw: {"word": some_words(draw.rng, draw.seed_text, 1)[0]},
        slots=("bold",),
        witness=_bold,
    ),
    hard(
        "format:tag",
        "The whole response stands between an opening and a closing tag.",
        RULES["format:tag"],
        (
            "Put your whole answer between <{tag}> and </{tag}>.",
            "Wrap the entire response in <{tag}> tags.",
            "Start with <{tag}> and end with </{tag}>; everything else goes in between.",
            "Your response must begin with <{tag}> and finish with </{tag}>.",
            "Enclose everything you write in <{tag}>...</{tag}>.",
            "The complete answer has to stand inside a <{tag}> element.",
        ),
        arguments={"tag": Choice(_TAGS)},
        draw=lambda draw: {"tag": draw.rng.choice(_TAGS)},
        slots=("start", "end", "wrap", "lines"),
        witness=_tag,
    ),
    hard(
        "format:fields",
        "Lines that begin with given labels, in order.",
        RULES["format:fields"],
        (
            "Include lines that begin with {names}, in this order.",
            "Use these labels, each at the start of a line and followed by text: {names}.",
            "Your answer must have lines starting with {names}.",
            "Fill in the following labels, one per line: {names}.",
            "Give your answer with these labeled lines: {names}.",
            "Each of these labels must open a line of its own: {names}.",
        ),
        draw=lambda draw: {"names": draw.rng.sample(_LABELS, draw.upto(2, min(4, draw.max_words // 12)))},
        fields=_field_names,
        slots=("fields",),
        min_words=15,
        witness=_fields,
    ),
    hard(
        "format:hashtags",
        "Exactly so many hashtags.",
        RULES["format:hashtags"],
        (
            "Use exactly {hashtags}.",
            "Include exactly {hashtags} in your answer.",
            "Your response must contain exactly {hashtags}, no more and no fewer.",
            "Add exactly {hashtags} (such as #topic).",
            "Write a text with precisely {hashtags}.",
            "There should be exactly {hashtags} in what you write.",
        ),
        draw=lambda draw: {"count": draw.upto(1, 4)},
        fields=lambda args: {"hashtags": counted(args["count"], "hashtag")},
        witness=_hashtags,
    ),
    hard(
        "format:signature",
        "The last line is a dash and a given name.",
        RULES["format:signature"],
        (
            'Sign your answer: the last line must be "— {name}".',
            'End with a signature line that reads "— {name}".',
            'Close with "— {name}" on a line of its own.',
            'The final line of your response has to be "— {name}".',
            'Put the signature "— {name}" on the last line.',
            'Finish with the line "— {name}" and nothing after it.',
        ),
        draw=lambda draw: {"name": draw.rng.choice(_NAMES)},
        slots=("end", "last_line"),
        witness=_signature,
    ),
)  # fmt: skip

assert set(LINE_SLOTS) >= {"list", "table", "code", "sections", "quote", "fields", "last_line"}  # claimed above
