"""The guide of the first start: from "what do you play?" to hearing it as another instrument, within a minute."""

from gui.first_start.guide import FirstStart

__all__ = ["FirstStart"]
