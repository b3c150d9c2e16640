/* Agreement on the next view (rules R6 and R8) among five members, for a model checker.
 *
 * squall.pml has three members, and among three whoever makes a quorum full knows it: a leader never meets an acceptance that may
 * have been chosen unknown to all survivors. Among five it does. No frames here: all members are wedged for a planned change,
 * leaders propose, fall and are suspected. A row that lands is taken in at once. Members 2-4 hear of one another only
 * through 0 and 1, which is one of the things a network may do.
 *
 * A row: | suspected 5 | ballot 3 | value 3 | committed 3 |, ballots and values being the leader's rank + 1.
 */

#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef MISTAKES
#define MISTAKES 0      /* suspicions of a member that runs */
#endif

#define BIT(i)          (1 << (i))
#define HAS(set, i)     (((set) >> (i)) & 1)
#define COUNT(set)      (((set) & 1) + HAS(set, 1) + HAS(set, 2) + HAS(set, 3) + HAS(set, 4))
#define FIRST(set)      ((set) & 1 -> 0 : ((set) & 2 -> 1 : ((set) & 4 -> 2 : ((set) & 8 -> 3 : 4))))
#define ALL             31

#define SUSPECTED(r)    ((r) & 31)
#define BALLOT(r)       (((r) >> 5) & 7)
#define VALUE(r)        (((r) >> 8) & 7)
#define ACCEPTED(r)     (((r) >> 5) & 63)
#define COMMITTED(r)    (((r) >> 11) & 7)
#define MIRROR(n, m)    mirror[5 * (n) + (m)]
#define RUNS(n)         HAS(running, n)

short row[5];
short mirror[25];       /* MIRROR(n, m): what n knows of m's row */
byte disk[5];           /* the acceptance saved: ballot 3, value 3 */
byte survivors[6];      /* of each value: the members of the view it stands for */
byte running = ALL;
byte crashes;
byte mistakes;
byte begun;             /* members of the view that somebody has begun */

hidden int n, m, r, q, i, set, best, value;

/* R8: an acceptance on disk is shown, unless its leader has been suspected meanwhile; a quorum of one chooses. Whoever commits
 * begins the view: there is one. */
inline decide() {
    if
    :: disk[n] != 0 && !HAS(SUSPECTED(r), (disk[n] & 7) - 1) -> r = (r & ~(63 << 5)) | (disk[n] << 5)
    :: else -> skip
    fi;
    set = 0;
    i = 0;
    do
    :: i < 5 ->
        q = (i == n -> r : MIRROR(n, i));
        if
        :: BALLOT(r) != 0 && ACCEPTED(q) == ACCEPTED(r) -> set = set | BIT(i)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
    if
    :: COMMITTED(r) == 0 && COUNT(set) > 2 -> r = r | (VALUE(r) << 11)
    :: else -> skip
    fi;
    if
    :: COMMITTED(r) != 0 ->
        assert(begun == 0 || begun == survivors[COMMITTED(r)]);
        begun = survivors[COMMITTED(r)];
#ifdef WIT_TAKEOVER
        assert(!(BALLOT(r) == 2 && VALUE(r) == 1 && !RUNS(0)));
#endif
    :: else -> skip
    fi;
    row[n] = r
}

/* R6: suspicion is contagious; a suspect is not heard, but what was chosen is a fact whoever tells it. */
#define HEARS(n, m)     (!HAS(SUSPECTED(row[n]), m) || COMMITTED(row[m]) != 0)
#define MAYLAND(n, m)   (RUNS(n) && RUNS(m) && COMMITTED(row[n]) == 0 && MIRROR(n, m) != row[m] && HEARS(n, m))

inline land() {
    r = row[n];
    q = row[m];
    MIRROR(n, m) = q;
    if
    :: !HAS(SUSPECTED(r), m) -> r = r | (SUSPECTED(q) & ~BIT(n))
    :: else -> skip
    fi;
    r = r | (COMMITTED(q) << 11);
    decide()
}

#define MAYDECIDE(n)    (RUNS(n) && COMMITTED(row[n]) == 0 && disk[n] != ACCEPTED(row[n]))
#define MAYCRASH(n)     (RUNS(n) && n < 2 && crashes < CRASHES)
#define MAYSUSPECT(n, m) \
    (RUNS(n) && COMMITTED(row[n]) == 0 && !HAS(SUSPECTED(row[n]), m) && (!RUNS(m) || (m < 2 && mistakes < MISTAKES)))

#define UNSUSPECTED(n)  (ALL & ~SUSPECTED(row[n]))
#define AGREES(n, m) \
    ((m) == (n) || HAS(SUSPECTED(row[n]), m) || SUSPECTED(MIRROR(n, m)) == SUSPECTED(row[n]))
#define MAYPROPOSE(n) \
    (RUNS(n) && COMMITTED(row[n]) == 0 && FIRST(UNSUSPECTED(n)) == n && (disk[n] & 7) != n + 1 && COUNT(UNSUSPECTED(n)) > 2 && \
    AGREES(n, 0) && AGREES(n, 1) && AGREES(n, 2) && AGREES(n, 3) && AGREES(n, 4))

inline propose() {
    best = 0;
    value = 0;
#ifndef MUT_FORGET_ACCEPTED
    i = 0;
    do
    :: i < 5 ->
        q = (i == n -> row[n] : MIRROR(n, i));
        if
        :: HAS(UNSUSPECTED(n), i) && BALLOT(q) > best -> best = BALLOT(q); value = VALUE(q)
        :: else -> skip
        fi;
        i++
    :: else -> break
    od;
#endif
    if
    :: value == 0 -> value = n + 1; survivors[value] = UNSUSPECTED(n)
    :: else -> skip
    fi;
    disk[n] = (n + 1) | (value << 3)
}

#define FOLLOWS(n, m)   (FIRST(UNSUSPECTED(n)) == (m))
#define MAYFOLLOW(n, m) \
    (RUNS(n) && COMMITTED(row[n]) == 0 && FOLLOWS(n, m) && BALLOT(MIRROR(n, m)) == (m) + 1 && \
    ACCEPTED(MIRROR(n, m)) != ACCEPTED(row[n]) && ACCEPTED(MIRROR(n, m)) != disk[n])

#define ANYNODE(may) \
    if \
    :: may(0) -> n = 0 \
    :: may(1) -> n = 1 \
    :: may(2) -> n = 2 \
    :: may(3) -> n = 3 \
    :: may(4) -> n = 4 \
    fi

#define ANYPAIR(may) \
    if \
    :: may(0, 1) -> n = 0; m = 1 \
    :: may(0, 2) -> n = 0; m = 2 \
    :: may(0, 3) -> n = 0; m = 3 \
    :: may(0, 4) -> n = 0; m = 4 \
    :: may(1, 0) -> n = 1; m = 0 \
    :: may(1, 2) -> n = 1; m = 2 \
    :: may(1, 3) -> n = 1; m = 3 \
    :: may(1, 4) -> n = 1; m = 4 \
    :: may(2, 0) -> n = 2; m = 0 \
    :: may(2, 1) -> n = 2; m = 1 \
    :: may(3, 0) -> n = 3; m = 0 \
    :: may(3, 1) -> n = 3; m = 1 \
    :: may(4, 0) -> n = 4; m = 0 \
    :: may(4, 1) -> n = 4; m = 1 \
    fi

active proctype world() {
end:
    do
    :: atomic { ANYPAIR(MAYLAND); d_step { land() } }
    :: atomic { ANYPAIR(MAYSUSPECT); d_step { row[n] = row[n] | BIT(m) } }
    :: atomic { ANYPAIR(MAYFOLLOW); d_step { disk[n] = ACCEPTED(MIRROR(n, m)) } }
    :: atomic { ANYNODE(MAYPROPOSE); d_step { propose() } }
    :: atomic { ANYNODE(MAYDECIDE); d_step { r = row[n]; decide() } }
    :: atomic { ANYNODE(MAYCRASH); d_step { crashes++; running = running & ~BIT(n) } }
    od
}
