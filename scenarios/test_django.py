"""Django: its settings, its transactions, its time zone, its migrations, and its admin pages."""

from __future__ import annotations

import html
import io
import json
import secrets

import celery

from harness.cell import READ_WITHIN, RECENT
from harness.matrix import OwnWorker
from harness.scenario import scenario
from harness.verdict import Verdict

SITE = "/admin/django_celery_results/"
DATABASES = {"backend": ["django-db-*"]}
CONTRIB = ("admin", "auth", "contenttypes", "sessions", "messages")
MIDDLEWARE = (
    "sessions.middleware.SessionMiddleware",
    *("auth.middleware.AuthenticationMiddleware", "messages.middleware.MessageMiddleware"),
)
CONTEXT = ("auth.context_processors.auth", "messages.context_processors.messages")
TEMPLATES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {
        "context_processors": [
            "django.template.context_processors.request",
            *(f"django.contrib.{name}" for name in CONTEXT),
        ]
    },
}
PROJECT = OwnWorker(
    "project",
    settings={"result_extended": True},
    environment={
        "ROUNDTRIP_DJANGO_SETTINGS": json.dumps(
            {
                "INSTALLED_APPS": [*(f"django.contrib.{app}" for app in CONTRIB), "django_celery_results"],
                "MIDDLEWARE": [f"django.contrib.{name}" for name in MIDDLEWARE],
                "TEMPLATES": [TEMPLATES],
                "ROOT_URLCONF": "backends._django_urls",
                "ALLOWED_HOSTS": ["testserver"],
                "USE_TZ": False,
                "TIME_ZONE": "Asia/Tokyo",
            }
        )
    },
)
"""A Django project with an admin site, and without time zones, as some older ones are."""


def read_as_project(task_id):
    """What a Django project gets that names its result backend in its settings and nowhere else."""
    project = celery.Celery("project", set_as_current=False)
    project.config_from_object("django.conf:settings", namespace="CELERY")
    return project.AsyncResult(task_id).get(timeout=READ_WITHIN)


def page(address):
    """A page of the admin site as a superuser sees it: its HTML.

    :raises RuntimeError: it is not there.
    """
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="admin", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    answer = client.get(address)
    if answer.status_code != 200:
        raise RuntimeError(f"{address} answers {answer.status_code}")
    return html.unescape(answer.content.decode())


def of_row(model, **fields):
    """The address of the admin site's page on one row."""
    from django.apps import apps

    row = apps.get_model("django_celery_results", model).objects.get(**fields)
    return f"{SITE}{model}/{row.pk}/change/"


def columns_missing():
    """Columns that the models of django-celery-results have and the database has not."""
    from django.apps import apps
    from django.db import connection

    missing = []
    for model in apps.get_app_config("django_celery_results").get_models():
        with connection.cursor() as cursor:
            found = connection.introspection.get_table_description(cursor, model._meta.db_table)
        present = {column.name for column in found}
        missing += [field.column for field in model._meta.local_fields if field.column not in present]
    return missing


def refusal(command, *arguments, **options):
    """What a management command objects to; nothing, if it is content."""
    from django.core.management import call_command

    said = io.StringIO()
    try:
        call_command(command, *arguments, stdout=said, stderr=said, **options)
    except SystemExit as ended:
        return f"{command} ends with {ended.code}: {said.getvalue()}"
    return ""


@scenario("backend", answers=["d-store"], only={"backend": ["django-*"]})
def test_store(cell):
    """A result is read by a project that says in Django's settings, as CELERY_..., where results are.

    https://docs.celeryq.dev/en/stable/django/first-steps-with-django.html
    """
    from django.test import override_settings

    task = cell.tasks.give.delay("record_1kib")
    cell.settle(task)
    named = {
        f"CELERY_{name.upper()}": cell.app.conf.get(name) for name in ("result_backend", "cache_backend")
    }
    with override_settings(**named):
        seen = cell.ask(read_as_project, task.id)
    return cell.equals(seen, cell.built("record_1kib"))


@scenario(
    "backend",
    "case",
    answers=["d-rows"],
    cases=["list", "success", "failure", "group"],
    only=DATABASES,
    worker=PROJECT,
)
def test_rows(cell):
    """The admin site shows name, state, worker, arguments, result, traceback of a task; members of a group.

    https://django-celery-results.readthedocs.io/en/latest/getting_started.html
    """
    word = secrets.token_hex(8)
    if cell.case == "group":
        sent = celery.group(cell.tasks.echo.s(word), cell.tasks.echo.s(word)).delay()
        sent.save()
        address, wanted = (
            of_row("groupresult", group_id=sent.id),
            [sent.id, *(one.id for one in sent.results)],
        )
    else:
        name, argument = ("fail", "value_error_args") if cell.case == "failure" else ("echo", word)
        sent = getattr(cell.tasks, name).delay(argument)
        cell.settle(sent)
        address = SITE + "taskresult/" if cell.case == "list" else of_row("taskresult", task_id=sent.id)
        wanted = [sent.id, f"roundtrip.{name}", cell.worker_name]
        wanted += {
            "list": ["SUCCESS"],
            "success": ["SUCCESS", f"('{word}',)", f'[["{word}"], {{}}]'],
            "failure": ["FAILURE", "Traceback (most recent call last)", "ValueError"],
        }[cell.case]
    seen = cell.ask(page, address)
    missing = [text for text in wanted if text not in (seen.value or "")]
    detail = f"the page does not show {missing}"
    return cell.promise(not missing, seen, otherwise=Verdict.ALTERED, detail=detail)


@scenario(
    "backend",
    "case",
    answers=["d-transaction"],
    cases=["open", "rolled_back", "failed"],
    only=DATABASES,
    worker=PROJECT,
)
def test_transaction(cell):
    """What a task stores inside a transaction of Django is there at once, and stays if that is rolled back.

    (Undocumented.) "Custom states … `update_state()`":
    https://docs.celeryq.dev/en/stable/userguide/tasks.html#custom-states
    """
    if cell.case == "failed":
        seen = cell.get(cell.tasks.fail_in_transaction.delay(), propagate=False)
        held = isinstance(seen.value, ValueError) and seen.value.args == ("bad", 7)
        return cell.promise(held, seen, otherwise=Verdict.LOST, detail=f"the caller gets {seen.value!r}")
    inside, after = cell.gate(), cell.gate()
    task = cell.tasks.roll_back.delay(inside.path, after.path)
    inside.reached()
    if cell.case == "rolled_back":
        inside.open()
        after.reached()
    seen = cell.ask(lambda: task.state)
    detail = f"state is {seen.value}"
    return cell.promise(seen.value == "INSIDE", seen, otherwise=Verdict.LOST, detail=detail)


@scenario(
    "backend",
    "case",
    answers=["d-zone"],
    cases=["done_on", "done_off", "started_on", "started_off"],
    only=DATABASES,
    worker={"done_off": PROJECT, "started_off": PROJECT},
)
def test_zone(cell):
    """A result knows when its task started and ended, in UTC, with Django's USE_TZ on and off.

    https://docs.celeryq.dev/en/stable/reference/celery.result.html#celery.result.AsyncResult.date_done
    """
    from django.utils import timezone
    from django_celery_results.models import TaskResult

    task = cell.tasks.give_tracked.delay("int_42")
    cell.settle(task)
    if cell.case.startswith("done"):
        date = cell.ask(lambda: task.date_done)
        held = cell.is_recent(date.value)
    else:
        date = cell.ask(lambda: TaskResult.objects.get(task_id=task.id).date_started)
        held = abs((date.value - timezone.now()).total_seconds()) < RECENT
    cell.facts(date=date.value)
    return cell.promise(held, date, otherwise=Verdict.ALTERED, detail=f"it says {date.value!r}")


@scenario("backend", "case", answers=["d-migrate"], cases=["tables", "applied", "models"], only=DATABASES)
def test_migrations(cell):
    """`migrate` makes of an empty database all that the models of django-celery-results need.

    https://django-celery-results.readthedocs.io/en/latest/getting_started.html
    """
    if cell.case == "tables":
        seen = cell.ask(columns_missing)
    elif cell.case == "applied":
        seen = cell.ask(refusal, "migrate", "--check")
    else:
        seen = cell.ask(refusal, "makemigrations", "django_celery_results", "--check", "--dry-run")
    return cell.promise(not seen.value, seen, otherwise=Verdict.LOST, detail=str(seen.value))
