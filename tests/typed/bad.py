"""Definitions that are wrong: mypy and pyright both refuse the lines that say so, and no others.

Every mistake stands below a comment that names it, and its line ends with `# refused`. The file is never run.
"""

from datetime import datetime
from decimal import Decimal

from featurestore import (
    Column,
    Csv,
    Drift,
    Entity,
    EventTime,
    Feature,
    FeatureSet,
    FeatureView,
    Parquet,
    Request,
    Source,
    Window,
    column,
    feature,
    rows,
    when,
)
from featurestore.testing import value


class User(Entity):
    """Who."""

    user: Column[int]


class Place(Entity):
    """Where."""

    country: Column[str]
    city: Column[str]


class Sale(Source, data=Parquet("data/*.parquet")):
    """Rows."""

    user: Column[int]
    country: Column[str]
    amount: Column[float]
    paid: Column[bool]
    price: Column[Decimal] = column(precision=12, scale=2)
    sold_at: EventTime


class Basket(Request):
    """The question."""

    friend: Column[int]
    home: Column[str]
    placed_at: Column[datetime]


class Sales(FeatureView, entity=User, source=Sale):
    """Good ones, which the bad ones refer to."""

    number = rows(over="7d")
    spent = Sale.amount.sum(over=("1d", "7d"))
    last = Sale.country.last()


# a misspelled column
Sale.amuont.mean(over="7d")  # refused
# a misspelled feature
feature(Sales.nubmer, default=0)  # refused
# a misspelled method
Sale.amount.maen()  # refused
# a misspelled column of a request
Basket.hme.is_null()  # refused
# an aggregate of a text that wants numbers
Sale.country.mean()  # refused
# a sum of instants
Sale.sold_at.sum()  # refused
# a least truth
Sale.paid.min()  # refused
# arithmetic on a text
Sale.country * 2  # refused
# a text beside a number
Sale.amount + "1"  # refused
# a number before a text
1 + Sale.country  # refused
# a decimal beside a float
Sale.price + Sale.amount  # refused
# a truth compared with a number
rows(where=Sale.paid == 7)  # refused
# a list's mean of texts
Sale.country.last_n(3).mean()  # refused
# an instant added to an instant
Sale.sold_at + Sale.sold_at  # refused
# a comparison of a number and a text
Sale.amount > "1"  # refused
# an order of truths
Sale.paid < Sale.paid  # refused
# the opposite of a number
~Sale.amount  # refused
# a number as one side of `&`
Sale.paid & Sale.amount  # refused
# a number as a condition
rows(where=Sale.amount)  # refused
# a truth of Python as a condition
rows(where=True)  # refused
# an equality of a text and a number as a condition
rows(where=Sale.country == 7)  # refused
# a number of days
rows(over=7)  # refused
# a number among the windows
rows(over=("1d", 7))  # refused
# a window of a number
Window(7)  # refused
# an unknown keyword of an aggregate
Sale.amount.mean(window="7d")  # refused
# a column given to an aggregate without its name
Sale.amount.sum("7d")  # refused
# `skip_nulls` where nulls are skipped anyway
Sale.amount.sum(skip_nulls=True)  # refused
# a number of rows that is a text
Sale.amount.last_n("3")  # refused
# the greatest values of a bool
Sale.paid.top_values(3)  # refused
# the correlation of a number and a text
Sale.amount.correlation(Sale.country)  # refused
# a time halfway between two
Sale.sold_at.median(interpolated=True)  # refused
# a category of another type than the others
rows(by=Sale.country, null_category=0)  # refused
# the city at the greatest truth
Sale.city.max_by(Sale.paid)  # refused
# the city at the greatest of nothing
Sale.city.max_by()  # refused
# the hour of a number
Sale.amount.dot(Sale.amount)  # refused
# a default of another type
feature(Sales.last, default=0)  # refused
# a default of another type for a group
feature(Sale.amount.sum(over=("1d", "7d")), default="none")  # refused
# an unknown option of a feature
feature(Sales.last, defualt="none")  # refused
# a column that is no expression of a feature
feature("spent")  # refused
# a window of a group by its number
Sales.spent[7]  # refused
# a condition that is none
when(Sale.amount)  # refused
# a view in place of its name
FeatureSet(Sales, "sales")  # refused
# a source in a feature set
FeatureSet("sold", Sale)  # refused
# a key of another type
User(user=Basket.home)  # refused
# a key column that the entity has not
User(id=Basket.friend)  # refused
# a threshold that is a text
Drift(psi="0.2")  # refused
# a threshold of no measure
Drift(chi2=0.2)  # refused
# a number in place of thresholds
feature(rows(), drift=0.1)  # refused
# files without a path
Csv()  # refused
# the value of a source's column
value(Sales, [], key=1)  # refused


# an unknown option of a source
class Late(Source, dealy="5m"):  # refused
    """Never."""

    user: Column[int]
    at: EventTime


# a delay that is a number
class Slow(Source, delay=5):  # refused
    """Never."""

    user: Column[int]
    at: EventTime


# an unknown option of a view
class Odd(FeatureView, entiy=User, source=Sale):  # refused
    """Never."""

    number = rows()


# a source in place of the entity
class Swapped(FeatureView, entity=Sale, source=Sale):  # refused
    """Never."""

    number = rows()


# a request in place of the source
class Asked(FeatureView, entity=User, source=Basket):  # refused
    """Never."""

    number = rows()


# a key that is a text
class Keyed(FeatureView, entity=User, source=Sale, key="user"):  # refused
    """Never."""

    number = rows()


class Annotated(FeatureView, entity=User, source=Sale):
    """Good but for its annotations."""

    # an annotation of another type
    number: Feature[str] = feature(rows())  # refused
    # an annotation of another type for a group
    spent: Feature[float] = Sale.amount.sum(over=("1d", "7d"))  # refused
