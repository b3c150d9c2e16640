import Glibc

/// A dbench that publishes at an even rate and tells when each acknowledgement came.
final class Meter {
    let topic: String
    /// When acknowledgements came, ascending, CLOCK_MONOTONIC.
    private(set) var times: [UInt64] = []
    private(set) var acknowledged = 0
    private(set) var said: [String] = []
    private let child: Child
    private let cluster: Cluster
    static let rate = 1000
    /// While a node joins there is more to hold up.
    static let joinRate = 10_000
    private static let bytes = 64

    /// Attached to the first of `nodes`; the others are where it goes when that one is lost.
    init(_ cluster: Cluster, topic: String, at nodes: [Int], rate: Int = Meter.rate) throws(Trouble) {
        (self.cluster, self.topic) = (cluster, topic)
        let words = [
            cluster.tools.path("dbench"), "pub", "--text", "--acks", "--records", "\(1000 * rate)", "--rate", "\(rate)", "--size", "\(Self.bytes)",
            "--topic", topic, "--patience", "60", "-b", nodes.map { cluster.node($0).address }.joined(separator: ","),
        ]
        child = try Child(words, in: cluster.folder, net: cluster.ground.clients)
        child.onOutput = { [weak self] in self?.hear($0) }
        child.onError = { [weak self] in self?.said.append(String(decoding: $0, as: UTF8.self)) }
        cluster.watch.add(child)
    }

    private func hear(_ line: ArraySlice<UInt8>) {
        let words = String(decoding: line, as: UTF8.self).split(separator: " ")
        guard words.count == 2, let count = Int(words[0]), let time = UInt64(words[1]) else { return }
        acknowledged = count
        times.append(time)
    }

    /// Acknowledgements come evenly.
    func flows() throws(Trouble) {
        let enough = acknowledged + 300
        try cluster.watch.until("acknowledgements flow", within: 30) { acknowledged >= enough || !child.isRunning }
        try mustRun()
    }
    /// One has come after `time`.
    func answers(after time: UInt64, within seconds: Double) throws(Trouble) {
        try cluster.watch.until("an acknowledgement comes", within: seconds) { (times.last ?? 0) > time || !child.isRunning }
        try mustRun()
    }
    private func mustRun() throws(Trouble) {
        if let end = child.end { throw .broken("the publisher ended by itself: \(end): \(said.suffix(2).joined(separator: " / "))") }
    }

    /// The longest time without an acknowledgement that reaches into `from` ... `to`: when it began and when it ended.
    func longestGap(from: UInt64, to: UInt64) -> (began: UInt64, ended: UInt64)? {
        var best: (began: UInt64, ended: UInt64)?
        for (one, next) in zip(times, times.dropFirst()) where next > from && one < to {
            if best.map({ next - one > $0.ended - $0.began }) ?? true { best = (one, next) }
        }
        return best
    }

    /// The longest times without one, longest first.
    func longestGaps(from: UInt64, to: UInt64, count: Int) -> [(began: UInt64, ended: UInt64)] {
        let gaps = zip(times, times.dropFirst()).filter { $1 > from && $0 < to }.map { (began: $0, ended: $1) }
        return Array(gaps.sorted { $0.ended - $0.began > $1.ended - $1.began }.prefix(count))
    }

    /// Times between two acknowledgements, milliseconds.
    func gaps(from: UInt64, to: UInt64) -> [Double] {
        zip(times, times.dropFirst()).filter { $0 >= from && $1 <= to }.map { Double($1 - $0) / 1e6 }
    }

    /// Interrupted, it waits for its acknowledgements; they go into the cluster's account.
    func finish() throws(Trouble) {
        child.send(SIGINT)
        try cluster.watch.until("the publisher has its acknowledgements and ends", within: 60) { child.isDone }
        guard child.end == .exit(0) else {
            throw .broken("the publisher ended with \(child.end.map { "\($0)" } ?? ""): \(said.suffix(2).joined(separator: " / "))")
        }
        cluster.expect(acknowledged, in: topic)
    }
}
