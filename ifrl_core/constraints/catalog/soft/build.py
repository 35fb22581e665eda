"""How a soft type is put together: curated values for its slots, wordings, nothing that a rule could check."""

from ifrl_core.constraints.types import ConstraintType, Draw
from ifrl_core.constraints.verifiers.arguments import Choice


def soft(
    id: str,
    description: str,
    wordings: tuple[str, ...],
    *,
    slots: tuple[str, ...] = (),
    **values: tuple[str, ...],
) -> ConstraintType:
    """A soft type whose arguments are each drawn from a curated list (given by name)."""

    def draw(draw: Draw) -> dict[str, str]:
        return {name: draw.rng.choice(options) for name, options in values.items()}

    return ConstraintType(
        id=id, kind="soft", description=description, wordings=wordings, draw=draw, slots=frozenset(slots),
        arguments={name: Choice(options) for name, options in values.items()},
    )  # fmt: skip
