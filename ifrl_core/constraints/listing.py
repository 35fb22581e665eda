"""The catalog as rows for a table and as the page docs/constraints.md."""

import random
from typing import Any

from ifrl_core.constraints.extension import all_types
from ifrl_core.constraints.turn_types import TurnType, example
from ifrl_core.constraints.types import ConstraintType
from ifrl_core.records import Kind

_SEED = "Describe the life of a lighthouse keeper."


def _example(type_: ConstraintType) -> str:
    args = example(type_).sample(random.Random(type_.id), max_words=60, seed_text=_SEED)
    return type_.constraint(args).text


def constraints_table(filter: str | None = None, kind: Kind | None = None) -> list[dict[str, Any]]:
    """One row per type: `id, kind, description, arguments` (name -> what is allowed), `wordings` (how many), `example`.

    `filter` keeps types whose id or description contains it, in any case; `kind` keeps hard or soft ones.
    """
    fragment = (filter or "").lower()
    return [
        {
            "id": type_.id,
            "kind": type_.kind,
            "description": type_.description,
            "arguments": {name: argument.allowed for name, argument in type_.arguments.items()},
            "wordings": len(type_.wordings),
            "example": _example(type_),
        }
        for type_ in all_types()
        if (kind is None or type_.kind == kind) and fragment in f"{type_.id} {type_.description}".lower()
    ]


def _turn_families() -> list[str]:
    """Families of types of conversations."""
    return list(dict.fromkeys(f"{t.id.partition(':')[0]}:" for t in all_types() if isinstance(t, TurnType)))


def catalog_markdown() -> str:
    """The text of docs/constraints.md."""
    rows = constraints_table()
    hard, soft = ([row for row in rows if row["kind"] == kind] for kind in ("hard", "soft"))
    parts = [
        "# Constraint types",
        "This page is generated from the catalog (`ifrl_core.constraints.listing.catalog_markdown`); a test keeps it up to "
        "date. Hard types are decided by a rule, soft ones by a reader.",
        f"There are {len(hard)} hard types with {sum(row['wordings'] for row in hard)} wordings and {len(soft)} soft types "
        f"with {sum(row['wordings'] for row in soft)} wordings.",
        f"The families {', '.join(f'`{name}`' for name in _turn_families())} look at the conversation that is answered: its "
        "system message, its tools, what was said before. The catalog writer draws them, and no other, where "
        "`instructions.types` names them and the seed's conversation has what they are about.",
    ]
    for title, group in (("Hard types", hard), ("Soft types", soft)):
        parts.append(f"## {title}")
        for row in group:
            arguments = "".join(f"\n- `{name}`: {allowed}" for name, allowed in row["arguments"].items())
            parts.append(f"### `{row['id']}`\n\n{row['description']} {row['wordings']} wordings.\n{arguments}".rstrip())
            parts.append(f"> {row['example']}")
    return "\n\n".join(parts) + "\n"
