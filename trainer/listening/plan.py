"""Who hears what: a participant's trials of one section, in random order.

    everything fits       all stimuli
    else                  whole rows of the table clip × condition (systems, reference, anchor), then a part of one more

                 flow  pix2pix  reference  anchor          participant 0 hears rows a, b; 1 hears b, c; 2 hears c, d …
        clip a    ×       ×         ×        ×
        clip b    ×       ×         ×        ×

A row heard whole gives each participant's comparison of two systems on the same clip: the paired tests of
`trainer.listening.analysis` need it. Rows rotate from participant to participant and the part of the last row is drawn,
so that every cell is heard about equally often.
"""

from __future__ import annotations

import random

from trainer.listening.study import Section, Stimulus


def trials(section: Section, participant: int, seed: int) -> list[Stimulus]:
    """The stimuli that the participant of this number (0, 1, …) rates, in their order: a function of its arguments."""
    chance = random.Random(f"{seed} {section.title} {participant}")
    chosen = list(section.stimuli)
    if len(chosen) > section.trials:
        table = {(one.clip, one.condition): one for one in section.stimuli}
        clips, conditions = list(section.clips), section.conditions
        random.Random(f"{seed} {section.title}").shuffle(clips)
        whole, left = divmod(section.trials, len(conditions))
        rows = [clips[(participant + row) % len(clips)] for row in range(whole + 1)]
        chosen = [table[clip, condition] for clip in rows[:whole] for condition in conditions]
        chosen += [table[rows[whole], condition] for condition in chance.sample(conditions, left)]
    chance.shuffle(chosen)
    return chosen
