/* The ordering and membership protocol, rules R1-R9, for a model checker: one group, three nodes.
 *
 * One process makes every step; a step is one turn of a node, one write landing, one sync, or one fault.
 * What a node knows lies in its row; what it knows of others, in mirrors of their rows; what survives a crash,
 * in `disk` and `state`. docs/MODEL.md says what is left out. Ranks are node numbers, smaller first.
 *
 * A row, one int (0: the node does not run):
 *
 *      | clock 3x3 | durable 3 | wedged 1 | suspected 3 | ballot 2, value 2 | committed 3 | view 3 | origin 3 |
 *
 * A log, one short: frame numbers of three bits each, the first entry lowest, never 0. Frames have fixed numbers:
 * 1-3 are of node 0, 4-5 of node 1, 6-7 of node 2; a frame that is sent again gets a new one.
 *
 * Values, names of proposals: 1-3, made by the leader of rank 0-2 of a running view; 4 and up, by a restart.
 * Ballots: the same, rank + 1 in a running view, 4 and up in a restart; 0 is none.
 */

/* ---- the setting ---------------------------------------------------------------------------------------- */

#ifndef VIEWS
#define VIEWS 3         /* the last view number */
#endif
#ifndef PUBLISH0
#define PUBLISH0 1      /* how many frames each node publishes */
#endif
#ifndef PUBLISH1
#define PUBLISH1 1
#endif
#ifndef PUBLISH2
#define PUBLISH2 0
#endif
#ifndef CRASHES
#define CRASHES 1       /* nodes that fall one by one */
#endif
#ifndef MISTAKES
#define MISTAKES 0      /* suspicions of a node that runs */
#endif
#ifndef PLANS
#define PLANS 0         /* planned changes: wedging without a suspicion */
#endif
#ifndef BLACKOUTS
#define BLACKOUTS 0     /* all nodes fall at once */
#endif
#ifndef RESTARTS
#define RESTARTS 0      /* restart ballots, at most 4 */
#endif
#ifndef FOUNDERS
#define FOUNDERS 7      /* the members of the first view: 7 all three, 3 a pair */
#endif
#ifndef EAGER
#define EAGER 0         /* 1: a row is taken in as it lands; 0: it lies there until its reader's turn, and rows may cross */
#endif
#ifndef JUMPS
#define JUMPS 0         /* 1: a stamp may also leap one ahead, as a fast clock would make it */
#endif

/* ---- words ---------------------------------------------------------------------------------------------- */

#define BIT(i)          (1 << (i))
#define HAS(set, i)     (((set) >> (i)) & 1)
#define COUNT(set)      (((set) & 1) + (((set) >> 1) & 1) + (((set) >> 2) & 1))
#define LOWEST(set)     ((set) & (0 - (set)))
#define FIRST(set)      ((set) & 1 -> 0 : ((set) & 2 -> 1 : 2))
#define PUT(word, shift, mask, x)   word = ((word) & ~((mask) << (shift))) | ((x) << (shift))

/* Dynamic-linear voting (R8). */
#ifdef MUT_ANY_HALF
#define QUORUM(view, set)   (2 * COUNT((set) & (view)) >= COUNT(view))
#else
#define QUORUM(view, set)   (2 * COUNT((set) & (view)) > COUNT(view) || \
                            (2 * COUNT((set) & (view)) == COUNT(view) && ((set) & LOWEST(view)) != 0))
#endif

#define CLOCK(r, s)     (((r) >> (3 * (s))) & 7)
#define DURABLE(r)      (((r) >> 9) & 7)
#define WEDGED(r)       (((r) >> 12) & 1)
#define SUSPECTED(r)    (((r) >> 13) & 7)
#define BALLOT(r)       (((r) >> 16) & 3)
#define VALUE(r)        (((r) >> 18) & 3)
#define ACCEPTED(r)     (((r) >> 16) & 15)
#define COMMITTED(r)    (((r) >> 20) & 7)
#define VIEW(r)         (((r) >> 23) & 7)
#define ORIGIN(r)       (((r) >> 26) & 7)
#define SETCLOCK(r, s, when)       PUT(r, 3 * (s), 7, when)
#define SETDURABLE(r, f)        PUT(r, 9, 7, f)
#define SETWEDGED(r)            r = (r) | BIT(12)
#define SETSUSPECTED(r, set)    r = (r) | ((set) << 13)
#define SETACCEPTED(r, x)       PUT(r, 16, 15, x)
#define SETCOMMITTED(r, x)      PUT(r, 20, 7, x)
#define NEWROW(v, origin)       (((v) << 23) | ((origin) << 26))

/* A frame: stamp 3, view 3, the publisher's number 2. */
#define STAMP(f)        (frame[f] & 7)
#define FRAMEVIEW(f)    ((frame[f] >> 3) & 7)
#define NUMBER(f)       ((frame[f] >> 6) & 3)
#define SENDER(f)       ((f) < 4 -> 0 : ((f) < 6 -> 1 : 2))
#define SLOT(s)         ((s) == 0 -> 1 : 2 + 2 * (s))       /* the first frame number of a sender */
#define SLOTS(s)        ((s) == 0 -> 3 : 2)
#define OWN(s)          ((s) == 0 -> 14 : ((s) == 1 -> 48 : 192))
#define LATER(f, g)     (STAMP(f) > STAMP(g) || (STAMP(f) == STAMP(g) && SENDER(f) >= SENDER(g)))

#define LEN(l)          ((l) == 0 -> 0 : ((l) < 8 -> 1 : ((l) < 64 -> 2 : ((l) < 512 -> 3 : ((l) < 4096 -> 4 : 5)))))
#define AT(l, i)        (((l) >> (3 * (i))) & 7)
#define HEAD(l, n)      ((l) & (BIT(3 * (n)) - 1))
#define APPEND(l, f)    l = (l) | ((f) << (3 * LEN(l)))
#define PREFIX(a, b)    ((a) == HEAD(b, LEN(a)))

/* What is on disk beside the log: installed view 3, accepted ballot 3 and value 3, promised restart ballot 3. */
#define DVIEW(n)        (state[n] & 7)
#define DBALLOT(n)      ((state[n] >> 3) & 7)
#define DVALUE(n)       ((state[n] >> 6) & 7)
#define DPROMISE(n)     ((state[n] >> 9) & 7)
#define DACCEPTED(n)    (DBALLOT(n) | (DVALUE(n) << 2))     /* as a row shows it; only for ballots of a running view */

/* A proposal of a running view: members 3, cut 3x3. */
#define PROPOSAL(v, x)  proposal[3 * (v) + (x) - 4]
#define MEMBERS(p)      ((p) & 7)
#define CUT(p, s)       (((p) >> (3 + 3 * (s))) & 7)

/* A restart ballot: who promised 3, members 3, who accepted 3, value 3, view 3. */
#define RPROMISED(i)    (restart[i] & 7)
#define RMEMBERS(i)     ((restart[i] >> 3) & 7)
#define RACCEPTED(i)    ((restart[i] >> 6) & 7)
#define RVALUE(i)       ((restart[i] >> 9) & 7)
#define RVIEW(i)        ((restart[i] >> 12) & 7)

#define RUNS(n)         (row[n] != 0)
#define MIRROR(n, m)    mirror[3 * (n) + (m)]

/* ---- the state ------------------------------------------------------------------------------------------ */

int row[3];             /* as its owner has it */
int mirror[9];          /* MIRROR(n, m): m's row as it landed last at n */
byte held[3];           /* frames of this view that n took in, its own too: a set of frame numbers */
byte landed[3];         /* frames written into n's memory */
short log[3];           /* the log in memory */
byte done[3];           /* entries delivered as stable: low nibble; as durable: high nibble */
short disk[3];          /* the log on disk */
short state[3];         /* see above */
byte sent[3];           /* published: low nibble; frame numbers used: high nibble */
byte frame[8];
short proposal[3 * VIEWS];
#if RESTARTS > 0
short restart[RESTARTS];
short restartLog[RESTARTS];
#endif
byte restarts;
byte faults;            /* crashes 2, mistakes 2, blackouts 2, plans 2 */

/* Views as they were begun: members and starting log. Nodes look their own members up here, which is as good as a copy of
 * their own, since `begun` asserts that there is only one view of a number. */
byte members[VIEWS + 2];
short start[VIEWS + 2];
byte newest;            /* the highest view begun anywhere */
byte remade;            /* the highest view that a restart made afresh: what was stable and not durable may be gone */

/* What the world has seen, for the checks only. */
short stableHistory;
short durableHistory;

hidden int n, m, x, here;            /* whose turn it is, and with whom */
hidden int r, q, v, w, i, j, k, f, when, set, live, lead, best, low, fresh, lg, value, base, cut, from, at, ok;

/* ---- safety --------------------------------------------------------------------------------------------- */

/* Written out, not computed: which sets of nodes may decide for which view. */
#define MAYDECIDE(view, set) \
    (((view) == 7 && ((set) == 3 || (set) == 5 || (set) == 6 || (set) == 7)) || \
     ((view) == 3 && ((set) == 1 || (set) == 3)) || ((view) == 5 && ((set) == 1 || (set) == 5)) || \
     ((view) == 6 && ((set) == 2 || (set) == 6)) || (((view) == 1 || (view) == 2 || (view) == 4) && (set) == (view)))

/* Each publisher's numbers rise along a history: nothing twice, first in, first out. So do the stamps. */
inline checkHistory(h) {
    i = 1;
    do
    :: i < LEN(h) ->
        assert(!LATER(AT(h, i - 1), AT(h, i)));
        j = 0;
        do
        :: j < i ->
            assert(SENDER(AT(h, i)) != SENDER(AT(h, j)) || NUMBER(AT(h, i)) > NUMBER(AT(h, j)));
            j++
        :: else -> break
        od;
        i++
    :: else -> break
    od
}

/* Node n delivers `f`, the entry at position p of its log, as stable: everyone's history, and really held by all. */
inline checkStable(n, p) {
    if
    :: v >= remade ->
        if
        :: p < LEN(stableHistory) -> assert(AT(stableHistory, p) == f)
        :: else ->
            assert(p == LEN(stableHistory));
            APPEND(stableHistory, f);
            checkHistory(stableHistory)
        fi;
        i = 0;
        do
        :: i < 3 ->
            assert(!HAS(members[v], i) || VIEW(row[i]) != v || (held[i] & BIT(f)) != 0);
            i++
        :: else -> break
        od
    :: else -> skip
    fi
}

/* Node n delivers `f`, at position p, as durable, and answers whoever published it: it is for ever. */
inline checkDurable(n, p) {
    if
    :: p < LEN(durableHistory) -> assert(AT(durableHistory, p) == f)
    :: else ->
        assert(p == LEN(durableHistory));
        assert(v == newest || AT(start[newest], p) == f);
        APPEND(durableHistory, f);
        checkHistory(durableHistory);
        fresh = 0;
        i = 0;
        do
        :: i < 3 ->
            if
            :: HAS(members[v], i) && AT(disk[i], p) == f -> fresh = fresh | BIT(i)
            :: else -> skip
            fi;
            i++
        :: else -> break
        od;
        assert(MAYDECIDE(members[v], fresh))
    fi
}

/* Node n begins view `w` with log `l`: one view of a number, one log to begin it with, all that was delivered in it. */
inline begun(n, mem, l, val) {
    if
    :: members[w] == 0 ->
        members[w] = mem;
        start[w] = l;
        newest = w;
        assert(PREFIX(durableHistory, l));
        if
        :: val > 3 -> remade = w
        :: else -> assert(PREFIX(stableHistory, l))
        fi;
        stableHistory = l;
        checkHistory(stableHistory)
    :: else ->
        assert(members[w] == mem);
        assert(start[w] == l)
    fi
}

/* What is written over a disk's log keeps every durable entry that was there. */
inline toDisk(n, l) {
    i = 0;
    do
    :: i < LEN(durableHistory) && AT(disk[n], i) == AT(durableHistory, i) ->
        assert(AT(l, i) == AT(durableHistory, i));
        i++
    :: else -> break
    od;
    disk[n] = l
}

/* ---- pieces --------------------------------------------------------------------------------------------- */

/* Appends the frames of `set` to `lg` in order of (stamp, sender). */
inline appendSorted() {
    do
    :: set != 0 ->
        best = 0;
        i = 1;
        do
        :: i < 8 ->
            if
            :: (set & BIT(i)) != 0 && (best == 0 || STAMP(i) < STAMP(best)) -> best = i
            :: else -> skip
            fi;
            i++
        :: else -> break
        od;
        APPEND(lg, best);
        set = set & ~BIT(best)
    :: else -> break
    od
}

/* Takes the frames that are in log `l` out of `set`. */
inline notIn(l) {
    i = 0;
    do
    :: i < LEN(l) -> set = set & ~BIT(AT(l, i)); i++
    :: else -> break
    od
}

/* R7: `lg` = the log of view v within `cut`, made of the frames in `from` (view v's), after the view's starting log. */
inline closeLog() {
    lg = start[v];
    set = 0;
    i = 1;
    do
    :: i < 8 ->
        if
        :: (from & BIT(i)) != 0 && STAMP(i) <= CUT(cut, SENDER(i)) -> set = set | BIT(i)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    appendSorted()
}

/* `from` = the frames of a log behind the starting log of view v. */
inline framesOf(l) {
    from = 0;
    i = LEN(start[v]);
    do
    :: i < LEN(l) -> from = from | BIT(AT(l, i)); i++
    :: else -> break
    od
}

inline fall(n) {
    row[n] = 0;
    MIRROR(n, 0) = 0;
    MIRROR(n, 1) = 0;
    MIRROR(n, 2) = 0;
    held[n] = 0;
    landed[n] = 0;
    log[n] = 0;
    done[n] = 0
}

/* The clocks of view `w` all stand at `base`; n's own promise never falls. */
inline newClocks(n) {
    r = NEWROW(w, value);
    i = 0;
    do
    :: i < 3 ->
        if
        :: HAS(members[w], i) -> SETCLOCK(r, i, base)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od
}

/* R1: the next frame of node n, publisher's number `num`, in view `vw`, one or more above its promise. */
inline stamp(n, vw, num, leap) {
    f = SLOT(n) + (sent[n] >> 4);
    when = CLOCK(r, n) + leap;
    frame[f] = when | ((vw) << 3) | ((num) << 6);
    sent[n] = sent[n] + 16;
    held[n] = held[n] | BIT(f);
    if
    :: when > CLOCK(r, n) -> SETCLOCK(r, n, when)
    :: else -> skip
    fi
}

/* ---- steps of a node that runs -------------------------------------------------------------------------- */

#define MAYSTAMP(n, leap)   (RUNS(n) && !WEDGED(row[n]) && (sent[n] >> 4) < SLOTS(n) && CLOCK(row[n], n) + (leap) < 8)

inline publish(n, leap) {
    r = row[n];
    stamp(n, VIEW(r), sent[n] & 15, leap);
    sent[n]++;
    row[n] = r
}

#if defined(MUT_NO_FREEZE) || defined(MUT_OLD_PRIMARY) || defined(MUT_STALE_FRAMES)
#define FORGETS         0
#else
#define FORGETS         1
#endif
#if defined(MUT_NO_FREEZE) || defined(MUT_OLD_PRIMARY)
#define FREEZES         0
#else
#define FREEZES         1
#endif

/* Frames of view `vw` and older go unread. */
inline dropLanded(n, vw) {
    i = 1;
    do
    :: FORGETS && i < 8 ->
        if
        :: FRAMEVIEW(i) <= vw -> landed[n] = landed[n] & ~BIT(i)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od
}

/* What a wedged node will not look at again is forgotten, so that states which differ in nothing else are one. */
inline forget(n) {
    if
    :: FORGETS && WEDGED(r) ->
        SETDURABLE(r, 0);
        dropLanded(n, v);
        i = 0;
        do
        :: i < 3 ->
            if
            :: VIEW(MIRROR(n, i)) == VIEW(r) && !WEDGED(MIRROR(n, i)) -> MIRROR(n, i) = 0
            :: else -> skip
            fi;
            i++
        :: else -> break
        od
    :: else -> skip
    fi
}

/* One-sided writes from m to n: the data m sent, then its row. What lands between two turns of n, it sees together. */
#ifdef MUT_ROW_FIRST
#define LANDS(m, n)     MIRROR(n, m) != row[m]
#define DATALANDS(n, m) (RUNS(m) && RUNS(n) && (held[m] & OWN(m) & ~landed[n]) != 0)
#define land(m, n)      MIRROR(n, m) = row[m]
#define landData(m, n)  landed[n] = landed[n] | (held[m] & OWN(m))
#else
#define SENT(m, n)      (FORGETS && WEDGED(row[n]) && VIEW(row[n]) == VIEW(row[m]) -> 0 : held[m] & OWN(m))
#define LANDS(m, n)     (MIRROR(n, m) != row[m] || (SENT(m, n) & ~landed[n]) != 0)
#define land(m, n)      landed[n] = landed[n] | SENT(m, n); MIRROR(n, m) = row[m]
#endif

/* Writes that n would not look at are left out: of an older view, of a suspect, of a running member to a wedged one. */
#define DEAF(m, n)      (FORGETS && WEDGED(row[n]) && !WEDGED(row[m]))
#ifdef MUT_LOWER_BALLOT
#define SHUNNED(m, n)   0
#else
#define SHUNNED(m, n)   (HAS(SUSPECTED(row[n]), m) && COMMITTED(row[m]) == 0)
#endif
#define MAYLAND(n, m) \
    (RUNS(m) && RUNS(n) && VIEW(row[m]) >= VIEW(row[n]) && HAS(members[VIEW(row[m])], n) && LANDS(m, n) && \
    !(VIEW(row[m]) == VIEW(row[n]) && (SHUNNED(m, n) || DEAF(m, n))))

/* R2, R6: what landed from member i is taken in; a wedged member only listens for the change of view. */
inline hear(n, take) {
    q = MIRROR(n, i);
    if
    :: VIEW(q) == v + 1 ->
        if
        :: COMMITTED(r) == 0 -> SETCOMMITTED(r, ORIGIN(q))
        :: else -> skip
        fi
    :: VIEW(q) == v && HAS(SUSPECTED(r), i) ->
        if
        :: COMMITTED(r) == 0 -> SETCOMMITTED(r, COMMITTED(q))
        :: else -> skip
        fi
    :: VIEW(q) == v && !HAS(SUSPECTED(r), i) ->
        if
        :: take && !(FREEZES && WEDGED(r)) ->
            k = SLOT(i);
            do
            :: k < SLOT(i) + SLOTS(i) ->
                if
#ifdef MUT_STALE_FRAMES
                :: (landed[n] & BIT(k)) != 0 -> held[n] = held[n] | BIT(k)
#else
                :: (landed[n] & BIT(k)) != 0 && FRAMEVIEW(k) == v -> held[n] = held[n] | BIT(k)
#endif
                :: else -> skip
                fi;
                k++
            :: else -> break
            od;
            when = CLOCK(q, i);
            if
            :: when > CLOCK(r, i) -> SETCLOCK(r, i, when)
            :: else -> skip
            fi;
            if
            :: when > CLOCK(r, n) -> SETCLOCK(r, n, when)
            :: else -> skip
            fi
        :: else -> skip
        fi;
        fresh = SUSPECTED(q) & ~SUSPECTED(r) & ~BIT(n);
        SETSUSPECTED(r, fresh);
        if
        :: fresh != 0 || WEDGED(q) -> SETWEDGED(r)
        :: else -> skip
        fi;
        if
        :: COMMITTED(r) == 0 -> SETCOMMITTED(r, COMMITTED(q))
        :: else -> skip
        fi
    :: else -> skip
    fi
}

#ifdef MUT_OLD_PRIMARY
#define COUNTED     (members[v] & ~SUSPECTED(r))
#else
#define COUNTED     members[v]
#endif
#define SEEN(n, m)  ((m) == (n) -> r : MIRROR(n, m))

/* R3: append what is ordered. */
inline order(n) {
    low = 7;
    i = 0;
    do
    :: i < 3 ->
        if
        :: HAS(COUNTED, i) && CLOCK(r, i) < low -> low = CLOCK(r, i)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    lg = log[n];
    set = held[n];
    notIn(lg);
    i = 1;
    do
    :: i < 8 ->
        if
        :: (set & BIT(i)) != 0 && STAMP(i) > low -> set = set & ~BIT(i)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    appendSorted();
    log[n] = lg
}

/* R4: deliver, in log order, what every member holds. */
inline deliverStable(n) {
    at = done[n] & 15;
    do
    :: at < LEN(log[n]) ->
        f = AT(log[n], at);
        low = 7;
        i = 0;
        do
        :: i < 3 ->
            q = SEEN(n, i);
            if
            :: HAS(COUNTED, i) && VIEW(q) == v && CLOCK(q, SENDER(f)) < low -> low = CLOCK(q, SENDER(f))
            :: HAS(COUNTED, i) && VIEW(q) != v -> low = 0
            :: else -> skip
            fi;
            i++
        :: else -> break
        od;
        if
#ifdef MUT_DELIVER_ORDERED
        :: true ->
#else
        :: STAMP(f) <= low ->
#endif
            checkStable(n, at);
            at++
        :: else -> break
        fi
    :: else -> break
    od;
    done[n] = (done[n] & 240) | at
}

/* R5: as durable, what a quorum has on disk; what a cut let through, once a quorum has begun the view. */
inline deliverDurable(n) {
    at = done[n] >> 4;
    do
    :: at < (done[n] & 15) ->
        f = AT(log[n], at);
        set = 0;
        i = 0;
        do
        :: i < 3 ->
            q = SEEN(n, i);
            if
            :: HAS(members[v], i) && VIEW(q) == v ->
                if
                :: at < LEN(start[v]) || (DURABLE(q) != 0 && LATER(DURABLE(q), f)) -> set = set | BIT(i)
                :: else -> skip
                fi
            :: else -> skip
            fi;
            i++
        :: else -> break
        od;
        if
#ifdef MUT_ACK_UNSYNCED
        :: true ->
#else
        :: QUORUM(members[v], set) ->
#endif
            checkDurable(n, at);
#ifdef WIT_ACKNOWLEDGED
            assert(at < LEN(start[v]));
#endif
#ifdef WIT_CARRIED
            assert(at >= LEN(start[v]));
#endif
#ifdef WIT_AFTER_RESTART
            assert(at < LEN(start[v]) || remade == 0 || v < remade);
#endif
            at++
        :: else -> break
        fi
    :: else -> break
    od;
    done[n] = (done[n] & 15) | (at << 4)
}

/* R8: an acceptance that is on disk is shown, unless its leader has been suspected meanwhile; a quorum of one chooses. */
inline choose(n) {
#ifndef MUT_SHOW_UNSAVED
    if
    :: DBALLOT(n) != 0 && DBALLOT(n) < 4 && DACCEPTED(n) != ACCEPTED(r) ->
        if
#ifdef MUT_LOWER_BALLOT
        :: true -> SETACCEPTED(r, DACCEPTED(n))
#else
        :: !HAS(SUSPECTED(r), DBALLOT(n) - 1) -> SETACCEPTED(r, DACCEPTED(n))
#endif
        :: else -> skip
        fi
    :: else -> skip
    fi;
#endif
    if
    :: COMMITTED(r) == 0 && BALLOT(r) != 0 ->
        set = 0;
        i = 0;
        do
        :: i < 3 ->
            q = SEEN(n, i);
            if
            :: HAS(members[v], i) && VIEW(q) == v && ACCEPTED(q) == ACCEPTED(r) -> set = set | BIT(i)
            :: else -> skip
            fi;
            i++
        :: else -> break
        od;
        if
#ifdef MUT_MINORITY_VIEW
        :: true -> SETCOMMITTED(r, VALUE(r))
#else
        :: QUORUM(members[v], set) -> SETCOMMITTED(r, VALUE(r))
#endif
        :: else -> skip
        fi
    :: else -> skip
    fi
}

/* A turn: take in what landed, then order, deliver and acknowledge, or decide on the next view. `take` 0: the news that wedges
 * overtakes the frames and clocks that landed with it. */
inline turn(n, take) {
    r = row[n];
    v = VIEW(r);
    w = 0;
    do
    :: w < 3 ->
        if
        :: w != n && HAS(members[v], w) -> i = w; hear(n, take)
        :: else -> skip
        fi;
        w++
    :: else -> break
    od;
    if
    :: !(FREEZES && WEDGED(r)) ->
        order(n);
        deliverStable(n);
        deliverDurable(n)
    :: else -> skip
    fi;
    if
    :: WEDGED(r) -> choose(n)
    :: else -> skip
    fi;
    forget(n);
    row[n] = r
}

#define WEDGES(n, m)    ((m) != (n) && VIEW(MIRROR(n, m)) == VIEW(row[n]) && WEDGED(MIRROR(n, m)))
#define OVERTAKEN(n)    (RUNS(n) && !WEDGED(row[n]) && (WEDGES(n, 0) || WEDGES(n, 1) || WEDGES(n, 2)))

#define MAYSYNC(n)      (RUNS(n) && DBALLOT(n) == 0 && COMMITTED(row[n]) == 0 && log[n] != disk[n])

inline sync(n) {
    toDisk(n, log[n]);
    r = row[n];
    if
    :: !WEDGED(r) && LEN(log[n]) > LEN(start[VIEW(r)]) -> SETDURABLE(r, AT(log[n], LEN(log[n]) - 1)); row[n] = r
    :: else -> skip
    fi
}

/* R6 */
#define MISTAKEN(n, m)  (VIEW(row[m]) == VIEW(row[n]))
#define MAYSUSPECT(n, m) \
    (RUNS(n) && HAS(members[VIEW(row[n])], m) && !HAS(SUSPECTED(row[n]), m) && COMMITTED(row[n]) == 0 && \
    (!MISTAKEN(n, m) || ((faults >> 2) & 3) < MISTAKES))

inline suspect(n, m) {
    if
    :: MISTAKEN(n, m) -> faults = faults + 4
    :: else -> skip
    fi;
    r = row[n];
    SETSUSPECTED(r, BIT(m));
    SETWEDGED(r);
    v = VIEW(r);
    forget(n);
    row[n] = r
}

/* A planned change wedges without suspicion; the leader of an unharmed view calls for it. */
#define MAYPLAN(n) \
    (RUNS(n) && !WEDGED(row[n]) && FIRST(members[VIEW(row[n])]) == n && VIEW(row[n]) < VIEWS && (faults >> 6) < PLANS)
inline plan(n) {
    faults = faults + 64;
    r = row[n];
    v = VIEW(r);
    SETWEDGED(r);
    forget(n);
    row[n] = r
}

/* R8: with one sync the acceptance is on disk, and every frame held. */
inline saveAcceptance(n, ballot, val) {
#ifdef MUT_SHOW_UNSAVED
    SETACCEPTED(r, (ballot) | ((val) << 2));
    row[n] = r;
#else
#ifndef MUT_ACCEPT_FRAMELESS
    set = held[n];
    notIn(start[v]);
    lg = start[v];
    appendSorted();
    toDisk(n, lg);
#endif
    PUT(state[n], 3, 63, (ballot) | ((val) << 3));
#endif
}

/* R7: the cut of the survivors `live`. */
inline makeCut(n) {
    cut = live;
    j = 0;
    do
    :: j < 3 ->
#if defined(MUT_CUT_MAX)
        low = 0;
#else
        low = 7;
#endif
        i = 0;
        do
        :: i < 3 ->
            q = SEEN(n, i);
            if
#if defined(MUT_CUT_MAX)
            :: HAS(live, i) && CLOCK(q, j) > low -> low = CLOCK(q, j)
#elif defined(MUT_CUT_OWN)
            :: i == n -> low = CLOCK(q, j)
#else
            :: HAS(live, i) && CLOCK(q, j) < low -> low = CLOCK(q, j)
#endif
            :: else -> skip
            fi;
            i++
        :: else -> break
        od;
        cut = cut | (low << (3 + 3 * j));
        j++
    :: else -> break
    od
}

/* The leader has heard of all it does not suspect that they are wedged and suspect the same. */
#define AGREES(n, m) \
    ((m) == (n) || HAS(SUSPECTED(row[n]), m) || !HAS(members[VIEW(row[n])], m) || \
    (VIEW(MIRROR(n, m)) == VIEW(row[n]) && WEDGED(MIRROR(n, m)) && SUSPECTED(MIRROR(n, m)) == SUSPECTED(row[n])))
#define UNSUSPECTED(n)  (members[VIEW(row[n])] & ~SUSPECTED(row[n]))
#define MAYPROPOSE(n) \
    (RUNS(n) && WEDGED(row[n]) && COMMITTED(row[n]) == 0 && VIEW(row[n]) < VIEWS && FIRST(UNSUSPECTED(n)) == n && \
    BALLOT(row[n]) != n + 1 && DBALLOT(n) != n + 1 && AGREES(n, 0) && AGREES(n, 1) && AGREES(n, 2) && ENOUGH(n))
#ifdef MUT_MINORITY_VIEW
#define ENOUGH(n)       1
#else
#define ENOUGH(n)       QUORUM(members[VIEW(row[n])], UNSUSPECTED(n))
#endif

/* R8: what may have been chosen is proposed again, whole; otherwise the survivors and their cut. */
inline propose(n) {
    r = row[n];
    v = VIEW(r);
    live = UNSUSPECTED(n);
    best = 0;
    value = 0;
    i = 0;
    do
    :: i < 3 ->
        q = SEEN(n, i);
        if
        :: HAS(live, i) && BALLOT(q) > best -> best = BALLOT(q); value = VALUE(q)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    if
    :: value == 0 ->
        makeCut(n);
        value = n + 1;
        PROPOSAL(v, value) = cut
    :: else -> skip
    fi;
    saveAcceptance(n, n + 1, value)
}

#ifdef MUT_LOWER_BALLOT
#define LEADS(n, m)     ((m) <= FIRST(UNSUSPECTED(n)) && (m) != (n))
#else
#define LEADS(n, m)     ((m) == FIRST(UNSUSPECTED(n)) && (m) != (n))
#endif
#define MAYFOLLOW(n, m) \
    (RUNS(n) && WEDGED(row[n]) && COMMITTED(row[n]) == 0 && LEADS(n, m) && VIEW(MIRROR(n, m)) == VIEW(row[n]) && \
    BALLOT(MIRROR(n, m)) == (m) + 1 && ACCEPTED(MIRROR(n, m)) != ACCEPTED(row[n]) && ACCEPTED(MIRROR(n, m)) != DACCEPTED(n))

inline follow(n, m) {
    r = row[n];
    v = VIEW(r);
    saveAcceptance(n, m + 1, VALUE(MIRROR(n, m)))
}

/* What was shown and not saved is saved at last. */
#define MAYSAVELATE(n)  (RUNS(n) && BALLOT(row[n]) != 0 && DACCEPTED(n) != ACCEPTED(row[n]))
inline saveLate(n) {
    v = VIEW(row[n]);
    set = held[n];
    notIn(start[v]);
    lg = start[v];
    appendSorted();
    toDisk(n, lg);
    PUT(state[n], 3, 63, BALLOT(row[n]) | (VALUE(row[n]) << 3))
}

#define MAYINSTALL(n)   (RUNS(n) && COMMITTED(row[n]) != 0)

/* Own frames above the cut are sent again, before anything new. */
inline sendAgain(n) {
    k = SLOT(n);
    do
    :: k < SLOT(n) + SLOTS(n) ->
        if
#ifdef MUT_RESEND_ALL
        :: (from & BIT(k)) != 0 && FRAMEVIEW(k) == v && (sent[n] >> 4) < SLOTS(n) ->
#else
        :: (from & BIT(k)) != 0 && FRAMEVIEW(k) == v && STAMP(k) > CUT(cut, n) && (sent[n] >> 4) < SLOTS(n) ->
#endif
            stamp(n, w, NUMBER(k), 1)
        :: else -> skip
        fi;
        k++
    :: else -> break
    od
}

/* The next view is chosen. First the log on disk is brought to the cut; then the view begins. Who is left out, falls. */
inline install(n) {
    r = row[n];
    v = VIEW(r);
    w = v + 1;
    value = COMMITTED(r);
    if
    :: value > 3 -> fall(n)
    :: else ->
        cut = PROPOSAL(v, value);
        if
        :: !HAS(MEMBERS(cut), n) -> fall(n)
        :: else ->
            from = held[n];
            closeLog();
            assert(PREFIX(HEAD(log[n], done[n] & 15), lg));
            if
            :: disk[n] != lg -> toDisk(n, lg)
            :: else ->
                begun(n, MEMBERS(cut), lg, value);
#ifdef WIT_TAKEOVER
                assert(BALLOT(r) == 0 || BALLOT(r) == value || RUNS(value - 1));
#endif
#ifdef WIT_ALONE
                assert(COUNT(members[w]) > 1);
#endif
                state[n] = w;
                log[n] = lg;
                done[n] = (done[n] & 240) | LEN(lg);
                base = 0;
                i = 0;
                do
                :: i < 3 ->
                    if
                    :: CUT(cut, i) > base -> base = CUT(cut, i)
                    :: else -> skip
                    fi;
                    i++
                :: else -> break
                od;
                when = CLOCK(r, n);
                newClocks(n);
                if
                :: when > base -> SETCLOCK(r, n, when)
                :: else -> skip
                fi;
                held[n] = 0;
                i = 0;
                do
                :: i < 3 ->
                    if
                    :: VIEW(MIRROR(n, i)) < w -> MIRROR(n, i) = 0
                    :: else -> skip
                    fi;
                    i++
                :: else -> break
                od;
                dropLanded(n, v);
                sendAgain(n);
                row[n] = r
            fi
        fi
    fi
}

/* ---- faults --------------------------------------------------------------------------------------------- */

#define MAYCRASH(n)     (RUNS(n) && (faults & 3) < CRASHES)
#define MAYBLACKOUT     ((RUNS(0) || RUNS(1) || RUNS(2)) && ((faults >> 4) & 3) < BLACKOUTS)

/* ---- total restart (R9): steps of nodes that have come back, known by their disks only ------------------- */

#if RESTARTS > 0

#ifdef MUT_RESTART_MINORITY
#define RESTARTQUORUM(view, set)    1
#else
#define RESTARTQUORUM(view, set)    QUORUM(view, set)
#endif
#define BACK(set, n)    (!HAS(set, n) || (!RUNS(n) && DVIEW(n) == DVIEW(FIRST(set)) && HAS(members[DVIEW(n)], n)))
#define MAYRESTART(set) \
    (restarts < RESTARTS && BACK(set, 0) && BACK(set, 1) && BACK(set, 2) && DVIEW(FIRST(set)) < VIEWS && \
    RESTARTQUORUM(members[DVIEW(FIRST(set))], set))

/* The nodes of `here` promise a new ballot; what one of them accepted by the highest ballot is kept, otherwise the longest log
 * goes on with those that are here. */
inline beginRestart() {
    v = DVIEW(FIRST(here));
    best = 0;
    lead = 3;
    i = 0;
    do
    :: i < 3 ->
        if
        :: HAS(here, i) ->
            PUT(state[i], 9, 7, 4 + restarts);
#if defined(MUT_RESTART_FORGETS)
            skip
#elif defined(MUT_RESTART_LOW_BALLOT)
            if
            :: DBALLOT(i) != 0 && (best == 0 || DBALLOT(i) < best) -> best = DBALLOT(i); lead = i
            :: else -> skip
            fi
#else
            if
            :: DBALLOT(i) > best -> best = DBALLOT(i); lead = i
            :: else -> skip
            fi
#endif
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    if
    :: lead < 3 && DVALUE(lead) < 4 ->
        value = DVALUE(lead);
        cut = PROPOSAL(v, value);
        live = MEMBERS(cut);
#ifdef MUT_RESTART_UNCUT
        lg = disk[lead];
#else
        framesOf(disk[lead]);
        closeLog();
#endif
    :: lead < 3 && DVALUE(lead) > 3 ->
        value = DVALUE(lead);
        live = RMEMBERS(value - 4);
        lg = restartLog[value - 4]
    :: else ->
        value = 4 + restarts;
        live = here;
        lg = disk[FIRST(here)];
#ifndef MUT_RESTART_FIRST_LOG
        i = 0;
        do
        :: i < 3 ->
            if
            :: HAS(here, i) && LEN(disk[i]) > LEN(lg) -> lg = disk[i]
            :: else -> skip
            fi;
            i++
        :: else -> break
        od
#endif
    fi;
    restart[restarts] = (here) | (live << 3) | (value << 9) | (v << 12);
    restartLog[restarts] = lg;
    restarts++
}

#ifdef MUT_RESTART_NO_PROMISE
#define UNPROMISED(i, n)    1
#else
#define UNPROMISED(i, n)    (DPROMISE(n) <= 4 + (i))
#endif
#define MAYACCEPT0(n)   MAYACCEPT(0, n)
#define MAYACCEPT1(n)   MAYACCEPT(1, n)
#define MAYACCEPT2(n)   MAYACCEPT(2, n)
#define MAYBEGIN0(n)    MAYBEGIN(0, n)
#define MAYBEGIN1(n)    MAYBEGIN(1, n)
#define MAYBEGIN2(n)    MAYBEGIN(2, n)
#define MAYACCEPT(i, n) \
    ((i) < restarts && !RUNS(n) && HAS(RPROMISED(i), n) && DVIEW(n) == RVIEW(i) && UNPROMISED(i, n) && \
    !HAS(RACCEPTED(i), n))

/* The log is copied before it is accepted. */
inline acceptRestart() {
    toDisk(n, restartLog[x]);
    PUT(state[n], 3, 63, (4 + (x)) | (RVALUE(x) << 3));
    restart[x] = restart[x] | BIT(6 + n)
}

#define MAYBEGIN(i, n) \
    ((i) < restarts && !RUNS(n) && DVIEW(n) == RVIEW(i) && HAS(RMEMBERS(i), n) && DBALLOT(n) > 3 && DVALUE(n) == RVALUE(i) && \
    RESTARTQUORUM(members[RVIEW(i)], RACCEPTED(i)))

/* Chosen: installed where it was accepted. A freshly made view runs at once; after one kept from before, the restart goes on. */
inline beginRestarted() {
    w = RVIEW(x) + 1;
    value = RVALUE(x);
    begun(n, RMEMBERS(x), disk[n], value);
    state[n] = w;
    if
    :: value == 4 + (x) ->
#ifdef WIT_RESTART
        assert(LEN(disk[n]) == 0 || (members[w] & ~BIT(n) & ~((RUNS(0) -> 1 : 0) | (RUNS(1) -> 2 : 0) | (RUNS(2) -> 4 : 0))) != 0);
#endif
        goOn(n)
    :: else ->
#ifdef WIT_RESTART_KEEPS
        assert(value > 3)
#else
        skip
#endif
    fi
}

inline goOn(n) {
    log[n] = disk[n];
    done[n] = LEN(log[n]);
    base = 0;
    if
    :: log[n] != 0 -> base = STAMP(AT(log[n], LEN(log[n]) - 1))
    :: else -> skip
    fi;
    newClocks(n);
    row[n] = r
}

#define MAYCATCHUP(n, m) \
    (!RUNS(n) && !RUNS(m) && DVIEW(n) < DVIEW(m) && HAS(members[DVIEW(m)], n))

/* Node m installed a newer view of which n is: n installs it too, by its own acceptance or by m's log. The frames that m saved
 * with an acceptance, beyond its log, do not count: the view is still m's newest. */
inline catchUp(n, m) {
    v = DVIEW(n);
    w = DVIEW(m);
    lg = (DBALLOT(m) == 0 -> disk[m] : HEAD(disk[m], LEN(start[w])));
    value = 1;
    if
    :: DBALLOT(n) != 0 && w == v + 1 && DVALUE(n) < 4 ->
        if
        :: MEMBERS(PROPOSAL(v, DVALUE(n))) == members[w] ->
            cut = PROPOSAL(v, DVALUE(n));
            framesOf(disk[n]);
            closeLog()
        :: else -> skip
        fi
    :: else -> skip
    fi;
    toDisk(n, lg);
    begun(n, members[w], lg, value);
    state[n] = w
}
#endif

/* ---- the world ------------------------------------------------------------------------------------------ */

/* Who may take a step takes it: `n`, with `m`; restart ballot `x`; the nodes `here`. */
#define ANYNODE(may) \
    if \
    :: may(0) -> n = 0 \
    :: may(1) -> n = 1 \
    :: may(2) -> n = 2 \
    fi

#define ANYPAIR(may) \
    if \
    :: may(0, 1) -> n = 0; m = 1 \
    :: may(0, 2) -> n = 0; m = 2 \
    :: may(1, 0) -> n = 1; m = 0 \
    :: may(1, 2) -> n = 1; m = 2 \
    :: may(2, 0) -> n = 2; m = 0 \
    :: may(2, 1) -> n = 2; m = 1 \
    fi

#define MAYTURN(n)      RUNS(n)
#define MAYLEAP(n)      (MAYSTAMP(n, 2) && (sent[n] & 15) < PUBLISHES(n))
#define MAYPUBLISH(n)   (MAYSTAMP(n, 1) && (sent[n] & 15) < PUBLISHES(n))
#define MAYSTOOP(n)     (MAYSTAMP(n, 0) && (sent[n] & 15) < PUBLISHES(n) && CLOCK(row[n], n) > 0)
#define PUBLISHES(n)    ((n) == 0 -> PUBLISH0 : ((n) == 1 -> PUBLISH1 : PUBLISH2))
#define LANDSWEDGED(n, m)   (MAYLAND(n, m) && WEDGED(row[m]) && !WEDGED(row[n]))

active proctype world() {
    d_step {
        i = 0;
        do
        :: i < 3 && HAS(FOUNDERS, i) -> row[i] = NEWROW(1, 0); state[i] = 1; i++
        :: i < 3 && !HAS(FOUNDERS, i) -> i++
        :: else -> break
        od;
        members[1] = FOUNDERS;
        newest = 1
    };
end:
    do
    :: atomic { ANYNODE(MAYPUBLISH); d_step { publish(n, 1) } }
#if JUMPS > 0
    :: atomic { ANYNODE(MAYLEAP); d_step { publish(n, 2) } }
#endif
#ifdef MUT_STAMP_LOW
    :: atomic { ANYNODE(MAYSTOOP); d_step { publish(n, 0) } }
#endif
#if EAGER
    :: atomic { ANYPAIR(MAYLAND); d_step { land(m, n); turn(n, 1) } }
    :: atomic { ANYPAIR(LANDSWEDGED); d_step { land(m, n); turn(n, 0) } }
#else
    :: atomic { ANYPAIR(MAYLAND); d_step { land(m, n) } }
    :: atomic { ANYNODE(OVERTAKEN); d_step { turn(n, 0) } }
#endif
    :: atomic { ANYNODE(MAYTURN); d_step { turn(n, 1) } }
    :: atomic { ANYNODE(MAYSYNC); d_step { sync(n) } }
    :: atomic { ANYPAIR(MAYSUSPECT); d_step { suspect(n, m) } }
    :: atomic { ANYNODE(MAYPLAN); d_step { plan(n) } }
    :: atomic { ANYNODE(MAYPROPOSE); d_step { propose(n) } }
    :: atomic { ANYPAIR(MAYFOLLOW); d_step { follow(n, m) } }
    :: atomic { ANYNODE(MAYINSTALL); d_step { install(n) } }
    :: atomic { ANYNODE(MAYCRASH); d_step { faults++; fall(n) } }
#if BLACKOUTS > 0
    :: d_step { MAYBLACKOUT -> faults = faults + 16; fall(0); fall(1); fall(2) }
#endif
#if RESTARTS > 0
    :: atomic {
        if
        :: MAYRESTART(1) -> here = 1
        :: MAYRESTART(2) -> here = 2
        :: MAYRESTART(3) -> here = 3
        :: MAYRESTART(4) -> here = 4
        :: MAYRESTART(5) -> here = 5
        :: MAYRESTART(6) -> here = 6
        :: MAYRESTART(7) -> here = 7
        fi;
        d_step { beginRestart() }
    }
    :: atomic { ANYNODE(MAYACCEPT0); d_step { x = 0; acceptRestart() } }
    :: atomic { ANYNODE(MAYBEGIN0); d_step { x = 0; beginRestarted() } }
#if RESTARTS > 1
    :: atomic { ANYNODE(MAYACCEPT1); d_step { x = 1; acceptRestart() } }
    :: atomic { ANYNODE(MAYBEGIN1); d_step { x = 1; beginRestarted() } }
#endif
#if RESTARTS > 2
    :: atomic { ANYNODE(MAYACCEPT2); d_step { x = 2; acceptRestart() } }
    :: atomic { ANYNODE(MAYBEGIN2); d_step { x = 2; beginRestarted() } }
#endif
    :: atomic { ANYPAIR(MAYCATCHUP); d_step { catchUp(n, m) } }
#endif
#ifdef MUT_ROW_FIRST
    :: atomic { ANYPAIR(DATALANDS); d_step { landData(m, n) } }
#endif
#ifdef MUT_SHOW_UNSAVED
    :: atomic { ANYNODE(MAYSAVELATE); d_step { saveLate(n) } }
#endif
    od
}
