"""The suite is a pytest plugin: see harness/plugin.py."""

pytest_plugins = ["harness.plugin"]
