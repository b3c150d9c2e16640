internal import Client
internal import Tooling
internal import Wire

/// What was done so far, in records; see `PublisherStatistics`.
struct Tally: Equatable {
    var sent: UInt64 = 0
    var acknowledged: UInt64 = 0
    var duplicates: UInt64 = 0
    var failed: UInt64 = 0
    var payloadBytes: UInt64 = 0
    /// The lowest level published to; empty before any.
    var level = ""
    /// Disks that an acknowledgement waits for, of how many members.
    var quorum = 0
    var members = 0
    var reconnects = 0

    var answered: UInt64 { acknowledged &+ failed }
}

extension Tally {
    init(_ statistics: PublisherStatistics) {
        sent = statistics.sent
        acknowledged = statistics.acknowledged
        duplicates = statistics.duplicates
        failed = statistics.failed
        payloadBytes = statistics.payloadBytes
        level = statistics.level
        quorum = statistics.quorum
        members = statistics.members
        reconnects = statistics.reconnects
    }
}

/// Where records go: a cluster, or nowhere in a dry run.
protocol RecordSink: AnyObject {
    associatedtype Topic
    var tally: Tally { get }
    func topic(_ name: String) throws(ClientError) -> Topic
    /// False: no room; `wait` and call again.
    func publish(
        _ topic: Topic, key: ByteView, headers: ByteView, time: Int64, payload: ByteView, retain: Bool
    ) throws(ClientError) -> Bool
    func flush() throws(ClientError)
    func wait(upTo seconds: Double, reading file: Int32) throws(ClientError) -> Bool
    func finish(within seconds: Double) throws(ClientError) -> UInt64
}

extension Publisher: RecordSink {
    var tally: Tally { Tally(statistics) }
}

/// Takes everything, sends nothing; lists the records on standard output where asked to.
final class DryRun: RecordSink {
    private(set) var tally = Tally()
    private let lists: Bool
    private var output = ByteBuffer(capacity: 64 << 10)
    private(set) var topics = 0

    init(lists: Bool) { self.lists = lists }

    func topic(_ name: String) throws(ClientError) -> String {
        topics += 1
        return name
    }
    /// `topic<tab>key<tab>time<tab>payload`.
    func publish(
        _ topic: String, key: ByteView, headers: ByteView, time: Int64, payload: ByteView, retain: Bool
    ) throws(ClientError) -> Bool {
        tally.sent += 1
        tally.payloadBytes += UInt64(payload.count)
        guard lists else { return true }
        output.append(text: topic)
        output.append(9)
        output.append(key)
        output.append(9)
        TimeText.append(time, to: &output)
        output.append(9)
        output.append(payload)
        output.append(10)
        if output.count > 64 << 10 { try flush() }
        return true
    }
    func flush() throws(ClientError) {
        do throws(WriteFault) {
            try Descriptor.write(output.view, to: 1)
        } catch {
            // Nobody reads the list any more: go on counting.
            if case .failed(let fault) = error { throw .failed("standard output: \(fault.reason)") }
        }
        output.removeAll()
    }
    func wait(upTo seconds: Double, reading file: Int32) throws(ClientError) -> Bool {
        try flush()
        return Descriptor.canRead(file, within: seconds)
    }
    func finish(within seconds: Double) throws(ClientError) -> UInt64 {
        try flush()
        return 0
    }
    /// `would send 63,676 records of 3.2 MB to 10 topics`.
    func summary() -> String {
        "would send \(Numbers.grouped(tally.sent)) record\(tally.sent == 1 ? "" : "s") of \(Numbers.bytes(Double(tally.payloadBytes))) to "
            + "\(Numbers.grouped(topics)) topic\(topics == 1 ? "" : "s")"
    }
}
