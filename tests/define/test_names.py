"""Names in definitions: what is nearly one, what would be left out in silence, and markers that are written wrongly."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.define.test_load import check_mistake

# what is added to the good definitions, the error, and a part of each of its parts
MISTAKES: dict[str, tuple[str, tuple[str, str, str, str | None, str]]] = {
    "a name in other letters": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = Visit.SECONDS.sum()\n",
        ("UnknownColumn", "`Visit` has no column `SECONDS`", "shop.py:23, `V.s`", "seconds", "write `seconds`"),
    ),
    "a name in another style": (
        "class V(FeatureView, entity=User, source=Visit, key=Visit.userId):\n    s = rows()\n",
        ("UnknownColumn", "`Visit` has no column `userId`", "shop.py:22, `V`", "user_id", "write `user_id`"),
    ),
    "a member of a group as plan prints it": (
        'two = FeatureSet("two", Visits.seconds_7d)\n',
        (
            "UnknownFeature",
            "`seconds_7d` is a member of the group `Visits.seconds`",
            "shop.py:22",
            "pages, seconds",
            'write `seconds["7d"]`',
        ),
    ),
    "a member of a group, nearly": (
        'two = FeatureSet("two", Visits.secnds_7d)\n',
        ("UnknownFeature", "`Visits` has no feature `secnds_7d`", "shop.py:22", "seconds", 'write `seconds["7d"]`'),
    ),
    "a group as an operand": (
        "class V(FeatureView, entity=User, source=Visit):\n    s = rows() / Visits.seconds\n",
        (
            "InvalidDefinition",
            "a group of 2 features stands where one value belongs",
            "shop.py:23, `V.s`",
            '["1d"], ["7d"]',
            'name one of them: `Visits.seconds["1d"]`',
        ),
    ),
    "a group in arithmetic": (
        "class V(FeatureView):\n    s = Visits.seconds / 2\n",
        ("InvalidDefinition", "plain Python does not take a group", "shop.py:23, `V.s`", None, '["7d"]'),
    ),
    "a method of a group": (
        "class V(FeatureView):\n    s = Visits.seconds.abs()\n",
        ("InvalidDefinition", "has no `abs`", "shop.py:23, `V.s`", '["1d"]', '`Visits.seconds["1d"]`'),
    ),
    "a feature that would be left out": (
        "class V(FeatureView, entity=User, source=Visit):\n    n = rows()\n    _s = Visit.seconds.sum()\n",
        ("InvalidDefinition", "`V._s` is an expression", "shop.py:24, `V._s`", None, "write `s = ...` for a feature"),
    ),
    "a group that would be left out": (
        "class V(FeatureView, entity=User, source=Visit):\n    n = rows()\n    _s = {'a': rows()}\n",
        ("InvalidDefinition", "`V._s` is an expression", "shop.py:24, `V._s`", None, "above the class"),
    ),
    "a type without a value": (
        "class V(FeatureView, entity=User, source=Visit):\n    n = rows()\n    s: int\n",
        ("InvalidDefinition", "`V.s` has a type and no value", "shop.py:24, `V.s`", None, "assign its expression"),
    ),
    "a column that is assigned": (
        "class S(Source):\n    at: EventTime\n    x = Column[int]\n",
        ("InvalidDefinition", "`S.x` is assigned a type", "shop.py:24, `S.x`", None, "`x: Column[int]`"),
    ),
    "a time with a type": (
        "class S(Source):\n    at: EventTime[datetime]\n",
        ("InvalidDefinition", "`EventTime[datetime]` names a type", "shop.py:23", None, "write `EventTime` alone"),
    ),
    "a row id of floats": (
        "class S(Source):\n    x: RowId[float]\n    at: EventTime\n",
        ("TypeMismatch", "`S.x` is marked RowId and holds float64", "shop.py:23, `S.x`", "int, str", "RowId[int]"),
    ),
    "an entity with options": (
        "class E(Entity, join_keys=['a']):\n    a: Column[int]\n",
        ("InvalidDefinition", "an entity takes no `join_keys=`", "shop.py:22, `E`", None, "columns are the key"),
    ),
    "months": (
        'class V(FeatureView, entity=User, source=Visit):\n    s = rows(over="3M")\n',
        ("InvalidDefinition", "'3M' is not a duration: a month", "shop.py:23, `V.s`", "1d", "write days: `90d`"),
    ),
    "another entity": (
        "class Driver(Entity):\n    driver_id: Column[int]\n\n"
        "class V(FeatureView, entity=Driver, source=Visit):\n    s = rows()\n",
        (
            "UnknownColumn",
            "`Visit` has no key column `driver_id`",
            "shop.py:25, `V`",
            "user_id",
            "write `entity=User`, whose key `Visit` has",
        ),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_name_that_cannot_be_meant_is_an_error_with_a_fix(mistake: str, tmp_path: Path) -> None:
    """No attribute is left out in silence, and the fix can be followed."""
    check_mistake(tmp_path, *MISTAKES[mistake])
