"""The documentation is held to the code: what exists is named, what is shown works."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain as joined
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from prometheus_client import REGISTRY
from pydantic import BaseModel

import app.main  # registers every metric
from app.api.problems import KINDS
from app.cli import root
from app.domain import messages
from app.domain.events import Recorded
from app.domain.scopes import Scope
from app.domain.state import Account
from app.program import document, reading
from app.settings import Settings
from tests.builders import PLAIN
from tests.docs.reading import PAGES, ROOT, Block, anchors, blocks, first_cells, links, page

assert app.main


def environment_name(field: str) -> str:
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"ZEGEL_{field.upper()}"


def commands(command: Any, name: str) -> Iterator[str]:
    """The names of the commands that do something, from typer's tree."""
    below = getattr(command, "commands", None)
    if below is None:
        yield name
        return
    for word in below:
        yield from commands(below[word], f"{name} {word}")


def metrics() -> set[str]:
    found = (metric for metric in REGISTRY.collect() if metric.name.startswith("zegel_"))
    return {metric.name + "_total" * (metric.type == "counter") for metric in found}


def every_block(language: str) -> list[Block]:
    return [block for path in PAGES for block in blocks(str(path.relative_to(ROOT)), language)]


def in_order(found: list[Block]) -> list[Any]:
    return [pytest.param(block, id=f"{Path(block.page).stem}-{i}") for i, block in enumerate(found)]


# What exists is named, and what is named exists.


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_in_the_table_and_in_the_example(field: str) -> None:
    row = first_cells(page("docs/operations.md"))[environment_name(field)]
    default = Settings.model_fields[field].default

    assert row[1] == f"`{field}`"
    if default is not None:
        shown = list(default) if isinstance(default, tuple) else default
        assert row[2] == f"`{shown if isinstance(shown, str) else json.dumps(shown)}`"
    assert re.search(rf"^# {environment_name(field)}=", page(".env.example"), re.MULTILINE)


def test_the_example_of_settings_sets_nothing_and_names_nothing_else() -> None:
    named = set(re.findall(r"^#? ?([A-Z_]+)=", page(".env.example"), re.MULTILINE))

    assert named - {environment_name(field) for field in Settings.model_fields} == {
        "ZEGEL_OWNER_PASSWORD",
        "ZEGEL_APP_PASSWORD",
        "ZEGEL_JANITOR_PASSWORD",
    }
    assert all(line.startswith("#") or not line for line in page(".env.example").splitlines())


def test_the_list_of_errors_is_that_of_the_code() -> None:
    listed = {code: row[1] for code, row in first_cells(page("docs/errors.md")).items()}

    assert listed == {code: str(kind.status) for code, kind in KINDS.items()}


def test_every_type_of_message_is_in_the_table_and_has_an_example() -> None:
    examples = {example["type"] for block in blocks("docs/webhooks.md", "json") if "type" in (example := _json(block))}

    assert set(first_cells(page("docs/webhooks.md"))) >= set(messages.TYPES)
    assert examples == set(messages.TYPES)


@pytest.mark.parametrize("name", sorted(commands(typer.main.get_command(root.app), "zegel")))
def test_every_command_is_in_the_table(name: str) -> None:
    listed = [cell for cell in first_cells(page("docs/operations.md")) if f"{cell} ".startswith(f"{name} ")]

    assert listed, f"docs/operations.md does not name {name}"


def test_the_table_of_metrics_is_that_of_the_code() -> None:
    listed = {name for name in first_cells(page("docs/operations.md")) if name.startswith("zegel_")}

    assert listed == metrics()


def test_every_scope_is_in_the_table() -> None:
    text = page("docs/operations.md")

    assert [scope for scope in Scope if f"`{scope.value}`" not in text] == []


@pytest.mark.parametrize("part", document.Part.__subclasses__(), ids=lambda part: part.__name__)
def test_every_key_of_a_program_is_described(part: type[BaseModel]) -> None:
    text = page("docs/program.md")
    keys = [field.alias or name for name, field in part.model_fields.items()]

    assert [key for key in keys if not re.search(rf"`(\w+\.)?{key}`", text)] == []


def test_every_rule_that_the_code_cites_is_written_down() -> None:
    sources = [path.read_text() for folder in ("app", "tests") for path in (ROOT / folder).rglob("*.py")]
    pages = {"semantics": "docs/semantics.md", "api": "docs/api.md", "webhooks": "docs/webhooks.md"}
    cited = {
        (room, number)
        for source in sources
        for room, numbers in re.findall(r"\b(semantics|api|webhooks) ((?:[A-Z]\d+(?:, )?)+)", source)
        for number in re.findall(r"[A-Z]\d+", numbers)
    }

    missing = [(room, number) for room, number in sorted(cited) if f"**{number}." not in page(pages[room])]
    assert missing == []


def test_every_rule_of_the_semantics_has_a_test_that_cites_it() -> None:
    written = re.findall(r"\*\*([A-Z]\d+)\.", page("docs/semantics.md"))
    said = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    cited = set()
    for names in re.findall(r"[Ss]emantics,? ((?:[A-Z]\d+(?:–[A-Z]?\d+)?(?:, )?)+)", said):
        for letter, first, last in re.findall(r"([A-Z])(\d+)(?:–[A-Z]?(\d+))?", names):
            cited |= {f"{letter}{number}" for number in range(int(first), int(last or first) + 1)}

    assert len(written) > 40
    assert [rule for rule in written if rule not in cited] == []


# The pages themselves.


def test_the_readme_is_short() -> None:
    assert len(page("README.md").splitlines()) <= 150


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    dead = []
    for link in links(path.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        if not target.exists() or (anchor and anchor not in anchors(target.read_text())):
            dead.append(link)

    assert dead == []


@pytest.mark.parametrize("block", in_order(every_block("json")))
def test_every_json_example_is_json(block: Block) -> None:
    assert _json(block)


class _AsInJson(yaml.SafeLoader):
    """Days and words such as `on` stay texts, as they are in JSON."""


_AsInJson.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in of if tag.endswith(":int")]
    for first, of in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_AsInJson.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("(true|false)$"), list("tf"))


@pytest.mark.parametrize("block", in_order(blocks("docs/program.md", "yaml")))
def test_every_program_example_compiles(block: Block) -> None:
    """A whole document by itself; a part of one in place of that part of a whole one."""
    found = yaml.load(block.text, Loader=_AsInJson) or {}
    whole = found if "zegel" in found else {**yaml.load(PLAIN, Loader=_AsInJson), **found}

    assert reading.read_new(block.text if "zegel" in found else json.dumps(whole))


def test_examples_of_messages_have_the_fields_that_messages_have() -> None:
    instant = datetime(2026, 11, 21, tzinfo=UTC)
    recorded = Recorded(
        id=bytes(16), member_id=bytes(16), sequence=1, source="webshop", kind="purchase", key="1", occurred_at=instant,
        effective_at=instant, recorded_at=instant, rules_version=1, engine=1, digest=b"", content=b"", hash=b"",
        entries=(), steps=(), accounts={},
    )  # fmt: skip
    body = messages.body(
        messages.EARNED, event=recorded, number=1, accounts={"points": Account("points")}, extra={"points": {}}
    )
    common = json.loads(body)["data"].keys() - {"points"}

    for block in blocks("docs/webhooks.md", "json"):
        example = _json(block)
        if "type" in example:
            row = first_cells(page("docs/webhooks.md"))[example["type"]]
            outside = {"balances", "effective_at", "event_sequence"} if example["type"].startswith("event.") else set()
            if example["type"] in (messages.RULES_PUBLISHED, *messages.OPERATOR_TYPES):  # about no member
                outside = common
            assert example["data"].keys() - common == set(re.findall(r"`(\w+)`", row[2]))
            assert example["data"].keys() >= common - outside


# What is shipped beside the code.


def test_the_image_copies_what_there_is_and_what_is_sent_along() -> None:
    copied = set(joined.from_iterable(line.split()[1:-1] for line in _dockerfile("COPY")))
    sent = {line.removeprefix("!") for line in page(".dockerignore").splitlines() if line.startswith("!")}

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert copied == sent


def test_the_image_takes_only_pinned_packages_and_runs_as_nobody_special() -> None:
    (user,) = _dockerfile("USER")

    assert "--require-hashes -r requirements.txt" in page("Dockerfile")
    assert user.split()[1].split(":")[0] not in ("0", "root")


def test_compose_sets_only_settings_that_there_are() -> None:
    services = yaml.safe_load(page("compose.yaml"))["services"]
    known = {environment_name(field) for field in Settings.model_fields}
    ours = {name: one["environment"].keys() for name, one in services.items() if name != "db"}

    assert [(name, keys - known) for name, keys in ours.items() if keys - known] == []
    assert [name for name, keys in ours.items() if "MIGRATION_DATABASE_URL" in keys] == ["migrate"]
    assert services["api"]["command"] == ["serve", "--no-worker"]
    assert services["worker"]["command"] == ["worker"]


def _json(block: Block) -> Any:
    return json.loads(block.text)


def _dockerfile(instruction: str) -> list[str]:
    return [line for line in page("Dockerfile").splitlines() if line.startswith(instruction + " ")]
