import Synchronization

/// What all scenes have found, kind by kind; shared between their threads.
final class Board: Sendable {
    struct Row {
        var cycles = 0
        var accounts = 0
        var records = 0
        var account = Account()
        var failures = 0
        var longestWait = 0
        var holdUps = 0
        var impossible: String?
    }
    private struct State {
        var rows: [String: Row] = [:]
        var boundaries: [String: Int] = [:]
        var failures: [String] = []
        var isInterrupted = false
    }
    private let state = Mutex(State())
    let startedAt = monotonic()
    let endsAt: UInt64

    init(seconds: Double) { endsAt = monotonic() + nanoseconds(seconds) }

    var isOver: Bool { monotonic() >= endsAt || state.withLock { $0.isInterrupted } }
    func interrupt() { state.withLock { $0.isInterrupted = true } }

    private func change(_ kind: String, _ body: (inout Row) -> Void) { state.withLock { body(&$0.rows[kind, default: Row()]) } }

    func noteCycles(_ kind: String, _ count: Int) { change(kind) { $0.cycles += count } }
    func noteWait(_ kind: String, _ milliseconds: Int) { change(kind) { $0.longestWait = max($0.longestWait, milliseconds) } }
    func noteHoldUps(_ kind: String, _ count: Int) { change(kind) { $0.holdUps += count } }
    func noteBoundary(_ call: String) { state.withLock { $0.boundaries[call, default: 0] += 1 } }
    func noteImpossible(_ kind: String, _ why: String) { change(kind) { $0.impossible = why } }

    func note(_ kind: String, _ account: Account, records: Int) {
        change(kind) {
            $0.accounts += 1
            $0.records += records
            $0.account.lost += account.lost
            $0.account.duplicated += account.duplicated
            $0.account.reordered += account.reordered
        }
    }
    func noteFailure(_ kind: String, _ text: String) {
        change(kind) { $0.failures += 1 }
        state.withLock { $0.failures.append("\(kind): \(text)") }
    }

    func row(_ kind: String) -> Row { state.withLock { $0.rows[kind] ?? Row() } }
    var boundaries: [String: Int] { state.withLock { $0.boundaries } }
    var failures: [String] { state.withLock { $0.failures } }
}
