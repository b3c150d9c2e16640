/// Faults planted on purpose: rules broken one at a time, so that the simulator's checkers can be seen to catch each
/// (`simulate mutants`). Only a build with MUTANTS has them; in every other build `planted` is false.
@usableFromInline package enum Mutant: String, CaseIterable, Sendable {
    // Order, stability, durability (R1–R5).
    case clockStands = "clock-stands"
    case wallClockStamps = "wall-clock-stamps"
    case rowBeforeData = "row-before-data"
    case hearsay = "hold-by-hearsay"
    case promiseUnread = "promise-unread"
    case deliverOnOrder = "deliver-on-order"
    case ackBeforeDurable = "ack-before-durable"
    case ackByMinority = "ack-by-minority"
    case carriedEarly = "carried-early"
    case quorumOfHalf = "quorum-of-half"
    // Suspicion, cut, agreement (R6–R8).
    case noFreeze = "no-freeze"
    case suspicionTakenBack = "suspicion-taken-back"
    case cutOwnRow = "cut-own-row"
    case cutHighest = "cut-highest"
    case cutBySome = "cut-by-some"
    case resendLost = "resend-lost"
    case resendLate = "resend-late"
    case forgetAccepted = "forget-accepted"
    case acceptNotDurable = "accept-not-durable"
    case acceptWithoutFrames = "accept-without-frames"
    case lowerBallot = "lower-ballot"
    case minorityView = "minority-view"
    case chosenByOne = "chosen-by-one"
    case staleView = "stale-view"
    case framesBeforeAllBegan = "frames-before-all-began"
    case installedBeforeLog = "installed-before-log"
    // Restart and joins (R9, R10).
    case restartFirstLog = "restart-first-log"
    case restartNoQuorum = "restart-no-quorum"
    case restartForgetsAccepted = "restart-forgets-accepted"
    case restartAcceptsUncopied = "restart-accepts-uncopied"
    case restartPromiseUnsaved = "restart-promise-unsaved"
    case restartOldBallot = "restart-old-ballot"
    case restartNoOwnQuorum = "restart-no-own-quorum"
    case newDiskCounts = "new-disk-counts"
    case newDiskCountsQuiet = "new-disk-counts-quiet"
    case learnerEarly = "learner-early"
    case learnerKeepsTail = "learner-keeps-tail"
    // Flow, exactly once (R11, R13).
    case ringOverrun = "ring-overrun"
    case ringFreedEarly = "ring-freed-early"
    case duplicateAccepted = "duplicate-accepted"
    case undoForgotten = "undo-forgotten"
    case onceLostInCheckpoint = "once-lost-in-checkpoint"
    case liveTooEarly = "live-too-early"
    case keptGap = "kept-gap"
    case livePickerForgotten = "live-picker-forgotten"
    // The store of versions.
    case conditionIgnored = "condition-ignored"
    case headsKept = "heads-kept"
    case readAtOnce = "read-at-once"
    case asOfEarly = "as-of-early"
    case cutBehind = "cut-behind"
    // Cleaning.
    case cleanedTooEarly = "cleaned-too-early"
    case lastNotKept = "last-not-kept"
    case removeGoneFirst = "remove-gone-first"
    case cleanedUnsynced = "cleaned-unsynced"
    case cleanedNameUnsynced = "cleaned-name-unsynced"
    case holeForgetsPublishers = "hole-forgets-publishers"
    case cleanedReadAsThere = "cleaned-read-as-there"
    case tallyTakenWhole = "tally-taken-whole"
    // Watches.
    case newTopicUnseen = "new-topic-unseen"
    case exclusionForgotten = "exclusion-forgotten"
    // Who gets what of the unordered topics.
    case subscribedUntold = "subscribed-untold"
    case newTopicUnwanted = "new-topic-unwanted"
    case withheldDelivered = "withheld-delivered"
    case pressLacking = "press-lacking"
    case toldTakenForHeard = "told-taken-for-heard"
    case unnamedDropped = "unnamed-dropped"
    // Consumer groups.
    case committedBeforeDone = "committed-before-done"
    case generationUnchecked = "generation-unchecked"
    case placesLostInCheckpoint = "places-lost-in-checkpoint"
    case partitionGivenToTwo = "partition-given-to-two"
    case placesFall = "places-fall"
    case consumersKept = "consumers-kept"
    case partitionForgotten = "partition-forgotten"
    // Relayed frames.
    case heldBeforeWhole = "held-before-whole"
    case promisePastBody = "promise-past-body"
    case bodyLetGoEarly = "body-let-go-early"
    case relayOfOldView = "relay-of-old-view"
    case relayLost = "relay-lost"
    case relayUnlinked = "relay-unlinked"
    // Memory.
    case recentUnbounded = "recent-unbounded"
    // Groups in memory.
    case welcomeKept = "welcome-kept"
    case beginningOutgrown = "beginning-outgrown"
    // Who holds what.
    case dropOnOne = "drop-on-one"
    case dropOnOldWord = "drop-on-old-word"
    case wordBeforeDisk = "word-before-disk"
    case gapTakenForAll = "gap-taken-for-all"
    case headsOfGaps = "heads-of-gaps"
    case copyExactTooSoon = "copy-exact-too-soon"
    case gapGiven = "gap-given"
    case copyTakenForWhole = "copy-taken-for-whole"
    case fillForgotten = "fill-forgotten"
    case pastTakenForOwn = "past-taken-for-own"
    case wordOfAll = "word-of-all"
    case dropOfOldView = "drop-of-old-view"
    case wordForgotten = "word-forgotten"
    case stuckDiskKept = "stuck-disk-kept"
    case segmentPassed = "segment-passed"
    // What publishers are refused.
    case refusedPassed = "refused-passed"
    // Storage.
    case ackBeforeSync = "ack-before-sync"
    case syncRetried = "sync-retried"
    case directoryUnsynced = "directory-unsynced"
    case rollUnsynced = "roll-unsynced"
    case stateInPlace = "state-in-place"
    case stateUnsynced = "state-unsynced"
    case positionUnchecked = "position-unchecked"
    case checksumUnchecked = "checksum-unchecked"
    case cutLeavesTail = "cut-leaves-tail"
    case damageTakenForTorn = "damage-taken-for-torn"
    case tailCutShort = "tail-cut-short"
}

#if MUTANTS
    /// Set once, before a world runs.
    nonisolated(unsafe) package var plantedMutant: Mutant?
    package func planted(_ mutant: Mutant) -> Bool { unsafe plantedMutant == mutant }
#else
    @inlinable @inline(__always) package func planted(_ mutant: Mutant) -> Bool { false }
#endif
