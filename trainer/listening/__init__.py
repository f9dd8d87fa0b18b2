"""The listening test: people rate, in a browser, what the systems made of known clips. Needs the `listen` extra.

    source ─▶ making ─▶ STUDY/ (study.json, clips/, answers.sqlite) ─▶ web + server ─▶ analysis ─▶ report
    a folder   checks,     study: what is in it                          participants     tests       csv, md, png
    of clips   anchors     plan: who hears what, in which order          answers          between
               loudness    answers: SQLite                                                systems

The form follows the dissertation's human perception experiment (consent, instructions, 16 clips, two questions on a
five-point scale); hidden reference and anchor are those of ITU-R BS.1534. No module here imports torch.
"""
