"""How old a pushed state may be, on a clock and a network of our own."""

from types import SimpleNamespace

from discovery.rome import feed as module
from discovery.rome.feed import IDLE_S, STALE_AFTER_S, Feed

START = 1000.0


class Network:
    """Entries that arrive ``delay`` seconds after they were asked for, once."""

    def __init__(self, monkeypatch, delay, entries):
        self.now = START
        self.delay = delay
        self.asked = []
        self.state = SimpleNamespace(seq=1)
        self.owed = 0
        self.untold = None
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        self.feed = Feed(self)
        self.process = self.feed._process = 1
        monkeypatch.setattr(module.os, "getpid", lambda: self.process)
        self.feed._next_entries = lambda: self.arrive(entries)

    @property
    def place(self):
        return self.state

    def arrive(self, entries):
        self.now += self.delay
        self.process = 2  # the thread's loop ends after this, as in a child
        return entries

    def advance(self, entries):
        for number, _, _ in entries:
            self.state = SimpleNamespace(seq=number)

    def fresh(self, *, tell=True):
        self.asked.append(self.now)
        self.now += self.delay
        return self.state

    def follow_once(self):
        self.feed._follow()
        self.process = 1

    def begin(self, after):
        """A transaction that long after the feed asked; whether it asks by itself."""
        self.now = max(self.now, START + after)
        before = len(self.asked)
        self.feed.state()
        return len(self.asked) > before


def test_what_was_heard_is_believed_for_two_seconds_from_when_it_was_asked_for(monkeypatch):
    network = Network(monkeypatch, 0.3, [(2, b"", b"")])
    network.follow_once()
    assert not network.begin(after=STALE_AFTER_S - 0.01)
    assert network.state.seq == 2
    assert network.begin(after=STALE_AFTER_S + 0.01)


def test_an_answer_that_was_long_on_its_way_is_old_when_it_comes(monkeypatch):
    network = Network(monkeypatch, STALE_AFTER_S + 1, [(2, b"", b"")])
    network.follow_once()
    assert network.begin(after=0)


def test_silence_is_asked_about_and_the_answer_counts_from_its_own_request(monkeypatch):
    network = Network(monkeypatch, 0.5, [])
    network.follow_once()
    assert network.asked == [START + 0.5]
    assert not network.begin(after=0.5 + STALE_AFTER_S - 0.01)
    assert network.begin(after=0.5 + STALE_AFTER_S + 0.01)


def test_a_part_of_what_is_new_is_not_the_newest_state(monkeypatch):
    """The rest is asked for, and its age counts from that question."""
    entries = [(number, b"", b"") for number in range(2, 2 + module.ENTRIES)]
    network = Network(monkeypatch, 0.3, entries)
    network.follow_once()
    assert network.asked == [START + 0.3]
    assert not network.begin(after=0.3 + STALE_AFTER_S - 0.01)
    assert network.begin(after=0.3 + STALE_AFTER_S + 0.01)


def test_a_process_that_has_heard_nothing_yet_asks(monkeypatch):
    network = Network(monkeypatch, 0.1, [])
    assert network.begin(after=0)


def test_a_commit_of_ones_own_that_is_not_there_is_asked_for(monkeypatch):
    network = Network(monkeypatch, 0.1, [(2, b"", b"")])
    network.follow_once()
    network.owed = 3
    assert network.begin(after=0)
    network.state = SimpleNamespace(seq=3)
    assert not network.begin(after=0)


def test_a_feed_that_nobody_reads_ends_and_can_begin_again(monkeypatch):
    network = Network(monkeypatch, 1.0, [])
    feed = network.feed

    def quiet():
        network.now += 1.0
        return []

    feed._next_entries = quiet
    feed._follow()
    assert IDLE_S < network.now - START < IDLE_S + 4
    assert feed._process == 0  # so that the next transaction starts a thread


def test_the_log_is_asked_for_in_parts():
    """However far behind a process is, Redis sends it no more than so much at once."""
    sent = []
    client = SimpleNamespace(ask=lambda *words: sent.append(words))
    store = SimpleNamespace(
        request=lambda send: send(client), patience=2.5, keys=SimpleNamespace(log="log")
    )
    feed = Feed(SimpleNamespace(store=store, place=SimpleNamespace(seq=7)))
    assert feed._next_entries() == []
    assert sent == [("XREAD", "COUNT", 100, "BLOCK", 500, "STREAMS", "log", "7-0")]
