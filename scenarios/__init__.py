"""The questions that are put to every result store; Celery-wide known deviations lie beside them (*.toml)."""
