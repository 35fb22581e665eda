"""The catalog: plain types (`registry`), which any seed may be asked, and types of conversations, which join them here.

Plain types, and stages that use no others, do not depend on those of conversations.
"""

from ifrl_core.constraints.catalog.hard import conversation, tools
from ifrl_core.constraints.catalog.registry import CATALOG
from ifrl_core.constraints.catalog.soft import dialog

TURN_FAMILIES = (conversation.TYPES, tools.TYPES, dialog.TYPES)
CATALOG.update({type_.id: type_ for family in TURN_FAMILIES for type_ in family})
