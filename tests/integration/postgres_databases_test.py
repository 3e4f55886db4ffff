"""Databases that change their names while they are watched."""

import contextlib
import unittest

import postgres_support
import support

WHO = """
[postgres]
dsn = "{dsn}"
refresh_interval = "1s"
[[postgres.queries]]
name = "who"
scope = "database"
databases = ["east", "west"]
interval = "1h"
sql = "SELECT id FROM public.who"
metrics = [{{ name = "who_id", column = "id", type = "gauge", help = "Which database it is." }}]
"""

NUMBERS = """
[postgres]
dsn = "{dsn}"
refresh_interval = "1s"
[[postgres.queries]]
name = "numbers"
scope = "database"
interval = "1h"
series_limit = 30
rank_by = "n"
labels = ["n"]
sql = "SELECT n FROM generate_series(1, 50) AS n"
metrics = [{{ name = "number", column = "n", type = "gauge", help = "A number." }}]
"""


class Databases(unittest.TestCase):
    def test_that_swap_their_names_do_not_swap_their_rows(self):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(postgres_support.Server(15)).monitor_role()
            for number, name in enumerate(("east", "west")):
                server.sql(f"CREATE DATABASE {name}")
                server.sql(f"CREATE TABLE who AS SELECT {number} AS id", "GRANT SELECT ON who TO"
                           " monitor", database=name)
            folder = stack.enter_context(support.scratch())
            exporter = stack.enter_context(postgres_support.exporter(
                server, folder=folder, config=WHO.format(dsn=server.dsn())))

            def who():
                text = postgres_support.scrape(exporter)[0]
                return [support.value(text, "who_id", datname=name) for name in ("east", "west")]
            support.wait_for(lambda: who() == [0, 1], 20, "both are read")
            server.sql("ALTER DATABASE east RENAME TO aside", "ALTER DATABASE west RENAME TO east",
                       "ALTER DATABASE aside RENAME TO west")
            # An hour before they are due: what is served was read under the new names.
            support.wait_for(lambda: who() == [1, 0], 20, "both are read again")

    def test_of_which_one_more_comes_lose_no_rows_until_they_are_visited_again(self):
        with contextlib.ExitStack() as stack:
            server = stack.enter_context(postgres_support.Server(15)).monitor_role()
            server.sql("CREATE DATABASE first")
            folder = stack.enter_context(support.scratch())
            exporter = stack.enter_context(postgres_support.exporter(
                server, folder=folder, config=NUMBERS.format(dsn=server.dsn())))

            def shown():
                text = postgres_support.scrape(exporter)[0]
                return [text.count(f'number{{datname="{name}"') for name in ("first", "postgres",
                                                                             "second")]
            support.wait_for(lambda: shown() == [15, 15, 0], 20, "all are read")
            server.sql("CREATE DATABASE second")
            # An hour before the others are due for their smaller part: the sum is past the limit.
            support.wait_for(lambda: shown() == [15, 15, 10], 20, "the third is read")
            text = postgres_support.scrape(exporter)[0]
            self.assertEqual(support.successes(text, "pg")["numbers"], 1, exporter.output())


if __name__ == "__main__":
    unittest.main()
