"""Messages: each has its parts, nothing else is raised, and a mistyped name is answered with the near one."""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from featurestore import errors
from featurestore.cli.app import main
from featurestore.config import read_config
from featurestore.errors import FeatureStoreError
from featurestore.online.events import _Skipped
from featurestore.semantics.instants import OutOfYears
from featurestore.serve.problems import RequestRefused
from featurestore.store import FeatureStore
from tests.small_shop import NOON, VISITS, Shop, opened, purchase, view_with

ROOT = Path(__file__).resolve().parent.parent
OURS = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, FeatureStoreError)}
OURS |= {RequestRefused.__name__, _Skipped.__name__, OutOfYears.__name__}
# Raised where a definition is written or a value is read: whoever catches it there says where.
PLACED_BY_OTHERS = ("semantics", "expr", "define", "offline/queries.py")
# These say how to mend it themselves, or hold others that do.
WHOLE = {"DefinitionErrors", "_Refused"}
# They become the reason of a quarantined row, which has its place.
REASONS = {"_Skipped", "OutOfYears"}
# What else is raised, by file. Typer's own are how a command line says wrong usage, and a ValueError in a reader of
# JSON becomes one of ours where it is read; a client that has gone is told nothing; a KeyboardInterrupt was caught, and
# now says what is kept; a trip's deadline on the event loop is a timeout of redis, which becomes one of ours where
# trips are made; the rest tells a programmer of an inner room what was called wrongly.
OTHERS = {
    "__init__.py": {"AttributeError": 1},
    "audit/run.py": {"_Stopped": 1},
    "cli/app.py": {"typer.Exit": 1},
    "cli/auditing.py": {"typer.BadParameter": 1, "typer.Exit": 1},
    "cli/checking.py": {"typer.Exit": 1},
    "cli/data_check.py": {"typer.Exit": 1},
    "cli/given.py": {"typer.BadParameter": 2},
    "cli/project.py": {"typer.Exit": 1},
    "cli/serving.py": {"typer.BadParameter": 1, "typer.Exit": 1},
    "cli/skewing.py": {"typer.BadParameter": 2, "typer.Exit": 2},
    "cli/status.py": {"typer.Exit": 1},
    "cli/training.py": {"typer.BadParameter": 1, "typer.Exit": 1},
    "log/event_log.py": {"ValueError": 3, "RuntimeError": 2},
    "offline/bounded.py": {"KeyboardInterrupt": 1},
    "offline/select.py": {"AssertionError": 1},
    "online/loop_trips.py": {"redis.TimeoutError": 1},
    "online/memory.py": {"AssertionError": 1},
    "semantics/folding/tallies.py": {"IndexError": 1},
    "semantics/macros.py": {"AssertionError": 1},
    "semantics/kernels/recording.py": {"TypeError": 1},
    "semantics/strict_json.py": {"ValueError": 4},
    "serve/bodies.py": {"ClientDisconnect": 1},
    "serve/run.py": {"ModuleNotFoundError": 1},
}


def parsed() -> Iterator[tuple[str, ast.Module]]:
    """Every file of the package, by its path in it."""
    package = ROOT / "featurestore"
    for path in sorted(package.rglob("*.py")):
        yield str(path.relative_to(package)), ast.parse(path.read_text(encoding="utf-8"))


def made() -> Iterator[tuple[str, str, ast.Call]]:
    """Every error of ours that is made anywhere: its place, its class, and the call."""
    for file, tree in parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (name := ast.unparse(node.func).split(".")[-1]) in OURS:
                yield f"{file}:{node.lineno}", name, node


def test_every_error_says_how_to_mend_it() -> None:
    """Each error that is made is given what happened and a fix."""
    found = list(made())
    assert len(found) > 100
    wrong = [
        place
        for place, name, call in found
        if name not in WHOLE and not (call.args and "fix" in {keyword.arg for keyword in call.keywords})
    ]
    assert wrong == []


def test_every_error_says_where_or_what_there_is() -> None:
    """Outside the rooms whose callers know the place, each error is given where it is, or what there is instead."""
    wrong = [
        place
        for place, name, call in made()
        if name not in WHOLE | REASONS
        and not place.startswith(PLACED_BY_OTHERS)
        and not {"where", "has"} & {keyword.arg for keyword in call.keywords}
    ]
    assert wrong == []


def test_no_fix_is_empty_and_no_message_ends_with_a_full_stop() -> None:
    """The parts are phrases: none is empty, none ends with a full stop, and fixes begin small."""
    wrong = []
    for place, _, call in made():
        texts = [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg == "fix"]
        texts += [("what", each) for each in call.args[-1:]]
        for part, node in texts:
            if isinstance(node, ast.Constant) and isinstance(text := node.value, str):
                small = part == "what" or not text[:1].isupper()
                wrong += [] if text and not text.endswith(".") and small else [f"{place}: {text}"]
    assert wrong == []


def test_nothing_else_is_raised() -> None:
    """What is raised is an error of ours, what was caught, or stands in the list above with its reason."""
    found: dict[str, dict[str, int]] = {}
    for file, tree in parsed():
        counted: Counter[str] = Counter()
        for node in ast.walk(tree):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call | ast.Name | ast.Attribute):
                continue
            name = ast.unparse(node.exc.func if isinstance(node.exc, ast.Call) else node.exc)
            # what is written small was caught, or is a function that makes one of ours
            if name.split(".")[-1] not in OURS and not name.split(".")[-1].lstrip("_").islower():
                counted[name] += 1
        if counted:
            found[file] = dict(counted)
    assert found == OTHERS


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The gallery's shop."""
    here = Path.cwd()
    with opened(tmp_path_factory.mktemp("messages").resolve()) as shop:
        yield shop
    os.chdir(here)


def _mistyped_data(shop: Shop) -> None:
    root = shop.project(visits=VISITS.format('Csv("visits.csv")'))
    (root / "visits.csv").write_text("customer_id,seenat\n7,2024-05-01T12:00:00Z\n")
    with FeatureStore(root) as store:
        store.dataset("visits", [{"customer_id": 7, "at": NOON}], as_of="at")


DERIVED = "class More(FeatureView):\n    a = {} + 1\n"
MISTYPED: tuple[tuple[str, str, Callable[[Shop], object]], ...] = (
    ("column", "write `country`", lambda shop: shop.define(view_with("last = Purchase.contry.last()"))),
    ("feature", "write `number`", lambda shop: shop.define(DERIVED.format("Spending.nmber"))),
    (
        "input of a request",
        "write `value`",
        lambda shop: shop.define(DERIVED.format("Basket.vlue")),
    ),
    ("feature set", "write `checkout`", lambda shop: shop.store.plan("check_out")),
    ("source", "write `Purchase`", lambda shop: shop.store.ingest("purchase", [])),
    (
        "zone",
        "write `Europe/Paris`",
        lambda shop: shop.define(DERIVED.format("Basket.placed_at.hour('Europe/paris')")),
    ),
    (
        "window",
        "write `30d`",
        lambda shop: shop.define(DERIVED.format("Spending.amount['4w']")),
    ),
    ("setting", "write `definitions`", lambda shop: read_config(shop.project('definition = "a"\n'))),
    (
        "environment",
        "write `production`",
        lambda shop: read_config(shop.project("[environments.production]\n"), environment="prod"),
    ),
    (
        "key of an entity",
        "write `customer_id`",
        lambda shop: shop.define("who = Customer(customerid=Basket.value)\n"),
    ),
    ("event's column", "write `amount`", lambda shop: shop.store.ingest("Purchase", purchase(9) | {"amonut": 1.0})),
    ("data's column", "write `seenat`", _mistyped_data),
    ("as_of", "write `asked_at`", lambda shop: shop.dataset(shop.question(asked_at=NOON), as_of="asked")),
    (
        "input of a question",
        "rename `customer` to `customer_id`",
        lambda shop: shop.store.lookup("checkout", {"customer": 7, "value": 1.0, "placed_at": NOON}),
    ),
    (
        "input of a spine",
        "rename `valu` to `value`",
        lambda shop: shop.dataset({"customer_id": 7, "valu": 1.0, "placed_at": NOON, "asked_at": NOON}),
    ),
)


@pytest.mark.parametrize(("what", "fix", "act"), MISTYPED, ids=[each[0] for each in MISTYPED])
def test_a_mistyped_name_is_answered_with_the_near_one(
    what: str, fix: str, act: Callable[[Shop], object], shop: Shop
) -> None:
    """Whatever is mistyped, the fix is the name that was meant."""
    os.chdir(shop.store.config.root)
    with pytest.raises(FeatureStoreError) as caught:
        act(shop)
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["lookup", "chekout", "customer_id=7"], "fix  write `checkout`"),
        (["lookup", "checkout", "custmer_id=7"], "fix  write `customer_id`"),
        (["ingest", "Purchas", "purchase_id=9"], "fix  write `Purchase`"),
        (["--env", "prod", "plan"], "fix  write `production`"),
        (["materialise"], "materialize"),
        (["plan", "--jsn"], "--json"),
    ],
)
def test_the_command_line_answers_a_mistyped_name_with_the_near_one(
    arguments: list[str], says: str, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped command, option, feature set, source or input is answered with the one that was meant."""
    os.chdir(shop.store.config.root)
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code in (1, 2)
    assert says in capsys.readouterr().err
