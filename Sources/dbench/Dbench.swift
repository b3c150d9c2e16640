import ArgumentParser
import Client
import Glibc
import Tooling
import Wire

/// The load of the benchmarks: one publisher or one subscriber, in this process, no input to parse.
@main
struct Dbench: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(
        commandName: "dbench", abstract: "Publish or receive records as fast as the cluster takes them, and measure.",
        version: toolVersion, subcommands: [Pub.self, Sub.self, Watchers.self, Crowd.self])
    func perform() throws(ToolFailure) -> ExitStatus { throw .usage("say pub, sub, watchers or crowd") }
    static func main() { runToExit() }
}

struct LoadFlags: ParsableArguments {
    @OptionGroup var connection: ConnectionFlags
    @Option(help: "How many records.") var records = 100_000
    @Option(name: [.short, .long], help: "The topic.") var topic = "bench/run"
    @Option(help: "So many topics below it, each in turn; 1 is the topic itself.") var topics = 1

    func name(_ index: Int) -> String { topics == 1 ? topic : "\(topic)/\(index)" }
    var pattern: String { topics == 1 ? topic : "\(topic)/#" }
}

/// Latencies in microseconds; kept as they are and sorted once.
struct Latencies {
    private var values: [UInt32] = []
    /// Of how many records one is looked at: one in sixteen of a long run is enough for percentiles, a short one needs each.
    static func stride(of records: Int) -> Int { records > 100_000 ? 16 : 1 }
    mutating func add(nanoseconds: UInt64) { values.append(UInt32(clamping: nanoseconds / 1000)) }
    func percentiles() -> (p50: UInt32, p99: UInt32, p999: UInt32) {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return (0, 0, 0) }
        func at(_ share: Double) -> UInt32 { sorted[min(sorted.count - 1, Int(share * Double(sorted.count)))] }
        return (at(0.5), at(0.99), at(0.999))
    }
}

func monotonic() -> UInt64 {
    var time = timespec()
    _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
}

/// User and system time of this process, seconds.
func processorSeconds() -> Double {
    var usage = rusage()
    _ = unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
}

struct Pub: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(abstract: "Publish; each record begins with its number and the time it was sent. An interrupt ends it early.")
    @OptionGroup var load: LoadFlags
    @Option(help: "Payload bytes, at least 16.") var size = 100
    @Option(help: "Records a second; 0 is as fast as possible.") var rate = 0.0
    @Option(help: "Batch bytes.") var batch = 64 << 10
    @Option(help: "Linger, milliseconds.") var linger = 1.0
    @Flag(help: "Payloads of text: the record's number from 1 on, filled up with the letter a.") var text = false
    @Flag(help: "A line for each acknowledgement: records acknowledged so far, CLOCK_MONOTONIC in nanoseconds.") var acks = false

    func perform() throws(ToolFailure) -> ExitStatus {
        guard size >= 16, load.records > 0, load.topics > 0 else { throw .usage("--size is at least 16, --records and --topics at least 1") }
        do throws(ClientError) { return try run() } catch {
            throw ToolFailure(status: error.exitStatus, error.description)
        }
    }

    private func run() throws(ClientError) -> ExitStatus {
        let options: ClientOptions
        do throws(ToolFailure) { options = try load.connection.resolve() } catch { throw .failed(error.message) }
        let publisher = try Publisher(options, identity: nil, batchBytes: batch, linger: linger / 1000, minimumLevel: nil)
        Interrupts.install(leavingAtOnce: .unacknowledged)
        try publisher.connect()
        Interrupts.engage()
        var topics: [TopicHandle] = []
        for index in 0..<load.topics { topics.append(try publisher.topic(load.name(index))) }
        try declare(topics, publisher)
        // Flags are looked up by name each time: not once a record.
        let (records, rate, text, stride) = (load.records, rate, text, Latencies.stride(of: load.records))
        let stampMask = size >= Self.stampedEach ? 0 : 63
        var payload = [UInt8](repeating: 0x61, count: size)
        var latencies = Latencies()
        var sentAt: [UInt64] = []
        sentAt.reserveCapacity(records)
        var noted = 0
        let before = processorSeconds()
        let start = monotonic()
        var stamp = start
        var turn = 0
        for number in 0..<records {
            if rate > 0 {
                if Interrupts.asked { break }
                let due = start + UInt64(Double(number) / rate * 1e9)
                while monotonic() < due { _ = try publisher.wait(upTo: Double(due - min(due, monotonic())) / 1e9, reading: -1); note(publisher, sentAt, stride, &noted, &latencies) }
                stamp = monotonic()
            } else if number & stampMask == 0 { stamp = monotonic() }
            if text { write(number + 1, into: &payload) } else {
                payload.store(UInt64(number), at: 0)
                payload.store(stamp, at: 8)
            }
            while try !payload.withView({ view throws(ClientError) in
                try publisher.publish(topics[turn], key: .empty, headers: .empty, time: Int64(stamp), payload: view, retain: false)
            }) {
                _ = try publisher.wait(upTo: 1, reading: -1)
                note(publisher, sentAt, stride, &noted, &latencies)
            }
            sentAt.append(stamp)
            turn = turn + 1 == topics.count ? 0 : turn + 1
            if number & 255 == 255 {
                if Interrupts.asked { break }
                _ = try publisher.wait(upTo: 0, reading: -1)
                note(publisher, sentAt, stride, &noted, &latencies)
            }
        }
        while publisher.unacknowledged > 0 {
            try publisher.flush()
            _ = try publisher.wait(upTo: 1, reading: -1)
            note(publisher, sentAt, stride, &noted, &latencies)
        }
        let end = monotonic()
        let seconds = Double(end - start) / 1e9
        let (p50, p99, p999) = latencies.percentiles()
        let acknowledged = publisher.statistics.acknowledged
        _ = Descriptor.writeLine(
            "{\"records\":\(acknowledged),\"seconds\":\(seconds),\"records_per_second\":\(Double(acknowledged) / seconds),"
                + "\"p50_us\":\(p50),\"p99_us\":\(p99),\"p999_us\":\(p999),\"cpu_seconds\":\(processorSeconds() - before),"
                + "\"started_ns\":\(start),\"finished_ns\":\(end)}", to: 1)
        publisher.close()
        return acknowledged == UInt64(sentAt.count) ? .done : .unacknowledged
    }

    /// Records of so many bytes have the time of each one's call; of smaller ones, which come faster than a clock is read, 64 share one.
    private static let stampedEach = 4096

    /// All names are known before the clock starts: declaring is told by itself.
    private func declare(_ topics: [TopicHandle], _ publisher: Publisher) throws(ClientError) {
        guard topics.count > 1 else { return }
        let start = monotonic()
        while !publisher.knows(topics) { _ = try publisher.wait(upTo: 0.05, reading: -1) }
        _ = Descriptor.writeLine("declared \(topics.count) topics in \(Double(monotonic() - start) / 1e9) s", to: 2)
    }

    /// The number in decimal, at the front; it only grows, so it covers the one before.
    private func write(_ number: Int, into payload: inout [UInt8]) {
        for (index, digit) in String(number).utf8.enumerated() { payload[index] = digit }
    }

    private func note(_ publisher: Publisher, _ sentAt: [UInt64], _ stride: Int, _ noted: inout Int, _ latencies: inout Latencies) {
        let acknowledged = Int(publisher.statistics.acknowledged)
        guard acknowledged > noted else { return }
        let now = monotonic()
        if acks { _ = Descriptor.writeLine("\(acknowledged) \(now)", to: 1) }
        while noted < min(acknowledged, sentAt.count) {
            if noted & (stride - 1) == 0 { latencies.add(nanoseconds: now - sentAt[noted]) }
            noted += 1
        }
    }
}

struct Sub: ParsableCommand, Tool {
    static let configuration = CommandConfiguration(abstract: "Receive, and check that every number comes once and in order.")
    @OptionGroup var load: LoadFlags
    @Option(help: "Give up after so many seconds without a record.") var idle = 30.0

    func perform() throws(ToolFailure) -> ExitStatus {
        do throws(ClientError) { return try run() } catch {
            throw ToolFailure(status: error.exitStatus, error.description)
        }
    }

    private final class Tally {
        let cell: Cell<Counts>
        init(_ counts: Counts) { cell = Cell(counts) }
    }
    private struct Counts {
        let stride: Int
        var received = 0
        var expected: UInt64 = 0
        var lost: UInt64 = 0
        var duplicates: UInt64 = 0
        var first: UInt64 = 0
        var latencies = Latencies()

        mutating func take(_ payload: ByteView) {
            guard payload.count >= 16 else { return }
            let number = payload.u64(0)
            if received == 0 { first = monotonic() }
            if number == expected {
                expected += 1
            } else if number > expected {
                lost += number - expected
                expected = number + 1
            } else {
                duplicates += 1
            }
            if received & (stride - 1) == 0 {
                let now = monotonic()
                latencies.add(nanoseconds: now - min(now, payload.u64(8)))
            }
            received += 1
        }
    }

    private func run() throws(ClientError) -> ExitStatus {
        let options: ClientOptions
        do throws(ToolFailure) { options = try load.connection.resolve() } catch { throw .failed(error.message) }
        let subscriber = try Subscriber(options, Subscription(patterns: [load.pattern]))
        try subscriber.connect()
        // The start is the end as it is now: stand there before the publisher is let go.
        var isThere = false
        while !isThere { isThere = try subscriber.poll(upTo: 0.05) { _ in true }.atEnd }
        _ = Descriptor.writeLine("ready", to: 2)
        let box = Tally(Counts(stride: Latencies.stride(of: load.records)))
        let before = processorSeconds()
        var last = monotonic()
        // What is lost will not come: waiting for it would only spoil the time.
        while box.cell.value.received + Int(box.cell.value.lost) < load.records {
            let progress = try subscriber.poll(upTo: 1) { record in
                box.cell.value.take(record.view.payload)
                return true
            }
            if progress.delivered > 0 { last = monotonic() }
            if Double(monotonic() - last) / 1e9 > idle { break }
        }
        let tally = box.cell.value
        let end = monotonic()
        let seconds = Double(end - tally.first) / 1e9
        let (p50, p99, p999) = tally.latencies.percentiles()
        let lost = tally.lost + UInt64(max(0, load.records - tally.received) ) - min(tally.lost, UInt64(max(0, load.records - tally.received)))
        _ = Descriptor.writeLine(
            "{\"records\":\(tally.received),\"seconds\":\(seconds),\"records_per_second\":\(Double(tally.received) / seconds),"
                + "\"p50_us\":\(p50),\"p99_us\":\(p99),\"p999_us\":\(p999),\"lost\":\(lost),\"duplicates\":\(tally.duplicates),"
                + "\"cpu_seconds\":\(processorSeconds() - before),\"started_ns\":\(tally.first),\"finished_ns\":\(end)}", to: 1)
        subscriber.close()
        return tally.received == load.records && lost == 0 && tally.duplicates == 0 ? .done : .failed
    }
}
