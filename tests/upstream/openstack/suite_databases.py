"""Databases for suites that want a new, empty SQLite for every test, on another engine.

A suite asks for ``sqlite://`` and gets a database that looks new. Making one with its schema takes
seconds, and a test takes milliseconds: so a content is made once, kept, and put back.
"""

import itertools
import os

from sqlalchemy.engine import make_url

ANY = "any"


class Databases:
    """The databases of one process; ``url`` has ``%s`` where a database's name goes.

    ``kept``: the suite has engines that outlive a test, so no test's database is given to another.
    """

    def __init__(self, url, kept=False):
        self._url = url
        self._kept = kept
        self._numbers = itertools.count(1)
        self._free = []
        self._taken = {}
        self._contents = {}
        self._forgotten = set()

    @property
    def any_url(self):
        """What a configuration says in place of ``sqlite://``: a new database for each engine."""
        return self._url % ANY

    @staticmethod
    def is_in_memory(url):
        """Whether each engine on this URL has a database of its own, which ends with its pool."""
        return make_url(url).database in {None, "", ":memory:", ANY}

    def url_for(self, url):
        """The URL of an empty database; for a file, of the one that this test has for that file."""
        key = object() if self.is_in_memory(url) else str(url)
        if key not in self._taken:
            name = self._free.pop() if self._free else f"t{os.getpid()}x{next(self._numbers)}"
            self._taken[key] = name
            self.empty(self._url % name)
        return self._url % self._taken[key]

    def give_back(self):
        """The test is over, its databases are free."""
        if not self._kept:
            self._free.extend(self._taken.values())
            self._taken.clear()

    def forget(self, url):
        """The database is to be empty for who looks next."""
        self._forgotten.add(url)

    def look(self, url):
        """Somebody looks."""
        if url in self._forgotten:
            self._forgotten.discard(url)
            self.empty(url)

    def prepare(self, engine, kind, make):
        """Give the engine's database the content called ``kind``; the first time, ``make`` it."""
        if kind in self._contents:
            self.restore(engine.url, self._contents[kind])
        else:
            make()
            self._contents[kind] = self.content(engine.url)

    def dump(self, url):
        """What stands for the database's content, as ``iterdump`` of sqlite3 would give it."""
        self.look(url)
        name = f"-- content {len(self._contents)}"
        self._contents[name] = self.content(url)
        return [name]

    def load(self, url, name):
        """Give the database the content that ``dump`` has named."""
        self._forgotten.discard(url)
        self.restore(url, self._contents[name])
