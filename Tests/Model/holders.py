#!/usr/bin/env python3
"""Executable model of the protocol with record bodies at some members only (rules H1-H12).

One group, one cluster, small steps, random schedules and faults; what must never be is checked as it happens, and after healing
everybody must become level. It stands on rules R1-R9 and R13 of the protocol; those are obeyed here too.

    holders.py [--seeds N] [--start SEED] [--mutate NAME] [--mutants] [--list]

A record belongs to a topic, here the same as its bucket. Every member gets a batch's digest: who published it, its number, its
topics. Its records' bodies go to the topic's holders, and to members with a subscriber.

H1  Layout.     A proposed view carries, by topic, its holders. Any sets will do: nothing below leans on how they were chosen.
H2  Parts.      A frame's digest goes to all, its bodies to holders and who wants them; one promise covers both.
H3  Disk.       A member's disk has passed a frame when its digest is there, and each body that the member holds.
H4  Known.      A member knows a frame durable when all members hold it, the disks of a quorum have passed it, and of each of its
                topics the disks of most holders; and all before it.
H5  Shown.      Delivered and acknowledged, duplicates too, is what a quorum knows.
H6  Cut.        A change of view keeps what some survivor knows, and takes back the rest: surviving senders send theirs again,
                publishers what they were not answered. No survivor need have a body of what is kept: it is on most holders' disks.
H7  Accept.     An acceptance is shown when the log up to the cut is on the acceptor's disk.
H8  Doubt.      A total restart keeps an entry whose digest it found if a disk here has its bodies; cuts at the first of which so many
                holders are here without a body that no majority can have it; else waits for more. Not in doubt: what was known.
H9  Restart.    The view it makes is chosen by a quorum of the last one and most next holders of each topic, who copied the bodies in
                doubt before they accepted. So every view begins with a log that is durable to its end.
H10 Fill.       In a running view a holder copies what it lacks from anybody, and says, in this view, when all is on its disk.
H11 Drop.       Who holds a topic no more drops its bodies when all holders of the view that it runs in have said so, in that view.
H12 Identity.   A body belongs to an entry's view and key, never to a place in the log.
"""
import argparse
import random
import sys
from dataclasses import dataclass, field

MUTATIONS = {
    "ack-by-heads": "durable when a quorum's disks have the digest, whatever holders' disks have (H4)",
    "known-unstable": "known without being held by all members (H4)",
    "disk-without-body": "a holder's disk passes a frame without its bodies (H3)",
    "shown-when-known": "delivered and acknowledged when this member knows, not when a quorum does (H5)",
    "duplicate-at-once": "a duplicate is answered when it has its place, not when that is shown (H5)",
    "cut-own-known": "the leader cuts at what itself knows (H6)",
    "cut-held": "the leader cuts at what all survivors hold, bodies or not (H6)",
    "table-kept": "what the cut takes back stays in the exactly-once table (H6)",
    "resend-lost": "a surviving sender does not send again what the cut took back (H6)",
    "no-freeze": "a wedged member goes on (R6)",
    "accept-unsaved": "an acceptance is shown before it is on disk (H7, R8)",
    "accept-without-log": "an acceptance is on disk and the log up to its cut is not (H7)",
    "forget-accepted": "a new leader ignores what an earlier one may have got chosen (R8)",
    "restart-by-heads": "a restart keeps the longest log of digests, bodies or not (H8)",
    "restart-cuts-unproven": "a restart cuts at the first entry without a body, waiting for nobody (H8)",
    "restart-forgets": "a restart ignores what may have been chosen (R9)",
    "restart-no-quorum": "a restart does not wait for a quorum of the last view (R9)",
    "restart-shortest": "a restart takes the shortest log (R9)",
    "restart-uncopied": "acceptors of a restart's view do not copy bodies in doubt (H9)",
    "restart-without-holders": "a restart's view is chosen by a quorum alone (H9)",
    "filled-unsynced": "a holder says that it has all while some of it is in memory only (H10)",
    "drop-on-one": "bodies are dropped when one holder has said that it has all (H11)",
    "drop-on-old-word": "what holders said in an earlier view counts (H11)",
    "drop-unasked": "bodies are dropped when the view begins (H11)",
    "body-by-place": "a node that returns keeps bodies by their place in the log (H12)",
}
ZERO = (0, 0)


class Violation(Exception):
    pass


@dataclass(frozen=True)
class Head:
    """What everybody gets of a frame: here one batch, with a record of each of its topics."""
    ts: int
    sender: int
    publisher: int
    number: int
    topics: tuple

    @property
    def key(self):
        return (self.ts, self.sender)

    def body(self, topic):
        return (self.publisher, self.number, topic)


@dataclass(frozen=True)
class Entry:
    vid: int
    head: Head

    @property
    def id(self):
        return (self.vid, self.head.key)


@dataclass(frozen=True)
class View:
    vid: int
    members: tuple
    holders: tuple            # by topic: a frozenset of members (H1)

    def quorum(self, nodes):
        got = [m for m in self.members if m in nodes]
        return 2 * len(got) > len(self.members) or (2 * len(got) == len(self.members) and self.members[0] in got)

    def most(self, topic, nodes):
        return 2 * len(self.holders[topic] & nodes) > len(self.holders[topic])

    def cannot_have(self, topic, without):
        """So many holders are without it that most of them cannot have had it."""
        held = self.holders[topic]
        return 2 * (len(held) - len(held & without)) <= len(held)


@dataclass(frozen=True)
class Proposal:
    view: View
    sources: tuple
    cut: tuple = None         # of a running view: the key up to which its log is kept
    log: tuple = None         # of a restart: the log that it goes on with


class Disk:
    """What survives a crash. Bodies are counted in the world, so that it sees the last copy go."""
    def __init__(self, node, world):
        self.node, self.w = node, world
        self.view, self.log, self.bodies = None, [], {}
        self.accepted, self.promised = None, (0, 0)
        self.known = 0            # entries of the log that its node knew durable: a lower bound, written now and then

    def put(self, entry, topic, body):
        self.bodies[(entry.id, topic)] = body
        self.w.copies.setdefault((entry.id, topic), set()).add(self.node)

    def remove(self, what):
        if self.bodies.pop(what, None) is not None:
            self.w.copies[what].discard(self.node)
            if not self.w.copies[what] and what in self.w.owed:
                raise Violation(f"the last copy of {what} went from node {self.node}")

    def has(self, entry, topic):
        return (entry.id, topic) in self.bodies

    def set_log(self, log, by_place=False):
        """Brings the log to another one; bodies of entries that are in neither go."""
        old, self.log = self.log, list(log)
        here = {e.id for e in self.log}
        gone = [what for what in self.bodies if what[0] not in here]
        if by_place:
            place = {e.id: i for i, e in enumerate(old)}
            for what in gone:
                i = place.get(what[0])
                if i is not None and i < len(self.log) and what[1] in self.log[i].head.topics and not self.has(self.log[i], what[1]):
                    self.put(self.log[i], what[1], self.bodies[what])
        for what in gone:
            self.remove(what)
        self.known = min(self.known, len(self.log))


@dataclass
class Row:
    vid: int
    clock: dict
    durable: tuple = ZERO     # the key of the last frame that my disk has passed (H3)
    known: tuple = ZERO       # ... that I know durable (H4)
    wedged: bool = False
    suspected: frozenset = frozenset()
    accepted: tuple = None
    committed: Proposal = None
    filled: frozenset = frozenset()   # topics of which all before this view is on my disk (H10)

    def copy(self):
        return Row(self.vid, dict(self.clock), self.durable, self.known, self.wedged, self.suspected, self.accepted, self.committed,
                   self.filled)


@dataclass
class Place:
    """A frame that has its place in this view's order."""
    head: Head
    entry: Entry              # None: a duplicate, which leaves nothing
    bodies: dict
    end: int                  # the log's length behind it


class Node:
    def __init__(self, nid, world):
        self.id, self.w = nid, world
        self.disk = Disk(nid, world)
        self.up, self.early, self.hlc, self.life = False, [], 0, 0
        self.waiting = []         # own batches to be sent: what a cut took back, then what has come since
        self.said = {}            # of an older view, for drop-on-old-word

    # ---- the life of a view ----------------------------------------------------------------
    def start_view(self, view, log):
        if self.w.mutate == "drop-on-old-word" and self.up:
            for m, row in self.rows.items():
                self.said.setdefault(m, set()).update(row.filled)
        self.up, self.view, self.log = True, view, list(log)
        self.w.begins(self.id, view, list(log))
        base = max([e.head.ts for e in self.log], default=0)
        self.hlc = max(self.hlc, base)
        self.start = len(self.log)
        self.row = Row(view.vid, {m: base for m in view.members})
        self.rows = {m: Row(view.vid, {k: base for k in view.members}) for m in view.members}
        self.held = {m: [] for m in view.members}
        self.places, self.delivered = [], 0       # frames with a place, of which so many are delivered
        self.passed = 0                           # ... so many are on disk
        self.ordered = ZERO
        self.own = []                             # (head, bodies) of this view, not yet shown
        self.copied = {}                          # bodies fetched and not yet synced (H10)
        self.disk.view, self.disk.accepted = view, None
        self.disk.known = max(self.disk.known, len(self.log))
        self.last = {}
        for e in self.log:
            self.last[e.head.publisher] = e.head.number
        for i, e in enumerate(self.log):
            self.w.delivers(self.id, i, e, view)
        self.lacks = [(e, t) for e in self.log for t in e.head.topics if self.id in view.holders[t] and not self.disk.has(e, t)]
        if self.w.mutate == "drop-unasked":
            self.drop(range(self.w.topics))
        self.tell_filled()
        self.push()
        early, self.early = self.early, []
        for src, msg in early:
            self.receive(src, msg)

    def crash(self, keep=0):
        """Loses memory; `keep` frames that were not synced had reached the disk."""
        if self.up and not self.disk.accepted:
            for place in self.places[self.passed:self.passed + keep]:
                self.write(place)
        self.up, self.early, self.waiting, self.said, self.life = False, [], [], {}, self.life + 1

    # ---- R1, R2, H2: stamp, send, promise --------------------------------------------------
    def publish(self, publisher, number, topics):
        if not self.up or self.row.wedged:
            return
        self.waiting.append((publisher, number, topics))
        self.send()

    def send(self):
        """What a cut took back goes first, so that each publisher's batches stay in turn."""
        waiting, self.waiting = self.waiting, []
        for batch in waiting:
            self.stamp(*batch)

    def stamp(self, publisher, number, topics):
        self.hlc += self.w.rng.choice((1, 1, 1, 4))
        head = Head(self.hlc, self.id, publisher, number, topics)
        bodies = {t: head.body(t) for t in topics}
        self.own.append((head, bodies))
        self.held[self.id].append((head, bodies))
        for m in self.view.members:
            if m != self.id:
                due = {t: b for t, b in bodies.items() if m in self.view.holders[t] or t in self.w.wants[m]}
                self.w.send(self.id, m, ("frame", self.view.vid, (head, due)))
        self.row.clock[self.id] = head.ts
        self.push()

    def push(self):
        self.rows[self.id] = self.row.copy()
        for m in self.view.members:
            if m != self.id:
                self.w.send(self.id, m, ("row", self.view.vid, self.rows[self.id].copy()))

    def frozen(self):
        return self.row.wedged and self.w.mutate != "no-freeze"

    def receive(self, src, msg):
        kind, vid, body = msg
        if vid > self.view.vid:
            self.early.append((src, msg))
            return
        if vid < self.view.vid or src not in self.view.members or src in self.row.suspected:
            return
        if kind == "frame":
            if not self.frozen():
                self.held[src].append(body)
                self.hlc = max(self.hlc, body[0].ts)
            return
        self.rows[src] = body
        if not self.frozen() and body.clock[src] > self.row.clock[src]:
            self.row.clock[src] = body.clock[src]
            self.hlc = max(self.hlc, body.clock[src])
            self.row.clock[self.id] = max(self.row.clock[self.id], self.hlc)
            self.push()
        new = body.suspected - self.row.suspected
        if new or (body.wedged and not self.row.wedged):
            self.suspect(new)

    def suspect(self, who):
        who = frozenset(who) - {self.id}
        if self.row.wedged and who <= self.row.suspected:
            return
        self.row.suspected |= who
        self.row.wedged = True
        self.push()

    # ---- R3: order; R13: exactly once ------------------------------------------------------
    def place(self, head, bodies):
        last = self.last.get(head.publisher, 0)
        entry = None
        if head.number == last + 1:
            entry = Entry(self.view.vid, head)
            self.log.append(entry)
            self.last[head.publisher] = head.number
        elif head.number > last + 1:
            raise Violation(f"{head} after number {last}: its publisher left nothing out")
        elif self.w.mutate == "duplicate-at-once" and head.sender == self.id:
            self.w.answers(self.id, head)
        self.places.append(Place(head, entry, bodies, len(self.log)))
        self.ordered = head.key

    def order(self, upto):
        """`upto`: whether a key has its final place."""
        out = []
        for queue in self.held.values():
            n = 0
            while n < len(queue) and upto(queue[n][0].key):
                n += 1
            out += queue[:n]
            del queue[:n]
        for head, bodies in sorted(out, key=lambda f: f[0].key):
            self.place(head, bodies)

    # ---- H3: the disk ----------------------------------------------------------------------
    def write(self, place):
        if place.entry:
            self.disk.log.append(place.entry)
            if self.w.mutate != "disk-without-body" or self.w.rng.random() < .5:
                for t, b in place.bodies.items():
                    if self.id in self.view.holders[t]:
                        self.disk.put(place.entry, t, b)
        self.passed += 1

    def fsync(self):
        for (e, t), body in list(self.copied.items()):
            self.disk.put(e, t, body)
        self.copied = {}
        self.tell_filled()
        if self.disk.accepted or self.row.wedged:
            return
        if self.w.rng.random() < .5 and self.delivered:
            self.disk.known = max(self.disk.known, min(self.places[self.delivered - 1].end, len(self.disk.log)))
        while self.passed < len(self.places):
            self.write(self.places[self.passed])
        if self.passed and self.places[self.passed - 1].head.key > self.row.durable:
            self.row.durable = self.places[self.passed - 1].head.key
            self.push()

    # ---- H4, H5: known, shown --------------------------------------------------------------
    def is_durable(self, place):
        key, view = place.head.key, self.view
        if self.w.mutate != "known-unstable" and any(self.rows[m].clock[place.head.sender] < place.head.ts for m in view.members):
            return False
        passed = {m for m in view.members if self.rows[m].durable >= key}
        if not view.quorum(passed):
            return False
        if self.w.mutate == "ack-by-heads" or not place.entry:
            return True
        return all(view.most(t, passed) for t in place.head.topics)

    def know(self):
        known = self.row.known
        for place in self.places[self.delivered:]:
            if place.head.key <= known:
                continue
            if not self.is_durable(place):
                break
            known = place.head.key
        if known > self.row.known:
            self.row.known = known
            self.push()

    def show(self):
        while self.delivered < len(self.places):
            place = self.places[self.delivered]
            knowing = {m for m in self.view.members if self.rows[m].known >= place.head.key}
            if not (self.view.quorum(knowing) or self.w.mutate == "shown-when-known" and self.id in knowing):
                return
            self.show_one(place)

    def show_one(self, place):
        if place.entry:
            self.w.delivers(self.id, place.end - 1, place.entry, self.view)
        self.delivered += 1
        if place.head.sender == self.id:
            self.own = [f for f in self.own if f[0] != place.head]
            self.w.answers(self.id, place.head)

    def step(self):
        if not self.frozen():
            if not self.row.wedged:
                self.send()
            ordered = min(self.row.clock.values())
            self.order(lambda key: key[0] <= ordered)
            self.know()
            self.show()
        if self.row.wedged:
            self.view_change()

    # ---- H10, H11: fill and drop -----------------------------------------------------------
    def tell_filled(self):
        lacking = {t for e, t in self.lacks if not self.disk.has(e, t)
                   and not (self.w.mutate == "filled-unsynced" and (e, t) in self.copied)}
        mine = {t for t in range(self.w.topics) if self.id in self.view.holders[t]}
        if frozenset(mine - lacking) != self.row.filled:
            self.row.filled = frozenset(mine - lacking)
            self.push()

    def body_here(self, entry, topic):
        """In memory or on disk; what is gone from both this node cannot give."""
        for place in self.places:
            if place.entry == entry and topic in place.bodies:
                return place.bodies[topic]
        return self.disk.bodies.get((entry.id, topic))

    def fill(self):
        self.lacks = [(e, t) for e, t in self.lacks if not self.disk.has(e, t)]
        todo = [x for x in self.lacks if x not in self.copied]
        self.w.rng.shuffle(todo)
        for e, t in todo[:self.w.rng.choice((1, 3, 10))]:
            for o in self.w.reachable(self.id):
                body = o.body_here(e, t)
                if body is not None:
                    self.copied[(e, t)] = body
                    break
        self.tell_filled()

    def drop(self, topics):
        for e in self.log[:self.start]:
            for t in e.head.topics:
                if t in topics and self.id not in self.view.holders[t]:
                    self.disk.remove((e.id, t))

    def drop_licensed(self):
        def said(m, t):
            return t in self.rows[m].filled or (self.w.mutate == "drop-on-old-word" and t in self.said.get(m, ()))
        some = any if self.w.mutate == "drop-on-one" else all
        may = [t for t in range(self.w.topics) if self.id not in self.view.holders[t] and some(said(m, t) for m in self.view.holders[t])]
        before = len(self.disk.bodies)
        self.drop(may)
        if len(self.disk.bodies) < before:
            self.w.dropped(self.view, self.log[:self.start], may)
            self.w.stats["dropped"] += before - len(self.disk.bodies)

    # ---- H6, H7, R8: the next view ---------------------------------------------------------
    def leader(self):
        return next((m for m in self.view.members if m not in self.row.suspected), None)

    def view_change(self):
        live = [m for m in self.view.members if m not in self.row.suspected]
        lead, rank = self.leader(), self.view.members.index
        if lead == self.id:
            agreed = all(self.rows[m].wedged and self.rows[m].suspected == self.row.suspected for m in live)
            mine = self.row.accepted and self.row.accepted[0] == (0, rank(self.id))
            if agreed and not mine and self.view.quorum(live):
                earlier = [self.rows[m].accepted for m in live if self.rows[m].accepted]
                if earlier and self.w.mutate != "forget-accepted":
                    value = max(earlier, key=lambda a: a[0])[1]
                else:
                    value = self.propose(live)
                self.accept(((0, rank(self.id)), value))
        elif lead is not None:
            theirs = self.rows[lead].accepted
            if theirs and theirs[0] == (0, rank(lead)) and self.row.accepted != theirs:
                self.accept(theirs)
        if self.row.accepted and not self.row.committed:
            have = {m for m in self.view.members if self.rows[m].accepted == self.row.accepted}
            if self.view.quorum(have):
                self.row.committed = self.row.accepted[1]
                self.push()
        for m in live:
            if self.rows[m].committed and not self.row.committed:
                self.row.committed = self.rows[m].committed
                self.push()
        if self.row.committed:
            self.install(self.row.committed)

    def propose(self, live):
        if self.w.mutate == "cut-own-known":
            cut = self.row.known
        elif self.w.mutate == "cut-held":
            cut = (min(min(self.rows[m].clock.values()) for m in live), 1 << 30)
        else:
            cut = max(self.rows[m].known for m in live)
        joiners = [j for j in self.w.joiners if j not in live]
        members = tuple(live + joiners)
        return Proposal(View(self.view.vid + 1, members, self.w.layout(members, self.view)), tuple(live), cut=cut)

    def bring_to(self, cut):
        """Places what is within the cut, takes back what is not."""
        self.order(lambda key: key <= cut)
        kept = [p for p in self.places if p.head.key <= cut]
        if len(kept) < self.delivered:
            raise Violation(f"node {self.id}: the cut takes back what was delivered")
        return kept

    def accept(self, ballot_value):
        self.row.accepted = ballot_value
        if self.w.mutate != "accept-unsaved":
            if self.w.mutate != "accept-without-log":
                kept = self.bring_to(ballot_value[1].cut)
                while self.passed < len(kept):
                    self.write(self.places[self.passed])
                self.disk.set_log(self.log[:kept[-1].end if kept else self.start])
                self.passed = len(kept)
            self.disk.accepted = ballot_value
        self.push()

    def install(self, p):
        if self.id not in p.sources:
            self.w.stats["expelled"] += 1
            self.crash()
            return
        kept = self.bring_to(p.cut)
        while self.passed < len(kept):
            self.write(self.places[self.passed])
        while self.delivered < len(kept):
            self.show_one(self.places[self.delivered])
        log = self.log[:kept[-1].end if kept else self.start]
        self.w.stats["taken back"] += len(self.log) - len(log)
        again = [(head.publisher, head.number, head.topics) for head, _ in self.own if head.key > p.cut]
        if self.w.mutate != "resend-lost":
            self.waiting = again + self.waiting
        table = dict(self.last)
        self.disk.set_log(log)
        self.w.installed(self.id, p)
        self.start_view(p.view, log)
        if self.w.mutate == "table-kept":
            self.last = table
        self.w.take_in_joiners(p, log)


@dataclass
class Publisher:
    id: int
    at: int
    life: int = 0             # of the node; in its next one it knows nothing of this publisher
    number: int = 0
    unanswered: list = field(default_factory=list)


class World:
    def __init__(self, seed, n, mutate=None):
        self.rng = r = random.Random(seed)
        self.mutate, self.n, self.topics = mutate, n, r.choice((1, 2, 3))
        self.copies = {}          # (entry id, topic) -> nodes on whose disk the body is
        self.owed = set()         # bodies of what was delivered
        self.links, self.cut_links, self.joiners = {}, set(), []
        self.history, self.first, self.proposals, self.views = [], {}, {}, {}
        self.starts = {}          # the log that each view begins with
        self.answered = set()
        self.replicas = [r.randint(1, n) if r.random() < .3 else r.choice((1, 2, 2, 3)) for _ in range(self.topics)]
        self.wants = {i: {t for t in range(self.topics) if r.random() < .2} for i in range(n)}
        self.how = r.choice(("sticky", "rotate", "random"))
        self.weights = r.choice((.3, .45, .6)), r.choice((.02, .08, .2))
        self.duel = n >= 5 and r.random() < .3
        self.first_dies = .9 if self.duel else r.choice((0, .2, .8))
        self.dark, self.back, self.breaks = r.choice((.1, .2, .8)), r.choice((.5, .7, .9)), r.choice((.1, .25, .6))
        kinds = ("crash", "holders", "suspect", "partition", "heal", "rejoin", "restart", "dark", "failover")
        self.kinds = [k for k in kinds if r.random() < .6] + ["rejoin", "restart", "heal", "failover"]
        self.stats = {k: 0 for k in WITNESSES}
        self.first_in = None
        self.nodes = {i: Node(i, self) for i in range(n)}
        members = tuple(range(n))
        v = View(1, members, self.layout(members, None))
        for node in self.nodes.values():
            node.start_view(v, [])
        self.publishers = [Publisher(i, r.randrange(n)) for i in range(r.choice((1, 2, 3)))]

    # ---- H1 ---------------------------------------------------------------------------------
    def layout(self, members, before):
        out = []
        for t in range(self.topics):
            n = min(self.replicas[t], len(members))
            if self.how == "random" or before is None and self.how == "sticky":
                held = self.rng.sample(members, n)
            elif self.how == "rotate":
                held = [members[(t + i) % len(members)] for i in range(n)]
            else:
                held = [m for m in sorted(before.holders[t]) if m in members][:n]
                rest = [m for m in members if m not in held]
                self.rng.shuffle(rest)
                held += rest[:n - len(held)]
            out.append(frozenset(held))
        return tuple(out)

    # ---- what must never be ------------------------------------------------------------------
    def delivers(self, nid, at, entry, view):
        if at < len(self.history):
            if self.history[at] != entry:
                raise Violation(f"node {nid} delivered {entry} at {at}, others {self.history[at]}")
            return
        if at > len(self.history):
            raise Violation(f"node {nid} left a gap before {at}")
        head = entry.head
        if self.history and self.history[-1].head.key >= head.key:
            raise Violation(f"times do not rise: {self.history[-1]} then {entry}")
        last = self.first.get(head.publisher, 0)
        if head.number != last + 1:
            raise Violation(f"{head} after number {last}: twice, or out of turn")
        for t in head.topics:
            disks = self.copies.get((entry.id, t), set())
            least = min(len(view.holders[t]), len(self.views[entry.vid].holders[t])) // 2 + 1
            if len(disks) < least:
                raise Violation(f"node {nid} delivered {entry}, whose body {t} is on {len(disks)} disks")
            self.owed.add((entry.id, t))
            if all(self.nodes[d].disk.bodies[(entry.id, t)] != head.body(t) for d in disks):
                raise Violation(f"every body of {entry} is another's")
        self.first[head.publisher] = head.number
        self.history.append(entry)
        self.stats["delivered"] += 1

    def answers(self, nid, head):
        what = (head.publisher, head.number)
        if what not in self.answered:
            entry = next((e for e in self.history if (e.head.publisher, e.head.number) == what), None)
            if entry is None:
                raise Violation(f"node {nid} answered {what}, which nobody delivered")
            for t in entry.head.topics:
                if not self.copies.get((entry.id, t)):
                    raise Violation(f"node {nid} answered {what}, whose body {t} is on no disk")
            self.answered.add(what)
            self.stats["answered"] += 1
        p = self.publishers[head.publisher]
        if p.at == nid and p.life == self.nodes[nid].life:
            p.unanswered = [b for b in p.unanswered if b[0] != head.number]

    def begins(self, nid, view, log):
        seen = self.views.setdefault(view.vid, view)
        if seen != view:
            raise Violation(f"two views {view.vid}: {seen} and {view}")
        if self.starts.setdefault(view.vid, log) != log:
            raise Violation(f"node {nid} begins view {view.vid} with another log")
        shown = sum(1 for e in self.history if e.vid < view.vid)
        if log[:shown] != self.history[:shown]:
            raise Violation(f"node {nid} begins view {view.vid} without what was delivered")

    def installed(self, nid, p):
        seen = self.proposals.setdefault(p.view.vid, p)
        if seen != p:
            raise Violation(f"two proposals of view {p.view.vid}: {seen} and {p}")
        self.stats["views"] += 1
        self.first_in = nid
        up = {n.id for n in self.nodes.values() if n.up}
        if any(not (self.copies.get((e.id, t), set()) & up) for e in self.history for t in e.head.topics):
            self.stats["went on without a body"] += 1

    def dropped(self, view, log, topics):
        if view.vid < max(self.views):
            return
        for e in log:
            for t in e.head.topics:
                if t in topics and len(self.copies.get((e.id, t), ())) < len(view.holders[t]):
                    raise Violation(f"{e} was dropped with body {t} on too few disks")

    # ---- the network -------------------------------------------------------------------------
    def send(self, a, b, msg):
        self.links.setdefault((a, b), []).append(msg)

    def drop_links_of(self, nid):
        for k in [k for k in self.links if nid in k]:
            del self.links[k]

    def reachable(self, nid):
        out = [o for o in self.nodes.values() if o.up and o.id != nid and (o.id, nid) not in self.cut_links]
        self.rng.shuffle(out)
        return out

    # ---- one random step ---------------------------------------------------------------------
    def run(self, steps, fault_rate):
        for _ in range(steps):
            self.one(fault_rate)
            first, self.first_in = self.first_in, None
            if first is not None and fault_rate and self.rng.random() < self.first_dies and self.nodes[first].up:
                self.crash(self.nodes[first], 1 if self.duel else .7)   # the first to begin a view falls, unheard
                up = self.running()
                if len(up) > 2 and not self.duel and self.rng.random() < .5:
                    self.crash(self.rng.choice(up))

    def running(self):
        return [n for n in self.nodes.values() if n.up]

    def one(self, fault_rate):
        r = self.rng
        if fault_rate and r.random() < fault_rate:
            self.fault()
            return
        up = self.running()
        if not up:
            self.restart()
            return
        busy = [(k, q) for k, q in self.links.items() if q and k not in self.cut_links and self.nodes[k[1]].up]
        deliver, publish = self.weights
        if busy and r.random() < deliver:
            (a, b), q = r.choice(busy)
            if self.duel and self.is_late(a, self.nodes[b]) and r.random() < .95:
                return
            for _ in range(r.choice((1, 2, 2, 5))):
                if q and self.nodes[b].up:
                    self.nodes[b].receive(a, q.pop(0))
            return
        n, x = r.choice(up), r.random()
        if x < publish:
            self.publish()
        elif x < .3:
            n.fsync()
        elif x < .35:
            n.fill()
        elif x < .4:
            n.drop_licensed()
        else:
            n.step()

    @staticmethod
    def is_late(a, b):
        """A change of view becomes a duel: the second in line does not hear the first, nor the others one another."""
        first = b.view.members[:2]
        return b.row.wedged and (a not in first and b.id not in first or first == (a, b.id))

    def publish(self):
        p = self.rng.choice(self.publishers)
        node = self.nodes[p.at]
        if not node.up or node.life != p.life or node.row.wedged and self.rng.random() < .1:
            self.failover(p)
        elif not node.row.wedged and len(p.unanswered) < 6:
            p.number += 1
            topics = tuple(sorted(self.rng.sample(range(self.topics), self.rng.choice((1, 1, min(2, self.topics))))))
            p.unanswered.append((p.number, topics))
            node.publish(p.id, p.number, topics)

    def failover(self, p):
        """To another node, or the same one again: all that was not answered is sent again, in turn."""
        able = [n for n in self.running() if not n.row.wedged]
        if able:
            node = self.rng.choice(able)
            p.at, p.life = node.id, node.life
            for number, topics in list(p.unanswered):
                node.publish(p.id, number, topics)

    def crash(self, n, seen=.7):
        n.crash(self.rng.choice((0, 0, 1, 3)))
        self.stats["crashes"] += 1
        self.drop_links_of(n.id)
        for o in self.running():
            if n.id in o.view.members and self.rng.random() < seen:
                o.suspect({n.id})

    def fault(self):
        r, up = self.rng, self.running()
        kind = r.choice(self.kinds)
        leaders = [n for n in up if n.row.wedged and n.row.accepted and n.leader() == n.id]
        if leaders and r.random() < .4:
            self.crash(r.choice(leaders))
        elif kind == "crash" and up:
            self.crash(r.choice(up))
        elif kind == "holders" and up and r.random() < .5:   # a topic's holders fall, and the senders of what they held
            n = r.choice(up)
            for m in n.view.holders[r.randrange(self.topics)]:
                if self.nodes[m].up and r.random() < .9:
                    self.crash(self.nodes[m])
        elif kind == "suspect" and up:
            n = r.choice(up)
            dead = [m for m in n.view.members if self.is_lost(n, m)]
            pick = dead or (list(n.view.members) if r.random() < .1 else [])
            if pick:
                n.suspect({r.choice(pick)})
        elif kind == "partition" and r.random() < .3:
            side = {i for i in self.nodes if r.random() < .5}
            self.cut_links = {(a, b) for a in self.nodes for b in self.nodes if (a in side) != (b in side)}
        elif kind == "heal":
            self.cut_links = set()
        elif kind == "rejoin":
            self.rejoin()
        elif kind == "dark" and r.random() < self.dark:
            for n in up:
                n.crash(r.choice((0, 0, 1, 3)))
            self.links.clear()
        elif kind == "restart":
            self.restart()
        elif kind == "failover":
            self.failover(r.choice(self.publishers))

    def is_lost(self, n, m):
        o = self.nodes[m]
        return m != n.id and (not o.up or (n.id, m) in self.cut_links or o.view.vid > n.view.vid)

    # ---- R10 ---------------------------------------------------------------------------------
    def rejoin(self):
        """Someone who is down is to be taken in by the next view; the change is planned, without suspicion."""
        able = [n for n in self.running() if not n.row.wedged]
        down = [n for n in self.nodes.values() if not n.up]
        if not able or not down:
            return
        newest = max(able, key=lambda n: n.view.vid)
        j = self.rng.choice(down)
        if j.id in newest.view.members:
            newest.suspect({j.id})
        else:
            self.joiners = [j.id]
            newest.suspect(frozenset())

    def take_in_joiners(self, p, log):
        """A joiner copies the digests, and keeps the bodies that it has of entries that are in the log (H12)."""
        for m in p.view.members:
            j = self.nodes[m]
            if m in p.sources or j.up or j.disk.view.vid >= p.view.vid:
                continue
            j.disk.set_log(log, by_place=self.mutate == "body-by-place")
            j.start_view(p.view, log)
            self.stats["joins"] += 1
        self.joiners = []

    # ---- R9, H8, H9 --------------------------------------------------------------------------
    def restart(self, everybody=False):
        """Nobody runs; some of the disks are back."""
        if self.running():
            return
        r = self.rng
        back = [n for n in self.nodes.values() if everybody or r.random() < self.back]
        if not back:
            return
        last = max((n.disk.view for n in back), key=lambda v: v.vid)
        for n in back:                                # who accepted the newest view and did not begin it can begin it alone
            a = n.disk.accepted
            if n.disk.view != last and a and a[1].view == last and (a[1].log is not None or n.id in a[1].sources):
                n.disk.view, n.disk.accepted, n.disk.promised = last, None, (0, 0)
                n.disk.known = len(n.disk.log)
        able = [n for n in back if n.disk.view == last and n.id in last.members]
        for n in back:                                # who belongs to it and never began it: nothing can be stable there
            if able and n.disk.view != last and n.id in last.members:
                n.disk.set_log(able[0].disk.log)
                n.disk.view, n.disk.accepted, n.disk.promised, n.disk.known = last, None, (0, 0), len(n.disk.log)
                able.append(n)
        if not able or (not last.quorum({n.id for n in able}) and self.mutate != "restart-no-quorum"):
            self.stats["restart waited for a quorum"] += 1
            return
        rounds = [n.disk.promised[0] for n in able] + [n.disk.accepted[0][0] for n in able if n.disk.accepted]
        ballot = (max(rounds) + 1, last.members.index(able[0].id))
        for n in able:
            n.disk.promised = ballot
        found = self.found(able, back, last)
        if found is None:
            self.stats["restart waited for bodies"] += 1
            return
        p, log, is_adopted, doubtful = found
        accepted = self.accept_restart(able, back, last, ballot, p, log, doubtful)
        if not last.quorum(accepted) and self.mutate != "restart-no-quorum":
            return
        if p.log is not None and self.mutate != "restart-without-holders" and not all(
                p.view.most(t, accepted) for e in doubtful for t in e.head.topics):
            return
        who = [n for n in able if n.id in p.view.members and n.id in accepted]
        r.shuffle(who)
        if not everybody and r.random() < .2:
            who = who[:r.randrange(len(who) + 1)]
        if who:
            self.begin_restart(who, p, log, is_adopted)

    def begin_restart(self, who, p, log, is_adopted):
        self.links.clear()
        self.installed(who[0].id, p)
        self.first_in = None
        for n in who:
            n.disk.promised = (0, 0)
            if is_adopted:                            # the restart goes on from it
                n.disk.view, n.disk.accepted, n.disk.known = p.view, None, len(n.disk.log)
                self.begins(n.id, p.view, list(log))
            else:
                n.start_view(p.view, log)
        self.stats["restarts"] += 1

    def found(self, able, back, last):
        """What a restart goes on with: proposal, log, whether it is an earlier one's, its entries in doubt. None: wait."""
        holders = [] if self.mutate == "restart-forgets" else sorted((n for n in able if n.disk.accepted), key=lambda n: n.disk.accepted[0])
        if holders:
            p = holders[-1].disk.accepted[1]
            log = list(holders[-1].disk.log)
            if p.log is None:
                return p, [e for e in log if e.vid != last.vid or e.head.key <= p.cut], True, []
            known = max(n.disk.known for n in able)
            if not self.first_gap(p.log[known:], back):
                return p, list(p.log), True, list(p.log[known:])
            accepted = {n.id for n in able if n.disk.accepted and n.disk.accepted[1] == p}
            refused = {n.id for n in able} - accepted
            if not any(p.view.cannot_have(t, refused) for e in p.log[known:] for t in e.head.topics) and last.quorum(
                    set(last.members) - refused):
                return None
            self.stats["proposal refuted"] += 1       # it was never chosen, and cannot be any more
        choose = min if self.mutate == "restart-shortest" else max
        log = list(choose(able, key=lambda n: (len(n.disk.log), -n.id)).disk.log)
        known = max(min(n.disk.known, len(log)) for n in able)
        gap = self.first_gap(log[known:], back)
        if gap and self.mutate != "restart-by-heads":
            entry, topic = gap
            if not last.cannot_have(topic, {n.id for n in able}) and self.mutate != "restart-cuts-unproven":
                return None
            log = log[:log.index(entry)]
            self.stats["restart cut"] += 1
        members = tuple(m for m in last.members if m in {n.id for n in able})
        view = View(last.vid + 1, members, self.layout(members, last))
        return Proposal(view, members, log=tuple(log)), log, False, log[known:]

    @staticmethod
    def first_gap(entries, back):
        for e in entries:
            for t in e.head.topics:
                if not any(n.disk.has(e, t) for n in back):
                    return e, t
        return None

    def accept_restart(self, able, back, last, ballot, p, log, doubtful):
        accepted = set()
        order = list(able)
        self.rng.shuffle(order)
        stop = self.rng.randrange(len(order) + 1) if self.rng.random() < self.breaks else len(order)
        for n in order[:stop]:
            n.disk.set_log(log)
            if self.mutate != "restart-uncopied":
                for e in doubtful:
                    for t in e.head.topics:
                        if n.id in p.view.holders[t] and not n.disk.has(e, t):
                            source = next((o for o in back if o.disk.has(e, t)), None)
                            if source is None and self.mutate == "restart-by-heads":
                                continue
                            n.disk.put(e, t, source.disk.bodies[(e.id, t)])
            n.disk.accepted = (ballot, p)
            accepted.add(n.id)
        if len(accepted) < len(able):
            self.stats["restart broken off"] += 1
        return accepted

    # ---- the end -----------------------------------------------------------------------------
    def heal(self):
        """Faults are over: everybody comes back, and all must become level."""
        self.cut_links, self.joiners = set(), []
        for round in range(200):
            if not self.running():
                self.restart(everybody=True)
            for n in self.running():
                lost = {m for m in n.view.members if self.is_lost(n, m)}
                if lost:
                    n.suspect(lost)
                if round % 8 == 7 and n.row.wedged:   # crash-only: nobody finds a next view
                    n.crash()
                    self.drop_links_of(n.id)
            if self.running() and round % 3 == 0:
                self.rejoin()
            for _ in range(60 * self.n):
                self.one(0)
            for p in self.publishers:
                if not self.nodes[p.at].up or self.nodes[p.at].life != p.life:
                    self.failover(p)
            if round > 2 and self.is_level():
                return
        raise Violation(f"not level: {self.why}")

    def is_level(self):
        for n in self.running():                      # what is under way comes to rest
            for _ in range(3):
                self.settle()
        if any(not n.up or n.row.wedged for n in self.nodes.values()):
            self.why = "somebody is not in"
            return False
        if len({n.view.vid for n in self.nodes.values()}) > 1:
            self.why = "several views"
            return False
        if any(p.unanswered for p in self.publishers):
            self.why = f"publishers wait: {self.publishers}"
            return False
        for n in self.nodes.values():
            if n.log != self.history or n.disk.log != n.log:
                self.why = f"the log of node {n.id}"
                return False
        view = self.nodes[0].view
        for e in self.history:
            for t in e.head.topics:
                if self.copies.get((e.id, t), set()) != set(view.holders[t]):
                    self.why = f"body {t} of {e} is on {self.copies.get((e.id, t))}, its holders are {view.holders[t]}"
                    return False
                for m in view.holders[t]:
                    if self.nodes[m].disk.bodies[(e.id, t)] != e.head.body(t):
                        raise Violation(f"node {m} has another body for {e}")
        return True

    def settle(self):
        busy = True
        while busy:
            busy = False
            for (a, b), q in list(self.links.items()):
                while q and self.nodes[b].up:
                    busy = True
                    self.nodes[b].receive(a, q.pop(0))
            for n in self.running():
                n.step()
                n.fsync()
        for n in self.running():
            while n.up and [x for x in n.lacks if not n.disk.has(*x)]:
                before = len(n.copied)
                n.fill()
                if len(n.copied) == before:
                    break
            n.fsync()
            n.drop_licensed()


# Counted, so that it shows that the model gets there.
WITNESSES = ("delivered", "answered", "views", "crashes", "expelled", "joins", "restarts", "taken back", "dropped",
             "went on without a body", "restart cut", "restart waited for bodies", "restart waited for a quorum", "restart broken off",
             "proposal refuted")


def run_seed(seed, mutate=None):
    r = random.Random(seed * 7919 + 1)
    w = World(seed, r.choice((2, 3, 3, 4, 5, 5, 5, 6)), mutate)
    w.run(r.choice((300, 1000, 2500)), r.choice((0, .005, .02, .06)))
    w.heal()
    return w.stats


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--seeds", type=int, default=300)
    ap.add_argument("--start", type=int, default=0)
    ap.add_argument("--mutate", choices=sorted(MUTATIONS))
    ap.add_argument("--list", action="store_true", help="the rules that can be broken")
    ap.add_argument("--mutants", action="store_true", help="break each in turn until it is caught, in at most --seeds histories")
    a = ap.parse_args()
    if a.list:
        for name, what in MUTATIONS.items():
            print(f"{name:24} {what}")
        return 0
    if a.mutants:
        return mutants(a)
    total = {k: 0 for k in WITNESSES}
    for seed in range(a.start, a.start + a.seeds):
        try:
            for k, v in run_seed(seed, a.mutate).items():
                total[k] += v
        except Violation as e:
            print(f"seed {seed}: VIOLATION: {e}")
            return 1
    print(f"{a.seeds} histories, no violation; " + ", ".join(f"{k} {v}" for k, v in total.items()))
    return 0


def mutants(a):
    missed = 0
    for name in MUTATIONS:
        for seed in range(a.start, a.start + a.seeds):
            try:
                run_seed(seed, name)
            except Violation as e:
                print(f"{name:24} caught by history {seed}: {str(e)[:110]}", flush=True)
                break
        else:
            missed += 1
            print(f"{name:24} NOT CAUGHT in {a.seeds}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
