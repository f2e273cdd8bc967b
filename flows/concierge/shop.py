"""The shop as a SQLite database: what the specialists read and write, each call in a transaction of its own.

A connection is made for each call, so that bodies may run on any thread of any process. What a call writes goes
together with its key: run again with the same key it writes nothing and answers as it did the first time. Customers
see their own orders only, whatever number they name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass as plain
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import FilePath, StringConstraints
from pydantic.dataclasses import dataclass

from handoff import Deps, ToolError

HERE = Path(__file__).parent
PATIENCE = 10.0
"""Seconds to wait for another writer."""

CustomerId = Annotated[str, StringConstraints(pattern=r"^C[0-9]{1,9}$")]
OrderId = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,12}$")]
"""The number of an order, such as 1001."""
Status: TypeAlias = Literal["packing", "shipped", "delivered", "cancelled"]
"""How far an order is; only one that is being packed can still be changed."""


@plain(frozen=True, slots=True)
class Order:
    """An order of a customer.

    Attributes:
        id: its number.
        product: the product's id.
        name: the product's name.
        paid: what was paid, in cents.
        refunded: what went back of it, in cents.
        address: where it goes.
        status: how far it is.
    """

    id: OrderId
    product: str
    name: str
    paid: int
    refunded: int
    address: str
    status: Status

    def __str__(self) -> str:
        back = f", {money(self.refunded)} of it paid back" if self.refunded else ""
        return f"{self.id}: {self.name}, {money(self.paid)}{back}, {self.status}"


_ORDERS = """
    SELECT orders.id, products.id, products.name, paid,
        (SELECT coalesce(sum(amount), 0) FROM payments WHERE payments.orders = orders.id), address, status
    FROM orders JOIN products ON products.id = product
    WHERE customer = ? ORDER BY orders.id
"""


@dataclass(frozen=True)
class Shop(Deps):
    """The shop in a database.

    Attributes:
        database: its SQLite file; it must exist.
    """

    database: FilePath

    @classmethod
    def sample(cls, directory: Path) -> Shop:
        """Lend a shop of two customers and four orders.

        Args:
            directory: where its database belongs; one that is there already is taken as it is.

        Raises:
            OSError: it cannot be written.
        """
        database = directory / "shop.db"
        if not database.exists():
            directory.mkdir(parents=True, exist_ok=True)
            beside = directory / "shop.part"
            beside.unlink(missing_ok=True)  # what a crash left
            with closing(sqlite3.connect(beside)) as made:
                for script in ("schema.sql", "sample.sql"):
                    made.executescript((HERE / script).read_text(encoding="utf-8"))
                made.commit()
            beside.replace(database)
        return cls(database)

    # -- reading -------------------------------------------------------------------------------------------------------

    def customer(self, email: str, postcode: str) -> tuple[CustomerId, str]:
        """Who has this e-mail address and postcode: id and name.

        Raises:
            ToolError: nobody has both; which of them is wrong is not said.
        """
        with self._reading() as connection:
            found = connection.execute(
                "SELECT id, name FROM customers WHERE email = ? AND postcode = ?", (email.strip(), postcode.strip())
            ).fetchone()
        if found is None:
            raise ToolError("No customer has this e-mail address with this postcode.")
        return found[0], found[1]

    def orders(self, customer: CustomerId) -> list[Order]:
        """The orders of a customer, by number."""
        with self._reading() as connection:
            return [Order(*row) for row in connection.execute(_ORDERS, (customer,))]

    def order(self, customer: CustomerId, order_id: OrderId) -> Order:
        """One of a customer's orders.

        Raises:
            ToolError: the customer has no such order.
        """
        with self._reading() as connection:
            return _own(connection, customer, order_id)

    def advice(self, product: str, symptom: str) -> str | None:
        """What the manual of a product says about a symptom; None if it says nothing."""
        said = symptom.casefold()
        with self._reading() as connection:
            for words, text in connection.execute("SELECT words, text FROM advice WHERE product = ?", (product,)):
                if any(word in said for word in str(words).split(",")):
                    return str(text)
        return None

    def payment(self, reference: str) -> tuple[OrderId, int] | None:
        """The order and the cents of a payment; None if it was never made."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT orders, amount FROM payments WHERE reference = ?", (reference,)
            ).fetchone()
        return None if found is None else (found[0], found[1])

    # -- writing -------------------------------------------------------------------------------------------------------

    def send_to(self, key: str, customer: CustomerId, order_id: OrderId, address: str) -> str:
        """Change where an order goes.

        Args:
            key: the call's.
            customer: whose order.
            order_id: which.
            address: where to.

        Raises:
            ToolError: there is no such order, or it has left.
        """

        def change(connection: sqlite3.Connection) -> str:
            _still_here(_own(connection, customer, order_id))
            connection.execute("UPDATE orders SET address = ? WHERE id = ?", (address, order_id))
            return f"Order {order_id} goes to {address}."

        return self._once(key, change)

    def cancel(self, key: str, customer: CustomerId, order_id: OrderId) -> str:
        """Cancel an order.

        Args:
            key: the call's.
            customer: whose order.
            order_id: which.

        Raises:
            ToolError: there is no such order, or it has left.
        """

        def change(connection: sqlite3.Connection) -> str:
            order = _still_here(_own(connection, customer, order_id))
            connection.execute("UPDATE orders SET status = 'cancelled' WHERE id = ?", (order_id,))
            return f"Order {order_id} is cancelled; {money(order.paid - order.refunded)} can be paid back."

        return self._once(key, change)

    def book_repair(self, key: str, customer: CustomerId, order_id: OrderId, problem: str) -> str:
        """Book a repair of what was ordered.

        Args:
            key: the call's.
            customer: whose order.
            order_id: which.
            problem: what is wrong with it.

        Raises:
            ToolError: there is no such order, or it has not arrived.
        """

        def change(connection: sqlite3.Connection) -> str:
            order = _own(connection, customer, order_id)
            if order.status != "delivered":
                raise ToolError(f"Order {order_id} is {order.status}: only what was delivered can be repaired.")
            made = connection.execute("INSERT INTO repairs (orders, problem) VALUES (?, ?)", (order_id, problem))
            return f"Repair {made.lastrowid} of the {order.name} is booked."

        return self._once(key, change)

    def pay_back(self, reference: str, customer: CustomerId, order_id: OrderId, cents: int) -> None:
        """Pay money back to a customer, at most what was paid.

        Args:
            reference: what the bank knows the payment by.
            customer: whose order.
            order_id: which.
            cents: how much.

        Raises:
            ToolError: there is no such order, or less is left of what was paid.
        """
        with self._writing() as connection:
            order = _own(connection, customer, order_id)
            left = order.paid - order.refunded
            if not 0 < cents <= left:
                raise ToolError(f"Nothing was paid back: of order {order_id}, {money(left)} can be.")
            connection.execute("INSERT INTO payments VALUES (?, ?, ?)", (reference, order_id, cents))

    def _once(self, key: str, change: Callable[[sqlite3.Connection], str]) -> str:
        """What the change answers; with a key that was used, what it answered then."""
        with self._writing() as connection:
            found = connection.execute("SELECT output FROM done WHERE key = ?", (key,)).fetchone()
            if found is not None:
                return str(found[0])
            output = change(connection)
            connection.execute("INSERT INTO done VALUES (?, ?)", (key, output))
            return output

    @contextmanager
    def _reading(self) -> Generator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.database, timeout=PATIENCE, isolation_level=None)) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        """A transaction that keeps other writers out from its start; what raises in it leaves nothing."""
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")


def money(cents: int) -> str:
    """An amount as people write it."""
    return f"{cents // 100}.{cents % 100:02} EUR"


def _own(connection: sqlite3.Connection, customer: CustomerId, order_id: OrderId) -> Order:
    for row in connection.execute(_ORDERS, (customer,)):
        if row[0] == order_id:
            return Order(*row)
    raise ToolError(f"The customer has no order {order_id}.")


def _still_here(order: Order) -> Order:
    if order.status != "packing":
        raise ToolError(f"Order {order.id} is {order.status}: it cannot be changed any more. Nothing was changed.")
    return order
