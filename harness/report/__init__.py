"""Reports made from a run log: one HTML page (`html`), and plain text for the terminal (`text`).

Both read what `model` makes of the log, and nothing else. Nothing is imported here: the pytest plugin needs
the terminal's grid alone, and not jinja2.
"""
