"""Core backends: one file each, named after the backend; its known deviations lie beside it (NAME.toml)."""
