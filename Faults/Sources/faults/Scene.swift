import Foundation

/// One thread: one cluster after another, hit by one kind of fault until the time is over.
final class Scene {
    private let kind: Kind
    private let index: Int
    private let tools: Tools
    private let work: String
    private let evidence: String
    private let seed: UInt64
    private let board: Board
    private static let failuresLimit = 5

    init(_ kind: Kind, _ index: Int, _ tools: Tools, work: String, evidence: String, seed: UInt64, _ board: Board) {
        (self.kind, self.index, self.tools, self.work, self.evidence, self.seed, self.board) = (kind, index, tools, work, evidence, seed, board)
    }

    func run() {
        var failures = 0
        var number = 0
        while !board.isOver, failures < Self.failuresLimit {
            number += 1
            let name = "\(kind.name)-\(index)-\(number)"
            do throws(Trouble) {
                let stage = try Stage(tools, folder: "\(work)/\(name)", draw: Draw(seed: seed &+ UInt64(number)))
                let fault = try kind.make(stage, board)
                if let text = play(fault, stage, name) {
                    failures += 1
                    board.noteFailure(kind.name, text)
                }
            } catch {
                return board.noteImpossible(kind.name, "\(error)")
            }
        }
    }

    /// A cluster's life: rounds of publishing under faults, each closed by a reading of all logs. What went wrong, if anything.
    private func play(_ fault: any Fault, _ stage: Stage, _ name: String) -> String? {
        let cluster = fault.cluster
        defer { board.noteHoldUps(kind.name, cluster.nodes.reduce(0) { $0 + $1.holdUps }) }
        do throws(Trouble) {
            try fault.restore()
            try cluster.follow()
            for _ in 0..<kind.readings where !board.isOver { try round(fault) }
            return nil
        } catch {
            board.noteWait(kind.name, cluster.longestWait)
            let account = attempt(cluster)
            let place = Evidence(evidence).save(name, "\(error)", account, cluster, seed: seed)
            return "\(error)\(account.flaws.isEmpty ? "" : "; " + account.flaws.joined(separator: "; ")); see \(place)"
        }
    }

    private func round(_ fault: any Fault) throws(Trouble) {
        let cluster = fault.cluster
        let before = cluster.acknowledgedInAll
        try cluster.publish(rate: kind.rate, linger: kind.linger)
        try cluster.serves()
        var cycles = 0
        while cycles < kind.cycles, cluster.isPublishing, !board.isOver {
            let count = try fault.cycle()
            cycles += count
            board.noteCycles(kind.name, count)
        }
        board.noteWait(kind.name, cluster.longestWait)
        try fault.restore()
        try cluster.stopPublishing()
        let account = try Account.take(of: cluster, exact: true)
        board.note(kind.name, account, records: cluster.acknowledgedInAll - before)
        guard account.isClean else { throw .broken("the logs do not hold what was acknowledged: \(account.flaws.joined(separator: "; "))") }
    }

    /// After trouble: what can still be read.
    private func attempt(_ cluster: Cluster) -> Account {
        if let publisher = cluster.publisher {
            publisher.abandon()
            cluster.expect(publisher.acknowledged, in: publisher.topic)
        }
        do throws(Trouble) {
            let account = try Account.take(of: cluster, exact: false)
            if cluster.publisher != nil { board.note(kind.name, account, records: 0) }
            return account
        } catch {
            var account = Account()
            account.flaws.append("the logs cannot be read: \(error)")
            return account
        }
    }
}
