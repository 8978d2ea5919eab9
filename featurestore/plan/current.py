"""Whether a feature set of one's own still means what its views mean now."""

from __future__ import annotations

from collections.abc import Callable

from featurestore.define.feature_set import FeatureSet
from featurestore.define.reload import is_replaced
from featurestore.define.view import FeatureView
from featurestore.errors import InvalidDefinition
from featurestore.plan.build import plan_view


def check_current(feature_set: FeatureSet, view_named: Callable[[str], type[FeatureView]]) -> None:
    """Refuse a feature set over views of a file that was edited, unless they mean what they meant. `view_named` gives
    the view that has a name now.

    Raises: InvalidDefinition, UnknownFeature.
    """
    for spec in {id(each.target): each.target for each in feature_set.features}.values():
        if is_replaced(spec):
            current = view_named(spec.name).__spec__
            if plan_view(current).version != plan_view(spec).version:
                raise InvalidDefinition(
                    f"the feature set `{feature_set.name}` was made of a view `{spec.name}` that was edited since",
                    where=current.where,
                    fix=f"import `{spec.name}` again, and make `{feature_set.name}` again",
                )
