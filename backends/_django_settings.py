"""Django's settings module in workers and clients of the ``django-...`` backends.

Databases and caches come from a file that only its owner reads, for they hold credentials; its path
comes from the environment. Everything else is as a small project would have it, unless the environment
says otherwise (MORE_VARIABLE: settings of a scenario's own, as JSON).
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from backends._django import MORE_VARIABLE, SETTINGS_VARIABLE

_stores = json.loads(Path(os.environ[SETTINGS_VARIABLE]).read_text())

DATABASES = _stores["DATABASES"]
CACHES = _stores["CACHES"]
INSTALLED_APPS = ["django_celery_results"]
SECRET_KEY = "nothing is signed with it"
USE_TZ = True
TIME_ZONE = "UTC"

globals().update(json.loads(os.environ.get(MORE_VARIABLE, "{}")))
